//! A camera's MJPEG stream: one thread that reads, a short queue, and everything bounded. Only the configured address is spoken to.
//!
//! A picture counts as received once it begins: one that breaks off, is too long or comes too slowly has its outcome too. Where more
//! come than are taken, the oldest is dropped before it is decoded. At most [`QUEUE`] captures wait here; beyond that the camera
//! waits.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Write as _};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use vaern_door::guard;
use vaern_privacy::{ReadError, StreamReader};

use super::{Arrived, Content, Source};
use crate::live::config::StreamAt;
use crate::live::control::Clock;
use crate::live::inbox::{Held, Taken};

/// Captures that lie here at most, dropped ones among them.
pub(in crate::live) const QUEUE: usize = 64;

/// Pictures among them at most.
const PICTURES: usize = 8;

/// How patient the reader is. Tests have less patience than cameras need.
#[derive(Debug, Clone, Copy)]
pub(in crate::live) struct Patience {
    /// For a connection.
    pub(in crate::live) head: Duration,
    /// From one whole picture to the next.
    pub(in crate::live) picture: Duration,
    /// Before the first new try; it doubles with each that fails.
    pub(in crate::live) again: Duration,
    /// Between two tries at most.
    pub(in crate::live) longest: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            head: Duration::from_secs(5),
            picture: Duration::from_secs(10),
            again: Duration::from_millis(250),
            longest: Duration::from_secs(10),
        }
    }
}

/// How long one look at the socket lasts, before it is asked whether it is over.
const LOOK: Duration = Duration::from_millis(100);

/// Why a connection ended.
#[derive(Debug, thiserror::Error)]
enum Broken {
    #[error("the camera cannot be reached: {0}")]
    Connect(io::Error),
    #[error("{0}")]
    Read(ReadError),
    #[error("the camera closed the connection")]
    Closed,
    #[error("the camera is too slow: no whole picture came for too long")]
    TooSlow,
    #[error("nobody wants pictures")]
    Unwanted,
}

#[derive(Default)]
struct Queue {
    all: VecDeque<Arrived>,
    trouble: Option<String>,
}

impl Queue {
    fn pictures(&self) -> usize {
        self.all.iter().filter(|one| matches!(one.content, Content::Whole(_))).count()
    }

    /// Where there are too many pictures, the oldest loses its bytes and keeps its place.
    fn push(&mut self, arrived: Arrived) {
        self.all.push_back(arrived);
        if self.pictures() > PICTURES
            && let Some(oldest) = self.all.iter_mut().find(|one| matches!(one.content, Content::Whole(_)))
        {
            oldest.content = Content::Dropped;
        }
    }
}

struct Shared {
    queue: Mutex<Queue>,
    changed: Condvar,
    wanted: AtomicBool,
    over: AtomicBool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_wanted(&self) -> bool {
        self.wanted.load(Ordering::Acquire) && !self.over.load(Ordering::Acquire)
    }

    /// Waits, but no longer than somebody wants it to.
    fn rest(&self, how_long: Duration) {
        let until = Instant::now() + how_long;
        while !self.over.load(Ordering::Acquire) && Instant::now() < until {
            std::thread::sleep(LOOK.min(until.saturating_duration_since(Instant::now())));
        }
    }
}

/// The stream, and its thread.
pub(in crate::live) struct Camera {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
    next: u64,
}

impl Camera {
    /// Begins to read, as soon as pictures are wanted. `next` is the number of the first capture.
    pub(in crate::live) fn open(
        at: StreamAt,
        max_bytes: u64,
        next: u64,
        patience: Patience,
        clock: Clock,
    ) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            queue: Mutex::default(),
            changed: Condvar::new(),
            wanted: AtomicBool::new(false),
            over: AtomicBool::new(false),
        });
        let theirs = Arc::clone(&shared);
        let reader = Reader { at, max_bytes, patience, clock, shared: theirs };
        let thread = std::thread::Builder::new().name("vaern-camera".to_owned()).spawn(move || reader.run())?;
        Ok(Self { shared, thread: Some(thread), next })
    }
}

impl Source for Camera {
    fn take(&mut self, limit: usize) -> io::Result<Vec<Taken>> {
        let mut queue = self.shared.lock();
        let many = limit.min(queue.all.len());
        let arrived: Vec<Arrived> = queue.all.drain(..many).collect();
        drop(queue);
        self.shared.changed.notify_all();
        let number = |arrived| {
            let seq = self.next;
            self.next += 1;
            Taken { seq, held: Held::Memory(Box::new(arrived)) }
        };
        Ok(arrived.into_iter().map(number).collect())
    }

    fn wanted(&mut self, wanted: bool) {
        self.shared.wanted.store(wanted, Ordering::Release);
        self.shared.changed.notify_all();
    }

    fn close(&mut self) -> Vec<Taken> {
        self.end();
        let mut all = Vec::new();
        while let Ok(some) = self.take(QUEUE)
            && !some.is_empty()
        {
            all.extend(some);
        }
        all
    }

    fn trouble(&mut self) -> Option<String> {
        self.shared.lock().trouble.take()
    }

    fn is_fleeting(&self) -> bool {
        true
    }
}

impl Camera {
    fn end(&mut self) {
        self.shared.over.store(true, Ordering::Release);
        self.shared.changed.notify_all();
        if let Some(thread) = self.thread.take() {
            // One that panicked has nothing more to say.
            let _ = thread.join();
        }
    }
}

impl Drop for Camera {
    fn drop(&mut self) {
        self.end();
    }
}

struct Reader {
    at: StreamAt,
    max_bytes: u64,
    patience: Patience,
    clock: Clock,
    shared: Arc<Shared>,
}

impl Reader {
    fn run(&self) {
        let mut again = self.patience.again;
        while !self.shared.over.load(Ordering::Acquire) {
            if !self.shared.is_wanted() {
                self.shared.rest(LOOK);
                continue;
            }
            let mut pictures = 0;
            let broken = self.once(&mut pictures);
            if !matches!(broken, Broken::Unwanted) {
                self.shared.lock().trouble = Some(format!("the stream of {}: {broken}", self.at.address));
                // One that gave pictures is worth trying at once; one that gave none is asked less and less often.
                again = if pictures > 0 { self.patience.again } else { (again * 2).min(self.patience.longest) };
                self.shared.rest(again);
            }
        }
    }

    /// One connection, to its end.
    fn once(&self, pictures: &mut u64) -> Broken {
        let mut reader = StreamReader::new(self.max_bytes);
        let broken = match self.connection(&mut reader, pictures) {
            Ok(never) => match never {},
            Err(broken) => broken,
        };
        // What had begun is a capture all the same. One that is too long is known as such before it has begun.
        let error = if let Broken::Read(ReadError::Stream(error)) = &broken { Some(*error) } else { None };
        if reader.in_part() || error == Some(vaern_privacy::StreamError::TooLong) {
            self.arrived(Content::Torn(error));
        }
        broken
    }

    fn connection(&self, reader: &mut StreamReader, pictures: &mut u64) -> Result<std::convert::Infallible, Broken> {
        let mut stream = TcpStream::connect_timeout(&self.at.address, self.patience.head).map_err(Broken::Connect)?;
        stream.set_read_timeout(Some(LOOK)).map_err(Broken::Connect)?;
        stream.set_write_timeout(Some(self.patience.head)).map_err(Broken::Connect)?;
        // 1.0: no chunks, and the end of the connection is the end of the answer.
        let ask = format!(
            "GET {} HTTP/1.0\r\nHost: {}\r\nAccept: multipart/x-mixed-replace\r\nUser-Agent: vaern\r\n\r\n",
            self.at.path, self.at.address
        );
        stream.write_all(ask.as_bytes()).map_err(Broken::Connect)?;
        let mut since = Instant::now();
        let mut whole = Vec::new();
        loop {
            if !self.shared.is_wanted() {
                return Err(Broken::Unwanted);
            }
            match reader.read(&mut stream, &mut whole) {
                Ok(true) => {}
                Ok(false) => return Err(Broken::Closed),
                Err(ReadError::Io(error))
                    if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted) => {
                }
                Err(error) => {
                    // What was whole before the fault is a capture.
                    self.all(&mut whole, pictures);
                    return Err(Broken::Read(error));
                }
            }
            if self.all(&mut whole, pictures) {
                since = Instant::now();
            }
            if since.elapsed() > self.patience.picture && guard::stands("node.slow-camera") {
                return Err(Broken::TooSlow);
            }
        }
    }

    fn all(&self, whole: &mut Vec<vaern_privacy::OriginalBytes>, pictures: &mut u64) -> bool {
        let any = !whole.is_empty();
        for picture in whole.drain(..) {
            *pictures += 1;
            self.arrived(Content::Whole(picture));
        }
        any
    }

    /// Puts a capture into the queue; where even the places for dropped ones are taken, waits.
    fn arrived(&self, content: Content) {
        let at = (self.clock)();
        let mut queue = self.shared.lock();
        while queue.all.len() >= QUEUE && !self.shared.over.load(Ordering::Acquire) {
            let waited = self.shared.changed.wait_timeout(queue, LOOK);
            queue = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        queue.push(Arrived { content, at });
    }
}

#[cfg(test)]
mod tests;

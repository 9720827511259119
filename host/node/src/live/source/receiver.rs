//! A receiver at hand: `gpsd` on this machine, its reports read in a thread of their own. Whatever is odd about it is no fix.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use vaern_privacy::{Heard, LiveTrack, MAX_REPORT, TrackLog};

use crate::live::control::Clock;

const ASK: &[u8] = b"?WATCH={\"enable\":true,\"json\":true};\n";
const LOOK: Duration = Duration::from_millis(100);
/// Without a word for so long, the connection is made anew.
const SILENT: Duration = Duration::from_secs(10);
const AGAIN: Duration = Duration::from_secs(1);
/// How far its clock and this machine's may lie apart.
const GAP: SignedDuration = SignedDuration::from_secs(2);

#[derive(Default)]
struct State {
    track: LiveTrack,
    trouble: Option<String>,
}

struct Shared {
    state: Mutex<State>,
    over: AtomicBool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// `gpsd`, listened to.
pub(in crate::live) struct Receiver {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Receiver {
    /// Begins to listen.
    pub(in crate::live) fn open(address: SocketAddr, clock: Clock) -> std::io::Result<Self> {
        let shared = Arc::new(Shared { state: Mutex::default(), over: AtomicBool::new(false) });
        let theirs = Arc::clone(&shared);
        let work = move || {
            while !theirs.over.load(Ordering::Acquire) {
                let why = listen(address, &theirs, &clock);
                let mut state = theirs.lock();
                state.track.lost(clock());
                state.trouble = Some(format!("gpsd on {address}: {why}"));
                drop(state);
                let until = Instant::now() + AGAIN;
                while Instant::now() < until && !theirs.over.load(Ordering::Acquire) {
                    std::thread::sleep(LOOK);
                }
            }
        };
        let thread = std::thread::Builder::new().name("vaern-gpsd".to_owned()).spawn(work)?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// Whether it has spoken of a moment at `time` or after.
    pub(in crate::live) fn reaches(&self, time: Timestamp) -> bool {
        self.shared.lock().track.reaches(time)
    }

    /// What it said in the last minutes.
    pub(in crate::live) fn log(&self) -> Arc<TrackLog> {
        self.shared.lock().track.log()
    }

    /// What went wrong since the last time.
    pub(in crate::live) fn trouble(&self) -> Option<String> {
        self.shared.lock().trouble.take()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            // One that panicked has nothing more to say.
            let _ = thread.join();
        }
    }
}

/// One connection, to its end; says why it ended.
fn listen(address: SocketAddr, shared: &Shared, clock: &Clock) -> String {
    let opened = TcpStream::connect_timeout(&address, Duration::from_secs(2)).and_then(|mut stream| {
        stream.set_read_timeout(Some(LOOK))?;
        stream.set_write_timeout(Some(Duration::from_secs(2)))?;
        stream.write_all(ASK)?;
        Ok(stream)
    });
    let mut stream = match opened {
        Ok(stream) => stream,
        Err(error) => return error.to_string(),
    };
    let (mut line, mut chunk) = (Vec::new(), [0_u8; 4096]);
    let mut heard = Instant::now();
    while !shared.over.load(Ordering::Acquire) {
        let read = match stream.read(&mut chunk) {
            Ok(0) => return "it closed the connection".to_owned(),
            Ok(read) => read,
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted) => {
                if heard.elapsed() > SILENT {
                    return "it says nothing".to_owned();
                }
                continue;
            }
            Err(error) => return error.to_string(),
        };
        heard = Instant::now();
        for byte in chunk.get(..read).unwrap_or_default() {
            if *byte != b'\n' {
                line.push(*byte);
                if line.len() > MAX_REPORT {
                    return "a report without end".to_owned();
                }
                continue;
            }
            let mut state = shared.lock();
            match state.track.hear(&line, clock(), GAP) {
                Heard::OtherTime => state.trouble = Some("gpsd and this machine disagree on the time".to_owned()),
                Heard::Bad => state.trouble = Some("a report of gpsd is not understood".to_owned()),
                Heard::Fix | Heard::NoFix | Heard::Other => {}
            }
            drop(state);
            line.clear();
        }
    }
    "it is over".to_owned()
}

//! A camera on loopback: sends as MJPEG what a test gives it, each picture once.

use std::collections::VecDeque;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

/// The camera; it ends with the value.
pub(crate) struct Feed {
    address: SocketAddr,
    waiting: Arc<Mutex<VecDeque<Vec<u8>>>>,
    sent: Arc<AtomicU64>,
    watched: Arc<AtomicBool>,
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Feed {
    pub(crate) fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let waiting = Arc::new(Mutex::new(VecDeque::<Vec<u8>>::new()));
        let (sent, over) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let watched = Arc::new(AtomicBool::new(false));
        let (queue, count, ended) = (Arc::clone(&waiting), Arc::clone(&sent), Arc::clone(&over));
        let there = Arc::clone(&watched);
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if ended.load(Ordering::Acquire) {
                    return;
                }
                let Ok(mut stream) = stream else { continue };
                let mut ask = [0; 1024];
                let _ = stream.read(&mut ask);
                let head = b"HTTP/1.0 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary=feed\r\n\r\n";
                if stream.write_all(head).is_err() {
                    continue;
                }
                there.store(true, Ordering::Release);
                stream.set_read_timeout(Some(Duration::from_millis(1))).unwrap();
                while !ended.load(Ordering::Acquire) {
                    // The other side says nothing more; that it hung up is seen here, before a picture is sent into the void.
                    if matches!(stream.read(&mut ask), Ok(0)) {
                        break;
                    }
                    let Some(picture) = queue.lock().unwrap().pop_front() else {
                        std::thread::sleep(Duration::from_millis(2));
                        continue;
                    };
                    let head =
                        format!("--feed\r\nContent-Type: image/jpeg\r\nContent-Length: {}\r\n\r\n", picture.len());
                    let part = [head.as_bytes(), &picture, b"\r\n"].concat();
                    if stream.write_all(&part).is_err() {
                        queue.lock().unwrap().push_front(picture);
                        break;
                    }
                    count.fetch_add(1, Ordering::AcqRel);
                }
                there.store(false, Ordering::Release);
            }
        });
        Self { address, waiting, sent, watched, over, thread: Some(thread) }
    }

    /// As `[source]` names it.
    pub(crate) fn url(&self) -> String {
        format!("http://{}/video", self.address)
    }

    pub(crate) fn send<'a>(&self, pictures: impl IntoIterator<Item = &'a Vec<u8>>) {
        self.waiting.lock().unwrap().extend(pictures.into_iter().cloned());
    }

    /// Whether somebody takes pictures.
    pub(crate) fn is_watched(&self) -> bool {
        self.watched.load(Ordering::Acquire)
    }

    /// Pictures that left.
    pub(crate) fn sent(&self) -> u64 {
        self.sent.load(Ordering::Acquire)
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Release);
        drop(TcpStream::connect(self.address));
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

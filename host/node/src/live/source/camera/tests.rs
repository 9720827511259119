//! Cameras on loopback, honest and hostile: what becomes of each picture that began, and of the connection.

use std::io::Read as _;
use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::AtomicUsize;

use jiff::Timestamp;
use vaern_privacy::StreamError;

use super::*;

/// Longer than anything takes on a busy machine; only a hang lasts so long.
const HANGS: Duration = Duration::from_secs(120);

const HEAD: &str = "HTTP/1.0 200 OK\r\nContent-Type: multipart/x-mixed-replace;boundary=cam\r\n\r\n";

const HASTY: Patience = Patience {
    head: Duration::from_secs(30),
    picture: Duration::from_secs(60),
    again: Duration::from_millis(1),
    longest: Duration::from_millis(20),
};

/// A camera that does `act` with each connection, until it is dropped.
struct Served {
    address: SocketAddr,
    over: Arc<AtomicBool>,
    asked: Arc<Mutex<Vec<String>>>,
    connections: Arc<AtomicUsize>,
    thread: Option<JoinHandle<()>>,
}

impl Served {
    fn new(act: impl Fn(usize, &mut TcpStream, &AtomicBool) + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (over, asked) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Vec::new())));
        let connections = Arc::new(AtomicUsize::new(0));
        let (ended, heard, counted) = (Arc::clone(&over), Arc::clone(&asked), Arc::clone(&connections));
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if ended.load(Ordering::Acquire) {
                    return;
                }
                let mut stream = stream.unwrap();
                let number = counted.fetch_add(1, Ordering::AcqRel);
                let mut ask = [0; 1024];
                let read = stream.read(&mut ask).unwrap_or_default();
                heard.lock().unwrap().push(String::from_utf8_lossy(&ask[..read]).into_owned());
                act(number, &mut stream, &ended);
            }
        });
        Self { address, over, asked, connections, thread: Some(thread) }
    }

    fn camera(&self, max_bytes: u64, patience: Patience) -> Camera {
        let at = StreamAt { address: self.address, path: "/video?x=1".to_owned() };
        let clock: Clock = Arc::new(|| Timestamp::from_second(1_780_000_000).unwrap());
        let mut camera = Camera::open(at, max_bytes, 5, patience, clock).unwrap();
        camera.wanted(true);
        camera
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Release);
        // Wakes whoever waits for a connection.
        drop(TcpStream::connect(self.address));
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

fn part(picture: &[u8]) -> Vec<u8> {
    let mut out = format!("--cam\r\nContent-Length: {}\r\n\r\n", picture.len()).into_bytes();
    out.extend(picture);
    out.extend(b"\r\n");
    out
}

/// Waits for so many captures: each as its length, `torn` or `dropped`.
fn wait(camera: &mut Camera, many: usize) -> Vec<(u64, String)> {
    let begun = Instant::now();
    let mut all = Vec::new();
    while all.len() < many {
        assert!(begun.elapsed() < HANGS, "{all:?}");
        for taken in camera.take(64).unwrap() {
            let Held::Memory(arrived) = taken.held else { panic!("a file") };
            all.push((
                taken.seq,
                match arrived.content {
                    Content::Whole(bytes) => bytes.len().to_string(),
                    Content::Torn(error) => format!("torn {error:?}"),
                    Content::Dropped => "dropped".to_owned(),
                },
            ));
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    all
}

fn trouble(camera: &mut Camera, what: &str) -> String {
    let begun = Instant::now();
    loop {
        if let Some(trouble) = camera.trouble() {
            return trouble;
        }
        assert!(begun.elapsed() < HANGS, "{what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn named(all: &[(u64, String)]) -> Vec<&str> {
    all.iter().map(|(_, name)| name.as_str()).collect()
}

#[test]
fn cyb_01p_pictures_of_a_stream_are_taken_in_order_and_a_camera_that_went_away_is_asked_again() {
    let served = Served::new(|number, stream, _| {
        let first = vec![1; 100 + number * 2];
        let second = vec![2; 101 + number * 2];
        let _ = stream.write_all(&[HEAD.as_bytes(), &part(&first), &part(&second)].concat());
    });
    let mut camera = served.camera(1_000, HASTY);
    let all = wait(&mut camera, 6);
    assert_eq!(named(&all)[..6], ["100", "101", "102", "103", "104", "105"]);
    let numbers: Vec<u64> = all.iter().map(|(seq, _)| *seq).collect();
    assert_eq!(numbers[..6], [5, 6, 7, 8, 9, 10], "each has its number, beginning with the one it was told");
    let said = trouble(&mut camera, "the end of a connection is said");
    assert!(said.contains("closed the connection"), "{said}");
    let asked = served.asked.lock().unwrap()[0].clone();
    assert!(asked.starts_with("GET /video?x=1 HTTP/1.0\r\nHost: 127.0.0.1:"), "{asked}");
}

#[test]
fn skj_02n_a_redirect_is_not_followed_and_nobody_else_is_spoken_to() {
    let elsewhere = Served::new(|_, _, _| {});
    let to = elsewhere.address;
    let served = Served::new(move |_, stream, _| {
        let _ = stream.write_all(format!("HTTP/1.1 307 Over there\r\nLocation: http://{to}/\r\n\r\n").as_bytes());
    });
    let mut camera = served.camera(1_000, HASTY);
    for _ in 0..3 {
        let said = trouble(&mut camera, "the redirect");
        assert!(said.contains("the status 307"), "{said}");
    }
    drop(camera);
    assert_eq!(elsewhere.connections.load(Ordering::Acquire), 0);
}

#[test]
fn skj_09n_what_is_too_long_breaks_off_or_has_no_boundary_has_its_outcome_and_the_connection_ends() {
    let served = Served::new(|number, stream, _| {
        let answer: Vec<u8> = match number % 4 {
            0 => [HEAD.as_bytes(), &part(&[1; 10]), b"--cam\r\nContent-Length: 5000\r\n\r\n"].concat(),
            1 => [HEAD.as_bytes(), b"--cam\r\nContent-Length: 50\r\n\r\nhalf"].concat(),
            2 => [HEAD.as_bytes(), b"--cam\r\n\r\n", &[7; 4_000]].concat(),
            _ => [HEAD.as_bytes(), &b"no boundary\r\n".repeat(2_000)].concat(),
        };
        let _ = stream.write_all(&answer);
    });
    let mut camera = served.camera(1_000, HASTY);
    let all = wait(&mut camera, 8);
    let too_long = format!("torn {:?}", Some(StreamError::TooLong));
    let once = ["10", too_long.as_str(), "torn None", too_long.as_str()];
    assert_eq!(named(&all)[..8], [once, once].concat());
}

#[test]
fn skj_09n_a_camera_that_trickles_is_hung_up_on_and_its_half_picture_is_counted() {
    let served = Served::new(|number, stream, over| {
        if number > 0 {
            let _ = stream.write_all(&[HEAD.as_bytes(), &part(&[1; 20])].concat());
            return;
        }
        let _ = stream.write_all(&[HEAD.as_bytes(), b"--cam\r\nContent-Length: 900\r\n\r\n"].concat());
        // A byte now and then, without end.
        while !over.load(Ordering::Acquire) && stream.write_all(b"x").is_ok() {
            std::thread::sleep(Duration::from_millis(5));
        }
    });
    let mut camera = served.camera(1_000, Patience { picture: Duration::from_millis(300), ..HASTY });
    let all = wait(&mut camera, 2);
    assert_eq!(named(&all)[..2], ["torn None", "20"]);
}

#[test]
fn skj_09n_an_endless_head_and_a_silent_camera_are_hung_up_on() {
    let served = Served::new(|number, stream, over| {
        if number % 2 == 0 {
            while !over.load(Ordering::Acquire) && stream.write_all(b"HTTP/1.0 200 OK\r\nX: y\r\n").is_ok() {}
        } else {
            while !over.load(Ordering::Acquire) && stream.write_all(b"").is_ok() {
                let mut byte = [0];
                // Nothing is said; the other side hangs up.
                if matches!(stream.read(&mut byte), Ok(0) | Err(_)) {
                    return;
                }
            }
        }
    });
    let mut camera = served.camera(1_000, Patience { picture: Duration::from_millis(300), ..HASTY });
    let (mut head, mut silent) = (false, false);
    while !(head && silent) {
        let said = trouble(&mut camera, "both");
        head |= said.contains("head") || said.contains("longer");
        silent |= said.contains("too slow");
    }
    assert!(camera.take(9).unwrap().is_empty(), "no picture began");
}

#[test]
fn skj_09n_more_pictures_than_are_taken_drop_the_oldest_and_none_goes_uncounted() {
    let served = Served::new(|number, stream, over| {
        if number == 0 {
            let all: Vec<u8> = (1..=30_usize).flat_map(|n| part(&vec![9; n])).collect();
            let _ = stream.write_all(&[HEAD.as_bytes(), &all].concat());
        }
        while !over.load(Ordering::Acquire) && number > 0 {
            std::thread::sleep(Duration::from_millis(5));
        }
    });
    let mut camera = served.camera(1_000, HASTY);
    // Nobody takes anything until all were sent and the connection was at its end.
    let said = trouble(&mut camera, "the end of the first connection");
    assert!(said.contains("closed"), "{said}");
    let all = wait(&mut camera, 30);
    let expected: Vec<String> = (1..=30).map(|n| if n <= 22 { "dropped".to_owned() } else { n.to_string() }).collect();
    assert_eq!(named(&all), expected);
}

#[test]
fn gov_03n_a_node_that_sees_nothing_hangs_up_and_asks_for_nothing() {
    let served = Served::new(|_, stream, over| {
        let _ = stream.write_all(HEAD.as_bytes());
        while !over.load(Ordering::Acquire) && stream.write_all(&part(&[3; 30])).is_ok() {
            std::thread::sleep(Duration::from_millis(5));
        }
    });
    let mut camera = served.camera(1_000, HASTY);
    wait(&mut camera, 2);
    camera.wanted(false);
    // The camera's side sees the end of the connection; then nothing more comes, and nobody asks.
    let begun = Instant::now();
    while !camera.take(64).unwrap().is_empty() {
        assert!(begun.elapsed() < HANGS);
        std::thread::sleep(LOOK * 3);
    }
    let asked = served.connections.load(Ordering::Acquire);
    std::thread::sleep(LOOK * 5);
    assert_eq!(served.connections.load(Ordering::Acquire), asked);
    camera.wanted(true);
    wait(&mut camera, 1);
    assert!(camera.close().len() <= QUEUE);
}

//! Streams of cameras, honest and hostile.

use proptest::prelude::*;

use super::*;

const MAX: u64 = 4096;

/// What a stream in these bites comes to: its pictures, and why it ended.
fn read(boundary: &[u8], stream: &[u8], bite: usize) -> (Vec<Vec<u8>>, Option<StreamError>, bool) {
    let mut parts = Parts::new(boundary, MAX).unwrap();
    let mut out = Vec::new();
    let mut why = None;
    for bite in stream.chunks(bite.max(1)) {
        why = parts.push(bite, &mut out).err();
        if why.is_some() {
            break;
        }
    }
    (out.iter().map(|bytes| bytes.bytes().to_vec()).collect(), why, parts.in_part())
}

fn stream(pictures: &[Vec<u8>], delimiter: &str, sized: bool) -> Vec<u8> {
    let mut out = Vec::new();
    for picture in pictures {
        let length = if sized { format!("Content-Length: {}\r\n", picture.len()) } else { String::new() };
        out.extend(format!("{delimiter}\r\nContent-Type: image/jpeg\r\n{length}X-Timestamp: 1.5\r\n\r\n").bytes());
        out.extend(picture);
        out.extend(b"\r\n");
    }
    out.extend(format!("{delimiter}\r\n").bytes());
    out
}

proptest! {
    #[test]
    fn skj_09p_pictures_come_out_as_they_went_in_however_the_network_cuts_them(
        pictures in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..700), 0..6),
        bite in 1_usize..2_000,
        sized in any::<bool>(),
        dashes in any::<bool>(),
    ) {
        let boundary = if dashes { "--cam-1" } else { "cam-1" };
        // A picture that holds the boundary's own line cannot be told from its end without a length.
        prop_assume!(sized || !pictures.iter().any(|p| p.windows(6).any(|w| w == b"\r\n--ca")));
        for delimiter in [format!("--{boundary}"), "--cam-1".to_owned()] {
            let (out, why, open) = read(boundary.as_bytes(), &stream(&pictures, &delimiter, sized), bite);
            prop_assert_eq!(&out, &pictures);
            prop_assert_eq!((why, open), (None, false));
        }
    }

    #[test]
    fn img_02n_any_bytes_end_in_bounded_pictures_or_a_name(data in prop::collection::vec(any::<u8>(), 0..4_000), bite in 1_usize..600) {
        let (out, _, _) = read(b"b", &data, bite);
        prop_assert!(out.iter().all(|picture| !picture.is_empty() && picture.len() as u64 <= MAX));
    }

    #[test]
    fn what_is_read_does_not_hang_on_the_bites(noise in prop::collection::vec((0_usize..900, any::<u8>()), 0..6), one in 1_usize..900, other in 1_usize..900) {
        let mut data = stream(&[vec![7; 300], vec![13; 5], b"\r\n--".to_vec()], "--b", false);
        for (at, byte) in noise {
            let at = at % data.len();
            data[at] = byte;
        }
        prop_assert_eq!(read(b"b", &data, one), read(b"b", &data, other));
    }

    #[test]
    fn any_head_gives_a_boundary_or_a_name(data in prop::collection::vec(any::<u8>(), 0..600), good in any::<bool>()) {
        let mut text = if good { b"HTTP/1.1 200 OK\r\nContent-Type: multipart/x-mixed-replace;boundary=".to_vec() } else { Vec::new() };
        text.extend(&data);
        let mut head = Head::default();
        if let Ok(Some((boundary, used))) = head.push(&text) {
            prop_assert!(used <= text.len());
            let _ = Parts::new(&boundary, MAX);
        }
    }
}

fn head(text: &str) -> Result<Option<(Vec<u8>, usize)>, StreamError> {
    Head::default().push(text.as_bytes())
}

#[test]
fn an_honest_head_gives_the_boundary_and_leaves_the_rest() {
    let text =
        "HTTP/1.0 200 OK\r\nServer: cam\r\nContent-Type: multipart/x-mixed-replace; boundary=\"a b\"\r\n\r\n--a b";
    assert_eq!(head(text), Ok(Some((b"a b".to_vec(), text.len() - 5))));
    // In bites, and with bare line feeds.
    let mut whole = Head::default();
    for byte in text.replace('\r', "").bytes() {
        match whole.push(&[byte]).unwrap() {
            None => {}
            Some((boundary, used)) => return assert_eq!((boundary.as_slice(), used), (&b"a b"[..], 1)),
        }
    }
    panic!("the head had no end");
}

#[test]
fn skj_02n_a_redirect_is_followed_nowhere_and_what_is_no_stream_is_named() {
    let redirect = "HTTP/1.1 302 Found\r\nLocation: http://elsewhere.example/\r\n\r\n";
    assert_eq!(head(redirect), Err(StreamError::Status(302)));
    assert_eq!(head("SSH-2.0-OpenSSH\r\n"), Err(StreamError::NotHttp));
    assert_eq!(head("HTTP/2 200\r\n\r\n"), Err(StreamError::NotHttp));
    assert_eq!(head("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n"), Err(StreamError::NotAStream));
    assert_eq!(head("HTTP/1.1 200 OK\r\n\r\n"), Err(StreamError::NotAStream));
    let chunked =
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Type: multipart/x-mixed-replace;boundary=b\r\n\r\n";
    assert_eq!(head(chunked), Err(StreamError::NotAStream));
    let bare = "HTTP/1.1 200 OK\r\nContent-Type: multipart/x-mixed-replace\r\n\r\n";
    assert_eq!(head(bare), Err(StreamError::NoBoundary));
    assert_eq!(Parts::new(b"", MAX).err(), Some(StreamError::NoBoundary));
    assert_eq!(Parts::new(&[b'b'; 71], MAX).err(), Some(StreamError::NoBoundary));
    let endless = format!("HTTP/1.1 200 OK\r\n{}", "X: y\r\n".repeat(4_000));
    assert_eq!(head(&endless), Err(StreamError::HeadTooLong));
}

#[test]
fn img_02n_a_part_that_is_too_long_is_named_before_room_is_made_for_it() {
    let said = |length: &str| format!("--b\r\nContent-Length: {length}\r\n\r\n");
    assert_eq!(read(b"b", said("4097").as_bytes(), 9).1, Some(StreamError::TooLong));
    assert_eq!(read(b"b", said("9999999999999").as_bytes(), 9).1, Some(StreamError::TooLong));
    for wrong in ["-1", "0", "1e3", "0x10", "", "99999999999999999999", "5\r\nContent-Length: 5"] {
        assert_eq!(read(b"b", said(wrong).as_bytes(), 9).1, Some(StreamError::BadHead), "{wrong}");
    }
    // Without a length: a picture that does not end.
    let mut endless = b"--b\r\n\r\n".to_vec();
    endless.extend(vec![0xFF; 10_000]);
    let (out, why, _) = read(b"b", &endless, 100);
    assert_eq!((out.len(), why), (0, Some(StreamError::TooLong)));
}

#[test]
fn skj_09n_a_lying_length_a_missing_boundary_and_an_endless_head_end_the_stream() {
    let short = b"--b\r\nContent-Length: 4\r\n\r\nlonger than four\r\n--b\r\n";
    let (out, why, _) = read(b"b", short, 7);
    assert_eq!((out.len(), why), (1, Some(StreamError::Unbounded)), "what was whole by its own word is one picture");
    assert_eq!(read(b"b", &b"no boundary anywhere\r\n".repeat(1_000), 50).1, Some(StreamError::HeadTooLong));
    assert_eq!(read(b"b", &[b'x'; 5_000], 50).1, Some(StreamError::HeadTooLong));
    let head = [b"--b\r\n".to_vec(), b"A: b\r\n".repeat(4_000)].concat();
    assert_eq!(read(b"b", &head, 50).1, Some(StreamError::HeadTooLong));
    assert_eq!(read(b"b", b"--b\r\nContent-Type: text/plain\r\n\r\n", 5).1, Some(StreamError::NotJpeg));
    assert_eq!(read(b"b", b"--b--\r\n", 5).1, Some(StreamError::Ended));
    // One that breaks off has begun: it is counted by whoever reads.
    assert_eq!(read(b"b", b"--b\r\nContent-Length: 40\r\n\r\nhalf", 5), (vec![], None, true));
}

#[test]
fn skj_09p_a_long_preamble_counts_the_same_however_the_network_cuts_it() {
    // Found by fuzzing: each bite of a line was counted as a line of its own.
    let preamble = "X-Comment: the camera says something before its first picture\r\n".repeat(120);
    let data = [preamble.as_bytes(), &stream(&[vec![1, 2, 3]], "--cam", true)].concat();
    for bite in [1, 7, 100, data.len()] {
        assert_eq!(read(b"cam", &data, bite), (vec![vec![1, 2, 3]], None, false), "{bite}");
    }
    let endless = "X-Comment: it does not stop\r\n".repeat(400);
    for bite in [1, 7, 100, endless.len()] {
        assert_eq!(read(b"cam", endless.as_bytes(), bite).1, Some(StreamError::HeadTooLong), "{bite}");
    }
}

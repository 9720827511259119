//! The head of the camera's answer: status, and the name of the boundary between its pictures.

use zeroize::Zeroize as _;

use super::StreamError;

/// Bytes of the whole head at most.
const MAX_HEAD: usize = 8192;

/// The head of an answer, as its bytes come in.
#[derive(Default)]
pub struct Head {
    text: Vec<u8>,
}

impl Head {
    /// Reads on. Where the head is whole: the boundary, and how many of `data` belonged to the head.
    ///
    /// # Errors
    /// [`StreamError`] for an answer that is no stream of pictures, a redirect among them.
    pub fn push(&mut self, data: &[u8]) -> Result<Option<(Vec<u8>, usize)>, StreamError> {
        let before = self.text.len();
        let room = data.get(..data.len().min(MAX_HEAD + 1 - before.min(MAX_HEAD))).unwrap_or_default();
        self.text.extend_from_slice(room);
        if !b"HTTP/1.".starts_with(self.text.get(..7.min(self.text.len())).unwrap_or_default()) {
            return Err(StreamError::NotHttp);
        }
        let Some(end) = end_of(&self.text) else {
            return if self.text.len() > MAX_HEAD { Err(StreamError::HeadTooLong) } else { Ok(None) };
        };
        let boundary = boundary(self.text.get(..end).unwrap_or_default());
        // What came with the end of the head is the first picture's: nothing of it stays here for as long as the camera sends.
        self.text.zeroize();
        Ok(Some((boundary?, end.saturating_sub(before))))
    }
}

/// The place after the empty line.
fn end_of(text: &[u8]) -> Option<usize> {
    let crlf = text.windows(4).position(|w| w == b"\r\n\r\n").map(|at| at + 4);
    let lf = text.windows(2).position(|w| w == b"\n\n").map(|at| at + 2);
    crlf.into_iter().chain(lf).min()
}

fn boundary(head: &[u8]) -> Result<Vec<u8>, StreamError> {
    let mut lines = head.split(|b| *b == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let status = lines.next().unwrap_or_default();
    let code = status.get(9..12).and_then(number).filter(|_| matches!(status.get(7..9), Some(b"0 " | b"1 ")));
    let code = code.and_then(|code| u16::try_from(code).ok()).ok_or(StreamError::NotHttp)?;
    if code != 200 {
        return Err(StreamError::Status(code));
    }
    let mut found = None;
    for line in lines.take_while(|line| !line.is_empty()) {
        let (name, value) = field(line)?;
        if name.eq_ignore_ascii_case(b"transfer-encoding") || name.eq_ignore_ascii_case(b"content-encoding") {
            if !value.eq_ignore_ascii_case(b"identity") {
                return Err(StreamError::NotAStream);
            }
        } else if name.eq_ignore_ascii_case(b"content-type") {
            if found.is_some() {
                return Err(StreamError::BadHead);
            }
            found = Some(of_type(value)?);
        }
    }
    found.ok_or(StreamError::NotAStream)
}

/// The boundary out of `multipart/x-mixed-replace; boundary=NAME`.
fn of_type(value: &[u8]) -> Result<Vec<u8>, StreamError> {
    let mut parts = value.split(|b| *b == b';').map(<[u8]>::trim_ascii);
    let kind = parts.next().unwrap_or_default();
    if !kind.eq_ignore_ascii_case(b"multipart/x-mixed-replace") {
        return Err(StreamError::NotAStream);
    }
    let mut named = parts.filter_map(|part| {
        let at = part.iter().position(|b| *b == b'=')?;
        let (name, value) = (part.get(..at)?.trim_ascii(), part.get(at + 1..)?.trim_ascii());
        name.eq_ignore_ascii_case(b"boundary").then_some(value)
    });
    let value = named.next().ok_or(StreamError::NoBoundary)?;
    let quoted = value.strip_prefix(b"\"").and_then(|v| v.strip_suffix(b"\""));
    Ok(quoted.unwrap_or(value).to_vec())
}

/// One `Name: value`.
pub(super) fn field(line: &[u8]) -> Result<(&[u8], &[u8]), StreamError> {
    let at = line.iter().position(|b| *b == b':').ok_or(StreamError::BadHead)?;
    let (name, value) = line.split_at_checked(at).ok_or(StreamError::BadHead)?;
    if name.is_empty() || !name.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_')) {
        return Err(StreamError::BadHead);
    }
    Ok((name, value.get(1..).unwrap_or_default().trim_ascii()))
}

/// Digits and nothing else.
pub(super) fn number(text: &[u8]) -> Option<usize> {
    if text.is_empty() || text.len() > 15 || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}

pub(super) fn is_jpeg(value: &[u8]) -> bool {
    let kind = value.split(|b| *b == b';').next().unwrap_or_default().trim_ascii();
    [b"image/jpeg".as_slice(), b"image/jpg", b"image/pjpeg"].iter().any(|known| kind.eq_ignore_ascii_case(known))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn min_02n_nothing_of_the_first_picture_stays_in_the_head() {
        let mut head = Head::default();
        let answer = b"HTTP/1.0 200 OK\r\nContent-Type: multipart/x-mixed-replace;boundary=cam\r\n\r\n";
        let (first, rest) = answer.split_at(30);
        assert_eq!(head.push(first), Ok(None));
        let whole = [rest, b"--cam\r\n\r\n\xFF\xD8the street"].concat();
        assert_eq!(head.push(&whole), Ok(Some((b"cam".to_vec(), rest.len()))));
        assert!(head.text.is_empty());
    }
}

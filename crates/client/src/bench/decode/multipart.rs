//! Parts of `multipart/x-mixed-replace`, in the variants that servers send.
//!
//! With a Content-Length a part is complete with its last byte; without one, when the next boundary arrives. Servers
//! differ in how many dashes belong to the boundary. Therefore the first boundary in the body counts, not the one in
//! the answer's head.

use super::{Begin, MAX_MESSAGE, Step, Violation, take_front};

/// Longest line of a head.
const MAX_LINE: usize = 1024;
/// Most lines in the head of a part, and before the first boundary.
const MAX_LINES: usize = 64;

/// Decoder for the parts.
#[derive(Debug)]
pub struct Multipart {
    /// The boundary without its leading dashes, if the answer's head names one.
    named: Option<Vec<u8>>,
    /// The end of a payload: a new line and the boundary, as before the first part. It has a carriage return only at
    /// its front.
    delimiter: Vec<u8>,
    state: State,
    line: Vec<u8>,
    lines: usize,
}

#[derive(Debug, Clone, Copy)]
enum State {
    /// Searching for the line with the boundary.
    Boundary,
    /// In the rest of the line after a boundary that ended a payload.
    BehindBoundary,
    /// In the head of a part.
    Head { length: Option<u64>, stamp: Option<u64> },
    /// In a payload of known length.
    Sized { left: u64 },
    /// In a payload of unknown length: the number of delimiter bytes just matched, and the total length.
    Open { matched: usize, length: u64 },
}

impl Multipart {
    /// Returns a decoder for parts between boundaries, as the answer's head names them.
    pub fn new(boundary: Option<&str>) -> Self {
        Self {
            named: boundary.map(|name| without_dashes(name.as_bytes()).to_vec()),
            delimiter: Vec::new(),
            state: State::Boundary,
            line: Vec::new(),
            lines: 0,
        }
    }

    /// See [`Decoder::step`](super::Decoder::step).
    ///
    /// # Errors
    /// Fails if these are no parts, or the last one has arrived.
    pub fn step<'a>(&mut self, bytes: &mut &'a [u8]) -> Result<Option<Step<'a>>, Violation> {
        loop {
            match self.state {
                State::Sized { left: 0 } => {
                    self.state = State::Boundary;
                    return Ok(Some(Step::End { excess: 0 }));
                }
                State::Open { matched, .. } if matched == self.delimiter.len() => {
                    self.state = State::BehindBoundary;
                    return Ok(Some(Step::End { excess: matched as u64 }));
                }
                _ if bytes.is_empty() => return Ok(None),
                State::Sized { left } => {
                    let payload = take_front(bytes, left);
                    self.state = State::Sized { left: left - payload.len() as u64 };
                    return Ok(Some(Step::Bytes(payload)));
                }
                State::Open { matched, length } => {
                    let (taken, matched) = find(&self.delimiter, matched, bytes);
                    let length = length + taken as u64;
                    if length > MAX_MESSAGE {
                        return Err(Violation::TooLong(length));
                    }
                    self.state = State::Open { matched, length };
                    return Ok(Some(Step::Bytes(take_front(bytes, taken as u64))));
                }
                State::Boundary | State::BehindBoundary | State::Head { .. } => {
                    if let Some(begin) = self.read_line(bytes)? {
                        return Ok(Some(Step::Begin(begin)));
                    }
                }
            }
        }
    }

    /// See [`Decoder::is_searching`](super::Decoder::is_searching).
    pub fn is_searching(&self) -> bool {
        matches!(self.state, State::Open { .. })
    }

    /// See [`Decoder::ahead`](super::Decoder::ahead).
    pub fn ahead(&self) -> u64 {
        match self.state {
            State::Sized { left } => left,
            _ => 0,
        }
    }

    /// See [`Decoder::skip`](super::Decoder::skip).
    pub fn skip(&mut self, bytes: u64) {
        if let State::Sized { left } = &mut self.state {
            *left = left.saturating_sub(bytes);
        }
    }

    /// Takes bytes of a line, and handles the line when it is complete.
    fn read_line(&mut self, bytes: &mut &[u8]) -> Result<Option<Begin>, Violation> {
        let end = memchr::memchr(b'\n', bytes).map_or(bytes.len(), |at| at + 1);
        if self.line.len() + end > MAX_LINE {
            return Err(Violation::Line(MAX_LINE));
        }
        self.line.extend_from_slice(take_front(bytes, end as u64));
        if !self.line.ends_with(b"\n") {
            return Ok(None);
        }
        self.lines += 1;
        if self.lines > MAX_LINES {
            return Err(Violation::Line(MAX_LINE * MAX_LINES));
        }
        let line = std::mem::take(&mut self.line);
        let begin = self.handle(line.trim_ascii());
        self.line = line;
        self.line.clear();
        begin
    }

    fn handle(&mut self, line: &[u8]) -> Result<Option<Begin>, Violation> {
        match self.state {
            State::Boundary if line.is_empty() => {}
            State::Boundary => return self.boundary(line).map(|()| None),
            State::BehindBoundary if line == b"--" => return Err(Violation::Ended),
            State::BehindBoundary => self.begin_head(),
            State::Head { length, stamp } if line.is_empty() => {
                self.lines = 0;
                self.state = match length {
                    Some(left) => State::Sized { left },
                    None => State::Open { matched: 0, length: 0 },
                };
                return Ok(Some(Begin { text: false, stamp }));
            }
            State::Head { length, stamp } => {
                self.state = match field(line) {
                    Some(("content-length", value)) => {
                        State::Head { length: Some(part_length(value)?), stamp }
                    }
                    Some(("x-timestamp", value)) => State::Head { length, stamp: micros(value) },
                    _ => State::Head { length, stamp },
                };
            }
            State::Sized { .. } | State::Open { .. } => unreachable!("payloads have no lines"),
        }
        Ok(None)
    }

    fn boundary(&mut self, line: &[u8]) -> Result<(), Violation> {
        if !self.is_boundary(line) {
            // Text before the first boundary is ignored.
            return Ok(());
        }
        if !self.delimiter.is_empty() && line.len() > self.delimiter.len() - 2 {
            return Err(Violation::Ended);
        }
        if self.delimiter.is_empty() {
            self.delimiter = [b"\r\n", line].concat();
        }
        self.begin_head();
        Ok(())
    }

    fn is_boundary(&self, line: &[u8]) -> bool {
        match (&self.delimiter[..], &self.named) {
            ([_, _, known @ ..], _) => line == known || line.strip_suffix(b"--") == Some(known),
            ([..], Some(name)) => without_dashes(line) == name,
            ([..], None) => line.starts_with(b"--"),
        }
    }

    fn begin_head(&mut self) {
        self.lines = 0;
        self.state = State::Head { length: None, stamp: None };
    }
}

/// Returns how many bytes to take, and how many bytes of the delimiter match at their end. The delimiter has a carriage
/// return only at its front, so a failed match restarts at the byte that failed.
fn find(delimiter: &[u8], mut matched: usize, bytes: &[u8]) -> (usize, usize) {
    let mut at = 0;
    while at < bytes.len() && matched < delimiter.len() {
        if bytes[at] == delimiter[matched] {
            matched += 1;
            at += 1;
        } else if matched > 0 {
            matched = 0;
        } else {
            at += memchr::memchr(delimiter[0], &bytes[at..]).unwrap_or(bytes.len() - at);
        }
    }
    (at, matched)
}

fn without_dashes(name: &[u8]) -> &[u8] {
    let dashes = name.iter().take_while(|byte| **byte == b'-').count();
    &name[dashes..]
}

/// Returns a known field's name in lower case, and its value.
fn field(line: &[u8]) -> Option<(&'static str, &str)> {
    let (name, value) = std::str::from_utf8(line).ok()?.split_once(':')?;
    let known = ["content-length", "x-timestamp"];
    let name = known.into_iter().find(|known| name.trim().eq_ignore_ascii_case(known))?;
    Some((name, value.trim()))
}

fn part_length(value: &str) -> Result<u64, Violation> {
    match value.parse() {
        Ok(length) if length <= MAX_MESSAGE => Ok(length),
        Ok(length) => Err(Violation::TooLong(length)),
        Err(_) => Err(Violation::PartLength(value.chars().take(20).collect())),
    }
}

/// Returns the microseconds of a time in seconds with a fraction, without rounding errors. Further digits are cut off.
fn micros(seconds: &str) -> Option<u64> {
    let (whole, fraction) = seconds.split_once('.').unwrap_or((seconds, ""));
    let digits = fraction.bytes().chain(std::iter::repeat(b'0')).take(6);
    let micros = digits.into_iter().try_fold(0, |micros, digit| {
        digit.is_ascii_digit().then(|| micros * 10 + u64::from(digit - b'0'))
    })?;
    whole.parse::<u64>().ok()?.checked_mul(1_000_000)?.checked_add(micros)
}

#[cfg(test)]
mod tests {
    use super::super::mjpeg::Mjpeg;
    use super::super::testing::{Seen, decode};
    use super::super::{Decoder, MAX_MESSAGE};
    use super::*;

    fn parts(boundary: Option<&str>, text: &str) -> Vec<Seen> {
        let decoder = || Decoder::Mjpeg(Box::new(Mjpeg::new(boundary, false)));
        let seen = decode(decoder(), text.as_bytes(), &[1], false);
        assert_eq!(decode(decoder(), text.as_bytes(), &[usize::MAX], false), seen);
        seen
    }

    fn part(payload: &str) -> Seen {
        Seen::Message(Begin::default(), payload.as_bytes().to_vec())
    }

    #[test]
    fn without_a_length_the_boundary_ends_a_part() {
        let text = "--b\r\n\r\none\r\n\r\r\n--\r\n--x\r\n--b\r\n\r\ntwo\r\n--b--\r\n";
        let ended = Seen::Violation(Violation::Ended);
        assert_eq!(parts(Some("b"), text), [part("one\r\n\r\r\n--\r\n--x"), part("two"), ended]);
    }

    #[test]
    fn dashes_in_the_boundarys_name_make_no_difference() {
        for (named, written) in [("b", "--b"), ("--b", "--b"), ("--b", "----b"), ("b", "b")] {
            let text =
                format!("{written}\r\nA: b\r\n\r\none\r\n{written}\r\n\r\ntwo\r\n{written}\r\n");
            assert_eq!(parts(Some(named), &text), [part("one"), part("two")], "{named} {written}");
        }
    }

    #[test]
    fn an_unnamed_boundary_is_detected() {
        let text = "\r\nonce\r\n--x y\r\nContent-Length: 3\r\n\r\none\r\n--x y\r\n";
        assert_eq!(parts(None, text), [part("one")]);
    }

    #[test]
    fn unix_line_ends_and_any_case_of_the_length_are_accepted() {
        let text = "--b\ncontent-LENGTH:3\n\none--b\nContent-Length : 2\n\n\r\n--b\n";
        assert_eq!(parts(Some("b"), text), [part("one"), part("\r\n")]);
    }

    #[test]
    fn invalid_parts_are_reported() {
        let refused = |text: &str| match parts(Some("b"), text).pop() {
            Some(Seen::Violation(violation)) => violation,
            seen => panic!("{seen:?}"),
        };
        assert_eq!(refused("--b\r\nContent-Length: 1e9\r\n"), Violation::PartLength("1e9".into()));
        let long = format!("--b\r\nContent-Length: {}\r\n", MAX_MESSAGE + 1);
        assert_eq!(refused(&long), Violation::TooLong(MAX_MESSAGE + 1));
        assert_eq!(refused(&"x".repeat(2000)), Violation::Line(MAX_LINE));
        assert_eq!(refused(&"x\n".repeat(2000)), Violation::Line(MAX_LINE * MAX_LINES));
    }

    #[test]
    fn a_timestamp_is_read_to_the_microsecond() {
        assert_eq!(micros("1700000000.123456"), Some(1_700_000_000_123_456));
        assert_eq!(micros("1700000000.5"), Some(1_700_000_000_500_000));
        assert_eq!(micros("17.1234567"), Some(17_123_456));
        assert_eq!(micros("17"), Some(17_000_000));
        for bad in ["", "x", "-1.0", "1.x", "99999999999999999999"] {
            assert_eq!(micros(bad), None, "{bad}");
        }
    }
}

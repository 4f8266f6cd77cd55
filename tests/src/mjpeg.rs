//! A viewer of `/streams/NAME/mjpeg`: multipart/x-mixed-replace, read part by part.

use std::fmt;
use std::io::{self, BufRead, BufReader, Read};

use fanlight_protocol::Timestamp;
use fanlight_timecode::Timecode;
use ureq::http::{HeaderMap, Response};
use ureq::{Body, BodyReader};

use crate::picture;

const CONTENT_TYPE: &str = "multipart/x-mixed-replace; boundary=";

/// A viewer of `/streams/NAME/mjpeg`.
pub struct MjpegViewer {
    /// The headers of the relay's response.
    pub head: HeaderMap,
    boundary: String,
    body: BufReader<BodyReader<'static>>,
}

impl fmt::Debug for MjpegViewer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MjpegViewer").field("head", &self.head).finish_non_exhaustive()
    }
}

/// One part of the response.
#[derive(Debug)]
pub struct Part {
    /// `X-Timestamp`: Unix seconds.
    pub timestamp: f64,
    /// The JPEG.
    pub payload: Vec<u8>,
}

impl Part {
    /// Returns the capture time that the relay reports.
    pub fn captured_at(&self) -> Timestamp {
        Timestamp::from_micros((self.timestamp * 1e6).round() as u64)
    }

    /// Returns the timecode in the picture.
    pub fn timecode(&self) -> Timecode {
        picture::timecode_of(&self.payload)
    }
}

impl MjpegViewer {
    pub(crate) fn new(response: Response<Body>) -> Self {
        let (head, body) = response.into_parts();
        assert_eq!(head.status, 200, "{:?}", body.into_with_config().limit(1000).read_to_string());
        let kind = head.headers["content-type"].to_str().expect("ASCII");
        let boundary =
            kind.strip_prefix(CONTENT_TYPE).unwrap_or_else(|| panic!("{kind} is not MJPEG"));
        let boundary = format!("--{boundary}");
        Self { boundary, head: head.headers, body: BufReader::new(body.into_reader()) }
    }

    /// Waits for the next part and returns it.
    ///
    /// # Panics
    /// Panics if the response ends or violates RFC 2046.
    pub fn part(&mut self) -> Part {
        let part = self.try_part().expect("the stream continues");
        part.expect("the stream continues")
    }

    /// Waits for the next part; returns `None` at the end of the response.
    ///
    /// # Errors
    /// Fails if the connection breaks.
    ///
    /// # Panics
    /// Panics if the response violates RFC 2046.
    pub fn try_part(&mut self) -> io::Result<Option<Part>> {
        let Some(line) = self.line()? else { return Ok(None) };
        assert_eq!(line, self.boundary, "a boundary before every part");
        let (mut length, mut timestamp) = (None, None);
        loop {
            let Some(line) = self.line()? else { return Ok(None) };
            match line.split_once(": ") {
                Some(("Content-Length", value)) => length = value.parse().ok(),
                Some(("X-Timestamp", value)) => timestamp = value.parse().ok(),
                Some(_) => {}
                None => break,
            }
        }
        let mut payload = vec![0; length.expect("every part has its length")];
        self.body.read_exact(&mut payload)?;
        assert_eq!(self.line()?.as_deref(), Some(""), "a line break after every picture");
        Ok(Some(Part { timestamp: timestamp.expect("every part has its capture time"), payload }))
    }

    fn line(&mut self) -> io::Result<Option<String>> {
        let mut line = String::new();
        let read = self.body.read_line(&mut line)?;
        Ok((read > 0).then(|| line.trim_end().to_owned()))
    }
}

//! One request over a connection of its own, and the response to it.

use super::body::Body;
use super::head::{Head, MAX_HEAD, MAX_HEADERS, Parsed};
use crate::source::address::Address;
use crate::source::error::SourceError;
use crate::source::ffmpeg::HostConnection;

/// The most bytes of one read. Available bytes are returned immediately.
const CHUNK: usize = 32 * 1024;

/// A response whose head was read.
#[derive(Debug)]
pub(super) struct Response {
    pub(super) head: Head,
    connection: HostConnection,
    body: Body,
    /// Content that arrived together with the head.
    early: Vec<u8>,
    is_over: bool,
}

impl Response {
    /// Requests a URL, and waits for the head of the response. Returns `None` if it is no HTTP that browsers know.
    ///
    /// A range is not requested: servers of endless responses refuse it.
    pub(super) fn get(
        url: &Address,
        authorization: Option<&str>,
        mut connection: HostConnection,
    ) -> Result<Option<Self>, SourceError> {
        connection.send(request(url, authorization).as_bytes())?;
        let mut bytes = Vec::new();
        let mut is_over = false;
        let (head, length) = loop {
            match Head::parse(&bytes) {
                Parsed::Head(head, length) => break (head, length),
                Parsed::Missing if !bytes.is_empty() => {
                    break (Head::missing(), 0);
                }
                Parsed::Invalid => return Ok(None),
                Parsed::TooLong => {
                    return Err(SourceError::TooMuch(format!(
                        "{}:{} sent more than {} KiB or {MAX_HEADERS} lines of headers",
                        url.host(),
                        url.port(),
                        MAX_HEAD / 1024
                    )));
                }
                _ if is_over => {
                    return Err(SourceError::Closed(format!(
                        "{}:{} closed the connection without a response",
                        url.host(),
                        url.port()
                    )));
                }
                Parsed::Partial | Parsed::Missing => {}
            }
            is_over = !receive(&mut connection, &mut bytes)?;
        };
        let (mut body, mut early) = (head.body(), Vec::new());
        decode(&mut body, &bytes[length..], &mut early)?;
        Ok(Some(Self { head, connection, body, early, is_over }))
    }

    /// Waits for content and appends it. Returns false at the end of the response.
    pub(super) fn read(&mut self, content: &mut Vec<u8>) -> Result<bool, SourceError> {
        if !self.early.is_empty() {
            content.append(&mut self.early);
            return Ok(true);
        }
        let length = content.len();
        let mut bytes = Vec::new();
        while content.len() == length {
            self.is_over = self.is_over || self.body.is_over();
            if self.is_over {
                return Ok(false);
            }
            self.is_over = !receive(&mut self.connection, &mut bytes)?;
            decode(&mut self.body, &bytes, content)?;
            bytes.clear();
        }
        Ok(true)
    }

    /// Puts content back that was only looked at.
    pub(super) fn unread(&mut self, content: Vec<u8>) {
        self.early.splice(..0, content);
    }

    /// Returns the connection, for its time limits.
    pub(super) fn connection(&self) -> &HostConnection {
        &self.connection
    }
}

fn decode(body: &mut Body, bytes: &[u8], content: &mut Vec<u8>) -> Result<(), SourceError> {
    let decoded = body.decode(bytes, content);
    decoded.map_err(|error| SourceError::NotAVideo(error.to_string()))
}

/// Receives bytes and appends them. Returns false at the end of the connection.
fn receive(connection: &mut HostConnection, bytes: &mut Vec<u8>) -> Result<bool, SourceError> {
    let length = bytes.len();
    bytes.resize(length + CHUNK, 0);
    let count = connection.receive(&mut bytes[length..]);
    bytes.truncate(length + *count.as_ref().unwrap_or(&0));
    Ok(count? > 0)
}

fn request(url: &Address, authorization: Option<&str>) -> String {
    let host = match url.port() == url.scheme().default_port() {
        true => url.host().to_owned(),
        false => format!("{}:{}", url.host(), url.port()),
    };
    let authorization = authorization
        .map_or_else(String::new, |authorization| format!("Authorization: {authorization}\r\n"));
    format!(
        "GET {} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: fanlight/{}\r\nAccept: */*\r\n{authorization}Connection: close\r\n\r\n",
        url.target(),
        env!("CARGO_PKG_VERSION"),
    )
}

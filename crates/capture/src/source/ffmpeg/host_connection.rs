//! A plain or encrypted connection to a host, for a protocol that is not FFmpeg's.

use std::ffi::CString;
use std::fmt;
use std::time::Duration;

use fanlight_cli::stop::Shutdown;
use ffmpeg_next::{Dictionary, Error, ffi};

use super::byte_stream::ByteStream;
use super::deadline::Deadline;
use super::input::MediaInput;
use super::timeouts::CLOSE_TIMEOUT;
use crate::source::address::Address;
use crate::source::error::SourceError;
use crate::source::url::UrlRequest;

/// An open connection. All that it does fails after the allowed time, or when a shutdown is requested.
pub(in crate::source) struct HostConnection {
    bytes: ByteStream,
    deadline: Deadline,
    input: MediaInput,
}

impl HostConnection {
    /// Connects to the host of a URL. FFmpeg bounds each attempt by 5 s.
    ///
    /// # Errors
    /// Fails if the host does not accept the connection, with the reason.
    pub(in crate::source) fn connect(
        url: &Address,
        within: Duration,
        stop: Shutdown,
    ) -> Result<Self, SourceError> {
        let (deadline, input) =
            (Deadline::new(stop, within, false), MediaInput::from(UrlRequest::from(url.clone())));
        let protocol = if url.scheme().is_encrypted() { "tls" } else { "tcp" };
        let target = CString::new(format!("{protocol}://{}:{}", url.host(), url.port()));
        let bytes = target.map_err(|_| Error::InvalidData).and_then(|target| {
            let flags = ffi::AVIO_FLAG_READ_WRITE;
            ByteStream::open(&target, flags, &Dictionary::new(), &deadline)
        });
        match bytes {
            Ok(bytes) => Ok(Self { bytes, deadline, input }),
            Err(error) => Err(deadline.reason(error, &input)),
        }
    }

    /// Restarts the time that is allowed.
    pub(in crate::source) fn allow(&self, within: Duration) {
        self.deadline.set(within);
    }

    /// Sends bytes.
    ///
    /// # Errors
    /// Fails if the connection does, with the reason.
    #[expect(unsafe_code, reason = "ffmpeg-next has no access to FFmpeg's byte streams")]
    pub(in crate::source) fn send(&mut self, bytes: &[u8]) -> Result<(), SourceError> {
        let length = i32::try_from(bytes.len()).unwrap_or(i32::MAX);
        // SAFETY: the stream is open and exclusively borrowed, FFmpeg reads `length` bytes at most, and the field is a
        // plain integer.
        let error = unsafe {
            ffi::avio_write(self.bytes.pointer, bytes.as_ptr(), length);
            ffi::avio_flush(self.bytes.pointer);
            (*self.bytes.pointer).error
        };
        if error < 0 { Err(self.reason(Error::from(error))) } else { Ok(()) }
    }

    /// Waits for bytes. Returns how many were received, 0 at the end of the connection.
    ///
    /// # Errors
    /// Fails if the connection does, with the reason.
    #[expect(unsafe_code, reason = "ffmpeg-next has no access to FFmpeg's byte streams")]
    pub(in crate::source) fn receive(&mut self, chunk: &mut [u8]) -> Result<usize, SourceError> {
        let length = i32::try_from(chunk.len()).unwrap_or(i32::MAX);
        // SAFETY: the stream is open and exclusively borrowed, and FFmpeg writes `length` bytes at most.
        let count =
            unsafe { ffi::avio_read_partial(self.bytes.pointer, chunk.as_mut_ptr(), length) };
        match usize::try_from(count).map_err(|_| Error::from(count)) {
            Ok(count) => Ok(count),
            Err(Error::Eof) => Ok(0),
            Err(error) => Err(self.reason(error)),
        }
    }

    fn reason(&self, error: Error) -> SourceError {
        self.deadline.reason(error, &self.input)
    }
}

impl Drop for HostConnection {
    fn drop(&mut self) {
        // An encrypted connection sends a last message, to which the time allowed for reading must not apply.
        self.deadline.set(CLOSE_TIMEOUT);
    }
}

impl fmt::Debug for HostConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HostConnection").field("input", &self.input).finish_non_exhaustive()
    }
}

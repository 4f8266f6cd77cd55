//! The source that a user configured. The only module that knows every kind of source.

use std::time::Duration;

use fanlight_cli::stop::Shutdown;
use fanlight_protocol::StreamName;

use super::contract::{Source, SourceFactory};
use super::error::SourceError;
use super::interval::KnownInterval;
use super::spec::SourceSpec;
use super::{exec, ffmpeg, file, http, rtsp, test_picture, webcam};

/// Opens the source that a user configured. Clones share what they know of its location.
#[derive(Debug, Clone)]
pub struct ConfiguredSource {
    spec: SourceSpec,
    stream: StreamName,
    /// Finds the webcam, if the source is one.
    finder: webcam::Finder,
    /// The frame interval as earlier connections have shown it, if the source does not state it.
    interval: KnownInterval,
    /// The reader that suits the camera, if the source is one over RTSP.
    reader: rtsp::ReaderMemory,
}

impl ConfiguredSource {
    /// Returns a factory for a stream's source.
    pub fn new(spec: SourceSpec, stream: StreamName) -> Self {
        Self {
            spec,
            stream,
            finder: webcam::Finder::default(),
            interval: KnownInterval::default(),
            reader: rtsp::ReaderMemory::default(),
        }
    }
}

impl SourceFactory for ConfiguredSource {
    fn open(&mut self, stop: &Shutdown) -> Result<Box<dyn Source>, SourceError> {
        let stop = stop.clone();
        Ok(match &self.spec {
            SourceSpec::Test(mode) => {
                Box::new(test_picture::TestPicture::new(&self.stream, *mode, stop)?)
            }
            SourceSpec::Webcam(request) => webcam::open(request, &self.finder, &self.stream, stop)?,
            SourceSpec::File { path, looped } => file::open(path, *looped, stop)?,
            SourceSpec::Url(url) if url.address.scheme().is_rtsp() => {
                rtsp::open(url, &self.interval, &self.reader, &stop)?
            }
            SourceSpec::Url(url) => http::open(&url.address, &self.interval, &self.reader, &stop)?,
            SourceSpec::Exec(command) => {
                Box::new(exec::Exec::open(command, &self.stream, &self.interval, stop)?)
            }
        })
    }

    fn check(&self) -> Result<(), SourceError> {
        match &self.spec {
            SourceSpec::Test(_) | SourceSpec::Exec(_) => Ok(()),
            SourceSpec::Webcam(request) => webcam::check(request, &self.finder),
            SourceSpec::File { path, .. } => file::check(path),
            SourceSpec::Url(url) => ffmpeg::check(&url.address),
        }
    }

    /// A command starts only for a viewer.
    fn opens_at_start(&self) -> bool {
        !matches!(self.spec, SourceSpec::Exec(_))
    }

    fn check_interval(&self) -> Duration {
        match &self.spec {
            SourceSpec::Url(_) | SourceSpec::Exec(_) => Duration::from_secs(10),
            _ => Duration::from_secs(1),
        }
    }

    fn frame_timeout(&self) -> Duration {
        match &self.spec {
            SourceSpec::Url(_) | SourceSpec::Exec(_) => Duration::from_secs(60),
            _ => Duration::from_secs(20),
        }
    }

    fn clone_box(&self) -> Box<dyn SourceFactory + Send> {
        Box::new(self.clone())
    }
}

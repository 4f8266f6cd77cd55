//! Cameras and videos behind URLs, through FFmpeg's libraries.
//!
//! - `connection`: opens the URL and reads packets, never for longer than allowed;
//! - `arrival`: when a packet came, which is when its picture counts as captured;
//! - `reordering`: the same for pictures that are sent in another order than shown;
//! - `decoder`: packets to pictures, without holding any back;
//! - `scaler`: pictures to pixels in OpenCV's order;
//! - `trouble`: why it does not work.
//!
//! OpenCV can open URLs too, but decodes with a thread per core, each of which holds a picture back, and blocks all of a
//! process's sources while one host is silent.

mod arrival;
mod connection;
mod decoder;
mod reordering;
mod scaler;
mod trouble;

use std::time::{Duration, Instant};

use fanlight_bus::clock;
use fanlight_program::secret::Masked;
use fanlight_program::stop::Shutdown;
use fanlight_protocol::Timestamp;
use opencv::core::Mat;

use super::pacing::{Pacing, Turn};
use super::{About, Grabbed, Source, SourceError};
use connection::Connection;
use decoder::{Decoder, Picture};
use reordering::Reordering;
use scaler::Scaler;

/// The rate of a recording that does not tell its own.
const USUAL_INTERVAL: Duration = Duration::from_millis(40);
/// Packets may come without making a picture until the first keyframe. A camera that sends one less often than this
/// cannot be watched anyway.
const KEYFRAME_WITHIN: Duration = Duration::from_secs(20);

/// What tells the moments of pictures.
#[derive(Debug)]
enum Timing {
    /// They come when they come.
    Live(Reordering),
    /// They are shown when they are due.
    Recorded(Pacing),
}

impl Timing {
    fn new(connection: &Connection) -> Self {
        let interval = connection.interval().unwrap_or(USUAL_INTERVAL);
        if connection.is_live() {
            Self::Live(Reordering::new(interval))
        } else {
            Self::Recorded(Pacing::new(interval))
        }
    }
}

/// A URL as a source.
#[derive(Debug)]
pub struct Live {
    url: Masked,
    about: About,
    connection: Connection,
    decoder: Decoder,
    scaler: Scaler,
    timing: Timing,
    picture: Option<Picture>,
    /// When the connection stood. What came before, while it was found out what comes, may be old.
    opened_at: Timestamp,
    /// When the last picture came, or else the connection.
    alive_at: Instant,
    pictures: u64,
    stop: Shutdown,
}

impl Live {
    /// Connects.
    ///
    /// # Errors
    /// With the reason in words, where that fails.
    pub fn open(url: &Masked, stop: Shutdown) -> Result<Self, SourceError> {
        let (connection, decoder) = connect(url, &stop)?;
        let interval = connection.interval();
        let about = About { description: connection.description(), interval };
        let timing = Timing::new(&connection);
        Ok(Self {
            url: url.clone(),
            about,
            connection,
            decoder,
            scaler: Scaler::default(),
            timing,
            picture: None,
            opened_at: clock::now(),
            alive_at: Instant::now(),
            pictures: 0,
            stop,
        })
    }

    /// Reads until there is a picture; `None` where the other side ends.
    fn next_picture(&mut self) -> Result<Option<Picture>, SourceError> {
        loop {
            if let Some(picture) = self.decoder.take() {
                self.alive_at = Instant::now();
                self.pictures += 1;
                return Ok(Some(picture));
            }
            let silent = self.alive_at.elapsed();
            if silent > KEYFRAME_WITHIN {
                return Err(SourceError::Stalled(silent));
            }
            match self.connection.read()? {
                Some(packet) => {
                    if let Timing::Live(reordering) = &mut self.timing {
                        reordering.arrived(decoder::arrived_at(packet.pts()));
                    }
                    self.decoder.send(&packet);
                }
                None if self.decoder.drain() => {}
                None => return Ok(None),
            }
        }
    }

    fn moment(&mut self, picture: &Picture) -> Moment {
        match &mut self.timing {
            Timing::Live(reordering) => {
                let captured_at = reordering.captured(picture.arrived_at, self.decoder.reorders());
                let interval = self.about.interval.unwrap_or(USUAL_INTERVAL);
                match captured_at + interval * 2 < self.opened_at {
                    true => Moment::Past,
                    false => Moment::Captured(captured_at),
                }
            }
            Timing::Recorded(pacing) => match pacing.turn(picture.stamp, Instant::now()) {
                Turn::Show(due) => Moment::Due(due),
                Turn::Skip => Moment::Past,
            },
        }
    }

    /// At the end of something recorded: from its beginning again. What is live does not end, it breaks.
    fn begin_again(&mut self) -> Result<(), SourceError> {
        let Timing::Recorded(pacing) = &mut self.timing else {
            return Err(SourceError::Closed("the camera ended the connection".into()));
        };
        if self.pictures < 2 {
            return Err(SourceError::NotAVideo(
                "this URL gives a single picture; give that of the camera's MJPEG or RTSP stream"
                    .into(),
            ));
        }
        pacing.rewind();
        self.pictures = 0;
        (self.connection, self.decoder) = connect(&self.url, &self.stop)?;
        Ok(())
    }
}

/// A picture's place in time.
enum Moment {
    Captured(Timestamp),
    Due(Instant),
    /// Its successor is here or due already.
    Past,
}

impl Source for Live {
    fn about(&self) -> &About {
        &self.about
    }

    fn grab(&mut self) -> Result<Option<Grabbed>, SourceError> {
        let mut skipped = 0;
        loop {
            let Some(picture) = self.next_picture()? else {
                self.begin_again()?;
                continue;
            };
            match self.moment(&picture) {
                Moment::Captured(captured_at) => {
                    self.picture = Some(picture);
                    return Ok(Some(Grabbed { captured_at, skipped }));
                }
                Moment::Due(due) if super::sleep_until(due, &self.stop) => {
                    return Err(SourceError::Stopped);
                }
                Moment::Due(due) => {
                    self.picture = Some(picture);
                    return Ok(Some(Grabbed { captured_at: clock::at(due), skipped }));
                }
                Moment::Past => skipped += 1,
            }
        }
    }

    fn retrieve(&mut self, pixels: &mut Mat) -> Result<(), SourceError> {
        match &self.picture {
            Some(picture) => self.scaler.convert(&picture.frame, pixels),
            None => Err(SourceError::Other("no picture was grabbed yet".into())),
        }
    }
}

fn connect(url: &Masked, stop: &Shutdown) -> Result<(Connection, Decoder), SourceError> {
    let connection = Connection::open(url, stop.clone())?;
    let decoder = Decoder::new(&connection)?;
    Ok((connection, decoder))
}

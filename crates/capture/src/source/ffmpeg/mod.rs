//! Cameras and videos behind URLs, and files full of JPEGs, through FFmpeg's libraries.
//!
//! Where each packet is a JPEG, or H.264 in the order in which it is shown, it is given as it is. Else packets are decoded.
//!
//! - `opening`: opens the place; `connection`: and reads its packets, never for longer than allowed;
//! - `deadline`, `budget`: until when FFmpeg may block, and how much may come until then;
//! - `parts`: MJPEG over HTTP, from its bytes;
//! - `place`: what can be opened;
//! - `arrival`: when a packet came, which is when its picture counts as captured;
//! - `trouble`: why it does not work.
//!
//! OpenCV can open URLs too, but decodes with a thread per core, each of which holds a picture back, and blocks all of a
//! process's sources while one host is silent.

mod arrival;
mod budget;
mod connection;
mod deadline;
mod diagnose;
mod input;
mod mjpeg_http;
mod opening;

use std::fmt;
use std::net::{TcpStream, ToSocketAddrs};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use fanlight_cli::stop::Shutdown;
use fanlight_clock as clock;
use fanlight_protocol::Timestamp;

use super::address::Address;
use super::pacing::{Pacing, Turn};
use super::video::{self, Decoded, Decoder, Passage, Reordering, Unfit};
use super::{About, Grabbed, Source, SourceError};
use crate::frame::latest::Buffers;
use crate::frame::{Coded, Picture};
use crate::pixels::convert::Converter;
use connection::Connection;
use ffmpeg_next::Packet;
use ffmpeg_next::codec::Id;
use input::Place;

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

/// What becomes of packets.
#[derive(Debug)]
enum Form {
    /// They are pictures that can be passed on.
    Jpegs,
    /// So they are, one after the other.
    H264(Box<Passage>),
    /// They must be decoded.
    Coded(Decoder, Converter),
}

impl Form {
    fn new(connection: &Connection) -> Result<Self, SourceError> {
        let parameters = connection.parameters()?;
        if connection.gives_jpegs() {
            return Ok(Self::Jpegs);
        }
        if parameters.id() == Id::H264 {
            let passage = Passage::described(video::extradata(&parameters));
            if !passage.reorders() {
                return Ok(Self::H264(Box::new(passage)));
            }
        }
        Self::decoded(connection)
    }

    fn decoded(connection: &Connection) -> Result<Self, SourceError> {
        Ok(Self::Coded(Decoder::new(connection.parameters()?)?, Converter::default()))
    }

    /// The same for the same place opened anew.
    fn renewed(self, connection: &Connection) -> Result<Self, SourceError> {
        match (self, Self::new(connection)?) {
            (Self::H264(before), Self::H264(passage)) => {
                Ok(Self::H264(Box::new(passage.continuing(&before))))
            }
            // What was found out of its order holds.
            (Self::Coded(..), Self::H264(_)) => Self::decoded(connection),
            (_, renewed) => Ok(renewed),
        }
    }
}

/// What was read last.
enum Got {
    Jpeg(Packet),
    H264(Arc<Coded>, Timestamp),
    Decoded(Decoded),
}

impl Got {
    /// When its packet arrived, or its place in the recording.
    fn stamp(&self) -> Timestamp {
        match self {
            Self::Jpeg(packet) => video::arrived_at(packet.pts().or(packet.dts())),
            Self::H264(_, stamp) => *stamp,
            Self::Decoded(picture) => picture.arrived_at,
        }
    }
}

/// An open place as a source.
pub struct MediaSource {
    place: Place,
    about: About,
    connection: Connection,
    form: Form,
    timing: Timing,
    got: Option<Got>,
    /// When the connection stood. What came before, while it was found out what comes, may be old.
    opened_at: Timestamp,
    /// When the last picture came, or else the connection.
    alive_at: Instant,
    pictures: u64,
    stop: Shutdown,
}

impl MediaSource {
    /// Connects to a URL.
    ///
    /// # Errors
    /// With the reason in words, where that fails.
    pub fn open(url: &Address, stop: Shutdown) -> Result<Self, SourceError> {
        Self::at(Place::Url(url.clone()), stop)
    }

    /// Opens a file full of JPEGs or H.264, to begin again at its end if `looped`.
    ///
    /// # Errors
    /// With the reason in words, where that fails.
    pub fn of_file(path: &Path, looped: bool, stop: Shutdown) -> Result<Self, SourceError> {
        Self::at(Place::File { path: path.into(), looped }, stop)
    }

    fn at(place: Place, stop: Shutdown) -> Result<Self, SourceError> {
        let connection = Connection::open(&place, stop.clone())?;
        let form = Form::new(&connection)?;
        let interval = connection.interval();
        let recorded = !connection.is_live();
        let about = About { description: connection.description(), interval, recorded };
        let timing = Timing::new(&connection);
        Ok(Self {
            place,
            about,
            connection,
            form,
            timing,
            got: None,
            opened_at: clock::now(),
            alive_at: Instant::now(),
            pictures: 0,
            stop,
        })
    }

    /// Reads until there is a picture; `None` where the other side ends.
    fn next_picture(&mut self) -> Result<Option<Got>, SourceError> {
        loop {
            if let Form::Coded(decoder, _) = &mut self.form
                && let Some(picture) = decoder.take()
            {
                return Ok(Some(Got::Decoded(picture)));
            }
            let silent = self.alive_at.elapsed();
            if silent > KEYFRAME_WITHIN {
                return Err(SourceError::Stalled(silent));
            }
            let packet = self.connection.read()?;
            if let (Some(packet), Timing::Live(reordering)) = (&packet, &mut self.timing) {
                reordering.arrived(video::arrived_at(packet.pts()));
            }
            match (packet, &mut self.form) {
                (Some(packet), Form::Jpegs) => return Ok(Some(Got::Jpeg(packet))),
                // What is damaged is as good as missing.
                (Some(packet), Form::H264(passage)) if packet.is_corrupt() => passage.miss(),
                (Some(packet), Form::H264(passage)) => {
                    match passage.take(packet.data().unwrap_or_default(), packet.is_key()) {
                        Ok(Some(coded)) => {
                            let stamp = video::arrived_at(packet.pts().or(packet.dts()));
                            return Ok(Some(Got::H264(coded, stamp)));
                        }
                        Ok(None) => {}
                        Err(Unfit::Reordered) => self.decode_from_now_on(&packet)?,
                        Err(large) => return Err(SourceError::NotAVideo(large.to_string())),
                    }
                }
                (Some(packet), Form::Coded(decoder, _)) => decoder.send(&packet),
                (None, Form::Coded(decoder, _)) => {
                    if !decoder.drain() {
                        return Ok(None);
                    }
                }
                (None, Form::Jpegs | Form::H264(_)) => return Ok(None),
            }
        }
    }

    /// What was passed on so far turns out to be in another order than shown.
    fn decode_from_now_on(&mut self, packet: &Packet) -> Result<(), SourceError> {
        let (place, why) = (&self.place, Unfit::Reordered);
        tracing::info!(%place, "its H.264 is decoded and encoded anew: {why}");
        self.form = Form::decoded(&self.connection)?;
        if let Form::Coded(decoder, _) = &mut self.form {
            decoder.send(packet);
        }
        Ok(())
    }

    fn passes_h264(&self) -> bool {
        matches!(self.form, Form::H264(_))
    }

    fn moment(&mut self, stamp: Timestamp) -> Moment {
        let passes_h264 = self.passes_h264();
        match &mut self.timing {
            Timing::Live(reordering) => {
                let reorders = match &self.form {
                    Form::Jpegs | Form::H264(_) => false,
                    Form::Coded(decoder, _) => decoder.reorders(),
                };
                let captured_at = reordering.captured(stamp, reorders);
                let interval = self.about.interval.unwrap_or(USUAL_INTERVAL);
                let past = captured_at + interval * 2 < self.opened_at;
                // Of H.264 those after it need it.
                match past && !passes_h264 {
                    true => Moment::Past,
                    false => Moment::Captured(captured_at),
                }
            }
            Timing::Recorded(pacing) => {
                match pacing.turn(Duration::from_micros(stamp.micros()), Instant::now()) {
                    Turn::Show(due) => Moment::Due(due),
                    Turn::Skip(due) if passes_h264 => Moment::Due(due),
                    Turn::Skip(_) => Moment::Past,
                }
            }
        }
    }

    /// At the end of something recorded: from its beginning again; false where that is not wanted. What is live does not
    /// end, it breaks.
    fn begin_again(&mut self) -> Result<bool, SourceError> {
        let Timing::Recorded(pacing) = &mut self.timing else {
            return Err(SourceError::Closed("the camera ended the connection".into()));
        };
        match &self.place {
            Place::File { looped: false, .. } => return Ok(false),
            Place::File { path, .. } if self.pictures == 0 => {
                let path = path.display();
                return Err(SourceError::NotAVideo(format!("{path} holds no picture")));
            }
            Place::Url(_) if self.pictures < 2 => {
                return Err(SourceError::NotAVideo(
                    "this URL gives a single picture; give that of the camera's MJPEG or RTSP stream"
                        .into(),
                ));
            }
            Place::File { .. } | Place::Url(_) => {}
        }
        pacing.rewind();
        self.pictures = 0;
        self.connection = Connection::open(&self.place, self.stop.clone())?;
        let before = std::mem::replace(&mut self.form, Form::Jpegs);
        self.form = before.renewed(&self.connection)?;
        Ok(true)
    }
}

/// A picture's place in time.
enum Moment {
    Captured(Timestamp),
    Due(Instant),
    /// Its successor is here or due already.
    Past,
}

impl Source for MediaSource {
    fn about(&self) -> &About {
        &self.about
    }

    fn grab(&mut self) -> Result<Option<Grabbed>, SourceError> {
        let mut skipped = 0;
        loop {
            let Some(got) = self.next_picture()? else {
                if !self.begin_again()? {
                    return Ok(None);
                }
                continue;
            };
            self.alive_at = Instant::now();
            self.pictures += 1;
            let captured_at = match self.moment(got.stamp()) {
                Moment::Captured(captured_at) => captured_at,
                Moment::Due(due) if super::sleep_until(due, &self.stop) => {
                    return Err(SourceError::Stopped);
                }
                Moment::Due(due) => clock::at(due),
                Moment::Past => {
                    // What is live and past lay there before anybody could have taken it.
                    skipped += u64::from(self.about.recorded);
                    continue;
                }
            };
            self.got = Some(got);
            if matches!(self.timing, Timing::Live(_)) {
                self.about.interval = self.connection.interval();
            }
            return Ok(Some(Grabbed { captured_at, skipped }));
        }
    }

    fn retrieve(&mut self, buffers: &Buffers) -> Result<Picture, SourceError> {
        match (&self.got, &mut self.form) {
            (Some(Got::Jpeg(packet)), _) => {
                Ok(Picture::Jpeg(packet.data().unwrap_or_default().to_vec()))
            }
            (Some(Got::H264(coded, _)), _) => Ok(Picture::H264(coded.clone())),
            (Some(Got::Decoded(picture)), Form::Coded(_, converter)) => {
                let mut buffer = buffers.take();
                converter.convert(&picture.frame, &mut buffer)?;
                Ok(Picture::Pixels(buffer))
            }
            _ => Err(SourceError::Other("no picture was grabbed yet".into())),
        }
    }

    fn each_counts(&self) -> bool {
        self.passes_h264()
    }

    fn can_pause(&self) -> bool {
        matches!(self.place, Place::File { .. })
    }

    fn resume(&mut self) {
        self.alive_at = Instant::now();
        if let Timing::Recorded(pacing) = &mut self.timing {
            pacing.resume();
        }
    }
}

impl fmt::Debug for MediaSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MediaSource").field("place", &self.place).finish_non_exhaustive()
    }
}

/// No more addresses of a host are tried: usually there is one of each version of IP.
const MOST_ADDRESSES: usize = 4;

/// Whether somebody still listens at a URL.
///
/// # Errors
/// With the reason in words, where nobody does.
pub fn look(url: &Address) -> Result<(), SourceError> {
    let host = diagnose::Host::of(url);
    let addresses = host.address().to_socket_addrs();
    let addresses = addresses.map_err(|_| SourceError::HostNotFound(host.to_string()))?;
    let mut reason = SourceError::HostNotFound(host.to_string());
    for address in addresses.take(MOST_ADDRESSES) {
        match TcpStream::connect_timeout(&address, connection::CONNECT_WITHIN) {
            Ok(_) => return Ok(()),
            Err(error) => reason = diagnose::of_connecting(&error, &host),
        }
    }
    Err(reason)
}

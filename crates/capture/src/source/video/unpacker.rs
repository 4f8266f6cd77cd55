//! From the encoded frames of a source to frames for the pipeline: forwarded undecoded, or decoded.
//!
//! The decision is the same for URLs, files and commands. JPEGs are forwarded, and so is H.264 while its frames arrive in
//! display order. Frames are decoded if they are out of order, if viewers would show them rotated, distorted or in other
//! colours, and for every other codec. Decoded frames are upright and have square pixels.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use fanlight_codec::h264::{H264Inspector, PassthroughError};
use fanlight_protocol::Timestamp;
use ffmpeg_next::codec::Id;
use ffmpeg_next::util::color::{Range, Space};
use ffmpeg_next::{Packet, frame};

use super::container::{Container, FIELDS, UNKNOWN_COLOURS, why_decode_h264};
use super::decoder::{VideoDecoder, extradata};
use super::encoded::Encoded;
use super::reordering::Reordering;
use crate::frame::latest::Buffers;
use crate::frame::{AccessUnit, FrameData};
use crate::pixels::Image;
use crate::pixels::colours::StatedColours;
use crate::pixels::convert::{Converter, size_of_frame};
use crate::pixels::geometry::Geometry;
use crate::pixels::orientation::Orientation;
use crate::source::contract::DecodedFrom;
use crate::source::error::SourceError;

/// The reason why frames of any codec but JPEG and H.264 are decoded.
const OTHER_CODEC: &str =
    "only JPEG and H.264 are passed through, because all browsers decode those";

/// The codec of a source.
pub(in crate::source) enum SourceCodec {
    /// Described by a container or a protocol.
    Described(Container),
    /// Described only by its own bitstream.
    InBand(Id),
    /// H.264 that is also described by these parameter sets, with start codes.
    H264(Vec<u8>),
}

impl SourceCodec {
    fn id(&self) -> Id {
        match self {
            Self::Described(container) => container.id(),
            Self::InBand(id) => *id,
            Self::H264(_) => Id::H264,
        }
    }

    /// Returns the codec's name, as people know it.
    fn name(&self) -> &'static str {
        match self.id() {
            Id::MJPEG => "JPEG",
            Id::H264 => "H.264",
            Id::HEVC => "H.265",
            other => other.name(),
        }
    }

    fn container(&self) -> Option<&Container> {
        match self {
            Self::Described(container) => Some(container),
            Self::InBand(_) | Self::H264(_) => None,
        }
    }

    fn inspector(&self) -> H264Inspector {
        match self {
            Self::Described(container) => {
                H264Inspector::from_extradata(extradata(&container.parameters))
            }
            Self::InBand(_) => H264Inspector::new(),
            Self::H264(parameter_sets) => H264Inspector::from_extradata(parameter_sets),
        }
    }

    /// Returns a decoder; `live`: frames must be returned without delay.
    fn decoder(&self, live: bool) -> Result<VideoDecoder, SourceError> {
        match self {
            Self::Described(container) => VideoDecoder::new(container.parameters.clone(), live),
            Self::InBand(id) => VideoDecoder::of_codec(*id),
            Self::H264(parameter_sets) => VideoDecoder::of_h264(parameter_sets),
        }
    }
}

/// Unpacks the frames of one source.
pub(in crate::source) struct Unpacker {
    /// The source, for the log.
    source: String,
    codec: SourceCodec,
    /// The frame interval if the source is live.
    live: Option<Duration>,
    route: Route,
}

/// The way of frames to the pipeline.
enum Route {
    /// JPEGs are forwarded.
    Jpeg,
    /// H.264 in display order is forwarded.
    Passthrough(Box<H264Inspector>),
    /// All other frames are decoded.
    Decode(Box<Decoding>),
}

impl Route {
    fn new(source: &str, codec: &SourceCodec, live: Option<Duration>) -> Result<Self, SourceError> {
        let reason = match codec.id() {
            Id::MJPEG => match codec.container().and_then(Container::why_decode_jpeg) {
                None => return Ok(Self::Jpeg),
                Some(reason) => reason.to_owned(),
            },
            Id::H264 => {
                let inspector = codec.inspector();
                if inspector.allows_passthrough() {
                    return Ok(Self::Passthrough(Box::new(inspector)));
                }
                PassthroughError::Reordered.to_string()
            }
            _ => OTHER_CODEC.to_owned(),
        };
        log_transcoding(source, codec.name(), &reason);
        Self::decode(codec, live, reason)
    }

    fn decode(
        codec: &SourceCodec,
        live: Option<Duration>,
        reason: String,
    ) -> Result<Self, SourceError> {
        Ok(Self::Decode(Box::new(Decoding {
            reason,
            shown: None,
            decoder: codec.decoder(live.is_some())?,
            reordering: live.map(Reordering::new),
            container: codec.container().map_or(Geometry::default(), |it| it.geometry),
            colours: codec.container().map_or(UNKNOWN_COLOURS, Container::colours),
            orientation: None,
            converter: Converter::default(),
        })))
    }
}

fn log_transcoding(source: &str, codec: &str, reason: &str) {
    tracing::info!(source, "{codec} is transcoded: {reason}");
}

/// An unpacked frame.
pub(in crate::source) struct Unpacked {
    content: Content,
    /// The capture time if the source is live, otherwise the position in the recording.
    pub(in crate::source) timestamp: Timestamp,
}

enum Content {
    Jpeg(Encoded),
    H264(Arc<AccessUnit>),
    Decoded(frame::Video, Geometry),
}

impl Unpacked {
    /// Returns whether the frame is H.264, so that later frames refer to it.
    pub(in crate::source) fn is_h264(&self) -> bool {
        matches!(self.content, Content::H264(_))
    }
}

impl Unpacker {
    /// Returns an unpacker for the source named so in the log; `live`: the frame interval of a live source.
    pub(in crate::source) fn new(
        source: String,
        codec: SourceCodec,
        live: Option<Duration>,
    ) -> Result<Self, SourceError> {
        let route = Route::new(&source, &codec, live)?;
        Ok(Self { source, codec, live, route })
    }

    /// Continues after the source was reopened. A source that had to be decoded is still decoded.
    pub(in crate::source) fn reopen(&mut self, codec: SourceCodec) -> Result<(), SourceError> {
        self.route = match &self.route {
            Route::Decode(decoding) => Route::decode(&codec, self.live, decoding.reason.clone())?,
            Route::Jpeg => Route::new(&self.source, &codec, self.live)?,
            Route::Passthrough(before) => match Route::new(&self.source, &codec, self.live)? {
                Route::Passthrough(inspector) => {
                    Route::Passthrough(Box::new(inspector.continuing(before)))
                }
                route => route,
            },
        };
        self.codec = codec;
        Ok(())
    }

    /// Accepts a frame. Returns it if it is forwarded; decoded frames are returned by [`Unpacker::next_decoded`].
    pub(in crate::source) fn push(
        &mut self,
        encoded: Encoded,
    ) -> Result<Option<Unpacked>, SourceError> {
        let timestamp = encoded.timestamp();
        match &mut self.route {
            Route::Jpeg if self.codec.container().is_some_and(|it| it.holds_fields(&encoded)) => {
                self.decode(FIELDS.to_owned(), encoded)
            }
            Route::Jpeg => Ok(Some(Unpacked { content: Content::Jpeg(encoded), timestamp })),
            Route::Passthrough(inspector) if encoded.is_damaged() => {
                inspector.skip_missing();
                Ok(None)
            }
            Route::Passthrough(inspector) => {
                let inspected = inspector.inspect(encoded.bytes(), encoded.is_entry());
                let (hints, container) = (inspector.display_hints(), self.codec.container());
                match inspected {
                    Ok(None) => Ok(None),
                    Ok(Some(unit)) => {
                        match why_decode_h264(container, hints, (unit.width, unit.height)) {
                            None => Ok(Some(Unpacked { content: Content::H264(unit), timestamp })),
                            Some(reason) => self.decode(reason.to_owned(), encoded),
                        }
                    }
                    Err(reason @ PassthroughError::Reordered) => {
                        self.decode(reason.to_string(), encoded)
                    }
                    Err(error @ PassthroughError::TooLarge(..)) => {
                        Err(SourceError::NotAVideo(error.to_string()))
                    }
                }
            }
            Route::Decode(decoding) => {
                decoding.send(timestamp, &encoded.into_packet());
                Ok(None)
            }
        }
    }

    /// Notes that a frame is missing, so that later ones cannot be decoded up to the next entry point.
    pub(in crate::source) fn skip_missing(&mut self) {
        match &mut self.route {
            Route::Passthrough(inspector) => inspector.skip_missing(),
            // A decoder finds out by itself.
            Route::Jpeg | Route::Decode(_) => {}
        }
    }

    /// Decodes from this frame on, for this reason.
    fn decode(
        &mut self,
        reason: String,
        encoded: Encoded,
    ) -> Result<Option<Unpacked>, SourceError> {
        log_transcoding(&self.source, self.codec.name(), &reason);
        self.route = Route::decode(&self.codec, self.live, reason)?;
        self.push(encoded)
    }

    /// Returns the next decoded frame, if one is ready.
    pub(in crate::source) fn next_decoded(&mut self) -> Option<Unpacked> {
        match &mut self.route {
            Route::Decode(decoding) => decoding.next(),
            Route::Jpeg | Route::Passthrough(_) => None,
        }
    }

    /// Drains the decoder at the end of the source. Returns false if no frames can be left in it.
    pub(in crate::source) fn drain(&mut self) -> bool {
        match &mut self.route {
            Route::Decode(decoding) => decoding.decoder.drain(),
            Route::Jpeg | Route::Passthrough(_) => false,
        }
    }

    /// Returns whether H.264 is forwarded undecoded.
    pub(in crate::source) fn passes_h264(&self) -> bool {
        matches!(self.route, Route::Passthrough(_))
    }

    /// Returns what is decoded, if frames are not forwarded.
    pub(in crate::source) fn decoded_from(&self) -> Option<DecodedFrom> {
        let Route::Decode(decoding) = &self.route else { return None };
        let (format, reason) = (self.codec.name().to_owned(), decoding.reason.clone());
        Some(DecodedFrom { format, colours: decoding.shown, reason })
    }

    /// Returns an unpacked frame for the pipeline, with decoded pixels in one of `buffers`.
    pub(in crate::source) fn data(
        &mut self,
        unpacked: Option<Unpacked>,
        buffers: &Buffers,
    ) -> Result<FrameData, SourceError> {
        match (unpacked.map(|unpacked| unpacked.content), &mut self.route) {
            (Some(Content::Jpeg(encoded)), _) => Ok(FrameData::Jpeg(encoded.into_bytes())),
            (Some(Content::H264(unit)), _) => Ok(FrameData::H264(unit)),
            (Some(Content::Decoded(frame, geometry)), Route::Decode(decoding)) => {
                decoding.image(frame, geometry, buffers).map(FrameData::Pixels)
            }
            _ => Err(SourceError::Other("no frame was grabbed".into())),
        }
    }
}

/// A decoder and the capture times of its frames.
struct Decoding {
    /// The reason why frames are decoded.
    reason: String,
    /// The colours of the last frame.
    shown: Option<StatedColours>,
    decoder: VideoDecoder,
    /// The order of frames of a live source.
    reordering: Option<Reordering>,
    /// The geometry that the container declares.
    container: Geometry,
    /// The colours that the container declares.
    colours: (Space, Range),
    /// The orientation that the latest frame with one declares.
    orientation: Option<Orientation>,
    converter: Converter,
}

impl Decoding {
    fn send(&mut self, timestamp: Timestamp, packet: &Packet) {
        if let Some(reordering) = &mut self.reordering {
            reordering.arrived(timestamp);
        }
        self.decoder.send(packet);
    }

    fn next(&mut self) -> Option<Unpacked> {
        let decoded = self.decoder.take()?;
        let timestamp = match &mut self.reordering {
            Some(reordering) => reordering.captured(decoded.timestamp, self.decoder.reorders()),
            None => decoded.timestamp,
        };
        self.shown = Some(self.colours_of(&decoded.frame));
        // Not when its pixels are needed, because a frame that is dropped may declare what applies to the next ones.
        let geometry = self.geometry(&decoded.frame);
        Some(Unpacked { content: Content::Decoded(decoded.frame, geometry), timestamp })
    }

    /// Returns the image of a decoded frame in one of `buffers`: with square pixels, and upright.
    fn image(
        &mut self,
        mut frame: frame::Video,
        geometry: Geometry,
        buffers: &Buffers,
    ) -> Result<Image, SourceError> {
        let (space, range) = self.colours;
        if frame.color_space() == Space::Unspecified {
            frame.set_color_space(space);
        }
        if frame.color_range() == Range::Unspecified {
            frame.set_color_range(range);
        }
        let mut image = buffers.take();
        self.converter.convert(&frame, geometry.square(size_of_frame(&frame)), &mut image)?;
        if let Some(orientation) = geometry.orientation.filter(|one| !one.is_none()) {
            let mut spare = buffers.take();
            orientation.apply(&mut image, &mut spare)?;
            buffers.recycle(spare);
        }
        Ok(image)
    }

    /// Returns the colours of a frame. Its own take precedence over those of the container.
    fn colours_of(&self, frame: &frame::Video) -> StatedColours {
        let (space, range) = self.colours;
        let own = (frame.color_space(), frame.color_range());
        let space = if own.0 == Space::Unspecified { space } else { own.0 };
        let range = if own.1 == Range::Unspecified { range } else { own.1 };
        StatedColours::of(space, range, size_of_frame(frame))
    }

    /// Returns the geometry of a frame. Some encoders declare the orientation once, others with each keyframe.
    fn geometry(&mut self, frame: &frame::Video) -> Geometry {
        let own = Geometry::of_frame(frame);
        self.orientation = own.orientation.or(self.orientation);
        Geometry { orientation: self.orientation, ..own }.within(self.container)
    }
}

impl fmt::Debug for Unpacker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let passes_h264 = self.passes_h264();
        f.debug_struct("Unpacker").field("passes_h264", &passes_h264).finish_non_exhaustive()
    }
}

impl fmt::Debug for Unpacked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unpacked").field("timestamp", &self.timestamp).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use fanlight_codec::SplitFrame;
    use fanlight_codec::h264::AccessUnitSplitter;

    use super::*;

    const INTERVAL: Duration = Duration::from_millis(40);

    /// Access units by the ffmpeg command, each of which arrives one interval after the one before.
    fn access_units(options: &[&str]) -> Vec<SplitFrame> {
        let mut ffmpeg = Command::new("ffmpeg");
        ffmpeg.args(["-v", "error", "-f", "lavfi", "-i", "testsrc2=size=64x48:rate=25"]);
        ffmpeg.args(["-frames:v", "20", "-c:v", "libx264"]).args(options).args(["-f", "h264", "-"]);
        let output = ffmpeg.stderr(Stdio::inherit()).output();
        let bytes = output.expect("the ffmpeg command is installed").stdout;
        let mut splitter = AccessUnitSplitter::default();
        let mut units = splitter.feed(&bytes, Timestamp::default()).unwrap();
        units.extend(splitter.finish());
        for (number, unit) in (1..).zip(&mut units) {
            unit.arrived_at = Timestamp::default() + INTERVAL * number;
        }
        units
    }

    fn unpacker(id: Id) -> Unpacker {
        Unpacker::new("a test".into(), SourceCodec::InBand(id), Some(INTERVAL)).unwrap()
    }

    /// Unpacks all frames, to the end of the source.
    fn unpacked(unpacker: &mut Unpacker, frames: Vec<SplitFrame>) -> Vec<Unpacked> {
        let mut unpacked = Vec::new();
        for frame in frames {
            unpacked.extend(unpacker.push(Encoded::Split(frame)).unwrap());
            unpacked.extend(std::iter::from_fn(|| unpacker.next_decoded()));
        }
        if unpacker.drain() {
            unpacked.extend(std::iter::from_fn(|| unpacker.next_decoded()));
        }
        unpacked
    }

    #[test]
    fn jpegs_are_forwarded_with_their_arrival_time() {
        let frame = SplitFrame { bytes: vec![0xff, 0xd8], arrived_at: Timestamp::from_micros(7) };
        let mut unpacker = unpacker(Id::MJPEG);
        let jpeg = unpacker.push(Encoded::Split(frame)).unwrap().unwrap();
        assert_eq!(jpeg.timestamp, Timestamp::from_micros(7));
        assert!(!jpeg.is_h264() && !unpacker.passes_h264());
        let data = unpacker.data(Some(jpeg), &Buffers::default()).unwrap();
        assert!(matches!(data, FrameData::Jpeg(bytes) if bytes == [0xff, 0xd8]));
    }

    #[test]
    fn h264_in_display_order_is_forwarded() {
        let units = access_units(&["-tune", "zerolatency"]);
        let mut unpacker = unpacker(Id::H264);
        let arrived: Vec<Timestamp> = units.iter().map(|unit| unit.arrived_at).collect();
        let frames = unpacked(&mut unpacker, units);
        assert!(unpacker.passes_h264() && frames.iter().all(Unpacked::is_h264));
        assert!(frames.iter().map(|frame| frame.timestamp).eq(arrived));
    }

    #[test]
    fn h264_with_b_frames_is_decoded_into_display_order() {
        let mut unpacker = unpacker(Id::H264);
        let frames = unpacked(&mut unpacker, access_units(&["-bf", "2"]));
        assert!(!unpacker.passes_h264() && frames.iter().all(|frame| !frame.is_h264()));
        assert_eq!(frames.len(), 20);
        assert!(frames.is_sorted_by_key(|frame| frame.timestamp));
        let data = unpacker.data(frames.into_iter().next(), &Buffers::default()).unwrap();
        assert!(matches!(data, FrameData::Pixels(_)));
    }
}

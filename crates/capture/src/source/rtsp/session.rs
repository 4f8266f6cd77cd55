//! A session with a camera: retina sends the requests and receives the packets.

use std::pin::Pin;
use std::time::Instant;

use fanlight_cli::stop::Shutdown;
use futures_util::StreamExt;
use retina::client::{
    Credentials, Described, PacketItem, PlayOptions, Playing, Session, SessionIdPolicy,
    SessionOptions, SetupOptions, Stream, TeardownPolicy,
};
use retina::rtp::ReceivedPacket;
use url::Url;

use super::description;
use super::obstacle::{Obstacle, Step};
use super::waiting::{Unfinished, Waiting};
use crate::source::address::Address;

/// The codec that is read here, as in a description.
const H264: &str = "h264";

/// An open session, in which the camera sends H.264 over TCP.
pub(super) struct CameraSession {
    waiting: Waiting,
    /// Set until it is dropped.
    session: Option<Pin<Box<Session<Playing>>>>,
}

/// A message of a camera.
pub(super) enum Received {
    /// An RTP packet of the video.
    Packet(ReceivedPacket),
    /// A moment by the clock of the RTP timestamps, and as an NTP timestamp.
    Report(retina::Timestamp, u64),
}

impl CameraSession {
    /// Opens a session, until this time at the latest. Also returns the parameter sets in the camera's description, with
    /// start codes.
    pub(super) fn open(
        url: &Address,
        until: Instant,
        stop: Shutdown,
    ) -> Result<(Self, Vec<u8>), Obstacle> {
        let waiting = Waiting::new(stop).map_err(|_| Obstacle::Unreadable("it lacks resources"))?;
        let mut session = Self { waiting, session: None };
        match session.waiting.wait(until, begin(url)) {
            Ok(Ok((playing, parameter_sets))) => {
                session.session = Some(Box::pin(playing));
                Ok((session, parameter_sets))
            }
            Ok(Err(obstacle)) => Err(obstacle),
            Err(unfinished) => Err(Obstacle::Unfinished(unfinished)),
        }
    }

    /// Waits for the next packet or report, until this time at the latest. Returns `None` at the end of the connection.
    pub(super) fn receive(
        &mut self,
        until: Instant,
    ) -> Result<Option<Result<Received, retina::Error>>, Unfinished> {
        let Some(session) = &mut self.session else { return Ok(None) };
        loop {
            let received = match self.waiting.wait(until, session.next())? {
                Some(Ok(PacketItem::Rtp(packet))) => Ok(Received::Packet(packet)),
                Some(Ok(PacketItem::Rtcp(packets))) => {
                    let mut reports =
                        packets.pkts().filter_map(|packet| packet.as_sender_report().ok()?);
                    match (packets.rtp_timestamp(), reports.next()) {
                        (Some(timestamp), Some(report)) => {
                            Ok(Received::Report(timestamp, report.ntp_timestamp().0))
                        }
                        _ => continue,
                    }
                }
                Some(Ok(_)) => continue,
                Some(Err(error)) => Err(error),
                None => return Ok(None),
            };
            return Ok(Some(received));
        }
    }
}

/// Sends the requests up to the video. Returns the session and the parameter sets in the camera's description.
async fn begin(url: &Address) -> Result<(Session<Playing>, Vec<u8>), Obstacle> {
    let target =
        Url::parse(&url.without_login()).map_err(|_| Obstacle::Unreadable("its URL is unusual"))?;
    let credentials = url.login().map(|(username, password)| Credentials { username, password });
    let options = SessionOptions::default()
        .creds(credentials)
        // The end of the connection ends the session. Retina's own request for it has no limits, and its failure would end
        // this process.
        .teardown(TeardownPolicy::Never)
        .session_id(SessionIdPolicy::UseFirst)
        .user_agent("fanlight".into());
    let described = Session::describe(target, options).await;
    let mut session = described.map_err(|error| Obstacle::of(Step::Describe, &error))?;
    let (index, sets) = find_video(&session)?;
    let set_up = session.setup(index, SetupOptions::default()).await;
    set_up.map_err(|error| Obstacle::of(Step::SetUp, &error))?;
    let playing = session.play(PlayOptions::default()).await;
    Ok((playing.map_err(|error| Obstacle::of(Step::Play, &error))?, sets))
}

/// Returns the first video stream, if it is H.264, and its parameter sets.
fn find_video(session: &Session<Described>) -> Result<(usize, Vec<u8>), Obstacle> {
    let is_video = |stream: &&Stream| stream.media() == "video";
    let Some((index, stream)) =
        session.streams().iter().enumerate().find(|(_, stream)| is_video(stream))
    else {
        return Err(Obstacle::NoVideo);
    };
    match stream.encoding_name() == H264 {
        true => Ok((index, description::parameter_sets(session.sdp(), stream.rtp_payload_type()))),
        false => Err(Obstacle::Unreadable("its video is not H.264")),
    }
}

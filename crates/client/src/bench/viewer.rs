//! One viewer: a connection from its beginning to its end.

use std::net::SocketAddr;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use fanlight_websocket::Opcode;
use rustix::event::epoll::EventFlags;

use super::answer::{AnswerError, AnswerReader};
use super::decode::length_prefixed::LengthPrefixed;
use super::decode::websocket::close_reason;
use super::decode::{Decoder, Step, Violation};
use super::handshake::{Refusal, accept};
use super::message::{Look, Message};
use super::meter::{Arrival, Group, Meter};
use super::request;
use super::settings::{Protocol, Settings};
use super::socket::{Broken, Socket};
use super::v1::{self, Count, Place, Said};

/// Room for what is really read: heads, texts, the beginning of a message.
pub const READ_ROOM: usize = 64 * 1024;
/// What a viewer reads at once of a server that answers. A stalled one has read no more than this.
const ANSWER_ROOM: usize = 512;
/// What one viewer reads before it is another's turn.
const TURN: u64 = 8 * 1024 * 1024;

/// How a viewer reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// As fast as it can.
    Normal,
    /// Not at all, after the handshake.
    Stalled,
    /// No faster than a stated rate.
    Trickling,
}

/// What a thread lends its viewers.
#[derive(Debug)]
pub struct Hands<'a> {
    /// What is to be done.
    pub settings: &'a Settings,
    /// Where it is counted.
    pub meter: &'a mut Meter,
    /// Whether this is the time that counts.
    pub measuring: bool,
    /// Where bytes are really read to.
    pub small: &'a mut [u8],
    /// Where bytes are not even written to.
    pub scratch: &'a mut [u8],
    /// Where acknowledgements are written.
    pub outgoing: &'a mut Vec<u8>,
}

/// Why a viewer is no more.
#[derive(Debug, thiserror::Error)]
pub enum Gone {
    /// The connection.
    #[error(transparent)]
    Broken(#[from] Broken),
    /// What came over it.
    #[error(transparent)]
    Violation(#[from] Violation),
    /// What the server answered.
    #[error(transparent)]
    Answer(#[from] AnswerError),
    /// The server said no, or said goodbye.
    #[error("{0}")]
    Told(String),
    /// A relay said that what the viewer asked for cannot be: nothing will come.
    #[error("{0}")]
    Denied(String),
}

/// How far a viewer is.
#[derive(Debug)]
enum Stage {
    /// It has no connection.
    Away,
    /// The connection is being made.
    Connecting,
    /// The server has not answered yet, or its refusal is still being read.
    Asking(AnswerReader),
    /// It watches.
    Watching(Decoder),
}

/// What a whole message says of its frame.
#[derive(Debug, Default)]
struct Known {
    captured_at: Option<u64>,
    sent_at: Option<u64>,
    place: Place,
    /// It refers to the frame before.
    delta: bool,
}

/// A viewer.
#[derive(Debug)]
pub struct Viewer {
    kind: Kind,
    stage: Stage,
    socket: Option<Socket>,
    /// Since when the stage is what it is.
    since: Instant,
    message: Message,
    count: Count,
    last_frame: Option<Instant>,
    /// Frames in the time that counts.
    frames: u64,
    /// Bytes that a trickling one may read.
    allowance: f64,
}

impl Viewer {
    /// A viewer that has not connected yet.
    pub fn new(kind: Kind, now: Instant) -> Self {
        Self {
            kind,
            stage: Stage::Away,
            socket: None,
            since: now,
            message: Message::default(),
            count: Count::default(),
            last_frame: None,
            frames: 0,
            allowance: 0.0,
        }
    }

    /// Begins to connect.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn connect(
        &mut self,
        to: SocketAddr,
        settings: &Settings,
        now: Instant,
    ) -> Result<&Socket, Gone> {
        let socket = Socket::connect(to, settings.receive_buffer)?;
        self.enter(Stage::Connecting, now);
        Ok(self.socket.insert(socket))
    }

    /// Its connection, while there is one.
    pub fn socket(&self) -> Option<&Socket> {
        self.socket.as_ref()
    }

    /// How it reads.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Frames that it received in the time that counts.
    pub fn frames(&self) -> u64 {
        self.frames
    }

    /// Since when it waits for the server to answer, if it does.
    pub fn asking_since(&self) -> Option<Instant> {
        matches!(self.stage, Stage::Connecting | Stage::Asking(_)).then_some(self.since)
    }

    /// Whether its handshake went well.
    pub fn is_watching(&self) -> bool {
        matches!(self.stage, Stage::Watching(_))
    }

    /// Since when no frame came, if it watches.
    pub fn silent_since(&self) -> Option<Instant> {
        self.is_watching().then(|| self.last_frame.unwrap_or(self.since))
    }

    /// What it waits for; `None` where it is not to be woken at all.
    pub fn interest(&self) -> Option<EventFlags> {
        match (&self.stage, self.kind) {
            (Stage::Away, _) | (Stage::Watching(_), Kind::Trickling) => None,
            (Stage::Connecting, _) => Some(EventFlags::OUT),
            // Who reads nothing still notices that the other side is gone.
            (Stage::Watching(_), Kind::Stalled) => Some(EventFlags::RDHUP),
            _ => Some(EventFlags::IN),
        }
    }

    /// Something it waited for has come. Afterwards it may wait for something else.
    ///
    /// # Errors
    /// When that was its end.
    pub fn wake(&mut self, hands: &mut Hands<'_>) -> Result<(), Gone> {
        match (&self.stage, self.kind) {
            (Stage::Away, _) => Ok(()),
            (Stage::Connecting, _) => self.ask(hands),
            (Stage::Asking(_), _) => self.read_answer(hands),
            (Stage::Watching(_), Kind::Stalled) => Err(Broken::Ended.into()),
            (Stage::Watching(_), _) => self.read_messages(hands, TURN).map(|_| ()),
        }
    }

    /// A trickling viewer may read so many bytes more, but saves up no more than `most`.
    ///
    /// # Errors
    /// When that was its end.
    pub fn trickle(&mut self, hands: &mut Hands<'_>, more: f64, most: f64) -> Result<(), Gone> {
        if !self.is_watching() {
            return Ok(());
        }
        self.allowance = (self.allowance + more).min(most.max(1.0));
        let read = self.read_messages(hands, self.allowance as u64)?;
        self.allowance -= read as f64;
        Ok(())
    }

    /// The connection is no more.
    pub fn leave(&mut self, now: Instant) {
        self.socket = None;
        self.enter(Stage::Away, now);
        self.message = Message::default();
        self.count.restart();
        self.last_frame = None;
    }

    fn enter(&mut self, stage: Stage, now: Instant) {
        self.stage = stage;
        self.since = now;
    }

    fn ask(&mut self, hands: &mut Hands<'_>) -> Result<(), Gone> {
        let settings = hands.settings;
        let socket = connected(&self.socket);
        socket.is_connected()?;
        if settings.request.is_empty() {
            return self.watch(Decoder::LengthPrefixed(LengthPrefixed::default()), hands);
        }
        socket.send(&settings.request)?;
        // The time that the server has to answer began with connecting.
        self.stage = Stage::Asking(AnswerReader::default());
        Ok(())
    }

    fn read_answer(&mut self, hands: &mut Hands<'_>) -> Result<(), Gone> {
        let Stage::Asking(reader) = &mut self.stage else { return Ok(()) };
        let bytes = &mut hands.small[..ANSWER_ROOM];
        let (answer, ended) = match connected(&self.socket).read(bytes) {
            Ok(None) => return Ok(()),
            Ok(Some(read)) => (reader.feed(&bytes[..read])?, None),
            Err(broken) => (reader.feed(&[])?, Some(broken)),
        };
        let Some(answer) = answer else {
            return ended.map_or(Ok(()), |broken| Err(broken.into()));
        };
        let rest = reader.body().to_vec();
        match accept(&answer, hands.settings.protocol) {
            Ok(decoder) => {
                self.watch(decoder, hands)?;
                if self.kind != Kind::Stalled { self.steps(&rest, hands) } else { Ok(()) }
            }
            Err(Refusal::Status) if !reader.tells_why(&answer) && ended.is_none() => Ok(()),
            Err(Refusal::Status) => Err(Gone::Told(reader.refusal(&answer))),
            Err(Refusal::Strange(why)) => Err(Gone::Told(why)),
        }
    }

    fn watch(&mut self, decoder: Decoder, hands: &mut Hands<'_>) -> Result<(), Gone> {
        hands.meter.connected += 1;
        self.enter(Stage::Watching(decoder), Instant::now());
        let (socket, greeting) = (connected(&self.socket), &hands.settings.greeting[..]);
        if !greeting.is_empty() {
            socket.send(greeting)?;
        }
        Ok(socket.acknowledge_when_read()?)
    }

    /// Reads at most so many bytes; how many it were.
    fn read_messages(&mut self, hands: &mut Hands<'_>, budget: u64) -> Result<u64, Gone> {
        let mut left = budget;
        while left > 0 {
            let Stage::Watching(decoder) = &mut self.stage else { break };
            let blind = decoder.ahead().min(self.message.blind(&hands.settings.look));
            let (wanted, read) = if blind > 0 {
                let wanted = blind.min(left).min(hands.scratch.len() as u64);
                let scratch = &mut hands.scratch[..wanted as usize];
                let Some(read) = connected(&self.socket).discard(scratch)? else { break };
                decoder.skip(read as u64);
                self.message.skip(read as u64);
                // After a whole message there is rarely more, and asking costs as much as a message. A trickling viewer
                // is not told when there is, and asks.
                let rest = decoder.has_tail() || self.kind == Kind::Trickling;
                let whole = decoder.ahead() == 0;
                self.steps(&[], hands)?;
                if whole && !rest {
                    left -= read as u64;
                    break;
                }
                (wanted as usize, read)
            } else {
                let wanted = self.room(&hands.settings.look).min(left) as usize;
                let small = std::mem::take(&mut hands.small);
                let read = self.read_small(&mut small[..wanted], hands);
                hands.small = small;
                let Some(read) = read? else { break };
                (wanted, read)
            };
            left -= read as u64;
            // There was no more; the system tells when there is.
            if read < wanted {
                break;
            }
        }
        Ok(budget - left)
    }

    fn read_small(
        &mut self,
        small: &mut [u8],
        hands: &mut Hands<'_>,
    ) -> Result<Option<usize>, Gone> {
        let Some(read) = connected(&self.socket).read(small)? else { return Ok(None) };
        self.steps(&small[..read], hands)?;
        Ok(Some(read))
    }

    /// How much is worth reading where not all of it can be thrown away.
    fn room(&self, look: &Look) -> u64 {
        let Stage::Watching(decoder) = &self.stage else { return 0 };
        let known = decoder.ahead();
        let room = match known {
            // Where only the boundary tells the end, all is read.
            0 if decoder.is_searching() => READ_ROOM,
            // Before a payload: its head, and what is looked at if it stands at the front.
            0 if look.start == 0 => decoder.head_room() + look.length,
            0 => decoder.head_room(),
            // In a text.
            _ if self.message.known().text => {
                READ_ROOM.min(usize::try_from(known).unwrap_or(READ_ROOM))
            }
            _ => look.length,
        };
        room.min(READ_ROOM) as u64
    }

    /// Heeds bytes that were read.
    fn steps(&mut self, mut bytes: &[u8], hands: &mut Hands<'_>) -> Result<(), Gone> {
        loop {
            let Stage::Watching(decoder) = &mut self.stage else { return Ok(()) };
            match decoder.step(&mut bytes)? {
                None => return Ok(()),
                Some(Step::Begin(begin)) => self.message.begin(begin),
                Some(Step::Bytes(bytes)) => self.message.take(&hands.settings.look, bytes),
                Some(Step::End { excess }) => {
                    self.message.shorten(excess);
                    self.whole(hands)?;
                }
                Some(Step::Ping(ping)) => {
                    let pong = request::message(Opcode::Pong, ping.payload());
                    let socket = connected(&self.socket);
                    socket.send(&pong)?;
                    socket.acknowledge_when_read()?;
                }
                Some(Step::Close(close)) => return Err(Gone::Told(close_reason(&close))),
            }
        }
    }

    /// A message is whole.
    fn whole(&mut self, hands: &mut Hands<'_>) -> Result<(), Gone> {
        let look = &hands.settings.look;
        match (hands.settings.protocol, self.message.known().text) {
            (Protocol::FanlightV1, true) => return self.said(hands.meter),
            (Protocol::FanlightV1, false) => {
                let Some(header) = self.message.looked_at(look).and_then(v1::frame) else {
                    hands.meter.not_frames += 1;
                    return Ok(());
                };
                let keyframe = header.flags.is_keyframe();
                let place = self.count.next(header.sequence, keyframe);
                let known = Known {
                    captured_at: Some(header.captured_at.micros()),
                    sent_at: Some(header.sent_at.micros()),
                    place,
                    delta: !keyframe,
                };
                self.frame(hands, known);
                if hands.settings.ack {
                    v1::ack(header.sequence, hands.outgoing);
                    connected(&self.socket).send(hands.outgoing)?;
                }
            }
            (_, true) => hands.meter.texts += 1,
            (_, false) if self.message.length() == 0 => {}
            (_, false) => {
                let within = (look.length > 0).then(|| self.message.timestamp(look)).flatten();
                let captured_at = within.or(self.message.known().stamp);
                self.frame(hands, Known { captured_at, ..Known::default() });
            }
        }
        Ok(())
    }

    fn said(&mut self, meter: &mut Meter) -> Result<(), Gone> {
        match v1::said(self.message.text()) {
            Said::Track => self.count.restart(),
            Said::State(state) => meter.state(state),
            Said::Error(error) => return Err(Gone::Denied(error)),
            Said::Other => {}
        }
        Ok(())
    }

    fn frame(&mut self, hands: &mut Hands<'_>, known: Known) {
        let Known { captured_at, sent_at, place, delta } = known;
        let now = Instant::now();
        let last = self.last_frame.replace(now);
        hands.meter.frames_ever += 1;
        if !hands.measuring {
            return;
        }
        self.frames += 1;
        let gap = last.map(|last| now.duration_since(last));
        let (bytes, at) = (self.message.length(), unix_micros());
        let Place { missing, is_broken } = place;
        let arrival =
            Arrival { bytes, at, captured_at, sent_at, gap, missing, delta, broken: is_broken };
        group(hands.meter, self.kind).frame(&arrival);
    }
}

/// Where a viewer of this kind is counted. A stalled one gets no frames.
pub fn group(meter: &mut Meter, kind: Kind) -> &mut Group {
    match kind {
        Kind::Normal | Kind::Stalled => &mut meter.normal,
        Kind::Trickling => &mut meter.trickling,
    }
}

fn connected(socket: &Option<Socket>) -> &Socket {
    socket.as_ref().expect("every stage but the first has a connection")
}

fn unix_micros() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_micros()).unwrap_or(u64::MAX)
}

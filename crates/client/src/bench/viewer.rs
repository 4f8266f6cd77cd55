//! One viewer: a connection from its start to its end.

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

/// Size of the read buffer: heads, texts, the beginning of a message.
pub const READ_ROOM: usize = 64 * 1024;
/// Bytes that a viewer reads at a time while a server answers: few, because a stalled viewer must read hardly more
/// than the head of the answer.
const ANSWER_ROOM: usize = 512;
/// Most bytes that one viewer reads before other viewers get a turn.
const TURN: u64 = 8 * 1024 * 1024;

/// A viewer's way of reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Reads as fast as it can.
    Normal,
    /// Reads nothing after the handshake.
    Stalled,
    /// Reads no faster than a given rate.
    Trickling,
}

/// State of a thread that its viewers use in turn.
#[derive(Debug)]
pub struct Context<'a> {
    /// Settings of the run.
    pub settings: &'a Settings,
    /// Counters.
    pub meter: &'a mut Meter,
    /// The measurement is running.
    pub measuring: bool,
    /// Buffer for bytes that are read.
    pub small: &'a mut [u8],
    /// Buffer for bytes that the kernel discards; it is never written to.
    pub scratch: &'a mut [u8],
    /// Buffer for acknowledgements.
    pub outgoing: &'a mut Vec<u8>,
}

/// The reason why a viewer's connection ended.
#[derive(Debug, thiserror::Error)]
pub enum Gone {
    /// The connection failed.
    #[error(transparent)]
    Broken(#[from] Broken),
    /// The server sent invalid bytes.
    #[error(transparent)]
    Violation(#[from] Violation),
    /// The server sent an invalid answer.
    #[error(transparent)]
    Answer(#[from] AnswerError),
    /// The server refused or closed the connection.
    #[error("{0}")]
    Refused(String),
    /// A relay denied the request: no frames will arrive.
    #[error("{0}")]
    Denied(String),
}

/// Stage of a connection.
#[derive(Debug)]
enum Stage {
    /// There is no connection.
    Away,
    /// The connection is being established.
    Connecting,
    /// The server has not answered yet, or its refusal is still being read.
    Asking(AnswerReader),
    /// The viewer receives messages.
    Watching(Decoder),
}

/// Metadata of a complete message's frame.
#[derive(Debug, Default)]
struct Known {
    captured_at: Option<u64>,
    sent_at: Option<u64>,
    place: Place,
    /// It refers to the frame before.
    delta: bool,
}

#[derive(Debug)]
pub struct Viewer {
    kind: Kind,
    stage: Stage,
    socket: Option<Socket>,
    /// Start of the current stage; the wait for an answer counts from the start of connecting.
    since: Instant,
    message: Message,
    count: Count,
    last_frame: Option<Instant>,
    /// Frames received during the measurement.
    frames: u64,
    /// Bytes that a trickling viewer may read.
    allowance: f64,
}

impl Viewer {
    /// Returns a viewer without a connection.
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

    /// Starts to connect.
    ///
    /// # Errors
    /// Fails if the system refuses.
    pub fn connect(
        &mut self,
        to: SocketAddr,
        settings: &Settings,
        now: Instant,
    ) -> Result<&Socket, Gone> {
        let socket = Socket::connect(to, settings.receive_buffer, settings.tls.as_ref())?;
        self.enter(Stage::Connecting, now);
        Ok(self.socket.insert(socket))
    }

    /// Returns its connection, if there is one.
    pub fn socket(&self) -> Option<&Socket> {
        self.socket.as_ref()
    }

    /// Returns its way of reading.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Returns the number of frames received during the measurement.
    pub fn frames(&self) -> u64 {
        self.frames
    }

    /// Returns the start of its wait for the server's answer, if it waits for one.
    pub fn asking_since(&self) -> Option<Instant> {
        matches!(self.stage, Stage::Connecting | Stage::Asking(_)).then_some(self.since)
    }

    /// Returns whether its handshake succeeded.
    pub fn is_watching(&self) -> bool {
        matches!(self.stage, Stage::Watching(_))
    }

    /// Returns the start of its current time without a frame, if it is watching.
    pub fn silent_since(&self) -> Option<Instant> {
        self.is_watching().then(|| self.last_frame.unwrap_or(self.since))
    }

    /// Returns the events to poll for; `None` for none.
    pub fn interest(&self) -> Option<EventFlags> {
        match (&self.stage, self.kind) {
            (Stage::Away, _) | (Stage::Watching(_), Kind::Trickling) => None,
            (Stage::Connecting, _) => Some(EventFlags::OUT),
            // A viewer that reads nothing still detects that the other side closed.
            (Stage::Watching(_), Kind::Stalled) => Some(EventFlags::RDHUP),
            _ => Some(EventFlags::IN),
        }
    }

    /// Handles an event. Afterwards [`interest`](Self::interest) may have changed.
    ///
    /// # Errors
    /// Fails if the connection ended.
    pub fn wake(&mut self, context: &mut Context<'_>) -> Result<(), Gone> {
        match (&self.stage, self.kind) {
            (Stage::Away, _) => Ok(()),
            (Stage::Connecting, _) => self.ask(context),
            (Stage::Asking(_), _) => self.read_answer(context),
            (Stage::Watching(_), Kind::Stalled) => Err(Broken::Ended.into()),
            (Stage::Watching(_), _) => self.read_messages(context, TURN).map(|_| ()),
        }
    }

    /// Lets a trickling viewer read `more` bytes. It accumulates at most `most` unread ones.
    ///
    /// # Errors
    /// Fails if the connection ended.
    pub fn trickle(&mut self, context: &mut Context<'_>, more: f64, most: f64) -> Result<(), Gone> {
        if !self.is_watching() {
            return Ok(());
        }
        self.allowance = (self.allowance + more).min(most.max(1.0));
        let read = self.read_messages(context, self.allowance as u64)?;
        self.allowance -= read as f64;
        Ok(())
    }

    /// Drops the connection.
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

    fn ask(&mut self, context: &mut Context<'_>) -> Result<(), Gone> {
        let settings = context.settings;
        let socket = connected(&self.socket);
        socket.is_connected()?;
        if settings.request.is_empty() {
            // The handshake of TLS, if it has any.
            socket.send(&[])?;
            return self.watch(Decoder::LengthPrefixed(LengthPrefixed::default()), context);
        }
        socket.send(&settings.request)?;
        // The server's time to answer began with connecting.
        self.stage = Stage::Asking(AnswerReader::default());
        Ok(())
    }

    fn read_answer(&mut self, context: &mut Context<'_>) -> Result<(), Gone> {
        let Stage::Asking(reader) = &mut self.stage else { return Ok(()) };
        // epoll does not know what is decrypted, so all of it is read.
        let encrypted = connected(&self.socket).is_encrypted();
        let bytes = &mut context.small[..if encrypted { READ_ROOM } else { ANSWER_ROOM }];
        let (answer, ended) = match connected(&self.socket).read(bytes) {
            Ok(None) => return Ok(()),
            Ok(Some(read)) => (reader.feed(&bytes[..read])?, None),
            Err(broken) => (reader.feed(&[])?, Some(broken)),
        };
        let Some(answer) = answer else {
            return ended.map_or(Ok(()), |broken| Err(broken.into()));
        };
        let rest = reader.body().to_vec();
        match accept(&answer, context.settings.protocol) {
            Ok(decoder) => {
                self.watch(decoder, context)?;
                if self.kind != Kind::Stalled { self.steps(&rest, context) } else { Ok(()) }
            }
            Err(Refusal::Status) if !reader.has_reason(&answer) && ended.is_none() => Ok(()),
            Err(Refusal::Status) => Err(Gone::Refused(reader.refusal(&answer))),
            Err(Refusal::Strange(why)) => Err(Gone::Refused(why)),
        }
    }

    fn watch(&mut self, decoder: Decoder, context: &mut Context<'_>) -> Result<(), Gone> {
        context.meter.connected += 1;
        self.enter(Stage::Watching(decoder), Instant::now());
        let (socket, greeting) = (connected(&self.socket), &context.settings.greeting[..]);
        if !greeting.is_empty() {
            socket.send(greeting)?;
        }
        Ok(socket.acknowledge_when_read()?)
    }

    /// Reads at most `budget` bytes. Returns how many it read.
    fn read_messages(&mut self, context: &mut Context<'_>, budget: u64) -> Result<u64, Gone> {
        let mut left = budget;
        while left > 0 {
            let Stage::Watching(decoder) = &mut self.stage else { break };
            let blind = decoder.ahead().min(self.message.blind(&context.settings.look));
            let (wanted, read) = if blind > 0 {
                let wanted = blind.min(left).min(context.scratch.len() as u64);
                let scratch = &mut context.scratch[..wanted as usize];
                let Some(read) = connected(&self.socket).discard(scratch)? else { break };
                decoder.skip(read as u64);
                self.message.skip(read as u64);
                // After a complete message there is rarely more, and a read costs as much as a message. A trickling
                // viewer polls for no events, so it does read. So does one with TLS: epoll does not know what is decrypted.
                let rest = decoder.has_tail()
                    || self.kind == Kind::Trickling
                    || connected(&self.socket).is_encrypted();
                let whole = decoder.ahead() == 0;
                self.steps(&[], context)?;
                if whole && !rest {
                    left -= read as u64;
                    break;
                }
                (wanted as usize, read)
            } else {
                let wanted = self.room(&context.settings.look).min(left) as usize;
                let small = std::mem::take(&mut context.small);
                let read = self.read_small(&mut small[..wanted], context);
                context.small = small;
                let Some(read) = read? else { break };
                (wanted, read)
            };
            left -= read as u64;
            // There was no more; epoll reports when there is.
            if read < wanted {
                break;
            }
        }
        Ok(budget - left)
    }

    fn read_small(
        &mut self,
        small: &mut [u8],
        context: &mut Context<'_>,
    ) -> Result<Option<usize>, Gone> {
        let Some(read) = connected(&self.socket).read(small)? else { return Ok(None) };
        self.steps(&small[..read], context)?;
        Ok(Some(read))
    }

    /// Returns how many bytes to read if not all of them can be discarded.
    fn room(&self, look: &Look) -> u64 {
        let Stage::Watching(decoder) = &self.stage else { return 0 };
        let known = decoder.ahead();
        let room = match known {
            // If only the boundary marks the end of a part, all bytes are read.
            0 if decoder.is_searching() => READ_ROOM,
            // Before a payload: its head, and the inspected bytes if they are at its front.
            0 if look.start == 0 => decoder.head_room() + look.length,
            0 => decoder.head_room(),
            // In a text message.
            _ if self.message.known().text => {
                READ_ROOM.min(usize::try_from(known).unwrap_or(READ_ROOM))
            }
            _ => look.length,
        };
        room.min(READ_ROOM) as u64
    }

    /// Handles bytes that were read.
    fn steps(&mut self, mut bytes: &[u8], context: &mut Context<'_>) -> Result<(), Gone> {
        loop {
            let Stage::Watching(decoder) = &mut self.stage else { return Ok(()) };
            match decoder.step(&mut bytes)? {
                None => return Ok(()),
                Some(Step::Begin(begin)) => self.message.begin(begin),
                Some(Step::Bytes(bytes)) => self.message.take(&context.settings.look, bytes),
                Some(Step::End { excess }) => {
                    self.message.shorten(excess);
                    self.whole(context)?;
                }
                Some(Step::Ping(ping)) => {
                    let pong = request::message(Opcode::Pong, ping.payload());
                    let socket = connected(&self.socket);
                    socket.send(&pong)?;
                    socket.acknowledge_when_read()?;
                }
                Some(Step::Close(close)) => return Err(Gone::Refused(close_reason(&close))),
            }
        }
    }

    /// Handles a complete message.
    fn whole(&mut self, context: &mut Context<'_>) -> Result<(), Gone> {
        let look = &context.settings.look;
        match (context.settings.protocol, self.message.known().text) {
            (Protocol::FanlightV1, true) => return self.said(context.meter),
            (Protocol::FanlightV1, false) => {
                let Some(header) = self.message.looked_at(look).and_then(v1::frame) else {
                    context.meter.not_frames += 1;
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
                self.frame(context, known);
                if context.settings.ack {
                    v1::ack(header.sequence, context.outgoing);
                    connected(&self.socket).send(context.outgoing)?;
                }
            }
            (_, true) => context.meter.texts += 1,
            (_, false) if self.message.length() == 0 => {}
            (_, false) => {
                let within = (look.length > 0).then(|| self.message.timestamp(look)).flatten();
                let captured_at = within.or(self.message.known().stamp);
                self.frame(context, Known { captured_at, ..Known::default() });
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

    fn frame(&mut self, context: &mut Context<'_>, known: Known) {
        let Known { captured_at, sent_at, place, delta } = known;
        let now = Instant::now();
        let last = self.last_frame.replace(now);
        context.meter.frames_ever += 1;
        if !context.measuring {
            return;
        }
        self.frames += 1;
        let gap = last.map(|last| now.duration_since(last));
        let (bytes, at) = (self.message.length(), unix_micros());
        let Place { missing, is_broken } = place;
        let arrival =
            Arrival { bytes, at, captured_at, sent_at, gap, missing, delta, broken: is_broken };
        group(context.meter, self.kind).frame(&arrival);
    }
}

/// Returns the counters for viewers of this kind. A stalled viewer gets no frames.
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

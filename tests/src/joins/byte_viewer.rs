//! A viewer that only counts the bytes it receives, and acknowledges frames if its transport requires it.
//!
//! It has the socket options that curl and ffmpeg have: none besides `TCP_NODELAY`, unless a receive buffer is chosen.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use fanlight_client::bench::answer::AnswerReader;
use fanlight_client::bench::decode::websocket::close_reason;
use fanlight_client::bench::decode::{Decoder, Step};
use fanlight_client::bench::handshake::{Refusal, accept};
use fanlight_client::bench::message::{Look, Message};
use fanlight_client::bench::request;
use fanlight_client::bench::settings::Protocol;
use fanlight_client::bench::url::Target;
use fanlight_client::bench::v1;
use fanlight_protocol::viewer::Watch;

use super::{Cell, Reading, Transport};
use crate::patience::PATIENCE;
use crate::socket;

/// Bytes read by one system call: as many as common clients read.
const ROOM: usize = 64 * 1024;

/// A viewer that has joined.
#[derive(Debug)]
pub struct ByteViewer {
    stream: TcpStream,
    buffer: Vec<u8>,
    acknowledging: Option<Acknowledging>,
}

/// The decoder of a viewer that acknowledges each whole frame.
#[derive(Debug)]
struct Acknowledging {
    decoder: Decoder,
    message: Message,
    outgoing: Vec<u8>,
}

impl ByteViewer {
    /// Connects, requests a stream, and reads the head of the response.
    ///
    /// # Errors
    /// Fails if the relay refuses, or does not answer within [`PATIENCE`].
    pub fn join(address: SocketAddr, stream: &str, cell: &Cell) -> Result<Self, String> {
        let (protocol, request) = request_for(address, stream, cell.transport)?;
        let (mut connection, decoder, rest) = ask(address, protocol, &request, cell)?;
        if protocol == Protocol::FanlightV1 {
            let watch = watch(stream, cell.transport == Transport::V1Acknowledged)?;
            connection.write_all(&watch).map_err(|error| format!("cannot watch: {error}"))?;
        }
        let acknowledging = (cell.transport == Transport::V1Acknowledged).then(|| Acknowledging {
            decoder,
            message: Message::default(),
            outgoing: Vec::new(),
        });
        let mut viewer = Self { stream: connection, buffer: vec![0; ROOM], acknowledging };
        viewer.acknowledge(&rest)?;
        Ok(viewer)
    }

    /// Joins a stream over the plain WebSocket with this query, such as `fps=1`.
    ///
    /// # Errors
    /// Fails like [`join`](Self::join).
    pub fn join_with(address: SocketAddr, stream: &str, query: &str) -> Result<Self, String> {
        let cell = Cell {
            transport: Transport::WebSocket,
            reading: Reading::Immediate,
            receive_buffer: None,
        };
        let path = format!("/streams/{stream}/ws?{query}");
        let request = request::upgrade(&target(address, "ws", &path)?, None, &[]);
        let (connection, ..) = ask(address, Protocol::WebSocket, &request, &cell)?;
        Ok(Self { stream: connection, buffer: vec![0; ROOM], acknowledging: None })
    }

    /// Reads at most `most` bytes, as soon as there are some; `None` if none arrive until `until`.
    ///
    /// # Errors
    /// Fails if the connection ends or breaks, or if a message is not one of fanlight.v1.
    pub fn read(&mut self, most: usize, until: Instant) -> Result<Option<usize>, String> {
        // The kernel does not accept a timeout of zero.
        let wait = until.saturating_duration_since(Instant::now()).max(Duration::from_micros(1));
        self.stream.set_read_timeout(Some(wait)).map_err(|error| error.to_string())?;
        let room = most.min(ROOM);
        match self.stream.read(&mut self.buffer[..room]) {
            Ok(0) => Err("the relay ended the connection".into()),
            Ok(count) => {
                let bytes = std::mem::take(&mut self.buffer);
                let acknowledged = self.acknowledge(&bytes[..count]);
                self.buffer = bytes;
                acknowledged.map(|()| Some(count))
            }
            Err(error) if is_time_out(&error) => Ok(None),
            Err(error) => Err(format!("the connection broke: {error}")),
        }
    }

    /// Acknowledges the frames that end within these bytes.
    fn acknowledge(&mut self, mut bytes: &[u8]) -> Result<(), String> {
        let Some(Acknowledging { decoder, message, outgoing }) = &mut self.acknowledging else {
            return Ok(());
        };
        while let Some(step) = decoder.step(&mut bytes).map_err(|error| error.to_string())? {
            match step {
                Step::Begin(begin) => message.begin(begin),
                Step::Bytes(bytes) => message.take(&Look::FANLIGHT, bytes),
                Step::End { .. } if message.known().text => {}
                Step::End { .. } => {
                    let header = message.looked_at(&Look::FANLIGHT).and_then(v1::frame);
                    let header = header.ok_or("a message is not a frame of fanlight.v1")?;
                    v1::ack(header.sequence, outgoing);
                    let sent = self.stream.write_all(outgoing);
                    sent.map_err(|error| format!("cannot acknowledge: {error}"))?;
                }
                // No viewer here stays long enough to receive a ping.
                Step::Ping(_) => {}
                Step::Close(close) => return Err(close_reason(&close)),
            }
        }
        Ok(())
    }
}

/// Connects and sends the request; also returns the bytes after the head of the response.
fn ask(
    address: SocketAddr,
    protocol: Protocol,
    request: &[u8],
    cell: &Cell,
) -> Result<(TcpStream, Decoder, Vec<u8>), String> {
    let connection = socket::connect(address, cell.receive_buffer);
    let mut connection = connection.map_err(|error| format!("cannot connect: {error}"))?;
    connection.write_all(request).map_err(|error| format!("cannot ask: {error}"))?;
    let (decoder, rest) = read_answer(&mut connection, protocol)?;
    Ok((connection, decoder, rest))
}

fn target(address: SocketAddr, scheme: &str, path: &str) -> Result<Target, String> {
    Target::parse(&format!("{scheme}://{address}{path}")).map_err(|error| error.to_string())
}

fn request_for(
    address: SocketAddr,
    stream: &str,
    transport: Transport,
) -> Result<(Protocol, Vec<u8>), String> {
    Ok(match transport {
        Transport::WebSocket => {
            let target = target(address, "ws", &format!("/streams/{stream}/ws"))?;
            (Protocol::WebSocket, request::upgrade(&target, None, &[]))
        }
        Transport::Mjpeg => {
            let target = target(address, "http", &format!("/streams/{stream}/mjpeg"))?;
            (Protocol::Mjpeg, request::get(&target, false, &[]))
        }
        Transport::V1 | Transport::V1Acknowledged => {
            let target = target(address, "ws", "/ws")?;
            let subprotocol = Some(v1::SUBPROTOCOL);
            (Protocol::FanlightV1, request::upgrade(&target, subprotocol, &[]))
        }
    })
}

fn watch(stream: &str, ack: bool) -> Result<Vec<u8>, String> {
    let watch = Watch {
        id: v1::ID,
        stream: stream.parse().map_err(|error| format!("{stream:?}: {error}"))?,
        rendition: None,
        codec: None,
        fps: None,
        ack: ack.then_some(true),
        buffer: None,
        max_width: None,
        max_height: None,
    };
    Ok(request::text(&v1::watch(watch)))
}

/// Reads the head of the response; also returns the bytes after it.
fn read_answer(stream: &mut TcpStream, protocol: Protocol) -> Result<(Decoder, Vec<u8>), String> {
    let mut reader = AnswerReader::default();
    let mut bytes = [0; 512];
    let begun = Instant::now();
    while begun.elapsed() < PATIENCE {
        let count = stream.read(&mut bytes).map_err(|error| format!("no answer: {error}"))?;
        if count == 0 {
            return Err("the relay ended the connection without an answer".into());
        }
        let answer = reader.feed(&bytes[..count]).map_err(|error| error.to_string())?;
        let Some(answer) = answer else { continue };
        return match accept(&answer, protocol) {
            Ok(decoder) => Ok((decoder, reader.body().to_vec())),
            Err(Refusal::Status) => Err(reader.refusal(&answer)),
            Err(Refusal::Strange(why)) => Err(why),
        };
    }
    Err(format!("no whole answer within {PATIENCE:?}"))
}

fn is_time_out(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}

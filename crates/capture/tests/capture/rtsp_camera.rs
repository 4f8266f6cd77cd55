//! A small RTSP camera: it sends access units of H.264 again and again, refuses transports and logins, redirects, and has
//! a clock of its own.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use fanlight_clock as clock;
use fanlight_codec::h264::AccessUnitSplitter;
use fanlight_codec::h264::annex_b::{NalType, nal_units};
use fanlight_protocol::Timestamp;

/// The time between two frames.
const INTERVAL: Duration = Duration::from_millis(40);
/// The longest RTP payload, in bytes.
const MAX_PACKET: usize = 1200;
/// The source of its RTP packets.
const SSRC: u32 = 0xcafe;
const REFUSED: &str = "461 Unsupported Transport";

/// A camera's frames, and its behaviour.
#[derive(Debug, Clone)]
pub(crate) struct RtspCamera {
    /// The NAL units of each access unit, without start codes.
    pub(crate) units: Vec<Vec<Vec<u8>>>,
    /// The parameter sets in its description.
    pub(crate) parameter_sets: Vec<Vec<u8>>,
    /// The transports that it accepts.
    pub(crate) tcp: bool,
    pub(crate) udp: bool,
    /// The `WWW-Authenticate` headers of a response to a request without a login, and the start of the header to accept.
    pub(crate) login: Option<(Vec<&'static str>, &'static str)>,
    /// The first access unit to send.
    pub(crate) first: usize,
    /// A path, and the URL to which it redirects.
    pub(crate) location: Option<(&'static str, String)>,
    /// The address at which it listens.
    pub(crate) host: &'static str,
    /// The session in its responses.
    pub(crate) session: &'static str,
    /// The kind of media in its description.
    pub(crate) media: &'static str,
    /// Lines in its description that do not belong there.
    pub(crate) junk: &'static str,
    /// Its clock, and the way in which it sends.
    pub(crate) film: Film,
}

/// The clock of a camera, and the way in which it sends its frames.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Film {
    /// The seconds by which its date is ahead. It reports the date once a second.
    pub(crate) date_ahead: Option<i64>,
    /// Before this frame it sends nothing for this time.
    pub(crate) stall: Option<(u32, Duration)>,
    /// Each frame is delayed by up to this time.
    pub(crate) jitter: Duration,
    /// From this frame on, its RTP timestamps are ahead by these seconds.
    pub(crate) jump: Option<(u32, i32)>,
    /// This frame has another RTP source than all others.
    pub(crate) other_source: Option<u32>,
    /// After this frame, something without an end.
    pub(crate) endless: Option<(u32, Endless)>,
}

/// A message without an end.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Endless {
    /// A response with a long body.
    Response,
    /// Headers of a response.
    Headers,
    /// Parts of a frame.
    Frame,
}

/// A frame that it has sent.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sent {
    pub(crate) number: u32,
    pub(crate) captured_at: Timestamp,
    /// The times before its first packet and after its last one.
    pub(crate) sent_at: Timestamp,
    pub(crate) complete_at: Timestamp,
}

/// Precedes the number of a frame, in a NAL unit for data of the user (SEI).
const NUMBER: &[u8; 16] = b"number of frame:";

/// Reads the number of a frame.
pub(crate) fn number(frame: &[u8]) -> u32 {
    let at = frame.windows(NUMBER.len()).position(|bytes| bytes == NUMBER).expect("a number");
    let digits = &frame[at + NUMBER.len()..][..10];
    std::str::from_utf8(digits).unwrap().parse().unwrap()
}

/// A running camera.
pub(crate) struct Running {
    /// Its host and port.
    pub(crate) address: String,
    /// The first line of each request, with its transport and login.
    pub(crate) requests: Receiver<String>,
    /// The number of open connections.
    pub(crate) open: Arc<AtomicUsize>,
    /// The frames that it has sent.
    pub(crate) sent: Receiver<Sent>,
}

/// The access units of a clip by ffmpeg's libx264, 25 frames a second.
pub(crate) fn encode(frames: u32, options: &[&str]) -> Vec<Vec<Vec<u8>>> {
    let frames = frames.to_string();
    let mut ffmpeg = Command::new("ffmpeg");
    ffmpeg.args(["-v", "error", "-f", "lavfi", "-i", "testsrc2=size=320x180:rate=25"]);
    ffmpeg.args(["-frames:v", &frames, "-c:v", "libx264", "-tune", "zerolatency"]);
    ffmpeg.args(["-pix_fmt", "yuv420p"]).args(options).args(["-f", "h264", "-"]);
    let bytes = ffmpeg.output().expect("the ffmpeg command is installed").stdout;
    let mut splitter = AccessUnitSplitter::default();
    let mut units = splitter.feed(&bytes, Timestamp::default()).unwrap();
    units.extend(splitter.finish());
    units.iter().map(|unit| nal_units(&unit.bytes).map(<[u8]>::to_vec).collect()).collect()
}

/// Moves the parameter sets out of access units.
pub(crate) fn split_parameter_sets(units: &mut [Vec<Vec<u8>>]) -> Vec<Vec<u8>> {
    let is_set = |unit: &Vec<u8>| matches!(NalType::of(unit), NalType::Sps | NalType::Pps);
    let mut sets: Vec<Vec<u8>> = Vec::new();
    for unit in units {
        let own: Vec<Vec<u8>> = unit.iter().filter(|unit| is_set(unit)).cloned().collect();
        unit.retain(|unit| !is_set(unit));
        let new = own.into_iter().filter(|set| !sets.contains(set)).collect::<Vec<_>>();
        sets.extend(new);
    }
    sets
}

impl RtspCamera {
    /// A camera that sends these units over TCP.
    pub(crate) fn new(units: Vec<Vec<Vec<u8>>>) -> Self {
        Self {
            units,
            parameter_sets: Vec::new(),
            tcp: true,
            udp: false,
            login: None,
            first: 0,
            location: None,
            host: "127.0.0.1",
            session: "1",
            media: "video",
            junk: "",
            film: Film::default(),
        }
    }

    /// Starts it.
    pub(crate) fn start(self) -> Running {
        let listener = TcpListener::bind((self.host, 0)).unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (sender, requests) = mpsc::channel();
        let (sent_sender, sent) = mpsc::channel();
        let open = Arc::<AtomicUsize>::default();
        let running = Running { address, requests, open: open.clone(), sent };
        thread::spawn(move || {
            for connection in listener.incoming() {
                let (camera, sender, sent) = (self.clone(), sender.clone(), sent_sender.clone());
                let open = open.clone();
                open.fetch_add(1, Ordering::Relaxed);
                thread::spawn(move || {
                    let session = Session::new(camera, connection.unwrap(), sent);
                    // It ends when the client disconnects, which is an error.
                    let _ = session.run(&sender);
                    open.fetch_sub(1, Ordering::Relaxed);
                });
            }
        });
        running
    }

    fn description(&self) -> String {
        let base64 = |set: &Vec<u8>| base64(set);
        let sets: Vec<String> = self.parameter_sets.iter().map(base64).collect();
        let sets = match sets.is_empty() {
            true => String::new(),
            false => format!(";sprop-parameter-sets={}", sets.join(",")),
        };
        let (media, junk) = (self.media, self.junk);
        format!(
            "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=cam\r\nc=IN IP4 0.0.0.0\r\nt=0 0\r\na=control:*\r\n{junk}m={media} 0 RTP/AVP 96\r\n\
             a=rtpmap:96 H264/90000\r\na=fmtp:96 packetization-mode=1{sets}\r\na=control:track1\r\n"
        )
    }
}

/// One client.
struct Session {
    camera: RtspCamera,
    connection: Arc<Mutex<TcpStream>>,
    /// The socket for frames over UDP.
    datagrams: Option<UdpSocket>,
    sent: Sender<Sent>,
}

impl Session {
    fn new(camera: RtspCamera, connection: TcpStream, sent: Sender<Sent>) -> Self {
        Self { camera, connection: Arc::new(Mutex::new(connection)), datagrams: None, sent }
    }

    fn run(mut self, requests: &Sender<String>) -> io::Result<()> {
        let mut reader = BufReader::new(self.connection.lock().unwrap().try_clone()?);
        loop {
            // RTCP within the connection is skipped.
            while reader.fill_buf()?.first() == Some(&b'$') {
                let mut head = [0; 4];
                io::Read::read_exact(&mut reader, &mut head)?;
                let length = u64::from(u16::from_be_bytes([head[2], head[3]]));
                io::copy(&mut io::Read::take(&mut reader, length), &mut io::sink())?;
            }
            let mut lines = Vec::new();
            loop {
                let mut line = String::new();
                if reader.read_line(&mut line)? == 0 {
                    return Ok(());
                }
                match line.trim_end() {
                    "" => break,
                    line => lines.push(line.to_owned()),
                }
            }
            let header = |name: &str| {
                let found = lines.iter().find_map(|line| {
                    let (known, value) = line.split_once(": ")?;
                    known.eq_ignore_ascii_case(name).then_some(value)
                });
                found.unwrap_or_default().to_owned()
            };
            let (transport, login) = (header("transport"), header("authorization"));
            // Only the test's end closes the receiver.
            let _ = requests.send(format!("{} {transport} {login}", lines[0]));
            let method = lines[0].split(' ').next().unwrap_or_default().to_owned();
            let redirects = |(path, _): &(&str, String)| lines[0].contains(path);
            let location = self.camera.location.clone().filter(redirects).map(|(_, url)| url);
            self.answer(&method, &header("cseq"), &transport, &login, location)?;
        }
    }

    fn answer(
        &mut self,
        method: &str,
        number: &str,
        transport: &str,
        login: &str,
        location: Option<String>,
    ) -> io::Result<()> {
        let refused =
            self.camera.login.clone().filter(|(_, accepted)| !login.starts_with(accepted));
        let (status, more) = match (method, refused) {
            ("OPTIONS", _) => ("200 OK", "Public: DESCRIBE, SETUP, PLAY\r\n".to_owned()),
            (_, Some((challenges, _))) => {
                let challenge = |value| format!("WWW-Authenticate: {value}\r\n");
                ("401 Unauthorized", challenges.into_iter().map(challenge).collect())
            }
            (_, None) if let Some(url) = location => ("302 Moved", format!("Location: {url}\r\n")),
            ("SETUP", None) => self.set_up(transport)?,
            _ => ("200 OK", format!("Session: {}\r\n", self.camera.session)),
        };
        let body = match (method, status) {
            ("DESCRIBE", "200 OK") => self.camera.description(),
            _ => String::new(),
        };
        let (kind, length) = ("Content-Type: application/sdp", body.len());
        write!(
            self.connection.lock().unwrap(),
            "RTSP/1.0 {status}\r\nCSeq: {number}\r\n{more}{kind}\r\nContent-Length: {length}\r\n\r\n{body}"
        )?;
        if method == "PLAY" && status == "200 OK" {
            let (camera, connection) = (self.camera.clone(), self.connection.clone());
            let datagrams = self.datagrams.as_ref().map(UdpSocket::try_clone).transpose()?;
            let sent = self.sent.clone();
            thread::spawn(move || film(&camera, &connection, datagrams.as_ref(), &sent));
        }
        Ok(())
    }

    fn set_up(&mut self, transport: &str) -> io::Result<(&'static str, String)> {
        let port = transport.split("client_port=").nth(1).and_then(|ports| ports.split('-').next());
        match port.and_then(|port| port.parse::<u16>().ok()) {
            None if self.camera.tcp => {
                let session = self.camera.session;
                let transport = "Transport: RTP/AVP/TCP;unicast;interleaved=0-1";
                Ok(("200 OK", format!("{transport}\r\nSession: {session}\r\n")))
            }
            Some(port) if self.camera.udp => {
                let socket = UdpSocket::bind("127.0.0.1:0")?;
                socket.connect(("127.0.0.1", port))?;
                let own = socket.local_addr()?.port();
                self.datagrams = Some(socket);
                let ports = format!(
                    "client_port={port}-{};server_port={own}-{}",
                    port + 1,
                    own.wrapping_add(1)
                );
                Ok(("200 OK", format!("Transport: RTP/AVP;unicast;{ports}\r\nSession: 1\r\n")))
            }
            _ => Ok((REFUSED, String::new())),
        }
    }
}

/// Sends all access units again and again, until the client disconnects.
fn film(
    camera: &RtspCamera,
    connection: &Mutex<TcpStream>,
    datagrams: Option<&UdpSocket>,
    sent: &Sender<Sent>,
) -> io::Result<()> {
    let Film { date_ahead, stall, jitter, jump, other_source, endless } = camera.film;
    let (begun, mut sequence) = (Instant::now(), 0u16);
    let sleep_until = |time: Instant| thread::sleep(time.saturating_duration_since(Instant::now()));
    let send = |channel: u8, packet: &[u8]| match datagrams {
        Some(socket) if channel == 0 => socket.send(packet).map(|_| ()),
        Some(_) => Ok(()),
        None => {
            let length = (packet.len() as u16).to_be_bytes();
            let framed = [&[b'$', channel], &length[..], packet].concat();
            connection.lock().unwrap().write_all(&framed)
        }
    };
    for number in 0u32.. {
        let captured_at = begun + INTERVAL * number;
        sleep_until(captured_at + jitter * (number * 7 % 10) / 10);
        if let Some((_, pause)) = stall.filter(|(before, _)| *before == number) {
            thread::sleep(pause);
        }
        let ahead = jump.filter(|(from, _)| number >= *from).map_or(0, |(_, seconds)| seconds);
        let timestamp = 77_000u32.wrapping_add(number * 3600).wrapping_add_signed(ahead * 90_000);
        let captured_at = clock::at(captured_at);
        if let Some(seconds) = date_ahead.filter(|_| number % 25 == 0) {
            send(1, &report(captured_at.offset(seconds * 1_000_000), timestamp))?;
        }
        let sent_at = clock::now();
        let unit = &camera.units[(camera.first + number as usize) % camera.units.len()];
        let digits = format!("{number:010}");
        let information = [&[6, 5, 26], &NUMBER[..], digits.as_bytes(), &[0x80]];
        let mut unit = unit.clone();
        let is_slice =
            |unit: &Vec<u8>| matches!(NalType::of(unit), NalType::IdrSlice | NalType::Slice);
        let slice = unit.iter().position(is_slice).unwrap_or(0);
        unit.insert(slice, information.concat());
        let payloads: Vec<Vec<u8>> = unit.iter().flat_map(|unit| payloads(unit)).collect();
        for (index, payload) in payloads.iter().enumerate() {
            let marker = u8::from(index + 1 == payloads.len()) << 7;
            let mut packet = vec![0x80, marker | 96];
            packet.extend(sequence.to_be_bytes());
            packet.extend(timestamp.to_be_bytes());
            let source = SSRC + u32::from(other_source == Some(number));
            packet.extend(source.to_be_bytes());
            packet.extend(payload);
            sequence = sequence.wrapping_add(1);
            send(0, &packet)?;
        }
        // Only the test's end closes the receiver.
        let _ = sent.send(Sent { number, captured_at, sent_at, complete_at: clock::now() });
        if let Some((_, endless)) = endless.filter(|(after, _)| *after == number) {
            return send_endless(endless, sequence, &mut connection.lock().unwrap());
        }
    }
    Ok(())
}

/// Sends until the client disconnects.
fn send_endless(what: Endless, first: u16, connection: &mut TcpStream) -> io::Result<()> {
    match what {
        Endless::Response => {
            connection
                .write_all(b"RTSP/1.0 200 OK\r\nCSeq: 9\r\nContent-Length: 2000000000\r\n\r\n")?;
            loop {
                connection.write_all(&[b'x'; 65_536])?;
            }
        }
        Endless::Headers => {
            connection.write_all(b"RTSP/1.0 200 OK\r\nCSeq: 9\r\n")?;
            loop {
                connection.write_all(&b"X-More: 1\r\n".repeat(6000))?;
            }
        }
        Endless::Frame => {
            let mut sequence = first;
            loop {
                let mut packet = vec![b'$', 0, 0xe0, 0, 0x80, 96];
                packet.extend(sequence.to_be_bytes());
                packet.extend([0; 4]);
                packet.extend(SSRC.to_be_bytes());
                packet.extend([0x60 | 28, if sequence == first { 0x85 } else { 0x05 }]);
                packet.resize(0xe004, 0x99);
                connection.write_all(&packet)?;
                sequence = sequence.wrapping_add(1);
            }
        }
    }
}

/// A sender report: the date, and the RTP timestamp of the same moment (RFC 3550, 6.4.1).
fn report(date: Timestamp, timestamp: u32) -> Vec<u8> {
    const SECONDS_TO_1970: u64 = 2_208_988_800;
    let (seconds, micros) = (date.micros() / 1_000_000, date.micros() % 1_000_000);
    let ntp = ((seconds + SECONDS_TO_1970) << 32) | ((micros << 32) / 1_000_000);
    let mut packet = vec![0x80, 200, 0, 6];
    packet.extend(SSRC.to_be_bytes());
    packet.extend(ntp.to_be_bytes());
    packet.extend(timestamp.to_be_bytes());
    packet.extend([0; 8]);
    packet
}

/// A NAL unit as RTP payloads (RFC 6184): whole, or in fragments.
fn payloads(unit: &[u8]) -> Vec<Vec<u8>> {
    if unit.len() <= MAX_PACKET {
        return vec![unit.to_vec()];
    }
    let chunks: Vec<&[u8]> = unit[1..].chunks(MAX_PACKET).collect();
    let last = chunks.len() - 1;
    let fragment = |(index, chunk): (usize, &&[u8])| {
        let ends = u8::from(index == 0) << 7 | u8::from(index == last) << 6;
        [&[unit[0] & 0xe0 | 28, ends | unit[0] & 0x1f], *chunk].concat()
    };
    chunks.iter().enumerate().map(fragment).collect()
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digits = |chunk: &[u8]| {
        let byte = |at: usize| u32::from(chunk.get(at).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        let digit = move |at: usize| char::from(DIGITS[(bits >> (18 - 6 * at) & 63) as usize]);
        let padded = chunk.len() + 1;
        (0..4).map(move |at| if at < padded { digit(at) } else { '=' }).collect::<String>()
    };
    bytes.chunks(3).map(digits).collect()
}

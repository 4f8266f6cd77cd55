//! The lower bound: only the work that is necessary to send every frame to every connection.
//!
//! The protocol is a length before each payload. There is no parsing, no limits, no counting. A relay's cost can
//! approach this bound, but not fall below it.
//!
//! - [`outbox`]: the frames of one connection, and their order: the newest wins;
//! - `connection`: an outbox and its socket;
//! - `encrypted`: the same with TLS: one write of what rustls encrypted;
//! - `worker`: a thread that serves its share of the connections with epoll.

mod connection;
mod encrypted;
pub mod outbox;
mod worker;

use std::io;
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use fanlight_cli::stop::Shutdown;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use socket2::SockRef;

use crate::pacing::Pacing;
use crate::payload::{self, Made};
use connection::{Connection, PlainConnection};
use encrypted::EncryptedConnection;
use outbox::Frame;
use rustls::ServerConfig;
use worker::Worker;

/// Settings of the server.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Rate and size of frames.
    pub made: Made,
    /// Number of threads that share the connections.
    pub threads: usize,
    /// `TCP_NOTSENT_LOWAT` of every connection; `None`: the system's default.
    pub not_sent_low_water: Option<u32>,
    /// The congestion control of every connection; `None`: the system's default.
    pub congestion: Option<String>,
    /// Encrypt with TLS.
    pub tls: bool,
}

/// Serves on `listener` until `stop` is requested.
///
/// # Errors
/// Fails if the system refuses threads or the listener, or an option of a connection.
pub fn serve(listener: TcpListener, settings: &Settings, stop: &Shutdown) -> anyhow::Result<()> {
    listener.set_nonblocking(true)?;
    let workers: Vec<Worker> =
        (0..settings.threads).map(Worker::start).collect::<io::Result<_>>()?;
    let tls = settings.tls.then(encrypted::server_config).transpose()?;
    let mut turn = workers.iter().cycle();
    let mut pacing = Pacing::new(Instant::now(), settings.made.fps);
    let mut number = 0;
    while !stop.is_requested() {
        if is_called(&listener, pacing.wait(Instant::now()))? {
            while let Some(stream) = accept(&listener, settings)? {
                let Some(connection) = begin(stream, tls.as_ref())? else { continue };
                turn.next().expect("at least one thread").take(connection);
            }
        }
        if pacing.wait(Instant::now()).is_zero() {
            let payload = payload::stamped(settings.made.bytes, number, payload::now());
            let frame = Arc::new(Frame::new(payload));
            workers.iter().for_each(|worker| worker.show(frame.clone()));
            number += 1;
            pacing.advance(Instant::now());
        }
    }
    Ok(())
}

/// Prepares a connection; `None` if its handshake fails.
fn begin(stream: TcpStream, tls: Option<&Arc<ServerConfig>>) -> anyhow::Result<Option<Connection>> {
    let Some(config) = tls else {
        stream.set_nonblocking(true)?;
        return Ok(Some(Connection::Plain(PlainConnection::new(stream))));
    };
    let Ok((stream, session)) = encrypted::handshake(stream, config.clone()) else {
        return Ok(None);
    };
    stream.set_nonblocking(true)?;
    Ok(Some(Connection::Encrypted(Box::new(EncryptedConnection::new(stream, session)))))
}

/// Waits for a connection, for at most this time. Returns whether one waits to be accepted.
fn is_called(listener: &TcpListener, at_most: Duration) -> io::Result<bool> {
    let timeout = Timespec {
        tv_sec: at_most.as_secs().cast_signed(),
        tv_nsec: at_most.subsec_nanos().into(),
    };
    match poll(&mut [PollFd::new(listener, PollFlags::IN)], Some(&timeout)) {
        Ok(ready) => Ok(ready > 0),
        Err(rustix::io::Errno::INTR) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Returns the next waiting connection, if there is one.
fn accept(listener: &TcpListener, settings: &Settings) -> anyhow::Result<Option<TcpStream>> {
    let stream = match listener.accept() {
        Ok((stream, _)) => stream,
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
        Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    stream.set_nodelay(true)?;
    if let Some(bytes) = settings.not_sent_low_water {
        SockRef::from(&stream).set_tcp_notsent_lowat(bytes)?;
    }
    if let Some(name) = &settings.congestion {
        rustix::net::sockopt::set_tcp_congestion(&stream, name)?;
    }
    Ok(Some(stream))
}

//! The limit: what must be done at the least so that every connection gets every frame, and nothing else.
//!
//! No protocol but a length before each payload, no parsing, no limits, no counting. A relay can come near to it and not
//! below.
//!
//! - [`outbox`]: what one connection is sent, and in which order: the newest wins;
//! - `connection`: an outbox and its socket;
//! - `worker`: a thread that serves its share of the connections, and waits by epoll.

mod connection;
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
use outbox::Frame;
use worker::Worker;

/// What to serve, and how.
#[derive(Debug, Clone)]
pub struct Settings {
    /// How many frames, and of what size.
    pub made: Made,
    /// Threads that connections are spread over.
    pub threads: usize,
    /// `TCP_NOTSENT_LOWAT` of every connection; `None`: the system's default.
    pub not_sent_low_water: Option<u32>,
    /// The congestion control of every connection; `None`: the system's default.
    pub congestion: Option<String>,
}

/// Serves on `listener` until `stop` is requested.
///
/// # Errors
/// When the system refuses threads or the listener, or an option of a connection.
pub fn serve(listener: TcpListener, settings: &Settings, stop: &Shutdown) -> anyhow::Result<()> {
    listener.set_nonblocking(true)?;
    let workers: Vec<Worker> =
        (0..settings.threads).map(Worker::start).collect::<io::Result<_>>()?;
    let mut turn = workers.iter().cycle();
    let mut pacing = Pacing::new(Instant::now(), settings.made.fps);
    let mut number = 0;
    while !stop.is_requested() {
        if is_called(&listener, pacing.wait(Instant::now()))? {
            while let Some(stream) = accept(&listener, settings)? {
                turn.next().expect("at least one thread").take(stream);
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

/// Waits for a caller, at most this long.
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

/// The next caller, where one waits.
fn accept(listener: &TcpListener, settings: &Settings) -> anyhow::Result<Option<TcpStream>> {
    let stream = match listener.accept() {
        Ok((stream, _)) => stream,
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
        Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    stream.set_nonblocking(true)?;
    stream.set_nodelay(true)?;
    if let Some(bytes) = settings.not_sent_low_water {
        SockRef::from(&stream).set_tcp_notsent_lowat(bytes)?;
    }
    if let Some(name) = &settings.congestion {
        rustix::net::sockopt::set_tcp_congestion(&stream, name)?;
    }
    Ok(Some(stream))
}

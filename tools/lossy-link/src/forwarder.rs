//! A TUN device at each end, and the thread that forwards packets between them.

use std::io;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use tun_rs::{DeviceBuilder, SyncDevice};

use crate::direction::{Counts, Direction, Link};
use crate::namespace::{Namespace, NamespaceError};

/// Largest packet: Ethernet's.
const MTU: u16 = 1500;
/// Packets taken from one device before the other one's turn.
const TURN: usize = 64;
/// Longest wait before the thread checks whether it must end.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// Packets that the kernel queues toward the forwarder, which takes them within milliseconds.
const DEVICE_QUEUE: u32 = 1000;

/// The reason why there is no link.
#[derive(Debug, thiserror::Error)]
pub enum ForwarderError {
    /// A namespace failed.
    #[error(transparent)]
    Namespace(#[from] NamespaceError),
    /// A TUN device cannot be made.
    #[error("cannot make a TUN device (/dev/net/tun): {0}")]
    Device(io::Error),
    /// The thread cannot be started.
    #[error("cannot start a thread: {0}")]
    Thread(io::Error),
}

/// One end of a link.
#[derive(Debug)]
pub struct End<'a> {
    /// The network it is in.
    pub namespace: &'a Namespace,
    /// Its address.
    pub address: Ipv4Addr,
    /// The name of its device, at most 15 letters.
    pub device: &'a str,
}

/// A running link. It ends when dropped, and its devices with it.
#[derive(Debug)]
pub struct Forwarder {
    over: Arc<AtomicBool>,
    counts: Arc<Mutex<[Counts; 2]>>,
    thread: Option<JoinHandle<()>>,
}

impl Forwarder {
    /// Makes a device at each end and starts to forward packets.
    ///
    /// # Errors
    /// Fails if a namespace, a device or a thread cannot be created.
    pub fn start(near: &End<'_>, far: &End<'_>, link: Link) -> Result<Self, ForwarderError> {
        let devices = [near.device(far)?, far.device(near)?];
        let (over, counts) = (Arc::new(AtomicBool::new(false)), Arc::default());
        let thread = thread::Builder::new()
            .name("lossy-link".into())
            .spawn({
                let (over, counts) = (Arc::clone(&over), Arc::clone(&counts));
                move || forward(&devices, link, &over, &counts)
            })
            .map_err(ForwarderError::Thread)?;
        Ok(Self { over, counts, thread: Some(thread) })
    }

    /// Returns the counts of packets so far: from the near end to the far one, and back.
    pub fn counts(&self) -> [Counts; 2] {
        *self.counts.lock()
    }

    /// Returns whether packets are still forwarded: a failed device ends that.
    pub fn is_running(&self) -> bool {
        self.thread.as_ref().is_some_and(|thread| !thread.is_finished())
    }
}

impl Drop for Forwarder {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // Its panic was shown when it happened.
            let _ = thread.join();
        }
    }
}

impl End<'_> {
    /// Makes a device in this end's namespace that reaches the other end.
    fn device(&self, other: &End<'_>) -> Result<SyncDevice, ForwarderError> {
        let made = self.namespace.within(|| {
            let device = DeviceBuilder::new()
                .name(self.device)
                .mtu(MTU)
                .ipv4(self.address, 32, Some(other.address))
                .tx_queue_len(DEVICE_QUEUE)
                .build_sync()?;
            device.set_nonblocking(true)?;
            Ok(device)
        })?;
        made.map_err(ForwarderError::Device)
    }
}

/// Forwards packets until `over`, or until a device fails.
fn forward(devices: &[SyncDevice; 2], link: Link, over: &AtomicBool, counts: &Mutex<[Counts; 2]>) {
    let begun = Instant::now();
    let mut directions = [0, 1].map(|number| Direction::new(link, number));
    let mut buffer = vec![0; usize::from(MTU)];
    while !over.load(Ordering::Relaxed) {
        if wait(devices, &directions, begun.elapsed()).is_err() {
            return;
        }
        for (from, direction) in directions.iter_mut().enumerate() {
            let carried = carry(direction, &devices[from], &devices[1 - from], begun, &mut buffer);
            if carried.is_err() {
                return;
            }
        }
        let seen = directions.each_ref().map(Direction::counts);
        *counts.lock() = seen;
    }
}

/// Waits for a packet at either device, or for the next one to arrive, for at most [`LOOK_EVERY`].
fn wait(devices: &[SyncDevice; 2], directions: &[Direction; 2], now: Duration) -> io::Result<()> {
    let next = directions.iter().filter_map(Direction::next).min();
    let wait = next.map_or(LOOK_EVERY, |next| next.saturating_sub(now)).min(LOOK_EVERY);
    let wait = Timespec::try_from(wait).expect("50 ms at most");
    let mut descriptors = devices.each_ref().map(|device| PollFd::new(device, PollFlags::IN));
    match poll(&mut descriptors, Some(&wait)) {
        Ok(_) | Err(Errno::INTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

fn carry(
    direction: &mut Direction,
    from: &SyncDevice,
    to: &SyncDevice,
    begun: Instant,
    buffer: &mut [u8],
) -> io::Result<()> {
    for _ in 0..TURN {
        match from.recv(buffer) {
            Ok(length) => direction.enter(begun.elapsed(), buffer[..length].to_vec()),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
            Err(error) => return Err(error),
        }
    }
    while let Some(packet) = direction.leave(begun.elapsed()) {
        match to.send(&packet) {
            Ok(_) => {}
            // The kernel refuses single packets, such as IPv6 if it is off; a real wire would not notice.
            Err(error) if error.raw_os_error() != Some(Errno::BADFD.raw_os_error()) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

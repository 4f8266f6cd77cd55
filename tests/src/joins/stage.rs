//! A relay, a camera and a witness, and many joins of one cell.

use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::byte_viewer::ByteViewer;
use super::gaps::{Gap, Gaps};
use super::outcome::{Join, Outcome};
use super::witness::{Watching, Witness};
use super::{Cell, Reading, TRICKLE_EVERY};
use crate::patience::PATIENCE;
use crate::relay::Relay;
use crate::site::Site;

/// The stream that viewers join. The witness watches its rendition `WITNESS`.
const STREAM: &str = "cam";
const WITNESS: &str = "quarter";
const FPS: u32 = 30;
/// Bytes per frame of the witness's rendition: too few to ever wait for a link or a buffer.
const WITNESS_BYTES: usize = 1_000;
/// The maximum random delay before a join: more than a frame interval, so that joins start anywhere between two frames.
const MOST_DELAY: Duration = Duration::from_millis(40);
/// The time for which a stopped viewer reads first.
const BEFORE_STOP: Duration = Duration::from_secs(1);

/// The size of a trial.
#[derive(Debug, Clone, Copy)]
pub struct Effort {
    /// The number of joins of a cell.
    pub joins: usize,
    /// The number of viewers that join in parallel, each repeatedly.
    pub at_once: usize,
    /// The time for which each is observed.
    pub watch: Duration,
    /// The seed of the random delays.
    pub seed: u64,
}

/// A relay with a camera whose frames have one size, and a witness.
#[derive(Debug)]
pub struct Stage {
    relay: Relay,
    witness: Witness,
    _keeper: Watching,
    bytes: usize,
}

/// One of several parallel viewers.
struct Worker<'a> {
    stage: &'a Stage,
    cell: &'a Cell,
    effort: &'a Effort,
    /// Joins that have not started yet.
    left: &'a AtomicUsize,
    /// Repeats that are still allowed.
    repeats_left: &'a AtomicUsize,
    done: &'a Mutex<Done>,
}

#[derive(Debug, Default)]
struct Done {
    joins: Vec<Join>,
    disturbed: usize,
    unproven: usize,
}

impl Stage {
    /// Starts a camera with frames of `bytes` bytes at 30 frames a second, and a relay: the program named `relay`.
    ///
    /// # Panics
    /// Panics if one of them does not start.
    pub fn set_up(site: &Site, relay: &str, bytes: usize) -> Self {
        let (full, witness) = (
            format!("--track=full.jpeg={bytes}"),
            format!("--track={WITNESS}.jpeg={WITNESS_BYTES}"),
        );
        site.synthetic_camera(STREAM, &[&full, &witness, &format!("--fps={FPS}")]);
        let relay = site.relay_of(relay, "127.0.0.1:0", &[]);
        relay.wait_for(STREAM);
        let join = |query: &str| {
            let joined = ByteViewer::join_with(relay.address(), STREAM, query);
            joined.expect("the relay accepts a viewer")
        };
        let mut keeper = join("fps=1");
        let first = keeper.read(usize::MAX, Instant::now() + PATIENCE);
        assert!(matches!(first, Ok(Some(_))), "the camera sends frames: {first:?}");
        let witness = Witness::start(join(&format!("rendition={WITNESS}")));
        Self { relay, witness, _keeper: Watching::keep(keeper), bytes }
    }

    /// Returns the relay's address.
    pub fn address(&self) -> SocketAddr {
        self.relay.address()
    }

    /// Returns a third of the camera's bitrate, in bytes per second.
    pub fn third(&self) -> u64 {
        self.bytes as u64 * u64::from(FPS) / 3
    }

    /// Runs all joins of a cell. Joins during which the machine paused are repeated: at most as many as `effort` has
    /// joins.
    pub fn run(&self, cell: &Cell, effort: &Effort) -> Outcome {
        let (left, repeats_left) = (AtomicUsize::new(effort.joins), AtomicUsize::new(effort.joins));
        let done = Mutex::default();
        thread::scope(|scope| {
            for number in 0..effort.at_once.min(effort.joins) {
                let (left, repeats_left, done) = (&left, &repeats_left, &done);
                scope.spawn(move || {
                    let worker = Worker { stage: self, cell, effort, left, repeats_left, done };
                    worker.join_all(number);
                });
            }
        });
        let Done { joins, disturbed, unproven } = done.into_inner().expect("no panic while held");
        Outcome::new(cell.reading.own_pause(), joins, disturbed, unproven)
    }
}

impl Worker<'_> {
    fn join_all(&self, number: usize) {
        let mut random = fastrand::Rng::with_seed(self.effort.seed ^ ((number as u64) << 32));
        while take_one(self.left) {
            let delay = MOST_DELAY.mul_f64(random.f64());
            thread::sleep(delay);
            let address = self.stage.address();
            let (gap, ended) = join(address, STREAM, self.cell, self.effort.watch, &mut random);
            let join = Join { longest: gap.to.duration_since(gap.from), ended };
            let mut done = self.done.lock().expect("no panic while held");
            let breaks = join.ended.is_some()
                || join.longest > self.cell.reading.own_pause() + super::outcome::TOLERATED;
            if breaks && join.ended.is_none() && self.stage.witness.paused_during(gap) {
                done.disturbed += 1;
                if take_one(self.repeats_left) {
                    self.left.fetch_add(1, Ordering::Relaxed);
                } else {
                    done.unproven += 1;
                }
                continue;
            }
            done.joins.push(join);
        }
    }
}

/// Joins once; returns the longest time without bytes, and the reason if the join failed or the connection ended.
pub fn join(
    address: SocketAddr,
    stream: &str,
    cell: &Cell,
    watch: Duration,
    random: &mut fastrand::Rng,
) -> (Gap, Option<String>) {
    let mut gaps = Gaps::begin(Instant::now());
    let ended = observe(address, stream, cell, watch, random, &mut gaps).err();
    (gaps.end(Instant::now()), ended)
}

fn observe(
    address: SocketAddr,
    stream: &str,
    cell: &Cell,
    watch: Duration,
    random: &mut fastrand::Rng,
    gaps: &mut Gaps,
) -> Result<(), String> {
    let mut viewer = ByteViewer::join(address, stream, cell)?;
    match cell.reading {
        Reading::Immediate => read_on(&mut viewer, watch, gaps),
        Reading::Portions(most, work) => {
            let end = Instant::now() + watch;
            while Instant::now() < end {
                if viewer.read(most, end)?.is_some() {
                    gaps.received(Instant::now());
                    thread::sleep(work.mul_f64(2.0 * random.f64()));
                }
            }
            Ok(())
        }
        Reading::Late(pause) => {
            thread::sleep(pause);
            read_on(&mut viewer, watch, gaps)
        }
        Reading::Trickle(rate) => trickle(&mut viewer, rate, watch, gaps),
        Reading::Stop(pause) => {
            read_on(&mut viewer, BEFORE_STOP, gaps)?;
            gaps.suspend(Instant::now());
            thread::sleep(pause);
            gaps.resume(Instant::now());
            read_on(&mut viewer, watch, gaps)
        }
    }
}

fn read_on(viewer: &mut ByteViewer, watch: Duration, gaps: &mut Gaps) -> Result<(), String> {
    let end = Instant::now() + watch;
    while Instant::now() < end {
        if viewer.read(usize::MAX, end)?.is_some() {
            gaps.received(Instant::now());
        }
    }
    Ok(())
}

/// Reads one portion per interval and pauses until the next is due.
fn trickle(
    viewer: &mut ByteViewer,
    rate: u64,
    watch: Duration,
    gaps: &mut Gaps,
) -> Result<(), String> {
    let portion = (rate as f64 * TRICKLE_EVERY.as_secs_f64()) as usize;
    let end = Instant::now() + watch;
    let mut next = Instant::now();
    while next < end {
        next += TRICKLE_EVERY;
        let mut room = portion;
        while room > 0
            && let Some(count) = viewer.read(room, next)?
        {
            gaps.received(Instant::now());
            room -= count;
        }
        // A late viewer does not catch up: the rate is an upper limit.
        next = next.max(Instant::now());
        thread::sleep(next.saturating_duration_since(Instant::now()));
    }
    Ok(())
}

/// Decrements the counter; returns false if it is zero.
fn take_one(left: &AtomicUsize) -> bool {
    let taken = left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
    taken.is_ok()
}

//! A run: all viewers connect, warm up and are measured; then the report is printed.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::thread::{self, ScopedJoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow, ensure};
use fanlight_cli::stop::Shutdown;
use rustix::process::{Resource, getrlimit, setrlimit};

use super::machine::Machine;
use super::meter::Meter;
use super::process::{Process, own_cpu};
use super::progress::Progress;
use super::report::{Outcome, Report};
use super::settings::Settings;
use super::table::Table;
use super::worker::{Shared, Worker};

/// Interval of sampling processes and drawing the bar.
const LOOK: Duration = Duration::from_millis(250);
/// Interval of checking whether all viewers have connected.
const CONNECTING: Duration = Duration::from_millis(20);
/// Descriptors for everything except viewers.
const OTHER_DESCRIPTORS: u64 = 64;
/// Wait for the last viewers, beyond the time that connecting takes at its rate.
const PATIENCE: Duration = Duration::from_secs(30);

/// Puts load on a server, and prints the report.
///
/// # Errors
/// Fails if the run cannot start; and, after printing, if the server refused a viewer, a relay denied a request, or no
/// viewer received a frame.
pub fn run(settings: Settings) -> anyhow::Result<()> {
    let server = settings.target.resolve()?;
    raise_descriptor_limit(settings.viewers)?;
    // An invalid PID is reported before there is any load.
    watch_processes(&settings.pids)?;
    let shutdown = Shutdown::on_signals().context("cannot listen to Ctrl-C")?;
    let (meter, outcome) = load(&settings, server, &shutdown)?;
    let report = Report::new(&settings, &meter, &outcome);
    print(&report, settings.json).context("cannot write the report")?;
    judge(&settings, &meter, server)
}

/// Runs the viewers' threads and supervises them.
fn load(
    settings: &Settings,
    server: SocketAddr,
    shutdown: &Shutdown,
) -> anyhow::Result<(Meter, Outcome)> {
    let shared = Shared::default();
    thread::scope(|scope| {
        // The threads are notified in all cases, because the scope would otherwise wait for them forever.
        let over = Over(&shared);
        let workers = (0..settings.threads)
            .map(|index| {
                let worker = Worker::new(settings, &shared, server, index)?;
                thread::Builder::new().name(format!("viewers-{index}")).spawn_scoped(scope, || {
                    let _over = Over(worker.shared());
                    worker.run()
                })
            })
            .collect::<io::Result<Vec<_>>>()
            .context("cannot start a thread for the viewers")?;
        let watch = Watch { settings, shared: &shared, shutdown, progress: Progress::new() };
        let outcome = watch.over_all();
        watch.progress.end();
        drop(over);
        Ok((gather(workers)?, outcome?))
    })
}

/// Stops all threads when it is dropped: at the end, on an error, and when a thread panics.
struct Over<'a>(&'a Shared);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.over.store(true, Ordering::Relaxed);
    }
}

fn gather(workers: Vec<ScopedJoinHandle<'_, io::Result<Meter>>>) -> anyhow::Result<Meter> {
    let mut all = Meter::default();
    for worker in workers {
        let met = worker.join().map_err(|_| anyhow!("a thread of viewers panicked"))?;
        all.merge(met.context("the system's epoll failed")?);
    }
    Ok(all)
}

/// Supervises a run.
struct Watch<'a> {
    settings: &'a Settings,
    shared: &'a Shared,
    shutdown: &'a Shutdown,
    progress: Progress,
}

impl Watch<'_> {
    fn over_all(&self) -> anyhow::Result<Outcome> {
        let connecting = self.connect();
        self.pass("warming up", self.settings.warm_up, || {});
        self.measure(connecting)
    }

    /// Returns whether no viewer is left and none will reconnect.
    fn is_deserted(&self) -> bool {
        let settled = self.shared.settled.load(Ordering::Acquire) == self.settings.viewers;
        let nobody = self.shared.watching.load(Ordering::Relaxed) == 0;
        settled && nobody && !self.settings.reconnect
    }

    /// Waits until all first handshakes are over, but no longer than they can take. Returns the time this took.
    fn connect(&self) -> Duration {
        let all = self.settings.viewers;
        let begun = Instant::now();
        let at_most = Duration::from_secs_f64(all as f64 / self.settings.connect_rate) + PATIENCE;
        loop {
            let done = self.shared.settled.load(Ordering::Acquire);
            self.progress.connecting(done, all);
            if done >= all || begun.elapsed() > at_most || self.is_over(CONNECTING) {
                return begun.elapsed();
            }
        }
    }

    fn measure(&self, connecting: Duration) -> anyhow::Result<Outcome> {
        let mut processes = watch_processes(&self.settings.pids)?;
        let mut machine = Machine::watch();
        let own = own_cpu();
        let begun = Instant::now();
        self.shared.measuring.store(true, Ordering::Relaxed);
        let mut look = || {
            processes.iter_mut().for_each(Process::look);
            machine.look();
        };
        self.pass("measuring", self.settings.seconds, &mut look);
        self.shared.over.store(true, Ordering::Relaxed);
        let (measured, own_cpu) = (begun.elapsed(), own_cpu() - own);
        look();
        Ok(Outcome {
            connecting,
            measured,
            interrupted: measured < self.settings.seconds,
            server: processes.iter().map(Process::cost).sum(),
            own_cpu,
            ksoftirqd_cpu_seconds: machine.network_cpu(),
            tcp_memory_peak_bytes: machine.tcp_peak(),
        })
    }

    /// Waits for a time, with samples at intervals. Returns early if the run must end or no viewer is left.
    fn pass(&self, what: &str, time: Duration, mut look: impl FnMut()) {
        let begun = Instant::now();
        let (mut frames, mut at) = (self.shared.frames.load(Ordering::Relaxed), begun);
        loop {
            let left = time.saturating_sub(begun.elapsed());
            if left.is_zero() || self.is_deserted() || self.is_over(left.min(LOOK)) {
                return;
            }
            look();
            let (seen, now) = (self.shared.frames.load(Ordering::Relaxed), Instant::now());
            let rate = (seen - frames) as f64 / now.duration_since(at).as_secs_f64();
            let viewers = self.shared.watching.load(Ordering::Relaxed);
            self.progress.passing(what, begun.elapsed(), time, viewers, rate);
            (frames, at) = (seen, now);
        }
    }

    /// Waits. Returns whether the run must end early.
    fn is_over(&self, wait: Duration) -> bool {
        self.shutdown.wait_timeout(wait) || self.shared.over.load(Ordering::Relaxed)
    }
}

fn watch_processes(pids: &[i32]) -> anyhow::Result<Vec<Process>> {
    let watch = |pid: &i32| {
        Process::watch(*pid).with_context(|| format!("--pid {pid}: the process cannot be watched"))
    };
    pids.iter().map(watch).collect()
}

fn print(report: &Report, json: bool) -> io::Result<()> {
    let mut out = io::stdout().lock();
    if json {
        serde_json::to_writer(&mut out, report)?;
        return writeln!(out);
    }
    write!(out, "{}", Table(report))
}

/// Checks the result of the run.
fn judge(settings: &Settings, meter: &Meter, server: SocketAddr) -> anyhow::Result<()> {
    let target = &settings.target;
    if let Some(reason) = meter.refused.most_frequent() {
        let (refused, viewers) = (meter.refused.total(), settings.viewers);
        anyhow::bail!("{target} ({server}): {refused} of {viewers} viewers were refused: {reason}");
    }
    if let Some(reason) = meter.errors.most_frequent() {
        anyhow::bail!("{target}: the relay denied the request: {reason}");
    }
    let reading = settings.viewers - settings.stalled;
    ensure!(
        meter.frames_ever > 0 || reading == 0,
        "{target}: no viewer ever got a frame{}",
        meter.closed.most_frequent().map_or(String::new(), |reason| format!(": {reason}"))
    );
    Ok(())
}

/// Raises this process's own limit on open files as far as needed and allowed.
fn raise_descriptor_limit(viewers: usize) -> anyhow::Result<()> {
    let needed = viewers as u64 + OTHER_DESCRIPTORS;
    let mut limit = getrlimit(Resource::Nofile);
    if limit.current.is_none_or(|current| current >= needed) {
        return Ok(());
    }
    let most = limit.maximum.unwrap_or(needed);
    ensure!(
        needed <= most,
        "--viewers {viewers} needs {needed} open files, and the system allows {most}: raise its limit (ulimit -Hn, \
         LimitNOFILE=)"
    );
    limit.current = Some(needed);
    setrlimit(Resource::Nofile, limit)
        .with_context(|| format!("cannot raise the limit of open files to {needed}"))
}

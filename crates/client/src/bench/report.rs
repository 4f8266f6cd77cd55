//! The figures of a run. Names contain the units; a figure that was not measured is `null` in JSON.

use std::collections::BTreeMap;
use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;

use super::meter::{Group, Meter, Reasons};
use super::process::Cost;
use super::settings::{Protocol, Settings};

/// All figures of one run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// The server's address, without secrets.
    pub url: String,
    /// `fanlight.v1`, `websocket`, `mjpeg` or `length-prefixed`.
    pub protocol: &'static str,
    /// The stream, over fanlight.v1.
    pub stream: Option<String>,
    /// Number of viewers requested, of all kinds.
    pub viewers: usize,
    /// Successful handshakes, including those of reconnecting viewers.
    pub connected: u64,
    /// Time until all first handshakes were over.
    pub connecting_seconds: f64,
    /// Duration of the measurement.
    pub seconds: f64,
    /// The run ended early: by a signal, or because no viewer was left.
    pub interrupted: bool,
    /// Complete frames received by all viewers during the measurement.
    pub frames: u64,
    /// Bytes of these frames' messages, without framing (the header of fanlight.v1 is included).
    pub bytes: u64,
    /// Viewers that read as fast as they can.
    pub normal: ViewersReport,
    /// Viewers that read slowly (`--trickle`).
    pub trickling: Option<ViewersReport>,
    /// Viewers that read nothing (`--stalled`).
    pub stalled: StalledReport,
    /// Failed handshakes of viewers that had no successful one before, by reason.
    pub refused: ReasonsReport,
    /// Viewers closed after their handshake, except stalled ones, and failed attempts to reconnect, by reason, since
    /// the start of the run.
    pub closed: ReasonsReport,
    /// Successful handshakes of viewers that reconnected (`--reconnect`).
    pub reconnects: u64,
    /// Requests that a relay denied, by reason. The viewer then disconnects.
    pub errors: ReasonsReport,
    /// States that a relay sent to its viewers (`live`, `slow`, …) and their counts, since the start of the run.
    pub states: BTreeMap<&'static str, u64>,
    /// Text messages over a plain WebSocket, which are not counted as frames.
    pub texts: u64,
    /// Binary messages over fanlight.v1 that are not frames.
    pub not_frames: u64,
    /// Cost of all processes named by `--pid` during the measurement.
    pub server: Option<ServerReport>,
    /// Cost of the machine's kernel during the measurement.
    pub machine: MachineReport,
    /// Cost of this program during the measurement.
    pub own: OwnReport,
}

/// Viewers of one kind.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ViewersReport {
    /// Number of viewers.
    pub viewers: usize,
    /// Complete frames received.
    pub frames: u64,
    /// Bytes of these frames.
    pub bytes: u64,
    /// Frame rate of the median viewer.
    pub fps_median: Option<f64>,
    /// Frame rate of the viewer with the fewest frames.
    pub fps_min: Option<f64>,
    /// Frame rate of the viewer with the most frames.
    pub fps_max: Option<f64>,
    /// Age of frames at their last byte; `null` if no capture time is known.
    pub age: Option<Percentiles>,
    /// Time from the start of sending (`sent_at`) to a frame's last byte; fanlight.v1 only.
    pub since_sent: Option<Percentiles>,
    /// Time between a viewer's complete frames, and gaps of more than 200 ms that have not ended.
    pub gap: Option<Percentiles>,
    /// Gaps longer than 200 ms, including those that have not ended.
    pub freezes: u64,
    /// Sequences missing within one track; fanlight.v1 only. A relay drops some for a slow viewer.
    pub missing: u64,
    /// Frames that can be decoded alone; fanlight.v1 only. Every JPEG can.
    pub keyframes: Option<u64>,
    /// Frames that refer to a frame that is missing or undecodable; fanlight.v1 only. A relay sends none.
    pub broken: u64,
    /// Invalid capture times, in the future or more than an hour ago; they are not counted as ages.
    pub odd_stamps: u64,
}

/// Percentiles of a distribution.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Percentiles {
    /// Median.
    pub p50_ms: f64,
    /// 95th percentile.
    pub p95_ms: f64,
    /// 99th percentile.
    pub p99_ms: f64,
    pub max_ms: f64,
    /// Number of values.
    pub samples: u64,
}

/// Viewers that read nothing.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StalledReport {
    /// Number of viewers.
    pub viewers: usize,
    /// Viewers that the server closed, as far as a viewer that reads nothing can detect it.
    pub closed: ReasonsReport,
}

/// Counts of an event.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ReasonsReport {
    /// Total.
    pub count: u64,
    /// Counts by reason.
    pub reasons: BTreeMap<String, u64>,
}

/// Cost of the server.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ServerReport {
    /// Its processes.
    pub pids: Vec<i32>,
    /// CPU time of all their threads.
    pub cpu_seconds: f64,
    /// CPU time in user mode, from a clock of 10 ms.
    pub cpu_user_seconds: f64,
    /// CPU time in the kernel, from a clock of 10 ms.
    pub cpu_system_seconds: f64,
    /// Average number of busy cores.
    pub cores: f64,
    /// CPU time for each frame that any viewer received whole.
    pub cpu_us_per_frame: Option<f64>,
    /// Memory at the end.
    pub rss_last_bytes: u64,
    /// The most memory seen; each process at the time of its own peak.
    pub rss_peak_bytes: u64,
}

/// Cost that belongs to no process.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MachineReport {
    /// CPU time of the kernel's network threads (ksoftirqd): add it to the server's if it is not near 0.
    pub ksoftirqd_cpu_seconds: Option<f64>,
    /// The most memory in the kernel's TCP buffers, of all connections of the machine.
    pub tcp_memory_peak_bytes: Option<u64>,
}

/// Cost of this program.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct OwnReport {
    /// Number of threads that run viewers.
    pub threads: usize,
    /// CPU time of all threads.
    pub cpu_seconds: f64,
    /// CPU time for each frame.
    pub cpu_us_per_frame: Option<f64>,
    /// Average number of busy cores. Near the number of threads, the program measures itself: give it more
    /// (`--threads`).
    pub cores: f64,
}

/// Results of a run, besides the viewers' counts.
#[derive(Debug)]
pub struct Outcome {
    /// Time until all handshakes were over.
    pub connecting: Duration,
    /// Duration of the measurement.
    pub measured: Duration,
    /// The run ended early.
    pub interrupted: bool,
    /// Cost of the server's processes.
    pub server: Cost,
    /// This program's CPU time in seconds.
    pub own_cpu: f64,
    /// See [`MachineReport`].
    pub ksoftirqd_cpu_seconds: Option<f64>,
    /// See [`MachineReport`].
    pub tcp_memory_peak_bytes: Option<u64>,
}

impl Report {
    /// Makes the report.
    pub fn new(settings: &Settings, meter: &Meter, outcome: &Outcome) -> Self {
        let seconds = outcome.measured.as_secs_f64();
        let frames = meter.normal.frames + meter.trickling.frames;
        let per_frame = |cpu: f64| (frames > 0).then(|| rounded(cpu * 1e6 / frames as f64));
        let cores = |cpu: f64| if seconds > 0.0 { rounded(cpu / seconds) } else { 0.0 };
        let server = outcome.server;
        let v1 = settings.protocol == Protocol::FanlightV1;
        Self {
            url: settings.target.to_string(),
            protocol: settings.protocol.as_str(),
            stream: settings.stream.as_ref().map(|name| name.as_str().to_owned()),
            viewers: settings.viewers,
            connected: meter.connected,
            connecting_seconds: rounded(outcome.connecting.as_secs_f64()),
            seconds: rounded(seconds),
            interrupted: outcome.interrupted,
            frames,
            bytes: meter.normal.bytes + meter.trickling.bytes,
            normal: ViewersReport::new(&meter.normal, seconds, v1),
            trickling: (settings.trickling > 0)
                .then(|| ViewersReport::new(&meter.trickling, seconds, v1)),
            stalled: StalledReport {
                viewers: settings.stalled,
                closed: (&meter.stalled_closed).into(),
            },
            refused: (&meter.refused).into(),
            closed: (&meter.closed).into(),
            reconnects: meter.reconnects,
            errors: (&meter.errors).into(),
            states: meter.states.clone(),
            texts: meter.texts,
            not_frames: meter.not_frames,
            server: (!settings.pids.is_empty()).then(|| ServerReport {
                pids: settings.pids.clone(),
                cpu_seconds: rounded(server.cpu),
                cpu_user_seconds: rounded(server.user),
                cpu_system_seconds: rounded(server.system),
                cores: cores(server.cpu),
                cpu_us_per_frame: per_frame(server.cpu),
                rss_last_bytes: server.rss_last,
                rss_peak_bytes: server.rss_peak,
            }),
            machine: MachineReport {
                ksoftirqd_cpu_seconds: outcome.ksoftirqd_cpu_seconds.map(rounded),
                tcp_memory_peak_bytes: outcome.tcp_memory_peak_bytes,
            },
            own: OwnReport {
                threads: settings.threads,
                cpu_seconds: rounded(outcome.own_cpu),
                cpu_us_per_frame: per_frame(outcome.own_cpu),
                cores: cores(outcome.own_cpu),
            },
        }
    }
}

impl ViewersReport {
    fn new(group: &Group, seconds: f64, v1: bool) -> Self {
        let mut each = group.frames_of_each.clone();
        each.sort_unstable();
        let fps = |at: usize| {
            let frames = each.get(at).filter(|_| seconds > 0.0)?;
            Some(rounded(*frames as f64 / seconds))
        };
        Self {
            viewers: each.len(),
            frames: group.frames,
            bytes: group.bytes,
            fps_median: fps(each.len() / 2),
            fps_min: fps(0),
            fps_max: fps(each.len().saturating_sub(1)),
            age: Percentiles::of(&group.ages),
            since_sent: Percentiles::of(&group.sendings),
            gap: Percentiles::of(&group.gaps),
            freezes: group.freezes,
            missing: group.missing,
            keyframes: v1.then_some(group.frames - group.deltas),
            broken: group.broken,
            odd_stamps: group.odd_stamps,
        }
    }
}

impl Percentiles {
    /// Computes percentiles from microseconds; `None` if there are no values.
    fn of(micros: &Histogram<u64>) -> Option<Self> {
        let at = |quantile: f64| rounded(micros.value_at_quantile(quantile) as f64 / 1000.0);
        (!micros.is_empty()).then(|| Self {
            p50_ms: at(0.5),
            p95_ms: at(0.95),
            p99_ms: at(0.99),
            max_ms: at(1.0),
            samples: micros.len(),
        })
    }
}

impl From<&Reasons> for ReasonsReport {
    fn from(reasons: &Reasons) -> Self {
        Self { count: reasons.total(), reasons: reasons.by_reason().clone() }
    }
}

/// Rounds to thousandths: no figure here is more precise.
fn rounded(number: f64) -> f64 {
    (number * 1000.0).round() / 1000.0
}

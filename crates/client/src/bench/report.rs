//! The figures of a run. Units stand in the names; what was not measured is `null` in JSON.

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
    /// Viewers that were wanted, of all kinds.
    pub viewers: usize,
    /// Handshakes that went well, those of viewers that connected anew too.
    pub connected: u64,
    /// How long it took until all first handshakes were over.
    pub connecting_seconds: f64,
    /// How long was measured.
    pub seconds: f64,
    /// Whether it was ended before its time: by a signal, or because no viewer was left.
    pub interrupted: bool,
    /// Frames received whole while measuring, by all viewers.
    pub frames: u64,
    /// Bytes of these frames' messages, without what frames them (the header of fanlight.v1 is counted).
    pub bytes: u64,
    /// Viewers that read as fast as they can.
    pub normal: ViewersReport,
    /// Viewers that read slowly (`--trickle`).
    pub trickling: Option<ViewersReport>,
    /// Viewers that read nothing (`--stalled`).
    pub stalled: StalledReport,
    /// Handshakes that went wrong, by reason.
    pub refused: ReasonsReport,
    /// Viewers closed after their handshake, but for stalled ones, by reason. From the beginning of the run.
    pub closed: ReasonsReport,
    /// Viewers that connected anew (`--reconnect`).
    pub reconnects: u64,
    /// Viewers that a relay told that what they ask for cannot be, by reason. They leave.
    pub errors: ReasonsReport,
    /// States that a relay told its viewers: `live`, `slow`, … and how often. From the beginning of the run.
    pub states: BTreeMap<&'static str, u64>,
    /// Text messages over a plain WebSocket: not counted as frames.
    pub texts: u64,
    /// Binary messages over fanlight.v1 that are no frames of it.
    pub not_frames: u64,
    /// What the processes named by `--pid` cost while measuring, all together.
    pub server: Option<ServerReport>,
    /// The machine, while measuring.
    pub machine: MachineReport,
    /// What this program cost while measuring.
    pub own: OwnReport,
}

/// Viewers of one kind.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ViewersReport {
    /// How many.
    pub viewers: usize,
    /// Frames received whole.
    pub frames: u64,
    /// Bytes of them.
    pub bytes: u64,
    /// Frames a second of the viewer in the middle.
    pub fps_median: Option<f64>,
    /// Frames a second of the viewer with the fewest.
    pub fps_min: Option<f64>,
    /// Frames a second of the viewer with the most.
    pub fps_max: Option<f64>,
    /// Age of frames at their last byte; `null` where no time is known.
    pub age: Option<Percentiles>,
    /// From the moment the server began to send a frame (`sent_at`) to its last byte; fanlight.v1 only.
    pub since_sent: Option<Percentiles>,
    /// Between a viewer's whole frames.
    pub gap: Option<Percentiles>,
    /// Gaps longer than 200 ms, those not ended yet included.
    pub freezes: u64,
    /// Sequences left out within one track; fanlight.v1 only. A relay that drops for a slow viewer leaves out some.
    pub missing: u64,
    /// Frames that stand alone; fanlight.v1 only. Every JPEG does.
    pub keyframes: Option<u64>,
    /// Frames that refer to one that was missing or could not be decoded itself; fanlight.v1 only. A relay sends none.
    pub broken: u64,
    /// Times that cannot be, in the future or more than an hour ago: not counted as ages.
    pub odd_stamps: u64,
}

/// Where most values lie.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Percentiles {
    /// Half of them are not above this.
    pub p50_ms: f64,
    /// 95 of 100 are not above this.
    pub p95_ms: f64,
    /// 99 of 100 are not above this.
    pub p99_ms: f64,
    /// The highest.
    pub max_ms: f64,
    /// How many there are.
    pub samples: u64,
}

/// Viewers that read nothing.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StalledReport {
    /// How many.
    pub viewers: usize,
    /// How many of them the server closed, as far as one who reads nothing hears of it.
    pub closed: ReasonsReport,
}

/// How often something happened.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ReasonsReport {
    /// In all.
    pub count: u64,
    /// By reason, in words.
    pub reasons: BTreeMap<String, u64>,
}

/// What the server cost.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ServerReport {
    /// Its processes.
    pub pids: Vec<i32>,
    /// CPU time of all their threads.
    pub cpu_seconds: f64,
    /// Of it outside of the kernel; from a clock of 10 ms.
    pub cpu_user_seconds: f64,
    /// Of it within the kernel; from a clock of 10 ms.
    pub cpu_system_seconds: f64,
    /// Processors kept busy.
    pub cores: f64,
    /// CPU time for each frame that any viewer received whole.
    pub cpu_us_per_frame: Option<f64>,
    /// Memory at the end.
    pub rss_last_bytes: u64,
    /// The most memory seen, each process at its own time.
    pub rss_peak_bytes: u64,
}

/// What is on nobody's account.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MachineReport {
    /// CPU time of the kernel's threads for the network (ksoftirqd): add it to the server's where it is not near 0.
    pub ksoftirqd_cpu_seconds: Option<f64>,
    /// The most memory in the kernel's TCP buffers, of all connections of the machine.
    pub tcp_memory_peak_bytes: Option<u64>,
}

/// What this program cost.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct OwnReport {
    /// How many threads serve viewers.
    pub threads: usize,
    /// CPU time of all its threads.
    pub cpu_seconds: f64,
    /// CPU time for each frame.
    pub cpu_us_per_frame: Option<f64>,
    /// Processors kept busy. Near the number of its threads it measures itself: give it more (`--threads`).
    pub cores: f64,
}

/// What a run has brought, beside what the viewers counted.
#[derive(Debug)]
pub struct Outcome {
    /// Until all handshakes were over.
    pub connecting: Duration,
    /// How long was measured.
    pub measured: Duration,
    /// Whether it was ended before its time.
    pub interrupted: bool,
    /// What the server's processes cost.
    pub server: Cost,
    /// This program's CPU time in seconds.
    pub own_cpu: f64,
    /// See [`MachineReport`].
    pub ksoftirqd_cpu_seconds: Option<f64>,
    /// See [`MachineReport`].
    pub tcp_memory_peak_bytes: Option<u64>,
}

impl Report {
    /// Puts the figures together.
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
    /// From microseconds; `None` where there are none.
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

/// To thousandths: no figure here is truer than that.
fn rounded(number: f64) -> f64 {
    (number * 1000.0).round() / 1000.0
}

//! Metrics in Prometheus's text format (OpenMetrics 1.0), read from the counters on request.

use std::sync::atomic::AtomicU64;

use parking_lot::Mutex;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{
    EncodeLabelSet, EncodeLabelValue, EncodeMetric, LabelValueEncoder, MetricEncoder, NoLabelSet,
};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::info::Info;
use prometheus_client::metrics::{MetricType, TypedMetric};
use prometheus_client::registry::{Registry, Unit};

use fanlight_bus::Implausible;
use fanlight_protocol::catalog::has_clock_fault;

use crate::access::Identity;
use crate::context::Context;
use crate::hub::Stream;
use crate::stats::counters::{
    AGE_BOUNDS, FRAMES_BEHIND_BOUNDS, HistogramSnapshot, PushCounters, Snapshot,
};
use crate::stats::labels::{
    CloseReason, DenialReason, DropReason, Flood, PushEnd, PushTransport, RefusedFrame,
    SwitchDirection, Transport,
};
use crate::stream_list;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfStream {
    stream: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfTransport {
    stream: String,
    transport: LabelText,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfReason {
    stream: String,
    transport: LabelText,
    reason: LabelText,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfRendition {
    stream: String,
    rendition: String,
    codec: LabelText,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfDirection {
    stream: String,
    direction: LabelText,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfClose {
    transport: LabelText,
    reason: LabelText,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfDenial {
    reason: LabelText,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfFlood {
    what: LabelText,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfPushTransport {
    transport: LabelText,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfImplausible {
    what: LabelText,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct LabelText(&'static str);

impl EncodeLabelValue for LabelText {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> Result<(), std::fmt::Error> {
        self.0.encode(encoder)
    }
}

/// A histogram that is counted in [`stats`](crate::stats).
#[derive(Debug, Default)]
struct Distribution(Mutex<Buckets>);

#[derive(Debug, Default)]
struct Buckets {
    sum: f64,
    count: u64,
    /// The upper bound of each bucket, and the number of values in it.
    buckets: Vec<(f64, u64)>,
}

impl Distribution {
    /// Takes over a snapshot with these bounds, divided by `unit`.
    fn set(&self, counted: &HistogramSnapshot, bounds: &[u64], unit: f64) {
        let bounds = bounds.iter().map(|bound| *bound as f64 / unit).chain([f64::MAX]);
        *self.0.lock() = Buckets {
            sum: counted.sum as f64 / unit,
            count: counted.buckets.iter().sum(),
            buckets: bounds.zip(counted.buckets.iter().copied()).collect(),
        };
    }
}

impl TypedMetric for Distribution {
    const TYPE: MetricType = MetricType::Histogram;
}

impl EncodeMetric for Distribution {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> Result<(), std::fmt::Error> {
        let Buckets { sum, count, buckets } = &*self.0.lock();
        encoder.encode_histogram::<NoLabelSet>(*sum, *count, buckets, None)
    }

    fn metric_type(&self) -> MetricType {
        Self::TYPE
    }
}

#[derive(Default)]
struct Metrics {
    stream_viewers: Family<OfStream, Gauge>,
    viewers: Family<OfTransport, Gauge>,
    rendition_viewers: Family<OfRendition, Gauge>,
    switches: Family<OfDirection, Counter>,
    up: Family<OfStream, Gauge>,
    late: Family<OfStream, Gauge>,
    frozen: Family<OfStream, Gauge>,
    clock_fault: Family<OfStream, Gauge>,
    arrival_age: Family<OfStream, Gauge<f64, AtomicU64>>,
    implausible: Family<OfImplausible, Counter>,
    lost: Family<OfStream, Counter>,
    orphaned: Family<OfStream, Counter>,
    frames: Family<OfTransport, Counter>,
    bytes: Family<OfTransport, Counter>,
    dropped: Family<OfReason, Counter>,
    freezes: Family<OfTransport, Counter>,
    overdue: Family<OfTransport, Counter>,
    ages: Family<OfTransport, Distribution>,
    frames_behind: Family<OfTransport, Distribution>,
    closed: Family<OfClose, Counter>,
    viewers_closed: Family<OfReason, Counter>,
    denied: Family<OfDenial, Counter>,
    floods: Family<OfFlood, Counter>,
    publishers: Family<OfPushTransport, Gauge>,
    pushed_frames: Family<OfPushTransport, Counter>,
    pushed_bytes: Family<OfPushTransport, Counter>,
    publishers_ended: Family<OfClose, Counter>,
    refused: Family<OfDenial, Counter>,
}

/// Returns as text the metrics of the relay, and of the streams that a client may see.
pub fn text(context: &Context, client: &Identity) -> String {
    let metrics = Metrics::default();
    let streams = context.hub.streams();
    let visible = streams.iter().filter(|stream| client.sees(stream.name()));
    visible.for_each(|stream| metrics.read(stream));
    for transport in Transport::ALL {
        for reason in CloseReason::ALL {
            let of = OfClose {
                transport: LabelText(transport.as_str()),
                reason: LabelText(reason.as_str()),
            };
            metrics.closed.get_or_create(&of).inc_by(context.closes.read(transport, reason));
        }
    }
    for reason in DenialReason::ALL {
        let of = OfDenial { reason: LabelText(reason.as_str()) };
        metrics.denied.get_or_create(&of).inc_by(context.denials.read(reason));
    }
    for flood in Flood::ALL {
        let of = OfFlood { what: LabelText(flood.as_str()) };
        metrics.floods.get_or_create(&of).inc_by(context.floods.read(flood));
    }
    metrics.read_pushed(&context.ingest.pushed.counters);
    for what in Implausible::ALL {
        let of = OfImplausible { what: LabelText(what.as_str()) };
        metrics.implausible.get_or_create(&of).inc_by(context.ingest.implausible(what));
    }
    let mut registry = metrics.registry();
    let congestion = Info::new([("name", context.congestion.clone())]);
    registry.register(
        "congestion_control",
        "TCP congestion control of connections to viewers",
        congestion,
    );
    let mut text = String::new();
    encode(&mut text, &registry).expect("writing to memory does not fail");
    text
}

impl Metrics {
    fn read(&self, stream: &Stream) {
        let name = stream.name().to_string();
        let of_stream = OfStream { stream: name.clone() };
        let late = stream.late().is_some();
        let status = stream.status();
        let frozen = status.frozen_since().is_some();
        let up = status.state == fanlight_protocol::StreamState::Live && !late && !frozen;
        self.stream_viewers.get_or_create(&of_stream).set(stream.viewers() as i64);
        self.up.get_or_create(&of_stream).set(up.into());
        self.late.get_or_create(&of_stream).set(late.into());
        self.frozen.get_or_create(&of_stream).set(frozen.into());
        let clock_fault = has_clock_fault(status.state, &status.reason);
        self.clock_fault.get_or_create(&of_stream).set(clock_fault.into());
        if let Some(age) = stream_list::arrival_age(stream) {
            self.arrival_age.get_or_create(&of_stream).set(age.as_secs_f64());
        }
        let lost = stream.tracks().iter().map(|track| track.lost()).sum();
        self.lost.get_or_create(&of_stream).inc_by(lost);
        let orphaned = stream.tracks().iter().map(|track| track.orphaned()).sum();
        self.orphaned.get_or_create(&of_stream).inc_by(orphaned);
        self.read_renditions(&name, stream);
        for transport in Transport::ALL {
            self.read_sent(&name, transport, &stream.counters.of(transport).read());
        }
    }

    fn read_renditions(&self, name: &str, stream: &Stream) {
        for track in stream.tracks() {
            let track_name = &track.topic().track;
            let rendition = track_name.rendition.to_string();
            let codec = LabelText(track_name.codec.as_str());
            let of = OfRendition { stream: name.into(), rendition, codec };
            self.rendition_viewers.get_or_create(&of).inc_by(track.viewers() as i64);
        }
        for direction in SwitchDirection::ALL {
            let of = OfDirection { stream: name.into(), direction: LabelText(direction.as_str()) };
            self.switches.get_or_create(&of).inc_by(stream.switches.read(direction));
        }
    }

    fn read_sent(&self, stream: &str, transport: Transport, sent: &Snapshot) {
        let of = OfTransport { stream: stream.into(), transport: LabelText(transport.as_str()) };
        self.viewers.get_or_create(&of).set(sent.viewers as i64);
        self.frames.get_or_create(&of).inc_by(sent.frames);
        self.bytes.get_or_create(&of).inc_by(sent.bytes);
        self.freezes.get_or_create(&of).inc_by(sent.freezes);
        self.overdue.get_or_create(&of).inc_by(sent.overdue);
        self.ages.get_or_create(&of).set(&sent.ages, &AGE_BOUNDS, 1e6);
        self.frames_behind.get_or_create(&of).set(&sent.frames_behind, &FRAMES_BEHIND_BOUNDS, 1.0);
        for reason in DropReason::ALL {
            let OfTransport { stream, transport } = of.clone();
            let of = OfReason { stream, transport, reason: LabelText(reason.as_str()) };
            self.dropped.get_or_create(&of).inc_by(sent.dropped[reason as usize]);
        }
        for reason in CloseReason::ALL {
            let OfTransport { stream, transport } = of.clone();
            let of = OfReason { stream, transport, reason: LabelText(reason.as_str()) };
            self.viewers_closed.get_or_create(&of).inc_by(sent.closed[reason as usize]);
        }
    }

    fn read_pushed(&self, counters: &PushCounters) {
        for transport in PushTransport::ALL {
            let pushed = counters.read(transport);
            let transport = LabelText(transport.as_str());
            let of = OfPushTransport { transport: transport.clone() };
            self.publishers.get_or_create(&of).set(pushed.publishers as i64);
            self.pushed_frames.get_or_create(&of).inc_by(pushed.frames);
            self.pushed_bytes.get_or_create(&of).inc_by(pushed.bytes);
            for reason in PushEnd::ALL {
                let of =
                    OfClose { transport: transport.clone(), reason: LabelText(reason.as_str()) };
                self.publishers_ended.get_or_create(&of).inc_by(pushed.ended[reason as usize]);
            }
        }
        for reason in RefusedFrame::ALL {
            let of = OfDenial { reason: LabelText(reason.as_str()) };
            self.refused.get_or_create(&of).inc_by(counters.read_refused(reason));
        }
    }

    fn registry(&self) -> Registry {
        let mut registry = Registry::with_prefix("fanlight");
        self.register_streams(&mut registry);
        self.register_viewers(&mut registry);
        self.register_frames(&mut registry);
        self.register_pushed(&mut registry);
        registry
    }

    fn register_streams(&self, registry: &mut Registry) {
        registry.register(
            "stream_live",
            "1 while frames arrive in time, 0 otherwise",
            self.up.clone(),
        );
        registry.register(
            "stream_late",
            "1 while frames are old when they arrive at this relay",
            self.late.clone(),
        );
        registry.register(
            "stream_frozen",
            "1 while the source repeats the same picture",
            self.frozen.clone(),
        );
        registry.register(
            "stream_clock_fault",
            "1 while the source's own clock jumps or drifts",
            self.clock_fault.clone(),
        );
        registry.register_with_unit(
            "frame_age_received",
            "Age of the newest frame of a watched stream on arrival at this relay",
            Unit::Seconds,
            self.arrival_age.clone(),
        );
        registry.register(
            "bus_values_implausible",
            "Implausible values from publishers, replaced by the relay",
            self.implausible.clone(),
        );
        registry.register(
            "frames_lost",
            "Frames lost between capture and this relay",
            self.lost.clone(),
        );
        registry.register(
            "frames_orphaned",
            "Deltas that arrived without the frame before them, which they need",
            self.orphaned.clone(),
        );
    }

    fn register_viewers(&self, registry: &mut Registry) {
        registry.register(
            "stream_viewers",
            "Current viewers, over all transports",
            self.stream_viewers.clone(),
        );
        registry.register("viewers", "Current viewers", self.viewers.clone());
        registry.register(
            "rendition_viewers",
            "Current viewers of this rendition, by codec",
            self.rendition_viewers.clone(),
        );
        registry.register(
            "rendition_switches",
            "Switches of viewers to a smaller or a larger rendition",
            self.switches.clone(),
        );
        registry.register(
            "viewers_closed",
            "Viewers whose connection was closed; excludes viewers that unsubscribed",
            self.viewers_closed.clone(),
        );
        registry.register(
            "connections_closed",
            "Closed connections of viewers",
            self.closed.clone(),
        );
        registry.register(
            "access_denied",
            "Denied requests: malformed or repeated headers, another host or origin, no token or a wrong one, or a forbidden action",
            self.denied.clone(),
        );
        registry.register(
            "floods",
            "WebSockets that were read more slowly because of a flood of messages, and TLS handshakes that had to wait because of a flood of them",
            self.floods.clone(),
        );
    }

    fn register_pushed(&self, registry: &mut Registry) {
        registry.register(
            "publishers",
            "Clients that publish into this relay now",
            self.publishers.clone(),
        );
        registry.register(
            "publishers_ended",
            "Clients that publish into this relay no longer",
            self.publishers_ended.clone(),
        );
        registry.register(
            "ingested_frames",
            "Frames accepted from clients that publish",
            self.pushed_frames.clone(),
        );
        registry.register(
            "ingested_bytes",
            "Bytes of payload accepted from clients that publish",
            self.pushed_bytes.clone(),
        );
        registry.register(
            "ingest_refused",
            "Messages of clients that publish which were not taken for frames: invalid, too large, beyond --max-ingest-fps or --max-ingest, H.264 before the first keyframe, a name that is taken, or ignored text",
            self.refused.clone(),
        );
    }

    fn register_frames(&self, registry: &mut Registry) {
        registry.register("frames_sent", "Frames sent to viewers", self.frames.clone());
        registry.register(
            "payload_bytes_sent",
            "Bytes of payload sent to viewers",
            self.bytes.clone(),
        );
        registry.register(
            "frames_dropped",
            "Frames not sent to viewers: the relay was busy, the link or the viewer too slow, the viewer asked for a lower frame rate, or its decoder failed",
            self.dropped.clone(),
        );
        registry.register(
            "freezes",
            "Pauses of more than 200 ms in which a viewer was sent nothing though there were newer frames",
            self.freezes.clone(),
        );
        registry.register(
            "viewer_stuck",
            "Frames held back for longer than 250 ms plus three round trips though nothing was in flight: faults of this relay",
            self.overdue.clone(),
        );
        registry.register_with_unit(
            "frame_age_sent",
            "Frame age when sent",
            Unit::Seconds,
            self.ages.clone(),
        );
        registry.register(
            "frames_behind",
            "Newer frames that existed when a frame was sent",
            self.frames_behind.clone(),
        );
    }
}

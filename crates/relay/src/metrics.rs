//! Counters in Prometheus's text format (OpenMetrics 1.0), read off the hub when they are asked for.

use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::hub::{Hub, Stream};
use crate::traffic::Transport;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfStream {
    stream: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfTransport {
    stream: String,
    transport: Name,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Name(&'static str);

impl EncodeLabelValue for Name {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> Result<(), std::fmt::Error> {
        self.0.encode(encoder)
    }
}

#[derive(Default)]
struct Metrics {
    viewers: Family<OfStream, Gauge>,
    up: Family<OfStream, Gauge>,
    lost: Family<OfStream, Counter>,
    frames: Family<OfTransport, Counter>,
    bytes: Family<OfTransport, Counter>,
    dropped: Family<OfTransport, Counter>,
}

/// All counters as text.
pub fn text(hub: &Hub) -> String {
    let metrics = Metrics::default();
    hub.streams().iter().for_each(|stream| metrics.read(stream));
    let mut text = String::new();
    encode(&mut text, &metrics.registry()).expect("writing to memory does not fail");
    text
}

impl Metrics {
    fn read(&self, stream: &Stream) {
        let name = stream.name().to_string();
        let of_stream = OfStream { stream: name.clone() };
        let up = stream.status().state == fanlight_protocol::StreamState::Live;
        self.viewers.get_or_create(&of_stream).set(stream.viewers() as i64);
        self.up.get_or_create(&of_stream).set(up.into());
        let lost = stream.tracks().iter().map(|track| track.lost()).sum();
        self.lost.get_or_create(&of_stream).inc_by(lost);
        for transport in Transport::ALL {
            let of_transport =
                OfTransport { stream: name.clone(), transport: Name(transport.as_str()) };
            let sent = stream.traffic.sent(transport);
            self.frames.get_or_create(&of_transport).inc_by(sent.frames);
            self.bytes.get_or_create(&of_transport).inc_by(sent.bytes);
            self.dropped.get_or_create(&of_transport).inc_by(sent.dropped);
        }
    }

    fn registry(&self) -> Registry {
        let mut registry = Registry::with_prefix("fanlight");
        registry.register("viewers", "Viewers now", self.viewers.clone());
        registry.register("stream_live", "1 while frames come, 0 otherwise", self.up.clone());
        registry.register(
            "frames_lost",
            "Frames lost between capture and this relay",
            self.lost.clone(),
        );
        registry.register("frames_sent", "Frames sent to viewers", self.frames.clone());
        registry.register(
            "payload_bytes_sent",
            "Bytes of pictures sent to viewers",
            self.bytes.clone(),
        );
        registry.register(
            "frames_dropped",
            "Frames dropped for slow viewers",
            self.dropped.clone(),
        );
        registry
    }
}

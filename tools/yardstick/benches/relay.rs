//! The relay's work for each frame, without sockets: from the track to each viewer, and the header of a WebSocket message.

use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use fanlight_protocol::{FrameFlags, FrameMeta, FrameTimes, StreamState, Timestamp, TrackName};
use fanlight_relay::hub::{Frame, Hub, NextSend, Stream, StreamStatus, ViewOptions, Viewer};
use fanlight_relay::stats::labels::Transport;
use fanlight_relay::wake::{ThreadDispatcher, Waker};
use fanlight_websocket::{Opcode, WebSocketFrameHeader};
use tokio::runtime::{Builder, Runtime};
use tokio::task::{LocalSet, yield_now};

const VIEWERS: [usize; 3] = [0, 100, 1000];

/// The interval between two frames in microseconds, at 30 frames per second.
const INTERVAL: u64 = 33_333;

/// The frames of one track, and their arrival times.
struct Source {
    payload: Bytes,
    sequence: u64,
}

impl Source {
    fn new() -> Self {
        Self { payload: Bytes::from(vec![0; 60_000]), sequence: 0 }
    }

    fn next(&mut self) -> Frame {
        self.sequence += 1;
        let now = self.now();
        Frame {
            generation: 0,
            meta: FrameMeta {
                sequence: self.sequence,
                times: FrameTimes::all_at(now),
                flags: FrameFlags::KEYFRAME,
                width: 1280,
                height: 720,
            },
            received_at: now,
            payload: self.payload.clone(),
        }
    }

    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.sequence * INTERVAL)
    }
}

fn stream() -> Arc<Stream> {
    let status = StreamStatus {
        state: StreamState::Live,
        reason: String::new(),
        since: Timestamp::from_micros(0),
        gone: false,
        source: "bench".into(),
        tracks: Vec::new(),
    };
    Hub::new(Arc::default()).open(&"bench".parse().expect("a name"), status)
}

fn viewer(stream: &Arc<Stream>, waker: Waker) -> Viewer {
    let (track, options) = (TrackName::full_jpeg(), ViewOptions::default());
    Viewer::watch(stream, &track, Transport::V1, options, waker, Timestamp::default())
}

/// Measures pushing a frame and taking each viewer's next one.
fn steps(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("push and every viewer's step");
    for count in VIEWERS {
        let (stream, dispatcher) = (stream(), Arc::new(ThreadDispatcher::default()));
        let track = stream.track(&TrackName::full_jpeg());
        let mut viewers: Vec<Viewer> =
            (0..count).map(|_| viewer(&stream, Waker::new(dispatcher.clone()))).collect();
        let mut source = Source::new();
        group.bench_function(BenchmarkId::from_parameter(count), |bench| {
            bench.iter(|| {
                track.push(source.next());
                for viewer in &mut viewers {
                    assert!(matches!(viewer.next(source.now()), NextSend::Frame { .. }));
                }
            });
        });
    }
}

/// Measures the same with a task for each viewer, wake-ups included.
fn waking(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("push until every waiting task had its frame");
    for count in VIEWERS {
        let (runtime, tasks) = (runtime(), LocalSet::new());
        let (stream, dispatcher) = (stream(), Arc::new(ThreadDispatcher::default()));
        let track = stream.track(&TrackName::full_jpeg());
        let shown = Arc::new(AtomicUsize::new(0));
        let dispatching = dispatcher.clone();
        tasks.spawn_local(async move { dispatching.run().await });
        for _ in 0..count {
            let waker = Waker::new(dispatcher.clone());
            tasks.spawn_local(show(viewer(&stream, waker.clone()), waker, shown.clone()));
        }
        let mut source = Source::new();
        group.bench_function(BenchmarkId::from_parameter(count), |bench| {
            bench.iter(|| {
                tasks.block_on(&runtime, async {
                    shown.store(0, Ordering::Relaxed);
                    track.push(source.next());
                    while shown.load(Ordering::Relaxed) < count {
                        yield_now().await;
                    }
                });
            });
        });
    }
}

async fn show(mut viewer: Viewer, waker: Waker, shown: Arc<AtomicUsize>) {
    loop {
        while let NextSend::Frame { frame, .. } = viewer.next(Timestamp::from_micros(0)) {
            black_box(frame);
            shown.fetch_add(1, Ordering::Relaxed);
        }
        waker.woken().await;
    }
}

fn runtime() -> Runtime {
    Builder::new_current_thread().build().expect("a runtime without timers and sockets")
}

fn websocket_header(criterion: &mut Criterion) {
    criterion.bench_function("WebSocket header of a frame", |bench| {
        bench.iter(|| WebSocketFrameHeader::whole(Opcode::Binary, black_box(60_032)).encode());
    });
}

criterion_group!(benches, steps, waking, websocket_header);
criterion_main!(benches);

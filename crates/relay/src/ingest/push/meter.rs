//! The counts of one pushed stream, and the catalog entry that follows from them.

use std::sync::atomic::{AtomicU64, Ordering};

use fanlight_protocol::{
    Codec, RenditionName, StreamEntry, StreamName, StreamState, Timestamp, TrackEntry, TrackName,
};
use parking_lot::Mutex;

/// Readings that are kept, one per second: rates are those of the last seconds.
const READINGS: usize = 4;

/// The counts of a pushed stream, written with each frame and read once a second.
#[derive(Debug)]
pub(super) struct Meter {
    name: StreamName,
    source: String,
    codec: Codec,
    since: Timestamp,
    published: AtomicU64,
    bytes: AtomicU64,
    refused: AtomicU64,
    /// Width in the upper 32 bits, height in the lower ones.
    size: AtomicU64,
    readings: Mutex<Vec<Reading>>,
}

#[derive(Debug, Clone, Copy)]
struct Reading {
    at: Timestamp,
    published: u64,
    bytes: u64,
}

impl Meter {
    pub(super) fn new(name: StreamName, source: String, codec: Codec, since: Timestamp) -> Self {
        let zero = || AtomicU64::new(0);
        Self {
            name,
            source,
            codec,
            since,
            published: zero(),
            bytes: zero(),
            refused: zero(),
            size: zero(),
            readings: Mutex::default(),
        }
    }

    /// Returns the name of the only track.
    pub(super) fn track(&self) -> TrackName {
        TrackName { rendition: RenditionName::full(), codec: self.codec }
    }

    /// Notes the frame size. Returns whether it has changed.
    pub(super) fn set_size(&self, (width, height): (u32, u32)) -> bool {
        let size = u64::from(width) << 32 | u64::from(height);
        self.size.swap(size, Ordering::Relaxed) != size
    }

    pub(super) fn count_published(&self, bytes: usize) {
        self.published.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(super) fn count_refused(&self) {
        self.refused.fetch_add(1, Ordering::Relaxed);
    }

    /// Returns the catalog entry, and takes a reading for the next one.
    pub(super) fn entry(&self, now: Timestamp) -> StreamEntry {
        let reading = Reading {
            at: now,
            published: self.published.load(Ordering::Relaxed),
            bytes: self.bytes.load(Ordering::Relaxed),
        };
        let (millifps, bitrate) = self.rates(reading);
        let size = self.size.load(Ordering::Relaxed);
        let track = TrackEntry {
            name: self.track(),
            width: (size >> 32) as u32,
            height: size as u32,
            millifps,
            bitrate,
            published: reading.published,
            dropped: self.refused.load(Ordering::Relaxed),
        };
        StreamEntry {
            name: self.name.clone(),
            state: StreamState::Live,
            reason: String::new(),
            since: self.since,
            source: self.source.clone(),
            tracks: vec![track],
        }
    }

    /// Returns frames per thousand seconds and bits per second.
    fn rates(&self, new: Reading) -> (u32, u64) {
        let mut readings = self.readings.lock();
        if readings.last().is_none_or(|last| new.at.since(last.at).as_millis() >= 500) {
            if readings.len() == READINGS {
                readings.remove(0);
            }
            readings.push(new);
        }
        let Some(old) = readings.first() else { return (0, 0) };
        let micros = new.at.since(old.at).as_micros() as u64;
        if micros == 0 {
            return (0, 0);
        }
        let per_second = |count: u64, unit: u64| count.saturating_mul(unit * 1_000_000) / micros;
        let millifps = per_second(new.published - old.published, 1000);
        (u32::try_from(millifps).unwrap_or(u32::MAX), per_second(new.bytes - old.bytes, 8))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_those_of_the_last_seconds() {
        let name = "cam".parse().unwrap();
        let meter = Meter::new(name, "pushed".into(), Codec::Jpeg, Timestamp::default());
        assert!(meter.set_size((640, 480)) && !meter.set_size((640, 480)));
        let mut entry = meter.entry(Timestamp::from_micros(0));
        assert_eq!(entry.tracks[0].millifps, 0);
        for second in 1..=10 {
            let frames = if second <= 5 { 30 } else { 10 };
            (0..frames).for_each(|_| meter.count_published(1000));
            entry = meter.entry(Timestamp::from_micros(second * 1_000_000));
        }
        let track = &entry.tracks[0];
        assert_eq!((track.millifps, track.bitrate, track.published), (10_000, 80_000, 200));
        assert_eq!((track.width, track.height), (640, 480));
    }
}

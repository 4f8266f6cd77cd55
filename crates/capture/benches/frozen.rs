//! Cost per frame of the check for a source that repeats its picture, for JPEGs of the usual size at 1280x720 and for
//! raw pixels.

use std::hint::black_box;
use std::iter;

use criterion::{Criterion, criterion_group, criterion_main};
use fanlight_capture::frame::FrameData;
use fanlight_capture::frame::frozen::{FrozenDetector, SamePicture};
use fanlight_capture::pixels::Image;
use fanlight_capture::pixels::colours::Colours;
use fanlight_protocol::Timestamp;

/// The usual size of a JPEG of 1280x720, in bytes.
const JPEG: usize = 100_000;

fn random(length: usize, seed: u64) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(seed);
    iter::repeat_with(|| random.u8(..)).take(length).collect()
}

fn pixels(seed: u64) -> FrameData {
    let mut image = Image::filled((1280, 720), Colours::JFIF, [0; 3]).unwrap();
    let mut random = fastrand::Rng::with_seed(seed);
    image.planes_mut().into_iter().flatten().for_each(|byte| *byte = random.u8(..));
    FrameData::Pixels(image)
}

fn frozen(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("frozen");
    let jpeg = |seed| FrameData::Jpeg(random(JPEG, seed));
    for (name, frames) in [
        // The worst case: the lengths of real frames differ.
        ("a JPEG that changes", [jpeg(1), jpeg(2)]),
        ("a JPEG that repeats", [jpeg(1), jpeg(1)]),
        ("pixels that change", [pixels(1), pixels(2)]),
        ("pixels that repeat", [pixels(1), pixels(1)]),
    ] {
        let (mut pictures, mut detector) = (SamePicture::default(), FrozenDetector::default());
        let mut frames = frames.iter().cycle();
        let mut micros = 0;
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                micros += 33_333;
                let is_same = pictures.is_same(black_box(frames.next().expect("it is endless")));
                black_box(detector.note(is_same, Timestamp::from_micros(micros)))
            });
        });
    }
    group.finish();
}

criterion_group!(benches, frozen);
criterion_main!(benches);

//! Walls on links that are narrow, recover, or have hiccups.

use proptest::prelude::*;

use super::*;

/// Returns a wall of one camera whose tile needs the largest rendition.
fn one(mbit: u64, base_rtt: u64, fills_queue: bool) -> Wall {
    Wall::new(&[DisplaySize::default()], SimulatedConnection::new(mbit, base_rtt, fills_queue))
}

fn steady(_: u64, _: &mut SimulatedConnection) {}

#[test]
fn a_camera_that_the_link_sustains_is_never_switched() {
    for base_rtt in [1, 40, 100] {
        let playback = one(100, base_rtt, true).run(60, steady);
        assert_eq!(playback.switches_after(0), [], "{base_rtt}");
        assert!(playback.fps(2, 60) > 29.5, "{base_rtt}: {}", playback.fps(2, 60));
    }
}

#[test]
fn on_a_narrow_link_a_smaller_rendition_is_shown_within_two_seconds_and_does_not_flap() {
    for (base_rtt, fills_queue) in [(1, false), (1, true), (40, false), (40, true)] {
        let playback = one(4, base_rtt, fills_queue).run(120, steady);
        let settled = playback.switches_after(0)[0];
        assert!(settled.0 < 1_500 && settled.2 == 320, "{settled:?}");
        assert!(!playback.goes_back_in_time());
        assert!(playback.fps(2, 120) > 29.5, "{} fps", playback.fps(2, 120));
        let (median, p95) = (playback.age(2, 120, 0.5), playback.age(2, 120, 0.95));
        assert!(median < 30 && p95 < 120, "{median} {p95}");
        // A probe every six or seven seconds, of less than a second, and each switches up and down once.
        let probes = playback.switches_after(settled.0 + 1);
        assert!(probes.len() <= 36, "{probes:?}");
        assert!(probes.iter().all(|(_, _, width)| *width < 1280), "{probes:?}");
        let probed = playback.between(2, 120).filter(|frame| frame.width > 320).count();
        assert!(probed * 7 < playback.between(2, 120).count(), "{probed}");
    }
}

#[test]
fn a_hiccup_switches_no_viewer() {
    for mbit in [16, 20, 100] {
        for begins in (5_000..5_330).step_by(60) {
            let playback = one(mbit, 20, true).run(10, |now, connection| {
                let hiccup = (begins..begins + 300).contains(&now);
                connection.rate = if hiccup { 0 } else { mbit * 125 };
            });
            assert_eq!(playback.switches_after(0), [], "{mbit} {begins}");
        }
    }
}

#[test]
fn hiccups_of_a_busy_machine_do_not_keep_a_rendition_small() {
    const RECOVERED: u64 = 8_000;
    for (every, length) in [(600, 110), (600, 120), (900, 90), (900, 110)] {
        let playback = one(4, 20, true).run(18, |now, connection| {
            let mbit = if now < RECOVERED { 4 } else { 100 };
            let hiccup = now > RECOVERED && now % every < length;
            connection.rate = if hiccup { 0 } else { mbit * 125 };
        });
        assert_eq!(playback.at_the_end(), [1280], "{every} {length}: {:?}", playback.switches);
    }
}

#[test]
fn a_wall_shares_the_link_and_one_tile_at_a_time_is_probed() {
    for (mbit, smallest) in [(10, 320), (20, 320), (60, 640), (100, 640), (200, 1280)] {
        let wall =
            Wall::new(&[DisplaySize::default(); 9], SimulatedConnection::new(mbit, 20, true));
        let playback = wall.run(60, steady);
        let widths = playback.at_the_end();
        let (least, most) = (*widths.iter().min().unwrap(), *widths.iter().max().unwrap());
        assert!(least >= smallest && most <= least * 2, "{mbit}: {widths:?}");
        assert!(!playback.goes_back_in_time());
        let switches = playback.switches_after(30_000);
        assert!(switches.len() <= 12, "{mbit}: {switches:?}");
        if mbit > 10 {
            assert!(playback.fps(10, 60) > 9.0 * 29.0, "{mbit}: {}", playback.fps(10, 60));
        }
    }
}

#[test]
fn a_small_tile_gets_what_it_needs_and_leaves_the_rest() {
    let small = DisplaySize { width: Some(320), height: Some(180) };
    let wall =
        Wall::new(&[small, small, DisplaySize::default()], SimulatedConnection::new(20, 20, true));
    let playback = wall.run(40, steady);
    assert_eq!(playback.at_the_end(), [320, 320, 1280]);
    assert!(playback.switches.iter().all(|(_, tile, width)| *tile == 2 || *width == 320));
}

#[test]
fn a_rendition_without_frames_is_skipped() {
    let mut wall = one(4, 20, true);
    wall.cameras[0].broken = Some("quarter.jpeg");
    let playback = wall.run(25, steady);
    assert_eq!(playback.at_the_end(), [640]);
    let (at, _, width) = playback.switches_after(0)[0];
    assert!(width == 640 && at < 4_500, "{at}");
}

#[test]
fn a_wall_recovers_soon_after_its_link() {
    let wall = Wall::new(&[DisplaySize::default(); 9], SimulatedConnection::new(20, 20, true));
    let playback = wall.run(55, |now, connection| {
        connection.rate = if now < 30_000 { 2_500 } else { 25_000 };
    });
    assert_eq!(playback.at_the_end(), [1280; 9]);
}

#[test]
fn a_browser_that_is_busy_while_it_starts_keeps_its_size_and_one_that_stays_slow_does_not() {
    for (until, reduced) in [(3_000, false), (u64::MAX, true)] {
        let mut connection = SimulatedConnection::new(1000, 1, false);
        connection.max_window = 100_000;
        let playback =
            Wall::new(&[DisplaySize::default()], connection).run(12, |now, connection| {
                connection.read_rate = if now < until { 600 } else { u64::MAX / 2 };
            });
        assert_eq!(
            !playback.switches_after(0).is_empty(),
            reduced,
            "{:?}",
            playback.switches_after(0)
        );
    }
}

/// Returns the same for H.264.
fn one_of_h264(kbit: u64, base_rtt: u64, fills_queue: bool) -> Wall {
    let mut connection = SimulatedConnection::new(1, base_rtt, fills_queue);
    connection.rate = kbit / 8;
    Wall::of(Codec::H264, &[DisplaySize::default()], connection)
}

#[test]
fn h264_on_a_narrow_link_is_shown_in_time_and_rarely_switched() {
    for (kbit, fills_queue) in [(700, true), (1_000, true), (1_000, false), (2_000, false)] {
        let playback = one_of_h264(kbit, 40, fills_queue).run(120, steady);
        let (median, p95) = (playback.age(5, 120, 0.5), playback.age(5, 120, 0.95));
        assert!(playback.fps(5, 120) > 28.0, "{kbit}: {} fps", playback.fps(5, 120));
        assert!(median < 50 && p95 < 450, "{kbit}: {median} {p95}");
        assert!(!playback.goes_back_in_time());
        // A probe every half minute, each of which switches up and down once.
        let settled = playback.switches_after(20_000);
        assert!(settled.len() <= 8, "{kbit}: {settled:?}");
    }
}

#[test]
fn h264_that_the_link_sustains_is_never_switched_however_much_its_keyframes_delay() {
    for kbit in [4_000, 6_000, 100_000] {
        for fills_queue in [false, true] {
            let playback = one_of_h264(kbit, 20, fills_queue).run(30, steady);
            assert_eq!(playback.switches_after(0), [], "{kbit}");
            assert!(playback.fps(2, 30) > 29.5, "{kbit}: {}", playback.fps(2, 30));
            assert!(playback.age(2, 30, 0.99) < 250, "{kbit}: {}", playback.age(2, 30, 0.99));
        }
    }
}

#[test]
fn a_hiccup_switches_no_viewer_of_h264_either() {
    for (kbit, length) in [(6_000, 300), (20_000, 300), (20_000, 450)] {
        for begins in (5_000..7_000).step_by(190) {
            let playback = one_of_h264(kbit, 20, true).run(10, |now, connection| {
                let hiccup = (begins..begins + length).contains(&now);
                connection.rate = if hiccup { 0 } else { kbit / 8 };
            });
            assert_eq!(playback.switches_after(0), [], "{kbit} {length} {begins}");
            let frozen = playback.longest_freeze(2);
            assert!(frozen < length + 150, "{kbit} {length} {begins}: {frozen}");
        }
    }
}

#[test]
fn a_wall_in_h264_shares_a_narrow_link() {
    for (mbit, least) in [(2, 320), (6, 640), (20, 1280)] {
        let connection = SimulatedConnection::new(mbit, 20, true);
        let playback =
            Wall::of(Codec::H264, &[DisplaySize::default(); 4], connection).run(60, steady);
        assert!(
            playback.at_the_end().iter().all(|width| *width >= least),
            "{:?}",
            playback.at_the_end()
        );
        assert!(playback.fps(10, 60) > 4.0 * 26.0, "{mbit}: {} fps", playback.fps(10, 60));
        assert!(playback.age(10, 60, 0.95) < 400, "{mbit}: {}", playback.age(10, 60, 0.95));
        assert!(
            playback.switches_after(20_000).len() <= 6,
            "{:?}",
            playback.switches_after(20_000)
        );
        assert!(!playback.goes_back_in_time());
    }
}

#[test]
fn h264_on_a_recovered_link_is_at_full_size_within_half_a_minute() {
    let playback = one_of_h264(1_000, 20, true).run(60, |now, connection| {
        connection.rate = if now < 25_000 { 125 } else { 2_500 };
    });
    assert_eq!(playback.at_the_end(), [1280], "{:?}", playback.switches_after(0));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn whenever_the_link_recovers_the_full_size_is_shown_within_ten_seconds(
        narrow in 5_000..20_000u64,
        fills_queue: bool,
        base_rtt in 1..60u64,
    ) {
        let playback = one(4, base_rtt, fills_queue).run(narrow / 1000 + 14, |now, connection| {
            connection.rate = if now < narrow { 500 } else { 12_500 };
        });
        let after = playback.switches_after(0);
        let last = after.last().unwrap();
        prop_assert!(last.2 == 1280 && last.0 < narrow + 10_000, "{} {:?}", narrow, after);
    }
}

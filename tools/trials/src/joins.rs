//! The trial of joins: viewers that join, or stop for a while, must keep receiving bytes.

use std::io::{Write, stdout};
use std::thread;
use std::time::Duration;

use fanlight_tests::Site;
use fanlight_tests::joins::{Cell, Effort, Outcome, Reading, Stage, Transport};
use fanlight_tests::site::RELAY;

use crate::options::{JoinsOptions, Reader, program};
use crate::table::{Table, ms};

const SIZES: [u32; 3] = [90_000, 250_000, 600_000];
const READERS: [Reader; 6] = [
    Reader::Immediate,
    Reader::Working,
    Reader::Late,
    Reader::Trickle,
    Reader::SmallBuffer,
    Reader::Stop,
];
/// Viewers of a cell that join at the same time: enough that some wait for the processor while their first frame is sent.
const AT_ONCE: usize = 20;
/// Viewers that work at the same time: few enough that the machine keeps up with all of them.
const WORKING_AT_ONCE: usize = 4;
/// The frame size for viewers that stop reading. Their behaviour does not depend on the size.
const STOPPED: u32 = 250_000;
/// A receive buffer that holds less than one frame, in bytes.
const SMALL_BUFFER: usize = 64 * 1024;
/// Clients that are fast enough for each stream, and process the bytes they read.
const WORKING: [Reading; 2] = [
    Reading::Portions(16 * 1024, Duration::from_micros(200)),
    Reading::Portions(64 * 1024, Duration::from_millis(1)),
];
/// The time a late viewer waits before it reads.
const LATE: Duration = Duration::from_millis(100);
const STOPS: [u64; 3] = [1, 5, 9];

/// Runs the trial and prints its table; returns whether every join met the rule and enough joins were observed.
pub(crate) fn run(options: &JoinsOptions) -> anyhow::Result<bool> {
    let sizes = if options.bytes.is_empty() { &SIZES[..] } else { &options.bytes };
    let readers = if options.reader.is_empty() { &READERS[..] } else { &options.reader };
    let mut table = Table::new(&[
        "bytes per frame",
        "viewer",
        "joins",
        "froze",
        "p99 ms",
        "longest ms",
        "allowed ms",
        "disturbed",
    ]);
    let relay = options.relay.as_deref().map_or(Ok(RELAY.into()), program)?;
    let mut is_well = true;
    for bytes in sizes {
        for reader in readers {
            if *reader == Reader::Stop && options.bytes.is_empty() && *bytes != STOPPED {
                continue;
            }
            for (cell, outcome) in run_reader(options, &relay, *bytes as usize, *reader) {
                writeln!(stdout(), "{bytes} bytes per frame, {cell}: {outcome}")?;
                is_well &= outcome.is_well();
                table.row(row(*bytes, &cell, &outcome));
            }
        }
    }
    writeln!(stdout(), "\n{}", table.markdown())?;
    Ok(is_well)
}

/// Runs all transports with one way of reading, side by side.
fn run_reader(
    options: &JoinsOptions,
    relay: &str,
    bytes: usize,
    reader: Reader,
) -> Vec<(Cell, Outcome)> {
    let site = Site::alone();
    let stage = Stage::set_up(&site, relay, bytes);
    let effort = effort(options, reader);
    let cells = cells(reader, stage.third());
    thread::scope(|scope| {
        let stage = &stage;
        let running: Vec<_> = cells
            .into_iter()
            .map(|cell| scope.spawn(move || (cell, stage.run(&cell, &effort))))
            .collect();
        running.into_iter().map(|cell| cell.join().expect("a panic is shown already")).collect()
    })
}

fn effort(options: &JoinsOptions, reader: Reader) -> Effort {
    let (joins, watch) = match options.full {
        true => (300, Duration::from_secs(3)),
        false => (20, Duration::from_millis(1500)),
    };
    // A join with a stop takes up to eight times as long as one without.
    let joins = if reader == Reader::Stop { joins / 5 } else { joins };
    let joins = options.joins.map_or(joins, |joins| joins as usize);
    let at_once = if reader == Reader::Working { WORKING_AT_ONCE } else { AT_ONCE };
    let at_once = options.at_once.map_or(at_once, |at_once| at_once as usize);
    Effort { joins, at_once, watch, seed: options.seed }
}

fn cells(reader: Reader, third: u64) -> Vec<Cell> {
    let (readings, receive_buffer) = match reader {
        Reader::Immediate => (vec![Reading::Immediate], None),
        Reader::Working => (WORKING.into(), None),
        Reader::Late => (vec![Reading::Late(LATE)], None),
        Reader::Trickle => (vec![Reading::Trickle(third)], None),
        Reader::SmallBuffer => (vec![Reading::Immediate], Some(SMALL_BUFFER)),
        Reader::Stop => (STOPS.map(|stop| Reading::Stop(Duration::from_secs(stop))).into(), None),
    };
    let cell =
        |transport| move |reading: &Reading| Cell { transport, reading: *reading, receive_buffer };
    Transport::ALL.iter().flat_map(|transport| readings.iter().map(cell(*transport))).collect()
}

fn row(bytes: u32, cell: &Cell, outcome: &Outcome) -> Vec<String> {
    vec![
        bytes.to_string(),
        cell.to_string(),
        outcome.joins().to_string(),
        outcome.froze().to_string(),
        ms(outcome.longest_at(0.99)),
        ms(outcome.longest_at(1.0)),
        ms(outcome.allowed()),
        outcome.disturbed().to_string(),
    ]
}

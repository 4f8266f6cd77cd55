//! Frame rate and age over links with loss or a low rate, as `fanlight bench` measures them.

mod row;

use std::io::{Write, stdout};
use std::thread;

use anyhow::{bail, ensure};
use fanlight_tests::site::RELAY;

use crate::options::{LossyOptions, program};
use crate::table::Table;
use row::{Figures, ROWS, Row};

const CONGESTION: [&str; 2] = ["bbr", "cubic"];

/// One row under one congestion control, with the figures of each relay.
struct Column {
    row: &'static Row,
    congestion: &'static str,
    /// Figures of each round, by relay.
    figures: Vec<Vec<Figures>>,
}

/// The size of a measurement.
struct Effort {
    relays: Vec<String>,
    rounds: u32,
    seconds: u32,
    seed: u64,
}

/// Runs the trial and prints its table. It has no rule of its own: it succeeds if each run did.
pub(crate) fn run(options: &LossyOptions) -> anyhow::Result<bool> {
    let effort = Effort::try_from(options)?;
    let is_chosen = |row: &&Row| {
        options.row.is_empty() || options.row.iter().any(|text| row.name.contains(text))
    };
    let rows: Vec<&'static Row> = ROWS.iter().filter(is_chosen).collect();
    let names: Vec<&str> = ROWS.iter().map(|row| row.name).collect();
    ensure!(!rows.is_empty(), "--row: no row has this name; the rows are: {}", names.join(", "));
    let mut columns: Vec<Column> = rows
        .iter()
        .flat_map(|row| CONGESTION.map(|congestion| Column::new(row, congestion, &effort)))
        .collect();
    // Rounds are outermost, so that a temporary disturbance of the machine affects all rows alike.
    for round in 0..effort.rounds {
        measure_all(&mut columns, &effort, round, options.full)?;
    }
    if columns.iter().all(|column| column.figures.iter().all(Vec::is_empty)) {
        bail!("nothing was measured: see above for the reason");
    }
    writeln!(stdout(), "\n{}", table(&rows, &columns, &effort).markdown())?;
    Ok(true)
}

impl TryFrom<&LossyOptions> for Effort {
    type Error = anyhow::Error;

    fn try_from(options: &LossyOptions) -> anyhow::Result<Self> {
        let (rounds, seconds) = if options.full { (5, 20) } else { (1, 6) };
        let relays: Vec<String> =
            options.relay.iter().map(|path| program(path)).collect::<anyhow::Result<_>>()?;
        Ok(Self {
            relays: if relays.is_empty() { vec![RELAY.into()] } else { relays },
            rounds: options.rounds.unwrap_or(rounds),
            seconds: options.seconds.unwrap_or(seconds),
            seed: options.seed,
        })
    }
}

impl Column {
    fn new(row: &'static Row, congestion: &'static str, effort: &Effort) -> Self {
        Self { row, congestion, figures: vec![Vec::new(); effort.relays.len()] }
    }

    /// Measures each relay once, in an order that alternates from round to round.
    fn measure(&mut self, effort: &Effort, round: u32) -> anyhow::Result<()> {
        let count = effort.relays.len();
        for turn in 0..count {
            let at = if round.is_multiple_of(2) { turn } else { count - 1 - turn };
            let (relay, seed) = (&effort.relays[at], effort.seed + u64::from(round));
            let figures = self.row.measure(relay, self.congestion, effort.seconds, seed)?;
            if let Some(figures) = figures {
                let (name, congestion) = (self.row.name, self.congestion);
                writeln!(
                    stdout(),
                    "round {}: {name}, {congestion}, {relay}: {figures}",
                    round + 1
                )?;
                self.figures[at].push(figures);
            }
        }
        Ok(())
    }
}

/// Measures all columns: one after another in the full form, side by side in the short one.
fn measure_all(
    columns: &mut [Column],
    effort: &Effort,
    round: u32,
    full: bool,
) -> anyhow::Result<()> {
    if full {
        return columns.iter_mut().try_for_each(|column| column.measure(effort, round));
    }
    thread::scope(|scope| {
        let running: Vec<_> = columns
            .iter_mut()
            .map(|column| scope.spawn(move || column.measure(effort, round)))
            .collect();
        running.into_iter().try_for_each(|column| column.join().expect("a panic is shown already"))
    })
}

fn table(rows: &[&'static Row], columns: &[Column], effort: &Effort) -> Table {
    let mut head = vec!["link, viewer".to_owned(), "relay".to_owned()];
    for congestion in CONGESTION {
        head.extend(
            ["fps", "age p95 ms", "kB per frame"].map(|name| format!("{congestion} {name}")),
        );
    }
    let mut table = Table::new(&head.iter().map(String::as_str).collect::<Vec<_>>());
    for row in rows {
        for (at, relay) in effort.relays.iter().enumerate() {
            let mut cells = vec![row.name.to_owned(), relay.clone()];
            for column in columns.iter().filter(|column| column.row.name == row.name) {
                cells.extend(Figures::median(&column.figures[at]));
            }
            table.row(cells);
        }
    }
    table
}

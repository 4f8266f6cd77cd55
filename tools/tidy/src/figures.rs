//! Figures of the repository by area: lines, long files and functions, cycles, doc comments without a subject.

use std::collections::BTreeMap;
use std::fmt::Write;

use anyhow::Result;

use crate::layout::{self, modules, sizes};
use crate::prose;
use crate::prose::census::Share;
use crate::repository::Repository;

#[derive(Debug, Default, Clone)]
struct Figures {
    files: usize,
    lines: usize,
    long_files: usize,
    longest_files: usize,
    long_functions: usize,
    cycles: usize,
    share: Share,
}

impl Figures {
    fn add(&mut self, other: &Self) {
        self.files += other.files;
        self.lines += other.lines;
        self.long_files += other.long_files;
        self.longest_files += other.longest_files;
        self.long_functions += other.long_functions;
        self.cycles += other.cycles;
        self.share.subjectless += other.share.subjectless;
        self.share.docs += other.share.docs;
    }
}

/// Returns a table of the figures, and the list of what they count.
pub fn report(repository: &Repository) -> Result<String> {
    let mut areas: BTreeMap<String, Figures> = BTreeMap::new();
    let mut notes = String::new();
    for file in &repository.files {
        let checked = prose::check_file(file, true)?;
        let long = sizes::long_functions(file)?;
        let lines = sizes::lines(file);
        if sizes::counts(file) && lines > sizes::LONG_FILE {
            _ = writeln!(notes, "{}: {lines} lines", file.path);
        }
        long.iter().for_each(|finding| _ = writeln!(notes, "{finding}"));
        areas.entry(file.area().into()).or_default().add(&Figures {
            files: 1,
            lines,
            long_files: usize::from(sizes::counts(file) && lines > sizes::LONG_FILE),
            longest_files: usize::from(sizes::counts(file) && lines > sizes::LONGEST_FILE),
            long_functions: long.len(),
            cycles: 0,
            share: Share { subjectless: checked.subjectless.len(), docs: checked.docs },
        });
    }
    for krate in modules::crates(repository)? {
        let cycles = layout::cycles(&krate);
        cycles.iter().for_each(|finding| _ = writeln!(notes, "{finding}"));
        let area = if krate.folder.contains('/') { krate.folder.as_str() } else { "tests" };
        areas.entry(area.into()).or_default().cycles += cycles.len();
    }
    Ok(table(&areas) + "\n" + &notes)
}

fn table(areas: &BTreeMap<String, Figures>) -> String {
    let mut out = format!(
        "files   lines  >{} lines  >{} lines  functions >{} lines  cycles  docs without subject  area\n",
        sizes::LONG_FILE,
        sizes::LONGEST_FILE,
        sizes::LONGEST_FUNCTION
    );
    let mut total = Figures::default();
    areas.values().for_each(|figures| total.add(figures));
    for (area, row) in
        areas.iter().map(|(area, row)| (area.as_str(), row)).chain([("total", &total)])
    {
        let share =
            format!("{}/{} ({:.1} %)", row.share.subjectless, row.share.docs, row.share.percent());
        _ = writeln!(
            out,
            "{:>5}  {:>6}  {:>10}  {:>10}  {:>19}  {:>6}  {share:>20}  {area}",
            row.files, row.lines, row.long_files, row.longest_files, row.long_functions, row.cycles
        );
    }
    out
}

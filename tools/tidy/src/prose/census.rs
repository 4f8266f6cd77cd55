//! Figures of the prose check: hits by folder and rule, and doc comments without a subject by area.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::Checked;
use crate::files::File;

/// Largest share of doc comments without a subject, in percent: documentation that is praised for its English has
/// between 0.3 and 6 %.
pub const MOST_SUBJECTLESS: f64 = 5.0;

/// Doc comments, and those without a subject.
#[derive(Debug, Default, Clone, Copy)]
pub struct Share {
    pub subjectless: usize,
    pub docs: usize,
}

impl Share {
    /// Adds the doc comments of one file.
    pub fn add(&mut self, checked: &Checked) {
        self.subjectless += checked.subjectless.len();
        self.docs += checked.docs;
    }

    /// Returns the share in percent.
    pub fn percent(self) -> f64 {
        if self.docs == 0 { 0.0 } else { 100.0 * self.subjectless as f64 / self.docs as f64 }
    }

    /// Returns whether too many doc comments lack a subject.
    pub fn is_too_large(self) -> bool {
        self.percent() > MOST_SUBJECTLESS
    }
}

/// Hits and shares of all files.
#[derive(Debug, Default)]
pub struct Census {
    hits: BTreeMap<(String, &'static str), usize>,
    shares: BTreeMap<String, Share>,
    pub total: Share,
}

impl Census {
    /// Adds what was found in one file.
    pub fn add(&mut self, file: &File, checked: &Checked) {
        let folder = file.path.rsplit_once('/').map_or(".", |(folder, _)| folder);
        for finding in &checked.findings {
            *self.hits.entry((folder.into(), finding.rule)).or_default() += 1;
        }
        self.shares.entry(file.area().into()).or_default().add(checked);
        self.total.add(checked);
    }

    /// Returns the tables of the report.
    pub fn report(&self) -> String {
        let mut out = String::from("hits  rule      folder\n");
        for ((folder, rule), count) in &self.hits {
            _ = writeln!(out, "{count:>4}  {rule:<8}  {folder}");
        }
        out.push_str("\ndoc comments  without subject  share  area\n");
        let total = [("total".to_owned(), self.total)];
        let shares = self.shares.iter().map(|(area, share)| (area.clone(), *share));
        for (area, share) in shares.filter(|(_, share)| share.docs > 0).chain(total) {
            let (docs, count, percent) = (share.docs, share.subjectless, share.percent());
            _ = writeln!(out, "{docs:>12}  {count:>15}  {percent:>4.1}%  {area}");
        }
        out
    }
}

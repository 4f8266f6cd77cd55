//! Results as a Markdown table.

use std::fmt::Write as _;
use std::time::Duration;

/// A table under a head; each row has as many cells as the head.
#[derive(Debug)]
pub(crate) struct Table {
    head: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// Returns a table without rows.
    pub(crate) fn new(head: &[&str]) -> Self {
        Self { head: head.iter().map(|cell| (*cell).to_owned()).collect(), rows: Vec::new() }
    }

    pub(crate) fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }

    /// Returns the table as Markdown, with columns as wide as their longest cell.
    pub(crate) fn markdown(&self) -> String {
        let mut text = String::new();
        let widths: Vec<usize> = (0..self.head.len()).map(|column| self.width(column)).collect();
        write_row(&mut text, &self.head, &widths);
        let rule: Vec<String> = widths.iter().map(|width| "-".repeat(*width)).collect();
        write_row(&mut text, &rule, &widths);
        self.rows.iter().for_each(|row| write_row(&mut text, row, &widths));
        text
    }

    fn width(&self, column: usize) -> usize {
        let cells = self.rows.iter().chain([&self.head]).filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0).max(3)
    }
}

/// Returns a duration in whole milliseconds, without the unit.
pub(crate) fn ms(duration: Duration) -> String {
    duration.as_millis().to_string()
}

fn write_row(text: &mut String, cells: &[String], widths: &[usize]) {
    for (cell, width) in cells.iter().zip(widths) {
        // Writing to memory does not fail.
        let _ = write!(text, "| {cell:<width$} ");
    }
    text.push_str("|\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_longest_cell() {
        let mut table = Table::new(&["a", "fps"]);
        table.row(vec!["longer".into(), "1".into()]);
        let lines = "| a      | fps |\n| ------ | --- |\n| longer | 1   |\n";
        assert_eq!(table.markdown(), lines);
    }
}

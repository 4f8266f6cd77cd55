//! The allow-list: hits that are right where they stand, each with its reason.

use anyhow::{Context, Result, bail};
use toml::{Table, Value};

use crate::finding::Finding;
use crate::places::matches;

/// Path of the list in the repository.
pub const PATH: &str = "tools/tidy/allow.toml";

/// One entry of the list.
#[derive(Debug)]
struct Entry {
    /// Path, in which `*` stands for any characters.
    file: String,
    /// Part of the sentence that was hit.
    text: String,
    used: bool,
}

/// The allow-list, and the entries that were of use.
#[derive(Debug, Default)]
pub struct AllowList(Vec<Entry>);

impl AllowList {
    /// Reads a list: tables `[[allow]]` with `file`, `text` and `reason`.
    pub fn parse(text: &str) -> Result<Self> {
        let table: Table = text.parse().with_context(|| format!("{PATH} is no TOML"))?;
        let entries = match table.get("allow") {
            None => return Ok(Self::default()),
            Some(Value::Array(entries)) => entries,
            Some(_) => bail!("{PATH}: write [[allow]] for each entry"),
        };
        entries.iter().map(entry).collect::<Result<_>>().map(Self)
    }

    /// Returns whether an entry covers a finding, and marks that entry as used.
    pub fn covers(&mut self, finding: &Finding) -> bool {
        let mut covered = false;
        for entry in &mut self.0 {
            if matches(&entry.file, &finding.file) && finding.excerpt.contains(&entry.text) {
                entry.used = true;
                covered = true;
            }
        }
        covered
    }

    /// Returns a finding for each entry that covered nothing.
    pub fn unused(&self) -> Vec<Finding> {
        let unused = self.0.iter().filter(|entry| !entry.used);
        let describe = |entry: &Entry| Finding {
            file: PATH.into(),
            line: 0,
            rule: "allow",
            detail: format!("no hit in {}; remove the entry", entry.file),
            excerpt: entry.text.clone(),
        };
        unused.map(describe).collect()
    }
}

fn entry(value: &Value) -> Result<Entry> {
    let text = |key: &str| {
        let text = value.get(key).and_then(Value::as_str).unwrap_or_default();
        if text.trim().is_empty() {
            bail!("{PATH}: an entry needs `{key}`: {value:?}");
        }
        Ok(text.to_owned())
    };
    text("reason")?;
    Ok(Entry { file: text("file")?, text: text("text")?, used: false })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(file: &str) -> Finding {
        let excerpt = "The user wants it.".into();
        Finding { file: file.into(), line: 1, rule: "ban", detail: String::new(), excerpt }
    }

    #[test]
    fn an_entry_covers_its_hit_and_others_are_unused() {
        let text = "[[allow]]\nfile = \"docs/*.md\"\ntext = \"wants it\"\nreason = \"quotes a driver\"\n\
                    [[allow]]\nfile = \"a.md\"\ntext = \"x\"\nreason = \"y\"\n";
        let mut list = AllowList::parse(text).unwrap();
        assert!(list.covers(&finding("docs/a.md")));
        assert!(!list.covers(&finding("README.md")));
        assert_eq!(list.unused().len(), 1);
    }

    #[test]
    fn an_entry_needs_a_reason() {
        assert!(AllowList::parse("[[allow]]\nfile = \"a\"\ntext = \"b\"\n").is_err());
    }
}

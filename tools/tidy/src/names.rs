//! Names and the glossary: types that share a name, uses of a word in identifiers, tests with banned phrases.

use std::collections::BTreeMap;
use std::fmt::Write;

use anyhow::Result;

use crate::files::{File, Language};
use crate::repository::Repository;
use crate::rust::{self, items};
use crate::{code, prose};

/// Returns the types that share a name, and the tests with banned phrases in theirs.
pub fn report(repository: &Repository) -> Result<String> {
    let mut out = String::from("== types that several files define\n");
    for (name, places) in types(repository)?.iter().filter(|(_, places)| places.len() > 1) {
        _ = writeln!(out, "{name}: {}", places.join(", "));
    }
    out.push_str("\n== tests with banned phrases in their names\n");
    for (place, phrase) in tests(repository)? {
        _ = writeln!(out, "{place}: {phrase}");
    }
    Ok(out)
}

fn types(repository: &Repository) -> Result<BTreeMap<String, Vec<String>>> {
    let mut places: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for file in repository.sources() {
        for item in items::items(rust::parse(&file.path, &file.text)?) {
            if ["struct", "enum", "trait", "type", "union"].contains(&item.keyword.as_str()) {
                let place = format!("{}:{}", file.path, item.lines.start);
                places.entry(item.name).or_default().push(place);
            }
        }
    }
    Ok(places)
}

/// Returns the places of each given word in identifiers and file names: the first line of each file, 0 for its name.
pub fn uses(repository: &Repository, words: &[&str]) -> String {
    let mut out = String::new();
    let is_code = |file: &&File| matches!(file.language, Language::Rust | Language::JavaScript);
    let files = repository.files.iter().filter(is_code);
    let lines: Vec<(&File, Vec<String>)> = files
        .map(|file| {
            let code = code::of(file, false);
            (
                file,
                std::iter::once(file.path.as_str())
                    .chain(code.lines())
                    .map(str::to_owned)
                    .collect(),
            )
        })
        .collect();
    for word in words {
        let place = |(file, lines): &(&File, Vec<String>)| {
            let line = lines.iter().position(|line| parts(line).any(|part| part == *word))?;
            Some(format!("{}:{line}", file.path))
        };
        let places: Vec<String> = lines.iter().filter_map(place).collect();
        if !places.is_empty() {
            _ = writeln!(out, "{word}: {}", places.join(", "));
        }
    }
    out
}

/// Returns the parts of the identifiers in a line, in lower case: `next_seat` and `NextSeat` have two.
fn parts(line: &str) -> impl Iterator<Item = String> {
    let mut parts = vec![String::new()];
    let mut lower_before = false;
    for c in line.chars() {
        if !c.is_alphabetic() || (c.is_uppercase() && lower_before) {
            parts.push(String::new());
        }
        if c.is_alphabetic() {
            parts.last_mut().expect("one part at least").extend(c.to_lowercase());
        }
        lower_before = c.is_lowercase();
    }
    parts.into_iter()
}

fn tests(repository: &Repository) -> Result<Vec<(String, String)>> {
    let mut found = Vec::new();
    let mut add = |file: &File, line: usize, name: &str| {
        let phrase = prose::banned_in(&name.replace('_', " "));
        found.extend(phrase.map(|phrase| (format!("{}:{line}", file.path), phrase)));
    };
    for file in &repository.files {
        match file.language {
            Language::Rust => items::walk(rust::parse(&file.path, &file.text)?, &mut |item| {
                if item.keyword == "fn" && item.test {
                    add(file, item.lines.start, &item.name);
                }
            }),
            Language::JavaScript => {
                for (line, number) in file.text.lines().zip(1..) {
                    let name = line
                        .trim_start()
                        .strip_prefix("test('")
                        .and_then(|rest| rest.split_once("',"));
                    name.into_iter().for_each(|(name, _)| add(file, number, name));
                }
            }
            _ => {}
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report_of(path: &str, text: &str) -> String {
        let file = File::new(path, text).unwrap();
        report(&Repository::new(vec![file])).unwrap()
    }

    #[test]
    fn a_name_that_several_files_define_is_listed() {
        let files = ["crates/a/src/x.rs", "crates/b/src/y.rs"];
        let files = files.map(|path| File::new(path, "pub struct Turn;").unwrap());
        let report = report(&Repository::new(files.to_vec())).unwrap();
        assert!(report.contains("Turn: crates/a/src/x.rs:1, crates/b/src/y.rs:1"), "{report}");
    }

    #[test]
    fn a_word_is_found_within_identifiers() {
        let text = "// bell\nfn f(a: NextSeat) { gauge_of(a) }\n";
        let file = File::new("crates/a/src/outlet.rs", text).unwrap();
        let found = uses(&Repository::new(vec![file]), &["bell", "gauge", "outlet", "seat"]);
        let at = |line| format!("crates/a/src/outlet.rs:{line}\n");
        assert_eq!(found, format!("gauge: {}outlet: {}seat: {}", at(2), at(0), at(2)));
    }

    #[test]
    fn names_of_tests_are_read_as_sentences() {
        let report =
            report_of("crates/a/src/x.rs", "#[test]\nfn it_goes_on() {}\nfn it_goes_on_too() {}\n");
        assert!(report.contains("x.rs:2: \"goes on\""), "{report}");
        assert!(!report.contains("x.rs:3"), "{report}");
        let report = report_of("web/tests/a.test.js", "test('begins anew', () => {\n");
        assert!(report.contains("a.test.js:1: \"anew\""), "{report}");
    }
}

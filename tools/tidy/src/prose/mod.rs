//! The prose check: plain English in every text that a person reads.
//!
//! Texts pass through it in this order: an extractor of the file's language (`extract`) yields passages, `block` splits
//! them into headings, paragraphs and cells, `words` into sentences and words, and two tables hold the rules: phrases
//! (`banned`) and openings of sentences (`openings`). `allow` removes the hits that are right where they stand.

pub mod allow;
mod banned;
mod block;
pub mod census;
mod extract;
mod openings;
mod passage;
mod words;

use anyhow::{Result, bail};

use crate::files::{File, Language};
use crate::finding::Finding;
use crate::repository::Repository;
use allow::AllowList;
use banned::{ACTORS, BANNED, Banned};
use block::{Block, Kind};
use census::Census;
use passage::{Origin, Passage};
use words::{Sentence, Word};

/// A banned phrase.
pub const BAN: &str = "ban";
/// A phrase that hides who does something.
pub const ACTOR: &str = "actor";
/// A sentence that starts with What, Who, How, Where and the like, or a condition without a main clause.
pub const HEADLESS: &str = "headless";
/// A doc comment that starts with the name of a type where a verb or a noun belongs.
pub const TYPE: &str = "type";
/// A doc comment whose first sentence has no subject: an error only if there are too many of them.
pub const SUBJECT: &str = "subject";

/// All that the check found.
#[derive(Debug, Default)]
pub struct Outcome {
    pub findings: Vec<Finding>,
    /// Doc comments without a subject, except for those that `findings` has as headless.
    pub subjectless: Vec<Finding>,
    pub census: Census,
}

impl Outcome {
    /// Returns whether there is no finding, and not too many doc comments lack a subject.
    pub fn passed(&self) -> bool {
        self.findings.is_empty() && !self.census.total.is_too_large()
    }
}

/// All that the check found in one file.
#[derive(Debug, Default)]
pub struct Checked {
    pub findings: Vec<Finding>,
    /// Doc comments without a subject, headless ones included.
    pub subjectless: Vec<Finding>,
    /// Number of Rust doc comments.
    pub docs: usize,
}

/// Checks the files below the given paths, or all; without paths, an entry of the allow-list without a hit is a
/// finding.
///
/// A path below which no file lies is an error, since it would pass every check.
pub fn check(repository: &Repository, paths: &[&str]) -> Result<Outcome> {
    let is_empty =
        |path: &&&str| !repository.files.iter().any(|file| is_below(&file.path, &[**path]));
    if let Some(path) = paths.iter().find(is_empty) {
        bail!("{path}: no file to check; give paths relative to the root of the repository");
    }
    let list = repository.files.iter().find(|file| file.path == allow::PATH);
    let mut allowed =
        list.map(|file| AllowList::parse(&file.text)).transpose()?.unwrap_or_default();
    let mut outcome = Outcome::default();
    // The list quotes what it allows.
    let checked = |file: &&File| file.path != allow::PATH && is_below(&file.path, paths);
    for file in repository.files.iter().filter(checked) {
        let mut checked = check_file(file, repository.is_test(file))?;
        checked.findings.retain(|finding| !allowed.covers(finding));
        checked.subjectless.retain(|finding| !allowed.covers(finding));
        outcome.census.add(file, &checked);
        let headless =
            |hit: &Finding| checked.findings.iter().any(|finding| is_same_sentence(finding, hit));
        outcome
            .subjectless
            .extend(checked.subjectless.iter().filter(|hit| !headless(hit)).cloned());
        outcome.findings.append(&mut checked.findings);
    }
    if paths.is_empty() {
        outcome.findings.extend(allowed.unused());
    }
    Ok(outcome)
}

fn is_same_sentence(finding: &Finding, doc: &Finding) -> bool {
    finding.rule == HEADLESS && finding.excerpt == doc.excerpt && finding.line >= doc.line
}

/// Returns whether a path is one of the given ones or lies below one; none given means all.
fn is_below(path: &str, paths: &[&str]) -> bool {
    let holds = |top: &&str| {
        let top = top.trim_start_matches("./").trim_end_matches('/');
        let rest = path.strip_prefix(top);
        matches!(top, "" | ".") || rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    paths.is_empty() || paths.iter().any(holds)
}

/// Checks one file; `is_test` leaves its strings out.
pub fn check_file(file: &File, is_test: bool) -> Result<Checked> {
    let mut checked = Checked::default();
    for passage in extract::passages(file, is_test)? {
        let blocks = block::blocks(&passage);
        for block in &blocks {
            check_block(file, block, &mut checked.findings);
        }
        if passage.origin == Origin::Doc && file.language == Language::Rust {
            check_doc(file, &passage, &blocks, &mut checked);
        }
    }
    Ok(checked)
}

/// Returns the first banned phrase in the words of a name, such as that of a test.
pub fn banned_in(name: &str) -> Option<String> {
    let words = words::words(name);
    let hit = |first| {
        let ban =
            BANNED.iter().chain(ACTORS).find_map(|ban| Some((ban, ban.ends_at(&words, first)?)));
        ban.map(|(ban, last)| {
            format!("\"{}\", write: {}", &name[words[first].start..words[last].end], ban.instead)
        })
    };
    (0..words.len()).find_map(hit)
}

fn check_block(file: &File, block: &Block, findings: &mut Vec<Finding>) {
    for sentence in words::sentences(&block.text) {
        let words = words::words(sentence.text);
        let phrases = |rule, list: &'static [Banned], findings: &mut Vec<Finding>| {
            for first in 0..words.len() {
                let hit = list.iter().find_map(|ban| Some((ban, ban.ends_at(&words, first)?)));
                findings.extend(hit.map(|(ban, last)| {
                    let detail = quote(&sentence, &words[first], &words[last], ban.instead);
                    finding(file, block, &sentence, words[first].start, rule, detail)
                }));
            }
        };
        phrases(BAN, BANNED, findings);
        phrases(ACTOR, ACTORS, findings);
        let opening = openings::headless(block, &sentence);
        findings.extend(opening.map(|opening| {
            finding(
                file,
                block,
                &sentence,
                0,
                HEADLESS,
                format!("\"{opening}\" starts a sentence without its subject"),
            )
        }));
    }
}

fn check_doc(file: &File, passage: &Passage, blocks: &[Block], checked: &mut Checked) {
    let Some(block) = blocks.iter().find(|block| block.kind == Kind::Paragraph) else { return };
    checked.docs += 1;
    let sentences = words::sentences(&block.text);
    let Some(first) = sentences.first() else { return };
    checked.findings.extend(openings::type_name(first).map(|name| {
        let detail = format!("\"{name}\" starts a doc comment; write a verb, a noun, or `{name}`");
        finding(file, block, first, 0, TYPE, detail)
    }));
    let opening = openings::subjectless(block, first);
    checked.subjectless.extend(opening.map(|opening| {
        let detail = format!("\"{opening}\" starts a doc comment without a subject");
        Finding { line: passage.line, ..finding(file, block, first, 0, SUBJECT, detail) }
    }));
}

fn quote(sentence: &Sentence<'_>, first: &Word, last: &Word, instead: &str) -> String {
    format!("\"{}\", write: {instead}", words::collapse(&sentence.text[first.start..last.end]))
}

fn finding(
    file: &File,
    block: &Block,
    sentence: &Sentence<'_>,
    at: usize,
    rule: &'static str,
    detail: String,
) -> Finding {
    let line = block.line + words::lines_before(&block.text, sentence.start + at);
    Finding { file: file.path.clone(), line, rule, detail, excerpt: words::collapse(sentence.text) }
}

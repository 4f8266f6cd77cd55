//! Edges between sibling modules, and the cycles among them.
//!
//! The siblings are the children of one parent, each with all modules below it. An import between two modules is an edge
//! between the two siblings above them; an import of the parent's own items is none, an import of what the parent
//! re-exports is one to the sibling that defines it.

use std::collections::{BTreeMap, BTreeSet};

use super::modules::{Crate, ModulePath};
use super::resolve;

/// An import that makes one sibling depend on another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edge {
    pub file: String,
    pub line: usize,
    pub path: String,
}

/// Edges between the children of one parent, each with its first import.
pub type Siblings = BTreeMap<(String, String), Edge>;

/// Returns the edges of a crate by parent.
pub fn edges(krate: &Crate) -> BTreeMap<ModulePath, Siblings> {
    let mut found: BTreeMap<ModulePath, Siblings> = BTreeMap::new();
    for (from, module) in &krate.modules {
        for mention in &module.mentions {
            let Some(target) = resolve::target(krate, from, &mention.segments) else { continue };
            let common = from.iter().zip(&target).take_while(|(a, b)| a == b).count();
            let (Some(here), Some(there)) = (from.get(common), target.get(common)) else {
                continue;
            };
            let edge = || Edge {
                file: module.file.clone(),
                line: mention.line,
                path: mention.segments.join("::"),
            };
            let siblings = found.entry(from[..common].to_vec()).or_default();
            siblings.entry((here.clone(), there.clone())).or_insert_with(edge);
        }
    }
    found
}

/// Returns the cycles among siblings: for each group that can reach each other, its shortest cycle.
pub fn cycles(siblings: &Siblings) -> Vec<Vec<String>> {
    let names: BTreeSet<&String> = siblings.keys().flat_map(|(from, to)| [from, to]).collect();
    let mut seen: BTreeSet<String> = BTreeSet::new();
    let mut found = Vec::new();
    for name in names {
        if seen.contains(name) {
            continue;
        }
        let group: Vec<String> = reachable(siblings, name)
            .into_iter()
            .filter(|other| reachable(siblings, other).contains(name))
            .collect();
        seen.extend(group.iter().cloned());
        found.extend(group.iter().filter_map(|name| shortest(siblings, name)).min_by_key(Vec::len));
    }
    found
}

fn reachable(siblings: &Siblings, start: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut open = vec![start.to_owned()];
    while let Some(name) = open.pop() {
        for next in followers(siblings, &name) {
            if found.insert(next.clone()) {
                open.push(next.clone());
            }
        }
    }
    found
}

fn followers<'a>(siblings: &'a Siblings, name: &'a str) -> impl Iterator<Item = &'a String> {
    siblings.keys().filter(move |(from, _)| from == name).map(|(_, to)| to)
}

/// Returns the shortest way from a module back to itself.
fn shortest(siblings: &Siblings, start: &str) -> Option<Vec<String>> {
    let mut ways = vec![vec![start.to_owned()]];
    let mut seen = BTreeSet::new();
    while !ways.is_empty() {
        let mut next = Vec::new();
        for way in &ways {
            for name in followers(siblings, way.last()?) {
                if name == start {
                    return Some(way.clone());
                }
                if seen.insert(name.clone()) {
                    next.push([way.as_slice(), std::slice::from_ref(name)].concat());
                }
            }
        }
        ways = next;
    }
    None
}

//! The layout check: boundaries between crates and between modules, and sizes.
//!
//! `rules` is the table of all boundaries. `manifests` compares them with the dependencies of crates, `layers` with the
//! imports between modules, `words` with the code of files. Cycles need no rule: `graph` finds them all, and `scripts`
//! those of the page.

pub mod graph;
mod layers;
mod manifests;
pub mod modules;
mod resolve;
pub mod rule;
pub mod rules;
mod scripts;
pub mod sizes;
mod words;

use anyhow::Result;

use crate::finding::Finding;
use crate::repository::Repository;
use modules::Crate;

/// An import cycle between sibling modules, or between scripts of the page.
pub const CYCLE: &str = "cycle";
/// A dependency between our crates that no rule allows.
pub const CRATE: &str = "crate";
/// A dependency on a library that has its home in another crate.
pub const LIBRARY: &str = "library";
/// A dependency that is not declared in the root's manifest.
pub const VERSION: &str = "version";
/// An import between modules that runs up or along a row.
pub const LAYER: &str = "layer";
/// A word in a place where it does not belong.
pub const WORD: &str = "word";
/// An import of all names of a module above, which hides what is used of it.
pub const GLOB: &str = "glob";
/// A rule that matches nothing, or a crate or module without a rule.
pub const UNMATCHED: &str = "unmatched";

/// Strictness of the check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// A rule may match nothing, for trees in which files are still being moved.
    Lenient,
    /// A rule must match something, and each crate, and each module at the top of a crate with layers, needs a rule.
    Strict,
}

impl Mode {
    fn is_strict(self) -> bool {
        self == Self::Strict
    }
}

/// Checks all rules.
pub fn check(repository: &Repository, mode: Mode) -> Result<Vec<Finding>> {
    let files = &repository.files;
    let mut found = Vec::new();
    let manifests = manifests::read(files)?;
    found.extend(manifests::check_crates(rules::CRATES, &manifests, mode));
    found.extend(manifests::check_libraries(rules::LIBRARIES, &manifests, mode));
    found.extend(manifests::check_versions(&manifests));
    for krate in modules::crates(repository)? {
        let edges = graph::edges(&krate);
        let top = edges.get(&Vec::new()).cloned().unwrap_or_default();
        let rules = rules::LAYERS.iter().filter(|rule| rule.folder == krate.folder);
        found.extend(rules.flat_map(|rule| layers::check(rule, &krate, &top, mode)));
        found.extend(cycles(&krate));
        found.extend(globs(&krate));
    }
    found.extend(scripts::cycles(files));
    for rule in rules::WORDS {
        found.extend(words::check(rule, repository, mode));
    }
    found.sort();
    found.dedup();
    Ok(found)
}

/// Returns a finding for each import cycle between sibling modules of a crate.
pub fn cycles(krate: &Crate) -> Vec<Finding> {
    let mut found = Vec::new();
    for (parent, siblings) in graph::edges(krate) {
        for cycle in graph::cycles(&siblings) {
            let next = cycle.iter().cycle().skip(1);
            let edges: Vec<_> = cycle
                .iter()
                .zip(next)
                .map(|(from, to)| &siblings[&(from.clone(), to.clone())])
                .collect();
            let place = [vec![krate.folder.clone()], parent.clone()].concat().join("/");
            let imports =
                edges.iter().map(|edge| format!("{}:{} {}", edge.file, edge.line, edge.path));
            found.push(Finding {
                file: edges[0].file.clone(),
                line: edges[0].line,
                rule: CYCLE,
                detail: format!(
                    "modules of {place} import each other: {} → {}",
                    cycle.join(" → "),
                    cycle[0]
                ),
                excerpt: imports.collect::<Vec<_>>().join(", "),
            });
        }
    }
    found
}

/// Returns a finding for each `use` of all names of the crate or of a module above.
fn globs(krate: &Crate) -> Vec<Finding> {
    let mut found = Vec::new();
    for (path, module) in &krate.modules {
        for glob in &module.globs {
            let target = resolve::target(krate, path, &glob.segments);
            if target.is_some_and(|target| target.len() < path.len() && path.starts_with(&target)) {
                found.push(Finding {
                    file: module.file.clone(),
                    line: glob.line,
                    rule: GLOB,
                    detail: "name what is imported: an import of all names hides cycles".into(),
                    excerpt: format!("use {}::*", glob.segments.join("::")),
                });
            }
        }
    }
    found
}

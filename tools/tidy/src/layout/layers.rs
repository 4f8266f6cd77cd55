//! The order of the modules within a crate.

use std::collections::BTreeSet;

use super::graph::Siblings;
use super::modules::Crate;
use super::rule::LayerRule;
use super::{LAYER, Mode, UNMATCHED};
use crate::finding::Finding;

/// Returns the imports that run up or along a row; in strict mode also modules without a row and names without a module.
pub(super) fn check(
    rule: &LayerRule,
    krate: &Crate,
    imports: &Siblings,
    mode: Mode,
) -> Vec<Finding> {
    let row = |name: &str| rule.rows.iter().position(|row| row.contains(&name));
    let mut found = Vec::new();
    for ((from, to), edge) in imports {
        if let (Some(above), Some(below)) = (row(from), row(to))
            && above >= below
        {
            found.push(Finding {
                file: edge.file.clone(),
                line: edge.line,
                rule: LAYER,
                detail: format!("`{from}` may not import from `{to}`: {}", rule.reason),
                excerpt: edge.path.clone(),
            });
        }
    }
    if mode.is_strict() {
        found.extend(mismatches(rule, krate));
    }
    found
}

fn mismatches(rule: &LayerRule, krate: &Crate) -> Vec<Finding> {
    let modules: BTreeSet<&str> =
        krate.modules.keys().filter_map(|path| path.first()).map(String::as_str).collect();
    let listed: BTreeSet<&str> = rule.rows.iter().flat_map(|row| row.iter().copied()).collect();
    let missing =
        modules.difference(&listed).map(|name| format!("`{name}` has no row in the layers"));
    let gone = listed
        .difference(&modules)
        .map(|name| format!("the layers name `{name}`, which is no module"));
    let finding = |detail| Finding {
        file: krate.folder.clone(),
        line: 0,
        rule: UNMATCHED,
        detail,
        excerpt: String::new(),
    };
    missing.chain(gone).map(finding).collect()
}

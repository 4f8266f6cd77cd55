//! Manifests: which crates and libraries a crate depends on.

use anyhow::{Context, Result};
use toml::{Table, Value};

use super::rule::{CrateRule, LibraryRule};
use super::{CRATE, LIBRARY, Mode, UNMATCHED, VERSION};
use crate::files::File;
use crate::finding::Finding;

#[derive(Debug)]
struct Dependency {
    name: String,
    /// Only tests and benches use it.
    tests_only: bool,
    /// Its version stands in the manifest of the workspace.
    inherited: bool,
}

/// The dependencies of one crate.
#[derive(Debug)]
pub(super) struct Manifest {
    path: String,
    folder: String,
    dependencies: Vec<Dependency>,
}

/// Reads the manifests of all crates.
pub(super) fn read(files: &[File]) -> Result<Vec<Manifest>> {
    let manifests = files.iter().filter(|file| file.path.ends_with("/Cargo.toml"));
    manifests.map(|file| manifest(&file.path, &file.text)).collect()
}

fn manifest(path: &str, text: &str) -> Result<Manifest> {
    let table: Table = text.parse().with_context(|| format!("{path} is no TOML"))?;
    let mut dependencies = Vec::new();
    collect(&table, &mut dependencies);
    let targets = table.get("target").and_then(Value::as_table);
    for target in targets.into_iter().flat_map(Table::values).filter_map(Value::as_table) {
        collect(target, &mut dependencies);
    }
    Ok(Manifest {
        path: path.into(),
        folder: path.trim_end_matches("/Cargo.toml").into(),
        dependencies,
    })
}

fn collect(table: &Table, found: &mut Vec<Dependency>) {
    for (section, tests_only) in
        [("dependencies", false), ("build-dependencies", false), ("dev-dependencies", true)]
    {
        let entries = table.get(section).and_then(Value::as_table);
        found.extend(entries.into_iter().flatten().map(|(name, value)| Dependency {
            name: name.clone(),
            tests_only,
            inherited: value.get("workspace").and_then(Value::as_bool) == Some(true),
        }));
    }
}

/// Returns the dependencies on our own crates that no rule allows.
pub(super) fn check_crates(
    rules: &[CrateRule],
    manifests: &[Manifest],
    mode: Mode,
) -> Vec<Finding> {
    let mut found = Vec::new();
    for manifest in manifests {
        let Some(rule) = rules.iter().find(|rule| rule.folder == manifest.folder) else {
            let detail = "this crate has no row in the table of crates".to_owned();
            found.extend(mode.is_strict().then(|| manifest.finding(UNMATCHED, detail)));
            continue;
        };
        for dependency in &manifest.dependencies {
            let Some(name) = dependency.name.strip_prefix("fanlight-") else { continue };
            let allowed = rule.uses.contains(&name)
                || (dependency.tests_only && rule.tests_use.contains(&name));
            let detail = format!("may not depend on `{name}`: {}", rule.reason);
            found.extend((!allowed).then(|| manifest.finding(CRATE, detail)));
        }
    }
    let is_gone = |rule: &&CrateRule| {
        mode.is_strict() && !manifests.iter().any(|manifest| manifest.folder == rule.folder)
    };
    found.extend(rules.iter().filter(is_gone).map(|rule| Finding {
        file: rule.folder.into(),
        line: 0,
        rule: UNMATCHED,
        detail: "the table of crates names it, and no such crate exists".into(),
        excerpt: String::new(),
    }));
    found
}

/// Returns the dependencies on libraries that have their home elsewhere; a home that does not use its library is an
/// error in strict mode.
pub(super) fn check_libraries(
    rules: &[LibraryRule],
    manifests: &[Manifest],
    mode: Mode,
) -> Vec<Finding> {
    let mut found = Vec::new();
    for rule in rules {
        let users = manifests.iter().filter(|manifest| {
            // Tests may use a library that their program does not use.
            manifest
                .dependencies
                .iter()
                .any(|dependency| dependency.name == rule.library && !dependency.tests_only)
        });
        let (at_home, elsewhere): (Vec<_>, Vec<_>) =
            users.partition(|manifest| rule.only.contains(&manifest.folder.as_str()));
        let detail = || format!("may not depend on `{}`: {}", rule.library, rule.reason);
        found.extend(elsewhere.iter().map(|manifest| manifest.finding(LIBRARY, detail())));
        if mode.is_strict() && at_home.len() < rule.only.len() {
            let detail =
                format!("not all of {} depend on `{}`", rule.only.join(", "), rule.library);
            let file = "Cargo.toml".into();
            found.push(Finding { file, line: 0, rule: UNMATCHED, detail, excerpt: String::new() });
        }
    }
    found
}

/// Returns the dependencies whose version does not come from the workspace.
pub(super) fn check_versions(manifests: &[Manifest]) -> Vec<Finding> {
    let mut found = Vec::new();
    for manifest in manifests {
        for dependency in manifest.dependencies.iter().filter(|dependency| !dependency.inherited) {
            let detail = format!(
                "write `{}.workspace = true`: versions stand in the root's manifest",
                dependency.name
            );
            found.push(manifest.finding(VERSION, detail));
        }
    }
    found
}

impl Manifest {
    fn finding(&self, rule: &'static str, detail: String) -> Finding {
        Finding { file: self.path.clone(), line: 0, rule, detail, excerpt: String::new() }
    }
}

//! Modules of a crate, with the names they define, import and mention.

use std::collections::{BTreeMap, HashMap, HashSet};

use anyhow::Result;
use proc_macro2::TokenStream;

use crate::repository::Repository;
use crate::rust::paths::{self, Import, Path};
use crate::rust::test_code;
use crate::rust::{self, items};

/// Path of a module within its crate; empty for the root.
pub type ModulePath = Vec<String>;

/// One module: a file, or an inline `mod name { … }`.
#[derive(Debug, Default)]
pub struct Module {
    pub file: String,
    /// Names of its items, which a path to this module may end with.
    pub defined: HashSet<String>,
    /// Names that `use` brings in, with their paths.
    pub imported: HashMap<String, Vec<String>>,
    /// Modules whose names `use …::*` brings in.
    pub globs: Vec<Path>,
    /// Paths in `use` declarations and in code, without those of test code.
    pub mentions: Vec<Path>,
}

/// The modules of one crate's library and program.
#[derive(Debug)]
pub struct Crate {
    /// Folder of the crate, such as `crates/relay`.
    pub folder: String,
    /// Name by which the program knows its library, such as `fanlight_relay`.
    pub library: String,
    pub modules: BTreeMap<ModulePath, Module>,
}

/// Returns all crates whose sources lie in a folder `src`.
pub fn crates(repository: &Repository) -> Result<Vec<Crate>> {
    let mut found: BTreeMap<String, Crate> = BTreeMap::new();
    for file in repository.sources() {
        let Some((folder, path)) = file.path.split_once("/src/") else { continue };
        let name = folder.rsplit('/').next().unwrap_or(folder).replace('-', "_");
        let krate = found.entry(folder.into()).or_insert_with(|| Crate {
            folder: folder.into(),
            library: format!("fanlight_{name}"),
            modules: BTreeMap::new(),
        });
        let tokens = rust::parse(&file.path, &file.text)?;
        add(krate, module_path(path), &file.path, tokens);
    }
    let mut crates: Vec<Crate> = found.into_values().collect();
    crates.iter_mut().for_each(root_of_a_program);
    Ok(crates)
}

/// Returns the path of the module that a file below `src` holds.
fn module_path(file: &str) -> ModulePath {
    let stem = file.trim_end_matches(".rs");
    let mut path: ModulePath = stem.split('/').map(str::to_owned).collect();
    if path.last().is_some_and(|last| last == "mod") || stem == "lib" {
        path.pop();
    }
    path
}

/// Makes `main.rs` the root of a crate that has no library.
fn root_of_a_program(krate: &mut Crate) {
    if !krate.modules.contains_key(&ModulePath::new())
        && let Some(main) = krate.modules.remove(&vec!["main".to_owned()])
    {
        krate.modules.insert(ModulePath::new(), main);
    }
}

fn add(krate: &mut Crate, path: ModulePath, file: &str, tokens: TokenStream) {
    let mut module = Module { file: file.into(), ..Module::default() };
    let skipped = test_code::ranges(&tokens);
    for item in items::items(tokens.clone()).into_iter().filter(|item| !item.test) {
        match (item.keyword.as_str(), item.body) {
            ("use", _) => module.import(paths::imports(&item.head)),
            ("mod", Some(body)) => {
                let inner = [path.clone(), vec![item.name.clone()]].concat();
                add(krate, inner, file, body.stream());
            }
            ("mod" | "impl" | "", _) => {}
            _ => _ = module.defined.insert(item.name),
        }
    }
    module.mentions = paths::paths(&without(tokens, &skipped));
    krate.modules.insert(path, module);
}

/// Removes test code and inline modules, whose paths start elsewhere.
fn without(tokens: TokenStream, skipped: &[std::ops::Range<usize>]) -> TokenStream {
    let inline = items::items(tokens.clone())
        .into_iter()
        .filter(|item| item.keyword == "mod" && item.body.is_some());
    let inline: Vec<_> = inline.map(|item| item.bytes).collect();
    drop_ranges(tokens, &|at| skipped.iter().chain(&inline).any(|range| range.contains(&at)))
}

fn drop_ranges(tokens: TokenStream, dropped: &dyn Fn(usize) -> bool) -> TokenStream {
    use proc_macro2::{Group, TokenTree};
    let kept = tokens.into_iter().filter(|tree| !dropped(tree.span().byte_range().start));
    kept.map(|tree| match tree {
        TokenTree::Group(group) => {
            let mut inner = Group::new(group.delimiter(), drop_ranges(group.stream(), dropped));
            inner.set_span(group.span());
            TokenTree::Group(inner)
        }
        other => other,
    })
    .collect()
}

impl Module {
    fn import(&mut self, imports: Vec<Import>) {
        for import in imports {
            if import.name == "*" {
                self.globs.push(Path { segments: import.path, line: import.line });
            } else {
                self.imported.insert(import.name, import.path);
            }
        }
    }
}

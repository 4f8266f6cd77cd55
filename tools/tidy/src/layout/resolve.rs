//! Resolution: which module of the crate a path leads to, through re-exports and `super`.

use super::modules::{Crate, ModulePath};

/// Longest chain of re-exports that is followed; a chain that ends nowhere must not keep the check busy.
const MOST_STEPS: usize = 16;

/// Returns the module that defines what a path names; `None` for paths out of the crate.
pub(crate) fn target(krate: &Crate, from: &ModulePath, path: &[String]) -> Option<ModulePath> {
    resolve(krate, from, path, MOST_STEPS)
}

fn resolve(krate: &Crate, from: &ModulePath, path: &[String], steps: usize) -> Option<ModulePath> {
    let steps = steps.checked_sub(1)?;
    let (first, rest) = path.split_first()?;
    match first.as_str() {
        "crate" => descend(krate, ModulePath::new(), rest, steps),
        "self" => descend(krate, from.clone(), rest, steps),
        "super" => {
            let (_, parent) = from.split_last()?;
            let parent = parent.to_vec();
            if rest.first().is_some_and(|next| next == "super") {
                resolve(krate, &parent, rest, steps)
            } else {
                descend(krate, parent, rest, steps)
            }
        }
        name if name == krate.library => descend(krate, ModulePath::new(), rest, steps),
        name => {
            let child = [from.as_slice(), std::slice::from_ref(first)].concat();
            if krate.modules.contains_key(&child) {
                return descend(krate, child, rest, steps);
            }
            let imported = krate.modules.get(from)?.imported.get(name)?;
            // `use bytes;` names itself.
            if imported.first() == Some(first) {
                return None;
            }
            resolve(krate, from, &[imported.as_slice(), rest].concat(), steps)
        }
    }
}

/// Follows the rest of a path from a module down.
fn descend(krate: &Crate, mut at: ModulePath, rest: &[String], steps: usize) -> Option<ModulePath> {
    for (index, name) in rest.iter().enumerate() {
        let child = [at.as_slice(), std::slice::from_ref(name)].concat();
        if krate.modules.contains_key(&child) {
            at = child;
            continue;
        }
        let module = krate.modules.get(&at)?;
        if module.defined.contains(name) {
            return Some(at);
        }
        let tail = &rest[index + 1..];
        if let Some(path) = module.imported.get(name) {
            // A name from another crate: the module that re-exports it is the target.
            return resolve(krate, &at, &[path.as_slice(), tail].concat(), steps).or(Some(at));
        }
        return through_glob(krate, &at, name, tail, steps).or(Some(at));
    }
    Some(at)
}

/// Looks for a name in the modules that `use …::*` brings in.
fn through_glob(
    krate: &Crate,
    at: &ModulePath,
    name: &str,
    tail: &[String],
    steps: usize,
) -> Option<ModulePath> {
    let steps = steps.checked_sub(1)?;
    let globs = &krate.modules.get(at)?.globs;
    globs.iter().find_map(|glob| {
        let module = resolve(krate, at, &glob.segments, steps)?;
        let inside = krate.modules.get(&module)?;
        let known = inside.defined.contains(name) || inside.imported.contains_key(name);
        let path = [&[name.to_owned()], tail].concat();
        known.then(|| descend(krate, module, &path, steps))?
    })
}

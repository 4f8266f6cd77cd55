//! Import cycles between the page's scripts.

use super::CYCLE;
use super::graph::{self, Edge, Siblings};
use crate::files::{File, Language};
use crate::finding::Finding;

/// Returns a finding for each cycle of static imports between scripts that are no tests.
pub(super) fn cycles(files: &[File]) -> Vec<Finding> {
    let scripts = files
        .iter()
        .filter(|file| file.language == Language::JavaScript && !file.is_test_by_path());
    let mut imports = Siblings::new();
    for file in scripts {
        for (text, line) in file.text.lines().zip(1..) {
            let Some(path) = imported(text) else { continue };
            let edge = Edge { file: file.path.clone(), line, path: path.into() };
            imports.entry((file.path.clone(), resolve(&file.path, path))).or_insert(edge);
        }
    }
    let of_cycle = |cycle: Vec<String>| {
        let next = cycle.get(1).unwrap_or(&cycle[0]).clone();
        let edge = &imports[&(cycle[0].clone(), next)];
        let detail = format!("scripts import each other: {} → {}", cycle.join(" → "), cycle[0]);
        Finding {
            file: edge.file.clone(),
            line: edge.line,
            rule: CYCLE,
            detail,
            excerpt: edge.path.clone(),
        }
    };
    graph::cycles(&imports).into_iter().map(of_cycle).collect()
}

/// Returns the relative path that a line imports; the last line of an import names it.
fn imported(line: &str) -> Option<&str> {
    let (before, after) = line.split_once("from '").or_else(|| line.split_once("import '"))?;
    let starts = before.is_empty()
        || before.starts_with("import ")
        || before.starts_with("export ")
        || before.ends_with("} ");
    let path = after.split_once('\'')?.0;
    (starts && path.starts_with('.')).then_some(path)
}

/// Resolves a relative path from the folder of a file.
fn resolve(file: &str, path: &str) -> String {
    let mut parts: Vec<&str> = file.split('/').collect();
    parts.pop();
    for part in path.split('/') {
        match part {
            "." => {}
            ".." => _ = parts.pop(),
            name => parts.push(name),
        }
    }
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn script(path: &str, text: &str) -> File {
        File::new(path, text).unwrap()
    }

    #[test]
    fn scripts_that_import_each_other_are_found() {
        let files = [
            script("web/page/a.js", "import {\n  b,\n} from '../shared/b.js';\n"),
            script("web/shared/b.js", "import { a } from '../page/a.js';\n"),
            script("web/shared/c.js", "import './b.js';\n/** @type {import('./c.js').C} */\n"),
        ];
        let found = cycles(&files);
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!((found[0].file.as_str(), found[0].line), ("web/page/a.js", 3));
    }
}

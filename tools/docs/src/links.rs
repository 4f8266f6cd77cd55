//! The relative links of Markdown files: each must lead to a file of the repository, and its anchor to a heading.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Returns the Markdown files at the root of the repository and in `docs/`.
pub fn documents(root: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root.join("docs")];
    found.extend(entries(root).into_iter().filter(|path| is_markdown(path)));
    while let Some(folder) = folders.pop() {
        for path in entries(&folder) {
            match path.is_dir() {
                true => folders.push(path),
                false if is_markdown(&path) => found.push(path),
                false => {}
            }
        }
    }
    found.sort();
    found
}

/// Returns a line for each relative link of a document that leads nowhere, with the reason.
pub fn broken(document: &Path) -> Vec<String> {
    let text = fs::read_to_string(document).unwrap_or_default();
    let folder = document.parent().unwrap_or(Path::new("."));
    let wrong = |target: &String| {
        let (path, anchor) = target.split_once('#').unwrap_or((target, ""));
        let file = if path.is_empty() { document.to_owned() } else { folder.join(path) };
        let problem = match (file.exists(), anchor) {
            (false, _) => "there is no such file",
            (true, "") => return None,
            (true, anchor) if anchors(&file).iter().any(|known| known == anchor) => return None,
            (true, _) => "there is no such heading",
        };
        Some(format!("{}: {target}: {problem}", document.display()))
    };
    targets(&text).iter().filter_map(wrong).collect()
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).collect()
}

fn is_markdown(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "md")
}

/// Returns the targets of all links and images that are not URLs, outside of code.
fn targets(text: &str) -> Vec<String> {
    let mut targets = Vec::new();
    for line in prose(text) {
        let line = without_code(line);
        for rest in line.split("](").skip(1) {
            let Some((target, _)) = rest.split_once(')') else { continue };
            if !target.contains("://") && !target.starts_with("mailto:") {
                targets.push(target.to_owned());
            }
        }
    }
    targets
}

/// Returns the lines outside of fenced code.
fn prose(text: &str) -> impl Iterator<Item = &str> {
    let mut in_code = false;
    text.lines().filter(move |line| {
        let fence = line.trim_start().starts_with("```");
        in_code ^= fence;
        !in_code && !fence
    })
}

/// Returns a line without its `code`.
fn without_code(line: &str) -> String {
    line.split('`').step_by(2).collect()
}

/// Returns the anchors of a document's headings, as GitHub makes them.
fn anchors(document: &Path) -> Vec<String> {
    let text = fs::read_to_string(document).unwrap_or_default();
    let mut seen: HashMap<String, usize> = HashMap::new();
    let headings = prose(&text).filter(|line| line.starts_with('#'));
    let anchor = |line: &str| {
        let slug = slug(line.trim_start_matches('#').trim());
        let count = seen.entry(slug.clone()).or_default();
        *count += 1;
        if *count == 1 { slug } else { format!("{slug}-{}", *count - 1) }
    };
    headings.map(anchor).collect()
}

fn slug(heading: &str) -> String {
    let lower = heading.to_lowercase();
    let kept = lower.chars().filter(|&c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_in_code_and_to_other_hosts_are_not_followed() {
        let text = "[a](b.md#c) `[x](y)` [u](https://h/)\n```\n[z](z.md)\n```\n![p](q.png), [](r)";
        assert_eq!(targets(text), ["b.md#c", "q.png", "r"]);
    }

    #[test]
    fn an_anchor_is_made_as_github_makes_it() {
        assert_eq!(slug("JPEG and H.264"), "jpeg-and-h264");
        assert_eq!(slug("`fanlight.v1`: relay and viewer"), "fanlightv1-relay-and-viewer");
        assert_eq!(slug("`/api/streams`"), "apistreams");
    }
}

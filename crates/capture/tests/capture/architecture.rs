//! The layers of the crate: source → encode → publish. Only `pipeline` uses all three.

use std::fs;
use std::path::{Path, PathBuf};

const STAGES: [&str; 3] = ["source", "encode", "publish"];

#[test]
fn no_stage_imports_another() {
    for stage in STAGES {
        for file in files_of(stage) {
            let text = fs::read_to_string(&file).unwrap();
            let others = STAGES.iter().filter(|other| **other != stage);
            for other in
                others.flat_map(|other| [format!("crate::{other}"), format!("super::{other}::")])
            {
                assert!(!text.contains(&other), "{} imports {other}", file.display());
            }
        }
    }
}

fn files_of(stage: &str) -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(stage);
    let mut files = vec![root.with_extension("rs")];
    let mut folders = vec![root];
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path()) {
            if path.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    files.retain(|file| file.exists());
    assert!(!files.is_empty(), "{stage} has no files");
    files
}

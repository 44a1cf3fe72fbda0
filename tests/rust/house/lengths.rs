//! No file is longer than 500 lines.

use gmp_tests::root;
use std::path::Path;

const MOST: usize = 500;
const FOLDERS: [&str; 7] = ["gmp-core", "gmp-capi", "bindings", "tests", "examples", "benches", "scripts"];
const KINDS: [&str; 8] = ["rs", "c", "h", "hpp", "cpp", "py", "pyi", "sh"];
/// Built or fetched, not written.
const NOT_OURS: [&str; 6] = ["target", "dist", "__pycache__", "out", ".venv", "include"];

/// Every source file below `dir`, with its number of lines.
fn lengths(dir: &Path) -> Vec<(String, usize)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            if !NOT_OURS.contains(&name.as_str()) && !name.starts_with(".venv") {
                found.extend(lengths(&path));
            }
        } else if path.extension().is_some_and(|e| KINDS.iter().any(|kind| e == *kind)) {
            let text = std::fs::read(&path).unwrap_or_default();
            found.push((path.display().to_string(), text.iter().filter(|byte| **byte == b'\n').count()));
        }
    }
    found
}

#[test]
fn no_file_is_over_500_lines() {
    let all: Vec<_> = FOLDERS.iter().flat_map(|folder| lengths(&root().join(folder))).collect();
    assert!(all.len() > 50, "only {} files were found", all.len());
    let long: Vec<_> = all.iter().filter(|(_, lines)| *lines > MOST).collect();
    assert!(long.is_empty(), "over {MOST} lines; find the second noun in each and give it a room: {long:?}");
}

#[test]
fn a_long_file_is_found() {
    let dir = gmp_tests::scratch().join("lengths");
    std::fs::create_dir_all(dir.join("target")).expect("the scratch directory can be written");
    std::fs::write(dir.join("long.rs"), "\n".repeat(MOST + 1)).expect("and so can this");
    std::fs::write(dir.join("target/built.rs"), "\n".repeat(MOST + 1)).expect("and this");
    let found = lengths(&dir);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].1, MOST + 1);
}

//! Builds programs against the built library and runs them as children.
//!
//! Owns: where the library under test lies, how a program is compiled and linked, and how long a child may
//! run. Always true: a child runs in a process group of its own, and none outlives its test.
//! Called by: every test of this package.

mod build;
mod child;
mod scenario;
mod server;

pub use build::{build, compile_only, library, Language};
pub use child::{run, Ended};
pub use scenario::{in_directory, Scenario, Variant};
pub use server::{leashed, read_to_end, until, Server};

use std::path::{Path, PathBuf};

/// The root of the repository.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ lies in the repository").to_path_buf()
}

/// Where tests put files of their own: beside everything else that cargo builds.
pub fn scratch() -> PathBuf {
    let dir = match std::env::var_os("CARGO_TARGET_DIR") {
        Some(dir) => root().join(dir).join("tmp"),
        None => root().join("target/tmp"),
    };
    std::fs::create_dir_all(&dir).expect("the target directory can be written");
    dir
}

/// The seed of this run: `GMP_TEST_SEED`, or one drawn from the clock. Children get it in the same variable.
pub fn seed() -> u64 {
    static SEED: std::sync::OnceLock<u64> = std::sync::OnceLock::new();
    *SEED.get_or_init(|| match std::env::var("GMP_TEST_SEED").ok().and_then(|text| text.parse().ok()) {
        Some(seed) => seed,
        None => std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .map_or(1, |since| since.subsec_nanos() as u64 + 1),
    })
}

/// The files of `dir` (relative to the root) with one of the extensions, in name order.
pub fn files(dir: &str, extensions: &[&str]) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = std::fs::read_dir(root().join(dir))
        .unwrap_or_else(|error| panic!("{dir}: {error}"))
        .map(|entry| entry.expect("a directory can be read").path())
        .filter(|path| path.extension().is_some_and(|e| extensions.iter().any(|wanted| e == *wanted)))
        .collect();
    found.sort();
    found
}

/// The files under `dir` and below it with the extension, in path order.
pub fn files_below(dir: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![dir.to_path_buf()];
    while let Some(dir) = open.pop() {
        let entries = std::fs::read_dir(&dir).unwrap_or_else(|error| panic!("{}: {error}", dir.display()));
        for entry in entries {
            let path = entry.expect("a directory can be read").path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|e| e == extension) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

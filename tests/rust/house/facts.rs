//! Each scenario that docs/TESTING.md names as a fact's test exists.

use gmp_tests::{in_directory, root};
use std::collections::BTreeSet;

/// Every `FOLDER/FILE/SCENARIO` there is.
fn scenarios() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for folder in ["c", "cpp", "crash"] {
        for scenario in in_directory(&format!("tests/{folder}")) {
            let file = scenario.source.file_stem().expect("a file").to_string_lossy().into_owned();
            found.insert(format!("{folder}/{file}/{}", scenario.name));
        }
    }
    found
}

/// The tests that a table names: what stands in backticks and looks like one, with `…/` filled in.
fn named(text: &str) -> Vec<String> {
    let (mut found, mut file) = (Vec::new(), String::new());
    for line in text.lines().filter(|line| line.starts_with('|')) {
        for word in line.split('`').skip(1).step_by(2) {
            let name = match word.strip_prefix("…/") {
                Some(scenario) => format!("{file}/{scenario}"),
                None => word.to_string(),
            };
            let parts: Vec<&str> = name.split('/').collect();
            if parts.len() == 3 && ["c", "cpp", "crash"].contains(&parts[0]) {
                file = format!("{}/{}", parts[0], parts[1]);
                found.push(name);
            }
        }
    }
    found
}

/// `*` stands for anything.
fn fits(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = name.strip_prefix(parts.next().unwrap_or_default()) else { return false };
    for part in parts {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.is_empty() || pattern.ends_with('*')
}

fn missing(text: &str) -> Vec<String> {
    let there = scenarios();
    let nobody = |pattern: &String| !there.iter().any(|name| fits(pattern, name));
    named(text).into_iter().filter(nobody).collect()
}

#[test]
fn facts_name_tests_that_exist() {
    let text = std::fs::read_to_string(root().join("docs/TESTING.md")).expect("docs/TESTING.md");
    let table = text.split("## Facts and their tests").nth(1).expect("the table of facts");
    assert!(named(table).len() > 200, "the table is read");
    assert_eq!(missing(table), Vec::<String>::new());
}

#[test]
fn a_test_that_is_not_there_is_found() {
    let text = "| 1.1 | x | `c/wait_group/null_is_einval`, `…/no_such`, `c/wait*/*`, `c/nothing/*` |";
    assert_eq!(missing(text), ["c/wait_group/no_such", "c/nothing/*"]);
}

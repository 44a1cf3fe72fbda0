//! The words of the design and no synonyms: one thing has one name.

use gmp_tests::{files_below, root};

/// A word that is not used here, and the one that is.
const SYNONYMS: [(&str, &str); 9] = [
    ("goroutine", "task"),
    ("coroutine", "task"),
    ("fiber", "task"),
    ("greenlet", "task"),
    ("worker", "machine"),
    ("spinning", "searching"),
    ("unpark", "ready"),
    ("deschedule", "park"),
    ("relinquish", "hand off"),
];

/// Where a synonym is somebody else's name: the file, the word, whose it is.
const FOREIGN: [(&str, &str, &str); 4] = [
    ("primitive/sanitizer.rs", "fiber", "the thread sanitizer's interface"),
    ("sched/watched.rs", "fiber", "the same, in use"),
    ("switch/thread.rs", "unpark", "std::thread's method"),
    ("primitive/loom.rs", "unpark", "loom's method"),
];

/// The synonyms in a text, each with its line. Only whole lower-case words count: `Worker` is a type of crossbeam's.
fn synonyms(text: &str) -> Vec<(usize, &'static str, &'static str)> {
    let mut found = Vec::new();
    for (number, line) in text.lines().enumerate() {
        for word in line.split(|c: char| !c.is_alphanumeric() && c != '_') {
            let stem = word.strip_suffix('s').unwrap_or(word);
            if let Some((synonym, ours)) = SYNONYMS.iter().find(|(synonym, _)| *synonym == stem) {
                found.push((number + 1, *synonym, *ours));
            }
        }
    }
    found
}

#[test]
fn one_thing_has_one_name() {
    let mut offences = Vec::new();
    for dir in ["gmp-core/src", "gmp-capi/src"] {
        for path in files_below(&root().join(dir), "rs") {
            let text = std::fs::read_to_string(&path).expect("a source can be read");
            for (line, synonym, ours) in synonyms(&text) {
                if FOREIGN.iter().any(|(file, word, _whose)| path.ends_with(file) && *word == synonym) {
                    continue;
                }
                offences.push(format!("{}:{line}: {synonym:?} is called {ours:?} here", path.display()));
            }
        }
    }
    assert!(offences.is_empty(), "{}", offences.join("\n"));
}

#[test]
fn a_synonym_is_found() {
    assert_eq!(synonyms("a task\n/// two workers\nuse deque::Worker;"), [(2, "worker", "machine")]);
}

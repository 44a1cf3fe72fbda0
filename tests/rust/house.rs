//! The rules of the house that a compiler does not check: which layer may name which, how long a file may be,
//! where `unsafe` may stand, which words are used.
//!
//! Each rule is a function from text to complaints, and is shown to find a planted offence.

#[path = "house/facts.rs"]
mod facts;
#[path = "house/layering.rs"]
mod layering;
#[path = "house/lengths.rs"]
mod lengths;
#[path = "house/unsafe_list.rs"]
mod unsafe_list;
#[path = "house/words.rs"]
mod words;

use gmp_tests::root;
use std::path::{Path, PathBuf};

/// The crate's source files, with their paths relative to `gmp-core/src`.
fn core_sources() -> Vec<(PathBuf, String)> {
    let src = root().join("gmp-core/src");
    let read = |path: &Path| std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    gmp_tests::files_below(&src, "rs")
        .iter()
        .map(|path| (path.strip_prefix(&src).expect("it lies below").to_path_buf(), read(path)))
        .collect()
}

/// The text with every comment and string literal blanked out, line by line as it was.
fn code_only(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    let blank = |part: &str| part.chars().map(|c| if c == '\n' { '\n' } else { ' ' }).collect::<String>();
    while let Some(character) = rest.chars().next() {
        let skipped = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |at| at + 2)
        } else if let Some(hashes) = raw_string(rest) {
            let close = format!("\"{}", "#".repeat(hashes));
            let open = hashes + 2;
            rest[open..].find(&close).map_or(rest.len(), |at| open + at + close.len())
        } else if character == '"' {
            string_end(rest)
        } else if rest.starts_with("'\"'") || rest.starts_with("'\\\"'") {
            3 + usize::from(rest.starts_with("'\\"))
        } else {
            code.push(character);
            rest = &rest[character.len_utf8()..];
            continue;
        };
        code.push_str(&blank(&rest[..skipped]));
        rest = &rest[skipped..];
    }
    code
}

/// Where the text opens a raw string: how many `#` it has.
fn raw_string(rest: &str) -> Option<usize> {
    let after = rest.strip_prefix('r')?;
    let hashes = after.len() - after.trim_start_matches('#').len();
    after[hashes..].starts_with('"').then_some(hashes)
}

/// The length of the string literal that the text begins with.
fn string_end(rest: &str) -> usize {
    let mut escaped = false;
    for (at, character) in rest.char_indices().skip(1) {
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

#[test]
fn comments_and_strings_are_not_code() {
    let text = "a /* b */ c // d\n\"e \\\" f\" g r#\"h\"i\"# j '\"' k";
    let words: Vec<String> = code_only(text).split_whitespace().map(str::to_string).collect();
    assert_eq!(words, ["a", "c", "g", "j", "k"]);
    assert_eq!(code_only(text).lines().count(), 2);
}

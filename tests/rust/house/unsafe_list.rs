//! `unsafe` stands only in the modules that `lib.rs` lists, each with a reason, and never without its proof.

use super::{code_only, core_sources};
use std::path::Path;

const SWITCH: &str = "allow(unsafe_code";

/// The switches of the list that stand anywhere but in `lib.rs` on a `mod` line with a reason.
fn stray_switches(path: &Path, text: &str) -> Vec<String> {
    let code = code_only(text);
    let mut found = Vec::new();
    for (at, _) in code.match_indices(SWITCH) {
        let rest = &code[at..];
        let end = rest.find(']').unwrap_or(rest.len());
        let next = rest[end..].trim_start_matches(']').trim_start();
        let on_a_module =
            next.starts_with("mod ") || next.starts_with("pub mod ") || next.starts_with("pub(crate) mod ");
        let has_reason = rest[..end].contains("reason");
        if path != Path::new("lib.rs") || !on_a_module || !has_reason {
            let line = code[..at].matches('\n').count() + 1;
            found.push(format!("{}:{line}: unsafe is allowed here, and not by lib.rs with a reason", path.display()));
        }
    }
    found
}

/// The unsafe blocks and impls without a `SAFETY` comment close above them.
fn unproven(path: &Path, text: &str) -> Vec<String> {
    let code = code_only(text);
    let lines: Vec<&str> = text.lines().collect();
    let mut found = Vec::new();
    for (number, line) in code.lines().enumerate() {
        let opens = line.contains("unsafe {") || line.contains("unsafe impl");
        let proven = || {
            let comment_start = (0..number).rev().find(|&above| {
                let above = lines[above].trim_start();
                !(above.starts_with("//") || above.starts_with("#["))
            });
            let from = comment_start.map_or(0, |start| start.saturating_sub(1)).min(number.saturating_sub(3));
            lines[from..=number].iter().any(|line| line.contains("SAFETY"))
        };
        if opens && !proven() {
            found.push(format!("{}:{}: unsafe without its SAFETY comment", path.display(), number + 1));
        }
    }
    found
}

#[test]
fn unsafe_is_allowed_by_the_list_only() {
    let sources = core_sources();
    let lib = &sources.iter().find(|(path, _)| path == Path::new("lib.rs")).expect("gmp-core has a lib.rs").1;
    let code = code_only(lib);
    assert!(code.contains("deny(unsafe_code)") || code.contains("forbid(unsafe_code)"), "lib.rs denies unsafe_code");
    let offences: Vec<String> = sources.iter().flat_map(|(path, text)| stray_switches(path, text)).collect();
    assert!(offences.is_empty(), "{}", offences.join("\n"));
}

#[test]
fn every_unsafe_block_says_why_it_is_sound() {
    let offences: Vec<String> = core_sources().iter().flat_map(|(path, text)| unproven(path, text)).collect();
    assert!(offences.is_empty(), "{}", offences.join("\n"));
}

#[test]
fn planted_offences_are_found() {
    let (lib, other) = (Path::new("lib.rs"), Path::new("task/state.rs"));
    let listed = "#[allow(unsafe_code, reason = \"maps memory\")]\nmod stack;\n";
    assert_eq!(stray_switches(lib, listed).len(), 0);
    assert_eq!(stray_switches(other, listed).len(), 1);
    assert_eq!(stray_switches(lib, "#[allow(unsafe_code)]\nmod stack;\n").len(), 1);
    assert_eq!(stray_switches(lib, "#![allow(unsafe_code, reason = \"all of it\")]\n").len(), 1);
    assert_eq!(unproven(other, "fn f() {\n    unsafe { g() }\n}\n").len(), 1);
    assert_eq!(unproven(other, "fn f() {\n    // SAFETY: g asks for nothing.\n    unsafe { g() }\n}\n").len(), 0);
    assert_eq!(unproven(other, "// SAFETY: T is Send.\nunsafe impl Send for T {}\n").len(), 0);
}

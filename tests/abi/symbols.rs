//! The exported names against the ledger, and what the library file says about itself.

use crate::docs::declared_functions;
use gmp_tests::{library, root};
use std::collections::BTreeSet;
use std::process::Command;

fn output(program: &str, arguments: &[&str], last: &std::path::Path) -> String {
    let done = Command::new(program).args(arguments).arg(last).output();
    let done = done.unwrap_or_else(|error| panic!("{program} (binutils) is needed: {error}"));
    assert!(done.status.success(), "{program}: {}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8_lossy(&done.stdout).into_owned()
}

/// The ledger's lines, `name version`.
fn ledger() -> BTreeSet<(String, String)> {
    let text = std::fs::read_to_string(root().join("tests/abi/symbols.txt")).expect("the ledger is there");
    let mut entries = BTreeSet::new();
    for line in text.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty()) {
        let (name, version) = line.split_once(' ').unwrap_or_else(|| panic!("NAME VERSION expected: {line}"));
        assert!(entries.insert((name.to_string(), version.to_string())), "twice in the ledger: {line}");
    }
    entries
}

/// What the library exports, `name version`; the version nodes themselves left out.
fn exported() -> BTreeSet<(String, String)> {
    let library = library().expect("the library is built").join("libgmp.so");
    let mut entries = BTreeSet::new();
    for line in output("nm", &["-D", "--defined-only"], &library).lines() {
        let mut fields = line.split_whitespace().skip(1);
        let (Some(kind), Some(symbol)) = (fields.next(), fields.next()) else { continue };
        if kind == "A" {
            continue;
        }
        let (name, version) = symbol.split_once("@@").unwrap_or((symbol, "(no version)"));
        entries.insert((name.to_string(), version.to_string()));
    }
    entries
}

#[test]
fn exported_names_and_versions_are_those_of_the_ledger() {
    let (ledger, exported) = (ledger(), exported());
    let missing: Vec<_> = ledger.difference(&exported).collect();
    let surplus: Vec<_> = exported.difference(&ledger).collect();
    assert!(missing.is_empty() && surplus.is_empty(), "not exported: {missing:?}\nnot in the ledger: {surplus:?}");
}

#[test]
fn declared_functions_are_those_of_the_ledger() {
    let ledger: BTreeSet<String> = ledger().into_iter().map(|(name, _)| name).collect();
    let declared: BTreeSet<String> = declared_functions().into_iter().collect();
    let undeclared: Vec<_> = ledger.difference(&declared).collect();
    let unlisted: Vec<_> = declared.difference(&ledger).collect();
    assert!(undeclared.is_empty() && unlisted.is_empty(), "not declared: {undeclared:?}\nnot listed: {unlisted:?}");
}

/// GNU MP's names are not ours to define.
#[test]
fn no_name_of_gnu_mp_is_exported() {
    for taken in ["gmp_version", "gmp_errno", "gmp_printf", "gmp_scanf", "gmp_randinit", "gmp_asprintf"] {
        assert!(!exported().iter().any(|(name, _)| name.starts_with(taken) && name != "gmp_version_string"), "{taken}");
    }
}

#[test]
fn library_has_its_soname_and_is_never_unloaded() {
    let library = library().expect("the library is built").join("libgmp.so");
    let dynamic = output("readelf", &["-d", "-W"], &library);
    assert!(dynamic.contains("[libgmprt.so.0]"), "{dynamic}");
    assert!(dynamic.contains("NODELETE"), "{dynamic}");
    assert!(dynamic.contains("BIND_NOW") || dynamic.contains("NOW"), "{dynamic}");
    assert!(!dynamic.contains("RPATH") && !dynamic.contains("RUNPATH"), "{dynamic}");
}

/// A guest brings no company: nothing has to be installed beside the C library.
#[test]
fn library_needs_only_the_c_library() {
    let library = library().expect("the library is built").join("libgmp.so");
    for line in output("readelf", &["-d", "-W"], &library).lines().filter(|line| line.contains("(NEEDED)")) {
        let known = ["libc.so.", "libm.so.", "libgcc_s.so.", "libpthread.so.", "libdl.so.", "ld-linux"];
        assert!(known.iter().any(|name| line.contains(name)), "{line}");
    }
}

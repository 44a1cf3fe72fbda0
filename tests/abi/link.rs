//! Programs of more than one part: two translation units, GNU MP beside us, the static library.

use gmp_tests::{build, library, root, run};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

fn abi(name: &str) -> PathBuf {
    root().join("tests/abi").join(name)
}

fn runs(program: &Path) {
    let ended = run(&mut Command::new(program), Duration::from_secs(60)).expect("the program starts");
    assert!(ended.status.success(), "{}", ended.report());
}

#[test]
fn two_translation_units_share_the_header() {
    runs(&build("abi/double", &[abi("double_a.c"), abi("double_b.c")], &[]).unwrap());
}

#[test]
fn chaos_is_in_its_own_build_only() {
    let text = std::fs::read(library().unwrap().join("libgmp.so")).expect("the library is built");
    let has = |name: &[u8]| text.windows(name.len()).any(|bytes| bytes == name);
    assert!(has(b"GMP_TEST_NO_MEMBARRIER"), "this would find a switch");
    assert!(!has(b"GMP_TEST_CHAOS") && !has(b"GMP_TEST_BREAK"));
}

/// Whether the compiler finds GNU MP's header.
fn has_gnu_mp() -> bool {
    let compiler = std::env::var("CC").unwrap_or_else(|_| "cc".to_string());
    let probe = gmp_tests::scratch().join("gnu_mp_probe.c");
    std::fs::write(&probe, "#include <gmp.h>\n").expect("the scratch directory can be written");
    Command::new(compiler).arg("-fsyntax-only").arg(&probe).output().is_ok_and(|done| done.status.success())
}

/// A program that uses both libraries, linked in either order.
fn lives_beside_gnu_mp(first: &str) {
    if !has_gnu_mp() {
        println!("skipped: GNU MP's gmp.h is not installed (Debian: libgmp-dev)");
        return;
    }
    // GNU MP's library has the same development name as ours, so each is named by its SONAME or its file.
    let directory = library().unwrap();
    let ours = directory.join("libgmp.so");
    let ours = ours.to_str().expect("the path is text");
    let libraries = if first == "OURS_FIRST" { [ours, "-l:libgmp.so.10"] } else { ["-l:libgmp.so.10", ours] };
    let (order, path) = (format!("-D{first}"), format!("-Wl,-rpath,{}", directory.display()));
    let flags = [order.as_str(), path.as_str(), "-Wl,--no-as-needed", libraries[0], libraries[1]];
    runs(&build_with(&format!("abi-gnu_mp_{}", first.to_lowercase()), "gnu_mp_coexist.c", &flags));
}

/// As `build`, but the flags alone say which libraries are linked.
fn build_with(name: &str, source: &str, flags: &[&str]) -> PathBuf {
    let out = gmp_tests::scratch().join(name);
    let compiler = std::env::var("CC").unwrap_or_else(|_| "cc".to_string());
    let done = Command::new(compiler)
        .args(["-std=c11", "-O1", "-Wall", "-Wextra"])
        .arg(format!("-I{}", root().join("include").display()))
        .arg(abi(source))
        .args(flags)
        .arg("-o")
        .arg(&out)
        .output()
        .expect("the compiler starts");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    out
}

#[test]
fn gnu_mp_included_and_linked_after_us() {
    lives_beside_gnu_mp("OURS_FIRST");
}

#[test]
fn gnu_mp_included_and_linked_before_us() {
    lives_beside_gnu_mp("GNU_MP_FIRST");
}

#[test]
fn static_library_links_into_a_program() {
    let archive = library().unwrap().join("libgmp.a");
    let archive = archive.to_str().expect("the path is text");
    runs(&build_with("abi-static", "static_user.c", &[archive, "-lgcc_s", "-lpthread", "-ldl", "-lm"]));
}

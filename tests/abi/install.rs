//! The installed tree: where DESIGN 7 puts things, and that a program finds them through pkg-config.

use gmp_tests::{library, root, run};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// Installs into a fresh prefix.
fn install(name: &str) -> PathBuf {
    let prefix = gmp_tests::scratch().join(name);
    // What an earlier run left would hide what this one forgets.
    let _absent = std::fs::remove_dir_all(&prefix);
    let path = |tail: &str| prefix.join(tail).into_os_string();
    let done = Command::new(root().join("scripts/install.sh"))
        .arg(library().unwrap())
        .args([env!("CARGO_PKG_VERSION"), ""])
        .args([prefix.as_os_str(), &path("lib"), &path("include")])
        .output()
        .expect("scripts/install.sh starts");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    prefix
}

fn leads_to(link: &Path, name: &str) {
    let real = std::fs::canonicalize(link).unwrap_or_else(|error| panic!("{}: {error}", link.display()));
    assert_eq!(real.file_name().and_then(|n| n.to_str()), Some(name));
}

#[test]
fn installed_names_leave_gnu_mp_alone() {
    let prefix = install("installed-names");
    let version = env!("CARGO_PKG_VERSION");
    let real = format!("libgmprt.so.{version}");
    leads_to(&prefix.join("lib").join(&real), &real);
    leads_to(&prefix.join("lib/libgmprt.so.0"), &real);
    leads_to(&prefix.join("lib/gmprt/libgmp.so"), &real);
    assert!(prefix.join("include/gmprt.h").is_file());
    for taken in ["lib/libgmp.so", "lib/libgmp.a", "include/gmp.h"] {
        assert!(!prefix.join(taken).exists(), "{taken} is GNU MP's");
    }
    let version_file = std::fs::read_to_string(prefix.join("lib/cmake/gmprt/gmprtConfigVersion.cmake")).unwrap();
    assert!(version_file.contains(version));
}

#[test]
fn program_finds_the_installed_library_through_pkg_config() {
    let prefix = install("installed-pkg-config");
    let found = Command::new("pkg-config")
        .args(["--cflags", "--libs", "gmprt"])
        .env("PKG_CONFIG_PATH", prefix.join("lib/pkgconfig"))
        .output();
    let Ok(found) = found else {
        println!("skipped: pkg-config is not installed");
        return;
    };
    assert!(found.status.success(), "{}", String::from_utf8_lossy(&found.stderr));
    let flags = String::from_utf8_lossy(&found.stdout).into_owned();
    let program = prefix.join("hello");
    let compiled = Command::new(std::env::var("CC").unwrap_or_else(|_| "cc".to_string()))
        .arg(root().join("examples/c/hello.c"))
        .args(flags.split_whitespace())
        .arg("-o")
        .arg(&program)
        .output()
        .expect("the compiler starts");
    assert!(compiled.status.success(), "{}", String::from_utf8_lossy(&compiled.stderr));
    let mut command = Command::new(&program);
    let ended = run(command.env("LD_LIBRARY_PATH", prefix.join("lib")), Duration::from_secs(30)).unwrap();
    assert!(ended.status.success() && ended.stdout.contains("hello"), "{}", ended.report());
}

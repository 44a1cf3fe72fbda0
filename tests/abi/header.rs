//! The checked-in header: generated from the Rust sources, and good for every compiler mode.

use gmp_tests::{compile_only, root, scratch, Language};
use std::path::PathBuf;

/// Regenerates the header and compares it with the file; `GMP_BLESS=1` writes it instead.
#[test]
fn header_is_current() {
    let capi = root().join("gmp-capi");
    let config = cbindgen::Config::from_file(capi.join("cbindgen.toml")).expect("gmp-capi/cbindgen.toml is read");
    let mut text = Vec::new();
    cbindgen::Builder::new()
        .with_crate(&capi)
        .with_config(config)
        .generate()
        .expect("cbindgen understands gmp-capi")
        .write(&mut text);
    let generated = String::from_utf8(text).expect("a header is text");
    let path = root().join("include/gmprt.h");
    let present = std::fs::read_to_string(&path).unwrap_or_default();
    if generated == present {
        return;
    }
    if std::env::var_os("GMP_BLESS").is_some_and(|value| value == "1") {
        std::fs::write(&path, generated).expect("include/gmprt.h can be written");
        return;
    }
    let line = generated.lines().zip(present.lines()).position(|(new, old)| new != old);
    let line = line.unwrap_or_else(|| generated.lines().count().min(present.lines().count()));
    panic!(
        "include/gmprt.h is not what gmp-capi gives (`make header` rewrites it); line {}:\n  is:        {}\n  should be: {}",
        line + 1,
        present.lines().nth(line).unwrap_or("(end)"),
        generated.lines().nth(line).unwrap_or("(end)"),
    );
}

fn source(name: &str, text: &str) -> PathBuf {
    let path = scratch().join(name);
    std::fs::write(&path, text).expect("the scratch directory can be written");
    path
}

#[test]
fn header_compiles_alone_as_c11() {
    let file = source("alone.c", "#include \"gmprt.h\"\nint unused_but_present;\n");
    compile_only(&file, Language::C, &["-std=c11"]).unwrap();
}

#[test]
fn header_compiles_alone_as_cpp17() {
    let file = source("alone.cpp", "#include \"gmprt.h\"\n");
    compile_only(&file, Language::Cpp, &["-std=c++17"]).unwrap();
}

#[test]
fn header_may_be_included_twice() {
    let file = source("twice.c", "#include \"gmprt.h\"\n#include \"gmprt.h\"\nint unused_but_present;\n");
    compile_only(&file, Language::C, &["-std=c11"]).unwrap();
    compile_only(&file, Language::Cpp, &["-std=c++17"]).unwrap();
}

/// Sizes, offsets and constants as the contract has them.
#[test]
fn layout_is_as_promised() {
    let file = root().join("tests/abi/layout.c");
    compile_only(&file, Language::C, &["-std=c11"]).unwrap();
    compile_only(&file, Language::Cpp, &["-std=c++17"]).unwrap();
}

/// A C compiler takes a wrong size without a word unless the check can fail: it does.
#[test]
fn layout_check_can_fail() {
    let file = source(
        "layout_wrong.c",
        "#include \"gmprt.h\"\n_Static_assert(sizeof(gmp_wg_t) == 17, \"planted\");\nint unused_but_present;\n",
    );
    assert!(compile_only(&file, Language::C, &["-std=c11"]).is_err());
}

//! Compiles the C shim against the interpreter that PyO3 chose, and links the runtime by its path.
//!
//! Environment: GMPRT_LIB_DIR (where libgmp.so lies; default ../../target/release), GMPRT_INCLUDE_DIR (where gmprt.h
//! lies; default ../../include).

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

fn main() {
    pyo3_build_config::use_pyo3_cfgs();
    refuse_free_threaded();
    let here = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets CARGO_MANIFEST_DIR"));
    let lib_dir = dir_from_env("GMPRT_LIB_DIR", &here.join("../../target/release"));
    let include = dir_from_env("GMPRT_INCLUDE_DIR", &here.join("../../include"));

    let mut shim = cc::Build::new();
    for file in [
        "shim/chain.c",
        "shim/class.c",
        "shim/exit.c",
        "shim/gilwait.c",
        "shim/moving.c",
        "shim/table.c",
        "shim/thread.c",
    ] {
        shim.file(file);
        println!("cargo:rerun-if-changed={file}");
    }
    println!("cargo:rerun-if-changed=shim/shim.h");
    println!("cargo:rerun-if-changed=shim/gil.h");
    println!("cargo:rerun-if-changed=include/gmp_py.h");
    println!("cargo:rerun-if-changed={}", include.join("gmprt.h").display());
    // -fexceptions: the guard of shim/gil.h stops a forced unwinding.
    shim.include("shim")
        .include("include")
        .include(&include)
        .include(python_include())
        .flag("-fexceptions")
        .warnings(true);
    shim.compile("gmp_py_shim");

    // By path, so that GNU MP's libgmp.so can never be picked up; what is recorded is the SONAME, libgmprt.so.0.
    let library = lib_dir.join("libgmp.so");
    println!("cargo:rerun-if-changed={}", library.display());
    println!("cargo:rustc-cdylib-link-arg=-Wl,--no-as-needed");
    println!("cargo:rustc-cdylib-link-arg={}", library.display());
    println!("cargo:rustc-cdylib-link-arg=-Wl,-rpath,$ORIGIN");
}

/// Its tasks need another design there, which is not built.
fn refuse_free_threaded() {
    if pyo3_build_config::get().is_free_threaded() {
        eprintln!(
            "gmp_py does not support free-threaded builds of CPython: build it with an interpreter that has the GIL"
        );
        std::process::exit(1);
    }
}

fn dir_from_env(name: &str, default: &Path) -> PathBuf {
    println!("cargo:rerun-if-env-changed={name}");
    let dir = env::var_os(name).map_or_else(|| default.to_path_buf(), PathBuf::from);
    fs::canonicalize(&dir).unwrap_or_else(|e| panic!("{name}: {}: {e}", dir.display()))
}

/// Where `Python.h` of the chosen interpreter lies.
fn python_include() -> PathBuf {
    let config = pyo3_build_config::get();
    let python = config.executable().unwrap_or("python3");
    let script = "import sysconfig; print(sysconfig.get_path('include'))";
    let output = Command::new(python).args(["-c", script]).output().unwrap_or_else(|e| panic!("{python}: {e}"));
    assert!(output.status.success(), "{python} could not tell where its headers are");
    PathBuf::from(String::from_utf8(output.stdout).expect("the path is UTF-8").trim())
}

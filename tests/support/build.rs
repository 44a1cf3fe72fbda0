//! Compiling and linking one program.
//!
//! Always true: a built program appears under its name in one step and complete, because tests run in
//! processes that do not know of each other. It is built again when a source, a header or the command changed.

use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

use crate::root;

/// The language that a source is compiled as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    C,
    Cpp,
}

impl Language {
    /// By the file's extension.
    pub fn of(source: &Path) -> Language {
        match source.extension().and_then(|e| e.to_str()) {
            Some("cpp") => Language::Cpp,
            _ => Language::C,
        }
    }

    fn compiler(self) -> String {
        let (variable, default) = match self {
            Language::C => ("CC", "cc"),
            Language::Cpp => ("CXX", "c++"),
        };
        std::env::var(variable).unwrap_or_else(|_| default.to_string())
    }

    fn standard(self) -> &'static str {
        match self {
            Language::C => "-std=gnu11",
            Language::Cpp => "-std=gnu++17",
        }
    }
}

/// The directory of the library under test: `GMP_TEST_LIB_DIR`, else `target/release`.
pub fn library() -> Result<PathBuf, String> {
    let dir = match std::env::var_os("GMP_TEST_LIB_DIR") {
        Some(dir) => root().join(dir),
        None => root().join("target/release"),
    };
    if dir.join("libgmp.so").exists() {
        Ok(dir)
    } else {
        Err(format!("{} is not there: run `make lib` first", dir.join("libgmp.so").display()))
    }
}

/// Compiles and links `sources` with the library under test; gives the program's path.
pub fn build(name: &str, sources: &[PathBuf], flags: &[&str]) -> Result<PathBuf, String> {
    let lib = library()?;
    let language = sources.iter().map(|s| Language::of(s)).find(|l| *l == Language::Cpp).unwrap_or(Language::C);
    let mut command = Command::new(language.compiler());
    command.args([language.standard(), "-O2", "-g", "-Wall", "-Wextra", "-pthread"]);
    command.arg(format!("-I{}", root().join("include").display()));
    command.args(sources);
    command.arg(format!("-L{}", lib.display())).arg(format!("-Wl,-rpath,{}", lib.display())).arg("-lgmp");
    command.args(flags);

    let suffix = std::env::var("GMP_TEST_TOOL").map_or(String::new(), |tool| format!("-{tool}"));
    // Beside the library that they are linked with: another library's programs are other programs.
    let out = lib.join(format!("test-programs{suffix}")).join(name.replace('/', "-"));
    std::fs::create_dir_all(out.parent().expect("it was joined")).map_err(|e| e.to_string())?;
    let _turn = Turn::take(&out.with_extension("lock"))?;
    let line = format!("{command:?}\n");
    let record = out.with_extension("command");
    if is_fresh(&out, sources) && std::fs::read_to_string(&record).is_ok_and(|old| old == line) {
        return Ok(out);
    }
    let new = out.with_extension("new");
    compile(command.arg("-o").arg(&new))?;
    std::fs::rename(&new, &out).map_err(|e| e.to_string())?;
    std::fs::write(&record, line).map_err(|e| e.to_string())?;
    Ok(out)
}

/// Compiles without linking, with the given standard and warnings as errors: for checks of the header.
pub fn compile_only(source: &Path, language: Language, flags: &[&str]) -> Result<(), String> {
    let mut command = Command::new(language.compiler());
    command.args(["-fsyntax-only", "-Wall", "-Wextra", "-Werror", "-pedantic"]);
    command.arg(format!("-I{}", root().join("include").display())).args(flags);
    command.arg("-x").arg(if language == Language::C { "c" } else { "c++" }).arg(source);
    compile(&mut command)
}

fn compile(command: &mut Command) -> Result<(), String> {
    let done = command.output().map_err(|e| format!("{command:?}: {e}"))?;
    if done.status.success() {
        Ok(())
    } else {
        Err(format!("{command:?}\n{}", String::from_utf8_lossy(&done.stderr)))
    }
}

/// Whether the program is newer than its sources and every header it may include.
fn is_fresh(program: &Path, sources: &[PathBuf]) -> bool {
    let modified = |path: &Path| path.metadata().and_then(|m| m.modified()).ok();
    let Some(built) = modified(program) else { return false };
    let headers = [
        "tests/c/check.h",
        "tests/c/waits.h",
        "tests/c/fds.h",
        "tests/c/io_suite.h",
        "tests/c/alive.h",
        "tests/c/dump_text.h",
        "tests/c/seeded.h",
        "tests/c/deadlock.h",
        "tests/crash/dying.h",
        "include/gmprt.h",
    ]
    .map(|path| root().join(path));
    // An example of several files has its headers beside them.
    let beside =
        sources.iter().filter_map(|source| source.parent()).filter(|dir| dir.starts_with(root().join("examples")));
    let beside: Vec<PathBuf> = beside.flat_map(|dir| crate::files_below(dir, "h")).collect();
    sources.iter().chain(&headers).chain(&beside).all(|path| modified(path).unwrap_or_else(SystemTime::now) < built)
}

/// The right to build one program, held across processes by a file lock.
struct Turn(#[allow(dead_code, reason = "the lock lasts as long as the file is open")] std::fs::File);

impl Turn {
    fn take(path: &Path) -> Result<Turn, String> {
        let file = std::fs::File::create(path).map_err(|e| format!("{}: {e}", path.display()))?;
        // SAFETY: flock takes a descriptor and no pointer; `file` keeps it open.
        if unsafe { libc::flock(file.as_raw_fd(), libc::LOCK_EX) } != 0 {
            return Err(format!("{}: {}", path.display(), std::io::Error::last_os_error()));
        }
        Ok(Turn(file))
    }
}

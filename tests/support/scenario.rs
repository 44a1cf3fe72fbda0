//! Scenarios: what one C or C++ file asks to have run.
//!
//! A file holds scenarios of one subject, `SCENARIO(name) { … }` (check.h). Each runs in a process of its own.
//! Lines that start with `//@` say how; before the first `#include` they count for the whole file, later for the
//! next scenario:
//!  - `//@ with NAME=VALUE`  a second run of the scenario with this environment;
//!  - `//@ env NAME=VALUE`   every run has this environment;
//!  - `//@ limit SECONDS`    in place of 60;
//!  - `//@ dies SIGNAL`      it must end by this signal;
//!  - `//@ says TEXT`        its stderr must contain this;
//!  - `//@ needs own-switch`  skipped when `GMP_TEST_SWITCH` says that the library was built on another switch.

use std::path::{Path, PathBuf};
use std::time::Duration;

/// One scenario of a file and how it is to be run.
#[derive(Clone, Debug)]
pub struct Scenario {
    pub source: PathBuf,
    pub name: String,
    pub how: How,
}

/// The directives that count for one scenario.
#[derive(Clone, Debug)]
pub struct How {
    pub variants: Vec<Variant>,
    pub environment: Vec<Variant>,
    pub limit: Duration,
    pub dies: Option<i32>,
    pub says: Vec<String>,
    pub needs_own_switch: bool,
}

/// One environment variable of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variant {
    pub name: String,
    pub value: String,
}

/// All scenarios of the C and C++ files of a directory, in file and line order.
pub fn in_directory(dir: &str) -> Vec<Scenario> {
    crate::files(dir, &["c", "cpp"]).iter().flat_map(|source| in_file(source)).collect()
}

fn in_file(source: &Path) -> Vec<Scenario> {
    let text = std::fs::read_to_string(source).unwrap_or_else(|e| panic!("{}: {e}", source.display()));
    let mut of_file = How::plain();
    let mut before_include = true;
    let mut next: Option<How> = None;
    let mut found = Vec::new();
    for line in text.lines() {
        if line.starts_with("#include") {
            before_include = false;
        } else if let Some(directive) = line.strip_prefix("//@ ") {
            let how = if before_include { &mut of_file } else { next.get_or_insert_with(|| of_file.clone()) };
            how.take(directive).unwrap_or_else(|what| panic!("{}: {what}: {line}", source.display()));
        } else if let Some(name) = line.strip_prefix("SCENARIO(").and_then(|rest| rest.split(')').next()) {
            let how = next.take().unwrap_or_else(|| of_file.clone());
            found.push(Scenario { source: source.to_path_buf(), name: name.to_string(), how });
        }
    }
    assert!(!found.is_empty(), "{} has no SCENARIO at the start of a line", source.display());
    found
}

impl How {
    fn plain() -> How {
        How {
            variants: vec![],
            environment: vec![],
            limit: Duration::from_secs(60),
            dies: None,
            says: vec![],
            needs_own_switch: false,
        }
    }

    fn take(&mut self, directive: &str) -> Result<(), String> {
        let (word, rest) = directive.split_once(' ').ok_or("a directive has a word and a value")?;
        match word {
            "with" => self.variants.push(Variant::parse(rest)?),
            "env" => self.environment.push(Variant::parse(rest)?),
            "limit" => self.limit = Duration::from_secs(rest.parse().map_err(|_| "limit takes seconds")?),
            "dies" => self.dies = Some(signal_number(rest)?),
            "says" => self.says.push(rest.to_string()),
            "needs" if rest == "own-switch" => self.needs_own_switch = true,
            _ => return Err("no such directive".to_string()),
        }
        Ok(())
    }
}

impl Variant {
    fn parse(text: &str) -> Result<Variant, String> {
        let (name, value) = text.split_once('=').ok_or("expected NAME=VALUE")?;
        Ok(Variant { name: name.to_string(), value: value.to_string() })
    }
}

fn signal_number(name: &str) -> Result<i32, String> {
    match name {
        "SIGSEGV" => Ok(libc::SIGSEGV),
        "SIGABRT" => Ok(libc::SIGABRT),
        "SIGBUS" => Ok(libc::SIGBUS),
        _ => Err(format!("no such signal here: {name}")),
    }
}

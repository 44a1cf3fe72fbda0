//! Runs every scenario of tests/c, tests/cpp and tests/crash, each in a process of its own.

use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitCode};

use gmp_tests::{build, in_directory, run, seed, Scenario, Variant};
use libtest_mimic::{Arguments, Completion, Failed, Trial};

/// What a scenario answers when the host cannot run it (check.h's SKIP).
const SKIPPED: i32 = 77;

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let trials = ["tests/c", "tests/cpp", "tests/crash"].iter().flat_map(|dir| trials(dir)).collect();
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn trials(dir: &str) -> Vec<Trial> {
    let folder = dir.rsplit('/').next().unwrap_or(dir).to_string();
    let mut trials = Vec::new();
    for scenario in in_directory(dir) {
        let file = scenario.source.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let program = format!("{folder}/{file}");
        let variants = scenario.how.variants.clone();
        for variant in std::iter::once(None).chain(variants.into_iter().map(Some)) {
            let suffix = variant.as_ref().map_or(String::new(), |v| format!("+{}={}", v.name, v.value));
            let name = format!("{program}/{}{suffix}", scenario.name);
            let (scenario, program) = (scenario.clone(), program.clone());
            trials.push(Trial::ignorable_test(name, move || perform(&program, &scenario, variant.as_ref())));
        }
    }
    trials
}

fn perform(program: &str, scenario: &Scenario, variant: Option<&Variant>) -> Result<Completion, Failed> {
    if let (true, Some(switch)) = (scenario.how.needs_own_switch, std::env::var_os("GMP_TEST_SWITCH")) {
        return Ok(skipped(scenario, &format!("not what the {} switch does", switch.to_string_lossy())));
    }
    let check = format!("-I{}", gmp_tests::root().join("tests/c").display());
    let flags = [check.as_str(), "-lm", "-ldl"];
    let path = build(program, std::slice::from_ref(&scenario.source), &flags)?;
    let mut command = Command::new(&path);
    command.arg(&scenario.name).env_remove("GMP_MAXPROCS").env("GMP_TEST_SEED", seed().to_string());
    for set in scenario.how.environment.iter().chain(variant) {
        command.env(&set.name, &set.value);
    }
    let ended = run(&mut command, scenario.how.limit).map_err(|e| format!("{command:?}: {e}"))?;
    let fail = |why: String| Err(Failed::from(format!("{why}\nseed {}\n{}", seed(), ended.report())));

    if ended.stuck.is_none() && ended.status.code() == Some(SKIPPED) {
        return Ok(skipped(scenario, ended.stdout.lines().last().unwrap_or_default()));
    }
    if ended.stuck.is_some() || ended.status.signal() != scenario.how.dies {
        return fail(format!("{} did not end as it should", scenario.name));
    }
    if scenario.how.dies.is_none() && ended.status.code() != Some(0) {
        return fail(format!("{} failed", scenario.name));
    }
    match scenario.how.says.iter().find(|text| !ended.stderr.contains(text.as_str())) {
        Some(text) => fail(format!("{} did not say {text:?}", scenario.name)),
        None => Ok(Completion::Completed),
    }
}

fn skipped(scenario: &Scenario, reason: &str) -> Completion {
    println!("{}: skipped: {reason}", scenario.name);
    Completion::ignored_with(reason)
}

//! The scenarios of tests/c and tests/cpp under a tool that watches their memory: `GMP_TEST_TOOL=asan`, `tsan` or `valgrind`. Without it nothing.
//!
//! The host's code is instrumented, the library is not: it is what users have. Left out is what `tests/sanitizer/left-out.txt` names, each with
//! its reason. First of all each tool must find the bugs that `tests/sanitizer/planted.c` has for it.

use std::process::{Command, ExitCode};

use gmp_tests::{build, in_directory, run, seed, Scenario};
use libtest_mimic::{Arguments, Completion, Failed, Trial};

const SKIPPED: i32 = 77;

/// A tool, and how it speaks.
#[derive(Clone, Copy)]
struct Tool {
    name: &'static str,
    /// What the compiler is told.
    flags: &'static [&'static str],
    environment: &'static [(&'static str, &'static str)],
    /// What the program is run by.
    runner: &'static [&'static str],
    /// Begins each report.
    says: &'static str,
    /// Begins the names of the planted bugs that it finds.
    finds: &'static str,
    /// How much longer than the scenario says it may take.
    patience: u32,
}

const TOOLS: [Tool; 3] = [
    Tool {
        name: "asan",
        flags: &["-fsanitize=address", "-fno-omit-frame-pointer"],
        // Leaks: tasks' records and stacks are mappings of ours, where nobody looks for pointers.
        environment: &[("ASAN_OPTIONS", "detect_leaks=0:allocator_may_return_null=1:detect_stack_use_after_return=1")],
        runner: &[],
        says: "ERROR: AddressSanitizer",
        finds: "address_",
        patience: 3,
    },
    Tool {
        name: "tsan",
        flags: &["-fsanitize=thread"],
        environment: &[(
            "TSAN_OPTIONS",
            "halt_on_error=1:die_after_fork=0:allocator_may_return_null=1:suppressions=ROOT/tests/sanitizer/tsan.supp",
        )],
        runner: &[],
        says: "WARNING: ThreadSanitizer",
        finds: "thread_",
        patience: 3,
    },
    Tool {
        name: "valgrind",
        flags: &[],
        environment: &[],
        runner: &["valgrind", "--error-exitcode=99", "--fair-sched=try", "--max-stackframe=100000000"],
        says: "== Invalid",
        finds: "valgrind_",
        patience: 3,
    },
];

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let trials = match std::env::var("GMP_TEST_TOOL").ok() {
        None => Vec::new(),
        Some(name) => match TOOLS.into_iter().find(|tool| tool.name == name) {
            Some(tool) => trials(tool),
            None => panic!("GMP_TEST_TOOL={name}: asan, tsan or valgrind"),
        },
    };
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn trials(tool: Tool) -> Vec<Trial> {
    let left_out = left_out(tool.name);
    let mut used = vec![false; left_out.len()];
    let mut trials = Vec::new();
    for dir in ["tests/sanitizer", "tests/c", "tests/cpp"] {
        let folder = dir.rsplit('/').next().unwrap_or(dir);
        for scenario in in_directory(dir) {
            let file = scenario.source.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            let program = format!("{folder}/{file}");
            let name = format!("{program}/{}", scenario.name);
            let planted = folder == "sanitizer" && !scenario.name.starts_with("clean_");
            if planted && !scenario.name.starts_with(tool.finds) {
                continue;
            }
            if let Some(at) = left_out.iter().position(|(what, _)| *what == program || *what == name) {
                used[at] = true;
                let reason = left_out[at].1.clone();
                trials.push(Trial::ignorable_test(name, move || Ok(Completion::ignored_with(reason))));
                continue;
            }
            trials.push(Trial::ignorable_test(name, move || perform(tool, &program, &scenario, planted)));
        }
    }
    for ((what, _), used) in left_out.iter().zip(used) {
        assert!(used, "tests/sanitizer/left-out.txt names {what}, which is not there");
    }
    trials
}

/// What the tool does not run, and why: lines `TOOL PROGRAM[/SCENARIO] REASON`; `all` is every tool.
fn left_out(tool: &str) -> Vec<(String, String)> {
    let path = gmp_tests::root().join("tests/sanitizer/left-out.txt");
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let parts = lines.map(|line| {
        let mut words = line.splitn(3, ' ');
        let mut word = || words.next().unwrap_or_else(|| panic!("left-out.txt: {line}")).to_string();
        (word(), word(), word())
    });
    parts.filter(|(whose, _, _)| whose == tool || whose == "all").map(|(_, what, why)| (what, why)).collect()
}

fn perform(tool: Tool, program: &str, scenario: &Scenario, planted: bool) -> Result<Completion, Failed> {
    if scenario.how.dies.is_some() {
        return Ok(Completion::ignored_with("it dies on purpose"));
    }
    let check = format!("-I{}", gmp_tests::root().join("tests/c").display());
    // Warnings about the planted bugs are no news.
    let mut flags = vec![check.as_str(), "-O1", "-w", "-lm", "-ldl"];
    flags.extend(tool.flags);
    let path = build(program, std::slice::from_ref(&scenario.source), &flags)?;
    let mut command = match tool.runner {
        [] => Command::new(&path),
        [first, rest @ ..] => {
            let mut command = Command::new(first);
            command.args(rest).arg(&path);
            command
        }
    };
    command.arg(&scenario.name).env_remove("GMP_MAXPROCS").env("GMP_TEST_SEED", seed().to_string());
    for (name, value) in tool.environment {
        command.env(name, value.replace("ROOT", &gmp_tests::root().display().to_string()));
    }
    for set in &scenario.how.environment {
        command.env(&set.name, &set.value);
    }
    let ended = run(&mut command, scenario.how.limit * tool.patience).map_err(|e| format!("{command:?}: {e}"))?;
    let fail = |why: String| Err(Failed::from(format!("{why}\nseed {}\n{}", seed(), ended.report())));
    if ended.stuck.is_none() && ended.status.code() == Some(SKIPPED) {
        return Ok(Completion::ignored_with(ended.stdout.lines().last().unwrap_or_default()));
    }
    let reported = ended.stderr.contains(tool.says) || ended.stderr.contains("== Conditional jump");
    if planted {
        return match reported && ended.stuck.is_none() && !ended.status.success() {
            true => Ok(Completion::Completed),
            false => fail(format!("{} did not find the bug of {}", tool.name, scenario.name)),
        };
    }
    match ended.stuck.is_none() && !reported && ended.status.success() {
        true => Ok(Completion::Completed),
        false => fail(format!("{} is not clean under {}", scenario.name, tool.name)),
    }
}

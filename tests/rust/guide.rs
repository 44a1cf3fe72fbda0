//! The guide's programs are true: each is compiled as a user would, without a warning, run, and prints what the guide says.

use super::output;
use gmp_tests::{build, root, scratch};
use std::process::Command;

/// A program of the guide: the line that it begins at, its text, and the block of output right behind it.
#[derive(Debug, PartialEq)]
struct Snippet {
    line: usize,
    program: String,
    prints: Option<String>,
}

/// The blocks fenced as `c`, each with the block fenced as `text` that follows it directly.
fn snippets(text: &str) -> Vec<Snippet> {
    let mut found: Vec<Snippet> = Vec::new();
    let mut lines = text.lines().enumerate();
    let mut before_is_program = false;
    while let Some((number, line)) = lines.next() {
        let Some(language) = line.strip_prefix("```") else {
            before_is_program = false;
            continue;
        };
        let block: String =
            lines.by_ref().map(|(_, l)| l).take_while(|l| *l != "```").flat_map(|l| [l, "\n"]).collect();
        match (language, found.last_mut()) {
            ("c", _) => found.push(Snippet { line: number + 2, program: block, prints: None }),
            ("text", Some(last)) if before_is_program => last.prints = Some(block),
            _ => {}
        }
        before_is_program = language == "c";
    }
    found
}

#[test]
fn every_program_of_the_guide_runs_and_prints_what_it_says() {
    let guide = std::fs::read_to_string(root().join("docs/guide.md")).expect("the guide is there");
    let snippets = snippets(&guide);
    assert!(snippets.len() >= 10, "only {} programs", snippets.len());
    let dir = scratch().join("guide");
    std::fs::create_dir_all(&dir).expect("the scratch directory can be written");
    for Snippet { line, program, prints } in &snippets {
        let source = dir.join(format!("line{line}.c"));
        if std::fs::read_to_string(&source).ok().as_ref() != Some(program) {
            std::fs::write(&source, program).expect("and so can this");
        }
        let built = build(&format!("guide/line{line}"), &[source], &["-Werror"]);
        let built = built.unwrap_or_else(|why| panic!("docs/guide.md:{line}: {why}"));
        let printed = output(Command::new(built).env_remove("GMP_MAXPROCS"));
        let prints = prints.as_ref().unwrap_or_else(|| panic!("docs/guide.md:{line}: no output is given"));
        assert_eq!(&printed, prints, "docs/guide.md:{line}");
    }
}

#[test]
fn programs_and_their_output_are_found() {
    let text = "a\n```c\nint a;\n```\n```text\none\ntwo\n```\n```text\nnot its\n```\n```sh\nls\n```\n```c\nb\n```\n\n```text\nno\n```\n";
    let found = snippets(text);
    assert_eq!(found.len(), 2);
    assert_eq!((found[0].line, found[0].program.as_str()), (3, "int a;\n"));
    assert_eq!(found[0].prints.as_deref(), Some("one\ntwo\n"));
    assert_eq!((found[1].line, found[1].prints.as_deref()), (16, None));
}

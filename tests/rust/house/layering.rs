//! Imports point down only: a module names modules of its own layer or of a lower one.

use super::{code_only, core_sources};
use std::path::Path;

/// The layers of docs/ARCHITECTURE.md, lowest first.
const LAYERS: [&[&str]; 7] = [
    &["primitive", "sys"],
    &["base", "stack", "switch"],
    &["task", "source"],
    &["processor", "machine"],
    &["sched"],
    &["chan", "sync", "time", "timer", "io", "blocking", "context", "group", "cancel", "local", "join", "thread_lock"],
    &["runtime", "global", "inspect", "task_api", "context_api", "api"],
];
/// The loom models look at everything, and hold the breaking switches that the protocols ask for: in no layer.
const MODELS: &str = "model";
const ROOT: &str = "lib";

fn layer(module: &str) -> Option<usize> {
    LAYERS.iter().position(|modules| modules.contains(&module))
}

/// The top-level modules that a file names: by `crate::…` anywhere, or by a `use super::…` that reaches the root.
fn named(path: &Path, text: &str) -> Vec<String> {
    let code = code_only(text);
    let mut found = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        let before = code[..at].chars().next_back();
        if !before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == '$') {
            found.extend(first_segments(&code[at + "crate::".len()..]));
        }
    }
    let depth = depth(path);
    for line_at in code.match_indices('\n').map(|(at, _)| at + 1).chain([0]) {
        let line = &code[line_at..];
        let Some(mut rest) = line.strip_prefix("use ").or_else(|| line.strip_prefix("pub use ")) else { continue };
        let mut ups = 0;
        while let Some(up) = rest.strip_prefix("super::") {
            (rest, ups) = (up, ups + 1);
        }
        if ups > 0 && ups == depth {
            found.extend(first_segments(rest));
        }
    }
    found
}

/// How many modules deep a file is: `task/mod.rs` and `time.rs` 1, `task/state.rs` 2.
fn depth(path: &Path) -> usize {
    path.components().count() - usize::from(path.file_name().is_some_and(|name| name == "mod.rs"))
}

/// The first names of a path, or of each path of a `{…}` group.
fn first_segments(text: &str) -> Vec<String> {
    let name = |text: &str| text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    let Some(group) = text.strip_prefix('{') else { return vec![name(text)] };
    let (mut names, mut depth, mut start) = (Vec::new(), 0, 0);
    for (at, character) in group.char_indices() {
        match character {
            '{' => depth += 1,
            '}' if depth > 0 => depth -= 1,
            ',' | '}' if depth == 0 => {
                names.push(name(group[start..at].trim()));
                start = at + 1;
                if character == '}' {
                    break;
                }
            }
            _ => {}
        }
    }
    names
}

fn upward(path: &Path, text: &str) -> Vec<String> {
    let own = path.components().next().expect("a path has a part").as_os_str().to_string_lossy().replace(".rs", "");
    if own == MODELS || own == ROOT {
        return Vec::new();
    }
    let Some(own_layer) = layer(&own) else { return vec![format!("{}: in no layer", path.display())] };
    let is_up = |name: &String| layer(name).is_some_and(|theirs| theirs > own_layer) || name == ROOT;
    let say = |name: String| format!("{} (layer {own_layer}) names {name}, which is above it", path.display());
    named(path, text).into_iter().filter(is_up).map(say).collect()
}

#[test]
fn imports_point_down() {
    let sources = core_sources();
    assert!(sources.len() > 10, "gmp-core/src is not where it was");
    let offences: Vec<String> = sources.iter().flat_map(|(path, text)| upward(path, text)).collect();
    assert!(offences.is_empty(), "{}", offences.join("\n"));
}

#[test]
fn upward_imports_are_found_in_every_form() {
    let offences = |path: &str, text: &str| upward(Path::new(path), text).len();
    assert_eq!(offences("task/state.rs", "use crate::sched::park;\n"), 1);
    assert_eq!(offences("task/state.rs", "use crate::{base::note, sched::{park, ready}, runtime};\n"), 2);
    assert_eq!(offences("task/state.rs", "fn f() { crate::global::runtime(); }\n"), 1);
    assert_eq!(offences("task/mod.rs", "use super::sched;\n"), 1);
    assert_eq!(offences("task/state.rs", "use super::super::sched;\n"), 1);
    assert_eq!(offences("task/state.rs", "pub(crate) use crate::machine::Machine;\n"), 1);
    assert_eq!(offences("nowhere/state.rs", ""), 1);
    assert_eq!(offences("task/state.rs", "use crate::{base, primitive::fence};\nuse super::join;\n"), 0);
    assert_eq!(
        offences("task/state.rs", "// use crate::sched;\n/// [`crate::sched`]\nconst S: &str = \"crate::sched\";\n"),
        0
    );
    assert_eq!(offences("sched/find.rs", "use crate::{task, machine};\nuse super::idle;\n"), 0);
}

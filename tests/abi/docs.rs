//! Every function of the header says its context, what it blocks, its errors and since when it exists.

use gmp_tests::root;

/// The tags that each function's comment must carry.
const TAGS: [&str; 4] = ["@context", "@blocks", "@errors", "@since"];

/// One function of a header: its name and the comment right above it.
struct Function {
    name: String,
    comment: String,
}

/// The functions declared in a header, in order. A declaration is a statement outside comments, directives and
/// braces that calls for arguments; typedefs are none.
fn functions(header: &str) -> Vec<Function> {
    let mut found = Vec::new();
    let (mut comment, mut statement, mut depth) = (String::new(), String::new(), 0);
    let mut rest = header;
    while let Some(character) = rest.chars().next() {
        if rest.starts_with("/*") {
            let end = rest.find("*/").map_or(rest.len(), |at| at + 2);
            if statement.trim().is_empty() {
                comment = rest[..end].to_string();
            }
            rest = &rest[end..];
            continue;
        }
        if rest.starts_with("//") || (rest.starts_with('#') && statement.trim().is_empty()) {
            let end = rest.find('\n').unwrap_or(rest.len());
            if rest.starts_with("//") && statement.trim().is_empty() {
                comment.push_str(&rest[..end]);
            }
            rest = &rest[end..];
            continue;
        }
        rest = &rest[character.len_utf8()..];
        match character {
            '{' if statement.contains("extern \"C\"") => statement.clear(),
            '{' => depth += 1,
            '}' if depth == 0 => statement.clear(),
            '}' => depth -= 1,
            ';' if depth == 0 => {
                if let Some(name) = declared(&statement) {
                    found.push(Function { name, comment: std::mem::take(&mut comment) });
                }
                comment.clear();
                statement.clear();
            }
            other if depth == 0 => statement.push(other),
            _ => {}
        }
    }
    found
}

fn declared(statement: &str) -> Option<String> {
    if statement.trim_start().starts_with("typedef") {
        return None;
    }
    let before = &statement[..statement.find('(')?];
    let name = before.split(|c: char| !c.is_alphanumeric() && c != '_').rfind(|word| !word.is_empty())?;
    name.starts_with("gmp_").then(|| name.to_string())
}

/// The names declared in include/gmprt.h.
pub fn declared_functions() -> Vec<String> {
    functions(&header()).into_iter().map(|function| function.name).collect()
}

fn header() -> String {
    std::fs::read_to_string(root().join("include/gmprt.h")).expect("include/gmprt.h is there: `make lib`")
}

fn undocumented(header: &str) -> Vec<String> {
    let lacks = |function: &Function| {
        let missing: Vec<&str> = TAGS.into_iter().filter(|tag| !function.comment.contains(tag)).collect();
        (!missing.is_empty()).then(|| format!("{}: no {}", function.name, missing.join(", ")))
    };
    functions(header).iter().filter_map(lacks).collect()
}

#[test]
fn every_function_says_context_blocks_errors_and_since() {
    let lacking = undocumented(&header());
    assert!(lacking.is_empty(), "{}", lacking.join("\n"));
}

#[test]
fn a_function_without_its_tags_is_found() {
    let planted = "/** Fine. @context any @blocks no @errors none @since 0.1 */\nint gmp_good(int);\n\
                   typedef void (*gmp_fn_t)(void *arg);\nstruct s { int (*f)(void); };\nint gmp_bad(void);\n\
                   /** @context any @blocks no @errors none */\nvoid *gmp_worse(void (*f)(void *));\n";
    assert_eq!(undocumented(planted), ["gmp_bad: no @context, @blocks, @errors, @since", "gmp_worse: no @since"]);
}

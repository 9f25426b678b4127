//! What no compiler checks: layers, forgotten files, documents that stopped being true.

mod documents;
mod protocols;
pub(crate) mod rows;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use regex::Regex;

/// The layers of `src/`, and the modules a module may use beside itself. Modules of one layer meet in the layer below it.
const LAYERS: [(&str, &[&str]); 12] = [
    ("knife", &[]),
    ("domain", &[]),
    ("machine", &["domain"]),
    ("view", &["domain", "machine"]),
    ("config", &["domain", "machine"]),
    ("ledger", &["domain", "machine", "knife"]),
    ("tracker", &["domain", "machine", "knife"]),
    ("terminal", &["domain", "machine", "knife"]),
    ("repo", &["domain", "machine", "knife"]),
    (
        "daemon",
        &[
            "domain", "machine", "view", "config", "ledger", "tracker", "terminal", "repo", "knife",
        ],
    ),
    // An agent knows nothing of the daemon: it meets it through files, as every agent does.
    ("demo_agent", &["domain", "machine", "repo"]),
    (
        "cli",
        &[
            "domain",
            "machine",
            "view",
            "config",
            "ledger",
            "tracker",
            "terminal",
            "repo",
            "daemon",
            "demo_agent",
            "knife",
        ],
    ),
];

/// Words that may not occur in the code of some modules.
struct Absent {
    modules: &'static [&'static str],
    words: &'static [&'static str],
    /// Files where they may all the same, and why.
    excused: &'static [(&'static str, &'static str)],
}

/// The invariants of absence of `src/lib.rs`, as far as text can show them.
const ABSENT: [Absent; 3] = [
    Absent {
        modules: &["domain", "machine", "view"],
        words: &[
            "std::fs",
            "std::net",
            "std::process",
            "std::thread",
            "std::env",
            "tokio",
            "async fn",
            "Timestamp::now",
            "Zoned::now",
            "SystemTime",
            "Instant",
            "HashMap",
        ],
        excused: &[],
    },
    Absent {
        modules: &["config", "ledger", "repo"],
        words: &["Timestamp::now", "Zoned::now", "SystemTime::now"],
        excused: &[],
    },
    Absent {
        modules: &["config", "ledger", "tracker", "terminal", "repo", "daemon"],
        words: &["env::var", "env::home_dir", "current_exe"],
        excused: &[(
            "src/terminal/client.rs",
            "an allow-list for tmux clients; `Places::env` could carry it",
        )],
    },
];

/// Crates that have to be used, not only listed.
const CRATES: [&str; 7] = [
    "octocrab",
    "tokio",
    "tokio_cron_scheduler",
    "tmux_interface",
    "serde",
    "anyhow",
    "tracing_subscriber",
];

/// The top level that the rest of the world may rely on.
const LAYOUT: [&str; 7] = [
    "Cargo.toml",
    "src",
    "skills",
    "labels.toml",
    "systemd",
    "tests",
    "README.md",
];

/// Lines of a file.
const LINES_MAX: usize = 600;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

pub(crate) fn read(path: impl AsRef<Path>) -> String {
    let path = root().join(path);
    fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("cannot read `{}`: {error}", path.display()))
}

/// Returns the project's own files below `folder`, relative to the root, sorted.
fn files(folder: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder)
            .unwrap_or_else(|error| panic!("cannot list `{}`: {error}", folder.display()))
        {
            let entry = entry.expect("a readable folder");
            let name = entry.file_name().to_string_lossy().into_owned();
            let path = entry.path();
            let kind = entry.file_type().expect("a file has a type");
            if kind.is_dir() && !is_foreign(&name) {
                folders.push(path);
            } else if kind.is_file() {
                let path = path.strip_prefix(root()).expect("below the root");
                found.push(path.to_string_lossy().into_owned());
            }
        }
    }
    found.sort();
    found
}

/// Whether a folder holds nothing that the project tracks.
fn is_foreign(name: &str) -> bool {
    matches!(name, "target" | "node_modules" | "__pycache__")
        || (name.starts_with('.') && !matches!(name, ".ci" | ".github"))
}

pub(crate) fn rust_files(folder: &str) -> Vec<String> {
    files(folder)
        .into_iter()
        .filter(|path| has_extension(path, "rs"))
        .collect()
}

fn has_extension(path: &str, wanted: &str) -> bool {
    Path::new(path)
        .extension()
        .is_some_and(|extension| extension == wanted)
}

/// Returns the lines that are code, with their numbers: comments say things that code may not do.
fn code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines()
        .enumerate()
        .map(|(index, line)| (index + 1, line))
        .filter(|(_, line)| !line.trim_start().starts_with("//"))
}

/// Returns the top module of a file below `src/`; `lib.rs` and `main.rs` have none.
fn module(path: &str) -> Option<&str> {
    let (module, _) = path.strip_prefix("src/")?.split_once('/')?;
    Some(module)
}

fn none(broken: &[String]) {
    assert!(broken.is_empty(), "\n{}\n", broken.join("\n"));
}

/// Finds wrong uses in one file's text.
fn wrong_uses(path: &str, text: &str) -> Vec<String> {
    let Some(module) = module(path) else {
        return Vec::new();
    };
    let Some((_, may)) = LAYERS.iter().find(|(name, _)| *name == module) else {
        return vec![format!(
            "{path}: the module `{module}` has no layer in LAYERS"
        )];
    };
    used(text)
        .into_iter()
        .filter(|name| LAYERS.iter().any(|(layer, _)| layer == name))
        .filter(|name| name != module && !may.contains(&name.as_str()))
        .map(|name| format!("{path}: `{module}` may not use `{name}`"))
        .collect()
}

/// Returns the first names after `crate::`, also those of a list in braces, which may span lines.
fn used(text: &str) -> BTreeSet<String> {
    let code = code(text)
        .map(|(_, line)| line)
        .collect::<Vec<_>>()
        .join("\n");
    let first_name = |text: &str| {
        text.trim_start()
            .chars()
            .take_while(|char| char.is_alphanumeric() || *char == '_')
            .collect()
    };
    let mut used = BTreeSet::new();
    for (at, start) in code.match_indices("crate::") {
        let rest = &code[at + start.len()..];
        let Some(list) = rest.strip_prefix('{') else {
            used.insert(first_name(rest));
            continue;
        };
        used.insert(first_name(list));
        let mut depth = 1;
        for (at, char) in list.char_indices() {
            match char {
                '{' => depth += 1,
                '}' => depth -= 1,
                ',' if depth == 1 => drop(used.insert(first_name(&list[at + 1..]))),
                _ => {}
            }
            if depth == 0 {
                break;
            }
        }
    }
    used
}

#[test]
fn a_module_uses_only_the_layers_above_it() {
    let broken: Vec<String> = rust_files("src")
        .iter()
        .flat_map(|path| wrong_uses(path, &read(path)))
        .collect();
    none(&broken);
}

#[test]
fn a_wrong_use_is_found_in_every_form() {
    let found = |path, text| wrong_uses(path, text).len();
    assert_eq!(
        found("src/domain/issue.rs", "use crate::machine::starting::rank;"),
        1
    );
    assert_eq!(
        found("src/ledger/store.rs", "let x = crate::tracker::open();"),
        1
    );
    assert_eq!(
        found(
            "src/view/words.rs",
            "use crate::{\n    config::Config,\n    domain::{Issue, Label},\n    repo,\n};"
        ),
        2
    );
    assert_eq!(
        found(
            "src/repo/git.rs",
            "use crate::domain::Sha;\n// use crate::daemon;"
        ),
        0
    );
    assert_eq!(found("src/unheard/of.rs", ""), 1);
}

#[test]
fn the_architecture_page_lists_the_modules_in_layer_order() {
    let declared = Regex::new(r"(?m)^pub mod ([a-z_]+);").expect("a pattern");
    let text = read("src/lib.rs");
    let declared: Vec<&str> = declared
        .captures_iter(&text)
        .map(|found| found.extract::<1>().1[0])
        .collect();
    let layer = |name: &str| {
        let (_, may) = LAYERS
            .iter()
            .find(|(layer, _)| *layer == name)
            .unwrap_or_else(|| panic!("`{name}` has no layer"));
        // `demo_agent` is a surface although it uses little; the knife is there for everybody.
        let below = may.iter().filter(|used| **used != "knife").count();
        if name == "demo_agent" { 9 } else { below }
    };
    assert!(
        declared.is_sorted_by_key(|name| layer(name)),
        "{declared:?}"
    );
    for name in declared {
        assert!(
            text.contains(&format!("[`{name}`]")),
            "the code map of src/lib.rs does not name `{name}`"
        );
    }
}

#[test]
fn what_is_absent_stays_absent() {
    let mut broken = Vec::new();
    for path in rust_files("src") {
        let text = read(&path);
        for Absent {
            modules,
            words,
            excused,
        } in ABSENT
        {
            let here = module(&path).is_some_and(|module| modules.contains(&module));
            if !here || excused.iter().any(|(file, _)| *file == path) {
                continue;
            }
            for (number, line) in
                code(&text).take_while(|(_, line)| !line.starts_with("#[cfg(test)]"))
            {
                let words = words.iter().filter(|word| has_word(line, word));
                broken.extend(
                    words.map(|word| {
                        format!("{path}:{number}: `{word}` has no place in this layer")
                    }),
                );
            }
        }
    }
    none(&broken);
}

/// Whether `word` stands in `line` on its own (`Instant`, but not in `Instantly`).
fn has_word(line: &str, word: &str) -> bool {
    let part = |char: char| char.is_alphanumeric() || char == '_';
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + word.len()..].chars().next();
        // `env::var` also stands for `env::var_os` and `env::vars`.
        !before.is_some_and(part) && (word.contains("::") || !after.is_some_and(part))
    })
}

#[test]
fn every_excuse_is_still_needed() {
    for Absent { words, excused, .. } in ABSENT {
        for (path, why) in excused {
            let text = read(path);
            let needed = code(&text).any(|(_, line)| words.iter().any(|word| has_word(line, word)));
            assert!(
                needed && !why.is_empty(),
                "`{path}` needs no excuse any more: take it off the list"
            );
        }
    }
}

#[test]
fn no_file_is_forgotten() {
    let mut broken = Vec::new();
    for path in rust_files("src").into_iter().chain(rust_files("tests/it")) {
        let file = PathBuf::from(&path);
        let stem = file
            .file_stem()
            .expect("a file has a name")
            .to_string_lossy()
            .into_owned();
        let folder = file.parent().expect("a file has a folder").to_owned();
        if matches!(stem.as_str(), "main" | "lib") {
            continue;
        }
        let (name, folder) = match stem.as_str() {
            "mod" => {
                let name = folder
                    .file_name()
                    .expect("a folder has a name")
                    .to_string_lossy()
                    .into_owned();
                (name, folder.parent().expect("below the root").to_owned())
            }
            _ => (stem, folder),
        };
        let parents = [
            folder.join("mod.rs"),
            folder.with_extension("rs"),
            folder.join("lib.rs"),
            folder.join("main.rs"),
        ];
        let declared =
            Regex::new(&format!(r"(?m)^\s*(pub(\([a-z]+\))? )?mod {name};")).expect("a pattern");
        let found = parents
            .iter()
            .any(|parent| root().join(parent).is_file() && declared.is_match(&read(parent)));
        if !found {
            broken.push(format!(
                "{path}: no file says `mod {name};`, so it is never compiled"
            ));
        }
    }
    none(&broken);
}

/// G1: the crates the project was asked to stand on are really used.
#[test]
fn g1_every_crate_of_the_card_is_used() {
    let sources: Vec<String> = rust_files("src").iter().map(read).collect();
    for name in CRATES {
        let used = Regex::new(&format!(r"\b{name}::")).expect("a pattern");
        let found = sources
            .iter()
            .any(|text| code(text).any(|(_, line)| used.is_match(line)));
        assert!(found, "`{name}` is listed and not used");
    }
}

/// G2: the top level is as promised.
#[test]
fn g2_the_top_level_is_as_promised() {
    for path in LAYOUT {
        assert!(
            root().join(path).exists(),
            "`{path}` is missing at the top level"
        );
    }
}

#[test]
fn files_stay_readable_in_one_sitting() {
    let mut broken = Vec::new();
    for path in ["src", "tests", "benches"].into_iter().flat_map(rust_files) {
        let lines = read(&path).lines().count();
        if lines > LINES_MAX {
            broken.push(format!(
                "{path}: {lines} lines, at most {LINES_MAX}: split it along its story"
            ));
        }
    }
    none(&broken);
}

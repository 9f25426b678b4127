//! `agents/*.toml`.

use insta::assert_snapshot;

use pointsman::domain::screen_pattern;

use super::*;

#[test]
fn a_bad_pattern_shows_its_place() {
    assert_snapshot!(profile(r#"start = ["x"]
processes = ["x"]

[screen]
composer = '^> (.*'

[[screen.rule]]
name = "busy"
region = "bottom 3"
pattern = '(?!look)ahead'
claim = "busy"
"#), @"
    error: not a regular expression: unclosed group
     --> agents/mine.toml:5:16
      |
    5 | composer = '^> (.*'
      |                ^

    error: not a regular expression: look-around, including look-ahead and look-behind, is not supported
      --> agents/mine.toml:10:12
       |
    10 | pattern = '(?!look)ahead'
       |            ^^^
    ");
}

#[test]
fn a_rule_looks_at_a_region_and_claims_one_thing() {
    assert_snapshot!(profile(r#"start = ["x", "{lin}"]
processes = ["x"]
first_line = "argument"
versions = "new"

[submit]
clear_key = "0d"
floor = "1h"

[screen]
composer = "^> .*$"

[[screen.rule]]
name = "busy"
region = "whole"
pattern = "x"
claim = "bussy"
"#), @r#"
    error: `first_line = "argument"` and no word `{line}` in `start`
     --> agents/mine.toml:1:10
      |
    1 | start = ["x", "{lin}"]
      |          ^^^

    error: unknown placeholder `{lin}`
     --> agents/mine.toml:1:15
      |
    1 | start = ["x", "{lin}"]
      |               ^^^^^^^
      |
      = expected: `{line}`, `{pointsman}`, `{hooks}`, `{git_dir}`, `{port}`

    error: not a range of versions: unexpected character 'n' while parsing major version number
     --> agents/mine.toml:4:12
      |
    4 | versions = "new"
      |            ^^^^^
      |
      = expected: as in `>=2.1.300, <3`

    error: `0d` is not a key that clears
     --> agents/mine.toml:7:13
      |
    7 | clear_key = "0d"
      |             ^^^^
      |
      = expected: bytes in hex, as in `15` for control-u

    error: `floor` is out of range
     --> agents/mine.toml:8:9
      |
    8 | floor = "1h"
      |         ^^^^
      |
      = expected: 50ms to 30s

    error: `composer` has 0 groups
      --> agents/mine.toml:11:12
       |
    11 | composer = "^> .*$"
       |            ^^^^^^^^
       |
       = expected: exactly one group, around what is typed

    error: `whole` is not a region
      --> agents/mine.toml:15:10
       |
    15 | region = "whole"
       |          ^^^^^^^
       |
       = expected: `bottom N` or `above-composer N`, N rows from 1 to 40, `from-composer`

    error: `claim` cannot be `bussy`
      --> agents/mine.toml:17:9
       |
    17 | claim = "bussy"
       |         ^^^^^^^ did you mean `busy`?
       |
       = expected: busy, idle, permission, question, dialog, login, survey, rate-limited, error, refused
    "#);
}

#[test]
fn a_composer_is_told_from_the_transcript() {
    let rows = [
        ("claude-code", "❯ said\n❯\u{a0}typed", Some("typed")),
        ("claude-code", "❯\u{a0}", Some("")),
        ("claude-code", " ❯ 1. Yes\n   2. No", None),
        ("codex", "›\n  footer", Some("")),
        ("gemini", " > typed", Some("typed")),
        (
            "opencode",
            "  ┃\n  ┃  typed\n  ┃\n  ┃  Build · Model\n  ╹▀▀",
            Some("typed"),
        ),
        (
            "opencode",
            "  ┃\n  ┃\n  ┃\n  ┃  Build · Model\n  ╹▀▀",
            Some(""),
        ),
        ("aider", "> said\nanswer\n> typed", Some("typed")),
        ("aider", "> said\nanswer", None),
        ("demo", ">", Some("")),
        ("gemini", " >", Some("")),
    ];
    let profiles = Config::shipped().profiles;
    for (name, rows, typed) in rows {
        let composer = profiles[&ProfileName::new(name)]
            .screen
            .composer
            .clone()
            .unwrap();
        let found = screen_pattern(&composer).unwrap();
        let last = found.captures_iter(rows).last();
        let text = last.map(|found| found.get(1).map_or("", |group| group.as_str()).to_owned());
        assert_eq!(text.as_deref(), typed, "{name}: {rows}");
    }
}

#[test]
fn an_agent_may_be_given_its_providers_key_and_never_the_trackers() {
    assert_snapshot!(profile(r#"start = ["x"]
processes = ["x"]
pass_env = ["ANTHROPIC_API_KEY", "GITHUB_TOKEN", "A-B"]
"#), @r#"
    error: `GITHUB_TOKEN` is never passed to an agent
     --> agents/mine.toml:3:34
      |
    3 | pass_env = ["ANTHROPIC_API_KEY", "GITHUB_TOKEN", "A-B"]
      |                                  ^^^^^^^^^^^^^^
      |
      = hint: agents need no tracker: they report with `pointsman done`

    error: `A-B` is not a variable's name
     --> agents/mine.toml:3:50
      |
    3 | pass_env = ["ANTHROPIC_API_KEY", "GITHUB_TOKEN", "A-B"]
      |                                                  ^^^^^
    "#);
}

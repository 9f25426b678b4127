//! `labels.toml`: its syntax, keys and values, and what the shipped ones say.

use insta::assert_snapshot;

use super::*;

#[test]
fn a_typo_in_a_key_names_what_was_meant() {
    assert_snapshot!(workflow(r#"version = 1

[[stage]]
label = "dev"
collor = "c5def5"
skill = "dev"
needs = []
next = "done"
"#), @r#"
    error: unknown key `collor` in `[[stage]]`
     --> labels.toml:5:1
      |
    5 | collor = "c5def5"
      | ^^^^^^ did you mean `color`?
      |
      = expected: label, color, description, role, skill, needs, next, back, not_by, seat, file, entry, timeout, wip, backlog, advance
    "#);
}

#[test]
fn a_wrong_type_names_the_right_one() {
    assert_snapshot!(workflow(r#"version = 1

[[stage]]
label = "dev"
skill = "dev"
needs = ["build"]
next = "done"
wip = "2"
seat = 1
timeout = 90
needs_too = []
"#), @r#"
    error: `wip` is a text, not a whole number
     --> labels.toml:8:7
      |
    8 | wip = "2"
      |       ^^^

    error: `seat` is a number, not `true` or `false`
     --> labels.toml:9:8
      |
    9 | seat = 1
      |        ^

    error: `timeout` is a number, not a duration: `90s`, `10m`, `2h`, `1d`
      --> labels.toml:10:11
       |
    10 | timeout = 90
       |           ^^

    error: unknown key `needs_too` in `[[stage]]`
      --> labels.toml:11:1
       |
    11 | needs_too = []
       | ^^^^^^^^^
       |
       = expected: label, color, description, role, skill, needs, next, back, not_by, seat, file, entry, timeout, wip, backlog, advance
    "#);
}

#[test]
fn three_problems_of_a_file_show_at_once() {
    assert_snapshot!(workflow(r##"version = 2

[[stage]]
label = "dev"
color = "#c5def5"
skill = "dev"
needs = []
next = "done"
timeout = "2 hours"
"##), @r##"
    error: version 2 is not known here
     --> labels.toml:1:11
      |
    1 | version = 2
      |           ^
      |
      = expected: version = 1
      = hint: a newer pointsman may know it

    error: `#c5def5` is not a colour
     --> labels.toml:5:9
      |
    5 | color = "#c5def5"
      |         ^^^^^^^^^
      |
      = expected: six hex digits, as in `c5def5`

    error: `2 hours` is not a duration
     --> labels.toml:9:11
      |
    9 | timeout = "2 hours"
      |           ^^^^^^^^^
      |
      = expected: a number and a unit: `90s`, `10m`, `2h`, `1d`
    "##);
}

#[test]
fn two_syntax_errors_and_a_semantic_one_show_at_once() {
    assert_snapshot!(workflow(r#"version = 1

[[stage]]
label = "dev
skill = "dev"
needs = []
next = = "done"
wip = 0
"#), @r#"
    error: invalid basic string
     --> labels.toml:4:13
      |
    4 | label = "dev
      |             ^
      |
      = expected: `"`

    error: extra `=`
     --> labels.toml:7:8
      |
    7 | next = = "done"
      |        ^
      |
      = expected: nothing

    error: `wip` is out of range
     --> labels.toml:8:7
      |
    8 | wip = 0
      |       ^
      |
      = expected: 1 to 100
    "#);
}

#[test]
fn windows_line_ends_and_a_byte_order_mark_do_not_move_the_caret() {
    assert_snapshot!(workflow("\u{feff}version = 1\r\n\r\n[[stage]]\r\nlabel = \"dev\"\r\nskil = \"dev\"\r\nneeds = []\r\nnext = \"done\"\r\n"), @r#"
    error: `skill` is missing in `[[stage]]`
     --> labels.toml:3:1
      |
    3 | [[stage]]
      | ^^^^^^^^^
      |
      = hint: add `skill = ...`

    error: unknown key `skil` in `[[stage]]`
     --> labels.toml:5:1
      |
    5 | skil = "dev"
      | ^^^^ did you mean `skill`?
      |
      = expected: label, color, description, role, skill, needs, next, back, not_by, seat, file, entry, timeout, wip, backlog, advance
    "#);
}

#[test]
fn a_label_in_another_case_is_the_same_label() {
    assert_snapshot!(workflow(r#"version = 1

[[stage]]
label = "QA"
skill = "qa"
needs = []
next = "done"

[[stage]]
label = "qa"
skill = "qa"
needs = []
next = "done"
"#), @r#"
    error: label `qa` has two meanings: a stage and a stage
      --> labels.toml:10:9
       |
    10 | label = "qa"
       |         ^^^^
       |
       = hint: labels compare without regard to case, as GitHub does
    "#);
}

#[test]
fn a_skill_that_is_not_there_is_named() {
    assert_snapshot!(workflow(r#"version = 1

[[stage]]
label = "dev"
skill = "devv"
needs = []
next = "done"
"#), @r#"
    error: unknown skill `devv`
     --> labels.toml:5:9
      |
    5 | skill = "devv"
      |         ^^^^^^ did you mean `dev`?
      |
      = expected: content-review, dev, draft, prep, qa, research, review, scout, solo-dev
      = hint: `pointsman skill new devv` writes a first version
    "#);
}

#[test]
fn limits_have_ranges_and_hours_a_form() {
    assert_snapshot!(workflow(r#"version = 1

[[stage]]
label = "dev"
skill = "dev"
needs = ["build"]
next = "done"

[limits]
rounds = -1
attempts = 1000
dispatches_per_day = 3.5
hours = "22-7"
"#), @r#"
    error: `rounds` is out of range
      --> labels.toml:10:10
       |
    10 | rounds = -1
       |          ^^
       |
       = expected: 0 to 100

    error: `attempts` is out of range
      --> labels.toml:11:12
       |
    11 | attempts = 1000
       |            ^^^^
       |
       = expected: 1 to 100

    error: `dispatches_per_day` is a number with a point, not a whole number
      --> labels.toml:12:22
       |
    12 | dispatches_per_day = 3.5
       |                      ^^^

    error: `22-7` is not a span of the day
      --> labels.toml:13:9
       |
    13 | hours = "22-7"
       |         ^^^^^^
       |
       = expected: `HH:MM-HH:MM`, as in `22:00-07:00`
    "#);
}

#[test]
fn an_empty_file_is_no_workflow() {
    assert_snapshot!(workflow(""), @"
    error: `version` is missing in the file
     --> labels.toml:1:1
      |
    1 |
      | ^
      |
      = hint: add `version = ...`

    error: a workflow has at least one `[[stage]]`
     --> labels.toml:1:1
      |
    1 |
      | ^
      |
      = hint: `pointsman labels eject` writes the shipped one
    ");
}

#[test]
fn a_workflow_of_a_megabyte_is_refused_unread() {
    assert_snapshot!(workflow(&"#".repeat(1024 * 1024)), @"
    error: the file is too large: at most 256 KB
    --> labels.toml
    ");
}

#[test]
fn a_very_long_line_keeps_its_caret() {
    let text = format!("{} = 1", "x".repeat(100_000));
    let said = workflow(&text);
    assert!(
        said.contains("^^^") && said.len() < 400_000,
        "{}",
        said.len()
    );
}

#[test]
fn a_workflow_is_drawn_as_mermaid() {
    assert_snapshot!(config::graph(&Config::shipped().workflows["labels.toml"]), @r#"
    flowchart LR
        s0["ready-for-prep<br/>planner: prep"]
        s1["ready-for-dev<br/>builder: dev"]
        s2["QA<br/>adversary: qa"]
        s3["review<br/>reviewer: review"]
        done([done])
        s0 -->|"spec"| s1
        s1 -->|"branch, verify, build"| s2
        s2 -->|"build, verdict"| s3
        s2 -.->|"at most 3 rounds"| s1
        s3 -->|"build, verdict, coverage, a person"| done
        s3 -.->|"at most 3 rounds"| s1
    "#);
}

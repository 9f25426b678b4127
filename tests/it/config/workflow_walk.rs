//! `labels.toml` as a whole: names, edges, loops, gates.

use insta::assert_snapshot;

use super::*;

#[test]
fn a_stage_may_not_use_a_special_label() {
    assert_snapshot!(workflow(r#"version = 1

[[stage]]
label = "Hold"
skill = "dev"
needs = []
next = "done"

[labels]
veto = ["hold"]
priority = ["p0", "P0"]
"#), @r#"
    error: label `hold` has two meanings: a stage and `veto`
      --> labels.toml:10:9
       |
    10 | veto = ["hold"]
       |         ^^^^^^
       |
       = hint: labels compare without regard to case, as GitHub does

    error: label `P0` has two meanings: `priority` and `priority`
      --> labels.toml:11:19
       |
    11 | priority = ["p0", "P0"]
       |                   ^^^^
       |
       = hint: labels compare without regard to case, as GitHub does
    "#);
}

#[test]
fn a_stage_may_not_use_a_special_label_of_the_defaults() {
    assert_snapshot!(workflow(r#"version = 1

[[stage]]
label = "needs-human"
skill = "dev"
needs = []
next = "done"
"#), @r#"
    error: label `needs-human` has two meanings: `park`, by default and a stage
     --> labels.toml:4:9
      |
    4 | label = "needs-human"
      |         ^^^^^^^^^^^^^
      |
      = hint: labels compare without regard to case, as GitHub does
    "#);
}

#[test]
fn an_unknown_next_back_or_not_by_is_named() {
    assert_snapshot!(workflow(r#"version = 1

[[stage]]
label = "ready-for-dev"
skill = "dev"
needs = []
next = "qa-stage"

[[stage]]
label = "QA"
skill = "qa"
needs = ["verdict"]
next = "don"
back = "redy-for-dev"
not_by = ["prep"]
entry = true
"#), @r#"
    error: `next` names no stage: `qa-stage`
     --> labels.toml:7:8
      |
    7 | next = "qa-stage"
      |        ^^^^^^^^^^
      |
      = expected: ready-for-dev, QA, done

    error: `next` names no stage: `don`
      --> labels.toml:13:8
       |
    13 | next = "don"
       |        ^^^^^ did you mean `done`?
       |
       = expected: ready-for-dev, QA, done

    error: `back` names no stage: `redy-for-dev`
      --> labels.toml:14:8
       |
    14 | back = "redy-for-dev"
       |        ^^^^^^^^^^^^^^ did you mean `ready-for-dev`?
       |
       = expected: ready-for-dev, QA

    error: `not_by` names no stage: `prep`
      --> labels.toml:15:11
       |
    15 | not_by = ["prep"]
       |           ^^^^^^
       |
       = expected: ready-for-dev, QA
    "#);
}

#[test]
fn a_stage_nobody_leads_to_is_unreachable() {
    assert_snapshot!(workflow(r#"version = 1

[[stage]]
label = "dev"
skill = "dev"
needs = ["build"]
next = "done"

[[stage]]
label = "lost"
skill = "qa"
needs = []
next = "done"
"#), @r#"
    error: no stage leads here
      --> labels.toml:10:9
       |
    10 | label = "lost"
       |         ^^^^^^
       |
       = hint: name it in another stage's `next`, or say `entry = true` if people label issues with it
    "#);
}

#[test]
fn a_next_that_goes_upstream_is_a_loop_without_a_limit() {
    assert_snapshot!(workflow(r#"version = 1

[[stage]]
label = "a"
skill = "dev"
needs = []
next = "b"

[[stage]]
label = "b"
skill = "dev"
needs = []
next = "a"
"#), @r#"
    error: `next` goes upstream to `a`: a loop without a limit
      --> labels.toml:13:8
       |
    13 | next = "a"
       |        ^^^
       |
       = hint: `back` opens a counted round; or move the stage further down
    "#);
}

#[test]
fn a_back_without_rounds_is_a_loop_without_a_limit() {
    assert_snapshot!(workflow(r#"version = 1

[[stage]]
label = "QA"
skill = "qa"
needs = ["verdict"]
next = "done"
back = "QA"

[limits]
rounds = 0
"#), @"
    error: a loop without a limit: `back` needs `rounds` of at least 1
      --> labels.toml:11:10
       |
    11 | rounds = 0
       |          ^
       |
       = hint: set `rounds = 3` in `[limits]`
    ");
}

#[test]
fn back_and_seat_need_a_verdict() {
    assert_snapshot!(workflow(r#"version = 1

[[stage]]
label = "QA"
skill = "qa"
needs = ["build", "coverage"]
next = "done"
back = "QA"
seat = true
"#), @r#"
    error: `coverage` compares the changed files with a verdict's, and there is no `verdict`
     --> labels.toml:6:19
      |
    6 | needs = ["build", "coverage"]
      |                   ^^^^^^^^^^
      |
      = hint: add "verdict" to `needs`

    error: `back` is where a failing verdict goes, and this stage has none
     --> labels.toml:8:8
      |
    8 | back = "QA"
      |        ^^^^
      |
      = hint: add "verdict" to `needs`, or leave `back` out

    error: a seat is freed by a passing verdict, and this stage has none
     --> labels.toml:9:8
      |
    9 | seat = true
      |        ^^^^
      |
      = hint: add "verdict" to `needs`, or leave `seat` out
    "#);
}

#[test]
fn checks_of_a_commit_need_a_stage_that_makes_them() {
    assert_snapshot!(workflow(r#"version = 1

[[stage]]
label = "QA"
skill = "qa"
needs = ["verdict", "checks"]
next = "done"
"#), @r#"
    error: `checks` reads what GitHub says of a pushed commit, and no stage makes commits
     --> labels.toml:6:21
      |
    6 | needs = ["verdict", "checks"]
      |                     ^^^^^^^^
      |
      = hint: add "branch" to the `needs` of the stage that makes them
    "#);
}

#[test]
fn an_unknown_gate_names_built_in_and_own_ones() {
    assert_snapshot!(workflow(r#"version = 1

[[stage]]
label = "dev"
skill = "dev"
needs = ["bulid", "link", "spec", "spec"]
next = "done"

[[gate]]
name = "links"
run = "make links"

[[gate]]
name = "build"
run = "make"

[[gate]]
name = "links"
rn = "make links"
"#), @r#"
    error: unknown gate `bulid`
     --> labels.toml:6:10
      |
    6 | needs = ["bulid", "link", "spec", "spec"]
      |          ^^^^^^^ did you mean `build`?
      |
      = expected: spec, branch, verify, build, verdict, coverage, pr, checks, approval, file, links
      = hint: a gate of your own is a `[[gate]]` with `name` and `run`

    error: unknown gate `link`
     --> labels.toml:6:19
      |
    6 | needs = ["bulid", "link", "spec", "spec"]
      |                   ^^^^^^ did you mean `links`?
      |
      = expected: spec, branch, verify, build, verdict, coverage, pr, checks, approval, file, links
      = hint: a gate of your own is a `[[gate]]` with `name` and `run`

    error: gate `spec` is asked for twice
     --> labels.toml:6:35
      |
    6 | needs = ["bulid", "link", "spec", "spec"]
      |                                   ^^^^^^

    error: gate `build` is built in
      --> labels.toml:14:8
       |
    14 | name = "build"
       |        ^^^^^^^
       |
       = hint: give your own another name

    error: `run` is missing in `[[gate]]`
      --> labels.toml:17:1
       |
    17 | [[gate]]
       | ^^^^^^^^
       |
       = hint: add `run = ...`

    error: gate `links` is there twice
      --> labels.toml:18:8
       |
    18 | name = "links"
       |        ^^^^^^^

    error: unknown key `rn` in `[[gate]]`
      --> labels.toml:19:1
       |
    19 | rn = "make links"
       | ^^ did you mean `run`?
       |
       = expected: name, run, timeout, warn
    "#);
}

#[test]
fn the_file_of_a_stage_stays_inside_the_project() {
    assert_snapshot!(workflow(r#"version = 1

[[stage]]
label = "s0"
skill = "draft"
needs = ["file"]
file = "../x.md"
next = "done"
entry = true

[[stage]]
label = "s1"
skill = "draft"
needs = ["file"]
file = "/etc/passwd"
next = "done"
entry = true

[[stage]]
label = "s2"
skill = "draft"
needs = ["file"]
file = "drafts/{name}.md"
next = "done"
entry = true

[[stage]]
label = "s3"
skill = "draft"
needs = ["file"]
file = ".git/config"
next = "done"
entry = true

[[stage]]
label = "s9"
skill = "draft"
needs = ["file"]
next = "done"
entry = true
"#), @r#"
    error: the path holds `.` or `..`
     --> labels.toml:7:8
      |
    7 | file = "../x.md"
      |        ^^^^^^^^^
      |
      = expected: a path inside the project, as in `drafts/{n}.md`

    error: an absolute path
      --> labels.toml:15:8
       |
    15 | file = "/etc/passwd"
       |        ^^^^^^^^^^^^^
       |
       = expected: a path inside the project, as in `drafts/{n}.md`

    error: an unknown placeholder
      --> labels.toml:23:8
       |
    23 | file = "drafts/{name}.md"
       |        ^^^^^^^^^^^^^^^^^^
       |
       = expected: `{n}`, the issue's number

    error: `.git` and `.pointsman` are not the agent's to write
      --> labels.toml:31:8
       |
    31 | file = ".git/config"
       |        ^^^^^^^^^^^^^

    error: the `file` gate has no file to look at
      --> labels.toml:38:10
       |
    38 | needs = ["file"]
       |          ^^^^^^
       |
       = hint: add `file = "drafts/{n}.md"` to the stage
    "#);
}

#[test]
fn a_missing_key_is_said_at_its_stage() {
    assert_snapshot!(workflow(r#"version = 1

[[stage]]
label = "dev"
"#), @"
    error: `skill` is missing in `[[stage]]`
     --> labels.toml:3:1
      |
    3 | [[stage]]
      | ^^^^^^^^^
      |
      = hint: add `skill = ...`

    error: `needs` is missing in `[[stage]]`
     --> labels.toml:3:1
      |
    3 | [[stage]]
      | ^^^^^^^^^
      |
      = hint: add `needs = ...`

    error: `next` is missing in `[[stage]]`
     --> labels.toml:3:1
      |
    3 | [[stage]]
      | ^^^^^^^^^
      |
      = hint: add `next = ...`
    ");
}

#[test]
fn done_is_a_reserved_word() {
    assert_snapshot!(workflow(r#"version = 1

[[stage]]
label = "Done"
skill = "dev"
needs = []
next = "done"
"#), @r#"
    error: `done` is a reserved word and no label
     --> labels.toml:4:9
      |
    4 | label = "Done"
      |         ^^^^^^
      |
      = hint: `next = "done"` removes the routing label and closes the issue
    "#);
}

#[test]
fn the_default_workflow_is_the_cards_four_stages() {
    let config = Config::shipped();
    let workflow = &config.workflows["labels.toml"];
    let rows: Vec<String> = workflow
        .stages
        .iter()
        .map(|stage| {
            format!(
                "{} = {} by {} -> {}",
                stage.label, stage.skill, stage.role, stage.next
            )
        })
        .collect();
    assert_snapshot!(rows.join("\n"), @"
    ready-for-prep = prep by planner -> ready-for-dev
    ready-for-dev = dev by builder -> QA
    QA = qa by adversary -> review
    review = review by reviewer -> done
    ");
    assert_eq!(workflow.stages[2].back, Some(Label::new("READY-for-dev")));
    assert_eq!(workflow.stages[3].next, Next::Done);
    assert_eq!(workflow.digest.len(), 64);
}

#[test]
fn names_take_the_case_their_stage_is_written_in() {
    let text = "version = 1\n[[stage]]\nlabel = \"Dev\"\nskill = \"dev\"\nneeds = []\nnext = \"qa\"\n[[stage]]\nlabel = \"QA\"\nskill = \"qa\"\nneeds = [\"verdict\"]\nnext = \"DONE\"\nback = \"DEV\"\n";
    let workflow = config::parse_workflow("mine.toml", text, &names().skills).unwrap();
    assert_eq!(workflow.stages[0].next.to_string(), "QA");
    assert_eq!(workflow.stages[1].next, Next::Done);
    assert_eq!(
        workflow.stages[1].back.as_ref().map(Label::as_str),
        Some("Dev")
    );
}

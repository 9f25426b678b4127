//! `projects/*.toml` and `pointsman.toml`.

use insta::assert_snapshot;
use pointsman::domain::GateName;

use super::*;

#[test]
fn a_project_needs_a_tracker_a_path_and_an_agent() {
    assert_snapshot!(project(r#"build = "make"
"#), @r#"
    error: the file does not say where the issues live
     --> projects/blog.toml:1:1
      |
    1 | build = "make"
      | ^
      |
      = expected: `repo = "owner/name"`, `tracker = "local"`

    error: `path` is missing in the file
     --> projects/blog.toml:1:1
      |
    1 | build = "make"
      | ^
      |
      = hint: add `path = ...`

    error: `agent` is missing in the file
     --> projects/blog.toml:1:1
      |
    1 | build = "make"
      | ^
      |
      = hint: add `agent = ...`
    "#);
}

#[test]
fn a_project_has_one_tracker() {
    assert_snapshot!(project(r#"repo = "me/blog"
tracker = "local"
path = "~/src/blog"
agent = "codex"
build = "make"
"#), @r#"
    error: `repo` and `tracker` exclude each other
     --> projects/blog.toml:2:1
      |
    2 | tracker = "local"
      | ^^^^^^^
      |
      = hint: keep the one where the issues live
    "#);
}

#[test]
fn a_missing_build_is_said_where_a_stage_needs_it() {
    assert_snapshot!(project(r#"repo = "me/blog"
path = "~/src/blog"
agent = "codex"
"#), @r#"
    error: `build` is missing, and stage `ready-for-dev` needs a build
     --> projects/blog.toml:3:1
      |
    3 | agent = "codex"
      | ^^^^^
      |
      = hint: add `build = "<command>"`, or `build = "none"`
    "#);
}

#[test]
fn a_stage_that_needs_a_pull_request_or_checks_needs_a_tracker_that_has_them() {
    let mut config = Config::shipped();
    let solo = config
        .workflows
        .get_mut("solo.toml")
        .expect("it is shipped");
    solo.stages[0]
        .needs
        .extend([GateName::Pr, GateName::Checks]);
    let text = r#"tracker = "local"
path = "~/src/blog"
agent = "codex"
workflow = "solo.toml"
"#;
    assert_snapshot!(said(read_project_with(text, &config)), @r#"
    error: `build` is missing, and stage `ready-for-dev` needs a build
     --> projects/blog.toml:4:12
      |
    4 | workflow = "solo.toml"
      |            ^^^^^^^^^^^
      |
      = hint: add `build = "<command>"`, or `build = "none"`

    error: stage `ready-for-dev` needs a pull request, and the local tracker has none
     --> projects/blog.toml:4:12
      |
    4 | workflow = "solo.toml"
      |            ^^^^^^^^^^^
      |
      = hint: take `pr` out of its `needs`, or name a repository: `repo = "me/blog"`

    error: stage `ready-for-dev` reads GitHub's checks, and the local tracker has none
     --> projects/blog.toml:4:12
      |
    4 | workflow = "solo.toml"
      |            ^^^^^^^^^^^
      |
      = hint: take `checks` out of its `needs`, or name a repository: `repo = "me/blog"`
    "#);
}

#[test]
fn facts_have_a_name_of_their_own_and_a_command() {
    let one = |n: u8| format!("  {{ name = \"n{n}\", run = \"true\" }},\n");
    let many = [1, 2, 3, 4, 5, 6, 7, 8].map(one).concat();
    let head = r#"tracker = "local"
path = "~/blog"
agent = "codex"
build = "make"
facts = [
"#;
    let tail = r#"  { name = "n1", run = "true" },
  { name = "one more", run = "true" },
  { name = "n9", run = "true" },
  { name = "n10", runs = "true" },
]
"#;
    let text = format!("{head}{many}{tail}");
    assert_snapshot!(project(&text), @r#"
    error: fact `n1` is there twice
      --> projects/blog.toml:14:12
       |
    14 |   { name = "n1", run = "true" },
       |            ^^^^

    error: `one more` is not a fact's name
      --> projects/blog.toml:15:12
       |
    15 |   { name = "one more", run = "true" },
       |            ^^^^^^^^^^
       |
       = expected: letters, digits, `_` and `-`, at most 64, a letter or digit first

    error: more than 8 facts
      --> projects/blog.toml:16:12
       |
    16 |   { name = "n9", run = "true" },
       |            ^^^^
       |
       = hint: every brief waits for each of them: let one command print several things

    error: `run` is missing in `[[facts]]`
      --> projects/blog.toml:17:3
       |
    17 |   { name = "n10", runs = "true" },
       |   ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
       |
       = hint: add `run = ...`

    error: unknown key `runs` in `[[facts]]`
      --> projects/blog.toml:17:19
       |
    17 |   { name = "n10", runs = "true" },
       |                   ^^^^ did you mean `run`?
       |
       = expected: name, run
    "#);
}

#[test]
fn git_gates_mean_nothing_without_git() {
    assert_snapshot!(project(r#"tracker = "local"
path = "~/plain"
agent = "codex"
build = "none"
workflow = "solo.toml"
"#), @r#"
    error: not a git repository, and stage `ready-for-dev` needs `branch`, `build`
     --> projects/blog.toml:2:8
      |
    2 | path = "~/plain"
      |        ^^^^^^^^^
      |
      = hint: run `git init` there, or use a workflow without them: `workflow = "content.toml"`
    "#);
}

#[test]
fn whose_the_paths_are_and_who_the_agents_are_is_checked() {
    assert_snapshot!(project(r#"tracker = "local"
path = "~/blog"
agent = "codex"
build = "make"
allow = ["Shop-Agent", "4242"]
agents = ["shop-agent", "@bot"]
authority = [
  { paths = ["db/[a"], who = ["@ann"] },
  { paths = ["db/**"], whom = ["ann"] },
  { paths = ["x/**"], who = [] },
  { paths = ["y/**"], who = ["4242"] },
]
"#), @r#"
    error: `shop-agent` is in `allow` and in `agents`
     --> projects/blog.toml:6:11
      |
    6 | agents = ["shop-agent", "@bot"]
      |           ^^^^^^^^^^^^
      |
      = hint: an account that agents work as is nobody's word: leave it in one

    error: `@bot` is not an account
     --> projects/blog.toml:6:25
      |
    6 | agents = ["shop-agent", "@bot"]
      |                         ^^^^^^
      |
      = expected: a login without `@`, a numeric id

    error: not a glob: unclosed character class; missing ']'
     --> projects/blog.toml:8:14
      |
    8 |   { paths = ["db/[a"], who = ["@ann"] },
      |              ^^^^^^^
      |
      = expected: as in `.github/**`

    error: `@ann` is not an account
     --> projects/blog.toml:8:31
      |
    8 |   { paths = ["db/[a"], who = ["@ann"] },
      |                               ^^^^^^
      |
      = expected: a login without `@`, a numeric id

    error: `who` is missing in `[[authority]]`
     --> projects/blog.toml:9:3
      |
    9 |   { paths = ["db/**"], whom = ["ann"] },
      |   ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
      |
      = hint: add `who = ...`

    error: unknown key `whom` in `[[authority]]`
     --> projects/blog.toml:9:24
      |
    9 |   { paths = ["db/**"], whom = ["ann"] },
      |                        ^^^^ did you mean `who`?
      |
      = expected: paths, who

    error: nobody decides on it
      --> projects/blog.toml:10:29
       |
    10 |   { paths = ["x/**"], who = [] },
       |                             ^^
       |
       = hint: `protected` is what any person may change

    error: `4242` is an id, and people are called by name
      --> projects/blog.toml:11:30
       |
    11 |   { paths = ["y/**"], who = ["4242"] },
       |                              ^^^^^^
       |
       = expected: a login without `@`
    "#);
}

#[test]
fn every_value_of_a_project_is_checked() {
    assert_snapshot!(project(r#"repo = "https://github.com/me/blog"
path = "src/blog"
added = "yesterday"
agent = "claude"
build = "make"
session = "work"
workflow = "sole.toml"
allow = ["@alice"]
protected = ["src/[a"]
merge = "rebase"
stages = { QA = "codx" }
"#), @r#"
    error: `https://github.com/me/blog` is not a repository
     --> projects/blog.toml:1:8
      |
    1 | repo = "https://github.com/me/blog"
      |        ^^^^^^^^^^^^^^^^^^^^^^^^^^^^
      |
      = expected: `owner/name`
      = hint: without the address of the server: that is `base_url` in pointsman.toml

    error: `src/blog` is not an absolute path
     --> projects/blog.toml:2:8
      |
    2 | path = "src/blog"
      |        ^^^^^^^^^^
      |
      = expected: `/...` or `~/...`

    error: `added` is not a moment
     --> projects/blog.toml:3:9
      |
    3 | added = "yesterday"
      |         ^^^^^^^^^^^
      |
      = expected: date, time and zone: `2026-11-20T09:14:03Z`

    error: unknown agent profile `claude`
     --> projects/blog.toml:4:9
      |
    4 | agent = "claude"
      |         ^^^^^^^^ did you mean `claude-code`?
      |
      = expected: aider, claude-code, codex, demo, gemini, opencode, shell
      = hint: a profile of your own is a file `agents/claude.toml`

    error: `work` is not a session
     --> projects/blog.toml:6:11
      |
    6 | session = "work"
      |           ^^^^^^
      |
      = expected: `managed`, a pane to adopt: `default:work:1.0`, `default:%7` or `/path/of/socket:work:1.0`

    error: unknown workflow `sole.toml`
     --> projects/blog.toml:7:12
      |
    7 | workflow = "sole.toml"
      |            ^^^^^^^^^^^ did you mean `solo.toml`?
      |
      = expected: content.toml, labels.toml, solo.toml

    error: `@alice` is not an account
     --> projects/blog.toml:8:10
      |
    8 | allow = ["@alice"]
      |          ^^^^^^^^
      |
      = expected: a login without `@`, a numeric id

    error: not a glob: unclosed character class; missing ']'
     --> projects/blog.toml:9:14
      |
    9 | protected = ["src/[a"]
      |              ^^^^^^^^
      |
      = expected: as in `.github/**`

    error: `merge` cannot be `rebase`
      --> projects/blog.toml:10:9
       |
    10 | merge = "rebase"
       |         ^^^^^^^^
       |
       = expected: ff, off

    error: unknown agent profile `codx`
      --> projects/blog.toml:11:17
       |
    11 | stages = { QA = "codx" }
       |                 ^^^^^^ did you mean `codex`?
       |
       = expected: aider, claude-code, codex, demo, gemini, opencode, shell
       = hint: a profile of your own is a file `agents/codx.toml`
    "#);
}

#[test]
fn another_agent_is_for_a_stage_that_is_there() {
    assert_snapshot!(project(r#"repo = "me/blog"
path = "~/src/blog"
agent = "codex"
build = "make"
stages = { Q = "codex", qa = "aider" }
"#), @r#"
    error: the workflow has no stage `Q`
     --> projects/blog.toml:5:12
      |
    5 | stages = { Q = "codex", qa = "aider" }
      |            ^ did you mean `QA`?
      |
      = expected: ready-for-prep, ready-for-dev, QA, review
      = hint: use a label of the project's workflow
    "#);
}

#[test]
fn a_token_is_no_setting() {
    assert_snapshot!(settings(r#"[github]
token = "ghp_x"
base_url = "http://example.com"
app_id = 1
"#), @r#"
    error: a GitHub App needs all three of `app_id`, `installation_id`, `private_key`; not there: `installation_id`, `private_key`
     --> pointsman.toml:1:1
      |
    1 | [github]
      | ^^^^^^^^

    error: unknown key `token` in `[github]`
     --> pointsman.toml:2:1
      |
    2 | token = ...
      | ^^^^^
      |
      = expected: base_url, app_id, installation_id, private_key, reserve

    error: `http://example.com` is not an address this can use
     --> pointsman.toml:3:12
      |
    3 | base_url = "http://example.com"
      |            ^^^^^^^^^^^^^^^^^^^^
      |
      = expected: `https://...`, or `http://127.0.0.1:...` on this machine
    "#);
}

#[test]
fn settings_have_ranges_and_schedules_known_names() {
    assert_snapshot!(settings(r#"preset = "gentel"
cycle = "1s"
sweep = "soon"

[limits]
active_max = 0

[[schedule]]
skill = "scot"
project = "blg"
at = "25:00"
"#), @r#"
    error: `preset` cannot be `gentel`
     --> pointsman.toml:1:10
      |
    1 | preset = "gentel"
      |          ^^^^^^^^ did you mean `gentle`?
      |
      = expected: normal, gentle

    error: `cycle` is out of range
     --> pointsman.toml:2:9
      |
    2 | cycle = "1s"
      |         ^^^^
      |
      = expected: 10s to 1d

    error: `soon` is not a duration
     --> pointsman.toml:3:9
      |
    3 | sweep = "soon"
      |         ^^^^^^
      |
      = expected: a number and a unit: `90s`, `10m`, `2h`, `1d`

    error: `active_max` is out of range
     --> pointsman.toml:6:14
      |
    6 | active_max = 0
      |              ^
      |
      = expected: 1 to 1000

    error: unknown skill `scot`
     --> pointsman.toml:9:9
      |
    9 | skill = "scot"
      |         ^^^^^^ did you mean `scout`?
      |
      = expected: content-review, dev, draft, prep, qa, research, review, scout, solo-dev

    error: unknown project `blg`
      --> pointsman.toml:10:11
       |
    10 | project = "blg"
       |           ^^^^^ did you mean `blog`?
       |
       = expected: blog

    error: `25:00` is not a time of day
      --> pointsman.toml:11:6
       |
    11 | at = "25:00"
       |      ^^^^^^^
       |
       = expected: `HH:MM`, from `00:00` to `23:59`
    "#);
}

#[test]
fn a_project_without_build_is_fine_where_no_stage_needs_one() {
    let project = read_project(
        "tracker = \"local\"\npath = \"~/plain\"\nagent = \"aider\"\nworkflow = \"content.toml\"\n",
    )
    .unwrap();
    assert_eq!((project.build, project.git), (Build::None, false));
    assert_eq!(project.path, PathBuf::from("/home/me/plain"));
}

#[test]
fn a_status_comment_is_full_short_or_off() {
    assert_snapshot!(project(r#"tracker = "local"
path = "~/src/blog"
agent = "codex"
build = "make"
comment = "brief"
"#), @r#"
    error: `comment` cannot be `brief`
     --> projects/blog.toml:5:11
      |
    5 | comment = "brief"
      |           ^^^^^^^
      |
      = expected: full, short, off
    "#);
}

#[test]
fn several_agents_need_git_and_windows_of_our_own() {
    let file = |more: &str| {
        format!(
            "tracker = \"local\"\nagent = \"codex\"\nbuild = \"none\"\nworkflow = \"solo.toml\"\n{more}"
        )
    };
    let read = |more: &str| read_project(&file(more)).map(|project| project.sessions);
    assert_eq!(read("path = \"~/src/blog\"\n"), Ok(1));
    assert_eq!(read("path = \"~/src/blog\"\nsessions = 3\n"), Ok(3));
    let adopted = "path = \"~/src/blog\"\nsession = \"default:work:1.0\"\n";
    assert_eq!(read(&format!("{adopted}sessions = 1\n")), Ok(1));
    assert_snapshot!(project(&file(&format!("{adopted}sessions = 2\n"))), @"
    error: `sessions` is for sessions of our own, and `session` is a pane of yours
     --> projects/blog.toml:7:12
      |
    7 | sessions = 2
      |            ^
      |
      = hint: take `session` out, and each agent has a window of its own; or take `sessions` out
    ");
    assert_snapshot!(
        said(read_project_with(
            "tracker = \"local\"\nagent = \"codex\"\nworkflow = \"content.toml\"\npath = \"~/plain\"\nsessions = 2\n",
            &Config::shipped(),
        )),
        @"
    error: without git there is one folder, and one agent works in it
     --> projects/blog.toml:5:12
      |
    5 | sessions = 2
      |            ^
      |
      = hint: make it a git repository, and each agent has a work tree of its own; or take `sessions` out
    "
    );
    assert_snapshot!(project(&file("path = \"~/src/blog\"\nsessions = 10\n")), @"
    error: `sessions` is out of range
     --> projects/blog.toml:6:12
      |
    6 | sessions = 10
      |            ^^
      |
      = expected: 1 to 9
    ");
}

//! The real binary in a home of its own: words, exit codes, and the verbs that need no agent.

use crate::support::home::{Home, Said};

#[test]
fn the_whole_reference_is_one_golden_file() {
    let reference = Home::empty().says(&["help-all"]);
    insta::assert_snapshot!("help", reference);
}

#[test]
fn exit_codes_tell_usage_from_failure() {
    let home = Home::with_project();
    assert_eq!(home.run(&["no-such-verb"]).code, 2);
    assert_eq!(home.run(&["explain"]).code, 2);
    assert_eq!(home.run(&["pause", "nobody"]).code, 1);
    assert_eq!(home.run(&["ledger", "verify"]).code, 1);
    assert_eq!(home.run(&["labels", "graph"]).code, 0);
    assert_eq!(home.run(&["completions", "bash"]).code, 0);
    assert_eq!(home.run(&["man"]).code, 0);
}

#[test]
fn an_unknown_project_names_the_ones_there_are() {
    let said = Home::with_project().run(&["issue", "list", "--project", "blog"]);
    assert_eq!(
        said.err,
        "Error: there is no project `blog`\nHint: configured are: site\n"
    );
}

#[test]
fn a_typo_in_the_configuration_is_shown_with_a_caret_and_ends_with_78() {
    let home = Home::with_project();
    home.write(".config/pointsman/pointsman.toml", "cylce = \"10m\"\n");
    for verb in [
        &["run"][..],
        &["status"],
        &["cycle", "--dry-run"],
        &["issue", "list"],
    ] {
        let said = home.run(verb);
        assert_eq!(said.code, 78, "{verb:?}");
        assert!(said.out.is_empty(), "{verb:?}");
        insta::assert_snapshot!("typo", said.err);
    }
}

/// An App's key in the open is everybody's: who reads it is the App.
#[test]
fn a_key_that_everybody_may_open_is_not_used() {
    use std::os::unix::fs::PermissionsExt as _;
    let home = Home::empty();
    home.write("src/blog/README.md", "# blog\n");
    let (folder, key) = (home.path("src/blog"), home.path("app.pem"));
    let project = format!(
        "path = {folder:?}\nrepo = \"me/blog\"\nagent = \"demo\"\nworkflow = \"content.toml\"\n"
    );
    home.write(".config/pointsman/projects/blog.toml", &project);
    let github = format!(
        "[github]\nbase_url = \"http://127.0.0.1:9\"\napp_id = 1\ninstallation_id = 2\nprivate_key = {key:?}\n"
    );
    home.write(".config/pointsman/pointsman.toml", &github);
    home.write("app.pem", "-----BEGIN\n");
    let mode = |path: &std::path::Path, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    let home_folder = home.path("");
    mode(&home_folder, 0o755);
    for open in [0o644, 0o604, 0o602, 0o444] {
        mode(&key, open);
        let said = home.run(&["issue", "list"]);
        assert_eq!(said.code, 1);
        assert!(
            said.err
                .contains("every account of this machine may open it: `chmod o= "),
            "{}",
            said.err
        );
    }
    // As secrets are mounted: open to all in a folder that is not, behind a link that lies in the open.
    home.write("closed/app.pem", "-----BEGIN\n");
    let mounted = home.path("closed/app.pem");
    mode(&mounted, 0o444);
    std::fs::remove_file(&key).unwrap();
    std::os::unix::fs::symlink(&mounted, &key).unwrap();
    for (folder, open) in [(0o755, true), (0o700, false), (0o750, true), (0o500, false)] {
        mode(&home.path("closed"), folder);
        let said = home.run(&["issue", "list"]);
        assert_eq!(said.err.contains("every account"), open, "{}", said.err);
    }
    mode(&home.path("closed"), 0o755);
    mode(&mounted, 0o640);
    let said = home.run(&["issue", "list"]);
    assert!(!said.err.contains("every account"), "{}", said.err);
}

#[test]
fn without_a_home_nothing_is_guessed() {
    let home = Home::empty();
    let output = home
        .command(&["status"])
        .env_remove("HOME")
        .output()
        .unwrap();
    let said = Said::of(&output, &home.folder());
    assert_eq!(said.code, 1);
    assert_eq!(
        said.err,
        "Error: HOME is not set\nHint: set it to the home folder of the user who runs this\n"
    );
}

#[test]
fn an_issue_walks_through_the_local_tracker() {
    let home = Home::with_project();
    assert_eq!(home.says(&["issue", "list"]), "");
    assert_eq!(
        home.says(&["issue", "new", "Say hello", "--body", "to everybody"]),
        "#1 opened in site\n"
    );
    assert_eq!(
        home.says(&["issue", "label", "1", "ready-for-research"]),
        "#1 ready-for-research is set\n"
    );
    assert_eq!(
        home.says(&["issue", "label", "1", "ready-for-research"]),
        "#1 ready-for-research was set already\n"
    );
    assert_eq!(
        home.says(&["issue", "comment", "1", "please"]),
        "#1 has a comment more\n"
    );
    assert_eq!(
        home.says(&["issue", "list", "--project", "site"]),
        "#1    Say hello  [ready-for-research]\n"
    );
    let json: serde_json::Value =
        serde_json::from_str(&home.says(&["issue", "list", "--json"])).unwrap();
    assert_eq!(json[0]["labels"][0], "ready-for-research");
    let shown = home.says(&["issue", "show", "1"]);
    assert!(
        shown.contains("to everybody")
            && shown.contains("please")
            && shown.contains("set ready-for-research"),
        "{shown}"
    );
    assert_eq!(
        home.says(&["issue", "unlabel", "1", "ready-for-research"]),
        "#1 ready-for-research is removed\n"
    );
    assert_eq!(home.says(&["issue", "close", "1"]), "#1 is closed\n");
    assert_eq!(
        home.says(&["issue", "close", "1"]),
        "#1 was closed already\n"
    );
    assert_eq!(home.says(&["issue", "list"]), "");
}

#[test]
fn an_issue_that_is_not_there_is_said() {
    let said = Home::with_project().run(&["issue", "show", "7"]);
    assert_eq!(
        (said.code, said.err.as_str()),
        (
            1,
            "Error: #7 is not there\nHint: `pointsman issue list` shows the open ones\n"
        )
    );
}

#[test]
fn a_comment_needs_its_two_words() {
    let said = Home::with_project().run(&["issue", "comment", "1"]);
    assert_eq!(said.code, 2);
}

#[test]
fn labels_are_rehearsed_created_and_then_left_alone() {
    let home = Home::with_project();
    let rehearsed = home.says(&["labels", "sync", "--dry-run"]);
    assert!(
        rehearsed
            .lines()
            .all(|line| line.starts_with("site  create")),
        "{rehearsed}"
    );
    assert_eq!(
        home.run(&["labels", "check"]).code,
        1,
        "nothing was created"
    );
    home.says(&["labels", "sync"]);
    let again = home.says(&["labels", "sync"]);
    assert!(
        again.lines().all(|line| line.starts_with("site  keep")),
        "{again}"
    );
    assert_eq!(home.says(&["labels", "check"]), "all fits\n");
}

#[test]
fn of_several_routing_labels_the_last_one_stays() {
    let home = Home::with_project();
    home.says(&["labels", "sync"]);
    home.says(&["issue", "new", "Twice"]);
    let graph = home.says(&["labels", "graph", "--project", "site"]);
    assert!(graph.starts_with("flowchart LR\n"), "{graph}");
    home.says(&["issue", "label", "1", "draft-review", "ready-for-draft"]);
    let rehearsed = home.says(&["labels", "fix", "--dry-run"]);
    assert_eq!(
        rehearsed,
        "site  #1  keeps ready-for-draft, loses draft-review\n"
    );
    assert_eq!(home.says(&["labels", "fix"]), rehearsed);
    assert_eq!(home.says(&["labels", "fix"]), "");
}

#[test]
fn a_workflow_is_ejected_once() {
    let home = Home::with_project();
    let drawn = home.says(&["labels", "graph"]);
    assert!(
        drawn.contains("ready-for-draft"),
        "its one project's: {drawn}"
    );
    assert_eq!(
        home.says(&["labels", "eject"]),
        "HOME/.config/pointsman/workflows/content.toml\n"
    );
    assert_eq!(home.run(&["labels", "eject"]).code, 1);
    let default = Home::empty();
    assert_eq!(
        default.says(&["labels", "eject"]),
        "HOME/.config/pointsman/labels.toml\n"
    );
}

#[test]
fn projects_with_different_workflows_have_to_be_named() {
    let home = Home::with_project();
    home.write(
        ".config/pointsman/projects/zine.toml",
        "tracker = \"local\"\npath = \"~/zine\"\nagent = \"demo\"\nbuild = \"none\"\nworkflow = \"solo.toml\"\n",
    );
    let said = home.run(&["labels", "graph"]);
    assert_eq!(
        (said.code, said.err.as_str()),
        (
            2,
            "Error: the projects walk different workflows: content.toml, solo.toml\nHint: pass --project to say whose\n"
        )
    );
    assert!(
        home.says(&["labels", "graph", "--project", "zine"])
            .contains("ready-for-dev")
    );
}

#[test]
fn a_project_is_paused_and_goes_on_without_a_daemon() {
    let home = Home::with_project();
    assert_eq!(
        home.says(&["pause", "site"]),
        "site is paused: nothing new starts, what is open ends\n"
    );
    assert_eq!(
        home.says(&["pause", "site"]),
        "site is paused already, by ada\n"
    );
    let status = home.run(&["status"]);
    assert!(
        status.out.contains("paused") && status.err.starts_with("no daemon runs"),
        "{}",
        status.out
    );
    assert_eq!(home.says(&["resume", "site"]), "site goes on\n");
    assert_eq!(
        home.says(&["ledger", "verify"]),
        "3 events of 1 project: all whole, and each follows from what is before it\n"
    );
    assert_eq!(
        home.says(&["ledger", "replay"]),
        "site: 3 events, 0 issues, 0 open dispatches, 0 held\n"
    );
    assert_eq!(
        home.says(&["ledger", "replay", "--until", "2"]),
        "site: 2 events, 0 issues, 0 open dispatches, 0 held, paused by ada\n"
    );
    assert_eq!(home.run(&["ledger", "report", "--since", "soon"]).code, 2);
    let unknown = home.run(&["issue", "dup", "Add a FAQ"]);
    assert_eq!(
        unknown.err,
        "Error: no issue of site is known yet\nHint: `pointsman cycle` reads the tracker once, `pointsman run` keeps on reading it\n"
    );
    let told = home.says(&["ledger", "show"]);
    assert!(
        told.lines()
            .last()
            .unwrap()
            .ends_with("ada resumed the project"),
        "{told}"
    );
    assert_eq!(home.says(&["ledger", "export"]).lines().count(), 3);
    let refused = home.run(&["approve", "4"]);
    assert_eq!(
        (
            refused.code,
            refused
                .err
                .contains("#4 does not wait for approval: nothing is known of it in site")
        ),
        (1, true),
        "{}",
        refused.err
    );
    home.says(&["ledger", "backup", "copy.sqlite"]);
    assert_eq!(home.run(&["ledger", "backup", "copy.sqlite"]).code, 1);
}

#[test]
fn a_damaged_ledger_is_named_by_its_event() {
    let home = Home::with_project();
    home.says(&["pause", "site"]);
    home.says(&["resume", "site"]);
    let file =
        rusqlite::Connection::open(home.path(".local/state/pointsman/ledger.sqlite")).unwrap();
    file.execute(
        "UPDATE events SET body = replace(body, 'ada', 'eve') WHERE seq = 2",
        [],
    )
    .unwrap();
    let said = home.run(&["ledger", "verify"]);
    assert_eq!(said.code, 1);
    assert!(
        said.err.starts_with(
            "Error: the ledger is damaged at event 2: its contents do not match its hash\nHint: "
        ),
        "{}",
        said.err
    );
}

#[test]
fn status_and_explain_need_no_daemon() {
    let home = Home::with_project();
    let status: serde_json::Value =
        serde_json::from_str(&home.says(&["status", "--json"])).unwrap();
    assert_eq!(status["projects"][0]["name"], "site");
    let said = home.run(&["explain", "3"]);
    assert!(
        said.out.starts_with("not seen: ") && said.err.starts_with("no daemon runs"),
        "{}",
        said.out
    );
}

#[test]
fn a_rehearsal_starts_nothing() {
    let home = Home::with_project();
    home.says(&["issue", "new", "Say hello", "--label", "ready-for-research"]);
    let told = home.says(&["cycle", "--dry-run"]);
    assert!(
        told.starts_with("site: would ") && told.contains("#1"),
        "{told}"
    );
    assert!(
        !home.path("run/pointsman-tmux/sock").exists(),
        "no tmux server was started"
    );
    assert_eq!(home.run(&["ledger", "show"]).out, "", "nothing was written");
}

#[test]
fn a_second_daemon_is_refused_with_the_first_ones_pid() {
    let home = Home::empty();
    let state = home.path(".local/state/pointsman");
    std::fs::create_dir_all(&state).unwrap();
    let _lock = pointsman::ledger::Lock::take(&state).unwrap();
    let said = home.run(&["run"]);
    let expected = format!(
        "Error: the ledger is held by process {}\nHint: a daemon is running; `pointsman status` talks to it\n",
        std::process::id()
    );
    assert_eq!((said.code, said.err), (1, expected));
}

#[test]
fn shipped_skills_are_listed_and_have_no_findings() {
    let home = Home::empty();
    assert!(home.says(&["skill", "list"]).contains("prep"));
    assert!(home.says(&["skill", "show", "prep"]).contains("Objective"));
    assert!(home.says(&["skill", "lint"]).ends_with("nothing to say\n"));
}

#[test]
fn a_new_skill_is_whole_and_a_poor_one_is_told_so() {
    let home = Home::empty();
    assert_eq!(
        home.says(&["skill", "new", "changelog"]),
        "HOME/.config/pointsman/skills/changelog.md\n"
    );
    home.says(&["skill", "lint", "changelog"]);
    home.write(
        ".config/pointsman/skills/poor.md",
        "1. open src/app.ts\n2. change it\n3. commit\n",
    );
    let said = home.run(&["skill", "lint", "poor"]);
    assert_eq!(said.code, 1);
    assert!(said.out.contains("poor: no `description`"), "{}", said.out);
    assert!(
        said.out.contains("poor:1: a file's path, `src/app.ts`"),
        "{}",
        said.out
    );
}

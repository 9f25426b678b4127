//! The judges: what each gate says about facts, in the words an agent reads; and the anchors a spec stands on.

use std::collections::BTreeMap;

use insta::assert_snapshot;
use pointsman::domain::{CheckRun, IssueNumber, OwnGate, RunState, Subject};
use pointsman::machine::dispatch::gate::{self, BranchFacts, CommandRun, Judged};
use pointsman::machine::text::anchor::{self, Anchor, Checked, Tree};
use proptest::prelude::{prop_assert, proptest};

use crate::builders::sha;

fn line(judged: &Judged) -> String {
    let word = if judged.holds { "holds" } else { "red" };
    match &judged.findings {
        Some(findings) => format!("{word}: {}\n{findings}", judged.says),
        None => format!("{word}: {}", judged.says),
    }
}

const SPEC: &str = "\
# FAQ page

## Problem
Readers ask the same things.
## decision:
Add a page.
## Scope ##
In: the page. Out: search.
## Acceptance
- `/faq` answers 200
## Verify
must_contain src/app.ts \"faq\"
## Anchors
- `src/app.ts:3` \"routes.push\"
- new: src/faq.ts
";

#[test]
fn a_spec_with_every_heading_holds() {
    let judged = gate::spec(Some(SPEC));
    assert_snapshot!(line(&judged), @"holds: all 6 headings, 2 anchors to check");
    assert_eq!(judged.digest.map(|digest| digest.len()), Some(64));
}

#[test]
fn a_spec_is_told_every_missing_part_at_once() {
    let text = "## Problem\nTBD\n## Scope\nIn.\n```\n## Decision\nquoted, not said\n```\n## Acceptance\n<!-- later -->\n## Anchors\nthe app, somewhere\n- `../other/secret.txt:1`\n";
    assert_snapshot!(line(&gate::spec(Some(text))), @"red: nothing stands below `## Problem`; the heading `## Decision` is missing; nothing stands below `## Acceptance`; the heading `## Verify` is missing; `## Anchors` has no claim that can be checked: give at least one `path:line`, `path:from-to` or `new: path`; the anchor `../other/secret.txt` leaves the tree: name it from the tree's root");
    assert_snapshot!(line(&gate::spec(None)), @"red: no spec came with the report: write it to the file the brief names and report with `--spec`");
    assert_snapshot!(line(&gate::spec(Some(" \n"))), @"red: no spec came with the report: write it to the file the brief names and report with `--spec`");
}

#[test]
fn a_spec_rests_on_fifty_anchors_at_most() {
    let many: Vec<String> = (1..=60).map(|n| format!("- `src/f{n}.rs:1`")).collect();
    let text = SPEC.replace("- new: src/faq.ts", &many.join("\n"));
    assert_snapshot!(line(&gate::spec(Some(&text))), @"red: 61 anchors are more than the 50 that are checked: keep the ones the decision rests on");
}

#[test]
fn a_spec_with_a_search_that_is_none_is_told_how_one_is_written() {
    let text = SPEC.replace(
        "must_contain src/app.ts \"faq\"",
        "- must_contain src/app.ts faq\n- must_not_contain ../x \"faq\"\nThe page is there.",
    );
    assert_snapshot!(line(&gate::spec(Some(&text))), @r#"red: `must_contain src/app.ts faq` below `## Verify` is no search: write `must_contain path "text"` or `must_not_contain path "text"`, with a path from the tree's root; `must_not_contain ../x "faq"` below `## Verify` is no search: write `must_contain path "text"` or `must_not_contain path "text"`, with a path from the tree's root"#);
    let many: Vec<String> = (1..=60)
        .map(|n| format!("must_contain a \"{n}\""))
        .collect();
    let text = SPEC.replace("must_contain src/app.ts \"faq\"", &many.join("\n"));
    assert_snapshot!(line(&gate::spec(Some(&text))), @"red: 60 searches are more than the 50 that are run: keep the ones that show the change");
}

#[test]
fn searches_are_read_as_agents_write_them() {
    let text = "## Verify\n```\nmust_contain src/a.rs \"say \"hi\"\"\n```\n- `must_not_contain ./src/ \"old\"`\n* must_contain `b.rs` \"x\"\n1. must_contain d.rs \"n\"\n- [ ] must_contain e.rs \"m\"\n+ must_not_contain f.rs \"k\"\n## Anchors\nmust_contain c.rs \"y\"\n";
    let read: Vec<String> = gate::searches(text)
        .found
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(
        read,
        [
            "must_contain src/a.rs \"say \"hi\"\"",
            "must_not_contain src/ \"old\"",
            "must_contain b.rs \"x\"",
            "must_contain d.rs \"n\"",
            "must_contain e.rs \"m\"",
            "must_not_contain f.rs \"k\""
        ]
    );
    // What is not read is said, whatever stands before it.
    let table =
        "## Verify\n| must_contain g.rs \"t\" |\nThe must_contain lines are all there are.\n";
    let read = gate::searches(table);
    assert_eq!((read.found.len(), read.broken.len()), (0, 1));
    assert_snapshot!(line(&gate::verify(&[])), @"holds: no spec of this issue asks for a search");
}

fn work() -> BranchFacts {
    BranchFacts {
        expected_branch: "pointsman/12-faq".into(),
        reported_head: Some(sha("c")),
        branch_tip: Some(sha("c")),
        default_branch: "main".into(),
        new_commits: vec![sha("c")],
        ..BranchFacts::default()
    }
}

fn branch(change: impl FnOnce(&mut BranchFacts)) -> String {
    let mut facts = work();
    change(&mut facts);
    line(&gate::branch(&facts))
}

#[test]
fn a_branch_with_new_commits_holds() {
    assert_snapshot!(branch(|_| {}), @"holds: 1 new commit on `pointsman/12-faq`, now at cccccccccc");
    assert_snapshot!(branch(|facts| facts.reported_head = None), @"holds: 1 new commit on `pointsman/12-faq`, now at cccccccccc");
    assert_snapshot!(branch(|facts| facts.dirty = vec!["notes.txt".into()]), @"holds: 1 new commit on `pointsman/12-faq`, now at cccccccccc; not committed: `notes.txt`");
}

#[test]
fn a_branch_without_the_work_says_what_to_do() {
    assert_snapshot!(branch(|facts| facts.new_commits.clear()), @"red: no commit on `pointsman/12-faq` since the brief: commit your work on that branch");
    assert_snapshot!(branch(|facts| {
        facts.new_commits.clear();
        facts.dirty = vec!["src/app.ts".into(), "src/faq.ts".into()];
    }), @"red: no commit on `pointsman/12-faq` since the brief: commit your work on that branch; not committed: `src/app.ts`, `src/faq.ts`");
    assert_snapshot!(branch(|facts| facts.branch_tip = None), @"red: there is no branch `pointsman/12-faq`: it was checked out with the brief; commit your work on it");
    assert_snapshot!(branch(|facts| facts.reported_head = Some(sha("d"))), @"red: the report names commit dddddddddd, but `pointsman/12-faq` is at cccccccccc: bring your work onto that branch and report from there");
    assert_snapshot!(branch(|facts| facts.is_on_default = true), @"red: the report was made on the default branch `main`: commit on `pointsman/12-faq` and report from there");
}

#[test]
fn a_branch_with_somebody_elses_commits_is_red() {
    assert_snapshot!(branch(|facts| facts.taken = vec![(IssueNumber(9), sha("c"))]), @"red: commit cccccccccc on `pointsman/12-faq` is already the work of #9: take it off this branch");
    assert_snapshot!(branch(|facts| facts.foreign = vec![(Subject::new("e".repeat(40)), "on `feature/x`".into())]), @"red: `pointsman/12-faq` has commits that are neither `main`'s nor this issue's: `eeeeeeeeee (on `feature/x`)`. Take them off this branch; if the other name is your own as well, delete that name");
    let elsewhere = branch(|facts| facts.taken = vec![(IssueNumber(9), sha("a"))]);
    assert!(elsewhere.starts_with("holds"), "{elsewhere}");
}

fn run(exit: Option<i32>, timed_out: bool, tail: &str) -> Judged {
    gate::build(&CommandRun {
        command: "npm test",
        exit,
        timed_out,
        tail,
        log_digest: Some("ab".into()),
    })
}

#[test]
fn a_build_is_judged_by_its_exit_status_alone() {
    assert_snapshot!(line(&run(Some(0), false, "0 passed, 12 FAILED")), @"holds: `npm test` exited 0");
    assert_snapshot!(line(&run(Some(1), false, "ok 1\n\n\u{1b}[31mnot ok 2\u{1b}[0m - faq\u{202e}\n")), @r#"
    red: the build `npm test` exited 1. The end of its output:
        ok 1
        not ok 2 - faq
    "#);
    assert_snapshot!(line(&run(None, true, "still going")), @r#"
    red: the build `npm test` was ended at its time limit. The end of its output:
        still going
    "#);
    assert_snapshot!(line(&run(None, false, "")), @"red: the build `npm test` ended without an exit status; it printed nothing");
    assert_snapshot!(line(&gate::no_build()), @"holds: build: none; nothing was run");
    let long = "a line of a log\n".repeat(1000);
    assert!(run(Some(2), false, &long).says.len() < 2500);
}

#[test]
fn a_pull_request_counts_when_it_is_open_at_the_verified_commit() {
    let (ours, other) = (Subject::new("a".repeat(40)), Subject::new("b".repeat(40)));
    let said = |pull| line(&gate::pr(pull, Some(&ours)));
    assert_snapshot!(said(Some((IssueNumber(9), true, &ours))), @"holds: pull request #9 is open at aaaaaaaaaa");
    assert_snapshot!(said(Some((IssueNumber(9), true, &other))), @"red: pull request #9 is at bbbbbbbbbb, which is not the commit that was verified");
    assert_snapshot!(said(Some((IssueNumber(9), false, &ours))), @"red: pull request #9 is not open any more");
    assert_snapshot!(said(None), @"red: the branch has no pull request of ours");
}

#[test]
fn an_own_gate_names_itself() {
    let own = OwnGate {
        name: "links".into(),
        run: "make links".into(),
        timeout: std::time::Duration::from_mins(5),
        warn: false,
    };
    let run = CommandRun {
        command: &own.run,
        exit: Some(2),
        timed_out: false,
        tail: "dead: /faq",
        log_digest: None,
    };
    assert_snapshot!(line(&gate::own(&own, &run)), @r#"
    red: the gate links `make links` exited 2. The end of its output:
        dead: /faq
    "#);
}

/// J20: a check is a heuristic. What it finds is recorded as a warning, and nothing waits for it; a build that fails is red beside it.
#[test]
fn a_check_that_fails_only_warns_and_a_build_that_fails_is_red() {
    let run = |command, exit, timed_out| CommandRun {
        command,
        exit,
        timed_out,
        tail: "2 warnings",
        log_digest: None,
    };
    let lint = |warn| OwnGate {
        name: "lint".into(),
        run: "make lint".into(),
        timeout: std::time::Duration::from_mins(5),
        warn,
    };
    let said = |exit, timed_out, warn| {
        let judged = gate::own(&lint(warn), &run("make lint", exit, timed_out));
        (judged.holds, judged.warned, judged.says)
    };
    let failed = "the gate lint `make lint` exited 1. The end of its output:\n    2 warnings";
    let warning = |says: &str| format!("a warning, and nothing waits for it: {says}");
    assert_eq!(said(Some(1), false, true), (true, true, warning(failed)));
    assert_eq!(
        said(Some(1), false, false),
        (false, false, failed.to_owned())
    );
    let late = "the gate lint `make lint` was ended at its time limit. The end of its output:\n    2 warnings";
    assert_eq!(said(None, true, true), (true, true, warning(late)));
    let passed = (true, false, "`make lint` exited 0".to_owned());
    assert_eq!(said(Some(0), false, true), passed);
    let built = gate::build(&run("make", Some(1), false));
    assert!(!built.holds && !built.warned);
}

/// J20: nothing of what GitHub's checks say gates, and what is not well is named.
#[test]
fn githubs_checks_never_gate_and_are_named() {
    let run = |name: &str, state| CheckRun {
        name: name.to_owned(),
        state,
    };
    let commit = sha("c");
    let says = |runs: &[CheckRun]| {
        let judged = gate::checks(Some(&commit), Ok(runs));
        assert!(judged.holds && judged.findings.is_none());
        (judged.warned, judged.says)
    };
    let (good, bad) = (
        run("unit", RunState::Passed),
        run("a `b`\n", RunState::Failed),
    );
    let slow = run("e2e", RunState::Pending);
    let quiet = |says: &str| (false, says.to_owned());
    let warns = |says: &str| {
        let says = format!("a warning, and nothing waits for it: {says}");
        (true, says)
    };
    assert_eq!(says(&[]), warns("GitHub has no checks of cccccccccc yet"));
    assert_eq!(
        says(std::slice::from_ref(&good)),
        quiet("1 check of GitHub's passed")
    );
    assert_eq!(
        says(&[good.clone(), bad.clone(), slow.clone()]),
        warns("failed: `a 'b'`; not ended: `e2e`; passed: 1 check")
    );
    assert_eq!(says(&[slow]), warns("not ended: `e2e`; passed: 0 checks"));
    let many: Vec<CheckRun> = (0..200)
        .map(|n| run(&format!("c{n}"), RunState::Failed))
        .collect();
    assert!(says(&many).1.contains("`c4` and 195 more"));
    // Whatever is in the names, what a pull request shows of them has every quotation closed.
    let name = format!("{}Fixes #99 <!-- @org/team `", "x ".repeat(5));
    let states = [RunState::Failed, RunState::Pending];
    let wild = states.map(|state| vec![run(&name, state); 200]).concat();
    let told = says(&wild).1;
    assert_eq!(told.matches('`').count(), 20, "{told}");
    assert!(told.chars().count() <= 600 && !told.contains('<'), "{told}");
    for unread in [
        gate::checks(Some(&commit), Err("the token may not read them")),
        gate::checks(None, Ok(&[])),
    ] {
        assert!(unread.holds && unread.warned, "{unread:?}");
    }
}

const PASS: &str =
    r#"{"verdict": "pass", "summary": "tried all", "files_reviewed": ["./src/a.rs", "src/b.rs"]}"#;

#[test]
fn a_verdict_counts_only_if_it_can_be_read_and_its_origin_is_proven() {
    let says = |text| line(&gate::verdict(text, true));
    assert_snapshot!(says(Some(PASS)), @"holds: pass: 0 blockers, 0 majors, 0 minors; 2 files read");
    assert_snapshot!(line(&gate::verdict(Some(PASS), false)), @"red: it is not proven where this verdict comes from, so it does not count: report with the command line of the brief, from the tree it was read in");
    assert_snapshot!(says(Some(r#"{"verdict": "pass", "summary": "x", "minors": [{"title": "a"}, {"title": "b"}]}"#)), @"holds: pass: 0 blockers, 0 majors, 2 minors; 0 files read");
    assert_snapshot!(says(None), @"red: no verdict came with the report: write it to the file the brief names and report with `--verdict`");
    assert_snapshot!(says(Some("LGTM")), @r#"red: the verdict cannot be read: expected value at line 1 column 1; expected one JSON object with `verdict` ("pass" or "rework"), `summary`, and the lists `blockers`, `majors`, `minors` (each entry: `title`, `where`, `evidence`) and `files_reviewed`"#);
    assert_snapshot!(says(Some("{\n  \"verdict\": \"pass\",\n  \"blocker\": []\n}")), @r#"red: the verdict cannot be read: unknown field `blocker`, expected one of `verdict`, `blockers`, `majors`, `minors`, `files_reviewed`, `summary` at line 3 column 11; expected one JSON object with `verdict` ("pass" or "rework"), `summary`, and the lists `blockers`, `majors`, `minors` (each entry: `title`, `where`, `evidence`) and `files_reviewed`"#);
    assert_snapshot!(says(Some(r#"{"verdict": "Pass", "summary": "x"}"#)), @r#"red: the verdict cannot be read: unknown variant `Pass`, expected `pass` or `rework` at line 1 column 18; expected one JSON object with `verdict` ("pass" or "rework"), `summary`, and the lists `blockers`, `majors`, `minors` (each entry: `title`, `where`, `evidence`) and `files_reviewed`"#);
    assert_snapshot!(says(Some(r#"{"verdict": "pass"}"#)), @r#"red: the verdict cannot be read: missing field `summary` at line 1 column 19; expected one JSON object with `verdict` ("pass" or "rework"), `summary`, and the lists `blockers`, `majors`, `minors` (each entry: `title`, `where`, `evidence`) and `files_reviewed`"#);
    assert_snapshot!(says(Some(r#"{"verdict": "pass", "summary": " "}"#)), @"red: the verdict's `summary` is empty: say what was tried and what held");
    assert_snapshot!(says(Some(r#"{"verdict": "pass", "summary": "x", "majors": [{"title": "m"}]}"#)), @"red: the verdict contradicts itself: `pass` with 0 blockers, 1 major, 0 minors; write `rework`, or empty both lists");
    assert_snapshot!(says(Some(r#"{"verdict": "rework", "summary": "x", "majors": [{"title": ""}]}"#)), @"red: an entry of the verdict's `majors` has no `title`");
}

#[test]
fn a_failing_verdict_carries_its_findings_to_the_maker() {
    let text = r#"{"verdict": "rework", "summary": "Tried the form.",
        "blockers": [{"title": "An empty name\nis stored", "where": "src/a.rs:3", "evidence": "curl ...\n201"}],
        "minors": [{"title": "A typo"}]}"#;
    assert_snapshot!(line(&gate::verdict(Some(text), true)), @r#"
    red: rework: 1 blocker, 0 majors, 1 minor
    Tried the form.

    - blocker: An empty name is stored (`src/a.rs:3`)
      curl ...
      201
    - minor: A typo
    "#);
    let bare = r#"{"verdict": "rework", "summary": "It does not solve the problem."}"#;
    assert_snapshot!(line(&gate::verdict(Some(bare), true)), @r#"
    red: rework: 0 blockers, 0 majors, 0 minors
    It does not solve the problem.
    "#);
}

#[test]
fn coverage_names_the_files_nobody_read() {
    let changed =
        |paths: &[&str]| -> Vec<String> { paths.iter().map(ToString::to_string).collect() };
    assert_snapshot!(line(&gate::coverage(&changed(&["src/a.rs", "src/b.rs"]), Some(PASS))), @"holds: all 2 changed files were read");
    assert_snapshot!(line(&gate::coverage(&changed(&["src/a.rs", "src/B.rs"]), Some(PASS))), @"red: 1 of 2 changed files are not in the verdict's `files_reviewed`: `src/B.rs`. Read them");
    assert_snapshot!(line(&gate::coverage(&changed(&[]), Some(PASS))), @"holds: all 0 changed files were read");
    assert_snapshot!(line(&gate::coverage(&changed(&["src/a.rs"]), None)), @"red: no verdict came with the report, so no file counts as read");
}

#[test]
fn a_file_has_to_change() {
    let old = gate::file(None, Some(b"old"), "drafts/12.md");
    assert_snapshot!(line(&old), @"holds: `drafts/12.md` is new");
    let says =
        |after: Option<&[u8]>| line(&gate::file(old.digest.as_deref(), after, "drafts/12.md"));
    assert_snapshot!(says(Some(b"new")), @"holds: `drafts/12.md` changed");
    assert_snapshot!(says(Some(b"old")), @"red: `drafts/12.md` is the same as before this dispatch: nothing was written");
    assert_snapshot!(says(Some(b" \n")), @"red: `drafts/12.md` is empty: write it");
    assert_snapshot!(says(None), @"red: there is no `drafts/12.md`: write it");
}

/// A warning, never red: a test may stand in the file it tests.
#[test]
fn a_branch_without_a_test_file_is_said_and_holds() {
    let changed = |paths: &[&str]| {
        branch(|facts| facts.changed = paths.iter().map(|path| (*path).to_owned()).collect())
    };
    assert_snapshot!(changed(&["src/app.ts", "latest.js"]), @"holds: 1 new commit on `pointsman/12-faq`, now at cccccccccc; warning: no test file is touched");
    assert_snapshot!(changed(&["src/app.ts", "src/app.test.ts", "Makefile"]), @"holds: 1 new commit on `pointsman/12-faq`, now at cccccccccc; changes how it is judged: `Makefile`");
    for path in [
        "tests/it/faq.rs",
        "src/faq_test.go",
        "test_faq.py",
        "src/FaqTest.java",
        "web/__tests__/faq.js",
        "faq.spec.ts",
        "spec/faq_spec.rb",
    ] {
        assert!(gate::is_test(path), "{path}");
    }
    for path in [
        "src/app.ts",
        "docs/contest.md",
        "src/inspect.rs",
        "latest.js",
        "testimonials.html",
    ] {
        assert!(!gate::is_test(path), "{path}");
    }
}

#[test]
fn changes_to_how_work_is_judged_are_named() {
    let changed = [
        "src/app.ts",
        "package.json",
        "docs/makefile.md",
        "web/.github/workflows/ci.yml",
        ".pointsman/skills/qa.md",
        "pkg/CLAUDE.md",
        "rules/x.mk",
    ]
    .map(str::to_owned);
    let inputs = gate::gate_inputs(&changed);
    assert_snapshot!(inputs.join(" "), @"package.json web/.github/workflows/ci.yml .pointsman/skills/qa.md pkg/CLAUDE.md rules/x.mk");
    assert_snapshot!(line(&run(Some(0), false, "").naming(&inputs[..1])), @"holds: `npm test` exited 0; changes how it is judged: `package.json`");
}

#[test]
fn anchors_are_found_in_prose() {
    let text = "\
- `src/app.ts:3` \"routes.push\" decides it
- src/app.ts:10-20 and `src/lib/`; see also (src/deep/name.rs).
- `README.md` and/or node.js, e.g. version 1.5 of application/json
- `config.user` calls `do_it`
1. src/app.ts:7:12: `return null`
- \"a whole line of quoted text\"
- #12, `pointsman/9-dark-mode`, branch `topic`, commit 0a1b2c3d
- new: src/faq.ts, docs/faq.md - the page
- `src/faq.ts:1` is made
- https://example.com/src/x.rs and example.com/a.html
- `/etc/passwd.txt` and `../up.rs`
```
src/in/a/fence.rs:1
```
";
    let found = anchor::parse(text);
    let mut lines: Vec<String> = found.found.iter().map(ToString::to_string).collect();
    lines.extend(found.refused.iter().map(|path| format!("refused {path}")));
    assert_snapshot!(lines.join("\n"), @r#"
    src/app.ts:3 "routes.push"
    src/app.ts:10-20
    src/lib/
    src/deep/name.rs
    README.md
    src/app.ts:7 "return null"
    "a whole line of quoted text"
    #12
    branch pointsman/9-dark-mode
    branch topic
    commit 0a1b2c3d
    new: src/faq.ts
    new: docs/faq.md
    refused /etc/passwd.txt
    refused ../up.rs
    "#);
}

#[derive(Default)]
struct Map(BTreeMap<&'static str, &'static str>);

impl Tree for Map {
    fn file(&self, path: &str) -> Option<Vec<u8>> {
        self.0.get(path).map(|text| text.as_bytes().to_vec())
    }
    fn has_folder(&self, path: &str) -> bool {
        self.0
            .keys()
            .any(|file| file.starts_with(&format!("{path}/")))
    }
    fn grep(&self, text: &str) -> Vec<(String, u32)> {
        let mut found = Vec::new();
        for (path, body) in &self.0 {
            for (number, line) in (1..).zip(body.lines()) {
                if line.contains(text) {
                    found.push(((*path).to_owned(), number));
                }
            }
        }
        found
    }
    fn has_ref(&self, name: &str) -> bool {
        name == "topic"
    }
}

#[test]
fn an_anchor_holds_moved_or_is_missing() {
    let tree = Map(BTreeMap::from([
        ("src/app.ts", "one\ntwo\nroutes.push\nfour\n"),
        ("src/lib/b.ts", "return null\n"),
    ]));
    let text = "\
- `src/app.ts:3` \"routes.push\"
- `src/app.ts:1` \"routes.push\"
- `src/app.ts:2-4` \"routes.push\"
- `src/gone.ts:9` \"return null\"
- `src/app.ts:1` \"nowhere at all\"
- `src/app.ts:4`
- `src/app.ts:5`
- `src/lib/` and `src/none/`
- \"return null\"
- branch `topic`, branch `gone`, #12
- new: src/faq.ts
";
    let checked = anchor::check_all(&anchor::parse(text), &tree);
    let lines: Vec<String> = checked
        .checked
        .iter()
        .map(|(anchor, state)| format!("{anchor} -> {state:?}"))
        .collect();
    assert_snapshot!(lines.join("\n"), @r#"
    src/app.ts:3 "routes.push" -> Ok
    src/app.ts:1 "routes.push" -> Moved { to: "src/app.ts:3" }
    src/app.ts:2-4 "routes.push" -> Ok
    src/gone.ts:9 "return null" -> Moved { to: "src/lib/b.ts:1" }
    src/app.ts:1 "nowhere at all" -> Missing
    src/app.ts:4 -> Ok
    src/app.ts:5 -> Missing
    src/lib/ -> Ok
    src/none/ -> Missing
    "return null" -> Ok
    branch topic -> Ok
    branch gone -> Missing
    #12 -> Unchecked("issues were not read")
    new: src/faq.ts -> Ok
    "#);
    assert!(!checked.holds());
    assert_snapshot!(line(&gate::spec_at(gate::spec(Some(SPEC)), &checked)), @r#"red: not in the tree, and not declared as `new:`: `src/app.ts:1 "nowhere at all"`, `src/app.ts:5`, `src/none/`, `branch gone`"#);
    assert_eq!(
        anchor::check(&Anchor::New("src/app.ts".into()), &tree),
        Checked::Ok
    );
}

#[test]
fn a_hostile_text_costs_little_and_breaks_nothing() {
    let deep = format!("src/a.rs{}", ":1".repeat(7000));
    assert!(anchor::parse(&deep).found.is_empty());
    let many: Vec<String> = (1..=20_000).map(|n| format!("#{n}\n/{n}.rs:1")).collect();
    let found = anchor::parse(&many.join("\n"));
    assert_eq!((found.found.len(), found.over), (50, 19_950));
    assert_eq!(found.refused.len(), 50);
    let open = "`src/a.rs:1` \"".repeat(1000);
    assert!(anchor::parse(&open).found.len() <= 50);
}

proptest! {
    #[test]
    fn any_text_can_be_read(text in "([ `\"#:/.a-zé\u{202e}\n-]|new:|src/a\\.rs:1|## Anchors\n|```){0,60}") {
        let found = anchor::parse(&text);
        prop_assert!(found.found.iter().all(|anchor| !anchor.to_string().contains("..")));
        gate::spec(Some(&text));
        gate::verdict(Some(&text), true);
    }
}

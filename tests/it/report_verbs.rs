//! The agents' verbs, by the real binary: what they write, what they answer, what they refuse.

#![expect(
    clippy::disallowed_methods,
    reason = "a test starts processes and waits for them"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use pointsman::domain::{Answer, ReportId, Said, SpoolFile};
use tempfile::TempDir;

use crate::support::patience::PATIENCE;

const TOKEN: &str = "d12345.abcDEF_0123456789-x";

/// A project's folder, and what stands around it.
struct World {
    folder: TempDir,
}

impl World {
    fn new() -> Self {
        let world = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        fs::create_dir_all(world.project().join(".pointsman/spool")).unwrap();
        world
    }

    fn path(&self) -> PathBuf {
        self.folder.path().canonicalize().unwrap()
    }

    fn project(&self) -> PathBuf {
        self.path().join("project")
    }

    fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        fs::write(self.project().join(name), bytes).unwrap();
    }

    fn verb(&self, arguments: &[&str]) -> Output {
        verb_in(&self.project(), arguments).output().unwrap()
    }

    fn start(&self, arguments: &[&str]) -> Child {
        let mut command = verb_in(&self.project(), arguments);
        command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    }

    /// Answers the one report in the spool as the daemon would, and returns it.
    fn answer(&self, accepted: bool, text: &str) -> SpoolFile {
        let spool = self.project().join(".pointsman/spool");
        let (report, file) = wait_for(|| reports(&self.project()).pop());
        let answer = Answer {
            report: report.clone(),
            accepted,
            text: text.to_owned(),
        };
        let name = spool.join(format!("{report}.answer.json"));
        fs::write(
            name.with_extension("tmp"),
            serde_json::to_vec(&answer).unwrap(),
        )
        .unwrap();
        fs::rename(name.with_extension("tmp"), name).unwrap();
        file
    }
}

/// A verb as an agent's sandbox runs it: no home, no path, no network needed.
fn verb_in(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pointsman"));
    command
        .args(arguments)
        .current_dir(folder)
        .env_clear()
        .stdin(Stdio::null());
    command
}

pub(crate) fn reports(project: &Path) -> Vec<(ReportId, SpoolFile)> {
    let entries = fs::read_dir(project.join(".pointsman/spool")).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let ids = names.filter_map(|name| {
        name.strip_suffix(".json")
            .filter(|id| !id.contains('.'))
            .map(str::to_owned)
    });
    ids.map(|id| {
        let bytes = fs::read(project.join(format!(".pointsman/spool/{id}.json"))).unwrap();
        (ReportId::new(id), serde_json::from_slice(&bytes).unwrap())
    })
    .collect()
}

pub(crate) fn wait_for<T>(look: impl Fn() -> Option<T>) -> T {
    let since = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(since.elapsed() < PATIENCE, "it did not come");
        std::thread::sleep(Duration::from_millis(20));
    }
}

pub(crate) fn git(folder: &Path, arguments: &[&str]) -> String {
    let mut command = Command::new("git");
    command
        .args([
            "-c",
            "user.name=Test",
            "-c",
            "user.email=test@example.invalid",
        ])
        .args(arguments);
    command
        .current_dir(folder)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1");
    let output = command.output().unwrap();
    assert!(
        output.status.success(),
        "git {arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn said(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// Asserts the exit code and that stderr has all parts of an error with these words in it.
fn refused(output: &Output, code: i32, words: &[&str]) {
    let error = String::from_utf8(output.stderr.clone()).unwrap();
    assert_eq!(output.status.code(), Some(code), "{error}");
    for word in ["Error: ", "\nCaused by: ", "\nHint: "].iter().chain(words) {
        assert!(error.contains(word), "no {word:?} in:\n{error}");
    }
    assert!(said(output).is_empty());
}

#[test]
fn an_accepted_report_exits_0_with_the_answer() {
    let world = World::new();
    world.write("spec.md", "## Problem\n\u{e4}\u{1f600}\n");
    let verb = world.start(&[
        "done",
        TOKEN,
        "--spec",
        "spec.md",
        "--note",
        "read it twice",
    ]);
    let file = world.answer(true, "accepted: the issue moves to ready-for-dev\u{1b}[31m");
    let output = verb.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(
        said(&output),
        "accepted: the issue moves to ready-for-dev[31m\n"
    );
    assert_eq!((file.version, file.token.as_str()), (1, TOKEN));
    let spec = Some("## Problem\n\u{e4}\u{1f600}\n".to_owned());
    assert_eq!(
        file.said,
        Said::Done {
            spec,
            verdict: None,
            note: Some("read it twice".to_owned())
        }
    );
}

#[test]
fn a_refused_report_exits_1_with_what_is_missing() {
    let world = World::new();
    let verb = world.start(&["done", TOKEN]);
    world.answer(false, "no commit on `pointsman/7-fix` since the brief");
    let output = verb.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        said(&output),
        "no commit on `pointsman/7-fix` since the brief\n"
    );
}

#[test]
fn without_a_daemon_the_report_is_recorded_and_the_turn_ends() {
    let world = World::new();
    let since = Instant::now();
    let output = world.verb(&[
        "fail",
        TOKEN,
        "--note",
        "the build needs a licence",
        "--wait",
        "300ms",
    ]);
    assert!(since.elapsed() >= Duration::from_millis(300));
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(
        said(&output),
        "recorded, not yet judged: end your turn, you will be told\n"
    );
    let file = reports(&world.project()).pop().unwrap().1;
    assert_eq!(
        file.said,
        Said::Fail {
            note: "the build needs a licence".to_owned()
        }
    );
    assert_eq!((file.head, file.branch), (None, None));
}

#[test]
fn ask_and_ack_carry_their_words() {
    let world = World::new();
    assert!(
        world
            .verb(&["ask", TOKEN, "A or B? I recommend A.", "--wait", "0s"])
            .status
            .success()
    );
    assert_eq!(
        reports(&world.project())[0].1.said,
        Said::Ask {
            question: "A or B? I recommend A.".to_owned()
        }
    );
    let other = World::new();
    assert!(
        other
            .verb(&["ack", TOKEN, "--delivery", "abcd1234", "--wait", "0s"])
            .status
            .success()
    );
    assert_eq!(
        reports(&other.project())[0].1.said,
        Said::Ack {
            delivery: Some("abcd1234".to_owned())
        }
    );
}

#[test]
fn a_file_that_cannot_be_taken_is_named_and_nothing_is_sent() {
    let world = World::new();
    world.write("latin.md", b"caf\xe9");
    world.write("empty.md", " \n");
    world.write("large.md", "x".repeat(256 * 1024 + 1));
    world.write("full.md", "x".repeat(256 * 1024));
    let spec = |name| world.verb(&["done", TOKEN, "--spec", name, "--wait", "0s"]);
    refused(
        &spec("none.md"),
        1,
        &["cannot read the spec `none.md`", "No such file"],
    );
    refused(&spec("latin.md"), 1, &["not UTF-8 text (byte 3)"]);
    refused(&spec("empty.md"), 1, &["it is empty"]);
    refused(&spec("large.md"), 1, &["larger than 262144 bytes"]);
    refused(&spec("."), 1, &["directory"]);
    assert!(reports(&world.project()).is_empty());
    assert!(spec("full.md").status.success());
}

#[test]
fn a_malformed_id_is_a_mistake_of_the_caller() {
    let world = World::new();
    for id in ["d12345", ".x", "d12345.", "d1.x y", "d1.x/../y", "a.b.c"] {
        refused(
            &world.verb(&["done", id, "--wait", "0s"]),
            2,
            &["`<dispatch>.<secret>`", "report commands"],
        );
    }
    refused(
        &world.verb(&["ask", TOKEN, "  "]),
        2,
        &["cannot take the question"],
    );
    assert!(reports(&world.project()).is_empty());
}

#[test]
fn a_link_in_place_of_our_folder_is_refused() {
    let world = World::new();
    let elsewhere = world.path().join("elsewhere");
    fs::rename(world.project().join(".pointsman"), &elsewhere).unwrap();
    std::os::unix::fs::symlink(&elsewhere, world.project().join(".pointsman")).unwrap();
    refused(
        &world.verb(&["done", TOKEN, "--wait", "0s"]),
        1,
        &["cannot use", "a symbolic link"],
    );
    fs::remove_file(world.project().join(".pointsman")).unwrap();
    fs::create_dir(world.project().join(".pointsman")).unwrap();
    std::os::unix::fs::symlink(
        elsewhere.join("spool"),
        world.project().join(".pointsman/spool"),
    )
    .unwrap();
    refused(
        &world.verb(&["done", TOKEN, "--wait", "0s"]),
        1,
        &["cannot write the report", "a symbolic link"],
    );
    assert_eq!(fs::read_dir(elsewhere.join("spool")).unwrap().count(), 0);
}

#[test]
fn a_folder_outside_of_every_project_is_refused() {
    let nowhere = tempfile::tempdir().unwrap();
    let output = verb_in(nowhere.path(), &["done", TOKEN, "--wait", "0s"])
        .output()
        .unwrap();
    refused(&output, 1, &["cannot find the project's folder"]);
}

#[test]
fn a_report_from_a_folder_below_names_head_and_branch() {
    let world = World::new();
    let project = world.project();
    git(&project, &["init", "-q", "-b", "main"]);
    git(&project, &["commit", "-q", "--allow-empty", "-m", "one"]);
    git(&project, &["checkout", "-q", "-b", "pointsman/7-fix"]);
    git(&project, &["commit", "-q", "--allow-empty", "-m", "two"]);
    fs::create_dir_all(project.join("src/deep")).unwrap();
    for _ in 0..2 {
        let output = verb_in(&project.join("src/deep"), &["ack", TOKEN, "--wait", "0s"])
            .output()
            .unwrap();
        assert!(output.status.success());
        git(&project, &["pack-refs", "--all"]);
    }
    let head = git(&project, &["rev-parse", "HEAD"]);
    let reports = reports(&project);
    assert_eq!(reports.len(), 2);
    for (_, file) in reports {
        assert_eq!(
            (file.head.as_deref(), file.branch.as_deref()),
            (Some(head.as_str()), Some("pointsman/7-fix"))
        );
    }
}

#[test]
fn a_linked_worktree_has_its_own_spool() {
    let world = World::new();
    let (project, check) = (world.project(), world.path().join("check"));
    git(&project, &["init", "-q", "-b", "main"]);
    git(&project, &["commit", "-q", "--allow-empty", "-m", "one"]);
    git(
        &project,
        &["worktree", "add", "-q", "--detach", check.to_str().unwrap()],
    );
    // The second time its folder was cleaned away: it is made again, there.
    for _ in 0..2 {
        let output = verb_in(&check, &["ack", TOKEN, "--wait", "0s"])
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        let (_, file) = reports(&check).pop().unwrap();
        assert_eq!(file.head, Some(git(&check, &["rev-parse", "HEAD"])));
        assert_eq!(file.branch, None);
        assert_eq!(git(&check, &["status", "--porcelain"]), "");
        fs::remove_dir_all(check.join(".pointsman")).unwrap();
    }
    // One that an agent made for itself below the project reports to the project.
    git(
        &project,
        &["worktree", "add", "-q", "--detach", "trees/own"],
    );
    assert!(reports(&project).is_empty());
    let output = verb_in(&project.join("trees/own"), &["ack", TOKEN, "--wait", "0s"])
        .output()
        .unwrap();
    assert!(output.status.success());
    assert_eq!(reports(&project).len(), 1);
    assert!(!project.join("trees/own/.pointsman").exists());
}

//! `pointsman demo --agent ...` as a person runs it: the real binary in a terminal of theirs, who answers the agent's dialogs in tmux.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

use super::homes::Agent;
use super::lab::told;

/// Two agents at a time, four issues, up to four fresh starts an issue.
const DEMO_MAX: Duration = Duration::from_mins(8);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs the agent and the mock model: tests/agentlab/run.sh"]
async fn the_demo_runs_with_claude_code_and_says_what_to_accept() {
    let told = the_demo_runs(Agent::ClaudeCode).await;
    assert!(
        told.answered > 0,
        "nobody trusts the demo's folders beforehand"
    );
    // It was we who answered; Claude Code noted it, in its own settings.
    let noted = std::fs::read_to_string(told.home().join(".claude.json")).unwrap();
    assert!(noted.contains("pointsman-demo-"), "{noted}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs the agent and the mock model: tests/agentlab/run.sh"]
async fn the_demo_runs_with_codex_and_says_what_to_accept() {
    let told = the_demo_runs(Agent::Codex).await;
    assert!(
        told.answered > 0,
        "nobody trusts the demo's folders beforehand"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs the agent and the mock model: tests/agentlab/run.sh"]
async fn the_demo_runs_with_opencode() {
    let told = the_demo_runs(Agent::OpenCode).await;
    assert_eq!(told.answered, 0, "it has no such dialog");
}

/// A demo that ended.
struct Told {
    folder: TempDir,
    answered: usize,
}

impl Told {
    fn home(&self) -> &Path {
        self.folder.path()
    }
}

/// Starts it in a home where the agent has an account and trusts no folder.
fn start(agent: Agent, home: &Path, temp: &Path) -> Child {
    let url = told("AGENTLAB_URL");
    agent.make_home(home, &[], &url);
    std::fs::create_dir(temp).unwrap();
    Command::new(env!("CARGO_BIN_EXE_pointsman"))
        .args(["demo", "--agent", agent.name()])
        .env_clear()
        .env(
            "PATH",
            format!("{}:/usr/local/bin:/usr/bin:/bin", told("AGENTLAB_BIN")),
        )
        .env("HOME", home)
        .env("TMPDIR", temp)
        .env("LANG", "C.UTF-8")
        .env("SHELL", "/bin/bash")
        .envs(agent.offered(&url))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}

async fn the_demo_runs(agent: Agent) -> Told {
    let folder = TempDir::new().unwrap();
    let home = folder.path().canonicalize().unwrap();
    let temp = home.join("t");
    let mut child = start(agent, &home, &temp);
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut text = String::new();
    let mut answered = 0;
    let reading = async {
        while let Some(line) = lines.next_line().await.unwrap() {
            eprintln!("  {line}");
            text += &format!("{line}\n");
            if let Some(command) = line.trim().strip_prefix("TMUX= tmux ") {
                answer(command).await?;
                answered += 1;
            }
        }
        Ok(())
    };
    let late = Err(format!("not within {DEMO_MAX:?}"));
    let ended = tokio::time::timeout(DEMO_MAX, reading)
        .await
        .unwrap_or(late);
    if let Err(why) = ended {
        stop(&mut child).await;
        panic!("{why}");
    }
    let status = child.wait().await.unwrap();
    assert!(status.success(), "{status}");
    assert!(text.contains("All four issues are done"), "{text}");
    assert!(
        !text.contains("[demo:"),
        "the script's habits are promised of nobody else"
    );
    assert_eq!(
        text.matches("answered: it goes on").count(),
        answered,
        "each dialog was told once, and that it was answered"
    );
    assert_eq!(
        std::fs::read_dir(&temp)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.to_string_lossy().contains("pointsman-demo-"))
            .collect::<Vec<PathBuf>>(),
        Vec::<PathBuf>::new()
    );
    // A program may still be about to end.
    let mut left = left_of(&home);
    for _ in 0..100 {
        if left.is_empty() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
        left = left_of(&home);
    }
    assert_eq!(left, Vec::<String>::new(), "no process of it is left");
    Told { folder, answered }
}

/// Control-c: the demo ends what it started.
async fn stop(child: &mut Child) {
    let pid = child.id().unwrap().to_string();
    Command::new("kill")
        .args(["-INT", &pid])
        .status()
        .await
        .unwrap();
    // Its outcome is no longer what matters.
    let _ended = tokio::time::timeout(Duration::from_secs(40), child.wait()).await;
}

/// What a person does who sees the dialog: chooses yes, and looks that it is chosen, before Enter.
async fn answer(command: &str) -> Result<(), String> {
    let words: Vec<&str> = command.split_whitespace().collect();
    let [_, socket, _, _, target] = words[..] else {
        return Err(format!("no attach command: {command}"));
    };
    let tmux = async |words: &[&str]| {
        let output = Command::new("tmux")
            .args(["-S", socket])
            .args(words)
            .output()
            .await
            .unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    for _ in 0..20 {
        let screen = tmux(&["capture-pane", "-p", "-t", target]).await;
        let chosen = |line: &str| {
            let line = line.trim_start();
            line.starts_with('❯') || line.starts_with('›')
        };
        match screen.lines().find(|line| chosen(line)) {
            Some(row) if row.contains("Yes, I trust") || row.contains("Trust and continue") => {
                tmux(&["send-keys", "-t", target, "Enter"]).await;
                return Ok(());
            }
            Some(_) => tmux(&["send-keys", "-t", target, "Down"]).await,
            None => String::new(),
        };
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    let screen = tmux(&["capture-pane", "-p", "-t", target]).await;
    Err(format!("it is not a question of trust:\n{screen}"))
}

/// Returns the processes whose home this is.
pub(super) fn left_of(home: &Path) -> Vec<String> {
    let wanted = format!("HOME={}", home.display());
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    processes
        .filter(|entry| {
            let environ = std::fs::read(entry.path().join("environ")).unwrap_or_default();
            environ
                .split(|byte| *byte == 0)
                .any(|variable| variable == wanted.as_bytes())
        })
        .map(|entry| {
            let argv = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
            format!(
                "{}: {}",
                entry.path().display(),
                String::from_utf8_lossy(&argv).replace('\0', " ")
            )
        })
        .collect()
}

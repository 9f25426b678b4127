//! `agent check` of the real programs: as they ship with our profiles, and with one setting less.

use std::path::Path;

use pointsman::daemon::desk::check;
use pointsman::daemon::desk::control::Reply;
use pointsman::domain::{Event, ProjectName};

use super::WALK_MAX;
use super::homes::{Agent, Trust};
use super::lab::{Lab, PROJECT};

/// Has the agent rehearse, as a person in a terminal does.
async fn rehearses(agent: Agent, change: impl Fn(&Path)) -> (Lab, Reply) {
    let lab = Lab::start_with(agent, Trust::Given, change).await;
    let name = ProjectName::new(PROJECT);
    let reply = check::run(&lab.daemon, &name, "you");
    let reply = tokio::time::timeout(WALK_MAX, reply).await;
    let reply = reply.expect("it ends");
    eprintln!("  {}", reply.text);
    (lab, reply)
}

/// The tree is its person's as before, at the latest when what was rehearsed is cleared away.
async fn is_untouched(lab: &mut Lab) {
    lab.until("it is cleared away", WALK_MAX, |lab| {
        lab.events()
            .any(|event| matches!(event, Event::DispatchTidied { .. }))
    })
    .await;
    assert_eq!(lab.git(&["rev-parse", "--abbrev-ref", "HEAD"]), "main");
    assert_eq!(
        lab.git(&["status", "--porcelain", "--untracked-files=all"]),
        ""
    );
    assert_eq!(lab.git(&["branch", "--list", "pointsman/*"]), "");
}

async fn is_ready(agent: Agent) {
    let (mut lab, reply) = rehearses(agent, |_| {}).await;
    let steps = ": read ok   write ok   commit ok   report ok   ready";
    assert!(reply.done && reply.text.ends_with(steps), "{}", reply.text);
    assert!(reply.text.starts_with(agent.name()), "{}", reply.text);
    is_untouched(&mut lab).await;
    lab.look().await;
    assert_eq!(lab.dialogs, Vec::<String>::new());
    lab.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs the agent and the mock model: tests/agentlab/run.sh"]
async fn claude_code_rehearses_every_step() {
    is_ready(Agent::ClaudeCode).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs the agent and the mock model: tests/agentlab/run.sh"]
async fn codex_rehearses_every_step() {
    is_ready(Agent::Codex).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs the agent and the mock model: tests/agentlab/run.sh"]
async fn claude_code_that_may_not_commit_unasked_is_told_with_the_setting() {
    let (mut lab, reply) = rehearses(Agent::ClaudeCode, |home| {
        let settings = r#"{ "permissions": { "defaultMode": "default", "allow": ["Read", "Write", "Edit"] } }"#;
        std::fs::write(home.join(".claude/settings.json"), settings).unwrap();
    })
    .await;
    let text = &reply.text;
    assert!(!reply.done, "{text}");
    assert!(
        text.contains("\n  write   ok\n  commit  asks a person: "),
        "{text}"
    );
    assert!(text.contains("\n  report  not reached\nHint: "), "{text}");
    assert!(
        text.contains("`Bash(git add:*)` and `Bash(git commit:*)` in `permissions.allow`"),
        "{text}"
    );
    assert!(text.contains("The dialog is still open"), "{text}");
    // The person says no, and nothing of it stays.
    lab.person_presses("Escape");
    is_untouched(&mut lab).await;
    lab.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs the agent and the mock model: tests/agentlab/run.sh"]
async fn codex_that_may_not_write_to_the_git_folder_is_told_with_the_setting() {
    let (mut lab, reply) = rehearses(Agent::Codex, |home| {
        let shipped = include_str!("../../../agents/codex.toml");
        let roots = "'sandbox_workspace_write.writable_roots=[\"{git_dir}\"]'";
        assert!(shipped.contains(roots));
        let none = "'sandbox_workspace_write.writable_roots=[]'";
        let profile = home.join("config/agents/codex.toml");
        std::fs::create_dir_all(profile.parent().unwrap()).unwrap();
        std::fs::write(profile, shipped.replace(roots, none)).unwrap();
    })
    .await;
    let text = &reply.text;
    assert!(!reply.done, "{text}");
    assert!(
        text.contains("\n  write   ok\n  commit  fails: commit: "),
        "{text}"
    );
    assert!(
        text.contains("sandbox_workspace_write.writable_roots"),
        "{text}"
    );
    is_untouched(&mut lab).await;
    lab.end().await;
}

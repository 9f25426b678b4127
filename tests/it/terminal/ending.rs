//! A closed window leaves no process behind, and no other process is touched.

use super::*;

/// Ignores what is named, starts a child and one in a session of its own, and notes all three.
const STUBBORN: &str = "trap '' $1; sleep 60 & a=$!; setsid sleep 60 & b=$!; echo $$ $a $b >pids.new; mv pids.new pids; wait";

/// Starts it, and returns its pane and its processes.
async fn stubborn(lab: &Lab, session: &str, ignored: &str) -> (Pane, Vec<String>) {
    let window = lab.window(
        session,
        "check",
        &["/bin/sh", "-c", STUBBORN, "stubborn", ignored],
    );
    let pane = lab.tmux.new_window(&window).await.unwrap();
    let pids = until("it starts", || {
        Some(lab.read("pids")).filter(|pids| !pids.is_empty())
    })
    .await;
    std::fs::remove_file(lab.path("pids")).unwrap();
    (pane, pids.split_whitespace().map(str::to_owned).collect())
}

/// Returns those that still run. One that has ended may wait for its parent to ask.
fn running(pids: &[String]) -> Vec<&String> {
    let runs = |pid: &&String| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        stat.rsplit_once(") ")
            .is_some_and(|(_, rest)| !rest.starts_with('Z'))
    };
    pids.iter().filter(runs).collect()
}

#[tokio::test]
async fn a_program_that_ignores_the_hang_up_ends_with_its_window() {
    for ignored in ["HUP", "HUP TERM"] {
        let lab = Lab::new().await;
        let (_, theirs) = stubborn(&lab, "other", "HUP").await;
        let (pane, ours) = stubborn(&lab, "work", ignored).await;
        assert_eq!(running(&ours).len(), 3);
        assert_eq!(lab.tmux.kill_pane(&pane).await.unwrap(), Guarded::Done);
        assert_eq!(
            running(&ours),
            Vec::<&String>::new(),
            "it ignores {ignored}"
        );
        assert_eq!(running(&theirs).len(), 3, "another window's live on");

        lab.tmux.kill_server().await.unwrap();
        assert_eq!(running(&theirs), Vec::<&String>::new());
        lab.tmux.kill_server().await.unwrap();
    }
}

#[tokio::test]
async fn a_window_that_is_not_the_pinned_one_keeps_its_processes() {
    let lab = Lab::new().await;
    let (pane, first) = stubborn(&lab, "work", "HUP").await;
    lab.raw(&["respawn-pane", "-k", "-t", &pane.id, "/bin/sleep", "1000"]);
    assert_eq!(
        blocked_field(lab.tmux.kill_pane(&pane).await.unwrap()),
        "pane pid"
    );
    let row = lab.tmux.find("work", "check").await.unwrap().unwrap();
    assert_eq!((row.dead, row.command.as_str()), (false, "sleep"));
    let left = running(&first).len();
    end(&first);
    assert_eq!(
        left, 3,
        "what is in no window any more is nobody's to end here"
    );
}

/// Ends what a test let go, by number.
#[expect(clippy::disallowed_methods, reason = "a test is an edge")]
fn end(pids: &[String]) {
    std::process::Command::new("kill")
        .arg("-KILL")
        .args(pids)
        .status()
        .unwrap();
}

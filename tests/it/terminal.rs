//! Terminals: guards, traces, the watch and sampling on a real tmux; receipts and the rules on files and values.

use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use pointsman::domain::{Activity, Attention, DeliveryId, Liveness, Pane};
use pointsman::terminal::{
    Blocked, Composer, Guard, Guarded, NewWindow, Seen, Station, TmuxError, Trace, Watch,
};

use crate::support::patience::{LOOK, PATIENCE, until};
use crate::support::tmux::{Lab, run_fake_agent};

mod commands;
mod delivering;
mod ending;
mod evidence;
mod keeping;
mod labelled;
mod proof;
mod receipts;
mod resolving;
mod screens;
mod variables;
mod watching;

const LINE: &str = "Task ab12cd34: read .pointsman/briefs/ab12cd34.md and follow it.";

fn id() -> DeliveryId {
    DeliveryId::new("ab12cd34")
}

#[expect(clippy::needless_pass_by_value, reason = "reads better at every call")]
fn blocked_field(answer: Guarded) -> &'static str {
    match answer {
        Guarded::Blocked(Blocked { field, .. }) => field,
        Guarded::Done => panic!("it acted"),
    }
}

#[expect(clippy::disallowed_methods, reason = "a test is an edge")]
fn now() -> Timestamp {
    Timestamp::now()
}

#[test]
#[ignore = "not a test: the fake agent, started by the others in a pane"]
fn fake_agent() {
    run_fake_agent();
}

#[tokio::test]
async fn names_are_compared_whole() {
    let lab = Lab::new().await;
    lab.tmux
        .new_window(&lab.window("alpha-two", "agent", &["/bin/sleep", "100"]))
        .await
        .unwrap();
    assert_eq!(lab.tmux.find("alpha", "agent").await.unwrap(), None);
    assert!(matches!(
        lab.tmux.resolve_target("alpha").await,
        Err(TmuxError::NoTarget { .. })
    ));
    let pane = lab
        .tmux
        .new_window(&lab.window("alpha", "agent", &["/bin/sleep", "100"]))
        .await
        .unwrap();
    assert_eq!(
        lab.tmux.find("alpha", "agent").await.unwrap().unwrap().pane,
        pane,
        "a session of its own, not a window of `alpha-two`"
    );
    let check = lab
        .tmux
        .new_window(&lab.window("alpha", "check", &["/bin/sleep", "100"]))
        .await
        .unwrap();
    for target in [
        check.id.as_str(),
        "alpha:check",
        "alpha:1",
        "alpha:1.0",
        "alpha:check.0",
    ] {
        assert_eq!(
            lab.tmux.resolve_target(target).await.unwrap().pane,
            check,
            "{target}"
        );
    }
    assert!(
        matches!(
            lab.tmux.resolve_target("alpha").await,
            Err(TmuxError::Failed { .. })
        ),
        "two panes have that name"
    );
    assert_eq!(lab.tmux.kill_pane(&check).await.unwrap(), Guarded::Done);
    assert_eq!(lab.tmux.find("alpha", "check").await.unwrap(), None);
}

#[tokio::test]
async fn separators_in_names_and_titles_do_not_shift_the_fields() {
    let lab = Lab::new().await;
    let odd = lab.path("a|b #{pid} 'c");
    std::fs::create_dir(&odd).unwrap();
    let mut window = lab.window("s", "w", &["/bin/sleep", "100"]);
    window.cwd.clone_from(&odd);
    let pane = lab.tmux.new_window(&window).await.unwrap();
    lab.raw(&["rename-window", "-t", &pane.id, "x|1|2"]);
    lab.raw(&["select-pane", "-t", &pane.id, "-T", "title | with 'all'"]);
    let row = lab.tmux.look(&pane).await.unwrap().row;
    assert_eq!(
        (
            row.window.as_str(),
            row.title.as_str(),
            row.command.as_str()
        ),
        ("x|1|2", "title | with 'all'", "sleep")
    );
    assert_eq!(
        (row.path, row.size),
        (odd.canonicalize().unwrap(), (200, 50))
    );
}

#[tokio::test]
async fn a_program_cannot_write_another_panes_row() {
    let lab = Lab::new().await;
    let script = "exec -a $'x\n1.1|%9|1|0||0|0|0|0|0|1|200|50|0|0|1|0|0|1|1|0|0|4|5|1|work|agent|/|sh|t' sleep 100";
    let pane = lab
        .tmux
        .new_window(&lab.window("s", "w", &["/bin/bash", "-c", script]))
        .await
        .unwrap();
    lab.until(&pane, |seen| seen.row.command.starts_with("x_1.1_%9"))
        .await;
    let rows = lab.tmux.list_panes().await.unwrap();
    assert!(rows.iter().all(|row| row.pane.id != "%9"), "{rows:?}");
    let mut watch = Watch::new(lab.tmux.clone());
    assert_eq!(watch.tick(now()).await.unwrap().panes.len(), 1);
}

#[tokio::test]
async fn a_launch_carries_its_line_its_flag_and_only_its_own_environment() {
    let lab = Lab::new().await;
    let new = lab.window(
        "work",
        "check",
        &[
            "/bin/sh",
            "-c",
            "printf '%s' \"$0\" > arg; env > env; exec sleep 100",
            "Task ab12cd34: go;",
        ],
    );
    let pane = lab.tmux.launch(&new, &id()).await.unwrap();
    lab.until(&pane, |_| {
        lab.path("env").exists() && lab.read("env").contains("TERM")
    })
    .await;
    assert_eq!(
        lab.read("arg"),
        "Task ab12cd34: go;",
        "a semicolon at the end is kept"
    );
    let mut names: Vec<String> = lab
        .read("env")
        .lines()
        .filter_map(|line| Some(line.split_once('=')?.0.to_owned()))
        .collect();
    names.sort();
    assert_eq!(names, ["FAKE_DIR", "PATH", "PWD", "TERM"]);
    assert_eq!(
        lab.tmux.traced(&id()).await.unwrap(),
        Some((pane.clone(), Trace::Submitted(0)))
    );
    assert_eq!(
        lab.tmux.find("work", "check").await.unwrap().unwrap().pane,
        pane,
        "the window has its name"
    );
    assert_eq!(
        lab.tmux.traced(&DeliveryId::new("zzzzzzzz")).await.unwrap(),
        None
    );
    let second = lab
        .tmux
        .launch(
            &lab.window("work", "check2", &["/bin/sleep", "100"]),
            &DeliveryId::new("second00"),
        )
        .await
        .unwrap();
    assert_eq!(
        lab.tmux
            .traced(&DeliveryId::new("second00"))
            .await
            .unwrap()
            .unwrap()
            .0,
        second,
        "also in a session that was there"
    );
    let mut lost = lab.window("work", "w", &["/bin/sleep", "1"]);
    lost.cwd = lab.path("missing");
    assert!(matches!(
        lab.tmux.new_window(&lost).await,
        Err(TmuxError::Failed { .. })
    ));
}

#[tokio::test]
async fn errors_have_a_class() {
    let lab = Lab::without_server();
    assert!(matches!(
        lab.tmux.list_panes().await,
        Err(TmuxError::NoServer { .. })
    ));
    assert!(matches!(
        lab.tmux
            .clone()
            .with_env("PATH", "/nowhere")
            .list_panes()
            .await,
        Err(TmuxError::Missing)
    ));
    lab.tmux.start_server().await.unwrap();
    lab.tmux.start_server().await.unwrap();
    assert_eq!(
        lab.tmux.list_panes().await.unwrap().len(),
        1,
        "starting twice makes one sentinel"
    );
    let none = Pane {
        socket: lab.tmux.socket().to_owned(),
        generation: lab.tmux.generation().await.unwrap(),
        id: "%99".to_owned(),
        pid: 1,
    };
    assert!(matches!(
        lab.tmux.look(&none).await,
        Err(TmuxError::NoTarget { .. })
    ));
    let long = lab.window("s", "w", &["/bin/echo", &"x".repeat(17_000)]);
    assert!(matches!(
        lab.tmux.new_window(&long).await,
        Err(TmuxError::TooLong { .. })
    ));
}

/// Theirs ends in the moment between two of our calls: nothing of ours stands in its place then.
#[tokio::test]
async fn no_command_starts_a_server_in_the_place_of_one_that_just_ended() {
    let lab = Lab::new().await;
    let bin = lab.path("bin");
    std::fs::create_dir(&bin).unwrap();
    let socket = lab.tmux.socket().display();
    let ends = format!(
        "#!/bin/sh\nPATH=/usr/local/bin:/usr/bin:/bin\ntmux \"$@\"\ncode=$?\ncase \" $* \" in *\" list-panes \"*) tmux -N -S {socket} kill-server ;; esac\nexit $code\n"
    );
    std::fs::write(bin.join("tmux"), ends).unwrap();
    std::fs::set_permissions(
        bin.join("tmux"),
        std::os::unix::fs::PermissionsExt::from_mode(0o755),
    )
    .unwrap();
    lab.raw(&["kill-session", "-t", "=_ctl"]);
    lab.raw(&["new-session", "-d", "-s", "theirs"]);
    let tmux = lab
        .tmux
        .clone()
        .with_env("PATH", format!("{}:/usr/bin:/bin", bin.display()));
    let error = tmux.ensure_sentinel().await.unwrap_err();
    assert!(matches!(error, TmuxError::NoServer { .. }), "{error}");
    let listed = lab.tmux.list_panes().await.unwrap_err();
    assert!(matches!(listed, TmuxError::NoServer { .. }), "{listed}");
}

#[tokio::test]
async fn a_hanging_tmux_is_ended_in_time() {
    let lab = Lab::without_server();
    let bin = lab.path("bin");
    std::fs::create_dir(&bin).unwrap();
    std::fs::write(
        bin.join("tmux"),
        "#!/bin/sh\necho $$ > \"$TMUX_TMPDIR/pid\"\nsleep 1000 & wait\n",
    )
    .unwrap();
    std::fs::set_permissions(
        bin.join("tmux"),
        std::os::unix::fs::PermissionsExt::from_mode(0o755),
    )
    .unwrap();
    let path = format!("{}:/usr/bin:/bin", bin.display());
    assert!(matches!(
        lab.tmux.clone().with_env("PATH", path).list_panes().await,
        Err(TmuxError::Timeout { .. })
    ));
    let group = lab.read("pid").trim().to_owned();
    let gone = || {
        !std::fs::read_to_string(format!("/proc/{group}/stat"))
            .is_ok_and(|stat| !stat.contains(") Z "))
    };
    until("the client is gone", || gone().then_some(())).await;
}

#[tokio::test]
async fn an_agent_is_idle_after_two_equal_samples_and_a_shell_never_is() {
    let lab = Lab::new().await;
    let sampler = lab.sampler();
    let pane = lab.agent().await;
    let start = now();
    let later = |millis| start + SignedDuration::from_millis(millis);
    let ours = &Station::MANAGED;
    let look = async || lab.tmux.look(&pane).await.unwrap();
    let first = sampler.sample(&look().await, ours, None, start);
    assert_eq!(
        first.sample.state.activity,
        Activity::Unknown,
        "{}",
        first.sample.state.because
    );
    let early = sampler.sample(&look().await, ours, Some(&first.resolved), later(500));
    assert_eq!(early.sample.state.activity, Activity::Unknown);
    let second = sampler.sample(&look().await, ours, Some(&early.resolved), later(1000));
    assert!(
        second.sample.state.takes_text(),
        "{}",
        second.sample.state.because
    );
    assert_eq!(
        second.sample.state.activity,
        Activity::Idle { since: start }
    );
    assert!(
        second
            .sample
            .context
            .starts_with(&second.agent.as_ref().unwrap().pid.to_string())
    );

    let with_key = async |key: &str, text: &str| {
        lab.raw(&["send-keys", "-t", &pane.id, "-H", key]);
        let seen = lab
            .until(&pane, |seen| seen.capture.text().contains(text))
            .await;
        let state = sampler
            .sample(&seen, ours, Some(&second.resolved), later(2000))
            .sample
            .state;
        lab.raw(&["send-keys", "-t", &pane.id, "-H", key]);
        state
    };
    assert_eq!(with_key("02", "[busy]").await.activity, Activity::Busy);
    lab.until(&pane, |seen| seen.capture.text().contains("[idle]"))
        .await;
    let dialog = with_key("04", "Esc to cancel").await;
    assert_eq!(
        (dialog.activity, dialog.attention.clone()),
        (Activity::Obscured, Attention::Dialog),
        "{}",
        dialog.because
    );
    lab.until(&pane, |seen| !seen.capture.text().contains("Esc"))
        .await;
    assert_eq!(with_key("61", "❯\u{a0}a").await.activity, Activity::Draft);
}

#[tokio::test]
async fn a_bare_shell_is_dead_whatever_its_profile_says() {
    let lab = Lab::new().await;
    let sampler = lab.sampler();
    let shell = lab
        .tmux
        .new_window(&lab.window("work", "shell", &["/bin/sh"]))
        .await
        .unwrap();
    let seen = lab
        .until(&shell, |seen| !seen.capture.text().trim().is_empty())
        .await;
    let state = sampler
        .sample(&seen, &Station::MANAGED, None, now())
        .sample
        .state;
    assert_eq!(state.liveness, Liveness::Dead, "{}", state.because);
    let mut named = crate::support::tmux::profile(lab.dir.path());
    named.processes = vec!["sh".to_owned(), "dash".to_owned()];
    let named = pointsman::terminal::Sampler::new(named, lab.dir.path()).unwrap();
    assert_eq!(
        named
            .sample(&seen, &Station::MANAGED, None, now())
            .sample
            .state
            .liveness,
        Liveness::Dead,
        "a profile cannot make a shell an agent"
    );
}

#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "a test is an edge")]
async fn a_person_who_attached_a_moment_ago_is_present() {
    let lab = Lab::new().await;
    let sampler = lab.sampler();
    let pane = lab.agent().await;
    // A session's birth counts as activity too; what comes seconds later is a person.
    tokio::time::sleep(Duration::from_millis(2100)).await;
    let mut client = std::process::Command::new("tmux")
        .args(["-u", "-C", "-S"])
        .arg(lab.tmux.socket())
        .args(["attach-session", "-t", "=work"])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let seen = lab.until(&pane, |seen| seen.row.attached == 1).await;
    assert_eq!(seen.row.shown, 1);
    let state = sampler
        .sample(&seen, &Station::MANAGED, None, now())
        .sample
        .state;
    assert_eq!(
        state.attention,
        Attention::HumanPresent,
        "{}",
        state.because
    );
    let later = now() + SignedDuration::from_secs(90);
    let state = sampler
        .sample(&seen, &Station::MANAGED, None, later)
        .sample
        .state;
    assert_eq!(state.attention, Attention::None, "{}", state.because);
    drop(client.stdin.take());
    client.wait().unwrap();
    let seen = lab.until(&pane, |seen| seen.row.attached == 0).await;
    let managed = sampler
        .sample(&seen, &Station::MANAGED, None, now())
        .sample
        .state;
    let adopted = sampler
        .sample(&seen, &Station::ADOPTED, None, now())
        .sample
        .state;
    assert_eq!(managed.attention, Attention::None);
    assert_eq!(
        adopted.attention,
        Attention::HumanPresent,
        "left a moment ago, and may be back"
    );
}

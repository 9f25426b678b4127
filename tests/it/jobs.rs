//! Project code in a window of its own, and whose word its result is.

use std::time::Duration;

use pointsman::daemon::jobs::job::{Job, measure, run};
use pointsman::daemon::jobs::logs::{LOGS_KEPT_MAX, sweep};
use pointsman::domain::DispatchId;

use crate::support::tmux::Lab;

fn job(lab: &Lab, script: &str) -> Job {
    let log = lab.path("job.log");
    Job {
        name: "build-1".to_owned(),
        cwd: lab.dir.path().to_owned(),
        env: vec![("PATH".to_owned(), "/usr/bin:/bin".to_owned())],
        script: script.to_owned(),
        args: vec![log.display().to_string()],
        limit: Duration::from_mins(1),
        log,
        writer: None,
    }
}

/// The note of the exit status lies where the commands themselves can write.
#[tokio::test]
async fn a_command_does_not_write_its_own_result() {
    let lab = Lab::new().await;
    let forged = job(&lab, "printf 0 >\"$1.exit\"; sleep 1; echo red; exit 3");
    let ran = run(&lab.tmux, &forged).await.expect("it ran");
    assert_eq!((ran.exit, ran.output.as_str()), (Some(3), "red\n"));
}

#[tokio::test]
async fn a_job_that_ended_has_its_status_and_its_output() {
    let lab = Lab::new().await;
    for (script, exit) in [("echo done", 0), ("echo done; exit 7", 7)] {
        let ran = run(&lab.tmux, &job(&lab, script)).await.expect("it ran");
        assert_eq!((ran.exit, ran.output.as_str()), (Some(exit), "done\n"));
        assert!(!ran.timed_out);
    }
}

#[tokio::test]
async fn a_job_that_prints_without_end_fills_no_disk_and_keeps_status_and_end() {
    let lab = Lab::new().await;
    let loud = job(&lab, "yes | head -c 30000000; echo the end; exit 7");
    let ran = run(&lab.tmux, &loud).await.expect("it ran");
    assert_eq!(ran.exit, Some(7), "it was not stopped for what it printed");
    assert!(ran.tail().ends_with("the end\n"), "{}", ran.tail());
    let bytes = std::fs::metadata(&loud.log).expect("a log").len();
    assert!(bytes < 5_000_000, "{bytes}");
    assert!(ran.output.len() <= 1 << 20, "{}", ran.output.len());
    let whole = std::fs::read(&loud.log).expect("a log");
    assert_eq!(ran.digest, pointsman::machine::text::sha256(&whole));
}

#[tokio::test]
async fn a_job_is_over_when_it_ends_and_not_when_what_it_started_does() {
    let lab = Lab::new().await;
    let started = std::time::Instant::now();
    let left = job(&lab, "setsid sleep 20 & echo done");
    let ran = run(&lab.tmux, &left).await.expect("it ran");
    assert_eq!((ran.exit, ran.output.as_str()), (Some(0), "done\n"));
    assert!(started.elapsed() < Duration::from_secs(15));
}

/// Starts a job for a daemon that is killed while it runs.
async fn abandoned(lab: &Lab, script: &str) {
    let (tmux, job) = (lab.tmux.clone(), job(lab, script));
    let killed = tokio::spawn(async move { run(&tmux, &job).await.map(drop) });
    while !lab.raw(&["list-windows", "-a"]).contains("build-1") {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    killed.abort();
}

async fn over(lab: &Lab) {
    while !lab
        .raw(&["list-panes", "-a", "-F", "#{window_name} #{pane_dead}"])
        .contains("build-1 1")
    {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn what_ended_before_a_restart_speaks_only_for_what_its_name_says() {
    let lab = Lab::new().await;
    abandoned(&lab, "sleep 1; echo before").await;
    let ran = run(&lab.tmux, &job(&lab, "echo now")).await;
    assert_eq!(ran.expect("it ran").output, "before\n", "it still runs");

    abandoned(&lab, "sleep 1; echo before").await;
    over(&lab).await;
    let ran = run(&lab.tmux, &job(&lab, "echo now")).await;
    assert_eq!(ran.expect("it ran").output, "now\n");

    abandoned(&lab, "sleep 1; echo before").await;
    over(&lab).await;
    let ran = measure(&lab.tmux, &job(&lab, "echo now")).await;
    assert_eq!(ran.expect("it ran").output, "before\n", "of that commit");
}

#[test]
fn old_logs_go_and_those_of_open_dispatches_stay() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name);
    for name in ["build-aaaaaa-1", "build-bbbbbb-1"] {
        std::fs::write(path(&format!("{name}.log")), "old").expect("it is written");
        std::fs::write(path(&format!("{name}.log.exit")), "0").expect("it is written");
    }
    let day = std::time::SystemTime::now() - Duration::from_hours(24);
    for name in ["build-aaaaaa-1.log", "build-bbbbbb-1.log"] {
        let file = std::fs::File::options().write(true).open(path(name));
        file.expect("a log").set_modified(day).expect("it is older");
    }
    for n in 0..LOGS_KEPT_MAX {
        std::fs::write(path(&format!("build-cccccc-{n}.log")), "new").expect("it is written");
    }
    sweep(folder.path(), &[DispatchId::new("aaaaaa")]).expect("it is swept");
    let is_there = |name: &str| path(name).exists();
    assert!(is_there("build-aaaaaa-1.log") && is_there("build-aaaaaa-1.log.exit"));
    assert!(!is_there("build-bbbbbb-1.log") && !is_there("build-bbbbbb-1.log.exit"));
    assert!(is_there("build-cccccc-0.log"));
    sweep(&path("nothing"), &[]).expect("no folder, no logs");
}

/// What a log says is published; a link in its place could name the token.
#[tokio::test]
async fn a_log_that_is_a_link_or_another_accounts_file_is_not_read() {
    let lab = Lab::new().await;
    let secret = lab.path("token");
    std::fs::write(&secret, "s3cret").expect("a file");
    let script = format!("sleep 0.3; ln -sf '{}' \"$1\"", secret.display());
    let error = run(&lab.tmux, &job(&lab, &script))
        .await
        .expect_err("a link");
    assert!(error.to_string().contains("cannot be used"), "{error}");
    let mut other = job(&lab, "echo done");
    other.writer = Some(rustix::process::geteuid().as_raw() + 1);
    let error = run(&lab.tmux, &other).await.expect_err("not its writer's");
    assert!(error.to_string().contains("cannot be used"), "{error}");
    assert!(run(&lab.tmux, &job(&lab, "echo done")).await.is_ok());
}

/// The note of the exit status lies where the commands can put a pipe that nobody ever writes to: the daemon does not wait for it.
#[tokio::test]
async fn a_pipe_in_the_place_of_a_note_is_not_waited_for() {
    let lab = Lab::new().await;
    let script = r#"mkfifo "$1.held"; ln "$1.held" "$1.exit"; sleep 1
timeout 14 sh -c 'sleep 12; : >"$1"' wakes "$1.held" >/dev/null 2>&1 &
echo done"#;
    let ran = run(&lab.tmux, &job(&lab, script)).await.expect("it ran");
    assert_eq!((ran.exit, ran.output.as_str()), (Some(0), "done\n"));
    assert!(ran.took < Duration::from_secs(9), "{:?}", ran.took);
}

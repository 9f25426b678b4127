//! Project code in a window of its own, and whose word its result is.

use std::time::Duration;

use pointsman::daemon::job::{Job, run};

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

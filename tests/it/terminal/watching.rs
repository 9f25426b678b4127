//! The watch on a real tmux.

use super::*;

#[tokio::test]
async fn the_watch_starts_no_process_per_tick_and_captures_what_changed() {
    let lab = Lab::new().await;
    let pane = lab.agent().await;
    let mut watch = Watch::new(lab.tmux.clone());
    let first = watch.tick(now()).await.unwrap();
    assert_eq!(first.panes.len(), 1, "our own session is not in it");
    assert!(
        first
            .pane(&pane)
            .unwrap()
            .capture
            .text()
            .contains("0 prompts")
    );
    assert!(!first.new_server);
    let spawned = lab.tmux.spawned();
    let mut shared = 0;
    let mut last = first;
    for tick in 0..30 {
        if tick == 15 {
            lab.raw(&["send-keys", "-t", &pane.id, "-l", "hello"]);
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
        let next = watch.tick(now()).await.unwrap();
        shared += usize::from(std::sync::Arc::ptr_eq(
            next.pane(&pane).unwrap(),
            last.pane(&pane).unwrap(),
        ));
        last = next;
    }
    let shows = |text: &str| text.contains("❯\u{a0}hello");
    let deadline = Instant::now() + PATIENCE;
    while !shows(&last.pane(&pane).unwrap().capture.text()) && Instant::now() < deadline {
        tokio::time::sleep(Duration::from_millis(100)).await;
        last = watch.tick(now()).await.unwrap();
    }
    assert_eq!(lab.tmux.spawned(), spawned, "no process was started");
    assert!(shows(&last.pane(&pane).unwrap().capture.text()));
    assert!(
        shared >= 5,
        "an unchanged screen is not captured again ({shared} of 30)"
    );
    assert_eq!(
        watch.look(&pane).await.unwrap().capture,
        last.pane(&pane).unwrap().capture
    );
    watch.close().await;
    assert_eq!(lab.raw(&["list-clients"]), "");
}

#[tokio::test]
async fn a_change_in_the_second_of_the_last_capture_is_not_missed() {
    let lab = Lab::new().await;
    // Redraws the same cell and leaves the cursor where it was: only `window_activity` can tell.
    let script = "printf 'x\\033[1D'; read a; printf 'y\\033[1D'; sleep 100";
    let pane = lab
        .tmux
        .new_window(&lab.window("s", "w", &["/bin/sh", "-c", script]))
        .await
        .unwrap();
    lab.raw(&["set-option", "-p", "-t", &pane.id, "@x", "1"]);
    lab.until(&pane, |seen| seen.capture.text().starts_with('x'))
        .await;
    let mut watch = Watch::new(lab.tmux.clone());
    while now().subsec_millisecond() > 300 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(
        watch
            .tick(now())
            .await
            .unwrap()
            .pane(&pane)
            .unwrap()
            .capture
            .text()
            .starts_with('x')
    );
    lab.raw(&["send-keys", "-t", &pane.id, "-H", "0a"]);
    let deadline = Instant::now() + PATIENCE;
    loop {
        let snapshot = watch.tick(now()).await.unwrap();
        if snapshot.pane(&pane).unwrap().capture.text().contains('y') {
            return;
        }
        assert!(Instant::now() < deadline, "the change was never captured");
        tokio::time::sleep(LOOK).await;
    }
}

#[tokio::test]
async fn a_killed_server_is_an_error_and_the_next_one_is_a_new_generation() {
    let lab = Lab::new().await;
    let pane = lab.agent().await;
    let mut watch = Watch::new(lab.tmux.clone());
    let first = watch.tick(now()).await.unwrap();
    lab.raw(&["kill-server"]);
    tokio::time::timeout(PATIENCE, watch.woken())
        .await
        .expect("the loss wakes the watch");
    assert!(matches!(
        watch.tick(now()).await,
        Err(TmuxError::NoServer { .. })
    ));
    tokio::time::sleep(Duration::from_millis(1100)).await;
    lab.tmux.start_server().await.unwrap();
    lab.tmux
        .new_window(&lab.window("work", "agent", &["/bin/sleep", "100"]))
        .await
        .unwrap();
    let next = watch.tick(now()).await.unwrap();
    assert!(next.new_server);
    assert_ne!(next.generation, first.generation);
    assert!(
        next.panes.contains_key(&pane.id),
        "the new server gives out the same id again"
    );
    assert!(next.pane(&pane).is_none(), "and it is another pane");
}

#[tokio::test]
async fn a_new_window_wakes_the_watch_and_a_closed_one_leaves_it() {
    let lab = Lab::new().await;
    let mut watch = Watch::new(lab.tmux.clone());
    watch.tick(now()).await.unwrap();
    let pane = lab
        .tmux
        .new_window(&lab.window("s", "w", &["/bin/sleep", "100"]))
        .await
        .unwrap();
    tokio::time::timeout(PATIENCE, watch.woken())
        .await
        .expect("a new session wakes the watch");
    assert!(watch.tick(now()).await.unwrap().find("s", "w").is_some());
    lab.tmux.kill_pane(&pane).await.unwrap();
    assert!(watch.tick(now()).await.unwrap().panes.is_empty());
    assert!(matches!(
        watch.look(&pane).await,
        Err(TmuxError::NoTarget { .. })
    ));
    assert!(
        watch.tick(now()).await.is_ok(),
        "the connection is still in step"
    );
}

#[tokio::test]
async fn a_screen_that_looks_like_the_protocol_is_only_text() {
    let lab = Lab::new().await;
    let script = "i=0; while [ $i -lt 600 ]; do printf '%%end %s %s 1\\n%%begin 1 %s 1\\n%%exit\\n' $(date +%s) $i $i; i=$((i+1)); done; printf 'last'; sleep 100";
    let pane = lab
        .tmux
        .new_window(&lab.window("s", "w", &["/bin/sh", "-c", script]))
        .await
        .unwrap();
    let other = lab.agent().await;
    lab.until(&pane, |seen| seen.capture.text().contains("last"))
        .await;
    let mut watch = Watch::new(lab.tmux.clone());
    for _ in 0..5 {
        let snapshot = watch.tick(now()).await.unwrap();
        assert!(
            snapshot
                .pane(&pane)
                .unwrap()
                .capture
                .text()
                .contains("%exit")
        );
        assert!(
            snapshot
                .pane(&other)
                .unwrap()
                .capture
                .text()
                .contains("fake agent")
        );
    }
}

#[tokio::test]
async fn many_panes_are_read_in_one_tick() {
    let lab = Lab::new().await;
    for index in 0..70 {
        let script = format!("echo pane {index}; sleep 100");
        lab.raw(&[
            "new-window",
            "-d",
            "-t",
            "=_ctl:",
            "--",
            "/bin/sh",
            "-c",
            &script,
        ]);
    }
    lab.raw(&[
        "new-session",
        "-d",
        "-s",
        "many",
        "-x",
        "200",
        "-y",
        "50",
        "/bin/sh",
        "-c",
        "echo first; sleep 100",
    ]);
    for index in 0..69 {
        let script = format!("echo pane {index}; sleep 100");
        lab.raw(&[
            "new-window",
            "-d",
            "-t",
            "=many:",
            "--",
            "/bin/sh",
            "-c",
            &script,
        ]);
    }
    // A new watch for each look: its first tick reads all of them. A busy machine takes its time to start 140 shells.
    let deadline = Instant::now() + PATIENCE;
    loop {
        let mut watch = Watch::new(lab.tmux.clone());
        let snapshot = watch.tick(now()).await.unwrap();
        watch.close().await;
        assert_eq!(snapshot.panes.len(), 70);
        let empty = snapshot
            .panes
            .values()
            .filter(|seen| seen.capture.text().trim().is_empty())
            .count();
        if empty == 0 {
            return;
        }
        assert!(
            Instant::now() < deadline,
            "{empty} of 70 panes have no text"
        );
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

#[tokio::test]
async fn a_tick_that_is_dropped_half_way_does_not_shift_the_next_answers() {
    let lab = Lab::new().await;
    let pane = lab.agent().await;
    let mut watch = Watch::new(lab.tmux.clone());
    watch.tick(now()).await.unwrap();
    for micros in (0..1500).step_by(100) {
        let _cut = tokio::time::timeout(Duration::from_micros(micros), watch.tick(now())).await;
        let seen = watch.look(&pane).await.unwrap();
        assert!(
            seen.capture.text().contains("fake agent"),
            "after {micros} us"
        );
    }
    assert_eq!(watch.tick(now()).await.unwrap().panes.len(), 1);
}

/// A daemon that is killed with an answer unread leaves a client that tmux 3.3a never ends, nor does its server end before it.
#[tokio::test]
async fn a_client_whose_daemon_was_killed_is_ended_and_another_daemons_is_not() {
    let lab = Lab::new().await;
    let mut neighbour = Watch::new(lab.tmux.clone());
    neighbour.tick(now()).await.unwrap();
    let pipes = tempfile::tempdir().unwrap();
    let script = format!(
        "cd {}; mkfifo in out; POINTSMAN_READER=$$ tmux -C -S {} attach-session -f no-output,ignore-size -t =_ctl <in >out & \
         exec 3>in 4<out; yes 'list-keys' | head -n 50 >&3; sleep 1; kill -9 $$",
        pipes.path().display(),
        lab.tmux.socket().display()
    );
    let killed = tokio::process::Command::new("sh")
        .args(["-c", &script])
        .status()
        .await
        .unwrap();
    assert!(!killed.success(), "{killed}");
    tokio::time::sleep(Duration::from_secs(2)).await;
    let clients = || {
        lab.raw(&["list-clients", "-F", "#{client_pid}"])
            .lines()
            .count()
    };
    // On 3.3a the orphan is there; a later tmux may have ended it by itself.
    assert!((1..=2).contains(&clients()));
    let spawned = lab.tmux.spawned();
    let mut watch = Watch::new(lab.tmux.clone());
    watch.tick(now()).await.unwrap();
    assert_eq!(clients(), 2, "the orphan is not, and we are");
    let connected = lab.tmux.spawned();
    assert!(connected > spawned);
    neighbour.tick(now()).await.unwrap();
    assert_eq!(lab.tmux.spawned(), connected, "it was left alone");
}

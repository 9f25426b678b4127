//! The guards, the three acts of a delivery and their traces, on a real tmux.

use super::*;

#[tokio::test]
async fn a_line_is_pasted_then_submitted_and_each_step_leaves_its_trace() {
    let lab = Lab::new().await;
    let sampler = lab.sampler();
    let pane = lab.agent().await;
    let seen = lab.tmux.look(&pane).await.unwrap();
    assert_eq!(
        sampler.recogniser().read(&seen.capture).composer,
        Composer::Empty,
        "dim text is no draft"
    );
    assert_eq!(
        lab.tmux.trace(&pane, &id()).await.unwrap().trace,
        Trace::None
    );

    let g1 = Guard::g1(&seen, sampler.recogniser()).unwrap();
    assert_eq!(
        lab.tmux.paste(&g1, &id(), LINE).await.unwrap(),
        Guarded::Done
    );
    let echo = lab
        .until(&pane, |seen| seen.capture.text().contains(LINE))
        .await;
    let traced = lab.tmux.trace(&pane, &id()).await.unwrap();
    assert_eq!(
        (traced.trace, traced.buffer),
        (Trace::Pasted, false),
        "no buffer is left"
    );
    assert_eq!(echo.traces, [(id(), "pasted".to_owned())]);
    assert_eq!(
        blocked_field(lab.tmux.paste(&g1, &id(), LINE).await.unwrap()),
        "cursor",
        "the same guard never pastes twice"
    );

    let g2 = Guard::g2(&echo, sampler.recogniser(), LINE).unwrap();
    assert_eq!(lab.tmux.enter(&g2, &id(), 1).await.unwrap(), Guarded::Done);
    lab.until(&pane, |seen| seen.capture.text().contains("1 prompts"))
        .await;
    assert_eq!(
        lab.read("input.log"),
        format!("\u{1b}[200~{LINE}\u{1b}[201~\r"),
        "byte for byte"
    );
    assert_eq!(
        lab.tmux.trace(&pane, &id()).await.unwrap().trace,
        Trace::Submitted(1)
    );
    assert_eq!(
        blocked_field(lab.tmux.enter(&g2, &id(), 2).await.unwrap()),
        "cursor",
        "no second Enter"
    );
    assert!(
        Guard::g2(
            &lab.tmux.look(&pane).await.unwrap(),
            sampler.recogniser(),
            LINE
        )
        .is_err()
    );
    assert_eq!(lab.raw(&["list-buffers"]), "");
}

/// Proves the composer empty, lets `happen` change the world, and returns what the guard said. No byte may arrive.
async fn blocked_after(happen: impl AsyncFnOnce(&Lab, &Pane, &mut Seen)) -> &'static str {
    let lab = Lab::new().await;
    let sampler = lab.sampler();
    let pane = lab.agent().await;
    let mut seen = lab.tmux.look(&pane).await.unwrap();
    happen(&lab, &pane, &mut seen).await;
    let before = lab.read("input.log");
    let g1 = Guard::g1(&seen, sampler.recogniser()).unwrap();
    let field = blocked_field(lab.tmux.paste(&g1, &id(), LINE).await.unwrap());
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(
        lab.read("input.log"),
        before,
        "a byte arrived although {field} blocked"
    );
    assert_eq!(
        lab.raw(&["list-buffers"]),
        "",
        "a buffer was left although {field} blocked"
    );
    let flags = lab.raw(&["show-options", "-p", "-t", &pane.id]);
    assert!(
        !flags.contains("pointsman"),
        "a flag was set although {field} blocked: {flags}"
    );
    field
}

#[tokio::test]
async fn a_guard_blocks_when_keys_would_go_astray() {
    for (words, field) in [
        (&["copy-mode", "-t"][..], "copy mode"),
        (&["select-pane", "-d", "-t"], "input off"),
        (
            &[
                "set-option",
                "-w",
                "synchronize-panes",
                "on",
                ";",
                "select-pane",
                "-t",
            ],
            "synchronized",
        ),
        (&["resize-window", "-x", "120", "-y", "50", "-t"], "size"),
        (&["kill-pane", "-t"], "pane"),
    ] {
        let blocked = blocked_after(async |lab, pane, _| {
            let at = lab.raw(&["select-window", "-t", &pane.id]);
            assert_eq!(at, "");
            let words: Vec<&str> = words.iter().copied().chain([pane.id.as_str()]).collect();
            lab.raw(&words);
        });
        assert_eq!(blocked.await, field, "{words:?}");
    }
}

#[tokio::test]
async fn a_guard_blocks_when_the_world_is_another() {
    let blocked = blocked_after(async |_, _, seen| seen.row.pane.generation = "1.1".to_owned());
    assert_eq!(blocked.await, "generation");
    let blocked = blocked_after(async |_, _, seen| seen.row.command = "sh".to_owned());
    assert_eq!(blocked.await, "foreground");
}

#[tokio::test]
async fn a_guard_blocks_when_the_screen_changed() {
    let draft = blocked_after(async |lab, pane, _| {
        lab.raw(&["send-keys", "-t", &pane.id, "-l", "wait"]);
        lab.until(pane, |seen| seen.capture.text().contains("❯\u{a0}wait"))
            .await;
    });
    assert_eq!(draft.await, "cursor");
    let dialog = blocked_after(async |lab, pane, seen| {
        lab.raw(&["send-keys", "-t", &pane.id, "-H", "04"]);
        let shown = lab
            .until(pane, |seen| seen.capture.text().contains("Esc to cancel"))
            .await;
        // As with programs that hide the cursor: it stands where it stood.
        seen.row.cursor = shown.row.cursor;
    });
    assert_eq!(dialog.await, "dialog");
}

#[tokio::test]
async fn a_client_killed_at_any_instant_leaves_a_true_trace() {
    let lab = Lab::new().await;
    let sampler = lab.sampler();
    let pane = lab.agent().await;
    let mut pasted = 0;
    for round in 0..40_u32 {
        let id = DeliveryId::new(format!("kill{round:04}"));
        let seen = lab
            .until(&pane, |seen| Guard::g1(seen, sampler.recogniser()).is_ok())
            .await;
        let g1 = Guard::g1(&seen, sampler.recogniser()).unwrap();
        let micros = u64::from(round) * 100;
        // Dropping the call kills its client.
        let _cut = tokio::time::timeout(
            Duration::from_micros(micros),
            lab.tmux.paste(&g1, &id, LINE),
        )
        .await;
        tokio::time::sleep(Duration::from_millis(30)).await;
        let traced = lab.tmux.trace(&pane, &id).await.unwrap();
        if traced.trace == Trace::Pasted {
            pasted += 1;
            assert!(
                !traced.buffer,
                "round {round}: pasted, and the buffer is still there"
            );
            // The flag is set when the bytes are in the terminal; a busy machine lets the program draw them later.
            lab.until(&pane, |seen| seen.capture.text().contains(LINE))
                .await;
            lab.raw(&["send-keys", "-t", &pane.id, "-H", "15"]);
        } else {
            assert_eq!(traced.trace, Trace::None, "round {round}");
        }
    }
    // What the program itself took, in order: a last key behind it says that nothing is still on its way.
    lab.raw(&["send-keys", "-t", &pane.id, "-l", "end"]);
    lab.until(&pane, |seen| seen.capture.text().contains("❯\u{a0}end"))
        .await;
    let taken = lab.read("input.log");
    assert_eq!(
        taken.matches(LINE).count(),
        pasted,
        "a flag for each line that was typed, and for no other"
    );
    assert_eq!(taken.matches("200~").count(), pasted, "each as one paste");
}

#[tokio::test]
async fn a_dead_pane_is_never_pasted_into() {
    let field = blocked_after(async |lab, pane, _| {
        lab.raw(&["send-keys", "-t", &pane.id, "-H", "03"]);
        lab.until(pane, |seen| seen.row.dead).await;
        let row = lab.tmux.find("work", "agent").await.unwrap().unwrap();
        // tmux 3.3a may lose the status of a process that it did not reap in time.
        assert!(row.dead && row.dead_status.is_none_or(|status| status == 3));
    });
    // tmux 3.3a would crash here, and every session with it (facts/terminal.md F47).
    assert!(["dead", "copy mode"].contains(&field.await));
}

#[tokio::test]
async fn a_respawned_pane_keeps_its_id_and_is_noticed() {
    let lab = Lab::new().await;
    let pane = lab.agent().await;
    let seen = lab.tmux.look(&pane).await.unwrap();
    let g1 = Guard::g1(&seen, lab.sampler().recogniser()).unwrap();
    lab.raw(&[
        "set-option",
        "-p",
        "-t",
        &pane.id,
        "@pointsman_ab12cd34",
        "pasted",
    ]);
    lab.raw(&["respawn-pane", "-k", "-t", &pane.id, "/bin/sleep", "100"]);
    assert_eq!(
        blocked_field(lab.tmux.paste(&g1, &id(), LINE).await.unwrap()),
        "pane pid"
    );
    assert_eq!(
        blocked_field(lab.tmux.kill_pane(&pane).await.unwrap()),
        "pane pid"
    );
    assert!(matches!(
        lab.tmux.look(&pane).await,
        Err(TmuxError::NoTarget { .. })
    ));
    assert_eq!(
        lab.tmux.trace(&pane, &id()).await.unwrap().trace,
        Trace::Gone,
        "the flag outlived the process and does not count"
    );
}

#[tokio::test]
async fn what_a_person_typed_behind_our_line_is_neither_submitted_nor_cleared() {
    let lab = Lab::new().await;
    let sampler = lab.sampler();
    let pane = lab.agent().await;
    let g1 = Guard::g1(&lab.tmux.look(&pane).await.unwrap(), sampler.recogniser()).unwrap();
    assert_eq!(
        lab.tmux.paste(&g1, &id(), LINE).await.unwrap(),
        Guarded::Done
    );
    let mut echo = lab
        .until(&pane, |seen| seen.capture.text().contains(LINE))
        .await;
    lab.raw(&["send-keys", "-t", &pane.id, "-l", " no"]);
    let after = lab
        .until(&pane, |seen| seen.capture.text().contains("it. no"))
        .await;
    assert_eq!(
        Guard::g2(&after, sampler.recogniser(), LINE)
            .unwrap_err()
            .field,
        "composer text"
    );
    // Even with the cursor back where it was, the server sees the text.
    echo.row.cursor = after.row.cursor;
    let g2 = Guard::g2(&echo, sampler.recogniser(), LINE).unwrap();
    assert_eq!(
        blocked_field(lab.tmux.enter(&g2, &id(), 1).await.unwrap()),
        "composer text"
    );
    assert_eq!(
        blocked_field(
            lab.tmux
                .clear_line(&g2, &id(), sampler.recogniser())
                .await
                .unwrap()
        ),
        "composer text"
    );
    assert!(lab.read("input.log").ends_with("\u{1b}[201~ no"));
    assert_eq!(
        lab.tmux.trace(&pane, &id()).await.unwrap().trace,
        Trace::Pasted
    );
}

#[tokio::test]
async fn our_own_line_is_cleared_and_seen_empty() {
    let lab = Lab::new().await;
    let sampler = lab.sampler();
    let pane = lab.agent().await;
    let g1 = Guard::g1(&lab.tmux.look(&pane).await.unwrap(), sampler.recogniser()).unwrap();
    assert_eq!(
        lab.tmux.paste(&g1, &id(), LINE).await.unwrap(),
        Guarded::Done
    );
    let echo = lab
        .until(&pane, |seen| seen.capture.text().contains(LINE))
        .await;
    let g2 = Guard::g2(&echo, sampler.recogniser(), LINE).unwrap();
    assert_eq!(
        lab.tmux
            .clear_line(&g2, &id(), sampler.recogniser())
            .await
            .unwrap(),
        Guarded::Done
    );
    assert_eq!(
        lab.tmux.trace(&pane, &id()).await.unwrap().trace,
        Trace::Cleared
    );
}

/// Only what fails before the window is asked for proves that nothing was typed: this program ran, with the line.
#[tokio::test]
async fn an_agent_that_ran_elsewhere_is_ended_and_proves_nothing() {
    let lab = Lab::new().await;
    let script = format!(
        "cd / && touch {} && exec sleep 100",
        lab.path("ran").display()
    );
    let new = lab.window("work", "check", &["/bin/sh", "-c", &script]);
    let error = lab.tmux.launch(&new, &id()).await.unwrap_err();
    assert!(matches!(error, TmuxError::Unsettled(_)), "{error}");
    assert!(lab.path("ran").exists());
    assert_eq!(lab.tmux.traced(&id()).await.unwrap(), None);
    let nowhere = NewWindow {
        cwd: lab.path("nowhere"),
        ..new
    };
    let error = lab.tmux.launch(&nowhere, &id()).await.unwrap_err();
    assert!(matches!(error, TmuxError::Failed { .. }), "{error}");
}

/// A call that was given up may reach the server later, and a program that stands still shows yesterday's screen: cursor and text are
/// as they were, and still there is no second paste and no second Enter.
#[tokio::test]
async fn no_act_happens_twice_although_the_program_draws_nothing() {
    let lab = Lab::new().await;
    let sampler = lab.sampler();
    // Below a shell: a pane's own process that is stopped is sent on by tmux.
    let program = crate::support::tmux::exe();
    let script = format!(
        "{} --exact terminal::fake_agent --ignored --nocapture; :",
        program.display()
    );
    let window = lab.window("work", "agent", &["/bin/sh", "-c", &script]);
    let pane = lab.tmux.new_window(&window).await.unwrap();
    let seen = lab
        .until(&pane, |seen| seen.capture.text().contains("\n❯\u{a0}"))
        .await;
    let agent = sampler
        .sample(&seen, &Station::MANAGED, None, now())
        .agent
        .unwrap();
    let pid = rustix::process::Pid::from_raw(i32::try_from(agent.pid).unwrap()).unwrap();
    let signal = |signal| rustix::process::kill_process(pid, signal).unwrap();
    let g1 = Guard::g1(&lab.tmux.look(&pane).await.unwrap(), sampler.recogniser()).unwrap();
    signal(rustix::process::Signal::STOP);
    assert!(!lab.tmux.has_unread(&pane).await.unwrap());
    assert_eq!(
        lab.tmux.paste(&g1, &id(), LINE).await.unwrap(),
        Guarded::Done
    );
    assert_eq!(
        blocked_field(lab.tmux.paste(&g1, &id(), LINE).await.unwrap()),
        "step"
    );
    assert!(lab.tmux.has_unread(&pane).await.unwrap(), "it stands still");
    signal(rustix::process::Signal::CONT);
    let echo = lab
        .until(&pane, |seen| seen.capture.text().contains(LINE))
        .await;
    assert!(!lab.tmux.has_unread(&pane).await.unwrap());

    signal(rustix::process::Signal::STOP);
    let g2 = Guard::g2(&echo, sampler.recogniser(), LINE).unwrap();
    assert_eq!(
        blocked_field(lab.tmux.enter(&g2, &id(), 2).await.unwrap()),
        "step",
        "the first one first"
    );
    assert_eq!(lab.tmux.enter(&g2, &id(), 1).await.unwrap(), Guarded::Done);
    assert_eq!(
        blocked_field(lab.tmux.enter(&g2, &id(), 1).await.unwrap()),
        "step"
    );
    signal(rustix::process::Signal::CONT);
    lab.until(&pane, |seen| seen.capture.text().contains("1 prompts"))
        .await;
    assert_eq!(
        lab.read("input.log"),
        format!("\u{1b}[200~{LINE}\u{1b}[201~\r")
    );
}

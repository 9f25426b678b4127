//! `pointsman health`, as a monitor asks a running daemon.

use std::time::{Duration, Instant};

use crate::support::world::World;

const PATIENCE: Duration = Duration::from_mins(1);

/// The exit code and what was printed.
async fn health(world: &World, words: &[&str]) -> (Option<i32>, String, String) {
    let mut command = world.command(&[&["health"], words].concat());
    let ran = tokio::task::spawn_blocking(move || command.output());
    let output = ran.await.expect("it does not panic").expect("it starts");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (
        output.status.code(),
        text(&output.stdout),
        text(&output.stderr),
    )
}

#[tokio::test]
async fn a_monitor_is_told_by_the_exit_code_and_a_line() {
    let mut world = World::running("shop").await;
    let (code, out, err) = health(&world, &[]).await;
    assert_eq!((code, out.as_str()), (Some(0), "ok: 1 project\n"), "{err}");
    world.settings("sweeep = \"5m\"\n");
    let deadline = Instant::now() + PATIENCE;
    let out = loop {
        let (code, out, err) = health(&world, &[]).await;
        if code == Some(1) {
            break out;
        }
        assert!(Instant::now() < deadline, "{out}{err}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    assert!(
        out.starts_with("configuration: configuration: the files have mistakes")
            && out.contains("pointsman labels check")
            && out.lines().count() == 1,
        "{out}"
    );
    let (_, json, _) = health(&world, &["--json"]).await;
    let json: serde_json::Value = serde_json::from_str(&json).expect("it is JSON");
    assert_eq!(json["ok"], false);
    assert_eq!(json["faults"][0]["kind"], "configuration");
    world.stop().await;
    let (code, out, err) = health(&world, &[]).await;
    assert_eq!((code, out.as_str()), (Some(1), ""));
    assert!(
        err.starts_with("Error: no daemon runs\nHint: start it with `pointsman run`"),
        "{err}"
    );
    world.end().await;
}

//! `pointsman health`, as a monitor asks a running daemon.

use std::time::{Duration, Instant};

use crate::support::patience::PATIENCE;
use crate::support::world::World;

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

/// Asks until that is the exit code, as a monitor would; returns what was printed then.
async fn until(world: &World, wanted: i32) -> String {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let (code, out, err) = health(world, &[]).await;
        if code == Some(wanted) && !out.is_empty() {
            return out;
        }
        assert!(Instant::now() < deadline, "never {wanted}: {out}{err}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn a_monitor_is_told_by_the_exit_code_and_a_line() {
    let mut world = World::running("shop").await;
    // Its socket may be there a moment after the daemon is.
    assert_eq!(until(&world, 0).await, "ok: 1 project\n");
    world.settings("sweeep = \"5m\"\n");
    let out = until(&world, 1).await;
    assert!(
        out.starts_with("(configuration): configuration: the files have mistakes")
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

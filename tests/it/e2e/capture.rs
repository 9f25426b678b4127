//! `pointsman agent check --capture`: a person says what they see, and is told what is read; no key is sent.

use crate::support::world::World;

#[tokio::test]
async fn a_screen_is_read_kept_without_its_paths_and_never_overwritten() {
    let mut world = World::new();
    world.project("shop");
    let into = world.home().join("kept");
    let into_text = into.to_string_lossy().into_owned();
    let capture = [
        "agent",
        "check",
        "shop",
        "--capture",
        "idle",
        "--into",
        &into_text,
    ];
    let (code, _, err) = world.says(&capture).await;
    assert_eq!(code, Some(1), "{err}");
    assert!(
        err.contains("shop has no agent") && err.contains("pointsman up shop"),
        "{err}"
    );

    world.start().await;
    let (code, out, err) = world.says(&["up", "shop"]).await;
    assert_eq!(code, Some(0), "{out}{err}");
    world.says(&["agent", "check", "shop"]).await;
    let (code, out, err) = world.says(&capture).await;
    assert_eq!(code, Some(0), "{out}{err}");
    assert!(
        out.contains("composer  empty\n") && out.contains("read as   idle\n"),
        "{out}"
    );
    let folder = std::fs::read_dir(&into)
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    let file = std::fs::read_dir(&folder)
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    let kept = std::fs::read_to_string(&file).unwrap();
    assert!(kept.contains("\ntrue: idle\n\n"), "{kept}");
    assert!(!kept.contains(&*world.home().to_string_lossy()), "{kept}");

    let (code, _, err) = world.says(&capture).await;
    assert_eq!(code, Some(1));
    assert!(err.contains("nothing is overwritten"), "{err}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), kept);

    // Whoever says something else is told, and has the file that shows it.
    let (code, out, err) = world
        .says(&[
            "agent",
            "check",
            "shop",
            "--capture",
            "permission",
            "--into",
            &into_text,
        ])
        .await;
    assert_eq!(code, Some(1), "{out}");
    assert!(
        err.contains("you say it is permission, and it is read as idle"),
        "{err}"
    );
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 2);
    world.end().await;
}

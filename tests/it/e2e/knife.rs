//! Kill -9 at every named point (`src/knife.rs`) of a walk that has everything in it, on the fake GitHub over HTTP and on the local
//! tracker: what is there in the end is what is there when nobody dies.
#![expect(clippy::disallowed_methods, reason = "a test is an edge")]
#![expect(clippy::print_stdout, reason = "what was walked is the result")]

mod walk;

use std::collections::BTreeSet;
use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use futures_util::{FutureExt as _, StreamExt as _};

use walk::{On, Place, WHOLE_LOOK, Walk};

/// How many points one world has at most: they lie far apart, and each makes a life of the daemon.
const POINTS: usize = 10;
/// Worlds at once: a walk waits more than it works.
const WORLDS: usize = 11;

/// Walks once and lets nobody die: what there is in the end, and how often each point is passed, in the order of their first pass.
async fn undisturbed(on: On) -> (Vec<String>, Vec<(String, usize)>) {
    let mut walk = Walk::new(on, &[]).await;
    walk.until_done().await;
    walk.until_tidy().await;
    let mut known = Vec::new();
    let mut since = Instant::now();
    // Until nothing changed for longer than a look of the daemon takes.
    while since.elapsed() < Duration::from_secs(12) {
        let found = walk.effects().await;
        if found != known {
            (known, since) = (found, Instant::now());
        }
        tokio::time::sleep(WHOLE_LOOK).await;
    }
    let mut points: Vec<(String, usize)> = Vec::new();
    for name in walk.passed() {
        match points.iter_mut().find(|(known, _)| *known == name) {
            Some((_, count)) => *count += 1,
            None => points.push((name, 1)),
        }
    }
    walk.end().await;
    (known, points)
}

/// Where a walk is cut: each point at its first pass, and once at a later one.
fn places(points: &[(String, usize)]) -> Vec<Place> {
    let first = points.iter().map(|(name, _)| (1, name.clone()));
    let more = points.iter().filter(|(_, count)| *count > 1);
    let later = more.map(|(name, count)| (2 + name.len() % (count - 1), name.clone()));
    first.chain(later).collect()
}

/// Deals the places out to worlds, so that those of one world lie far apart.
fn dealt(places: Vec<Place>) -> Vec<Vec<Place>> {
    let count = places.len().div_ceil(POINTS);
    let mut worlds = vec![Vec::new(); count];
    for (index, place) in places.into_iter().enumerate() {
        worlds[index % count].push(place);
    }
    worlds
}

/// Walks one world. Says where nobody died although it was wanted, or what went wrong.
async fn cut(on: On, places: Vec<Place>, wanted: &[String]) -> Result<Vec<Place>, String> {
    let story = async {
        let mut walk = Walk::new(on, &places).await;
        walk.until_done().await;
        let missed = walk.last_life(&places).await;
        walk.settle(wanted).await?;
        walk.end().await;
        Ok(missed)
    };
    let told = AssertUnwindSafe(story).catch_unwind().await;
    let told = told.unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        Err(text.unwrap_or_else(|| "it panicked".to_owned()))
    });
    told.map_err(|why| {
        let again: Vec<String> = places
            .iter()
            .map(|(n, name)| format!("{n} {name}"))
            .collect();
        format!(
            "KNIFE=\"{on:?}: {}\" cargo test --test it e2e::knife -- --ignored --nocapture\n{why}",
            again.join(", ")
        )
    })
}

/// What `KNIFE` asks for: `all`, or one world, `GitHub: 1 after append dispatch-opened, ..`. Nothing: the first world on GitHub.
fn asked(asked: &str, on: On, table: Vec<Vec<Place>>) -> Vec<Vec<Place>> {
    let place = |text: &str| {
        let (nth, name) = text.trim().split_once(' ').expect("<n> <point>");
        (nth.parse().expect("a number"), name.to_owned())
    };
    match asked.split_once(": ") {
        Some((of, list)) if of == format!("{on:?}") => vec![list.split(',').map(place).collect()],
        Some(_) => Vec::new(),
        None if asked == "all" => table,
        None => table.into_iter().take(1).collect(),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "minutes: `.ci/run knife`"]
async fn wherever_the_daemon_is_killed_the_walk_ends_as_if_nobody_had_died() {
    let wish = std::env::var("KNIFE").unwrap_or_default();
    let mut worlds = Vec::new();
    let mut known = BTreeSet::new();
    let tables: &[On] = if wish.is_empty() {
        &[On::GitHub]
    } else {
        &[On::GitHub, On::Local]
    };
    let walked = futures_util::future::join_all(tables.iter().copied().map(undisturbed)).await;
    for (on, (wanted, mut points)) in tables.iter().copied().zip(walked) {
        // What the first walk passes as well needs no second kill.
        points.retain(|(name, _)| known.insert(name.clone()));
        let table = dealt(places(&points));
        let all: usize = table.iter().map(Vec::len).sum();
        println!(
            "{on:?}: {all} places of {} points in {} worlds",
            points.len(),
            table.len()
        );
        let chosen = asked(&wish, on, table);
        let chosen = chosen
            .into_iter()
            .map(|places| (on, places, wanted.clone()));
        worlds.extend(chosen);
    }
    let count: usize = worlds.iter().map(|(_, places, _)| places.len()).sum();
    assert!(count > 0, "KNIFE names no world: {wish}");
    println!("{count} of them, in {} worlds", worlds.len());
    let walks = worlds.into_iter().map(|(on, places, wanted)| async move {
        let since = Instant::now();
        let ended = cut(on, places, &wanted).await;
        ended.map(|missed| (missed, since.elapsed().as_secs()))
    });
    let ended: Vec<_> = futures_util::stream::iter(walks)
        .buffer_unordered(WORLDS)
        .inspect(|ended| match ended {
            Ok((missed, seconds)) => {
                println!("a world ended well in {seconds} s; nobody came by {missed:?}");
            }
            Err(why) => println!("A WORLD ENDED OTHERWISE: {why}"),
        })
        .collect()
        .await;
    let failed = ended.iter().filter(|ended| ended.is_err()).count();
    assert_eq!(failed, 0, "of {}", ended.len());
    // What is passed only when somebody is slow is not passed every time; a table of such points would show nothing.
    let missed = ended.iter().flatten().flat_map(|(missed, _)| missed);
    let missed: BTreeSet<&Place> = missed.collect();
    assert!(missed.len() * 5 <= count, "nobody died at {missed:?}");
}

#[test]
fn a_release_has_nothing_of_the_knife() {
    let folder = tempfile::tempdir().expect("a folder");
    let (source, built) = (folder.path().join("main.rs"), folder.path().join("built"));
    let knife = concat!(env!("CARGO_MANIFEST_DIR"), "/src/knife.rs");
    let text = format!(
        "#[path = {knife:?}] mod knife;\nfn main() {{ knife::point(|| \"before the deed\".to_owned()); drop(knife::around(|| Some(\"deed\".to_owned()), async {{}})); println!(\"lived\"); }}"
    );
    std::fs::write(&source, text).expect("it is written");
    let cargo = std::env::var("CARGO").unwrap_or_default();
    let beside = PathBuf::from(cargo).with_file_name("rustc");
    let rustc = if beside.is_file() {
        beside
    } else {
        "rustc".into()
    };
    let out = Command::new(rustc)
        .args([
            "--edition",
            "2024",
            "-O",
            "-C",
            "debug-assertions=off",
            "-A",
            "dead_code",
            "-o",
        ])
        .args([&built, &source])
        .output()
        .expect("the compiler runs");
    // It takes no crate with it: what kills is not even compiled.
    assert!(
        out.status.success(),
        "{}",
        String::from_utf8_lossy(&out.stderr)
    );
    let has = |path: &Path, text: &str| {
        let bytes = std::fs::read(path).expect("it is read");
        bytes
            .windows(text.len())
            .any(|part| part == text.as_bytes())
    };
    let ours = Path::new(env!("CARGO_BIN_EXE_pointsman"));
    assert!(has(ours, pointsman::knife::VARIABLE) && has(&built, "lived"));
    for text in [pointsman::knife::VARIABLE, "before the deed"] {
        assert!(!has(&built, text), "`{text}` is in a release");
    }
}

//! `.pointsman` in a project: briefs going in, reports coming out.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use pointsman::domain::{DeliveryId, REPORT_TEXT_BYTES_MAX, ReportId};
use pointsman::repo::{RepoError, Users, brief, spool};
use rustix::fs::{Mode, OFlags, inotify};

use super::{Place, mode};

fn now() -> Timestamp {
    Timestamp::from_second(1_800_000_000).unwrap()
}

#[test]
fn a_brief_is_written_once_read_back_and_removed() {
    let place = Place::folder();
    let id = DeliveryId::new("abcd1234");
    let staged = brief::write(&place.path, Users::One, &id, "do this\n").unwrap();
    assert_eq!(staged.path, place.ours("briefs/abcd1234.md"));
    assert_eq!(
        staged.sha256,
        "833d00dca1f6e9b4382b3acd0fad0432af78a0a9eb7a140df93f866a84268716"
    );
    assert_eq!(
        (
            mode(&staged.path),
            mode(&place.ours("briefs")),
            mode(&place.ours(""))
        ),
        (0o600, 0o700, 0o700)
    );
    assert_eq!(
        fs::read_to_string(place.ours(".gitignore")).unwrap(),
        "/.gitignore\n/briefs/\n/spool/\n"
    );
    assert_eq!(
        brief::write(&place.path, Users::One, &id, "do this\n").unwrap(),
        staged,
        "the same again is fine"
    );
    let other = brief::write(&place.path, Users::One, &id, "do that\n");
    assert!(
        matches!(other, Err(RepoError::BriefTaken { .. })),
        "{other:?}"
    );
    assert_eq!(brief::check(&place.path, &id).unwrap(), Some(staged.sha256));
    assert_eq!(brief::list(&place.path).unwrap(), std::slice::from_ref(&id));
    brief::remove(&place.path, &id).unwrap();
    brief::remove(&place.path, &id).unwrap();
    assert_eq!(brief::check(&place.path, &id).unwrap(), None);
    assert_eq!(
        fs::read_dir(place.ours("briefs")).unwrap().count(),
        0,
        "no temporary file is left"
    );
    for bad in ["../../x", "ABCD1234", "abc", "abcd12345"] {
        let answer = brief::write(&place.path, Users::One, &DeliveryId::new(bad), "x");
        assert!(matches!(answer, Err(RepoError::NotA { .. })), "{bad}");
    }
    let two = brief::write(&place.path, Users::Two, &DeliveryId::new("two00000"), "x").unwrap();
    assert_eq!(mode(&two.path), 0o640);
}

#[test]
fn a_folder_that_an_agent_cleaned_away_is_made_again() {
    let place = Place::git();
    let write =
        |id: &str| brief::write(&place.path, Users::One, &DeliveryId::new(id), "x").unwrap();
    write("aaaaaaaa");
    assert_eq!(
        place.run(&["status", "--porcelain"]),
        "",
        "git does not see it"
    );
    place.run(&["clean", "-fdxq"]);
    assert!(!place.ours("").exists());
    write("bbbbbbbb");
    fs::write(place.ours(".gitignore"), "/mine\n/briefs/").unwrap();
    write("cccccccc");
    assert_eq!(
        fs::read_to_string(place.ours(".gitignore")).unwrap(),
        "/mine\n/briefs/\n/.gitignore\n/spool/\n"
    );
}

/// A daemon that is killed between making a file and naming it left `.pointsman/..gitignore.<pid>.tmp` in the person's tree: git showed
/// it, and the project was held as dirty.
#[test]
fn a_new_file_has_no_other_name_before_its_own() {
    let place = Place::git();
    fs::create_dir_all(place.ours("briefs")).unwrap();
    let nameless = OFlags::WRONLY | OFlags::TMPFILE;
    // A file system that has no files without a name has the way with one, and its window.
    if rustix::fs::open(place.ours(""), nameless, Mode::RUSR).is_err() {
        return;
    }
    let watch = inotify::init(inotify::CreateFlags::NONBLOCK).unwrap();
    for folder in ["", "briefs"] {
        let made = inotify::WatchFlags::CREATE | inotify::WatchFlags::MOVED_TO;
        inotify::add_watch(&watch, place.ours(folder), made).unwrap();
    }
    brief::write(&place.path, Users::One, &DeliveryId::new("abcd1234"), "x").unwrap();
    let mut buffer = [std::mem::MaybeUninit::uninit(); 4096];
    let mut events = inotify::Reader::new(&watch, &mut buffer);
    let mut names = Vec::new();
    while let Ok(event) = events.next() {
        names.extend(
            event
                .file_name()
                .map(|name| name.to_str().unwrap().to_owned()),
        );
    }
    assert_eq!(names, [".gitignore", "abcd1234.md"]);
}

#[test]
fn a_link_or_a_file_in_our_folders_place_is_refused_and_nothing_is_written_behind_it() {
    for (name, link) in [
        ("", true),
        ("briefs", true),
        (".gitignore", true),
        ("", false),
        ("briefs", false),
    ] {
        let place = Place::folder();
        let outside = place.beside("outside");
        fs::create_dir(&outside).unwrap();
        let at = PathBuf::from(place.ours(name).to_str().unwrap().trim_end_matches('/'));
        fs::create_dir_all(at.parent().unwrap()).unwrap();
        if link {
            symlink(&outside, &at).unwrap();
        } else {
            fs::write(&at, "x").unwrap();
        }
        let error =
            brief::write(&place.path, Users::One, &DeliveryId::new("abcd1234"), "x").unwrap_err();
        let found = if link {
            "it is a symbolic link, not "
        } else {
            "it is a plain file, not "
        };
        assert!(error.to_string().contains(found), "{error}");
        assert!(error.to_string().contains(at.to_str().unwrap()), "{error}");
        assert!(error.hint().unwrap().contains("rm "), "{error}");
        assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
    }
    let place = Place::folder();
    fs::create_dir(place.ours("")).unwrap();
    symlink(place.beside("x"), place.ours("spool")).unwrap();
    assert!(matches!(
        spool::list(&place.path),
        Err(RepoError::Foreign { .. })
    ));
    assert!(matches!(
        spool::submit(&place.path, b"{}", now()),
        Err(RepoError::Foreign { .. })
    ));
}

#[test]
fn a_report_goes_in_and_its_answer_comes_back() {
    let place = Place::folder();
    assert!(spool::list(&place.path).unwrap().entries.is_empty());
    let ulid = spool::submit(&place.path, b"{\"verb\":\"done\"}", now()).unwrap();
    assert_eq!(mode(&place.ours("spool")), 0o700);
    assert!(
        spool::wait_answer(&place.path, &ulid, Duration::ZERO)
            .unwrap()
            .is_none()
    );
    let scan = spool::list(&place.path).unwrap();
    assert_eq!(
        (scan.entries.len(), scan.refused.len(), scan.more),
        (1, 0, false)
    );
    assert_eq!(
        (&scan.entries[0].ulid, scan.entries[0].bytes.as_slice()),
        (&ulid, b"{\"verb\":\"done\"}".as_slice())
    );

    let answer = std::thread::scope(|scope| {
        let waiting = scope
            .spawn(|| spool::wait_answer(&place.path, &ulid, Duration::from_secs(20)).unwrap());
        assert!(spool::answer(&place.path, Users::One, &ulid, b"{\"ok\":1}").unwrap());
        assert!(spool::answer(&place.path, Users::One, &ulid, b"{\"ok\":1}").unwrap());
        waiting.join().unwrap()
    });
    assert_eq!(answer.as_deref(), Some(b"{\"ok\":1}".as_slice()));
    let scan = spool::list(&place.path).unwrap();
    assert_eq!((scan.entries.len(), scan.answered), (0, vec![ulid.clone()]));
    let other = Place::folder();
    fs::create_dir_all(other.ours("spool")).unwrap();
    assert!(!spool::answer(&other.path, Users::One, &ulid, b"{}").unwrap());
    assert_eq!(fs::read_dir(other.ours("spool")).unwrap().count(), 0);
    for bad in [
        "../x",
        "",
        "01ARZ3NDEKTSV4RRFFQ69G5FAV/../x",
        "01arz3ndektsv4rrffq69g5fav",
    ] {
        assert!(
            spool::answer(&place.path, Users::One, &ReportId::new(bad), b"{}").is_err(),
            "{bad}"
        );
    }
}

#[test]
fn one_bad_report_never_hides_another() {
    let place = Place::folder();
    let good = spool::submit(&place.path, b"{}", now()).unwrap();
    let name = |n: u8| format!("01ARZ3NDEKTSV4RRFFQ69G5FA{n}");
    let spooled = |name: &str| place.ours("spool").join(name);
    symlink("/etc/passwd", spooled(&format!("{}.json", name(1)))).unwrap();
    fs::write(
        spooled(&format!("{}.json", name(2))),
        vec![b' '; spool::FILE_BYTES_MAX + 1],
    )
    .unwrap();
    let long = serde_json::json!({ "note": "x".repeat(REPORT_TEXT_BYTES_MAX + 1) }).to_string();
    fs::write(spooled(&format!("{}.json", name(3))), &long).unwrap();
    fs::create_dir(spooled(&format!("{}.json", name(4)))).unwrap();
    let fifo = spooled(&format!("{}.json", name(5)));
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &fifo,
        rustix::fs::FileType::Fifo,
        0o600.into(),
        0,
    )
    .unwrap();
    fs::write(spooled(&format!(".{}.json.7.tmp", name(6))), "{").unwrap();
    fs::write(spooled(&format!("{}.answer.json", name(7))), "{").unwrap();
    fs::write(spooled("notes.json"), "{").unwrap();
    let since = Instant::now();
    let scan = spool::list(&place.path).unwrap();
    assert!(since.elapsed() < Duration::from_secs(5));
    assert_eq!(
        scan.entries
            .iter()
            .map(|entry| &entry.ulid)
            .collect::<Vec<_>>(),
        [&good]
    );
    let refused: Vec<_> = scan.refused.iter().map(|(id, _)| id.to_string()).collect();
    assert_eq!(refused, [name(1), name(2), name(3), name(4), name(5)]);
    assert!(
        spool::submit(&place.path, long.as_bytes(), now()).is_err(),
        "the verb says it first"
    );
}

#[test]
fn what_was_answered_long_ago_is_swept_and_what_was_not_stays() {
    let place = Place::folder();
    let at = |second| Timestamp::from_second(second).unwrap();
    let report = |second| spool::submit(&place.path, b"{}", at(second)).unwrap();
    let (old, new, open, orphan) = (report(1_000), report(9_000), report(1_001), report(1_002));
    for ulid in [&old, &new, &orphan] {
        assert!(spool::answer(&place.path, Users::One, ulid, b"{}").unwrap());
    }
    let spooled = |name: &str| place.ours("spool").join(name);
    fs::remove_file(spooled(&format!("{orphan}.json"))).unwrap();
    fs::write(spooled("d12345.spec.md"), "a spec").unwrap();
    assert_eq!(spool::sweep(&place.path, at(5_000)).unwrap(), 3);
    let mut left: Vec<String> = fs::read_dir(place.ours("spool"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    left.sort();
    let mut expected = vec![
        format!("{new}.json"),
        format!("{new}.answer.json"),
        format!("{open}.json"),
        "d12345.spec.md".to_owned(),
    ];
    expected.sort();
    assert_eq!(left, expected);
}

/// A file system without nameless files, or a sandbox without `/proc`: a verb that is killed there leaves a temporary file.
#[test]
fn what_a_killed_verb_left_half_written_is_swept_unless_somebody_may_still_name_it() {
    let place = Place::folder();
    let at = |second| Timestamp::from_second(second).unwrap();
    let report = |second| spool::submit(&place.path, b"{}", at(second)).unwrap();
    let (old, new) = (report(1_000), report(9_000));
    let left = [
        format!(".{old}.json.7.tmp"),
        format!(".{old}.answer.json.8.tmp"),
        format!(".{old}.json.9.tmp"),
        format!(".{new}.json.7.tmp"),
        ".notes.json.7.tmp".to_owned(),
    ];
    for name in &left {
        fs::write(place.ours("spool").join(name), "{").unwrap();
    }
    let writer = fs::File::open(place.ours("spool").join(&left[2])).unwrap();
    writer.lock().unwrap();
    let there = |name: &&String| place.ours("spool").join(name).exists();
    assert_eq!(spool::sweep(&place.path, at(5_000)).unwrap(), 2);
    let stay: Vec<&String> = left.iter().filter(there).collect();
    assert_eq!(stay, [&left[2], &left[3], &left[4]]);
    drop(writer);
    assert_eq!(spool::sweep(&place.path, at(5_000)).unwrap(), 1);
}

#[test]
fn a_flooded_spool_is_read_in_parts_oldest_first() {
    let place = Place::folder();
    for n in 0..=i64::try_from(spool::REPORTS_MAX).unwrap() {
        let at = Timestamp::from_second(1_800_000_000 + n).unwrap();
        spool::submit(&place.path, n.to_string().as_bytes(), at).unwrap();
    }
    let scan = spool::list(&place.path).unwrap();
    assert_eq!((scan.entries.len(), scan.more), (spool::REPORTS_MAX, true));
    assert_eq!(scan.entries[0].bytes, b"0");
    let oldest = format!("{}.json", scan.entries[0].ulid);
    fs::remove_file(place.ours("spool").join(oldest)).unwrap();
    let scan = spool::list(&place.path).unwrap();
    assert_eq!(
        (scan.entries[0].bytes.as_slice(), scan.more),
        (b"1".as_slice(), false)
    );
}

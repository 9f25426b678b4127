//! What a person reads when something is wrong: the real binary's own words, one page each in `bad_input/`. What failed, why,
//! what to do; and nothing is lost by it.

#![expect(clippy::disallowed_methods, reason = "a test is an edge")]

mod table;
mod texts;

use std::os::unix::fs::{PermissionsExt as _, symlink};

use crate::support::github::{FakeGitHub, Fault, Kind};
use crate::support::home::Home;

/// Compares with the page of that name.
fn page(name: &str, home: &Home, text: &str) {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("bad_input");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    let varies = [
        (regex::escape(&home.folder().to_string_lossy()), "HOME"),
        (r"127\.0\.0\.1:\d+".to_owned(), "127.0.0.1:PORT"),
        (r"\d{4}-\d\d-\d\dT[\d:.]+Z".to_owned(), "TIME"),
        (r"\d{4}-\d\d-\d\d \d\d:\d\d UTC".to_owned(), "TIME"),
        (r"read \d+s ago".to_owned(), "read AGE ago"),
        (r"process \d+".to_owned(), "process PID"),
    ];
    let mut text = text.to_owned();
    for (pattern, word) in varies {
        let pattern = regex::Regex::new(&pattern).unwrap();
        text = pattern.replace_all(&text, word).into_owned();
    }
    settings.bind(|| insta::assert_snapshot!(name, text));
}

/// A home with one project on a fake GitHub, and that GitHub.
async fn on_github(repo: &str) -> (Home, FakeGitHub, String) {
    let fake = FakeGitHub::start().await;
    fake.model().add_repo("me/blog");
    let home = Home::empty();
    home.write("blog/README.md", "# blog\n");
    home.write(
        ".config/pointsman/projects/blog.toml",
        &format!(
            "repo = {repo:?}\npath = \"~/blog\"\nadded = \"2020-01-01T00:00:00Z\"\nagent = \"demo\"\nbuild = \"none\"\nworkflow = \"content.toml\"\n"
        ),
    );
    home.write(
        ".config/pointsman/pointsman.toml",
        &format!("[github]\nbase_url = {:?}\nreserve = 0\n", fake.url),
    );
    let token = fake.model().token_for("me");
    (home, fake, token)
}

/// Runs verbs with a token; without `gh`, whatever this machine has.
fn with_token(home: &Home, token: Option<&str>, verbs: &[&[&str]]) -> String {
    let run = |words: &&[&str]| {
        let mut command = home.command(words);
        command.env("PATH", "/nowhere");
        if let Some(token) = token {
            command.env("GITHUB_TOKEN", token);
        }
        home.told(words, &mut command)
    };
    verbs.iter().map(run).collect()
}

#[test]
fn nothing_is_configured() {
    let home = Home::empty();
    let text = home.page(&[
        "status",
        "explain 3",
        "cycle",
        "cycle --dry-run",
        "issue list",
        "labels sync",
        "labels check",
        "pause site",
        "up site",
        "attach site",
        "skill render 3",
        "ledger show",
    ]);
    page("nothing_configured", &home, &text);
}

#[test]
fn tmux_is_missing() {
    let home = Home::with_project();
    let without = |words: &[&str]| {
        let mut command = home.command(words);
        home.told(words, command.env("PATH", "/nowhere"))
    };
    let text = [&["attach", "site"][..], &["up", "site"], &["down", "site"]].map(without);
    page("tmux_missing", &home, &text.concat());
}

#[test]
fn the_tmux_server_is_dead() {
    let home = Home::with_project();
    let socket = home.path("run/pointsman-tmux/sock");
    std::fs::create_dir_all(socket.parent().unwrap()).unwrap();
    drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
    let text = home.page(&["attach site", "attach site --check", "down site"]);
    page("tmux_dead", &home, &text);
}

#[test]
fn an_adopted_pane_is_not_there() {
    let home = Home::with_project();
    let path = home.path(".config/pointsman/projects/site.toml");
    let text = std::fs::read_to_string(&path).unwrap() + "session = \"default:work:1.0\"\n";
    std::fs::write(path, text).unwrap();
    let words = ["attach", "site"];
    let mut command = home.command(&words);
    let text = home.told(&words, command.env("TMUX_TMPDIR", home.folder()));
    page(
        "pane_adopted",
        &home,
        &(text + &home.page(&["up site", "down site"])),
    );
}

#[test]
fn a_path_is_no_repository() {
    let home = Home::empty();
    home.write("plain/README.md", "# plain\n");
    for (name, path) in [
        ("plain", "~/plain"),
        ("gone", "~/gone"),
        ("file", "~/plain/README.md"),
    ] {
        home.write(
            &format!(".config/pointsman/projects/{name}.toml"),
            &format!("tracker = \"local\"\npath = {path:?}\nagent = \"demo\"\nbuild = \"none\"\n"),
        );
    }
    page("path_is_no_repository", &home, &home.page(&["status"]));
}

/// A folder that is gone, or is a file: said at once, and nothing is started elsewhere.
#[test]
fn a_path_is_not_there() {
    let home = Home::with_project();
    std::fs::remove_dir(home.path("site")).unwrap();
    let gone = home.page(&["up site", "restart site"]);
    home.write("site", "a file where a folder should be");
    page(
        "path_is_not_there",
        &home,
        &(gone + &home.page(&["up site"])),
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_missing_rejected_or_may_too_little() {
    let (home, fake, _) = on_github("me/blog").await;
    fake.model().open_issue("me/blog", "me", "A title", "");
    let list: &[&[&str]] = &[&["issue", "list"]];
    let missing = with_token(
        &home,
        None,
        &[
            &["issue", "list"],
            &["labels", "check"],
            &["cycle", "--dry-run"],
            &["up", "blog"],
        ],
    );
    let odd = with_token(&home, Some("two words"), list);
    let rejected = with_token(&home, Some("ghp_of_nobody"), list);
    let stranger = fake.model().token_for("stranger");
    let too_little = with_token(
        &home,
        Some(&stranger),
        &[
            &["issue", "label", "1", "ready-for-research"],
            &["labels", "sync"],
        ],
    );
    page(
        "token",
        &home,
        &[missing, odd, rejected, too_little].concat(),
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repository_is_not_there_or_was_renamed() {
    let (home, _fake, token) = on_github("me/other").await;
    let gone = with_token(&home, Some(&token), &[&["issue", "list"]]);
    let (renamed_home, fake, token) = on_github("me/blog").await;
    fake.model().rename_repo("me/blog", "me/journal");
    let renamed = with_token(
        &renamed_home,
        Some(&token),
        &[&["issue", "list"], &["cycle", "--dry-run"]],
    );
    page("repository_gone", &home, &gone);
    page("repository_renamed", &renamed_home, &renamed);
}

#[tokio::test(flavor = "multi_thread")]
async fn github_does_not_answer_or_asks_to_wait() {
    let (home, fake, token) = on_github("me/blog").await;
    fake.arm(Fault::always("GET", "/issues", Kind::Status(502)));
    let down = with_token(&home, Some(&token), &[&["issue", "list"]]);
    let (limited_home, fake, token) = on_github("me/blog").await;
    fake.arm(Fault::always(
        "GET",
        "/issues",
        Kind::Limit {
            status: 403,
            retry_after: Some(90),
        },
    ));
    let limited = with_token(&limited_home, Some(&token), &[&["issue", "list"]]);
    page("github_down", &home, &down);
    page("github_limited", &limited_home, &limited);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_issue_was_transferred_or_deleted() {
    let (home, fake, token) = on_github("me/blog").await;
    {
        let mut model = fake.model();
        model.add_repo("me/shop");
        for title in ["Goes elsewhere", "Goes away"] {
            model.open_issue("me/blog", "me", title, "");
        }
        model.transfer("me/blog", 1, "me/shop");
        model.delete("me/blog", 2);
    }
    let text = with_token(
        &home,
        Some(&token),
        &[
            &["issue", "show", "1"],
            &["issue", "show", "2"],
            &["issue", "label", "2", "ready-for-research"],
            &["issue", "comment", "2", "please"],
            &["issue", "comment", "two", "please"],
            &["issue", "comment", "please"],
        ],
    );
    page("issue_gone", &home, &text);
}

#[test]
fn two_routing_labels_and_a_label_in_another_case() {
    let home = Home::with_project();
    home.says(&["labels", "sync"]);
    home.says(&["issue", "new", "Twice", "--label", "ready-for-draft"]);
    home.says(&["issue", "label", "1", "draft-review"]);
    home.says(&["issue", "new", "Shouted", "--label", "READY-for-Research"]);
    let text = home.page(&[
        "labels check",
        "labels fix --dry-run",
        "cycle --dry-run",
        "explain 1",
        "explain 2",
        "explain scout",
        "issue dup twice",
        "status",
    ]);
    page("labels", &home, &text);
}

#[test]
fn a_skill_is_unknown_or_its_front_matter_is_bad() {
    let unknown = Home::with_project();
    let ejected = include_str!("../../labels.toml").replacen("\"prep\"", "\"perp\"", 1);
    unknown.write(".config/pointsman/labels.toml", &ejected);
    page("skill_unknown", &unknown, &unknown.page(&["status"]));
    let bad = Home::with_project();
    bad.write(
        ".config/pointsman/skills/poem.md",
        "---\nname: ode\ndescription\ncolour: red\n---\n\nWrite a poem.\n",
    );
    page("skill_front_matter", &bad, &bad.page(&["skill list"]));
}

#[test]
fn an_issues_text_is_large_or_full_of_control_characters() {
    let home = Home::with_project();
    home.write("large.md", &"x".repeat(1 << 20));
    home.write("larger.md", &"x".repeat((1 << 20) + 1));
    home.write(
        "odd.md",
        "a\u{0}b \u{1b}[2J\u{1b}]0;owned\u{7} \u{202e}txt.exe\u{2066} end\n",
    );
    std::fs::write(home.path("bytes.md"), b"caf\xe9\n").unwrap();
    let new = |title: &str, file: &str| {
        home.told(
            &["issue", "new", title, "--body-file", file],
            &mut home.command(&["issue", "new", title, "--body-file", file]),
        )
    };
    let made = [
        new("Larger", "larger.md"),
        new("Large", "large.md"),
        new("Odd", "odd.md"),
        new("Bytes", "bytes.md"),
    ];
    let shown = home.page(&["issue list"]);
    let odd: Vec<String> = made
        .iter()
        .filter_map(|told| told.lines().find(|line| line.contains("opened in")))
        .map(str::to_owned)
        .collect();
    let mut text = made.concat() + &shown;
    for line in odd {
        let number = line.trim_start_matches('#').split(' ').next().unwrap();
        let told = home.page(&[&format!("issue show {number}")]);
        let safe =
            |c: char| c == '\n' || (!c.is_control() && !('\u{202a}'..='\u{2069}').contains(&c));
        assert!(told.chars().all(safe), "{told:?}");
        if told.len() < 2000 {
            text += &told;
        }
    }
    page("issue_text", &home, &text);
}

#[test]
fn the_ledger_is_damaged() {
    let home = Home::with_project();
    home.says(&["pause", "site"]);
    let path = home.path(".local/state/pointsman/ledger.sqlite");
    let file = rusqlite::Connection::open(&path).unwrap();
    file.execute("UPDATE events SET body = replace(body, 'ada', 'eve')", [])
        .unwrap();
    drop(file);
    let changed = home.page(&["run", "status", "resume site", "ledger verify"]);
    page("ledger_changed", &home, &changed);
    let whole = std::fs::read(&path).unwrap();
    std::fs::write(&path, b"this is no database, but it is somebody's file").unwrap();
    let foreign = home.page(&["run", "status", "pause site", "ledger show"]);
    page("ledger_foreign", &home, &foreign);
    assert!(std::fs::read(&path).unwrap().starts_with(b"this is no"));
    std::fs::write(&path, whole).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
}

/// A write beyond the file size limit fails as one on a full disk does, without a disk that must be filled.
#[test]
fn the_disk_is_full() {
    let home = Home::with_project();
    home.says(&["pause", "site"]);
    let limited = |words: &[&str]| {
        let mut command = assert_cmd::Command::new("sh");
        command
            .args(["-c", "trap '' XFSZ; ulimit -f 4; exec \"$0\" \"$@\""])
            .arg(env!("CARGO_BIN_EXE_pointsman"))
            .args(words)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", home.folder())
            .env("XDG_RUNTIME_DIR", home.path("run"))
            .env("USER", "ada");
        home.told(words, &mut command)
    };
    let text = limited(&["resume", "site"]) + &home.page(&["ledger verify", "resume site"]);
    page("disk_full", &home, &text);
    let full = std::process::Command::new("sh")
        .args(["-c", "exec \"$0\" help-all > /dev/full"])
        .arg(env!("CARGO_BIN_EXE_pointsman"))
        .output()
        .unwrap();
    assert_eq!(
        String::from_utf8_lossy(&full.stderr),
        "Error: cannot print the answer\nCaused by: No space left on device (os error 28)\n"
    );
    assert_eq!(full.status.code(), Some(1));
}

#[test]
fn a_second_daemon_wants_the_ledger() {
    let home = Home::with_project();
    let state = home.path(".local/state/pointsman");
    std::fs::create_dir_all(&state).unwrap();
    let lock = pointsman::ledger::Lock::take(&state).unwrap();
    let text = home.page(&["run", "cycle", "pause site", "up site", "cycle --dry-run"]);
    page("second_daemon", &home, &text);
    drop(lock);
}

#[test]
fn our_folder_is_a_link() {
    let home = Home::with_project();
    std::fs::create_dir_all(home.path("elsewhere")).unwrap();
    symlink(home.path("elsewhere"), home.path("site/.pointsman")).unwrap();
    let words = ["done", "ab12cd.secretsecret"];
    let mut command = home.command(&words);
    let text = home.told(&words, command.current_dir(home.path("site")));
    page("folder_is_a_link", &home, &text);
    assert_eq!(
        std::fs::read_dir(home.path("elsewhere")).unwrap().count(),
        0
    );
}

#[test]
fn the_configuration_has_typos() {
    let home = Home::with_project();
    home.write(
        ".config/pointsman/pointsman.toml",
        "cylce = \"10m\"\nsweep = \"soon\"\n\n[limits]\nrounds = 0\n",
    );
    home.write(".config/pointsman/projects/blog.toml", "repo = me/blog\n");
    page("configuration", &home, &home.page(&["run"]));
}

/// A state folder that somebody else owns, or that is a file.
#[test]
fn a_folder_of_ours_cannot_be_made() {
    let home = Home::with_project();
    home.write(".local/state", "a file where a folder should be");
    let text = home.page(&["run", "pause site", "issue list", "cycle --dry-run"]);
    page("folder_cannot_be_made", &home, &text);
}

/// A daemon that was not restarted after an update answers; that it is another one is said once.
#[test]
fn the_daemon_is_of_another_version() {
    let home = Home::with_project();
    let socket = home.path("run/pointsman/control.sock");
    std::fs::create_dir_all(socket.parent().unwrap()).unwrap();
    let listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    let daemon = std::thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        answer(&stream, "0.0.9");
        answer(&stream, r#"{"done":true,"text":"site is paused"}"#);
    });
    let text = home.page(&["pause site"]);
    daemon.join().unwrap();
    page("another_version", &home, &text);
}

/// A daemon that hangs is not waited for: the kernel takes the connection, nobody answers.
#[test]
fn the_daemon_hangs() {
    let home = Home::with_project();
    let socket = home.path("run/pointsman/control.sock");
    std::fs::create_dir_all(socket.parent().unwrap()).unwrap();
    let listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    let text = home.page(&["status", "explain 3 --json"]);
    drop(listener);
    page("daemon_hangs", &home, &text);
}

/// Reads one request and answers it.
pub(crate) fn answer(mut stream: &std::os::unix::net::UnixStream, body: &str) {
    use std::io::{BufRead as _, Read as _, Write as _};
    let mut reader = std::io::BufReader::new(stream);
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        if line.trim().is_empty() {
            break;
        }
    }
    reader.read_exact(&mut vec![0; length]).unwrap();
    write!(
        stream,
        "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
}

/// Whoever is told to run something must be able to.
#[test]
fn every_verb_that_a_message_names_is_there() {
    let reference = Home::empty().says(&["help-all"]);
    let verb = regex::Regex::new(r"`pointsman ([a-z-]+)").unwrap();
    let mut files = vec![std::path::PathBuf::from(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/src"
    ))];
    let mut named = 0;
    while let Some(path) = files.pop() {
        if path.is_dir() {
            files.extend(
                std::fs::read_dir(path)
                    .unwrap()
                    .map(|entry| entry.unwrap().path()),
            );
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        let said = text
            .lines()
            .filter(|line| !line.trim_start().starts_with("//"));
        for line in said {
            for found in verb.captures_iter(line) {
                named += 1;
                let word = &found[1];
                assert!(
                    reference.contains(&format!("pointsman {word}")),
                    "{}: there is no verb `{word}`: {line}",
                    path.display()
                );
            }
        }
    }
    assert!(
        named > 15,
        "only {named} are named: the pattern misses them"
    );
}

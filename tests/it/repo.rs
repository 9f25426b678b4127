//! Git facts from the mirror.

mod folder;
mod safety;

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use pointsman::domain::Subject;
use pointsman::repo::{ChangeKind, EntryKind, GrepLimits, Mirror, RepoError};

/// A project with one commit on `main`, and an empty mirror's place.
struct Place {
    temporary: tempfile::TempDir,
    path: PathBuf,
}

impl Place {
    fn folder() -> Self {
        let temporary = tempfile::tempdir().unwrap();
        let path = temporary.path().join("blog");
        fs::create_dir(&path).unwrap();
        Self { temporary, path }
    }

    fn git() -> Self {
        let place = Self::folder();
        place.run(&["init", "-q", "-b", "main"]);
        place.commit("README.md", "hello\n");
        place
    }

    /// Runs the person's own git in their project.
    #[expect(clippy::disallowed_methods, reason = "a test may start git")]
    fn output(folder: &Path, args: &[&str]) -> std::process::Output {
        std::process::Command::new("git")
            .args(["-c", "user.name=ann", "-c", "user.email=ann@example.org"])
            .args(args)
            .current_dir(folder)
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .stdin(std::process::Stdio::null())
            .output()
            .unwrap()
    }

    fn run_in(folder: &Path, args: &[&str]) -> String {
        let output = Self::output(folder, args);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{args:?}: {said}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    fn try_run(&self, args: &[&str]) {
        drop(Self::output(&self.path, args));
    }

    fn run(&self, args: &[&str]) -> String {
        Self::run_in(&self.path, args)
    }

    fn commit(&self, file: &str, text: &str) -> Subject {
        let path = self.path.join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        self.run(&["add", "-A"]);
        self.run(&["commit", "-q", "-m", file]);
        self.head()
    }

    fn head(&self) -> Subject {
        Subject::new(self.run(&["rev-parse", "HEAD"]))
    }

    fn beside(&self, name: &str) -> PathBuf {
        self.temporary.path().join(name)
    }

    async fn mirror(&self) -> Mirror {
        let mirror = Mirror::open(&self.beside("state/mirrors/blog.git"))
            .await
            .unwrap();
        mirror.fetch_path(&self.path).await.unwrap();
        mirror
    }

    fn ours(&self, name: &str) -> PathBuf {
        self.path.join(".pointsman").join(name)
    }
}

fn mode(path: &Path) -> u32 {
    path.metadata().unwrap().permissions().mode() & 0o7777
}

/// `main` with one commit, and a branch with two more; returns the three.
fn branched(place: &Place) -> [Subject; 3] {
    let base = place.head();
    place.run(&["tag", "-a", "v1", "-m", "one"]);
    place.run(&["switch", "-q", "-c", "pointsman/12-login"]);
    let one = place.commit("src/login.rs", "fn login() {}\nlet x = \"$(y)\";\n");
    fs::remove_file(place.path.join("README.md")).unwrap();
    symlink("/etc/passwd", place.path.join("link")).unwrap();
    let two = place.commit("src/a b\té.txt", "x");
    [base, one, two]
}

#[tokio::test]
async fn names_and_commits_are_read_from_the_mirror() {
    let place = Place::git();
    let [base, one, two] = branched(&place);
    let mirror = place.mirror().await;
    assert_eq!(mode(mirror.folder()), 0o700);
    for (name, expected) in [
        ("main", Some(&base)),
        ("v1", Some(&base)),
        ("pointsman/12-login", Some(&two)),
        (two.short(), Some(&two)),
        ("refs/project/HEAD", Some(&two)),
        ("nothing", None),
    ] {
        assert_eq!(
            mirror.resolve(name).await.unwrap().as_ref(),
            expected,
            "{name}"
        );
    }
    assert_eq!(
        mirror.default_branch().await.unwrap().as_deref(),
        Some("main")
    );
    assert!(mirror.is_ancestor(&base, &two).await.unwrap());
    assert!(!mirror.is_ancestor(&two, &base).await.unwrap());
    let none = Subject::new("0".repeat(40));
    let present = mirror.present(&[none, two.clone()]).await.unwrap();
    assert_eq!(present, std::slice::from_ref(&two));
    assert_eq!(
        mirror.branches_with(&one).await.unwrap(),
        ["refs/project/heads/pointsman/12-login"]
    );
    let only = mirror
        .commits_only_reachable_from(&two, &[base, one])
        .await
        .unwrap();
    assert_eq!(only, std::slice::from_ref(&two));
    assert!(mirror.has_commit(&two).await.unwrap());
    assert!(
        !mirror
            .has_commit(&Subject::new("0".repeat(40)))
            .await
            .unwrap()
    );
    let names = mirror.list_refs().await.unwrap();
    let names: Vec<_> = names.iter().map(|name| name.name.as_str()).collect();
    let expected = ["HEAD", "heads/main", "heads/pointsman/12-login", "tags/v1"];
    assert_eq!(names, expected.map(|name| format!("refs/project/{name}")));
}

#[tokio::test]
async fn files_are_read_from_the_mirror_and_links_are_not_followed() {
    let place = Place::git();
    let [base, _, two] = branched(&place);
    let mirror = place.mirror().await;
    let changed = mirror.changed_files(&base, &two).await.unwrap();
    let changed: Vec<_> = changed
        .iter()
        .map(|file| (file.path.to_str().unwrap(), file.kind))
        .collect();
    let expected = [
        ("README.md", ChangeKind::Deleted),
        ("link", ChangeKind::Added),
        ("src/a b\té.txt", ChangeKind::Added),
        ("src/login.rs", ChangeKind::Added),
    ];
    assert_eq!(changed, expected);
    let readme = mirror.file_at(&base, Path::new("README.md")).await.unwrap();
    assert_eq!(readme.as_deref(), Some(b"hello\n".as_slice()));
    for none in ["README.md", "link", "src", "link/passwd"] {
        assert_eq!(
            mirror.file_at(&two, Path::new(none)).await.unwrap(),
            None,
            "{none}"
        );
    }
    for (path, kind) in [("src", EntryKind::Folder), ("link", EntryKind::Link)] {
        let entry = mirror.entry_at(&two, Path::new(path)).await.unwrap();
        assert_eq!(entry.unwrap().kind, kind);
    }
    let below = mirror.ls_tree(&two, Some(Path::new("src"))).await.unwrap();
    assert_eq!(
        below.iter().map(|entry| entry.bytes).collect::<Vec<_>>(),
        [Some(1), Some(30)]
    );
    assert_eq!(mirror.ls_tree(&two, None).await.unwrap().len(), 3);
}

#[tokio::test]
async fn a_fixed_text_is_found_at_its_line_and_the_rest_is_counted_as_more() {
    let place = Place::git();
    place.commit("a:b.txt", "one\n-e (two.*\ntwo\n");
    let sha = place.commit("many.txt", &"same\n".repeat(60));
    let mirror = place.mirror().await;
    let limits = GrepLimits::default();
    let found = mirror
        .grep_fixed(&sha, "-e (two.*", None, limits)
        .await
        .unwrap();
    assert_eq!((found.matches.len(), found.more), (1, false));
    assert_eq!(
        (found.matches[0].path.to_str(), found.matches[0].line),
        (Some("a:b.txt"), 2)
    );
    let found = mirror.grep_fixed(&sha, "same", None, limits).await.unwrap();
    assert_eq!((found.matches.len(), found.more), (50, true));
    assert_eq!(
        mirror
            .grep_fixed(&sha, "nowhere", None, limits)
            .await
            .unwrap()
            .matches,
        []
    );
    assert!(
        mirror
            .grep_fixed(&sha, "two\nlines", None, limits)
            .await
            .is_err()
    );
}

#[tokio::test]
async fn what_is_no_name_path_or_commit_never_reaches_git() {
    let place = Place::git();
    let mirror = place.mirror().await;
    let head = place.head();
    for name in [
        "",
        "-h",
        "--output=x",
        "main~1",
        "main^",
        ":/hello",
        "main@{1}",
        "a..b",
        "a b",
        "a\nb",
    ] {
        assert!(
            matches!(mirror.resolve(name).await, Err(RepoError::NotA { .. })),
            "{name}"
        );
    }
    for path in [
        "",
        "/etc/passwd",
        "../x",
        "a/../b",
        "./a",
        "a/",
        "a//b",
        "a\0b",
    ] {
        assert!(
            matches!(
                mirror.file_at(&head, Path::new(path)).await,
                Err(RepoError::NotA { .. })
            ),
            "{path}"
        );
    }
    for sha in ["", "main", "--all", "abc1234", &"A".repeat(40)] {
        assert!(
            matches!(
                mirror.has_commit(&Subject::new(sha)).await,
                Err(RepoError::NotA { .. })
            ),
            "{sha}"
        );
    }
    assert!(matches!(
        mirror.fetch_path(Path::new("blog")).await,
        Err(RepoError::NotA { .. })
    ));
    let unknown = Subject::new("0".repeat(40));
    assert!(
        mirror
            .commits_only_reachable_from(&head, &[unknown])
            .await
            .is_err(),
        "an unknown commit hides nothing"
    );
}

#[tokio::test]
async fn a_detached_commit_of_a_worktree_is_fetched_from_there() {
    let place = Place::git();
    let tree = place.beside("check");
    place.run(&["worktree", "add", "-q", "--detach", tree.to_str().unwrap()]);
    fs::write(tree.join("new"), "x").unwrap();
    Place::run_in(&tree, &["add", "-A"]);
    Place::run_in(&tree, &["commit", "-q", "-m", "detached"]);
    let sha = Subject::new(Place::run_in(&tree, &["rev-parse", "HEAD"]));
    let mirror = place.mirror().await;
    assert!(!mirror.has_commit(&sha).await.unwrap());
    mirror.fetch_path(&tree).await.unwrap();
    assert_eq!(
        mirror.resolve("refs/project/HEAD").await.unwrap(),
        Some(sha)
    );
}

#[tokio::test]
async fn what_the_project_dropped_is_dropped_and_an_empty_project_is_fine() {
    let place = Place::folder();
    place.run(&["init", "-q", "-b", "trunk"]);
    let mirror = place.mirror().await;
    assert_eq!(mirror.default_branch().await.unwrap(), None);
    assert!(mirror.list_refs().await.unwrap().is_empty());
    place.commit("a", "a");
    place.run(&["branch", "topic"]);
    mirror.fetch_path(&place.path).await.unwrap();
    assert_eq!(
        mirror.default_branch().await.unwrap().as_deref(),
        Some("trunk")
    );
    place.run(&["branch", "-D", "topic"]);
    place.run(&["branch", "topic/one"]);
    mirror.fetch_path(&place.path).await.unwrap();
    assert_eq!(mirror.resolve("topic").await.unwrap(), None);
    assert!(mirror.resolve("topic/one").await.unwrap().is_some());
}

#[tokio::test]
async fn what_many_fetches_left_is_packed() {
    let place = Place::git();
    let mirror = place.mirror().await;
    // A fetch of fewer than a hundred objects leaves each of them as a file.
    for round in 0..20 {
        for file in 0..90 {
            fs::write(
                place.path.join(format!("{file}")),
                format!("{file}:{round}"),
            )
            .unwrap();
        }
        place.commit("last", &round.to_string());
        mirror.fetch_path(&place.path).await.unwrap();
    }
    let loose = || {
        let counted = Place::run_in(mirror.folder(), &["count-objects"]);
        counted.split(' ').next().unwrap().parse::<u32>().unwrap()
    };
    let before = loose();
    assert!(before > 1_500, "{before}");
    mirror.maintain().await.unwrap();
    assert_eq!(loose(), 0);
    assert!(mirror.has_commit(&place.head()).await.unwrap());
}

//! What git may not do: run what a project names, see our environment, hang.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use pointsman::repo::{GrepLimits, Mirror, RepoError};

use super::Place;

/// A program that writes down that it was started, set in every place of the project's configuration that names one.
struct Trap {
    sprung: PathBuf,
}

impl Trap {
    const KEYS: [&str; 18] = [
        "core.fsmonitor",
        "core.sshCommand",
        "core.gitProxy",
        "core.pager",
        "core.alternateRefsCommand",
        "core.askPass",
        "credential.helper",
        "uploadpack.packObjectsHook",
        "filter.x.clean",
        "filter.x.smudge",
        "filter.x.process",
        "diff.external",
        "diff.x.command",
        "diff.x.textconv",
        "merge.x.driver",
        "gpg.program",
        "remote.origin.uploadpack",
        "remote.origin.vcs",
    ];
    const HOOKS: [&str; 4] = [
        "post-checkout",
        "pre-auto-gc",
        "reference-transaction",
        "post-index-change",
    ];

    fn set(place: &Place) -> Self {
        let (program, sprung, hooks) = (
            place.beside("trap"),
            place.beside("sprung"),
            place.beside("hooks"),
        );
        let script = format!("#!/bin/sh\necho \"$0 $*\" >> {}\n", sprung.display());
        fs::write(&program, script).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        for folder in [&hooks, &place.path.join(".git/hooks")] {
            fs::create_dir_all(folder).unwrap();
            for hook in Self::HOOKS {
                fs::copy(&program, folder.join(hook)).unwrap();
            }
        }
        let program = program.to_str().unwrap();
        let url = format!("ext::{program} %S");
        for key in Self::KEYS {
            place.run(&["config", key, program]);
        }
        for (key, value) in [
            ("core.hooksPath", hooks.to_str().unwrap()),
            ("protocol.ext.allow", "always"),
            ("remote.origin.url", &url),
            ("remote.origin.promisor", "true"),
            ("core.repositoryFormatVersion", "1"),
            ("extensions.partialClone", "origin"),
        ] {
            place.run(&["config", key, value]);
        }
        let trap = Self { sprung };
        trap.arm();
        trap
    }

    fn arm(&self) {
        drop(fs::remove_file(&self.sprung));
    }

    fn assert_silent(&self) {
        assert!(
            !self.sprung.exists(),
            "{}",
            fs::read_to_string(&self.sprung).unwrap()
        );
    }
}

#[tokio::test]
async fn nothing_that_the_project_configures_is_run() {
    let place = Place::git();
    fs::write(
        place.path.join(".gitattributes"),
        "* filter=x diff=x merge=x\n",
    )
    .unwrap();
    let sha = place.commit("late.txt", "late\n");
    let trap = Trap::set(&place);
    let mirror = place.mirror().await;
    mirror
        .file_at(&sha, Path::new("late.txt"))
        .await
        .unwrap()
        .unwrap();
    mirror.changed_files(&sha, &sha).await.unwrap();
    mirror
        .grep_fixed(&sha, "late", None, GrepLimits::default())
        .await
        .unwrap();
    trap.assert_silent();

    // A blob is missing: a partial clone would ask its remote for it.
    let blob = place.run(&["rev-parse", "HEAD:late.txt"]);
    trap.arm();
    fs::remove_file(
        place
            .path
            .join(".git/objects")
            .join(&blob[..2])
            .join(&blob[2..]),
    )
    .unwrap();
    let fresh = Mirror::open(&place.beside("fresh.git")).await.unwrap();
    assert!(fresh.fetch_path(&place.path).await.is_err());
    trap.assert_silent();

    // The trap works: a person's own git springs it.
    place.try_run(&["status"]);
    assert!(trap.sprung.exists());
}

#[tokio::test]
async fn errors_say_what_to_do() {
    let place = Place::git();
    let mirror = Mirror::open(&place.beside("m.git")).await.unwrap();
    let error = mirror
        .fetch_path(&place.beside("nothing"))
        .await
        .unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("git could not ask for the branches: "),
        "{error}"
    );
    assert!(error.hint().unwrap().contains("`path`"), "{error}");
    let nowhere = Mirror::open_with(&place.beside("n.git"), OsString::from("/nowhere"))
        .await
        .unwrap_err();
    assert!(
        matches!(nowhere, RepoError::Start { .. })
            && nowhere.hint().unwrap().contains("install `git`"),
        "{nowhere}"
    );
}

#[tokio::test]
async fn git_knows_nothing_of_our_environment_and_is_stopped_with_its_helpers_when_it_hangs() {
    let place = Place::git();
    let (bin, seen, late) = (
        place.beside("bin"),
        place.beside("env"),
        place.beside("late"),
    );
    fs::create_dir(&bin).unwrap();
    let script = format!(
        "#!/bin/sh\nPATH=/usr/local/bin:/usr/bin:/bin\nenv > {}\ncase \"$*\" in *grep*) (sleep 2; touch {}) ;; *) exec git \"$@\" ;; esac\n",
        seen.display(),
        late.display()
    );
    fs::write(bin.join("git"), script).unwrap();
    fs::set_permissions(bin.join("git"), fs::Permissions::from_mode(0o755)).unwrap();
    let mirror = Mirror::open_with(&place.beside("m.git"), bin.into_os_string())
        .await
        .unwrap();
    mirror.fetch_path(&place.path).await.unwrap();
    let env = fs::read_to_string(&seen).unwrap();
    let names: Vec<_> = env
        .lines()
        .filter_map(|line| line.split_once('='))
        .map(|(name, _)| name)
        .collect();
    assert!(
        !names.contains(&"HOME") && !names.contains(&"CARGO_MANIFEST_DIR"),
        "{names:?}"
    );
    assert!(
        env.contains("GIT_CONFIG_NOSYSTEM=1\n") && env.contains("GIT_TERMINAL_PROMPT=0\n"),
        "{env}"
    );

    let limits = GrepLimits {
        time_max: Duration::from_millis(300),
        ..GrepLimits::default()
    };
    let since = Instant::now();
    let answer = mirror
        .grep_fixed(&place.head(), "hello", None, limits)
        .await;
    assert!(
        matches!(answer, Err(RepoError::TimedOut { .. })),
        "{answer:?}"
    );
    assert!(since.elapsed() < Duration::from_secs(2));
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    assert!(!late.exists(), "the helper was stopped too");
}

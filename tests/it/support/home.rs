//! The real binary in a throw-away home.
#![allow(dead_code, reason = "not every test uses all of it")]
#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot go on fails there; the benches include this too"
)]

use std::path::{Path, PathBuf};
use std::process::Output;

use assert_cmd::Command;

/// A throw-away home with one project on the local tracker.
pub(crate) struct Home {
    folder: tempfile::TempDir,
}

impl Home {
    pub(crate) fn empty() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    pub(crate) fn with_project() -> Self {
        let home = Self::empty();
        std::fs::create_dir_all(home.path("site")).unwrap();
        home.write(
            ".config/pointsman/projects/site.toml",
            &format!(
                "tracker = \"local\"\npath = {:?}\nadded = \"2020-01-01T00:00:00Z\"\nagent = \"demo\"\nbuild = \"none\"\nworkflow = \"content.toml\"\n",
                home.path("site").to_string_lossy()
            ),
        );
        home
    }

    pub(crate) fn folder(&self) -> PathBuf {
        self.folder.path().canonicalize().unwrap()
    }

    pub(crate) fn path(&self, below: &str) -> PathBuf {
        self.folder.path().join(below)
    }

    pub(crate) fn write(&self, below: &str, text: &str) {
        let path = self.path(below);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    pub(crate) fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pointsman"));
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command
            .env("HOME", self.folder.path())
            .env("XDG_RUNTIME_DIR", self.path("run"));
        command
            .env("USER", "ada")
            .current_dir(self.folder.path())
            .args(words);
        command.timeout(std::time::Duration::from_mins(1));
        command
    }

    pub(crate) fn run(&self, words: &[&str]) -> Said {
        Said::of(&self.command(words).output().unwrap(), self.folder.path())
    }

    /// Runs verbs one after the other and writes down what a person reads.
    pub(crate) fn page(&self, verbs: &[&str]) -> String {
        let words = |verb: &&str| verb.split(' ').map(str::to_owned).collect::<Vec<_>>();
        verbs
            .iter()
            .map(words)
            .map(|words| {
                let words: Vec<&str> = words.iter().map(String::as_str).collect();
                self.told(&words, &mut self.command(&words))
            })
            .collect()
    }

    /// Runs one command and writes down what a person reads: the verb, both streams, the exit code.
    pub(crate) fn told(&self, words: &[&str], command: &mut Command) -> String {
        let said = Said::of(&command.output().unwrap(), self.folder.path());
        let out = if said.out.is_empty() || said.out.ends_with('\n') {
            said.out
        } else {
            said.out + "\n"
        };
        format!(
            "$ pointsman {}\n{out}{}[{}]\n",
            words.join(" "),
            said.err,
            said.code
        )
    }

    /// Runs a verb that must end well, and returns what it printed.
    pub(crate) fn says(&self, words: &[&str]) -> String {
        let said = self.run(words);
        assert_eq!(said.code, 0, "{words:?}: {}", said.err);
        said.out
    }
}

pub(crate) struct Said {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Said {
    pub(crate) fn of(output: &Output, home: &Path) -> Self {
        let text =
            |bytes: &[u8]| String::from_utf8_lossy(bytes).replace(&*home.to_string_lossy(), "HOME");
        Self {
            code: output.status.code().unwrap_or(-1),
            out: text(&output.stdout),
            err: text(&output.stderr),
        }
    }
}

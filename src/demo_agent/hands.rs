//! What the agent can do: say something at a person's pace, ask a person, run a command, use git.

use std::io::{Read as _, Seek as _};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, getpid, kill_process, kill_process_group};

/// The longest a command may run.
const COMMAND_MAX: Duration = Duration::from_mins(15);
/// Between two looks whether a command has ended or somebody interrupts.
const LOOK: Duration = Duration::from_millis(20);
/// Output of a command that is read, in bytes.
const OUTPUT_BYTES_MAX: u64 = 256 << 10;

/// What the worker tells the screen.
#[derive(Debug)]
pub(super) enum Event {
    /// A line for the transcript.
    Line(String),
    /// A person has to say yes or no.
    Ask(String, SyncSender<bool>),
    /// One submitted text is dealt with.
    Finished,
}

/// Why a task does not go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Stopped {
    /// A person pressed Esc or Ctrl-C, or the program ends.
    Interrupted,
    /// Something it needs does not work.
    Broken(String),
}

/// What came of one step of a task.
pub(super) type Step<T = ()> = Result<T, Stopped>;

/// What a command did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ran {
    /// Its exit code; `None` if a signal or the time limit ended it.
    pub code: Option<i32>,
    /// What it printed.
    pub text: String,
}

impl Ran {
    /// Returns whether it exited with 0.
    pub(super) fn is_good(&self) -> bool {
        self.code == Some(0)
    }
}

/// The agent's hands, in one working folder.
#[derive(Clone, Debug)]
pub(super) struct Hands {
    /// Where lines go.
    pub events: Sender<Event>,
    /// Between two lines.
    pub pace: Duration,
    /// While it is there, the agent waits after each line.
    pub wait_file: Option<PathBuf>,
    /// Set by the screen to interrupt.
    pub interrupted: Arc<AtomicBool>,
    /// The working folder.
    pub folder: PathBuf,
    /// What does not work in a rehearsal: a step and how.
    pub rehearsal: Option<String>,
}

impl Hands {
    /// Says a text, one line at a time.
    pub(super) fn say(&self, text: impl AsRef<str>) -> Step {
        for line in text.as_ref().lines() {
            // With the screen gone the program ends; the flag says so a moment later.
            let _gone = self.events.send(Event::Line(line.to_owned()));
            self.wait(self.pace)?;
            while self.wait_file.as_deref().is_some_and(Path::exists) {
                self.wait(LOOK)?;
            }
        }
        Ok(())
    }

    /// Asks the person in front of the screen; no answer is no.
    pub(super) fn may_i(&self, question: &str) -> Step<bool> {
        let (reply, answer) = sync_channel(1);
        let _gone = self.events.send(Event::Ask(question.to_owned(), reply));
        loop {
            match answer.recv_timeout(LOOK) {
                Ok(yes) => return Ok(yes),
                Err(RecvTimeoutError::Timeout) => self.go_on()?,
                Err(RecvTimeoutError::Disconnected) => return Ok(false),
            }
        }
    }

    /// Runs a command in the working folder, in a process group of its own.
    pub(super) fn run(&self, words: &[String]) -> Step<Ran> {
        self.run_with(words, &[])
    }

    /// Runs a line of shell, as an operator wrote it.
    pub(super) fn shell(&self, line: &str) -> Step<Ran> {
        self.run(&["sh".to_owned(), "-c".to_owned(), line.to_owned()])
    }

    /// Runs git under the agent's own name.
    pub(super) fn git(&self, arguments: &[&str]) -> Step<Ran> {
        const NAME: &str = "Demo Agent";
        const MAIL: &str = "demo-agent@example.invalid";
        let words: Vec<String> = std::iter::once("git")
            .chain(arguments.iter().copied())
            .map(str::to_owned)
            .collect();
        let env = [
            ("GIT_AUTHOR_NAME", NAME),
            ("GIT_AUTHOR_EMAIL", MAIL),
            ("GIT_COMMITTER_NAME", NAME),
            ("GIT_COMMITTER_EMAIL", MAIL),
            ("GIT_TERMINAL_PROMPT", "0"),
        ];
        self.run_with(&words, &env)
    }

    /// Runs git and returns what it printed; `None` if it refused.
    pub(super) fn git_says(&self, arguments: &[&str]) -> Step<Option<String>> {
        let ran = self.git(arguments)?;
        Ok(ran.is_good().then(|| ran.text.trim_end().to_owned()))
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "the demo agent is the edge that starts its tools"
    )]
    fn run_with(&self, words: &[String], env: &[(&str, &str)]) -> Step<Ran> {
        // Only the program: the words may hold a report's secret.
        let name = words.first().map_or("", String::as_str);
        let broken =
            |error: std::io::Error| Stopped::Broken(format!("cannot run `{name}`: {error}"));
        let (program, arguments) = words
            .split_first()
            .ok_or_else(|| Stopped::Broken("nothing to run".to_owned()))?;
        // A file and no pipe: a command that leaves something running behind must not hold us.
        let mut output = tempfile::tempfile().map_err(broken)?;
        let mut child = Command::new(program)
            .args(arguments)
            .envs(env.iter().copied())
            .current_dir(&self.folder)
            .stdin(Stdio::null())
            .stdout(output.try_clone().map_err(broken)?)
            .stderr(output.try_clone().map_err(broken)?)
            .process_group(0)
            .spawn()
            .map_err(broken)?;
        let status = self.watch(&mut child)?;
        let mut bytes = Vec::new();
        let read = output
            .rewind()
            .and_then(|()| output.take(OUTPUT_BYTES_MAX).read_to_end(&mut bytes));
        read.map_err(broken)?;
        Ok(Ran {
            code: status.and_then(|status| status.code()),
            text: String::from_utf8_lossy(&bytes).into_owned(),
        })
    }

    /// Waits for a command; `None` when it was ended at its time limit.
    fn watch(&self, child: &mut Child) -> Step<Option<ExitStatus>> {
        let since = Instant::now();
        loop {
            match child.try_wait() {
                Ok(Some(status)) => return Ok(Some(status)),
                Ok(None) => {}
                Err(_) => return Ok(Some(ExitStatus::from_raw(-1))),
            }
            let over = since.elapsed() > COMMAND_MAX;
            let stop = self.wait(LOOK);
            if over || stop.is_err() {
                end_group(child);
                return stop.map(|()| None);
            }
        }
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "the demo agent has a thread of its own to wait in"
    )]
    fn wait(&self, time: Duration) -> Step {
        let since = Instant::now();
        loop {
            self.go_on()?;
            let left = time.saturating_sub(since.elapsed());
            if left.is_zero() {
                return Ok(());
            }
            std::thread::sleep(left.min(LOOK));
        }
    }

    fn go_on(&self) -> Step {
        if self.interrupted.load(Ordering::Relaxed) {
            return Err(Stopped::Interrupted);
        }
        Ok(())
    }

    /// Writes a file of the work, with the folders above it.
    pub(super) fn write(&self, path: &Path, text: &str) -> Step {
        let path = self.folder.join(path);
        let made = path.parent().map_or(Ok(()), std::fs::create_dir_all);
        made.and_then(|()| std::fs::write(&path, text))
            .map_err(|error| Stopped::Broken(format!("cannot write `{}`: {error}", path.display())))
    }

    /// Reads a file of the work; `None` if it is not there or no text.
    pub(super) fn read(&self, path: impl AsRef<Path>) -> Option<String> {
        std::fs::read_to_string(self.folder.join(path)).ok()
    }
}

/// Dies as a program does that meets its own bug: nothing is tidied up.
pub(super) fn crash() {
    // Where that is forbidden it goes on as if nothing were.
    let _alive = kill_process(getpid(), Signal::KILL);
}

/// Ends a command and what it started.
fn end_group(child: &mut Child) {
    let group = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    if let Some(group) = group {
        // Ended by itself a moment ago is as good.
        let _gone = kill_process_group(group, Signal::KILL);
    }
    let _reaped = child.wait();
}

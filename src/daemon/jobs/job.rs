//! Jobs: project code in a window of the `_gate` session, never a child of the daemon (DESIGN 8).
//!
//! A job survives a daemon restart: its window has a name of its own, and a second run of that name waits for the first.

use std::collections::VecDeque;
use std::io::Read as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::OFlags;
use sha2::{Digest as _, Sha256};

use crate::machine::text::hex;
use crate::terminal::{Environment, NewWindow, PaneRow, Tmux, TmuxError};

/// The session of all jobs on the agents' tmux server.
pub const GATE_SESSION: &str = "_gate";
/// The window that keeps the session when no job runs.
const KEEPER: &str = "_keep";
/// Between two looks for a running job's note: from here, doubling up to [`LOOK_MAX`].
const LOOK_FIRST: Duration = Duration::from_millis(10);
const LOOK_MAX: Duration = Duration::from_millis(250);
/// How often the pane of a running job is asked for.
const ASK_EVERY: Duration = Duration::from_secs(2);
/// How much longer than its own limit a job is waited for: `timeout` sends TERM, then KILL 5 s later.
const GRACE: Duration = Duration::from_secs(15);
/// How long the status of a dead pane is waited for; a signal leaves none.
const STATUS_MAX: Duration = Duration::from_secs(2);
/// `timeout`'s exit codes: 124 when it had to end the job, 137 when it had to kill it.
const TIMED_OUT: [i32; 2] = [124, 137];
/// The end of a log that is kept in evidence, bytes.
const TAIL_BYTES: usize = 2_000;
/// The beginning of a job's output that its log keeps, bytes: a test that prints in a loop does not fill the disk.
pub const LOG_BYTES_MAX: usize = 4 << 20;
/// The end of a longer output that is kept as well, bytes: what went wrong is said last.
const LOG_END_BYTES: usize = 64 << 10;
/// The end of a log that the daemon reads into memory, bytes; more than any script of ours prints.
const OUTPUT_BYTES_MAX: usize = 1 << 20;
/// The longest note that is read, bytes: an exit status, or a digest of 64 letters.
const NOTE_BYTES_MAX: u64 = 4096;

/// A command to run.
#[derive(Clone, Debug)]
pub struct Job {
    /// The window's name, `[A-Za-z0-9_-]+`; the same name is the same job.
    pub name: String,
    /// Where it runs.
    pub cwd: PathBuf,
    /// Its whole environment.
    pub env: Vec<(String, String)>,
    /// A shell script. Its arguments are `$1`, `$2`, ...: no text is ever spliced into it.
    pub script: String,
    /// The arguments.
    pub args: Vec<String>,
    /// How long it may take.
    pub limit: Duration,
    /// Where its output goes.
    pub log: PathBuf,
    /// Whose the log has to be, if jobs run as another account: what is read is published, and a link could name a file of the daemon's.
    pub writer: Option<u32>,
}

/// How a job ended.
#[derive(Clone, Debug)]
pub struct Ran {
    /// The exit status; `None` if a signal or the server's end took it.
    pub exit: Option<i32>,
    /// Whether its limit ended it.
    pub timed_out: bool,
    /// The end of its log.
    pub output: String,
    /// SHA-256 of the whole log.
    pub digest: String,
    /// How long it was waited for.
    pub took: Duration,
}

impl Ran {
    /// Returns whether it did what it should.
    pub fn succeeded(&self) -> bool {
        self.exit == Some(0)
    }

    /// Returns the end of the output.
    pub fn tail(&self) -> &str {
        let start = self.output.len().saturating_sub(TAIL_BYTES);
        let start = (start..=self.output.len())
            .find(|at| self.output.is_char_boundary(*at))
            .unwrap_or(0);
        &self.output[start..]
    }
}

/// Why a job has no result.
#[derive(Debug, thiserror::Error)]
pub enum JobError {
    /// The terminal failed.
    #[error(transparent)]
    Tmux(#[from] TmuxError),
    /// Its log cannot be made or read.
    #[error("the log `{path}` cannot be used")]
    Log {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Its window is gone: it may have run or not, so it runs again.
    #[error("the job's window is gone")]
    Gone,
}

/// Ends the jobs with `part` in their name, but not `name`: what they measure was overtaken, and they have the tree.
pub async fn end_others(tmux: &Tmux, name: &str, part: &str) -> Result<(), TmuxError> {
    for row in tmux.list_panes().await? {
        if row.session == GATE_SESSION && row.window != name && row.window.contains(part) {
            tmux.kill_pane(&row.pane).await?;
        }
    }
    Ok(())
}

/// Returns whether a job of that name runs, or ended and was not read yet.
pub async fn is_there(tmux: &Tmux, name: &str) -> Result<bool, TmuxError> {
    Ok(tmux.find(GATE_SESSION, name).await?.is_some())
}

/// Waits for a job of that name from before a restart and clears it away: what it changed is found by looking, and it says nothing else.
pub async fn clear(tmux: &Tmux, job: &Job) -> Result<(), JobError> {
    let Some(row) = tmux.find(GATE_SESSION, &job.name).await? else {
        return Ok(());
    };
    match wait(tmux, &row.pane, job).await {
        Ok(row) => tmux.kill_pane(&row.pane).await.map(drop)?,
        Err(JobError::Gone) => {}
        Err(error) => return Err(error),
    }
    Ok(())
}

/// Ends the jobs that run in a tree that is about to be moved. Who moves it has it alone, so they are left from before a restart.
pub async fn end_in(tmux: &Tmux, tree: &Path) -> Result<(), TmuxError> {
    for row in running_in(tmux, tree).await? {
        tmux.kill_pane(&row.pane).await?;
    }
    Ok(())
}

/// Returns whether a job runs in a tree.
pub async fn runs_in(tmux: &Tmux, tree: &Path) -> Result<bool, TmuxError> {
    Ok(!running_in(tmux, tree).await?.is_empty())
}

async fn running_in(tmux: &Tmux, tree: &Path) -> Result<Vec<PaneRow>, TmuxError> {
    // tmux tells a folder as the kernel does, without links.
    let tree = tree.canonicalize().unwrap_or_else(|_| tree.to_owned());
    let mut rows = tmux.list_panes().await?;
    rows.retain(|row| row.session == GATE_SESSION && !row.dead && row.path.starts_with(&tree));
    Ok(rows)
}

/// Runs a job to its end, or joins the one of that name that already runs. One that ended unread, before a restart, says how things
/// were then: it is cleared away, for what is run this way may be run again.
pub async fn run(tmux: &Tmux, job: &Job) -> Result<Ran, JobError> {
    let mut found = tmux.find(GATE_SESSION, &job.name).await?;
    if let Some(over) = found.take_if(|row| row.dead) {
        tmux.kill_pane(&over.pane).await?;
    }
    finish(tmux, job, found).await
}

/// As [`run`], but what ended unread is the result: the name says what was measured, and that does not change.
pub async fn measure(tmux: &Tmux, job: &Job) -> Result<Ran, JobError> {
    let found = tmux.find(GATE_SESSION, &job.name).await?;
    finish(tmux, job, found).await
}

async fn finish(tmux: &Tmux, job: &Job, running: Option<PaneRow>) -> Result<Ran, JobError> {
    let started = Instant::now();
    let log_error = |source| JobError::Log {
        path: job.log.clone(),
        source,
    };
    let pane = if let Some(row) = running {
        row.pane
    } else {
        clear_log(&job.log, job.writer.is_some()).map_err(log_error)?;
        keep_session(tmux, job).await?;
        tmux.new_window(&window(job)).await?
    };
    let row = wait(tmux, &pane, job).await?;
    let (digest, output) = read_log(job).map_err(log_error)?;
    // tmux may lose the status when the terminal closes before the process is reaped: the shell's own note is the second witness.
    let exit = row.dead_status.or_else(|| noted_exit(job));
    if let Err(error) = tmux.kill_pane(&pane).await {
        tracing::debug!(%error, job = %job.name, "a finished job's window was gone already");
    }
    if exit.is_none() && row.dead {
        tracing::warn!(job = %job.name, "a job ended without a status: it runs again");
        return Err(JobError::Gone);
    }
    Ok(Ran {
        exit,
        timed_out: !row.dead || exit.is_some_and(|code| TIMED_OUT.contains(&code)),
        digest,
        output,
        took: started.elapsed(),
    })
}

/// The session outlives its jobs: a window of its own keeps it. One at a time, or two would make it at once.
async fn keep_session(tmux: &Tmux, job: &Job) -> Result<(), JobError> {
    static MAKING: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());
    let _one = MAKING.lock().await;
    if tmux.find(GATE_SESSION, KEEPER).await?.is_some() {
        return Ok(());
    }
    let argv = vec!["/bin/sleep".to_owned(), "infinity".to_owned()];
    let keeper = NewWindow {
        session: GATE_SESSION.to_owned(),
        window: KEEPER.to_owned(),
        cwd: PathBuf::from("/"),
        env: Environment::Argv(job.env.clone()),
        argv,
    };
    tmux.new_window(&keeper).await?;
    Ok(())
}

/// Makes room for a job's log; the job itself makes the file, as its own account. A folder that `service install` does not know yet (of
/// a project whose file got another name) has that account's group from the one above, and has to let it in.
fn clear_log(path: &Path, is_shared: bool) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    if let Some(folder) = path.parent().filter(|folder| !folder.is_dir()) {
        std::fs::create_dir_all(folder)?;
        if is_shared {
            std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o770))?;
        }
    }
    for old in [exit_note(path), path.to_owned()] {
        match std::fs::remove_file(old) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
    }
    Ok(())
}

/// Returns a log's digest and its end, without having the whole of it in memory.
fn read_log(job: &Job) -> std::io::Result<(String, String)> {
    let mut file = match written(&job.log, job.writer) {
        // It ended before its first command.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Ok((hex(&Sha256::digest([])), String::new()));
        }
        opened => opened?,
    };
    let mut digest = Sha256::new();
    let mut end = VecDeque::new();
    let mut block = vec![0; LOG_END_BYTES];
    loop {
        let read = file.read(&mut block)?;
        if read == 0 {
            break;
        }
        digest.update(&block[..read]);
        end.extend(&block[..read]);
        end.drain(..end.len().saturating_sub(OUTPUT_BYTES_MAX));
    }
    let output = String::from_utf8_lossy(end.make_contiguous()).into_owned();
    Ok((hex(&digest.finalize()), output))
}

/// Reads the beginning of a log, at most `bytes_max`; the result of a job has its end.
pub fn beginning(log: &Path, writer: Option<u32>, bytes_max: usize) -> std::io::Result<String> {
    let file = match written(log, writer) {
        // It ended before its first command.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(String::new()),
        opened => opened?,
    };
    let mut bytes = Vec::new();
    file.take(bytes_max as u64).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Opens a file that a job wrote: never a link, which could name a file of the daemon's, and never a pipe, which would be waited for.
fn written(path: &Path, writer: Option<u32>) -> std::io::Result<std::fs::File> {
    let no_link = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
    let file = std::fs::OpenOptions::new()
        .read(true)
        .custom_flags(no_link)
        .open(path)?;
    let facts = file.metadata()?;
    if !facts.is_file() || writer.is_some_and(|uid| facts.uid() != uid) {
        return Err(std::io::Error::other("it is not what the job wrote"));
    }
    Ok(file)
}

/// Reads the beginning of a short file that a job wrote, as [`read_log`] opens a log; `None` if there is none of its writer's.
pub(super) fn note(path: &Path, writer: Option<u32>) -> Option<String> {
    let mut text = String::new();
    let file = written(path, writer).ok()?;
    file.take(NOTE_BYTES_MAX).read_to_string(&mut text).ok()?;
    Some(text)
}

/// Where the outer shell notes the exit status.
fn exit_note(log: &Path) -> PathBuf {
    let mut name = log.as_os_str().to_owned();
    name.push(".exit");
    PathBuf::from(name)
}

fn noted_exit(job: &Job) -> Option<i32> {
    note(&exit_note(&job.log), job.writer)?.trim().parse().ok()
}

fn window(job: &Job) -> NewWindow {
    // The outer shell keeps the terminal open: tmux takes a pane whose terminal nobody has open for dead while its process still
    // runs. `timeout` ends the whole group of the inner one. The output goes through a limiter that writes at once what it keeps
    // and reads on to the end: a job is never stopped for what it prints. Who is left behind by a job and holds its output open is
    // not waited for.
    let outer = format!(
        r#"log=$1 limit=$2 script=$3; shift 3; rm -f "$log.pipe"; mkfifo "$log.pipe" || exit 125
{{ dd bs=64k count={LOG_BYTES_MAX} iflag=count_bytes status=none; rest=$(tail -c {LOG_END_BYTES} | tr -d '\000'); [ -z "$rest" ] || printf '\n[cut: the log keeps the first {LOG_BYTES_MAX} bytes and the end]\n%s\n' "$rest"; }} <"$log.pipe" >"$log" &
limiter=$!
timeout -k 5 "$limit" sh -c "$script" job "$@" >"$log.pipe" 2>&1 </dev/null; code=$?
rm -f "$log.pipe"; n=0
while kill -0 $limiter 2>/dev/null && [ $n -lt 100 ]; do sleep 0.02; n=$((n + 1)); done
kill $limiter 2>/dev/null
printf %s "$code" >"$log.exit.new" && mv "$log.exit.new" "$log.exit"; exit $code"#
    );
    let mut argv = vec![
        "/bin/sh".to_owned(),
        "-c".to_owned(),
        outer,
        "gate".to_owned(),
    ];
    argv.push(job.log.to_string_lossy().into_owned());
    argv.push(job.limit.as_secs().max(1).to_string());
    argv.push(job.script.clone());
    argv.extend(job.args.iter().cloned());
    NewWindow {
        session: GATE_SESSION.to_owned(),
        window: job.name.clone(),
        cwd: job.cwd.clone(),
        env: Environment::Argv(job.env.clone()),
        argv,
    }
}

/// Waits until the job's pane is over. The shell's note of the exit status says when to ask tmux, which costs a process; it is no
/// result by itself, for the job's own commands could write it.
async fn wait(tmux: &Tmux, pane: &crate::domain::Pane, job: &Job) -> Result<PaneRow, JobError> {
    let mut deadline = Instant::now() + job.limit + GRACE;
    let mut asked = Instant::now();
    let mut pause = LOOK_FIRST;
    loop {
        let is_noted = noted_exit(job).is_some();
        if is_noted || asked.elapsed() >= ASK_EVERY || Instant::now() >= deadline {
            asked = Instant::now();
            let row = tmux
                .list_panes()
                .await?
                .into_iter()
                .find(|row| row.pane == *pane)
                .ok_or(JobError::Gone)?;
            let is_known = row.dead_status.is_some() || is_noted;
            if (row.dead && is_known) || Instant::now() >= deadline {
                return Ok(row);
            }
            if row.dead {
                deadline = deadline.min(Instant::now() + STATUS_MAX);
            }
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LOOK_MAX);
    }
}

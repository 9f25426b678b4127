//! Receipts: evidence from the agent's side that it was given a delivery, found by the delivery's id.
//!
//! Only what was written after the baseline counts, and only a user's words: the id also stands in the brief that the agent
//! reads, in its own answers and in the output of its tools. Reading is blocking and bounded; a torn last line is left for later.

use std::collections::BTreeMap;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::native;
use super::open::open_regular;
use super::process::Process;
use super::rollout;
use super::sample::fill;
use crate::domain::{DeliveryId, Profile};

/// Bytes read of one file after its baseline: a turn of a talkative agent writes about 2 MB (facts/agents.md 6).
const FILE_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// Transcripts of one folder looked at.
const TRANSCRIPTS_MAX: usize = 256;
/// Files and folders that one `*` of a transcript's path may stand for.
const ENTRIES_MAX: usize = 8192;

/// Where an agent's words may be found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Whereabouts {
    /// The agents' home folder.
    pub home: PathBuf,
    /// The agent's working folder.
    pub cwd: PathBuf,
    /// Its process, if it is known: names files and bounds how old a rollout may be.
    pub agent: Option<Process>,
    /// Its own id of the conversation, from its sessions file: no other transcript counts then (facts/terminal.md F64).
    pub session: Option<String>,
    /// What its hooks append to.
    pub hooks: Option<HookSpool>,
}

/// The file that the hooks of one window's agent append to, and the secret that stands beside each event: its settings alone have it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HookSpool {
    /// The file.
    pub path: PathBuf,
    /// Letters and digits.
    pub secret: String,
}

/// The hooks of Claude Code that tell of a turn (facts/agents.md 6): its begin is the receipt.
const HOOKS: [&str; 6] = [
    "SessionStart",
    "UserPromptSubmit",
    "PermissionRequest",
    "Stop",
    "StopFailure",
    "SessionEnd",
];

/// How long each file was before Enter. A file that is not in it is read from its beginning.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offsets(pub BTreeMap<PathBuf, u64>);

/// A receipt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// Whether the agent began with it or put it aside.
    pub kind: ReceiptKind,
    /// Where it stands: a file's name and the byte at which the record begins, or a message of the agent's own server.
    pub witness: String,
}

/// What the agent did with a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReceiptKind {
    /// It is a turn of the conversation.
    Prompt,
    /// The agent says that it waits in its queue.
    Queued,
}

/// How a file's records are read.
#[derive(Clone, Copy, Debug)]
enum Form<'a> {
    Generic,
    Claude,
    Hook(&'a str),
    Codex,
}

/// Records how long every file is now; to be called before Enter.
pub fn receipt_offsets(profile: &Profile, at: &Whereabouts) -> Offsets {
    let length = |path: PathBuf| Some((path.clone(), std::fs::metadata(path).ok()?.len()));
    Offsets(
        files(profile, at)
            .into_iter()
            .filter_map(|(path, _)| length(path))
            .collect(),
    )
}

/// Looks for a delivery's id in what was written since the baseline. `Prompt` wins over `Queued`.
pub fn find_receipt(
    profile: &Profile,
    at: &Whereabouts,
    since: &Offsets,
    id: &DeliveryId,
) -> Option<Receipt> {
    let mut queued = None;
    for (path, form) in files(profile, at) {
        let start = since.0.get(&path).copied().unwrap_or(0);
        let Some((start, bytes)) = read_from(&path, start) else {
            continue;
        };
        let mut offset = start;
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            if let Some(kind) = record_kind(line, form, at.session.as_deref(), id) {
                let name = path.file_name().unwrap_or_default().to_string_lossy();
                let receipt = Receipt {
                    kind,
                    witness: format!("{name} at {offset}"),
                };
                match kind {
                    ReceiptKind::Prompt => return Some(receipt),
                    ReceiptKind::Queued => queued = queued.or(Some(receipt)),
                }
            }
            offset += line.len() as u64;
        }
    }
    queued.or_else(|| served(profile, at, id))
}

/// Asks the agent's own server, if it has one. No baseline: a delivery's id is never used twice.
fn served(profile: &Profile, at: &Whereabouts, id: &DeliveryId) -> Option<Receipt> {
    let agent = at
        .agent
        .as_ref()
        .filter(|_| profile.signals.opencode_http)?;
    let is_here = |folder: &str| is_same(Path::new(folder), &at.cwd);
    native::prompt(agent, is_here, |text| speaks(text, id)).map(|witness| Receipt {
        kind: ReceiptKind::Prompt,
        witness,
    })
}

/// Returns Claude Code's `--settings`: hooks that append every event of a turn to the spool, one JSON object per line.
/// A hook prints nothing (its output would become context) and never fails.
pub fn hooks_settings(spool: &HookSpool) -> Value {
    let path = spool.path.to_string_lossy().replace('\'', r"'\''");
    let secret = &spool.secret;
    // One `printf` is one write for all but huge prompts, so two hooks do not tear each other's lines.
    let command = format!(
        "printf '{{\"by\":\"{secret}\",\"hook\":%s}}\\n' \"$(cat)\" >> '{path}' 2>/dev/null || true"
    );
    let hook = json!([{ "hooks": [{ "type": "command", "command": command, "timeout": 10 }] }]);
    let hooks: serde_json::Map<String, Value> = HOOKS
        .iter()
        .map(|name| ((*name).to_owned(), hook.clone()))
        .collect();
    json!({ "hooks": hooks })
}

/// Returns whether a folder may have a conversation to go on with; `false` only where the program would have kept one.
///
/// Claude Code that is told to go on asks for trust first, and ends once it has it and finds nothing: the person who has just answered
/// would see that.
pub fn may_continue(profile: &Profile, home: &Path, cwd: &Path) -> bool {
    let signals = &profile.signals;
    if !signals.claude_sessions && !signals.claude_hooks {
        return true;
    }
    let real = cwd.canonicalize().unwrap_or_else(|_| cwd.to_owned());
    [cwd, &real].into_iter().any(|cwd| {
        let at = Whereabouts {
            home: home.to_owned(),
            cwd: cwd.to_owned(),
            agent: None,
            session: None,
            hooks: None,
        };
        !claude_transcripts(&at).is_empty()
    })
}

/// Lists the files a profile names, those that exist or may come to exist.
fn files<'a>(profile: &Profile, at: &'a Whereabouts) -> Vec<(PathBuf, Form<'a>)> {
    let signals = &profile.signals;
    let is_claude = signals.claude_sessions || signals.claude_hooks;
    let mut files = Vec::new();
    if let (true, Some(spool)) = (signals.claude_hooks, &at.hooks) {
        files.push((spool.path.clone(), Form::Hook(&spool.secret)));
    }
    // Claude Code's own transcripts are found by the conversation's id, which is narrower than any template.
    let template = signals.transcript.as_ref().filter(|_| !is_claude);
    let pid = at.agent.as_ref().map(|agent| agent.pid);
    if let Some(template) = template.filter(|text| pid.is_some() || !text.contains("{pid}")) {
        let named = fill(template, &at.home, pid.unwrap_or(0), &at.cwd);
        let born = at.agent.as_ref().and_then(Process::started);
        let found = expand(named, born).into_iter();
        files.extend(found.map(|path| (path, Form::Generic)));
    }
    if is_claude {
        files.extend(
            claude_transcripts(at)
                .into_iter()
                .map(|path| (path, Form::Claude)),
        );
    }
    if signals.codex_rollout {
        let found = rollout::find(at, rollout::folder).files;
        files.extend(found.into_iter().map(|path| (path, Form::Codex)));
    }
    files
}

/// Expands a `*` in each part of a path, to files that were written since the agent started; a path without one is itself, whether it
/// is there or not.
fn expand(named: PathBuf, born: Option<Timestamp>) -> Vec<PathBuf> {
    if !named.to_string_lossy().contains('*') {
        return vec![named];
    }
    let mut found = vec![PathBuf::new()];
    for part in named.components() {
        let name = part.as_os_str().to_string_lossy();
        let Some((start, end)) = name.split_once('*') else {
            for path in &mut found {
                path.push(part);
            }
            continue;
        };
        let fits = |path: &PathBuf| {
            let name = path.file_name().map(|name| name.to_string_lossy());
            name.is_some_and(|name| name.starts_with(start) && name.ends_with(end))
        };
        let inner = found.iter().flat_map(|folder| entries(folder));
        found = inner.filter(fits).take(ENTRIES_MAX).collect();
    }
    found.retain(|path| is_young(path, born));
    found.truncate(TRANSCRIPTS_MAX);
    found
}

/// Returns Claude Code's transcripts of a folder: the conversation's own, or all of them if its id is not known.
pub(super) fn claude_transcripts(at: &Whereabouts) -> Vec<PathBuf> {
    let cwd = at.cwd.to_string_lossy();
    // facts/agents.md 6 saw `/` and `.` replaced; later versions replace every other letter too.
    let strict: String = cwd
        .chars()
        .map(|letter| {
            if letter.is_ascii_alphanumeric() {
                letter
            } else {
                '-'
            }
        })
        .collect();
    let mut folders = vec![cwd.replace(['/', '.'], "-"), strict];
    folders.dedup();
    let folders = folders
        .into_iter()
        .map(|name| at.home.join(".claude/projects").join(name));
    match &at.session {
        Some(session) if native::is_plain(session) => folders
            .map(|folder| folder.join(format!("{session}.jsonl")))
            .collect(),
        _ => folders
            .flat_map(|folder| entries(&folder))
            .filter(|path| path.extension().is_some_and(|end| end == "jsonl"))
            .take(TRANSCRIPTS_MAX)
            .collect(),
    }
}

/// Returns whether a file was written to since the agent started; a second of slack for the clock of `/proc`.
pub(super) fn is_young(path: &Path, born: Option<Timestamp>) -> bool {
    let Some(born) = born else { return true };
    let written = std::fs::metadata(path)
        .and_then(|facts| facts.modified())
        .ok()
        .and_then(|time| Timestamp::try_from(time).ok());
    written.is_some_and(|written| written.as_second() + 1 >= born.as_second())
}

/// Returns whether two paths name one folder, links followed.
pub(super) fn is_same(a: &Path, b: &Path) -> bool {
    a == b || matches!((a.canonicalize(), b.canonicalize()), (Ok(a), Ok(b)) if a == b)
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    std::fs::read_dir(folder)
        .map(|all| all.flatten().map(|entry| entry.path()).collect())
        .unwrap_or_default()
}

/// Reads a file from `start`; from its beginning if it is shorter than that, because then it is another file. Of more than may be read
/// it is the end that counts: a delivery whose baseline was lost with a daemon is looked for in a transcript of any length.
fn read_from(path: &Path, start: u64) -> Option<(u64, Vec<u8>)> {
    let mut file = open_regular(path).ok()?;
    let length = file.metadata().ok()?.len();
    let start = if length < start { 0 } else { start };
    let start = start.max(length.saturating_sub(FILE_BYTES_MAX));
    file.seek(SeekFrom::Start(start)).ok()?;
    let mut bytes = Vec::new();
    file.take(FILE_BYTES_MAX).read_to_end(&mut bytes).ok()?;
    Some((start, bytes))
}

/// Reads one line; `None` if it is torn, not a user's words, of another delivery, or of another conversation than `session`.
fn record_kind(
    line: &[u8],
    form: Form<'_>,
    session: Option<&str>,
    id: &DeliveryId,
) -> Option<ReceiptKind> {
    if !has_word(line, id.as_str().as_bytes()) {
        return None;
    }
    let record: Value = serde_json::from_slice(line).ok()?;
    let text = |pointer: &str| {
        record
            .pointer(pointer)
            .is_some_and(|value| speaks(value, id))
    };
    let is = |pointer: &str, wanted: &str| {
        record.pointer(pointer).and_then(Value::as_str) == Some(wanted)
    };
    let prompt = match form {
        // An event that somebody made up is no receipt, nor is one of an agent that the agent started (facts/terminal.md F65).
        Form::Hook(secret) => {
            super::turns::signed(&record, secret, session).is_some()
                && is("/hook/hook_event_name", "UserPromptSubmit")
                && text("/hook/prompt")
        }
        Form::Generic => {
            let is_users = ["/type", "/role"].iter().any(|key| {
                ["user", "prompt", "submit"]
                    .iter()
                    .any(|word| is(key, word))
            });
            is_users
                && [
                    "/text",
                    "/prompt",
                    "/content",
                    "/message",
                    "/message/content",
                ]
                .iter()
                .any(|key| text(key))
        }
        Form::Claude => {
            if is("/type", "queue-operation") && is("/operation", "enqueue") && text("/content") {
                return Some(ReceiptKind::Queued);
            }
            (is("/type", "user") && text("/message/content"))
                || (is("/attachment/type", "queued_command")
                    && ["prompt", "content", "text"]
                        .iter()
                        .any(|key| text(&format!("/attachment/{key}"))))
        }
        Form::Codex => {
            let message = is("/payload/type", "message")
                && is("/payload/role", "user")
                && text("/payload/content");
            message || (is("/payload/type", "user_message") && text("/payload/message"))
        }
    };
    prompt.then_some(ReceiptKind::Prompt)
}

/// Returns whether a content says the id: a text, or a list with a text part. Results of tools are not a user's words.
fn speaks(content: &Value, id: &DeliveryId) -> bool {
    match content {
        Value::String(text) => has_word(text.as_bytes(), id.as_str().as_bytes()),
        Value::Array(parts) => {
            parts
                .iter()
                .any(|part| match part.get("type").and_then(Value::as_str) {
                    Some("text" | "input_text") | None if part.is_object() => {
                        part.get("text").is_some_and(|text| speaks(text, id))
                    }
                    _ => part.is_string() && speaks(part, id),
                })
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => false,
    }
}

/// Returns whether `word` stands in `text` with no letter or digit beside it.
fn has_word(text: &[u8], word: &[u8]) -> bool {
    let is_edge = |byte: Option<&u8>| byte.is_none_or(|byte| !byte.is_ascii_alphanumeric());
    !word.is_empty()
        && text.windows(word.len()).enumerate().any(|(at, window)| {
            window == word
                && is_edge(at.checked_sub(1).and_then(|before| text.get(before)))
                && is_edge(text.get(at + word.len()))
        })
}

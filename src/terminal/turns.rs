//! What an agent's own files tell of its turns: hooks, Claude Code's transcript, Codex's rollout.
//!
//! Only the end of a file is read, and only when it has changed. A torn last line is left for later; a record of a kind that is not
//! known says nothing, and so does everything that happened before the agent's process started.

use std::collections::BTreeMap;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard};
use std::time::SystemTime;

use jiff::Timestamp;
use regex::Regex;
use serde_json::Value;

use super::limit;
use super::mask::without_keys;
use super::open::open_regular;
use crate::machine::resolve::Claim;

/// Bytes read from the end of a file: a turn's records are a few KB each, what the model was sent may be 100 KB.
const TAIL_BYTES: u64 = 256 * 1024;
/// Files remembered; with more, what was not read for longest is forgotten.
const FILES_MAX: usize = 256;
/// Rollouts whose folder is remembered; with more the memory begins anew.
const FOLDERS_MAX: usize = 4096;
/// What a provider says of a request that may be taken the next time, among the statuses of requests that it refuses.
const PASSING: [u64; 4] = [408, 409, 425, 429];
/// Characters of a question or an error that are kept.
const WORDS_CHARS_MAX: usize = 200;

/// Which file it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form<'a> {
    /// Hooks of one session: what its own settings' secret stands beside, of the conversation it has now.
    Hooks {
        secret: &'a str,
        session: Option<&'a str>,
    },
    /// Claude Code's transcript.
    Claude,
    /// Codex's rollout.
    Codex,
}

/// What the newest records of one file come to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Turns {
    /// Whether a turn is open; `None` if no record says so.
    open: Option<bool>,
    /// In which word: the newest record that counts.
    word: &'static str,
    /// When that was.
    at: Option<Timestamp>,
    /// How the last turn failed.
    failed: Option<(Claim, String)>,
    /// What the open turn asked for.
    asked: Option<(Claim, String)>,
    /// The account's limit.
    limited: Option<Timestamp>,
    /// The program's version.
    pub(super) version: Option<String>,
    /// Whether a record is of a kind that is not known.
    is_strange: bool,
    /// Whether all of it was read and understood, and there is no turn in it.
    pub(super) is_bare: bool,
    /// What was not heard, and why.
    pub(super) ignored: Vec<String>,
}

/// One statement: what, in which words, and since when.
pub(super) type Said = (Claim, String, Timestamp);

impl Turns {
    /// Says what it means now for an agent that started then.
    pub(super) fn said(&self, born: Option<Timestamp>, now: Timestamp) -> Vec<Said> {
        let mut said = Vec::new();
        let (Some(open), Some(at)) = (self.open, self.at) else {
            return said;
        };
        // A second of slack for the clock of `/proc`.
        if born.is_some_and(|born| at.as_second() + 1 < born.as_second()) {
            said.push((Claim::Idle, "no turn since it started".to_owned(), now));
            return said;
        }
        // A window that is used up says nothing of an account with credits: the turn has to have failed of it.
        let has_failed = !open && self.failed.is_some();
        if let Some(until) = self.limited.filter(|until| has_failed && *until > now) {
            let claim = Claim::RateLimited(Some(until));
            said.push((claim, "its account's limit is used up".to_owned(), now));
        }
        if !open {
            said.push((Claim::Idle, self.word.to_owned(), now));
            // An error may pass, and no record tells that the provider is back: it is heard as of then, and later only the screen says
            // it. Who was refused is refused again until the next turn shows otherwise; a limit has its own end.
            let since = |claim: &Claim| match claim {
                Claim::RateLimited(_) | Claim::Login | Claim::Refused => now,
                _ => at.min(now),
            };
            said.extend(
                self.failed
                    .iter()
                    .map(|(claim, words)| (claim.clone(), words.clone(), since(claim))),
            );
            return said;
        }
        said.push((Claim::Busy, self.word.to_owned(), at));
        said.extend(
            self.asked
                .iter()
                .map(|(claim, words)| (claim.clone(), words.clone(), at)),
        );
        said
    }

    /// Whether its newest record is younger than that moment.
    pub(super) fn ends_after(&self, at: Timestamp) -> bool {
        self.open == Some(false) && self.at.is_some_and(|own| own > at)
    }

    /// Since when a turn is open.
    pub(super) fn open_since(&self) -> Option<Timestamp> {
        self.at.filter(|_| self.open == Some(true))
    }

    fn turn(&mut self, open: bool, word: &'static str, at: Option<Timestamp>) {
        self.open = Some(open);
        self.word = word;
        self.at = at.or(self.at);
        self.asked = None;
        self.failed = None;
    }

    fn claude(&mut self, record: &Value) {
        if record.get("isSidechain").and_then(Value::as_bool) == Some(true) {
            return;
        }
        let at = time(record);
        if let Some(version) = text(record, "/version") {
            self.version = Some(version.to_owned());
        }
        let is_meta = record.get("isMeta").and_then(Value::as_bool) == Some(true);
        match text(record, "/type") {
            Some("user") if !is_meta => match first_text(record.pointer("/message/content")) {
                Some(said) if said.starts_with("[Request interrupted by user") => {
                    self.turn(false, "interrupted", at);
                }
                Some(_) => self.turn(true, "a turn began", at),
                // The result of a tool: the turn goes on.
                None if self.open == Some(true) => self.turn(true, "a turn goes on", at),
                None => self.is_strange = true,
            },
            Some("assistant") => self.claude_answer(record, at),
            Some("system") if text(record, "/subtype") == Some("turn_duration") => {
                self.open = Some(false);
                self.at = at.or(self.at);
            }
            Some("user" | "system" | "summary" | "file-history-snapshot") => {}
            _ => self.is_strange = true,
        }
    }

    fn claude_answer(&mut self, record: &Value, at: Option<Timestamp>) {
        if record.get("isApiErrorMessage").and_then(Value::as_bool) == Some(true) {
            let words = first_text(record.pointer("/message/content")).unwrap_or_default();
            let status = record.get("apiErrorStatus").and_then(Value::as_u64);
            self.turn(false, "its turn failed", at);
            self.failed = Some(failure(status, text(record, "/error"), words, at));
            return;
        }
        match text(record, "/message/stop_reason") {
            Some("tool_use") => {
                self.turn(true, "a turn goes on", at);
                let parts = record.pointer("/message/content").and_then(Value::as_array);
                let asks = parts.into_iter().flatten().find_map(|part| {
                    let is_question = text(part, "/name") == Some("AskUserQuestion");
                    question(part.get("input")).filter(|_| is_question)
                });
                self.asked = asks.map(|words| (Claim::Question, words));
            }
            Some(_) => self.turn(false, "its turn ended", at),
            None => self.turn(true, "a turn goes on", at),
        }
    }

    /// A hook's own records have no time: the file's is that of the newest one.
    fn hook(&mut self, record: &Value, at: Option<Timestamp>) {
        match text(record, "/hook_event_name") {
            // A conversation is compacted in the middle of a turn.
            Some("SessionStart") if text(record, "/source") == Some("compact") => {}
            Some("SessionStart") => self.turn(false, "started", at),
            Some("UserPromptSubmit") => self.turn(true, "a turn began", at),
            Some("PermissionRequest") => {
                self.turn(true, "a turn goes on", at);
                self.asked = Some(approval(record));
            }
            Some("Stop") => self.turn(false, "its turn ended", at),
            Some("StopFailure") => {
                let words = text(record, "/last_assistant_message").unwrap_or_default();
                self.turn(false, "its turn failed", at);
                self.failed = Some(failure(None, text(record, "/error"), words, at));
            }
            Some("SessionEnd") => *self = Self::default(),
            _ => {}
        }
    }

    fn codex(&mut self, record: &Value) {
        let at = time(record);
        if let Some(version) = text(record, "/payload/cli_version") {
            self.version = Some(version.to_owned());
        }
        match text(record, "/payload/type") {
            Some("task_started") => self.turn(true, "a turn began", at),
            Some("task_complete") => match record.pointer("/payload/error") {
                Some(error) if error.is_object() => {
                    let words = text(error, "/message").unwrap_or_default();
                    self.turn(false, "its turn failed", at);
                    let info = error.get("codex_error_info");
                    // A word, or a word with what is known of it: `{"http_connection_failed": {"http_status_code": 401}}`.
                    let known = info.and_then(Value::as_object);
                    let status = known.and_then(|known| {
                        let mut of = known.values().filter_map(|of| of.get("http_status_code"));
                        of.find_map(Value::as_u64)
                    });
                    let word = info.and_then(Value::as_str);
                    self.failed = Some(failure(status, word, words, at));
                }
                _ => self.turn(false, "its turn ended", at),
            },
            Some("turn_aborted") => self.turn(false, "interrupted", at),
            Some("token_count") => {
                let limits = [
                    "/payload/rate_limits/primary",
                    "/payload/rate_limits/secondary",
                ];
                let spent = limits.iter().filter_map(|limit| {
                    let limit = record.pointer(limit)?;
                    let used = limit.get("used_percent")?.as_f64()?;
                    let resets = limit.get("resets_at")?.as_i64()?;
                    (used >= 100.0).then(|| Timestamp::from_second(resets).ok())?
                });
                self.limited = spent.max();
            }
            // Every record of an open turn says that it goes on.
            Some(_) if self.open == Some(true) => self.at = at.or(self.at),
            _ => {}
        }
    }
}

/// The files that were read, each as long as it does not change.
#[derive(Debug, Default)]
pub(super) struct FileCache(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    files: BTreeMap<(PathBuf, String), Entry>,
    /// Reads so far: what was used longest ago goes first.
    reads: u64,
    /// To which folder a rollout belongs: its first line does not change.
    folders: BTreeMap<PathBuf, PathBuf>,
}

#[derive(Debug)]
struct Entry {
    length: u64,
    written: SystemTime,
    used: u64,
    turns: Arc<Turns>,
}

impl FileCache {
    /// Reads a file's end; `None` if it is not there. Nobody waits for another's file.
    pub(super) fn read(&self, path: &Path, form: Form<'_>) -> Option<Arc<Turns>> {
        let facts = std::fs::metadata(path)
            .ok()
            .filter(std::fs::Metadata::is_file)?;
        let (length, written) = (facts.len(), facts.modified().ok()?);
        let key = (path.to_owned(), format!("{form:?}"));
        if let Some(turns) = self.lock().get(&key, length, written) {
            return Some(turns);
        }
        let turns = Arc::new(read(path, form, Timestamp::try_from(written).ok())?);
        let new = Entry {
            length,
            written,
            used: 0,
            turns: Arc::clone(&turns),
        };
        self.lock().put(key, new);
        Some(turns)
    }

    /// Returns the folder that a rollout belongs to; `None` if it cannot be read.
    pub(super) fn folder(&self, path: &Path) -> Option<PathBuf> {
        if let Some(known) = self.lock().folders.get(path) {
            return Some(known.clone());
        }
        let folder = super::rollout::folder(path)?;
        let mut kept = self.lock();
        if kept.folders.len() >= FOLDERS_MAX {
            kept.folders.clear();
        }
        kept.folders.insert(path.to_owned(), folder.clone());
        Some(folder)
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().expect("no holder of this lock panics")
    }
}

impl Kept {
    fn get(
        &mut self,
        key: &(PathBuf, String),
        length: u64,
        written: SystemTime,
    ) -> Option<Arc<Turns>> {
        self.reads += 1;
        let known = self.files.get_mut(key)?;
        known.used = self.reads;
        (known.length == length && known.written == written).then(|| Arc::clone(&known.turns))
    }

    fn put(&mut self, key: (PathBuf, String), file: Entry) {
        if self.files.len() >= FILES_MAX && !self.files.contains_key(&key) {
            let oldest = self.files.iter().min_by_key(|(_, file)| file.used);
            let oldest = oldest.map(|(key, _)| key.clone());
            oldest.and_then(|key| self.files.remove(&key));
        }
        let used = self.reads;
        self.files.insert(key, Entry { used, ..file });
    }
}

fn read(path: &Path, form: Form<'_>, written: Option<Timestamp>) -> Option<Turns> {
    let mut file = open_regular(path).ok()?;
    let length = file.metadata().ok()?.len();
    let start = length.saturating_sub(TAIL_BYTES);
    file.seek(SeekFrom::Start(start)).ok()?;
    let mut bytes = Vec::new();
    file.take(TAIL_BYTES).read_to_end(&mut bytes).ok()?;
    let mut turns = Turns::default();
    let (mut torn, mut strange, mut foreign) = (0, 0, 0);
    for (n, line) in bytes.split_inclusive(|byte| *byte == b'\n').enumerate() {
        // The first one begins before what was read.
        if n == 0 && start > 0 {
            continue;
        }
        if !line.ends_with(b"\n") {
            torn += 1;
            continue;
        }
        let Ok(record) = serde_json::from_slice::<Value>(line) else {
            strange += 1;
            continue;
        };
        match form {
            Form::Claude => turns.claude(&record),
            Form::Codex => turns.codex(&record),
            Form::Hooks { secret, session } => match signed(&record, secret, session) {
                Some(hook) => turns.hook(hook, written),
                None => foreign += 1,
            },
        }
    }
    let counts = [
        (torn, "a torn last line, left for later"),
        (strange, "lines that are no JSON"),
        (
            foreign,
            "events without this session's secret, or of another conversation",
        ),
    ];
    for (count, what) in counts.into_iter().filter(|(count, _)| *count > 0) {
        turns.ignored.push(format!("{what} ({count})"));
    }
    let is_clear = torn + strange == 0 && start == 0 && !turns.is_strange;
    turns.is_bare = is_clear && turns.open.is_none();
    if turns.open.is_none() && !bytes.is_empty() {
        let what = "no record of a kind that is known";
        turns.ignored.push(what.to_owned());
    }
    Some(turns)
}

/// Returns the event that a line of the hook spool carries, if it is this session's: the secret stands in its settings alone.
pub(super) fn signed<'a>(
    record: &'a Value,
    secret: &str,
    session: Option<&str>,
) -> Option<&'a Value> {
    let hook = record.get("hook")?;
    let of = text(hook, "/session_id");
    let is_ours = text(record, "/by") == Some(secret);
    let is_this = session.is_none_or(|session| of.is_none_or(|of| of == session));
    (is_ours && is_this).then_some(hook)
}

/// The provider's status in words of the program: `API Error: 400 ...`, `unexpected status 404 Not Found: ...`.
static STATUS: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?:API Error:|unexpected status) (\d{3})\b").expect("a pattern of ours")
});

/// Says how a turn failed, by the provider's status where it is known.
pub(super) fn failure(
    status: Option<u64>,
    error: Option<&str>,
    words: &str,
    at: Option<Timestamp>,
) -> (Claim, String) {
    let is_limit = status == Some(429)
        || matches!(error, Some("rate_limit" | "usage_limit_exceeded"))
        || words.contains("429");
    let until = at.and_then(|at| limit::until(words, at));
    let told = || STATUS.captures(words)?[1].parse().ok();
    let status = status.or_else(told);
    let claim = if let Some(until) = until.filter(|_| is_limit || limit::is_named(words)) {
        Claim::RateLimited(Some(until))
    } else if matches!(status, Some(401 | 403))
        || matches!(error, Some("authentication_failed" | "unauthorized"))
        || words.contains("Please run /login")
    {
        Claim::Login
    } else if is_refusal(status, error, words) {
        Claim::Refused
    } else {
        Claim::Failed
    };
    let words = if words.is_empty() {
        error.unwrap_or_default()
    } else {
        words
    };
    (claim, short(words))
}

/// Whether the provider refused the request itself. A time-out, a conflict, what came too early or too often passes.
fn is_refusal(status: Option<u64>, error: Option<&str>, words: &str) -> bool {
    let is_named = matches!(error, Some("model_not_found" | "invalid_request"))
        || words.contains("\"invalid_request_error\"");
    is_named || status.is_some_and(|it| (400..500).contains(&it) && !PASSING.contains(&it))
}

/// Says what a permission prompt is about.
fn approval(record: &Value) -> (Claim, String) {
    let tool = text(record, "/tool_name").unwrap_or_default();
    let input = record.get("tool_input");
    if tool == "AskUserQuestion" {
        return (Claim::Question, question(input).unwrap_or_default());
    }
    let keys = ["/command", "/file_path", "/url", "/path"];
    let what = input.and_then(|input| keys.iter().find_map(|key| text(input, key)));
    (
        Claim::Permission,
        short(&format!("{tool}: {}", what.unwrap_or_default())),
    )
}

fn question(input: Option<&Value>) -> Option<String> {
    let asked = text(input?, "/questions/0/question").or_else(|| text(input?, "/question"))?;
    Some(short(asked))
}

fn time(record: &Value) -> Option<Timestamp> {
    text(record, "/timestamp")?.parse().ok()
}

fn text<'a>(record: &'a Value, pointer: &str) -> Option<&'a str> {
    record.pointer(pointer).and_then(Value::as_str)
}

/// Returns the first text of a content: a text, or a list of parts. The result of a tool is none.
fn first_text(content: Option<&Value>) -> Option<&str> {
    match content? {
        Value::String(said) => Some(said),
        Value::Array(parts) => parts
            .iter()
            .filter(|part| text(part, "/type") == Some("text"))
            .find_map(|part| text(part, "/text")),
        _ => None,
    }
}

/// Makes words fit for one line that others may read. Keys go first: half of one that is cut off is no shape that is known.
pub(super) fn short(words: &str) -> String {
    crate::machine::text::one_line(&without_keys(words), WORDS_CHARS_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn second(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    fn record(at: i64, payload: &Value) -> Value {
        json!({"timestamp": second(at).to_string(), "payload": payload})
    }

    /// The claims that are fresh that many seconds later.
    fn heard(turns: &Turns, now: i64) -> Vec<Claim> {
        let now = second(now);
        let ttl = crate::machine::resolve::Source::Rollout.ttl();
        let said = turns.said(None, now).into_iter();
        said.filter(|(_, _, at)| now.duration_since(*at).unsigned_abs() <= ttl)
            .map(|(claim, _, _)| claim)
            .collect()
    }

    fn codex(records: &[(i64, Value)]) -> Turns {
        let mut turns = Turns::default();
        for (at, payload) in records {
            turns.codex(&record(*at, payload));
        }
        turns
    }

    #[test]
    fn a_full_cache_forgets_what_was_not_read_for_longest() {
        let dir = tempfile::TempDir::new().unwrap();
        let cache = FileCache::default();
        let path = |n: usize| dir.path().join(format!("{n}.jsonl"));
        for n in 0..=FILES_MAX {
            let record = record(0, &json!({"type": "task_started"}));
            std::fs::write(path(n), format!("{record}\n")).unwrap();
        }
        let read = |n: usize| cache.read(&path(n), Form::Codex).unwrap();
        let first = read(0);
        for n in 1..=FILES_MAX {
            read(n);
            assert!(Arc::ptr_eq(&first, &read(0)), "{n}: it is read each time");
        }
        assert_eq!(cache.lock().files.len(), FILES_MAX);
    }

    #[test]
    fn a_used_up_limit_counts_with_a_turn_that_failed_only() {
        let until = second(3600);
        let limits = json!({"primary": {"used_percent": 100.0, "resets_at": until.as_second()}});
        let spent = (1, json!({"type": "token_count", "rate_limits": limits}));
        let began = (0, json!({"type": "task_started"}));
        let ended = (2, json!({"type": "task_complete"}));
        let turns = codex(&[began.clone(), spent.clone()]);
        assert_eq!(heard(&turns, 3), [Claim::Busy]);
        let turns = codex(&[began.clone(), spent.clone(), ended]);
        assert_eq!(heard(&turns, 3), [Claim::Idle]);
        let failed = json!({"type": "task_complete", "error": {"message": "oops"}});
        let turns = codex(&[began, spent, (2, failed)]);
        let limit = Claim::RateLimited(Some(until));
        assert_eq!(heard(&turns, 90), [limit, Claim::Idle], "until its end");
    }

    #[test]
    fn a_conversation_that_is_compacted_in_a_turn_stays_busy() {
        let hook = |name: &str, source: &str| json!({"hook_event_name": name, "source": source});
        let mut turns = Turns::default();
        turns.hook(&hook("UserPromptSubmit", ""), Some(second(0)));
        turns.hook(&hook("SessionStart", "compact"), Some(second(1)));
        assert_eq!(heard(&turns, 2), [Claim::Busy]);
        turns.hook(&hook("SessionStart", "clear"), Some(second(2)));
        assert_eq!(heard(&turns, 3), [Claim::Idle]);
    }

    #[test]
    fn a_failure_is_heard_for_a_while_a_refusal_until_the_next_turn_ends() {
        let began = (0, json!({"type": "task_started"}));
        let error = |info: &str| json!({"message": "oops", "codex_error_info": info});
        let failed = |info: &str| (1, json!({"type": "task_complete", "error": error(info)}));
        for (info, claim, is_kept) in [
            ("unauthorized", Claim::Login, true),
            ("invalid_request", Claim::Refused, true),
            ("other", Claim::Failed, false),
        ] {
            let turns = codex(&[began.clone(), failed(info)]);
            assert_eq!(heard(&turns, 2), [Claim::Idle, claim.clone()]);
            let kept = [Claim::Idle, claim];
            let later = if is_kept { &kept[..] } else { &kept[..1] };
            assert_eq!(heard(&turns, 62), later, "{info}");
            let over = (3, json!({"type": "task_complete"}));
            let turns = codex(&[began.clone(), failed(info), over]);
            assert_eq!(heard(&turns, 4), [Claim::Idle], "{info}");
        }
    }
}

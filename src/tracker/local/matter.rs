//! Front matter: `issue.md` and comments as text. Parsing names the line; rendering keeps every character.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;

use jiff::Timestamp;
use saphyr::{LoadableYamlNode, MarkedYaml, Scalar, YamlData};

use crate::domain::{Actor, ActorId, ActorKind, Label};
use crate::tracker::local::file::{Damage, FRONT_BYTES_MAX};

const FENCE: &str = "---";
/// The most labels one issue may have.
pub(super) const LABELS_MAX: usize = 100;
/// The longest label.
pub(super) const LABEL_CHARS_MAX: usize = 100;

const ISSUE_KEYS: &str =
    "is not a key of an issue (title, state, labels, milestone, author, created, updated)";
const COMMENT_KEYS: &str = "is not a key of a comment (author, created, updated)";

/// `issue.md`.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct IssueFile {
    pub(super) title: String,
    pub(super) open: bool,
    pub(super) labels: BTreeSet<Label>,
    pub(super) milestone: Option<u64>,
    pub(super) author: Option<Actor>,
    pub(super) created: Option<Timestamp>,
    pub(super) updated: Option<Timestamp>,
    pub(super) body: String,
}

/// `comments/<ulid>.md`.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct CommentFile {
    pub(super) author: Option<Actor>,
    pub(super) created: Timestamp,
    pub(super) updated: Timestamp,
    pub(super) body: String,
}

/// One key of the front matter.
struct Field {
    key: String,
    line: usize,
    value: Value,
}

enum Value {
    Nothing,
    Text(String),
    List(Vec<(usize, String)>),
    Other,
}

impl IssueFile {
    pub(super) fn parse(path: &Path, text: &str) -> Result<Self, Damage> {
        let (fields, body) = fields(path, text)?;
        let mut file = Self {
            title: String::new(),
            open: true,
            labels: BTreeSet::new(),
            milestone: None,
            author: None,
            created: None,
            updated: None,
            body: body.to_owned(),
        };
        for field in &fields {
            match field.key.as_str() {
                "title" => field.title(path)?.clone_into(&mut file.title),
                "state" => file.open = field.open(path)?,
                "labels" => file.labels = field.labels(path)?,
                "milestone" => {
                    file.milestone =
                        field.optional(path, "is a number", |text| text.parse().ok())?;
                }
                "author" => file.author = field.actor(path)?,
                "created" => file.created = field.time(path)?,
                "updated" => file.updated = field.time(path)?,
                _ => return Err(field.damage(path, ISSUE_KEYS)),
            }
        }
        if file.title.trim().is_empty() || file.title.contains(['\n', '\r']) {
            return Err(Damage::new(
                path,
                line_of_key(&fields, "title"),
                "`title` is a text of one line",
            ));
        }
        Ok(file)
    }

    pub(super) fn render(&self) -> String {
        let labels: Vec<String> = self
            .labels
            .iter()
            .map(|label| quoted(label.as_str()))
            .collect();
        let mut text = format!(
            "{FENCE}\ntitle: {}\nstate: {}\nlabels: [{}]\n",
            quoted(&self.title),
            if self.open { "open" } else { "closed" },
            labels.join(", "),
        );
        if let Some(milestone) = self.milestone {
            writeln!(text, "milestone: {milestone}").expect("a String takes everything");
        }
        stamp(
            &mut text,
            self.author.as_ref(),
            [("created", self.created), ("updated", self.updated)],
        );
        text.push_str(FENCE);
        text.push('\n');
        text.push_str(&self.body);
        text
    }
}

impl CommentFile {
    pub(super) fn parse(path: &Path, text: &str) -> Result<Self, Damage> {
        let (fields, body) = fields(path, text)?;
        let (mut author, mut created, mut updated) = (None, None, None);
        for field in &fields {
            match field.key.as_str() {
                "author" => author = field.actor(path)?,
                "created" => created = field.time(path)?,
                "updated" => updated = field.time(path)?,
                _ => return Err(field.damage(path, COMMENT_KEYS)),
            }
        }
        let created = created.ok_or_else(|| Damage::new(path, 1, "`created` is missing"))?;
        Ok(Self {
            author,
            created,
            updated: updated.unwrap_or(created),
            body: body.to_owned(),
        })
    }

    pub(super) fn render(&self) -> String {
        let mut text = format!("{FENCE}\n");
        stamp(
            &mut text,
            self.author.as_ref(),
            [
                ("created", Some(self.created)),
                ("updated", Some(self.updated)),
            ],
        );
        text.push_str(FENCE);
        text.push('\n');
        text.push_str(&self.body);
        text
    }
}

impl Field {
    fn damage(&self, path: &Path, why: &str) -> Damage {
        Damage::new(path, self.line, format_args!("`{}` {why}", self.key))
    }

    fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) => Some(text),
            Value::Nothing | Value::List(_) | Value::Other => None,
        }
    }

    fn title(&self, path: &Path) -> Result<&str, Damage> {
        self.text()
            .ok_or_else(|| self.damage(path, "is a text of one line"))
    }

    fn open(&self, path: &Path) -> Result<bool, Damage> {
        match self.text() {
            Some("open") => Ok(true),
            Some("closed") => Ok(false),
            Some(_) | None => Err(self.damage(path, "is `open` or `closed`")),
        }
    }

    fn actor(&self, path: &Path) -> Result<Option<Actor>, Damage> {
        self.optional(path, "is `uid:<number> <name>`", actor)
    }

    fn time(&self, path: &Path) -> Result<Option<Timestamp>, Damage> {
        self.optional(path, "is a time like 2026-11-20T09:14:03Z", |text| {
            text.parse().ok()
        })
    }

    fn optional<T>(
        &self,
        path: &Path,
        expected: &str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Result<Option<T>, Damage> {
        match &self.value {
            Value::Nothing => Ok(None),
            Value::Text(text) => parse(text)
                .map(Some)
                .ok_or_else(|| self.damage(path, expected)),
            Value::List(_) | Value::Other => Err(self.damage(path, expected)),
        }
    }

    fn labels(&self, path: &Path) -> Result<BTreeSet<Label>, Damage> {
        let list = match &self.value {
            Value::Nothing => return Ok(BTreeSet::new()),
            Value::List(list) => list,
            Value::Text(_) | Value::Other => {
                return Err(Damage::new(
                    path,
                    self.line,
                    "`labels` is a list like [QA, p1]",
                ));
            }
        };
        if list.len() > LABELS_MAX {
            return Err(Damage::new(
                path,
                self.line,
                format_args!("an issue has at most {LABELS_MAX} labels"),
            ));
        }
        list.iter()
            .map(|(line, text)| match label_fault(text) {
                None => Ok(Label::new(text)),
                Some(why) => Err(Damage::new(path, *line, why)),
            })
            .collect()
    }
}

/// Returns what is wrong with a label's text.
pub(super) fn label_fault(text: &str) -> Option<String> {
    if text.trim().is_empty() {
        Some("a label has a text".to_owned())
    } else if text.chars().any(char::is_control) {
        Some("a label has no control characters".to_owned())
    } else if text.chars().count() > LABEL_CHARS_MAX {
        Some(format!("a label has at most {LABEL_CHARS_MAX} characters"))
    } else {
        None
    }
}

/// Splits a file into its front matter's fields and its body, which is everything after the second fence's line.
fn fields<'a>(path: &Path, text: &'a str) -> Result<(Vec<Field>, &'a str), Damage> {
    let mut lines = text.split_inclusive('\n');
    let first = lines.next().unwrap_or_default();
    if first.trim_end() != FENCE {
        return Err(Damage::new(
            path,
            1,
            "the file begins with a line `---`, then its keys, then `---` again",
        ));
    }
    let mut length = 0;
    let fence = lines
        .find(|line| {
            let found = line.trim_end() == FENCE;
            length += if found { 0 } else { line.len() };
            found || length > FRONT_BYTES_MAX
        })
        .filter(|line| line.trim_end() == FENCE);
    let Some(fence) = fence else {
        return Err(Damage::new(
            path,
            1,
            "the second line `---`, which ends the keys, is missing",
        ));
    };
    let front = &text[first.len()..first.len() + length];
    let body = &text[first.len() + length + fence.len()..];
    Ok((parse_front(path, front)?, body))
}

fn parse_front(path: &Path, front: &str) -> Result<Vec<Field>, Damage> {
    let damage = |line: usize, why: &str| Damage::new(path, line + 1, why);
    let documents = MarkedYaml::load_from_str(front)
        .map_err(|error| damage(error.marker().line(), error.info()))?;
    let Some(document) = documents.first() else {
        return Ok(Vec::new());
    };
    let YamlData::Mapping(mapping) = &document.data else {
        return Err(damage(
            document.span.start.line(),
            "each line is `key: value`",
        ));
    };
    mapping
        .iter()
        .map(|(key, node)| {
            let line = key.span.start.line();
            let name = scalar(key, front).ok_or_else(|| damage(line, "a key is a word"))?;
            Ok(Field {
                key: name,
                line: line + 1,
                value: value(node, front),
            })
        })
        .collect()
}

fn value(node: &MarkedYaml<'_>, front: &str) -> Value {
    match &node.data {
        YamlData::Value(Scalar::Null) => Value::Nothing,
        YamlData::Value(_) => scalar(node, front).map_or(Value::Other, Value::Text),
        YamlData::Sequence(list) => list
            .iter()
            .map(|item| Some((item.span.start.line() + 1, scalar(item, front)?)))
            .collect::<Option<_>>()
            .map_or(Value::Other, Value::List),
        _ => Value::Other,
    }
}

/// Returns a scalar as it was written: a label `1.0` is a text, not a number.
fn scalar(node: &MarkedYaml<'_>, front: &str) -> Option<String> {
    match &node.data {
        YamlData::Value(Scalar::String(text)) => Some(text.to_string()),
        YamlData::Value(_) => {
            let (start, end) = (node.span.start.index(), node.span.end.index());
            Some(
                front
                    .chars()
                    .skip(start)
                    .take(end.saturating_sub(start))
                    .collect::<String>()
                    .trim()
                    .to_owned(),
            )
        }
        _ => None,
    }
}

fn line_of_key(fields: &[Field], key: &str) -> usize {
    fields
        .iter()
        .find(|field| field.key == key)
        .map_or(1, |field| field.line)
}

/// Reads `uid:1000 ann`.
fn actor(text: &str) -> Option<Actor> {
    let (id, login) = text.split_once(' ').unwrap_or((text, text));
    uid(id)?;
    Some(Actor {
        id: ActorId::new(id),
        login: login.to_owned(),
        kind: ActorKind::User,
    })
}

/// Returns the number in `uid:<n>`.
pub(super) fn uid(id: &str) -> Option<u32> {
    id.strip_prefix("uid:")?.parse().ok()
}

fn stamp(text: &mut String, author: Option<&Actor>, times: [(&str, Option<Timestamp>); 2]) {
    if let Some(author) = author {
        let line = quoted(&format!("{} {}", author.id, author.login));
        writeln!(text, "author: {line}").expect("a String takes everything");
    }
    for (key, time) in times {
        if let Some(time) = time {
            writeln!(text, "{key}: {time}").expect("a String takes everything");
        }
    }
}

/// Writes a text as a YAML double-quoted scalar on one line; what an editor would not show is escaped.
fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            c if c.is_control()
                || matches!(
                    c,
                    '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}'
                ) =>
            {
                write!(out, "\\u{:04x}", u32::from(c)).expect("a String takes everything");
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

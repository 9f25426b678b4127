//! A skill's file -> `Skill`. The front matter is a small part of YAML, read event by event: no anchors, no aliases, no nesting beyond
//! one list or map, so that a file from a repository cannot make us spend more than its own length.

use std::collections::BTreeMap;
use std::ops::Range;

use saphyr_parser::{Event, Parser, Span};
use sha2::{Digest, Sha256};

use crate::config::problem::{Problem, Problems};
use crate::config::sheet::{Sheet, text_of};
use crate::config::table::At;
use crate::config::value::{self, Complaint};
use crate::config::workflow::hex;
use crate::domain::{Skill, SkillName, SkillSource};

/// Largest skill file.
pub const SKILL_BYTES_MAX: usize = 64 * 1024;
/// Largest front matter.
const FRONT_BYTES_MAX: usize = 8 * 1024;
const DESCRIPTION_CHARS_MAX: usize = 1024;

/// The keys of a front matter: those of the Agent Skills form.
const KEYS: [&str; 6] = [
    "name",
    "description",
    "license",
    "compatibility",
    "metadata",
    "allowed-tools",
];

/// A skill's name and, next to it, the file as the person knows it.
///
/// `skills/qa.md` and `skills/qa/SKILL.md` are both `qa`; everything else is no skill.
pub fn name_of(file: &str) -> Option<SkillName> {
    let path = file
        .strip_suffix("/SKILL.md")
        .or_else(|| file.strip_suffix(".md"))?;
    let stem = path.rsplit('/').next()?;
    value::name("skill's name", stem).ok().map(SkillName::new)
}

/// Reads a skill's file.
pub fn parse(file: &str, bytes: &[u8], source: SkillSource) -> Result<Skill, Vec<Problem>> {
    let text = text_of(file, bytes, SKILL_BYTES_MAX)?;
    let sheet = Sheet::new(file, text);
    let skill = read(file, &sheet, source);
    sheet.finish(skill)
}

/// Returns the skill of that name: the operator's, else the project's, else the shipped one.
///
/// `found` = the operator's and the shipped ones; `project` = file names below `.pointsman/skills` and their texts, from the default branch.
pub fn lookup(
    name: &SkillName,
    found: &BTreeMap<SkillName, Skill>,
    project: &BTreeMap<String, String>,
) -> Result<Option<Skill>, Problems> {
    let here = found.get(name);
    if let Some(skill) = here.filter(|skill| skill.source == SkillSource::Operator) {
        return Ok(Some(skill.clone()));
    }
    let Some((file, text)) = project
        .iter()
        .find(|(file, _)| name_of(file).as_ref() == Some(name))
    else {
        return Ok(here.cloned());
    };
    let read = parse(
        &format!(".pointsman/skills/{file}"),
        text.as_bytes(),
        SkillSource::Project,
    );
    read.map(Some)
        .map_err(|problems| Problems::new(problems).expect("an error has at least one problem"))
}

fn read(file: &str, sheet: &Sheet<'_>, source: SkillSource) -> Option<Skill> {
    let text = sheet.text();
    let name = name_of(file);
    if name.is_none() {
        let complaint = Complaint::new("the file's name is no skill's name")
            .expected(["`<name>.md` or `<name>/SKILL.md`"]);
        sheet.report(0..0, complaint);
    }
    if let Some((at, letter)) = text
        .char_indices()
        .find(|(_, letter)| letter.is_control() && !matches!(letter, '\n' | '\r' | '\t'))
    {
        let complaint = Complaint::new(format!("a control character, U+{:04X}", u32::from(letter)));
        sheet.report(
            at..at + letter.len_utf8(),
            complaint.hint("an agent's terminal would take it for a key"),
        );
    }
    let (front, body) = split(sheet)?;
    let keys = front
        .map(|span| front_matter(sheet, span))
        .unwrap_or_default();
    let scalar = |key: &str| {
        keys.iter()
            .find(|(at, _)| at.value == key)
            .and_then(|(_, value)| value.as_ref())
    };
    if let Some((at, name)) = scalar("name")
        .zip(name.as_ref())
        .filter(|(at, name)| at.value != name.as_str())
    {
        let complaint = Complaint::new(format!(
            "`name` is `{}`, and the file's name says `{name}`",
            at.value.escape_debug()
        ));
        sheet.report(
            at.span.clone(),
            complaint.hint("a skill is found by its file's name: make them equal"),
        );
    }
    if let Some(at) =
        scalar("description").filter(|at| at.value.chars().count() > DESCRIPTION_CHARS_MAX)
    {
        let message = format!("`description` is longer than {DESCRIPTION_CHARS_MAX} characters");
        sheet.report(at.span.clone(), Complaint::new(message));
    }
    let body = text[body].to_owned();
    if body.trim().is_empty() {
        sheet.report(
            text.len()..text.len(),
            Complaint::new("the skill says nothing")
                .hint("write what is wanted below the front matter"),
        );
    }
    let description =
        scalar("description").map_or_else(String::new, |at| at.value.trim().to_owned());
    Some(Skill {
        name: name?,
        description,
        digest: hex(&Sha256::digest(body.as_bytes())),
        body,
        source,
    })
}

/// Returns where the front matter and the body are; a file without front matter is all body.
fn split(sheet: &Sheet<'_>) -> Option<(Option<Range<usize>>, Range<usize>)> {
    let text = sheet.text();
    let mut lines = text.split_inclusive('\n');
    let first = lines.next().unwrap_or_default();
    if first.trim_end() != "---" {
        return Some((None, 0..text.len()));
    }
    let mut at = first.len();
    for line in lines {
        if line.trim_end() == "---" {
            if at - first.len() > FRONT_BYTES_MAX {
                let message = format!(
                    "the front matter is too long: at most {} KB",
                    FRONT_BYTES_MAX / 1024
                );
                sheet.report(0..3, Complaint::new(message));
                return None;
            }
            return Some((Some(first.len()..at), at + line.len()..text.len()));
        }
        at += line.len();
    }
    let complaint =
        Complaint::new("the front matter is not closed").hint("end it with a line `---`");
    sheet.report(0..3, complaint);
    None
}

/// Reads the keys with the texts of those that are texts.
fn front_matter(sheet: &Sheet<'_>, span: Range<usize>) -> Vec<(At<String>, Option<At<String>>)> {
    let yaml = &sheet.text()[span.clone()];
    let place = |found: Span| {
        let byte = |chars: usize| {
            yaml.char_indices()
                .nth(chars)
                .map_or(yaml.len(), |(byte, _)| byte)
        };
        span.start + byte(found.start.index())..span.start + byte(found.end.index())
    };
    let mut reading = Reading {
        sheet,
        keys: Vec::new(),
        key: None,
        depth: 0,
    };
    for event in Parser::new_from_str(yaml) {
        match event {
            Ok((event, found)) => {
                if !reading.take(event, place(found)) {
                    break;
                }
            }
            Err(error) => {
                let at = place(Span::empty(*error.marker()));
                let complaint = Complaint::new(format!("not YAML: {}", error.info()));
                sheet.report(
                    at,
                    complaint.expected(["`key: value` on each line, from here or the line before"]),
                );
                break;
            }
        }
    }
    reading.keys
}

/// Where the reading of a front matter stands.
struct Reading<'s, 't> {
    sheet: &'s Sheet<'t>,
    keys: Vec<(At<String>, Option<At<String>>)>,
    key: Option<At<String>>,
    depth: usize,
}

impl Reading<'_, '_> {
    /// Takes one event; returns whether to go on.
    fn take(&mut self, event: Event<'_>, span: Range<usize>) -> bool {
        match event {
            Event::Nothing
            | Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentStart(_)
            | Event::DocumentEnd => true,
            Event::Alias(_) => self.stop(span, "an alias", "write the value out"),
            Event::Scalar(_, _, anchor, _)
            | Event::SequenceStart(anchor, _)
            | Event::MappingStart(anchor, _)
                if anchor > 0 =>
            {
                self.stop(span, "an anchor", "write the value out")
            }
            Event::Scalar(text, ..) => self.scalar(text.into_owned(), span),
            Event::SequenceStart(..) if self.depth == 0 => {
                self.stop(span, "a list", "write `name: ...` and `description: ...`")
            }
            Event::SequenceStart(..) => self.open(span, "allowed-tools", "a list"),
            Event::MappingStart(..) if self.depth == 0 => {
                self.depth = 1;
                true
            }
            Event::MappingStart(..) => self.open(span, "metadata", "a map"),
            Event::SequenceEnd | Event::MappingEnd => {
                self.depth = self.depth.saturating_sub(1);
                true
            }
        }
    }

    fn stop(&self, span: Range<usize>, what: &str, hint: &str) -> bool {
        let complaint = Complaint::new(format!(
            "the front matter is keys and values, and this is {what}"
        ));
        self.sheet
            .report(span.start..span.start, complaint.hint(hint));
        false
    }

    /// A list or map as a value: only where the form has one, and nothing inside it.
    fn open(&mut self, span: Range<usize>, takes: &str, what: &str) -> bool {
        let Some(key) = self.key.take().filter(|_| self.depth == 1) else {
            return self.stop(span, "nested", "one list or map, no deeper");
        };
        self.depth += 1;
        if KEYS.contains(&key.value.as_str()) && key.value != takes {
            let message = format!("`{}` is {what}, not a text", key.value);
            self.sheet.report(
                span.start..span.start,
                Complaint::new(message).expected(["a text"]),
            );
        }
        self.keys.push((key, None));
        true
    }

    fn scalar(&mut self, text: String, span: Range<usize>) -> bool {
        let at = At { value: text, span };
        match (self.depth, self.key.take()) {
            (0, _) => {
                return self.stop(
                    at.span,
                    "a bare text",
                    "write `name: ...` and `description: ...`",
                );
            }
            (1, None) => {
                if !KEYS.contains(&at.value.as_str()) {
                    let complaint = value::unknown("key", &at.value, KEYS)
                        .hint("keys of other programs go below `metadata`");
                    self.sheet.report(at.span.clone(), complaint);
                } else if self.keys.iter().any(|(key, _)| key.value == at.value) {
                    self.sheet.report(
                        at.span.clone(),
                        Complaint::new(format!("`{}` is there twice", at.value)),
                    );
                }
                self.key = Some(at);
            }
            (1, Some(key)) => self.keys.push((key, Some(at))),
            (_, _) => {}
        }
        true
    }
}

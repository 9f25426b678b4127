//! What is wrong with a file, where, and what to do about it.
//!
//! Absent on purpose: no warnings. What a file says either holds or stops the file.

use std::fmt;
use std::ops::Range;

use annotate_snippets::{AnnotationKind, Element, Group, Level, Origin, Renderer, Snippet};

/// Longest part of a line that is kept for showing; the caret's place is always in it.
const EXCERPT_BYTES_MAX: usize = 4096;

/// One thing that is wrong with one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The file, as the person knows it (`projects/blog.toml`).
    pub file: String,
    /// The bytes it is about, in the file's text without byte order mark; `None` = the whole file.
    pub span: Option<Range<usize>>,
    /// The line, from 1; 0 = the whole file.
    pub line: usize,
    /// What is wrong, in one line.
    pub message: String,
    /// A word at the caret.
    pub label: Option<String>,
    /// What would be right.
    pub expected: Vec<String>,
    /// What to do.
    pub hint: Option<String>,
    excerpt: Option<Excerpt>,
}

/// The line a problem is about, kept so that a problem can be shown without its file.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Excerpt {
    text: String,
    caret: Range<usize>,
}

impl Problem {
    /// Makes a problem of the whole file.
    pub fn of_file(file: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            file: file.into(),
            span: None,
            line: 0,
            message: message.into(),
            label: None,
            expected: Vec::new(),
            hint: None,
            excerpt: None,
        }
    }

    /// Makes a problem of the bytes `span` of `text`.
    pub fn at(
        file: impl Into<String>,
        text: &str,
        span: Range<usize>,
        message: impl Into<String>,
    ) -> Self {
        let start = floor_boundary(text, span.start);
        let end = floor_boundary(text, span.end).max(start);
        let line_start = text[..start].rfind('\n').map_or(0, |newline| newline + 1);
        let line_end = text[start..]
            .find('\n')
            .map_or(text.len(), |newline| start + newline);
        let line = text[line_start..line_end].trim_end_matches('\r');
        let caret = start - line_start..end.min(line_start + line.len()).max(start) - line_start;
        Self {
            span: Some(start..end),
            line: text[..start].matches('\n').count() + 1,
            excerpt: Some(Excerpt::of(line, caret).redacted()),
            ..Self::of_file(file, message)
        }
    }

    /// Adds a word at the caret.
    #[must_use]
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = Some(label.into());
        self
    }

    /// Adds what would be right.
    #[must_use]
    pub fn expected<T: Into<String>>(mut self, expected: impl IntoIterator<Item = T>) -> Self {
        self.expected = expected.into_iter().map(Into::into).collect();
        self
    }

    /// Adds what to do.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    fn render(&self, renderer: &Renderer) -> String {
        let mut elements: Vec<Element<'_>> = Vec::new();
        match &self.excerpt {
            Some(excerpt) => {
                let caret = AnnotationKind::Primary
                    .span(excerpt.caret.clone())
                    .label(self.label.as_deref());
                let snippet = Snippet::source(excerpt.text.as_str())
                    .line_start(self.line)
                    .path(self.file.as_str());
                elements.push(snippet.annotation(caret).into());
            }
            None => elements.push(Origin::path(self.file.as_str()).into()),
        }
        if !self.expected.is_empty() {
            elements.push(
                Level::NOTE
                    .with_name("expected")
                    .message(self.expected.join(", "))
                    .into(),
            );
        }
        if let Some(hint) = &self.hint {
            elements.push(Level::HELP.with_name("hint").message(hint.as_str()).into());
        }
        let group =
            Group::with_title(Level::ERROR.primary_title(self.message.as_str())).elements(elements);
        renderer.render(&[group])
    }
}

impl Excerpt {
    fn of(line: &str, caret: Range<usize>) -> Self {
        let from = floor_boundary(line, caret.start.saturating_sub(EXCERPT_BYTES_MAX / 2));
        let to = floor_boundary(line, (from + EXCERPT_BYTES_MAX).min(line.len()));
        Self {
            text: line[from..to].to_owned(),
            caret: caret.start - from..caret.end.min(to) - from,
        }
    }
}

/// Words of a key whose value is nobody's to read in a log.
const SECRET_WORDS: [&str; 4] = ["token", "secret", "password", "api_key"];

impl Excerpt {
    /// Covers the value of a key that sounds like a secret: a config file should hold none, and ours never print one.
    fn redacted(self) -> Self {
        let Some((key, _)) = self.text.split_once('=') else {
            return self;
        };
        let folded = key.to_lowercase();
        if !SECRET_WORDS.iter().any(|word| folded.contains(word)) {
            return self;
        }
        let caret = self.caret.start.min(key.len())..self.caret.end.min(key.len());
        Self {
            text: format!("{key}= ..."),
            caret,
        }
    }
}

fn floor_boundary(text: &str, mut index: usize) -> usize {
    index = index.min(text.len());
    while !text.is_char_boundary(index) {
        index -= 1;
    }
    index
}

/// All that is wrong with a set of files, file by file. Never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems(Vec<Problem>);

impl Problems {
    /// Returns `None` when nothing is wrong; otherwise sorts by place, files in the order of their first problem.
    pub fn new(mut problems: Vec<Problem>) -> Option<Self> {
        let mut files: Vec<String> = Vec::new();
        for problem in &problems {
            if !files.contains(&problem.file) {
                files.push(problem.file.clone());
            }
        }
        problems.sort_by_key(|problem| {
            let file = files.iter().position(|file| *file == problem.file);
            (
                file,
                problem.span.as_ref().map(|span| (span.start, span.end)),
            )
        });
        problems.dedup();
        (!problems.is_empty()).then_some(Self(problems))
    }

    /// Returns the problems, file by file, each file's from top to bottom.
    pub fn list(&self) -> &[Problem] {
        &self.0
    }

    /// Returns the same text as `Display` with colours for a terminal.
    pub fn coloured(&self) -> String {
        self.render(&Renderer::styled())
    }

    fn render(&self, renderer: &Renderer) -> String {
        let texts: Vec<String> = self
            .0
            .iter()
            .map(|problem| problem.render(renderer))
            .collect();
        texts.join("\n\n")
    }
}

impl From<Problem> for Problems {
    fn from(problem: Problem) -> Self {
        Self(vec![problem])
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.render(&Renderer::plain());
        for (index, line) in text.lines().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            f.write_str(line.trim_end())?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

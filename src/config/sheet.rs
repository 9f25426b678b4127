//! One file while it is read: its text, and all that was found wrong with it so far.

use std::cell::{Cell, RefCell};
use std::ops::Range;

use toml::Spanned;
use toml::de::DeTable;

use crate::config::problem::Problem;
use crate::config::value::Complaint;

/// Largest configuration file.
pub const FILE_BYTES_MAX: usize = 256 * 1024;

/// Turns a file's bytes into its text: UTF-8, not too large, without byte order mark.
pub fn text_of<'b>(file: &str, bytes: &'b [u8], bytes_max: usize) -> Result<&'b str, Vec<Problem>> {
    if bytes.len() > bytes_max {
        let message = format!(
            "the file is too large: {} KB, at most {} KB",
            bytes.len().div_ceil(1024),
            bytes_max / 1024
        );
        return Err(vec![Problem::of_file(file, message)]);
    }
    let bytes = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes);
    std::str::from_utf8(bytes).map_err(|error| {
        let good = String::from_utf8_lossy(&bytes[..error.valid_up_to()]);
        let end = good.len();
        let problem = Problem::at(file, &good, end..end, "the file is not UTF-8")
            .label(format!("byte 0x{:02x}", bytes[error.valid_up_to()]));
        vec![problem.hint("save it as UTF-8")]
    })
}

fn span_of(problem: &Problem) -> Range<usize> {
    problem.span.clone().unwrap_or(0..0)
}

/// One file while it is read.
#[derive(Debug)]
pub(crate) struct Sheet<'t> {
    file: String,
    text: &'t str,
    problems: RefCell<Vec<Problem>>,
    broken: Cell<bool>,
}

impl<'t> Sheet<'t> {
    /// Begins a file.
    pub(crate) fn new(file: &str, text: &'t str) -> Self {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        Self {
            file: file.to_owned(),
            text,
            problems: RefCell::default(),
            broken: Cell::new(false),
        }
    }

    /// Returns the file's text without byte order mark.
    pub(crate) fn text(&self) -> &'t str {
        self.text
    }

    /// Parses the file as TOML, recovering from what is wrong with its syntax.
    pub(crate) fn toml(&self) -> Spanned<DeTable<'t>> {
        if self.text.len() > FILE_BYTES_MAX {
            self.broken.set(true);
            let message = format!(
                "the file is too large: at most {} KB",
                FILE_BYTES_MAX / 1024
            );
            self.problems
                .borrow_mut()
                .push(Problem::of_file(&self.file, message));
            return Spanned::new(0..0, DeTable::new());
        }
        let (table, errors) = DeTable::parse_recoverable(self.text);
        let mut lines: Vec<usize> = Vec::new();
        for error in errors {
            let (message, expected) = error
                .message()
                .split_once(", expected ")
                .unwrap_or((error.message(), ""));
            let span = error.span().unwrap_or(0..0);
            let mut problem = Problem::at(&self.file, self.text, span, message);
            if !expected.is_empty() {
                problem = problem.expected([expected]);
            }
            // One mistake often breaks the rest of its line: the first word on it is the useful one.
            if !lines.contains(&problem.line) {
                lines.push(problem.line);
                self.problems.borrow_mut().push(problem);
            }
            self.broken.set(true);
        }
        table
    }

    /// Makes a problem of a place in this file.
    pub(crate) fn problem(&self, span: Range<usize>, complaint: Complaint) -> Problem {
        let mut problem = Problem::at(&self.file, self.text, span, complaint.message)
            .expected(complaint.expected);
        problem.label = complaint.label;
        problem.hint = complaint.hint;
        problem
    }

    /// Records what is wrong at a place. A line with a syntax error gets no second word: it would speak of leftovers.
    pub(crate) fn report(&self, span: Range<usize>, complaint: Complaint) {
        let problem = self.problem(span, complaint);
        let mut problems = self.problems.borrow_mut();
        let leftover = || {
            span_of(&problem) == (0..0) || problems.iter().any(|other| other.line == problem.line)
        };
        if !(self.broken.get() && leftover()) {
            problems.push(problem);
        }
    }

    /// Records what only the whole file can tell (a missing key, an unknown name): silent while its syntax is broken.
    pub(crate) fn report_whole(&self, span: Range<usize>, complaint: Complaint) {
        if !self.broken.get() {
            self.report(span, complaint);
        }
    }

    /// Returns whether nothing was found wrong so far.
    pub(crate) fn is_clean(&self) -> bool {
        self.problems.borrow().is_empty()
    }

    /// Ends the file: its value, or all that is wrong with it.
    pub(crate) fn finish<T>(self, value: Option<T>) -> Result<T, Vec<Problem>> {
        let problems = self.problems.into_inner();
        match value {
            Some(value) if problems.is_empty() => Ok(value),
            Some(_) | None if !problems.is_empty() => Err(problems),
            Some(_) | None => Err(vec![Problem::of_file(self.file, "the file has no value")]),
        }
    }
}

//! One TOML table while it is read. Asking for a key makes it known; what nobody asked for is refused.

use std::cell::RefCell;
use std::ops::{Range, RangeInclusive};
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::config::sheet::Sheet;
use crate::config::value::{self, Complaint};

/// Most entries of one list.
const LIST_MAX: usize = 200;
/// Longest text of one value.
const TEXT_BYTES_MAX: usize = 8 * 1024;

/// A value and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct At<T> {
    /// The value.
    pub(crate) value: T,
    /// Its bytes in the file.
    pub(crate) span: Range<usize>,
}

/// One table while it is read.
#[derive(Debug)]
pub(crate) struct Table<'a> {
    sheet: &'a Sheet<'a>,
    name: String,
    span: Range<usize>,
    entries: &'a DeTable<'a>,
    known: RefCell<Vec<&'static str>>,
}

impl<'a> Table<'a> {
    /// Begins the file's own table.
    pub(crate) fn root(sheet: &'a Sheet<'a>, root: &'a Spanned<DeTable<'a>>) -> Self {
        Self::new(sheet, "the file".to_owned(), 0..0, root.get_ref())
    }

    fn new(
        sheet: &'a Sheet<'a>,
        name: String,
        span: Range<usize>,
        entries: &'a DeTable<'a>,
    ) -> Self {
        Self {
            sheet,
            name,
            span,
            entries,
            known: RefCell::default(),
        }
    }

    /// Returns the table's head.
    pub(crate) fn span(&self) -> Range<usize> {
        self.span.clone()
    }

    /// Returns the keys with their places; for tables whose keys are the person's own.
    pub(crate) fn own_keys(&self) -> Vec<At<String>> {
        self.entries
            .keys()
            .map(|key| At {
                value: key.get_ref().to_string(),
                span: key.span(),
            })
            .collect()
    }

    /// Returns whether the key is there, whatever its value.
    pub(crate) fn has(&self, key: &str) -> bool {
        self.entries.contains_key(key)
    }

    fn value(&self, key: &'static str) -> Option<&'a Spanned<DeValue<'a>>> {
        self.known.borrow_mut().push(key);
        self.entries.get(key)
    }

    fn mistyped<T>(&self, key: &str, found: &Spanned<DeValue<'_>>, wanted: &str) -> Option<T> {
        let message = format!("`{key}` is {}, not {wanted}", kind(found.get_ref()));
        self.sheet.report(found.span(), Complaint::new(message));
        None
    }

    /// Reports that a key is absent, at the table's head.
    pub(crate) fn missing(&self, key: &str) {
        let complaint = Complaint::new(format!("`{key}` is missing in {}", self.name))
            .hint(format!("add `{key} = ...`"));
        self.sheet.report_whole(self.span.clone(), complaint);
    }

    /// Returns the value, reporting its absence.
    pub(crate) fn required<T>(&self, key: &'static str, value: Option<T>) -> Option<T> {
        if value.is_none() && !self.has(key) {
            self.missing(key);
        }
        value
    }

    /// Reports what is wrong with a key's value.
    pub(crate) fn refuse(&self, key: &str, complaint: Complaint) {
        let span = self
            .entries
            .get(key)
            .map_or_else(|| self.span.clone(), Spanned::span);
        self.sheet.report(span, complaint);
    }

    /// Reads a text: not empty, without control characters.
    pub(crate) fn text(&self, key: &'static str) -> Option<At<String>> {
        let found = self.value(key)?;
        match found.get_ref() {
            DeValue::String(text) => self.checked_text(key, text, found.span()),
            _ => self.mistyped(key, found, "a text in quotes"),
        }
    }

    fn checked_text(&self, key: &str, text: &str, span: Range<usize>) -> Option<At<String>> {
        let complaint = if text.trim().is_empty() {
            Complaint::new(format!("`{key}` is empty"))
        } else if text.len() > TEXT_BYTES_MAX {
            Complaint::new(format!(
                "`{key}` is too long: at most {TEXT_BYTES_MAX} bytes"
            ))
        } else if text.chars().any(char::is_control) {
            Complaint::new(format!("`{key}` holds a control character or a line break"))
        } else {
            return Some(At {
                value: text.to_owned(),
                span,
            });
        };
        self.sheet.report(span, complaint);
        None
    }

    /// Reads a text and makes something of it.
    pub(crate) fn parsed<T>(
        &self,
        key: &'static str,
        parse: impl FnOnce(&str) -> Result<T, Complaint>,
    ) -> Option<At<T>> {
        let text = self.text(key)?;
        match parse(&text.value) {
            Ok(value) => Some(At {
                value,
                span: text.span,
            }),
            Err(complaint) => {
                self.sheet.report(text.span, complaint);
                None
            }
        }
    }

    /// Reads one of a few words.
    pub(crate) fn word<T: Copy>(&self, key: &'static str, words: &[(&str, T)]) -> Option<At<T>> {
        self.parsed(key, |text| {
            let found = words
                .iter()
                .find(|(word, _)| *word == text)
                .map(|(_, value)| *value);
            found.ok_or_else(|| {
                let known = words.iter().map(|(word, _)| *word);
                let message = format!("`{key}` cannot be `{}`", text.escape_debug());
                Complaint {
                    message,
                    ..value::unknown("", text, known)
                }
            })
        })
    }

    /// Reads a list of texts; an absent one is `None`.
    pub(crate) fn texts(&self, key: &'static str) -> Option<Vec<At<String>>> {
        let found = self.value(key)?;
        let DeValue::Array(entries) = found.get_ref() else {
            return self.mistyped(key, found, "a list of texts in brackets");
        };
        if entries.iter().count() > LIST_MAX {
            self.sheet.report(
                found.span(),
                Complaint::new(format!("`{key}` has more than {LIST_MAX} entries")),
            );
            return None;
        }
        let mut texts = Vec::new();
        for entry in entries {
            match entry.get_ref() {
                DeValue::String(text) => texts.extend(self.checked_text(key, text, entry.span())),
                _ => self
                    .mistyped::<()>(key, entry, "a text in quotes")
                    .unwrap_or_default(),
            }
        }
        Some(texts)
    }

    /// Reads `true` or `false`.
    pub(crate) fn flag(&self, key: &'static str) -> Option<At<bool>> {
        let found = self.value(key)?;
        match found.get_ref() {
            DeValue::Boolean(flag) => Some(At {
                value: *flag,
                span: found.span(),
            }),
            _ => self.mistyped(key, found, "`true` or `false`"),
        }
    }

    /// Reads a number in a range.
    pub(crate) fn number(&self, key: &'static str, range: &RangeInclusive<u32>) -> Option<At<u32>> {
        let found = self.value(key)?;
        let DeValue::Integer(integer) = found.get_ref() else {
            return self.mistyped(key, found, "a whole number");
        };
        let number = i64::from_str_radix(integer.as_str(), integer.radix())
            .ok()
            .and_then(|number| u32::try_from(number).ok());
        let value = number.filter(|number| range.contains(number));
        if value.is_none() {
            self.out_of_range(key, found, format!("{} to {}", range.start(), range.end()));
        }
        value.map(|value| At {
            value,
            span: found.span(),
        })
    }

    /// Reads a positive number of any size: somebody else's id.
    pub(crate) fn id(&self, key: &'static str) -> Option<At<u64>> {
        let found = self.value(key)?;
        let DeValue::Integer(integer) = found.get_ref() else {
            return self.mistyped(key, found, "a whole number");
        };
        let value = u64::from_str_radix(integer.as_str(), integer.radix()).ok();
        if value.is_none() {
            self.out_of_range(key, found, "a positive whole number".to_owned());
        }
        value.map(|value| At {
            value,
            span: found.span(),
        })
    }

    fn out_of_range(&self, key: &str, found: &Spanned<DeValue<'_>>, expected: String) {
        self.sheet.report(
            found.span(),
            Complaint::new(format!("`{key}` is out of range")).expected([expected]),
        );
    }

    /// Reads a duration in a range.
    pub(crate) fn duration(
        &self,
        key: &'static str,
        range: &RangeInclusive<Duration>,
    ) -> Option<At<Duration>> {
        let wanted = "a duration: `90s`, `10m`, `2h`, `1d`";
        if let Some(found) = self
            .entries
            .get(key)
            .filter(|found| !found.get_ref().is_str())
        {
            self.known.borrow_mut().push(key);
            return self.mistyped(key, found, wanted);
        }
        self.parsed(key, |text| {
            let duration = value::duration(text)?;
            if range.contains(&duration) {
                return Ok(duration);
            }
            let span = format!(
                "{} to {}",
                value::duration_text(*range.start()),
                value::duration_text(*range.end())
            );
            Err(Complaint::new(format!("`{key}` is out of range")).expected([span]))
        })
    }

    /// Reads a moment: an RFC 3339 text, or TOML's own.
    pub(crate) fn timestamp(&self, key: &'static str) -> Option<At<jiff::Timestamp>> {
        let found = self.value(key)?;
        let text = match found.get_ref() {
            DeValue::String(text) => text.to_string(),
            DeValue::Datetime(moment) => moment.to_string(),
            _ => return self.mistyped(key, found, "a moment: `2026-11-20T09:14:03Z`"),
        };
        let value = text.parse().ok();
        if value.is_none() {
            let complaint = Complaint::new(format!("`{key}` is not a moment"));
            self.sheet.report(
                found.span(),
                complaint.expected(["date, time and zone: `2026-11-20T09:14:03Z`"]),
            );
        }
        value.map(|value| At {
            value,
            span: found.span(),
        })
    }

    /// Reads a table below this one.
    pub(crate) fn table(&self, key: &'static str) -> Option<Table<'a>> {
        let found = self.value(key)?;
        match found.get_ref() {
            DeValue::Table(entries) => Some(Table::new(
                self.sheet,
                format!("`[{key}]`"),
                found.span(),
                entries,
            )),
            DeValue::Array(_) => self.mistyped(key, found, &format!("one table: `[{key}]`")),
            _ => self.mistyped(key, found, &format!("a table: `[{key}]`")),
        }
    }

    /// Reads the tables of a list: `[[key]]`.
    pub(crate) fn tables(&self, key: &'static str) -> Vec<Table<'a>> {
        let Some(found) = self.value(key) else {
            return Vec::new();
        };
        let wanted = format!("a list of tables: `[[{key}]]`");
        let DeValue::Array(entries) = found.get_ref() else {
            return self.mistyped(key, found, &wanted).unwrap_or_default();
        };
        if entries.iter().count() > LIST_MAX {
            self.sheet.report(
                found.span(),
                Complaint::new(format!("more than {LIST_MAX} `[[{key}]]`")),
            );
            return Vec::new();
        }
        let mut tables = Vec::new();
        for entry in entries {
            match entry.get_ref() {
                DeValue::Table(table) => tables.push(Table::new(
                    self.sheet,
                    format!("`[[{key}]]`"),
                    entry.span(),
                    table,
                )),
                _ => self.mistyped::<()>(key, entry, &wanted).unwrap_or_default(),
            }
        }
        tables
    }

    /// Reads a table whose keys are the person's own and whose values are texts.
    pub(crate) fn pairs(&self, key: &'static str) -> Vec<(At<String>, At<String>)> {
        let Some(table) = self.table(key) else {
            return Vec::new();
        };
        let mut pairs = Vec::new();
        for (name, found) in table.entries {
            match found.get_ref() {
                DeValue::String(text) => {
                    let own = At {
                        value: name.get_ref().to_string(),
                        span: name.span(),
                    };
                    pairs.extend(
                        self.checked_text(name.get_ref(), text, found.span())
                            .map(|text| (own, text)),
                    );
                }
                _ => self
                    .mistyped::<()>(name.get_ref(), found, "a text in quotes")
                    .unwrap_or_default(),
            }
        }
        pairs.sort_by_key(|(name, _)| name.span.start);
        pairs
    }

    /// Refuses every key that nobody asked for.
    pub(crate) fn close(self) {
        let known = self.known.into_inner();
        for (key, _) in self.entries {
            let name: &str = key.get_ref();
            if !known.contains(&name) {
                let message = format!("unknown key `{}` in {}", name.escape_debug(), self.name);
                let complaint = Complaint::new(message)
                    .meant(name, known.iter().copied())
                    .expected(known.iter().copied());
                self.sheet.report(key.span(), complaint);
            }
        }
    }
}

fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) => "a number",
        DeValue::Float(_) => "a number with a point",
        DeValue::Boolean(_) => "`true` or `false`",
        DeValue::Datetime(_) => "a moment",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

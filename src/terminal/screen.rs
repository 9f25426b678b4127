//! What a screen says: captures with their attributes, and a profile's rules over their regions.

use regex::{Regex, RegexBuilder};

use super::ere;
use crate::domain::{Profile, Region, ScreenClaim, screen_pattern};

/// Rows below the composer's first one that are searched for the rest of a draft.
const DRAFT_ROWS_MAX: usize = 40;
/// Blanks between the composer and a sidebar, at the least (`OpenCode`, wider than 120 columns): nobody types that many.
pub(super) const SIDEBAR_GAP: usize = 40;

/// A visible screen: one row per row of the terminal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Capture {
    /// The rows, from the top.
    pub rows: Vec<Row>,
}

/// One row: its text, and which letters are dim or reversed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Row {
    /// The letters, without escape sequences and without blanks at the end.
    pub text: String,
    pub(super) looks: Vec<Look>,
}

/// How one letter is drawn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Look {
    pub(super) dim: bool,
    pub(super) reverse: bool,
}

impl Capture {
    /// Reads `capture-pane -p -e`. Attributes carry over from row to row, as tmux prints them.
    pub fn parse<'a>(rows: impl IntoIterator<Item = &'a str>) -> Self {
        let mut look = Look::default();
        Self {
            rows: rows
                .into_iter()
                .map(|row| Row::parse(row, &mut look))
                .collect(),
        }
    }

    /// Returns the screen as plain text.
    pub fn text(&self) -> String {
        self.rows
            .iter()
            .map(|row| row.text.as_str())
            .collect::<Vec<_>>()
            .join("\n")
    }
}

impl Row {
    fn parse(printed: &str, look: &mut Look) -> Self {
        let mut row = Self::default();
        let mut letters = printed.chars().peekable();
        while let Some(letter) = letters.next() {
            match letter {
                '\u{1b}' => match letters.next() {
                    Some('[') => {
                        let mut parameters = String::new();
                        let end = letters.by_ref().find(|end| {
                            let ends = ('@'..='~').contains(end);
                            if !ends {
                                parameters.push(*end);
                            }
                            ends
                        });
                        if end == Some('m') {
                            look.apply(&parameters);
                        }
                    }
                    // An operating system command (a hyperlink): up to BEL or ESC \.
                    Some(']') => while !matches!(letters.next(), None | Some('\u{7}' | '\\')) {},
                    _ => {}
                },
                // Shift in and out: line drawing letters, which are drawn, not typed.
                '\u{e}' | '\u{f}' | '\r' => {}
                _ => {
                    row.text.push(letter);
                    row.looks.push(*look);
                }
            }
        }
        let kept = row.text.trim_end_matches(' ').len();
        row.text.truncate(kept);
        row.looks.truncate(row.text.chars().count());
        row
    }

    /// Returns what a person typed between two bytes. With `dim_is_ghost`, that is what is drawn there without what is dim and
    /// without a reversed first cell in front of dim text: a software cursor on a placeholder (facts/agents.md 4.2).
    fn typed(&self, start: usize, end: usize, dim_is_ghost: bool) -> String {
        let skip = self.text[..start].chars().count();
        let looks = self.looks[skip..].iter().copied();
        let mut cells: Vec<(char, Look)> = self.text[start..end].chars().zip(looks).collect();
        if dim_is_ghost {
            let is_blank = |(letter, look): &(char, Look)| look.dim || letter.is_whitespace();
            let first = cells.iter().position(|(letter, _)| !letter.is_whitespace());
            let first = first.unwrap_or(cells.len());
            let rest = cells.get(first + 1..).unwrap_or_default();
            let has_dim = rest
                .iter()
                .any(|(letter, look)| look.dim && !letter.is_whitespace());
            let is_cursor = cells.get(first).is_some_and(|(_, look)| look.reverse);
            if is_cursor && has_dim && rest.iter().all(is_blank) {
                return String::new();
            }
            cells
                .iter_mut()
                .filter(|(_, look)| look.dim)
                .for_each(|(letter, _)| *letter = ' ');
        }
        let text: String = cells.into_iter().map(|(letter, _)| letter).collect();
        text.trim().trim_end_matches(is_frame).trim_end().to_owned()
    }
}

impl Look {
    /// Applies one SGR sequence. Colours are skipped with their numbers, so that a 2 or 7 inside them is not an attribute.
    fn apply(&mut self, parameters: &str) {
        let mut numbers = parameters.split(';').map(|number| {
            number
                .split(':')
                .next()
                .unwrap_or("")
                .parse::<u16>()
                .unwrap_or(0)
        });
        while let Some(number) = numbers.next() {
            match number {
                0 => *self = Self::default(),
                2 => self.dim = true,
                7 => self.reverse = true,
                22 => self.dim = false,
                27 => self.reverse = false,
                38 | 48 | 58 if !parameters.contains(':') => match numbers.next() {
                    Some(5) => drop(numbers.next()),
                    Some(2) => drop((numbers.next(), numbers.next(), numbers.next())),
                    _ => {}
                },
                _ => {}
            }
        }
    }
}

/// What stands in the composer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Composer {
    /// It is not on the screen.
    Absent,
    /// Nothing, or a placeholder.
    Empty,
    /// Somebody's text, ours included; further rows joined by a blank.
    Draft(String),
}

/// What one screen says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScreenReading {
    /// The composer.
    pub composer: Composer,
    /// Its first row, from 0.
    pub composer_row: Option<u16>,
    /// The first rule that matched, with its name.
    pub rule: Option<(String, ScreenClaim)>,
    /// The first rule that claims a dialog of any kind, whatever matched before it: a visible dialog vetoes.
    pub dialog: Option<(String, ScreenClaim)>,
}

/// A profile's pattern that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("the pattern of `{name}` in profile `{profile}` cannot be read")]
pub struct ProfileError {
    /// The profile.
    pub profile: String,
    /// The rule or key.
    pub name: String,
    /// Why.
    #[source]
    pub source: Box<regex::Error>,
}

/// A profile's patterns, compiled once.
#[derive(Clone, Debug)]
pub struct Recogniser {
    composer: Option<Regex>,
    rules: Vec<(String, Region, ScreenClaim, Regex)>,
    placeholder: Vec<String>,
    placeholder_dim: bool,
    title_busy: Option<Regex>,
    title_idle: Option<Regex>,
    title_asks: Option<Regex>,
    /// The dialog rules in the server's words, and the same for us.
    dialogs: Option<(String, Regex)>,
    /// Rules that claim a dialog and cannot be said in the server's words: only captures see them.
    pub unguarded: Vec<String>,
    pub(super) cursor_in_composer: bool,
    pub(super) clear_key: Option<String>,
}

/// What a title says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TitleClaim {
    Asks,
    Busy,
    Idle,
}

impl Recogniser {
    /// Compiles a profile's patterns.
    pub fn new(profile: &Profile) -> Result<Self, ProfileError> {
        let named = |name: &str, built: Result<Regex, regex::Error>| {
            built.map_err(|source| ProfileError {
                profile: profile.name.to_string(),
                name: name.to_owned(),
                source: Box::new(source),
            })
        };
        let build = |name: &str, pattern: &str| named(name, screen_pattern(pattern));
        let blind = |pattern: &str| RegexBuilder::new(pattern).case_insensitive(true).build();
        let optional = |name: &str, pattern: &Option<String>| {
            pattern
                .as_ref()
                .map(|pattern| build(name, pattern))
                .transpose()
        };
        let mut rules = Vec::new();
        let mut words = Vec::new();
        let mut unguarded = Vec::new();
        for rule in &profile.screen.rules {
            rules.push((
                rule.name.clone(),
                rule.region,
                rule.claim,
                build(&rule.name, &rule.pattern)?,
            ));
            if is_dialog(rule.claim) {
                match ere::translate(&rule.pattern).filter(|word| blind(word).is_ok()) {
                    Some(word) => words.push(format!("({word})")),
                    None => unguarded.push(rule.name.clone()),
                }
            }
        }
        let words = words.join("|");
        let dialogs = if words.is_empty() {
            None
        } else {
            Some((words.clone(), named("dialogs", blind(&words))?))
        };
        Ok(Self {
            composer: optional("composer", &profile.screen.composer)?,
            rules,
            placeholder: profile.screen.placeholder.clone(),
            placeholder_dim: profile.screen.placeholder_dim,
            title_busy: optional("title_busy", &profile.signals.title_busy)?,
            title_idle: optional("title_idle", &profile.signals.title_idle)?,
            title_asks: optional("title_asks", &profile.signals.title_asks)?,
            dialogs,
            unguarded,
            cursor_in_composer: profile.submit.cursor_in_composer,
            clear_key: profile.submit.clear_key.clone(),
        })
    }

    /// Reads one screen.
    pub fn read(&self, capture: &Capture) -> ScreenReading {
        let found = self.find_composer(capture);
        let row = found.as_ref().map(|(row, _)| *row);
        let mut reading = ScreenReading {
            composer: found.map_or(Composer::Absent, |(_, composer)| composer),
            composer_row: row.and_then(|row| u16::try_from(row).ok()),
            rule: None,
            dialog: None,
        };
        for (name, region, claim, pattern) in &self.rules {
            if reading.rule.is_some() && (!is_dialog(*claim) || reading.dialog.is_some()) {
                continue;
            }
            if region_text(capture, *region, row).is_some_and(|text| pattern.is_match(&text)) {
                let hit = Some((name.clone(), *claim));
                if is_dialog(*claim) && reading.dialog.is_none() {
                    reading.dialog.clone_from(&hit);
                }
                if reading.rule.is_none() {
                    reading.rule = hit;
                }
            }
        }
        reading
    }

    /// Returns the server's search for dialogs, and what it answers on this screen: the first row that matches, from 1, or 0.
    pub(super) fn dialog_search(&self, capture: &Capture) -> Option<(&str, usize)> {
        let (words, pattern) = self.dialogs.as_ref()?;
        let row = capture
            .rows
            .iter()
            .position(|row| pattern.is_match(&row.text));
        Some((words, row.map_or(0, |row| row + 1)))
    }

    /// Reads a title; asking wins over busy, busy over idle.
    pub(super) fn read_title(&self, title: &str) -> Option<TitleClaim> {
        let says = |pattern: &Option<Regex>| {
            pattern
                .as_ref()
                .is_some_and(|pattern| pattern.is_match(title))
        };
        if says(&self.title_asks) {
            Some(TitleClaim::Asks)
        } else if says(&self.title_busy) {
            Some(TitleClaim::Busy)
        } else {
            says(&self.title_idle).then_some(TitleClaim::Idle)
        }
    }

    /// Finds the composer: the last place that looks like one, because transcripts repeat its mark further up.
    fn find_composer(&self, capture: &Capture) -> Option<(usize, Composer)> {
        let pattern = self.composer.as_ref()?;
        let text = capture.text();
        // Rows below the last drawn one are no rows of the program.
        let screen = text.trim_end_matches(['\n', ' ']);
        let found = pattern.captures_iter(screen).last()?;
        let at = screen[..found.get(0)?.start()].matches('\n').count();
        let typed = found.get(1).map(|group| {
            let row = screen[..group.start()].matches('\n').count();
            let begin = screen[..group.start()].rfind('\n').map_or(0, |end| end + 1);
            capture.rows[row].typed(
                group.start() - begin,
                group.end() - begin,
                self.placeholder_dim,
            )
        });
        let mut text = typed.unwrap_or_default();
        for row in capture.rows[at + 1..].iter().take(DRAFT_ROWS_MAX) {
            let Some(more) = continuation(row, self.placeholder_dim) else {
                break;
            };
            if !more.is_empty() {
                text.push(' ');
                text.push_str(&more);
            }
        }
        let text = text.trim();
        let is_placeholder = |known: &String| !known.is_empty() && text.starts_with(known.as_str());
        if text.is_empty() || self.placeholder.iter().any(is_placeholder) {
            return Some((at, Composer::Empty));
        }
        Some((at, Composer::Draft(text.to_owned())))
    }
}

/// Returns the typed text of a row that continues a draft: indented, not blank, not only a frame and a sidebar. `None` ends the composer.
fn continuation(row: &Row, dim_is_ghost: bool) -> Option<String> {
    let indented = row.text.trim_start();
    let end = row.text.len() - indented.len()
        + indented
            .find(&" ".repeat(SIDEBAR_GAP))
            .unwrap_or(indented.len());
    let inner =
        row.text[..end].trim_matches(|letter: char| letter.is_whitespace() || is_frame(letter));
    if inner.is_empty()
        || !row
            .text
            .starts_with(|letter: char| letter.is_whitespace() || is_frame(letter))
    {
        return None;
    }
    let start = inner.as_ptr() as usize - row.text.as_ptr() as usize;
    Some(row.typed(start, start + inner.len(), dim_is_ghost))
}

/// Returns whether a letter draws a box: borders belong to no draft.
fn is_frame(letter: char) -> bool {
    ('\u{2500}'..='\u{259f}').contains(&letter)
}

/// Returns whether a claim means that a dialog of any kind is open.
fn is_dialog(claim: ScreenClaim) -> bool {
    matches!(
        claim,
        ScreenClaim::Permission
            | ScreenClaim::Question
            | ScreenClaim::Dialog
            | ScreenClaim::Login
            | ScreenClaim::Survey
    )
}

/// Returns a region's rows as text; `None` if it hangs on a composer that is not there. Empty rows are no rows of what is counted:
/// on a tall screen many may stand between a program's last words and its composer.
fn region_text(capture: &Capture, region: Region, composer: Option<usize>) -> Option<String> {
    let filled = |rows: &'_ [Row], n: u16| {
        let rows = rows.iter().map(|row| row.text.as_str());
        let rows: Vec<&str> = rows.filter(|text| !text.trim().is_empty()).collect();
        rows[rows.len().saturating_sub(usize::from(n))..].join("\n")
    };
    Some(match region {
        Region::Bottom(n) => filled(&capture.rows, n),
        Region::AboveComposer(n) => filled(&capture.rows[..composer?], n),
        Region::FromComposer => {
            let rows = capture.rows[composer?..].iter();
            let rows: Vec<&str> = rows.map(|row| row.text.as_str()).collect();
            rows.join("\n")
        }
    })
}

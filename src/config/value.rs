//! Texts that mean something: durations, hours, colours, paths. Pure functions from a text to a value or a complaint.

use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use crate::domain::Hours;

/// What is wrong with one value; the reader adds the place.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Complaint {
    /// What is wrong, in one line.
    pub(crate) message: String,
    /// A word at the caret.
    pub(crate) label: Option<String>,
    /// What would be right.
    pub(crate) expected: Vec<String>,
    /// What to do.
    pub(crate) hint: Option<String>,
}

impl Complaint {
    /// Makes a complaint that is only a sentence.
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            ..Self::default()
        }
    }

    /// Adds what would be right.
    #[must_use]
    pub(crate) fn expected<T: Into<String>>(
        mut self,
        expected: impl IntoIterator<Item = T>,
    ) -> Self {
        self.expected = expected.into_iter().map(Into::into).collect();
        self
    }

    /// Adds what to do.
    #[must_use]
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds `did you mean` at the caret, if one of `known` is near `text`.
    #[must_use]
    pub(crate) fn meant<'a>(
        mut self,
        text: &str,
        known: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        self.label = nearest(text, known).map(|near| format!("did you mean `{near}`?"));
        self
    }
}

/// Complains of a name that is not one of `known`.
pub(crate) fn unknown<'a>(
    what: &str,
    text: &str,
    known: impl IntoIterator<Item = &'a str>,
) -> Complaint {
    let mut known: Vec<&str> = known.into_iter().collect();
    let mut seen = std::collections::BTreeSet::new();
    known.retain(|word| seen.insert(*word));
    Complaint::new(format!("unknown {what} `{}`", text.escape_debug()))
        .meant(text, known.iter().copied())
        .expected(known)
}

/// Returns the known word that a person may have meant: a third of its letters away, but for case, or else the beginning of it.
pub(crate) fn nearest<'a>(text: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let known: Vec<&str> = known.into_iter().collect();
    let folded = text.to_lowercase();
    let distance = |word: &str| strsim::damerau_levenshtein(&folded, &word.to_lowercase());
    let near = |word: &str| distance(word) <= (word.chars().count() / 3).max(1);
    let best = known.iter().copied().min_by_key(|word| distance(word));
    let begun =
        |word: &&str| folded.len() >= BEGINNING_MIN && word.to_lowercase().starts_with(&folded);
    best.filter(|word| near(word))
        .or_else(|| known.iter().copied().find(begun))
}

/// Letters that make a beginning.
const BEGINNING_MIN: usize = 3;

/// Parses `90s`, `10m`, `2h`, `7d`, `300ms` and sums such as `1h30m`.
pub(crate) fn duration(text: &str) -> Result<Duration, Complaint> {
    let wrong = || {
        Complaint::new(format!("`{}` is not a duration", text.escape_debug()))
            .expected(["a number and a unit: `90s`, `10m`, `2h`, `1d`"])
    };
    let mut total = Duration::ZERO;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest
            .find(|letter: char| !letter.is_ascii_digit())
            .ok_or_else(wrong)?;
        let number: u64 = rest[..digits].parse().map_err(|_| wrong())?;
        rest = &rest[digits..];
        let letters = rest
            .find(|letter: char| letter.is_ascii_digit())
            .unwrap_or(rest.len());
        let millis: u64 = match &rest[..letters] {
            "ms" => 1,
            "s" => 1000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return Err(wrong()),
        };
        let part = number
            .checked_mul(millis)
            .map(Duration::from_millis)
            .ok_or_else(wrong)?;
        total = total.checked_add(part).ok_or_else(wrong)?;
        rest = &rest[letters..];
    }
    if text.is_empty() {
        Err(wrong())
    } else {
        Ok(total)
    }
}

/// Writes a duration as the files write it.
pub(crate) fn duration_text(duration: Duration) -> String {
    let units: [(u128, &str); 4] = [
        (86_400_000, "d"),
        (3_600_000, "h"),
        (60_000, "m"),
        (1000, "s"),
    ];
    let millis = duration.as_millis();
    for (size, unit) in units {
        if millis >= size && millis.is_multiple_of(size) {
            return format!("{}{unit}", millis / size);
        }
    }
    format!("{millis}ms")
}

/// Parses a time of day, `02:00`, to minutes after midnight.
pub(crate) fn time_of_day(text: &str) -> Result<u16, Complaint> {
    let wrong = || {
        Complaint::new(format!("`{}` is not a time of day", text.escape_debug()))
            .expected(["`HH:MM`, from `00:00` to `23:59`"])
    };
    let (hours, minutes) = text.split_once(':').ok_or_else(wrong)?;
    if !(two_digits(hours) && two_digits(minutes)) {
        return Err(wrong());
    }
    let (hours, minutes): (u16, u16) = (
        hours.parse().map_err(|_| wrong())?,
        minutes.parse().map_err(|_| wrong())?,
    );
    if hours > 23 || minutes > 59 {
        Err(wrong())
    } else {
        Ok(hours * 60 + minutes)
    }
}

fn two_digits(text: &str) -> bool {
    text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Parses a span of the day, `22:00-07:00`.
pub(crate) fn hours(text: &str) -> Result<Hours, Complaint> {
    let wrong = || {
        Complaint::new(format!(
            "`{}` is not a span of the day",
            text.escape_debug()
        ))
        .expected(["`HH:MM-HH:MM`, as in `22:00-07:00`"])
    };
    let (from, to) = text.split_once('-').ok_or_else(wrong)?;
    let hours = Hours {
        from: time_of_day(from).map_err(|_| wrong())?,
        to: time_of_day(to).map_err(|_| wrong())?,
    };
    if hours.from == hours.to {
        return Err(Complaint::new("the span of the day is empty")
            .hint("leave `hours` out to allow the whole day"));
    }
    Ok(hours)
}

/// Parses a colour: six hex digits, without `#`.
pub(crate) fn color(text: &str) -> Result<String, Complaint> {
    if text.len() == 6 && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Ok(text.to_lowercase());
    }
    Err(
        Complaint::new(format!("`{}` is not a colour", text.escape_debug()))
            .expected(["six hex digits, as in `c5def5`"]),
    )
}

/// Parses a name of letters, digits, `_` and `-` that does not begin with either sign.
pub(crate) fn name(what: &str, text: &str) -> Result<String, Complaint> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    if text.len() <= 64
        && text.bytes().all(allowed)
        && text
            .bytes()
            .next()
            .is_some_and(|first| first.is_ascii_alphanumeric())
    {
        return Ok(text.to_owned());
    }
    Err(
        Complaint::new(format!("`{}` is not a {what}", text.escape_debug()))
            .expected(["letters, digits, `_` and `-`, at most 64, a letter or digit first"]),
    )
}

/// Parses an absolute path; `~/` is the given home.
pub(crate) fn absolute_path(text: &str, home: &Path) -> Result<PathBuf, Complaint> {
    let path = match text.strip_prefix('~') {
        Some("") => home.to_owned(),
        Some(rest) if rest.starts_with('/') => home.join(rest.trim_start_matches('/')),
        Some(_) => {
            return Err(Complaint::new("`~user` is not understood").hint("write the path out"));
        }
        None => PathBuf::from(text),
    };
    if !path.is_absolute() {
        return Err(
            Complaint::new(format!("`{}` is not an absolute path", text.escape_debug()))
                .expected(["`/...` or `~/...`"]),
        );
    }
    if path.components().any(|part| part == Component::ParentDir) || text.contains('\0') {
        return Err(Complaint::new("the path holds `..` or a NUL").hint("write the path out"));
    }
    Ok(path.components().collect())
}

/// Parses what the `file` gate looks at: relative, inside the tree, `{n}` the only placeholder.
pub(crate) fn stage_file(text: &str) -> Result<String, Complaint> {
    let path = Path::new(text);
    if text.trim().is_empty() || text.ends_with('/') || text.chars().any(char::is_control) {
        return Err(Complaint::new("not a file's name")
            .expected(["a path inside the project, as in `drafts/{n}.md`"]));
    }
    if path.is_absolute() || text.starts_with('~') {
        return Err(Complaint::new("an absolute path")
            .expected(["a path inside the project, as in `drafts/{n}.md`"]));
    }
    if path
        .components()
        .any(|part| !matches!(part, Component::Normal(_)))
    {
        return Err(Complaint::new("the path holds `.` or `..`")
            .expected(["a path inside the project, as in `drafts/{n}.md`"]));
    }
    if path
        .components()
        .any(|part| part.as_os_str() == ".git" || part.as_os_str() == ".pointsman")
    {
        return Err(Complaint::new(
            "`.git` and `.pointsman` are not the agent's to write",
        ));
    }
    if text.replace("{n}", "").contains(['{', '}']) {
        return Err(
            Complaint::new("an unknown placeholder").expected(["`{n}`, the issue's number"])
        );
    }
    Ok(text.to_owned())
}

/// Parses the address of a server: `https`, or `http` on this machine.
pub(crate) fn address(text: &str) -> Result<String, Complaint> {
    let trimmed = text.trim_end_matches('/');
    let host = |rest: &str| {
        rest.split(['/', ':', '?'])
            .next()
            .unwrap_or_default()
            .to_owned()
    };
    let fine = match (
        trimmed.strip_prefix("https://"),
        trimmed.strip_prefix("http://"),
    ) {
        (Some(rest), _) => !host(rest).is_empty(),
        (_, Some(rest)) => {
            matches!(host(rest).as_str(), "localhost" | "127.0.0.1") || rest.starts_with("[::1]")
        }
        _ => false,
    };
    let clean = !trimmed
        .contains(|letter: char| letter.is_whitespace() || letter.is_control() || letter == '@');
    if fine && clean {
        return Ok(trimmed.to_owned());
    }
    Err(Complaint::new(format!(
        "`{}` is not an address this can use",
        text.escape_debug()
    ))
    .expected(["`https://...`, or `http://127.0.0.1:...` on this machine"]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_a_sum_of_numbers_with_units() {
        assert_eq!(duration("1h30m"), Ok(Duration::from_mins(90)));
        assert_eq!(duration("300ms"), Ok(Duration::from_millis(300)));
        for bad in [
            "",
            "10",
            "m",
            "10 m",
            "-1m",
            "1w",
            "99999999999999999999s",
            "18446744073709551615d",
            "1é",
        ] {
            assert!(duration(bad).is_err(), "{bad}");
        }
        for text in ["90s", "10m", "2h", "7d", "300ms"] {
            assert_eq!(duration_text(duration(text).unwrap()), text);
        }
    }

    #[test]
    fn a_near_word_is_near() {
        assert_eq!(nearest("colour", ["color", "label"]), Some("color"));
        assert_eq!(nearest("LABEL", ["color", "label"]), Some("label"));
        assert_eq!(nearest("zebra", ["color", "label"]), None);
    }

    #[test]
    fn a_web_address_with_credentials_is_refused() {
        assert!(address("https://me:secret@example.com").is_err());
        assert!(address("http://example.com").is_err());
        assert_eq!(
            address("http://127.0.0.1:8080/").as_deref(),
            Ok("http://127.0.0.1:8080")
        );
    }
}

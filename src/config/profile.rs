//! `agents/<name>.toml` -> `Profile`. Every pattern is compiled here, so that a bad one shows with its caret.

use std::collections::BTreeMap;
use std::ops::{Range, RangeInclusive};
use std::time::Duration;

use crate::config::problem::Problem;
use crate::config::sheet::Sheet;
use crate::config::table::{At, Table};
use crate::config::value::{self, Complaint};
use crate::domain::{
    COMMAND_PLACEHOLDERS, CheckStep, FILE_PLACEHOLDERS, FirstLine, Profile, ProfileName, Region,
    ScreenClaim, ScreenRule, ScreenRules, Signals, Submit, TRACKER_TOKENS, screen_pattern,
};

const FLOOR: RangeInclusive<Duration> = Duration::from_millis(50)..=Duration::from_secs(30);
/// Measured over four programs (300 ms; Gemini needs more): the echo check closes the loop.
const FLOOR_DEFAULT: Duration = Duration::from_millis(300);
/// Rows a rule may look at: a transcript can quote anything.
const ROWS_MAX: u16 = 40;

const CLAIMS: [(&str, ScreenClaim); 10] = [
    ("busy", ScreenClaim::Busy),
    ("idle", ScreenClaim::Idle),
    ("permission", ScreenClaim::Permission),
    ("question", ScreenClaim::Question),
    ("dialog", ScreenClaim::Dialog),
    ("login", ScreenClaim::Login),
    ("survey", ScreenClaim::Survey),
    ("rate-limited", ScreenClaim::RateLimited),
    ("error", ScreenClaim::Error),
    ("refused", ScreenClaim::Refused),
];

/// Reads an agent profile. Its name is the file's stem.
pub fn parse(file: &str, text: &str) -> Result<Profile, Vec<Problem>> {
    let sheet = Sheet::new(file, text);
    let root = sheet.toml();
    let profile = read(file, &sheet, Table::root(&sheet, &root));
    drop(root);
    sheet.finish(profile)
}

fn read(file: &str, sheet: &Sheet<'_>, table: Table<'_>) -> Option<Profile> {
    let name = profile_name(file, sheet);
    let start = table.required("start", command(sheet, &table, "start"));
    let resume = command(sheet, &table, "resume");
    let first_words = [
        ("argument", FirstLine::Argument),
        ("typed", FirstLine::Typed),
    ];
    let first_line = table
        .word("first_line", &first_words)
        .map_or(FirstLine::Typed, |at| at.value);
    if let Some(start) = &start {
        launch_line(sheet, start, first_line);
    }
    let processes = table.required("processes", table.texts("processes"));
    let submit = table.table("submit").map(|table| submit(sheet, table));
    let profile = Profile {
        account: table.text("account").map_or_else(
            || name.as_ref().map_or_else(String::new, ToString::to_string),
            |at| at.value,
        ),
        start: plain(start.unwrap_or_default()),
        resume: resume.map(plain),
        env: env(sheet, table.pairs("env")),
        pass_env: pass_env(sheet, table.texts("pass_env").unwrap_or_default()),
        processes: plain(processes.unwrap_or_default()),
        versions: table
            .parsed("versions", versions)
            .map_or_else(String::new, |at| at.value),
        first_line,
        submit: submit.unwrap_or(Submit {
            floor: FLOOR_DEFAULT,
            cursor_in_composer: false,
            clear_key: None,
            interrupt_key: None,
        }),
        signals: table
            .table("signals")
            .map(|table| signals(sheet, table))
            .unwrap_or_default(),
        screen: table
            .table("screen")
            .map(|table| screen(sheet, table))
            .unwrap_or_default(),
        go_on: table.text("go_on").map(|at| at.value),
        loosens: plain(table.texts("loosens").unwrap_or_default()),
        mends: mends(sheet, table.pairs("mend")),
        name: name?,
    };
    table.close();
    Some(profile)
}

fn plain(texts: Vec<At<String>>) -> Vec<String> {
    texts.into_iter().map(|at| at.value).collect()
}

fn profile_name(file: &str, sheet: &Sheet<'_>) -> Option<ProfileName> {
    let stem = file
        .rsplit('/')
        .next()
        .unwrap_or(file)
        .trim_end_matches(".toml");
    match value::name("profile's name", stem) {
        Ok(name) => Some(ProfileName::new(name)),
        Err(complaint) => {
            sheet.report(
                0..0,
                complaint.hint("the file's name is the profile's name: rename the file"),
            );
            None
        }
    }
}

fn command(sheet: &Sheet<'_>, table: &Table<'_>, key: &'static str) -> Option<Vec<At<String>>> {
    let words = table.texts(key)?;
    if words.is_empty() {
        table.refuse(key, Complaint::new(format!("`{key}` is an empty command")));
        return None;
    }
    for word in &words {
        placeholders(sheet, word, &COMMAND_PLACEHOLDERS);
    }
    Some(words)
}

/// Refuses `{word}` that is not known; other braces are the command's own.
fn placeholders(sheet: &Sheet<'_>, at: &At<String>, known: &[&str]) {
    for (open, _) in at.value.match_indices('{') {
        let rest = &at.value[open + 1..];
        let Some(name) = rest.split_once('}').map(|(name, _)| name) else {
            continue;
        };
        let word = !name.is_empty()
            && name
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte == b'_');
        if word && !known.contains(&name) {
            let known = known.iter().map(|name| format!("`{{{name}}}`"));
            sheet.report(
                at.span.clone(),
                Complaint::new(format!("unknown placeholder `{{{name}}}`")).expected(known),
            );
        }
    }
}

fn launch_line(sheet: &Sheet<'_>, start: &[At<String>], first_line: FirstLine) {
    let lines: Vec<&At<String>> = start
        .iter()
        .filter(|word| word.value.contains("{line}"))
        .collect();
    let complaint = match (first_line, lines.as_slice()) {
        (FirstLine::Argument, []) => {
            Complaint::new("`first_line = \"argument\"` and no word `{line}` in `start`")
        }
        (FirstLine::Typed, [_, ..]) => {
            Complaint::new("`{line}` in `start`, and the first line is typed")
                .hint("add `first_line = \"argument\"`")
        }
        (FirstLine::Argument, [one]) if one.value == "{line}" => return,
        (FirstLine::Argument, _) => Complaint::new("`{line}` is one word of its own, once"),
        (FirstLine::Typed, []) => return,
    };
    let word = lines.last().copied().or(start.first());
    sheet.report_whole(word.map_or(0..0, |at| at.span.clone()), complaint);
}

fn env(sheet: &Sheet<'_>, pairs: Vec<(At<String>, At<String>)>) -> Vec<(String, String)> {
    let mut env = Vec::new();
    for (name, text) in pairs {
        variable(sheet, &name);
        placeholders(sheet, &text, &["pointsman"]);
        env.push((name.value, text.value));
    }
    env
}

fn pass_env(sheet: &Sheet<'_>, names: Vec<At<String>>) -> Vec<String> {
    for name in &names {
        variable(sheet, name);
        if TRACKER_TOKENS.contains(&name.value.as_str()) {
            let complaint = Complaint::new(format!("`{}` is never passed to an agent", name.value));
            sheet.report(
                name.span.clone(),
                complaint.hint("agents need no tracker: they report with `pointsman done`"),
            );
        }
    }
    plain(names)
}

fn variable(sheet: &Sheet<'_>, name: &At<String>) {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let begins_well = name
        .value
        .bytes()
        .next()
        .is_some_and(|byte| !byte.is_ascii_digit());
    if !begins_well || !name.value.bytes().all(allowed) {
        let complaint = format!("`{}` is not a variable's name", name.value.escape_debug());
        sheet.report(name.span.clone(), Complaint::new(complaint));
    }
}

fn versions(text: &str) -> Result<String, Complaint> {
    match semver::VersionReq::parse(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(error) => Err(Complaint::new(format!("not a range of versions: {error}"))
            .expected(["as in `>=2.1.300, <3`"])),
    }
}

/// Reads which setting mends which step.
fn mends(sheet: &Sheet<'_>, pairs: Vec<(At<String>, At<String>)>) -> BTreeMap<CheckStep, String> {
    let mut mends = BTreeMap::new();
    for (name, text) in pairs {
        let step = CheckStep::ALL
            .iter()
            .find(|step| step.as_str() == name.value);
        if let Some(step) = step {
            mends.insert(*step, text.value);
        } else {
            let steps = CheckStep::ALL.map(|step| format!("`{step}`"));
            let complaint = Complaint::new(format!("unknown step `{}`", name.value));
            sheet.report(name.span.clone(), complaint.expected(steps));
        }
    }
    mends
}

/// Reads a key's bytes; some keys never do what it is for.
fn key(
    sheet: &Sheet<'_>,
    found: Option<At<String>>,
    (does, never, example): (&str, &[&str], &str),
) -> Option<String> {
    let at = found?;
    let hex = at.value.len() % 2 == 0
        && at.value.len() <= 16
        && at.value.bytes().all(|byte| byte.is_ascii_hexdigit());
    let harmless = !never.contains(&at.value.to_lowercase().as_str());
    if !(hex && harmless) {
        let complaint = Complaint::new(format!(
            "`{}` is not a key that {does}",
            at.value.escape_debug()
        ));
        sheet.report(
            at.span.clone(),
            complaint.expected([format!("bytes in hex, as in {example}")]),
        );
    }
    Some(at.value.to_lowercase())
}

fn submit(sheet: &Sheet<'_>, table: Table<'_>) -> Submit {
    // Enter, Escape and line feed submit, close or send: none of them clears.
    let clears = ("clears", &["0d", "0a", "1b"][..], "`15` for control-u");
    let clear_key = key(sheet, table.text("clear_key"), clears);
    let stops = ("interrupts", &["0d", "0a"][..], "`1b` for Escape");
    let interrupt_key = key(sheet, table.text("interrupt_key"), stops);
    let submit = Submit {
        floor: table
            .duration("floor", &FLOOR)
            .map_or(FLOOR_DEFAULT, |at| at.value),
        cursor_in_composer: table.flag("cursor_in_composer").is_some_and(|at| at.value),
        clear_key,
        interrupt_key,
    };
    table.close();
    submit
}

fn signals(sheet: &Sheet<'_>, table: Table<'_>) -> Signals {
    let flag = |key| table.flag(key).is_some_and(|at| at.value);
    let file = |key| {
        let at = table.text(key)?;
        placeholders(sheet, &at, &FILE_PLACEHOLDERS);
        Some(at.value)
    };
    let signals = Signals {
        claude_sessions: flag("claude_sessions"),
        claude_hooks: flag("claude_hooks"),
        codex_rollout: flag("codex_rollout"),
        opencode_http: flag("opencode_http"),
        transcript: file("transcript"),
        state_file: file("state_file"),
        title_busy: pattern(sheet, &table, "title_busy"),
        title_idle: pattern(sheet, &table, "title_idle"),
        title_asks: pattern(sheet, &table, "title_asks"),
    };
    table.close();
    signals
}

fn screen(sheet: &Sheet<'_>, table: Table<'_>) -> ScreenRules {
    let composer = table.text("composer").and_then(|at| {
        let regex = compiled(sheet, &at)?;
        if regex.captures_len() != 2 {
            let complaint = Complaint::new(format!(
                "`composer` has {} groups",
                regex.captures_len() - 1
            ));
            sheet.report(
                at.span.clone(),
                complaint.expected(["exactly one group, around what is typed"]),
            );
        }
        Some(at.value)
    });
    let rules = ScreenRules {
        composer,
        placeholder: plain(table.texts("placeholder").unwrap_or_default()),
        placeholder_dim: table.flag("placeholder_dim").is_some_and(|at| at.value),
        rules: table
            .tables("rule")
            .into_iter()
            .filter_map(|table| rule(sheet, table))
            .collect(),
    };
    table.close();
    rules
}

fn rule(sheet: &Sheet<'_>, table: Table<'_>) -> Option<ScreenRule> {
    let name = table.required("name", table.text("name"));
    let region = table.required("region", table.parsed("region", region));
    let pattern = table.required("pattern", pattern(sheet, &table, "pattern"));
    let claim = table.required("claim", table.word("claim", &CLAIMS));
    table.close();
    Some(ScreenRule {
        name: name?.value,
        region: region?.value,
        pattern: pattern?,
        claim: claim?.value,
    })
}

fn region(text: &str) -> Result<Region, Complaint> {
    let rows = |text: &str| {
        text.parse::<u16>()
            .ok()
            .filter(|rows| (1..=ROWS_MAX).contains(rows))
    };
    let region = match text.split_once(' ') {
        Some(("bottom", number)) => rows(number).map(Region::Bottom),
        Some(("above-composer", number)) => rows(number).map(Region::AboveComposer),
        None if text == "from-composer" => Some(Region::FromComposer),
        Some(_) | None => None,
    };
    let expected = [
        format!("`bottom N` or `above-composer N`, N rows from 1 to {ROWS_MAX}"),
        "`from-composer`".to_owned(),
    ];
    region.ok_or_else(|| {
        Complaint::new(format!("`{}` is not a region", text.escape_debug())).expected(expected)
    })
}

fn pattern(sheet: &Sheet<'_>, table: &Table<'_>, key: &'static str) -> Option<String> {
    let at = table.text(key)?;
    compiled(sheet, &at).map(|_| at.value)
}

fn compiled(sheet: &Sheet<'_>, at: &At<String>) -> Option<regex::Regex> {
    match screen_pattern(&at.value) {
        Ok(regex) => Some(regex),
        Err(error) => {
            let (span, why) = blame(sheet.text(), at, &error);
            sheet.report(
                span,
                Complaint::new(format!("not a regular expression: {why}")),
            );
            None
        }
    }
}

/// Returns the place inside the pattern that is wrong, if the file has the pattern letter by letter, and why.
fn blame(text: &str, at: &At<String>, error: &regex::Error) -> (Range<usize>, String) {
    let (inner, why) = match regex_syntax::parse(&at.value) {
        Err(regex_syntax::Error::Parse(error)) => (
            Some(error.span().start.offset..error.span().end.offset),
            error.kind().to_string(),
        ),
        Err(regex_syntax::Error::Translate(error)) => (
            Some(error.span().start.offset..error.span().end.offset),
            error.kind().to_string(),
        ),
        Err(_) | Ok(_) => (None, error.to_string()),
    };
    let written = &text[at.span.clone()];
    let span = match (inner, written.find(at.value.as_str())) {
        (Some(inner), Some(quotes)) => {
            at.span.start + quotes + inner.start..at.span.start + quotes + inner.end
        }
        (_, _) => at.span.clone(),
    };
    (span, why)
}

//! What it costs to tell an agent's state: `cargo bench --bench resolve`. Prints figures; ends with 1 if one misses its bar by far.
//!
//! Processor time of this thread alone counts, so other work on the machine counts little.

#![expect(clippy::print_stdout, reason = "a bench prints its figures")]
#![expect(clippy::unwrap_used, reason = "a bench that cannot go on fails there")]

mod figures;

use std::process::ExitCode;

use figures::{Bar, Figures, Process};
use jiff::{SignedDuration, Timestamp};
use pointsman::config::Config;
use pointsman::domain::{Activity, ProfileName};
use pointsman::machine::resolve::{Claim, Evidence, Source, resolve};
use pointsman::machine::text::as_shown;
use pointsman::terminal::{Capture, Composer, Recogniser};

/// Least processor time of one figure: `/proc` counts hundredths of a second.
const SECONDS: f64 = 1.0;
const ROUND: u32 = 1_000;
/// The most that one pane may cost, in microseconds.
const RESOLVE_MAX: f64 = 50.0;
const SCREEN_MAX: f64 = 1_000.0;
const ROWS: usize = 20;
/// The longest text that GitHub takes, in bytes of plain letters.
const TEXT_BYTES: usize = 64 * 1024;
/// A hundred of them a second are not noticed.
const TEXT_MAX: f64 = 10_000.0;

fn main() -> ExitCode {
    let mut figures = Figures::default();
    let profiles = Config::shipped().profiles;
    let profile = &profiles[&ProfileName::new("claude-code")];
    let at = |millis: i64| Timestamp::from_millisecond(1_800_000_000_000 + millis).unwrap();
    let rows = |now: i64| {
        let row = |source, claim, detail: &str| Evidence {
            source,
            claim,
            detail: detail.to_owned(),
            at: at(now),
            session: Some("7190ff41-7dde-4189-b80e-f95521ee29ce".to_owned()),
        };
        let mut rows = vec![
            row(Source::Process, Claim::AgentInFront, "claude"),
            row(Source::Screen, Claim::ComposerEmpty, ""),
            row(Source::Registry, Claim::Idle, "idle"),
            row(Source::Hook, Claim::Idle, "its turn ended"),
        ];
        while rows.len() < ROWS {
            rows.push(row(Source::Transcript, Claim::Idle, "its turn ended"));
        }
        rows
    };
    let (before, now) = (rows(0), rows(1_000));
    let first = resolve(&before, profile, "print", None, at(0));
    let idle = resolve(&now, profile, "print", Some(&first), at(1_000));
    assert!(matches!(idle.state.activity, Activity::Idle { .. }));
    let later = at(1_000) + SignedDuration::ZERO;
    let spent = micros(|| {
        drop(resolve(&now, profile, "print", Some(&first), later));
    });
    let what = format!("resolve, a pane with {ROWS} rows of evidence");
    figures.say(&what, spent, "us", Bar::AtMost(RESOLVE_MAX));
    for (name, profile) in &profiles {
        if profile.screen.composer.is_none() {
            continue;
        }
        let recogniser = Recogniser::new(profile).unwrap();
        let screen = screen();
        let capture = Capture::parse(screen.split('\n'));
        assert_ne!(
            recogniser.read(&capture).composer,
            Composer::Draft("x".into())
        );
        let spent = micros(|| {
            let capture = Capture::parse(screen.split('\n'));
            drop(recogniser.read(&capture));
        });
        let what = format!("screen of 200x50, read by the rules of {name}");
        figures.say(&what, spent, "us", Bar::AtMost(SCREEN_MAX));
    }
    // Anybody may open an issue, and its text is read at every look: no text may cost more than its length.
    for part in ["<details>", "`<details>`", "[a]: <", "<!--", "```\n"] {
        let text = part.repeat(TEXT_BYTES / part.len());
        let spent = micros(|| drop(as_shown(&text, TEXT_BYTES)));
        let what = format!("a text of 64 KB that is nothing but {part:?}, read as a page shows it");
        figures.say(&what, spent, "us", Bar::AtMost(TEXT_MAX));
    }
    figures.end()
}

/// A full screen with colours, that ends with a composer.
fn screen() -> String {
    let row = "\u{1b}[38;5;2m● a row\u{1b}[0m of a transcript, \u{1b}[2mdim\u{1b}[0m and plain, ";
    let mut rows: Vec<String> = (0..46)
        .map(|n| format!("{n:>4} {}", row.repeat(4)))
        .collect();
    rows.push("─".repeat(200));
    rows.push("❯\u{a0}\u{1b}[7m \u{1b}[0m".to_owned());
    rows.push("─".repeat(200));
    rows.push("  manual mode on · ? for shortcuts".to_owned());
    rows.join("\n")
}

/// Runs it until enough processor time is spent; returns the microseconds of one.
fn micros(mut work: impl FnMut()) -> f64 {
    let spent = || Process::read(std::process::id()).seconds;
    let (begin, mut rounds) = (spent(), 0.0);
    loop {
        for _ in 0..ROUND {
            work();
        }
        rounds += f64::from(ROUND);
        let seconds = spent() - begin;
        if seconds >= SECONDS {
            return seconds / rounds * 1e6;
        }
    }
}

//! The rules of `resolve`, on values, and what screens say.

use std::path::Path;

use jiff::{SignedDuration, Timestamp};
use pointsman::domain::{Activity, AgentState, Attention, Liveness, Profile, Signals};
use pointsman::machine::resolve::{Claim, Evidence, Resolved, Source, resolve, unheard};
use pointsman::terminal::{Capture, Composer, Recogniser};

use crate::support::tmux::profile;

fn at(millis: i64) -> Timestamp {
    Timestamp::UNIX_EPOCH
        + SignedDuration::from_secs(1_800_000_000)
        + SignedDuration::from_millis(millis)
}

fn rows(claims: &[(Source, Claim)], when: i64) -> Vec<Evidence> {
    claims
        .iter()
        .map(|(source, claim)| Evidence {
            source: *source,
            claim: claim.clone(),
            detail: String::new(),
            at: at(when),
            session: None,
        })
        .collect()
}

/// What an idle agent with a state file shows.
const READY: [(Source, Claim); 3] = [
    (Source::Process, Claim::AgentInFront),
    (Source::StateFile, Claim::Idle),
    (Source::Screen, Claim::ComposerEmpty),
];

fn state_of(profile: &Profile, claims: &[(Source, Claim)]) -> AgentState {
    let first = resolve(&rows(claims, 0), profile, "p", None, at(0));
    resolve(&rows(claims, 1000), profile, "p", Some(&first), at(1000)).state
}

/// Checks what one more witness makes of an idle agent; `wanted` is liveness, activity, attention.
fn check(name: &str, more: &[(Source, Claim)], wanted: &str) {
    let profile = profile(Path::new("/h"));
    let claims: Vec<_> = READY.into_iter().chain(more.iter().cloned()).collect();
    let state = state_of(&profile, &claims);
    let activity = match state.activity {
        Activity::Idle { since } => {
            assert_eq!(since, at(0));
            "Idle".to_owned()
        }
        other => format!("{other:?}"),
    };
    let found = format!("{:?} {activity} {:?}", state.liveness, state.attention);
    assert_eq!(found, wanted, "{name}: {}", state.because);
    assert_eq!(state.takes_text(), wanted == "Alive Idle None", "{name}");
}

/// Who could not be asked at all is unknown with the reason, and after a while a person is told.
#[test]
fn an_agent_that_cannot_be_asked_is_unknown_and_in_the_end_a_persons() {
    let why = "a disk does not answer";
    let profile = profile(Path::new("/h"));
    let first = resolve(&rows(&READY, 0), &profile, "p", None, at(0));
    let idle = resolve(&rows(&READY, 1000), &profile, "p", Some(&first), at(1000));
    assert!(idle.state.takes_text());
    let mut last = unheard(why, Some(&idle), at(2000));
    assert_eq!(last.state.because, why);
    assert_eq!(last.state.activity, Activity::Unknown);
    assert!(!last.state.takes_text() && last.ready_since.is_none());
    for second in 3..=92 {
        assert_eq!(last.state.attention, Attention::None, "{second}");
        last = unheard(why, Some(&last), at(second * 1000));
    }
    assert_eq!(last.state.attention, Attention::Stuck);
    // Asked again, it begins anew: idle takes two samples.
    let asked = resolve(
        &rows(&READY, 93_000),
        &profile,
        "p",
        Some(&last),
        at(93_000),
    );
    assert!(!asked.state.takes_text());
}

#[test]
fn each_witness_moves_the_state_as_the_table_says() {
    use Claim::*;
    use Source::*;
    check("nothing", &[], "Alive Idle None");
    check("a dead pane", &[(Tmux, PaneDead)], "Dead Obscured None");
    check("a shell", &[(Process, ShellInFront)], "Dead Obscured None");
    check(
        "an editor",
        &[(Process, AgentBehind)],
        "Alive Obscured None",
    );
    check("copy mode", &[(Tmux, KeysAstray)], "Alive Obscured None");
    check("a busy title", &[(Title, Busy)], "Alive Busy None");
    check("a busy screen", &[(Screen, Busy)], "Alive Busy None");
    check("a draft", &[(Screen, ComposerDraft)], "Alive Draft None");
    check(
        "no composer",
        &[(Screen, ComposerAbsent)],
        "Alive Unknown None",
    );
    check("starting", &[(StateFile, Starting)], "Alive Starting None");
}

#[test]
fn whoever_wants_a_person_is_not_typed_to() {
    use Claim::*;
    use Source::*;
    let busy = (Title, Busy);
    let limit = RateLimited(None);
    check("a dialog", &[(Screen, Dialog)], "Alive Obscured Dialog");
    check(
        "a dialog while busy",
        &[(Screen, Permission), busy.clone()],
        "Alive Obscured Permission",
    );
    check(
        "a question",
        &[(Registry, Question)],
        "Alive Obscured Question",
    );
    check(
        "a person",
        &[(Client, HumanPresent)],
        "Alive Idle HumanPresent",
    );
    check("an error", &[(Screen, Failed)], "Alive Idle Error");
    check(
        "an error, and a person at it",
        &[(Screen, Failed), (Client, HumanPresent)],
        "Alive Idle HumanPresent",
    );
    check(
        "a retry",
        &[(Screen, Failed), busy.clone()],
        "Alive Busy None",
    );
    check(
        "a limit",
        &[(Screen, limit.clone())],
        "Alive Idle RateLimited { until: None }",
    );
    for until in [Timestamp::MAX, at(9 * 24 * 3_600_000)] {
        let far = RateLimited(Some(until));
        check(
            "a limit that nobody has",
            &[(Screen, far)],
            "Alive Idle None",
        );
    }
    check(
        "a limit, waiting",
        &[(Screen, limit), busy],
        "Alive Busy RateLimited { until: None }",
    );
}

/// What an idle agent shows nobody redraws: a limit is over when its own record says so, and without one after five hours.
#[test]
fn a_limit_that_is_over_is_not_held_up_by_what_the_screen_still_shows() {
    use Claim::*;
    use Source::*;
    let shown = (Screen, RateLimited(None));
    let until = |second: i64| (Rollout, RateLimited(Some(at(second * 1000))));
    let over = [shown.clone(), until(-121)];
    check("over, and shown", &over, "Alive Idle None");
    let wanted = format!(
        "Alive Idle {:?}",
        Attention::RateLimited {
            until: Some(at(-60_000))
        }
    );
    check("a little longer", &[shown.clone(), until(-60)], &wanted);

    let profile = profile(Path::new("/h"));
    let claims: Vec<_> = READY.into_iter().chain([shown]).collect();
    let look = |claims: &[_], last: Option<&Resolved>, second: i64| {
        let now = at(second * 1000);
        resolve(&rows(claims, second * 1000), &profile, "p", last, now)
    };
    let limited = Attention::RateLimited { until: None };
    let mut last = look(&claims, None, 0);
    let hours = 5 * 3600;
    for second in (10..hours).step_by(10) {
        last = look(&claims, Some(&last), second);
        assert_eq!(last.state.attention, limited, "{second}");
    }
    let over = look(&claims, Some(&last), hours);
    assert!(over.state.takes_text() && over.lacks.is_empty(), "{over:?}");
    // It worked, and shows it again: that is another one.
    let busy: Vec<_> = claims.iter().cloned().chain([(Title, Busy)]).collect();
    let busy = look(&busy, Some(&over), hours + 10);
    let again = look(&claims, Some(&busy), hours + 20);
    assert_eq!(again.state.attention, limited);
}

#[test]
fn unknown_is_not_idle_whichever_witness_is_missing() {
    let profile = profile(Path::new("/h"));
    for missing in 0..READY.len() {
        let claims: Vec<_> = READY
            .into_iter()
            .enumerate()
            .filter(|(index, _)| *index != missing)
            .map(|(_, row)| row)
            .collect();
        let state = state_of(&profile, &claims);
        assert!(
            !state.takes_text(),
            "without witness {missing}: {}",
            state.because
        );
    }
    let titled = Profile {
        signals: Signals {
            title_idle: Some("Ready".into()),
            ..profile.signals.clone()
        },
        ..profile.clone()
    };
    let title_only = [
        (Source::Process, Claim::AgentInFront),
        (Source::Title, Claim::Idle),
        (Source::Screen, Claim::ComposerEmpty),
    ];
    assert!(
        !state_of(&titled, &title_only).takes_text(),
        "the state file the profile names must speak"
    );
    let wordless = Profile {
        signals: Signals::default(),
        ..profile.clone()
    };
    let screen_only = [
        (Source::Process, Claim::AgentInFront),
        (Source::Screen, Claim::ComposerEmpty),
    ];
    assert!(
        !state_of(&wordless, &screen_only).takes_text(),
        "a screen alone never proves idle"
    );
    let with_cursor: Vec<_> = screen_only
        .into_iter()
        .chain([(Source::Tmux, Claim::CursorInComposer)])
        .collect();
    assert!(
        state_of(&wordless, &with_cursor).takes_text(),
        "the terminal's cursor is a second witness for a program without words"
    );
}

#[test]
fn idle_takes_two_equal_fresh_samples() {
    let profile = profile(Path::new("/h"));
    let sample = |when, print: &str, last: Option<&Resolved>| {
        resolve(&rows(&READY, when), &profile, print, last, at(when))
    };
    let first = sample(0, "p", None);
    assert!(!first.state.takes_text());
    assert!(
        !sample(999, "p", Some(&first)).state.takes_text(),
        "too close"
    );
    assert!(sample(1000, "p", Some(&first)).state.takes_text());
    assert!(
        !sample(1000, "another cursor", Some(&first))
            .state
            .takes_text()
    );
    assert!(
        !sample(20_000, "p", Some(&first)).state.takes_text(),
        "an unseen gap proves nothing"
    );
    assert!(
        !sample(-5, "p", Some(&first)).state.takes_text(),
        "a clock that went back proves nothing"
    );
    let stale = resolve(&rows(&READY, 0), &profile, "p", Some(&first), at(6000));
    assert_eq!(
        stale.state.liveness,
        Liveness::Unknown,
        "old claims are not heard"
    );
    let long = (1..30).fold(first, |last, second| {
        sample(second * 1000, "p", Some(&last))
    });
    assert_eq!(long.state.activity, Activity::Idle { since: at(0) });
}

#[test]
fn a_missing_agent_is_starting_for_a_while_and_never_idle() {
    let profile = profile(Path::new("/h"));
    let missing = vec![
        (Source::Process, Claim::AgentMissing),
        (Source::Screen, Claim::ComposerEmpty),
        (Source::StateFile, Claim::Idle),
    ];
    let state = state_of(&profile, &missing);
    assert_eq!(
        (state.liveness, state.activity),
        (Liveness::Unknown, Activity::Unknown)
    );
    let young: Vec<_> = missing
        .into_iter()
        .chain([(Source::Process, Claim::Starting)])
        .collect();
    assert_eq!(state_of(&profile, &young).activity, Activity::Starting);
}

#[test]
fn a_composer_is_empty_or_a_draft_by_how_it_is_drawn() {
    let mut profile = profile(Path::new("/h"));
    profile.screen.composer = Some("^[❯›]\u{a0}?(.*)$".to_owned());
    let recogniser = Recogniser::new(&profile).unwrap();
    let read = |screen: &str| {
        recogniser
            .read(&Capture::parse(screen.split('\n')))
            .composer
    };
    let draft = |text: &str| Composer::Draft(text.to_owned());
    // The first three are rows of captured screens of Claude Code and Codex.
    let cases = [
        (
            "\u{1b}[39m❯\u{a0}\u{1b}[7m \u{1b}[0m\u{1b}[39m\u{1b}[49m\n────\n  manual mode",
            Composer::Empty,
        ),
        (
            "\u{1b}[39m❯\u{a0}[Pasted text #1 +59 lines]\u{1b}[7m \u{1b}[0m\n────",
            draft("[Pasted text #1 +59 lines]"),
        ),
        (
            "\u{1b}[1m›\u{1b}[0m\u{1b}[39m \u{1b}[2mAsk Codex to do anything\n\u{1b}[0m\n  model",
            Composer::Empty,
        ),
        (
            "❯\u{a0}\u{1b}[7mT\u{1b}[0m\u{1b}[2mry again\u{1b}[0m",
            Composer::Empty,
        ),
        ("❯\u{a0}\u{1b}[7ma\u{1b}[0m", draft("a")),
        ("❯\u{a0}Type here to begin", Composer::Empty),
        ("❯\u{a0}one\n  two\n────\n  footer", draft("one two")),
        ("❯ said before\n\n❯\u{a0}", Composer::Empty),
        (
            "\u{1b}[38;5;2m❯\u{a0}grey\u{1b}[38;2;2;7;2m x",
            draft("grey x"),
        ),
        ("no composer", Composer::Absent),
    ];
    for (screen, wanted) in cases {
        assert_eq!(read(screen), wanted, "{screen:?}");
    }
}

#[test]
fn the_shipped_profiles_know_their_empty_composers() {
    let profiles = pointsman::config::Config::shipped().profiles;
    let bar = "\u{1b}[90m";
    let cases = [
        (
            "claude-code",
            "❯ said\n────\n❯\u{a0}\u{1b}[7mT\u{1b}[0m\u{1b}[2mry\u{1b}[0m\n────\n  manual"
                .to_owned(),
            Composer::Empty,
            2,
        ),
        (
            "codex",
            "\u{1b}[1m›\u{1b}[0m \u{1b}[2mAsk Codex to do anything\u{1b}[0m\n\n  model".to_owned(),
            Composer::Empty,
            0,
        ),
        (
            "opencode",
            format!("  ┃\n  ┃  {bar}Ask anything… \"x\"\n  ┃\n  ┃  Build · Model\n  ╹▀▀\n /src"),
            Composer::Empty,
            1,
        ),
        (
            "opencode",
            "  ┃\n  ┃  mine\n  ┃\n  ┃  Build · Model\n  ╹▀▀".to_owned(),
            Composer::Draft("mine".to_owned()),
            1,
        ),
        (
            "gemini",
            " >   Type your message or @path/to/file".to_owned(),
            Composer::Empty,
            0,
        ),
        (
            "aider",
            "> said\nanswer\n> \n\n\n".to_owned(),
            Composer::Empty,
            2,
        ),
    ];
    for (name, screen, composer, row) in cases {
        let profile = &profiles[&pointsman::domain::ProfileName::new(name)];
        let recogniser = Recogniser::new(profile).unwrap();
        let reading = recogniser.read(&Capture::parse(screen.split('\n')));
        assert_eq!(
            (reading.composer, reading.composer_row),
            (composer, Some(row)),
            "{name}"
        );
    }
}

#[test]
fn a_bad_pattern_names_its_profile_and_rule() {
    let mut profile = profile(Path::new("/h"));
    profile.screen.rules[0].pattern = "(".to_owned();
    let error = Recogniser::new(&profile).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the pattern of `footer` in profile `fake` cannot be read"
    );
}

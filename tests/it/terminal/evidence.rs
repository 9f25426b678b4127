//! Evidence that is forged, foreign, torn or strange: it is refused with a reason, and none of it makes a pane look idle.

use jiff::{SignedDuration, Timestamp};
use pointsman::domain::{Activity, Attention, Pane, Profile, Signals};
use pointsman::machine::resolve::{Claim, Evidence, Source, resolve};
use pointsman::terminal::receipt::HookSpool;
use pointsman::terminal::{Sampled, Sampler, Station};
use serde_json::{Value, json};

use super::now;
use crate::support::tmux::{Lab, profile};

/// The fake agent as if it were Claude Code: a sessions file, hooks, a transcript.
struct Claude {
    lab: Lab,
    pane: Pane,
    sampler: Sampler,
    station: Station,
    pid: u32,
    start: u64,
}

const SESSION: &str = "7190ff41-7dde-4189-b80e-f95521ee29ce";

impl Claude {
    async fn new() -> Self {
        Self::measured_with("").await
    }

    async fn measured_with(versions: &str) -> Self {
        let lab = Lab::new().await;
        let pane = lab.agent().await;
        let profile = Profile {
            versions: versions.to_owned(),
            signals: Signals {
                claude_sessions: true,
                claude_hooks: true,
                ..Signals::default()
            },
            ..profile(lab.dir.path())
        };
        let sampler = Sampler::new(profile, lab.dir.path()).unwrap();
        let hooks = HookSpool {
            path: lab.path("hooks.jsonl"),
            secret: "s3cr3t".to_owned(),
        };
        let station = Station {
            managed: true,
            hooks: Some(hooks),
        };
        let seen = lab.tmux.look(&pane).await.unwrap();
        let agent = sampler.sample(&seen, &station, None, now()).agent.unwrap();
        let claude = Self {
            pane,
            sampler,
            station,
            pid: agent.pid,
            start: agent.start_ticks,
            lab,
        };
        claude.registry("idle", &json!({}));
        claude
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.lab.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn registry(&self, status: &str, more: &Value) {
        let mut file = json!({
            "pid": self.pid, "sessionId": SESSION, "status": status, "version": "2.1.328",
            "procStart": self.start.to_string(), "tmux": format!("work:@1.{}", self.pane.id),
        });
        let object = file.as_object_mut().unwrap();
        object.extend(more.as_object().unwrap().clone());
        self.write(
            &format!(".claude/sessions/{}.json", self.pid),
            &file.to_string(),
        );
    }

    fn hook(&self, by: &str, session: &str, name: &str, more: &Value) {
        let mut hook = json!({"session_id": session, "hook_event_name": name});
        let object = hook.as_object_mut().unwrap();
        object.extend(more.as_object().unwrap().clone());
        let before = self.lab.read("hooks.jsonl");
        let line = json!({"by": by, "hook": hook});
        self.write("hooks.jsonl", &format!("{before}{line}\n"));
    }

    fn transcript(&self, text: &str) {
        let folder = self
            .lab
            .dir
            .path()
            .to_string_lossy()
            .replace(['/', '.'], "-");
        self.write(&format!(".claude/projects/{folder}/{SESSION}.jsonl"), text);
    }

    /// Two samples a second apart, as the watch takes them.
    async fn look(&self) -> Sampled {
        let start = now();
        let seen = self.lab.tmux.look(&self.pane).await.unwrap();
        let first = self.sampler.sample(&seen, &self.station, None, start);
        let later = start + SignedDuration::from_secs(1);
        let seen = self.lab.tmux.look(&self.pane).await.unwrap();
        self.sampler
            .sample(&seen, &self.station, Some(&first.resolved), later)
    }
}

fn record(kind: &str, more: &Value) -> String {
    let mut record = json!({"type": kind, "timestamp": now().to_string(), "isSidechain": false});
    let object = record.as_object_mut().unwrap();
    object.extend(more.as_object().unwrap().clone());
    format!("{record}\n")
}

fn asked(text: &str) -> String {
    record(
        "user",
        &json!({"message": {"role": "user", "content": text}}),
    )
}

#[tokio::test]
async fn a_dead_process_another_pane_and_a_torn_file_do_not_say_idle() {
    let claude = Claude::new().await;
    let good = claude.look().await;
    assert!(
        good.sample.state.takes_text(),
        "{}",
        good.sample.state.because
    );
    assert_eq!(
        good.evidence
            .iter()
            .filter(|row| row.session.is_some())
            .count(),
        1
    );
    let dead = (claude.start - 1).to_string();
    let bad = [
        (
            json!({"procStart": dead}),
            "sessions file: a file that a dead process of that number left",
        ),
        (
            json!({"pid": 1}),
            "sessions file: a file of another process",
        ),
        (
            json!({"tmux": "work:@1.%99"}),
            "sessions file: a file of another pane",
        ),
    ];
    for (change, reason) in bad {
        claude.registry("idle", &change);
        let found = claude.look().await;
        assert!(!found.sample.state.takes_text(), "{reason}");
        assert_eq!(found.ignored, [reason]);
        assert!(
            found
                .resolved
                .lacks
                .contains(&"nothing from the sessions file".to_owned()),
            "{:?}",
            found.resolved.lacks
        );
    }
    claude.write(
        &format!(".claude/sessions/{}.json", claude.pid),
        "{\"pid\": 12",
    );
    let torn = claude.look().await;
    assert!(!torn.sample.state.takes_text());
    assert_eq!(
        torn.ignored,
        ["sessions file: a torn file, or one of another kind"]
    );
    claude.registry("meditating", &json!({}));
    let word = claude.look().await.sample.state;
    assert_eq!(
        word.activity,
        Activity::Obscured,
        "a word of a later version: {}",
        word.because
    );
}

#[tokio::test]
async fn a_sessions_file_of_a_later_shape_is_read_for_what_it_says() {
    let claude = Claude::new().await;
    let more = json!({"version": 3, "waitingFor": {"kind": "x"}, "procStart": claude.start});
    claude.registry("idle", &more);
    let state = claude.look().await.sample.state;
    assert!(state.takes_text(), "{}", state.because);
    claude.registry("busy", &json!({"version": ["2", "1"]}));
    let state = claude.look().await.sample.state;
    assert_eq!(state.activity, Activity::Busy, "{}", state.because);
    for strange in [json!(claude.start + 1), json!({"ticks": claude.start})] {
        claude.registry("idle", &json!({"procStart": strange}));
        let found = claude.look().await;
        assert!(!found.sample.state.takes_text(), "{strange}");
        assert_eq!(found.ignored.len(), 1, "{:?}", found.ignored);
    }
}

#[tokio::test]
async fn a_hook_counts_with_its_sessions_secret_and_its_conversation_only() {
    let claude = Claude::new().await;
    claude.hook("s3cr3t", SESSION, "SessionStart", &json!({}));
    claude.hook(
        "s3cr3t",
        SESSION,
        "UserPromptSubmit",
        &json!({"prompt": "go"}),
    );
    let open = claude.look().await;
    assert_eq!(
        open.sample.state.activity,
        Activity::Busy,
        "{}",
        open.sample.state.because
    );
    // Whoever forges its end does not know the secret, or speaks of another conversation.
    claude.hook("guessed", SESSION, "Stop", &json!({}));
    claude.hook("s3cr3t", "another", "Stop", &json!({}));
    let forged = claude.look().await;
    assert_eq!(forged.sample.state.activity, Activity::Busy);
    assert_eq!(
        forged.ignored,
        ["hooks: events without this session's secret, or of another conversation (2)"]
    );
    claude.hook("s3cr3t", SESSION, "Stop", &json!({}));
    let ended = claude.look().await;
    assert!(
        ended.sample.state.takes_text(),
        "{}",
        ended.sample.state.because
    );
    // Stopped by a person: no hook says so, the transcript does.
    claude.hook(
        "s3cr3t",
        SESSION,
        "UserPromptSubmit",
        &json!({"prompt": "go"}),
    );
    let stopped = now() + SignedDuration::from_millis(20);
    let text = json!([{"type": "text", "text": "[Request interrupted by user]"}]);
    let more =
        json!({"message": {"role": "user", "content": text}, "timestamp": stopped.to_string()});
    claude.transcript(&record("user", &more));
    let state = claude.look().await.sample.state;
    assert!(state.takes_text(), "{}", state.because);
    assert!(
        state.because.contains("transcript: idle (interrupted)"),
        "{}",
        state.because
    );
}

#[tokio::test]
async fn a_question_and_a_permission_have_their_words() {
    let claude = Claude::new().await;
    claude.hook(
        "s3cr3t",
        SESSION,
        "UserPromptSubmit",
        &json!({"prompt": "go"}),
    );
    let about = json!({"tool_name": "Bash", "tool_input": {"command": "rm -r build"}});
    claude.hook("s3cr3t", SESSION, "PermissionRequest", &about);
    claude.registry("waiting", &json!({"waitingFor": "permission prompt"}));
    let state = claude.look().await.sample.state;
    assert_eq!(state.attention, Attention::Permission);
    assert_eq!(state.words.as_deref(), Some("Bash: rm -r build"));
    // Answered: no hook says so, and the one that asked is not believed against who knows.
    claude.registry("busy", &json!({}));
    let state = claude.look().await.sample.state;
    assert_eq!(
        (state.activity, state.attention),
        (Activity::Busy, Attention::None)
    );
    let input = json!({"questions": [{"question": "Which\u{1b}[31m colour?"}]});
    let part = json!([{"type": "tool_use", "name": "AskUserQuestion", "input": input}]);
    let answer = json!({"message": {"stop_reason": "tool_use", "content": part}});
    claude.transcript(&(asked("go") + &record("assistant", &answer)));
    claude.registry("waiting", &json!({"waitingFor": "input needed"}));
    let state = claude.look().await.sample.state;
    assert_eq!(state.attention, Attention::Question);
    let words = state.words.unwrap();
    assert!(
        words.starts_with("Which") && words.ends_with("colour?"),
        "{words}"
    );
    assert!(!words.contains('\u{1b}'), "no escape sequence: {words:?}");
}

#[tokio::test]
async fn a_failed_turn_is_an_error_a_login_or_a_limit_with_its_end() {
    let claude = Claude::new().await;
    let failed = |status: u64, error: &str, words: &str| {
        let content = json!([{"type": "text", "text": words}]);
        let more = json!({
            "isApiErrorMessage": true, "apiErrorStatus": status, "error": error,
            "message": {"role": "assistant", "stop_reason": "stop_sequence", "content": content},
        });
        claude.transcript(&(asked("go") + &record("assistant", &more)));
    };
    let busy = "API Error: Request rejected (429) · This request would exceed your rate limit";
    for (status, error, words) in [
        (500, "unknown", "API Error: 500 oops"),
        (529, "overloaded", "API Error: 529 Overloaded"),
        (429, "rate_limit", busy),
    ] {
        failed(status, error, words);
        let state = claude.look().await.sample.state;
        assert_eq!(
            state.attention,
            Attention::Error,
            "{words}: {}",
            state.because
        );
        assert_eq!(state.words.as_deref(), Some(words));
        assert!(!state.takes_text());
    }
    failed(
        401,
        "authentication_failed",
        "Please run /login · API Error: 401",
    );
    // Nobody logs in by waiting: a minute later, when the record is old, it is no error that passes and not idle.
    let seen = claude.lab.tmux.look(&claude.pane).await.unwrap();
    let later = |minutes: i64| {
        let at = now() + SignedDuration::from_mins(minutes);
        let sampled = claude.sampler.sample(&seen, &claude.station, None, at);
        sampled.sample.state
    };
    for minutes in [0, 5] {
        assert_eq!(later(minutes).attention, Attention::Login, "{minutes}");
    }
    for (status, error, words) in [
        (400, "unknown", "API Error: 400 prompt is too long"),
        (404, "model_not_found", "There's an issue with the model"),
    ] {
        failed(status, error, words);
        for minutes in [0, 5] {
            let state = later(minutes);
            assert_eq!(state.attention, Attention::Refused, "{words} {minutes}");
            assert_eq!(state.words.as_deref(), Some(words));
        }
    }
    let resets = now().as_second() + 3600;
    failed(
        429,
        "rate_limit",
        &format!("Claude AI usage limit reached|{resets}"),
    );
    let until = Timestamp::from_second(resets).ok();
    let state = claude.look().await.sample.state;
    assert_eq!(state.attention, Attention::RateLimited { until });
    // Its end, and two minutes for the clocks, and it is over by itself.
    assert_eq!(later(61).attention, Attention::RateLimited { until });
    assert_eq!(later(63).attention, Attention::None);
    claude.transcript(&(asked("go") + &asked("again")));
    let state = claude.look().await.sample.state;
    assert_eq!(
        state.activity,
        Activity::Busy,
        "a new turn forgets the old one's error"
    );
}

#[tokio::test]
async fn a_torn_line_and_an_unknown_schema_say_nothing() {
    let claude = Claude::new().await;
    let end = record(
        "assistant",
        &json!({"message": {"stop_reason": "end_turn", "content": []}}),
    );
    claude.transcript(&(asked("go") + end.trim_end()));
    let torn = claude.look().await;
    assert_eq!(
        torn.sample.state.activity,
        Activity::Busy,
        "the end is not there yet"
    );
    assert_eq!(
        torn.ignored,
        ["transcript: a torn last line, left for later (1)"]
    );
    claude.transcript(&(asked("go") + &end));
    assert!(claude.look().await.sample.state.takes_text());
    let aside = record(
        "assistant",
        &json!({"isSidechain": true, "message": {"stop_reason": "end_turn"}}),
    );
    claude.transcript(&(asked("go") + &aside));
    assert_eq!(
        claude.look().await.sample.state.activity,
        Activity::Busy,
        "a subagent's end is not the turn's"
    );
    claude.transcript("{\"v\": 9, \"kind\": \"idle\"}\n\u{0}\u{1}garbage\n[]\n");
    let strange = claude.look().await;
    assert!(
        strange
            .evidence
            .iter()
            .all(|row| row.source != Source::Transcript)
    );
    assert_eq!(
        strange.ignored,
        [
            "transcript: lines that are no JSON (1)",
            "transcript: no record of a kind that is known"
        ]
    );
}

#[tokio::test]
async fn a_version_nobody_measured_needs_two_words_of_its_own_and_is_told_once() {
    let claude = Claude::measured_with(">=3.0.0, <4").await;
    let found = claude.look().await;
    assert!(
        !found.sample.state.takes_text(),
        "{}",
        found.sample.state.because
    );
    let words = "2.1.328, measured with >=3.0.0, <4";
    assert_eq!(found.sample.other_version.as_deref(), Some(words));
    assert!(
        found
            .resolved
            .lacks
            .iter()
            .any(|lacks| lacks.contains("2 of its own sources")),
        "{:?}",
        found.resolved.lacks
    );
    claude.hook("s3cr3t", SESSION, "SessionStart", &json!({}));
    let found = claude.look().await;
    assert!(
        found.sample.state.takes_text(),
        "{}",
        found.sample.state.because
    );
    let known = Claude::measured_with(">=2.1.300, <2.2").await;
    let found = known.look().await;
    assert!(
        found.sample.state.takes_text(),
        "one word is enough of a version that was measured"
    );
    assert_eq!(found.sample.other_version, None);
}

#[tokio::test]
async fn an_adopted_agent_of_another_version_is_believed_by_a_conversation_without_a_turn() {
    let mut claude = Claude::measured_with(">=3.0.0, <4").await;
    claude.station.hooks = None;
    let takes = async |claude: &Claude| claude.look().await.sample.state.takes_text();
    assert!(!takes(&claude).await, "nobody knows where it would keep it");
    claude.write(".claude/projects/other/x.jsonl", "");
    assert!(takes(&claude).await, "no conversation of it is kept");
    claude.write(&format!(".claude/projects/other/{SESSION}.jsonl"), "");
    assert!(!takes(&claude).await, "one is kept where nobody looked");
    let bare = record("system", &json!({"subtype": "local_command"}));
    claude.transcript(&bare);
    assert!(takes(&claude).await, "it has no turn");
    for more in ["{\"type\":\"turn2\"}\n", "{\"torn\":", "no json\n"] {
        claude.transcript(&format!("{bare}{more}"));
        assert!(!takes(&claude).await, "{more}");
    }
    claude.transcript(&(bare + &asked("go")));
    assert!(!takes(&claude).await, "a turn is open");
}

#[tokio::test]
async fn a_title_and_a_screen_full_of_escapes_make_nothing_idle_and_are_shown_plainly() {
    let lab = Lab::new().await;
    let profile = Profile {
        processes: vec!["sleep".to_owned()],
        signals: Signals {
            title_idle: Some("^Ready".to_owned()),
            ..Signals::default()
        },
        ..profile(lab.dir.path())
    };
    let sampler = Sampler::new(profile, lab.dir.path()).unwrap();
    let script = r"printf '\033]2;Ready\033[2J\033]52;c;eA==\007\033]2;Rea\001dy \302\233 x\007\033[8m\342\235\257\302\240\033P+q\033\\\033[28m\033[?25l'; exec sleep 100";
    let words = ["/bin/sh", "-c", script];
    let pane = lab
        .tmux
        .new_window(&lab.window("work", "agent", &words))
        .await
        .unwrap();
    lab.until(&pane, |seen| seen.row.command == "sleep").await;
    let start = now();
    let seen = lab.tmux.look(&pane).await.unwrap();
    let first = sampler.sample(&seen, &Station::MANAGED, None, start);
    let later = start + SignedDuration::from_secs(1);
    let second = sampler.sample(&seen, &Station::MANAGED, Some(&first.resolved), later);
    for row in &second.evidence {
        assert!(!row.detail.chars().any(char::is_control), "{row:?}");
    }
    assert!(!second.sample.state.because.chars().any(char::is_control));
    let mut strange = seen.clone();
    strange.row.title = format!("Ready\u{1b}[2J\u{7}\u{9b}31m{}", "y".repeat(300));
    let sampled = sampler.sample(&strange, &Station::MANAGED, None, start);
    let title = sampled
        .evidence
        .iter()
        .find(|row| row.source == Source::Title);
    let detail = &title.unwrap().detail;
    assert!(
        detail.starts_with("Ready[2J31myyy") && detail.len() == 80,
        "{detail:?}"
    );
    // Whatever is drawn: a program that is not the agent is not idle.
    let other = Profile {
        processes: vec!["claude".to_owned()],
        ..sampler.profile().clone()
    };
    let other = Sampler::new(other, lab.dir.path()).unwrap();
    let first = other.sample(&strange, &Station::MANAGED, None, start);
    let second = other.sample(&strange, &Station::MANAGED, Some(&first.resolved), later);
    assert!(!second.sample.state.takes_text());
    assert!(!second.resolved.lacks.is_empty());
}

#[test]
fn an_agent_of_which_nothing_is_known_for_a_while_is_stuck_and_a_shell_is_not() {
    let profile = profile(std::path::Path::new("/h"));
    let at = |second: i64| Timestamp::from_second(1_800_000_000 + second).unwrap();
    let rows = |second| row_of(&[(Source::Process, Claim::AgentInFront)], at(second));
    let walk = |profile: &Profile, seconds: i64| {
        let mut last = resolve(&rows(0), profile, "p", None, at(0));
        for second in 1..=seconds {
            last = resolve(&rows(second), profile, "p", Some(&last), at(second));
        }
        last.state.attention
    };
    assert_eq!(walk(&profile, 89), Attention::None);
    assert_eq!(walk(&profile, 90), Attention::Stuck);
    let mut shell = profile.clone();
    shell.screen.composer = None;
    assert_eq!(
        walk(&shell, 90),
        Attention::None,
        "nobody types there anyway"
    );
    let silent = [
        (Source::Process, Claim::AgentInFront),
        (Source::StateFile, Claim::Busy),
        (Source::Tmux, Claim::Silent),
    ];
    let state = resolve(&row_of(&silent, at(0)), &profile, "p", None, at(0)).state;
    assert_eq!(
        (state.activity, state.attention),
        (Activity::Busy, Attention::Stuck)
    );
}

pub(super) fn row_of(claims: &[(Source, Claim)], at: Timestamp) -> Vec<Evidence> {
    let row = |(source, claim): &(Source, Claim)| Evidence {
        source: *source,
        claim: claim.clone(),
        detail: String::new(),
        at,
        session: None,
    };
    claims.iter().map(row).collect()
}

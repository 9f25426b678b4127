//! `pointsman inbox` from the snapshot that `status` shows.

use super::*;
use crate::builders::alice;
use pointsman::view::{Inbox, render_inbox};

/// A world in which everything that a person is asked for waits.
fn waiting() -> Snapshot {
    let holds = [
        (
            2,
            Hold::SeveralLabels {
                labels: vec![Label::new("QA"), Label::new("review")],
            },
        ),
        (
            3,
            Hold::Untrusted {
                actor: alice(),
                role: Role::None,
                agents: false,
            },
        ),
        (4, Hold::NeedsReapproval { by: "bob".into() }),
        (
            5,
            Hold::Parked {
                label: Label::new("needs-human"),
                why: Some("3 attempts failed".into()),
                stripped: None,
            },
        ),
        (
            6,
            Hold::Yours {
                how: "`pointsman approve 6`, merge pointsman/6-faq, or set another label".into(),
            },
        ),
        (
            7,
            Hold::Asked {
                question: "Which of the two colours?".into(),
            },
        ),
        (
            8,
            Hold::AgentAsks {
                what: "shows a dialog".into(),
            },
        ),
        (
            9,
            Hold::TreeDirty {
                files: vec!["src/app.ts".into()],
            },
        ),
    ];
    let heads = holds
        .iter()
        .map(|(number, _)| head(*number, "Add a FAQ", "ready-for-prep"))
        .collect();
    let mut seen = seen(heads);
    seen.panes
        .insert(Window::AGENT, sample(Activity::Busy, Attention::Dialog));
    let report = CycleReport {
        at: Some(minutes(-1)),
        did: None,
        standing: holds
            .into_iter()
            .map(|(number, hold)| (IssueNumber(number), hold))
            .collect(),
        ..CycleReport::default()
    };
    let mut state = State::default();
    let asking = dispatch("ab12cd", 7, "Add a FAQ", dev());
    state.dispatches.insert(asking.id().clone(), asking);
    let view = ProjectView::new(&rules(), &state, &report, Sight::Live(&seen));
    Snapshot::new(ten(), "0.1.0", vec![view])
}

#[test]
fn the_inbox_has_the_questions_first_and_what_ends_each() {
    let inbox = Inbox::new(&waiting());
    assert_snapshot!(render_inbox(&inbox, 120), @r#"
    blog  #7  asked             the agent asked: Which of the two colours?         reply at https://example.test/me/blog/issues/7
    blog  #6  yours             Add a FAQ                                          pointsman approve 6 --project blog
    blog  #5  parked            a person is needed: 3 attempts failed              remove `needs-human` to try again, or set another routing label
    blog  #4  needs-reapproval  bob changed the text as it was approved, or after  read the text again, then remove and set the label
    blog  #2  several-labels    several routing labels: QA, review                 pointsman labels fix --project blog
    blog      window            the window `agent` shows a dialog                  pointsman attach blog
    blog  #9  tree-dirty        src/app.ts changed, not by us                      commit or stash them
    1 label of somebody who may not start work: pointsman status
    "#);
}

#[test]
fn an_inbox_without_anything_says_so_and_no_width_cuts_a_command() {
    let nothing = Snapshot::new(ten(), "0.1.0", vec![]);
    assert_eq!(
        render_inbox(&Inbox::new(&nothing), 80),
        "nothing waits for you\n"
    );
    let narrow = render_inbox(&Inbox::new(&waiting()), 40);
    assert!(
        narrow.contains("  pointsman approve 6 --project blog\n"),
        "{narrow}"
    );
}

#[test]
fn an_issue_with_a_pull_request_is_ended_there_or_here() {
    let mut snapshot = waiting();
    let mut rows = snapshot.projects[0].rows.iter_mut();
    let row = rows.find(|row| row.number == IssueNumber(6)).unwrap();
    row.pull = Some("https://example.test/me/blog/pull/13".into());
    let inbox = Inbox::new(&snapshot);
    let matters = inbox.matters.iter();
    let ends: Vec<&str> = matters
        .filter(|matter| matter.word == "yours")
        .map(|matter| matter.ends.as_str())
        .collect();
    assert_eq!(
        ends,
        ["merge https://example.test/me/blog/pull/13, or pointsman approve 6 --project blog"]
    );
}

/// What one project has to tell takes the place of what it told before: a second one of that name would be called again and again.
#[test]
fn no_project_can_be_called_as_the_accounts_or_the_files_are() {
    let may_be = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    for name in [
        pointsman::view::ACCOUNTS,
        pointsman::daemon::desk::surface::INSTALLATION,
    ] {
        assert!(!name.chars().all(may_be), "{name}");
    }
}

/// Two projects share an account that is at its limit.
#[test]
fn a_limit_is_one_matter_however_many_projects_share_the_account() {
    let limit = AccountLimit {
        account: "anthropic".into(),
        until: Some(minutes(90)),
        projects: vec![ProjectName::new("blog"), ProjectName::new("shop")],
    };
    let view = |name: &str| {
        let mut seen = seen(vec![]);
        let limited = Attention::RateLimited { until: limit.until };
        seen.panes
            .insert(Window::AGENT, sample(Activity::Unknown, limited));
        seen.limits = vec![limit.clone()];
        let mut rules = rules();
        rules.project.name = ProjectName::new(name);
        let report = CycleReport::default();
        ProjectView::new(&rules, &State::default(), &report, Sight::Live(&seen))
    };
    let snapshot = Snapshot::new(ten(), "0.1.0", vec![view("blog"), view("shop")]);
    assert_snapshot!(render_inbox(&Inbox::new(&snapshot), 120), @"(accounts)    limit  anthropic is at its limit until 2026-11-20T11:30:00Z: blog, shop wait  it ends by itself");
}

/// Nothing passes by itself there, so a person is called at once, and told what to do.
#[test]
fn whoever_must_log_in_or_was_refused_is_a_persons_at_once() {
    let (mut state, report, mut seen) = busy();
    let mut rules = rules();
    let mut profile = crate::support::tmux::profile(std::path::Path::new("/h"));
    profile.go_on = Some("Go on.".to_owned());
    let open = state.dispatches.values_mut().next().unwrap();
    open.phase = Phase::Working;
    rules.profiles.insert(open.opening.profile.clone(), profile);
    let stopped = Activity::Idle { since: minutes(-1) };
    let mut shown = |attention: Attention, words: &str| {
        let mut sample = sample(stopped, attention);
        sample.state.words = Some(words.to_owned());
        assert!(!sample.state.takes(Purpose::Resume) && !sample.state.takes_text());
        seen.panes.insert(Window::AGENT, sample);
        let view = ProjectView::new(&rules, &state, &report, Sight::Live(&seen));
        let inbox = Inbox::new(&Snapshot::new(ten(), "0.1.0", vec![view]));
        let mut matters = inbox.matters.iter();
        let window = matters.find(|matter| matter.word == "window");
        window.map(|window| format!("{} | {}", window.says, window.ends))
    };
    assert_eq!(
        shown(Attention::Login, "Invalid API key").as_deref(),
        Some(
            "the window `agent` asks to be logged in: Invalid API key | pointsman attach blog, log in there, and send it any message: it is believed once a turn succeeds"
        )
    );
    assert_eq!(
        shown(Attention::Refused, "API Error: 400 oops").as_deref(),
        Some(
            "the window `agent` was refused by its provider: API Error: 400 oops | pointsman attach blog, mend what is refused, and tell it to go on"
        )
    );
}

/// As long as an agent that stopped with an error will be told to go on, nobody is called.
#[test]
fn an_error_is_a_persons_when_no_word_to_go_on_is_left() {
    let (mut state, report, mut seen) = busy();
    let mut rules = rules();
    let mut profile = crate::support::tmux::profile(std::path::Path::new("/h"));
    profile.go_on = Some("Go on.".to_owned());
    let open = state.dispatches.values_mut().next().unwrap();
    open.phase = Phase::Working;
    rules.profiles.insert(open.opening.profile.clone(), profile);
    let stopped = Activity::Idle { since: minutes(-1) };
    seen.panes
        .insert(Window::AGENT, sample(stopped, Attention::Error));
    let asks = |rules: &Rules, state: &State| {
        let view = ProjectView::new(rules, state, &report, Sight::Live(&seen));
        view.agents[0].asks
    };
    assert!(!asks(&rules, &state), "it is told to go on");
    let mut silent = rules.clone();
    for profile in silent.profiles.values_mut() {
        profile.go_on = None;
    }
    assert!(asks(&silent, &state), "its profile has no word");
    for id in ["r1r1r1r1", "r2r2r2r2", "r3r3r3r3"] {
        assert!(!asks(&rules, &state), "before {id}");
        let settled = DeliveryStep::Settled {
            verdict: Verdict::Confirmed,
            witness: "transcript".into(),
        };
        let word = delivery(id, Purpose::Resume, settled);
        let open = state.dispatches.values_mut().next().unwrap();
        open.deliveries.push(word.id.clone());
        state.deliveries.insert(word.id.clone(), word);
    }
    assert!(asks(&rules, &state), "three words are spent");
}

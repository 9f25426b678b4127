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
        .insert(Window::Agent, sample(Activity::Busy, Attention::Dialog));
    let report = CycleReport {
        at: Some(minutes(-1)),
        did: None,
        standing: holds
            .into_iter()
            .map(|(number, hold)| (IssueNumber(number), hold))
            .collect(),
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

//! PROTOCOLS 7 as data: who changed what, and what follows with and without an open dispatch.

use std::collections::BTreeMap;

use pointsman::domain::{
    Actor, ActorId, ActorKind, Basis, Details, Edit, Hold, Label, LabelEvent, LabelEventId, Role,
    SingleRead, Text,
};
use pointsman::machine::labels::trust::{
    in_question, is_agents, is_trusted, request, still_wanted,
};
use pointsman::machine::state::Walk;
use pointsman::machine::text::issue_digest;

use crate::builders::{dev, dispatch, head, minutes, rules};

fn actor(who: &str) -> Actor {
    Actor {
        id: ActorId::new(who),
        login: who.to_owned(),
        kind: if who == "app" {
            ActorKind::App
        } else {
            ActorKind::User
        },
    }
}

fn role(who: &str) -> Role {
    match who {
        "alice" | "bob" => Role::Write,
        _ => Role::Triage,
    }
}

/// One change: labels now, `who+label` or `who-label` for each event since the dispatch, editors in their order, whether it is open.
struct Change {
    labels: &'static str,
    since: &'static str,
    editor: &'static str,
    open: bool,
}

const fn change(labels: &'static str, since: &'static str) -> Change {
    Change {
        labels,
        since,
        editor: "",
        open: true,
    }
}

fn details(change: &Change) -> Details {
    let mut head = head(7, "Add an FAQ", "bug");
    head.labels = change.labels.split_whitespace().map(Label::new).collect();
    head.open = change.open;
    let first = ("alice+ready-for-dev", 701);
    let events: Vec<LabelEvent> = std::iter::once(first)
        .chain(change.since.split_whitespace().zip(702..))
        .map(|(text, id)| {
            let at = text.find(['+', '-']).unwrap();
            LabelEvent {
                id: LabelEventId::new(id.to_string()),
                set: text[at..].starts_with('+'),
                label: Label::new(&text[at + 1..]),
                actor: Some(actor(&text[..at])),
                at: minutes(id - 710),
            }
        })
        .collect();
    let edit = |(who, at): (&str, i64)| Edit {
        at: minutes(at),
        by: Some(actor(who)),
    };
    let edits: Vec<Edit> = change
        .editor
        .split_whitespace()
        .zip(0..)
        .map(edit)
        .collect();
    let who = events.iter().filter_map(|event| event.actor.clone());
    let who = who.chain(edits.iter().filter_map(|edit| edit.by.clone()));
    let roles: BTreeMap<Actor, Role> = who
        .map(|actor| (actor.clone(), role(&actor.login)))
        .collect();
    let text = Text {
        title: "Add an FAQ".to_owned(),
        body: String::new(),
        edits,
    };
    Details {
        read: SingleRead::Found(Box::new((head, text))),
        events,
        roles,
        comments: None,
        at: minutes(0),
    }
}

fn walk() -> Walk {
    Walk {
        event: Some(LabelEventId::new("701")),
        ..Walk::default()
    }
}

/// What follows while nothing of the issue is open: honoured (as an override or not), or the word of the hold.
fn without_dispatch(change: &Change, label: &str) -> String {
    let rules = rules();
    let asked = request(
        &rules.project,
        &rules.workflow,
        Some(&walk()),
        minutes(-6000),
        &Label::new(label),
        &details(change),
    );
    match asked {
        Ok(request) if request.overrides => {
            format!("override by {}", request.approval.by.login)
        }
        Ok(request) => format!("asked by {}", request.approval.by.login),
        Err(hold) => hold.word().to_owned(),
    }
}

/// What follows for the dispatch of the first labelling.
fn with_dispatch(change: &Change) -> String {
    let mut dispatch = dispatch("d7d7d7", 7, "Add an FAQ", dev());
    if let Basis::Labelling { labelling, .. } = &mut dispatch.opening.basis {
        labelling.event = LabelEventId::new("701");
    }
    let rules = rules();
    match still_wanted(&dispatch, &rules.project, &rules.workflow, &details(change)) {
        Ok(()) => "goes on".to_owned(),
        Err((by, why)) => format!("withdrawn by {by}: {why}"),
    }
}

#[test]
fn what_people_change_is_honoured_by_who_they_are() {
    let closed = Change {
        open: false,
        ..change("ready-for-dev", "")
    };
    // the change, the label that counts now, without a dispatch, with one
    let table = [
        (
            change("ready-for-dev", ""),
            "ready-for-dev",
            "asked by alice",
            "goes on",
        ),
        (
            change("review", "bob-ready-for-dev bob+review"),
            "review",
            "override by bob",
            "withdrawn by bob: `ready-for-dev` was removed",
        ),
        (
            change("ready-for-dev", "bob-ready-for-dev bob+ready-for-dev"),
            "ready-for-dev",
            "override by bob",
            "withdrawn by bob: `ready-for-dev` was set anew",
        ),
        (
            change("", "mallory-ready-for-dev"),
            "ready-for-dev",
            "unattributed",
            "withdrawn by mallory: `ready-for-dev` was removed",
        ),
        (
            change("ready-for-dev hold", "mallory+hold"),
            "ready-for-dev",
            "vetoed",
            "withdrawn by mallory: `hold` is set",
        ),
        (
            change("review", "mallory-ready-for-dev mallory+review"),
            "review",
            "untrusted",
            "withdrawn by mallory: `ready-for-dev` was removed",
        ),
        (
            closed,
            "ready-for-dev",
            "asked by alice",
            "withdrawn by alice: the issue was closed",
        ),
    ];
    for (change, label, free, open) in table {
        let name = format!("{{{}}} after {:?}", change.labels, change.since);
        assert_eq!(without_dispatch(&change, label), free, "{name}");
        assert_eq!(with_dispatch(&change), open, "{name}");
    }
}

/// Who could not have set the label cannot stop work by adding another one, and no write of ours follows.
#[test]
fn a_stranger_who_adds_a_routing_label_is_ignored_while_a_dispatch_is_open() {
    let added = change("ready-for-dev review", "mallory+review");
    assert_eq!(with_dispatch(&added), "goes on");
    let by_bob = change("ready-for-dev review", "bob+review");
    assert!(with_dispatch(&by_bob).starts_with("withdrawn by bob: several routing labels"));
}

/// Whose role decides is read: who set what stands, and who took the park label off.
#[test]
fn the_roles_of_the_hands_in_question_are_read() {
    let table = [
        ("ready-for-dev", "", "alice"),
        (
            "ready-for-dev",
            "bob+needs-human mallory-needs-human",
            "alice mallory",
        ),
        (
            "ready-for-dev needs-human",
            "mallory-needs-human bob+needs-human",
            "alice",
        ),
        (
            "ready-for-dev review",
            "bob+review mallory+bug",
            "alice bob",
        ),
    ];
    for (labels, since, then) in table {
        let details = details(&change(labels, since));
        let SingleRead::Found(found) = &details.read else {
            panic!("it is there");
        };
        let hands = in_question(&rules().workflow, found, &details.events);
        let mut names: Vec<&str> = hands.iter().map(|hand| hand.login.as_str()).collect();
        names.sort_unstable();
        assert_eq!(names.join(" "), then, "{{{labels}}} after {since:?}");
    }
}

#[test]
fn an_app_is_trusted_by_its_id_only() {
    let set = change("review", "app-ready-for-dev app+review");
    assert_eq!(without_dispatch(&set, "review"), "untrusted");
    let mut rules = rules();
    rules.project.allow = vec!["app".to_owned()];
    let asked = request(
        &rules.project,
        &rules.workflow,
        Some(&walk()),
        minutes(-6000),
        &Label::new("review"),
        &details(&set),
    );
    assert!(asked.is_ok_and(|request| request.overrides));
}

/// The approval of a walk is inherited by our own moves; an edit since is the editor's.
#[test]
fn an_edit_keeps_the_approval_only_of_who_could_have_given_it() {
    let digest = issue_digest("Add an FAQ", "");
    for (editor, then) in [
        ("", Ok(())),
        ("alice", Ok(())),
        ("bob", Ok(())),
        ("mallory", Err("needs-reapproval")),
        // What a trusted person changes later does not cover it.
        ("mallory bob", Err("needs-reapproval")),
        ("bob alice", Ok(())),
    ] {
        let changed = Change {
            editor,
            ..change("review", "us-ready-for-dev us+review")
        };
        let mut walk = walk();
        walk.own_event = Some(LabelEventId::new("703"));
        walk.approval = Some(pointsman::domain::Approval {
            by: actor("alice"),
            at: minutes(-10),
            text: digest.clone(),
        });
        let rules = rules();
        let asked = request(
            &rules.project,
            &rules.workflow,
            Some(&walk),
            minutes(-6000),
            &Label::new("review"),
            &details(&changed),
        );
        let is = asked.map(|request| {
            assert!(!request.overrides, "our own move is no override");
            assert_eq!(request.approval.by.login, "alice");
        });
        assert_eq!(
            is.as_ref().map_err(Hold::word),
            then.as_ref().map_err(|word| *word),
            "{editor}"
        );
    }
}

/// Nobody approves their own work: an account that agents work as has no word, whatever it may do in the repository.
#[test]
fn an_account_that_agents_work_as_has_no_word() {
    let digest = issue_digest("Add an FAQ", "");
    for entry in ["bob", "BOB"] {
        let mut rules = rules();
        rules.project.agents = vec![entry.to_owned()];
        let ask = |change: &Change, walk: &Walk| {
            let label = Label::new("review");
            let details = details(change);
            let (project, workflow) = (&rules.project, &rules.workflow);
            request(
                project,
                workflow,
                Some(walk),
                minutes(-6000),
                &label,
                &details,
            )
        };
        let set = change("review", "bob-ready-for-dev bob+review");
        let hold = ask(&set, &walk()).expect_err("agents ask for nothing");
        assert_eq!(hold.word(), "untrusted");
        assert_eq!(
            hold.to_string(),
            "bob set the label, and agents work as bob: their word starts nothing"
        );
        let blog = pointsman::domain::ProjectName::new("blog");
        assert_eq!(
            hold.hint(&blog).as_deref(),
            Some("a person with write access sets the label")
        );
        // What they write into the text has to be read by a person, also where their own account once gave the word.
        for approved_by in ["alice", "bob"] {
            let edited = Change {
                editor: "bob",
                ..change("review", "us-ready-for-dev us+review")
            };
            let mut walk = walk();
            walk.own_event = Some(LabelEventId::new("703"));
            walk.approval = Some(pointsman::domain::Approval {
                by: actor(approved_by),
                at: minutes(-10),
                text: digest.clone(),
            });
            let hold = ask(&edited, &walk).expect_err("nobody read it");
            assert_eq!(hold.word(), "needs-reapproval", "{approved_by}");
        }
        // A person's word is one as before.
        let set = change("review", "alice-ready-for-dev alice+review");
        assert!(ask(&set, &walk()).is_ok_and(|asked| asked.overrides));
    }
}

/// A list of accounts that says who may, and one that says who never does: the second wins.
#[test]
fn an_account_of_agents_is_known_by_its_id_too_and_no_list_helps_it() {
    let bob = actor("bob");
    let mut rules = rules();
    rules.project.allow = vec!["bob".to_owned()];
    let roles = BTreeMap::from([(bob.clone(), Role::Admin)]);
    assert!(is_trusted(&rules.project, &bob, &roles));
    rules.project.agents = vec!["bob".to_owned()];
    assert!(!is_trusted(&rules.project, &bob, &roles));
    // A number is an id, never a name.
    let (mut numbered, mut named) = (actor("4242"), actor("bob"));
    named.login = "4242".to_owned();
    numbered.login = "shop-agent".to_owned();
    rules.project.agents = vec!["4242".to_owned()];
    assert!(is_agents(&rules.project, &numbered));
    assert!(!is_agents(&rules.project, &named));
}

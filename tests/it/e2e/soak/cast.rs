//! The projects, the issues, and what will go wrong with each of them.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;
use pointsman::domain::{IssueNumber, Label, SingleRead};
use pointsman::tracker::NewIssue;

use super::story::Story;
use crate::support::world::World;

/// A label that is not ours, on every issue.
pub(super) const FOREIGN: &str = "good first issue";
/// The stages, first to last.
pub(super) const ROUTING: [&str; 4] = ["ready-for-prep", "ready-for-dev", "QA", "review"];
/// The time over which the script sets its labels.
const LABELLED_WITHIN: Duration = Duration::from_mins(1);

/// Where issues are, and how many.
pub(super) struct Project {
    pub(super) name: &'static str,
    pub(super) on_github: bool,
    issues: usize,
}

/// Of one GitHub account at most one write a second is let through, so most issues are in folders.
pub(super) const PROJECTS: [Project; 6] = [
    project("blog", true, 5),
    project("docs", true, 5),
    project("shop", true, 5),
    project("core", false, 16),
    project("site", false, 16),
    project("tool", false, 16),
];

const fn project(name: &'static str, on_github: bool, issues: usize) -> Project {
    Project {
        name,
        on_github,
        issues,
    }
}

/// What agents do wrong, and in how many issues of a project of 16 at most. A new one is a marker of the demo agent and a row here.
const HABITS: [(&str, usize); 9] = [
    ("[demo:liar]", 3),
    ("[demo:silent]", 2),
    ("[demo:ask]", 3),
    ("[demo:bounce]", 3),
    ("[demo:dialog]", 2),
    ("[demo:fail]", 1),
    // An agent that ends is started anew three times an hour, and then a person is called.
    ("[demo:crash]", 1),
    ("[demo:stray]", 2),
    ("[demo:late]", 2),
];

/// `SplitMix64`.
pub(super) struct Draw(pub(super) u64);

impl Draw {
    pub(super) fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % end as u64).expect("it is below a usize")
    }
}

/// One issue.
pub(super) struct Member {
    pub(super) project: &'static Project,
    pub(super) number: IssueNumber,
    pub(super) marks: String,
    due: Duration,
    /// When the script set its label.
    pub(super) labelled: Option<Timestamp>,
}

impl Member {
    /// Its labels, and whether it is open.
    pub(super) async fn on_tracker(&self, world: &World) -> (BTreeSet<String>, bool) {
        let name = self.project.name;
        if self.project.on_github {
            let mut model = world.fake().model();
            let issue = model.issue(&format!("me/{name}"), self.number.0);
            return (issue.labels.iter().cloned().collect(), issue.open);
        }
        let read = world.tracker(name).issue(self.number).await;
        let SingleRead::Found(found) = read.expect("it is read") else {
            panic!("{name} {} is gone", self.number);
        };
        let labels = found.0.labels.iter().map(ToString::to_string).collect();
        (labels, found.0.open)
    }

    /// Its one routing label.
    pub(super) async fn routing_label(&self, world: &World) -> Option<String> {
        let (labels, _) = self.on_tracker(world).await;
        labels
            .into_iter()
            .find(|label| ROUTING.contains(&label.as_str()))
    }

    /// Sets a label as a person does.
    pub(super) async fn label(&self, world: &World, label: &str) {
        let name = self.project.name;
        if self.project.on_github {
            let mut model = world.fake().model();
            model.label(&format!("me/{name}"), self.number.0, label, "ann");
        } else {
            let label = Label::new(label);
            let set = world.tracker(name).add_label(self.number, &label).await;
            set.expect("it is set");
        }
        world.poll(name).await;
    }

    /// Takes a label off as a person does.
    pub(super) async fn unlabel(&self, world: &World, label: &str) {
        let name = self.project.name;
        if self.project.on_github {
            let mut model = world.fake().model();
            model.unlabel(&format!("me/{name}"), self.number.0, label, "ann");
        } else {
            let label = Label::new(label);
            let tracker = world.tracker(name);
            let removed = tracker.remove_label(self.number, &label).await;
            removed.expect("it is removed");
        }
        world.poll(name).await;
    }
}

/// All of them.
pub(super) struct Cast {
    pub(super) issues: Vec<Member>,
}

impl Cast {
    /// Makes the projects and opens their issues, without a routing label.
    pub(super) async fn open(world: &mut World, seed: u64) -> Self {
        let mut draw = Draw(seed);
        {
            let mut model = world.fake().model();
            model.limit = 100_000;
            let _known = model.account("ann");
        }
        let mut issues = Vec::new();
        for project in &PROJECTS {
            if project.on_github {
                world.github_project(project.name);
                let repo = format!("me/{}", project.name);
                world.fake().model().grant(&repo, "ann", "write");
            } else {
                world.project(project.name);
            }
            for (at, marks) in dealt(&mut draw, project.issues).into_iter().enumerate() {
                let title = format!("Greet the {at}th guest by name");
                let number = open_issue(world, project, &title, &marks).await;
                let (nth, of) = (u32::try_from(at), u32::try_from(project.issues));
                let due = LABELLED_WITHIN * nth.expect("few") / of.expect("few");
                issues.push(Member {
                    project,
                    number,
                    marks,
                    due,
                    labelled: None,
                });
            }
        }
        assert_eq!(issues.len(), 63);
        Self { issues }
    }

    /// Sets the labels whose time has come.
    pub(super) async fn label(&mut self, world: &World, passed: Duration) {
        for one in &mut self.issues {
            if one.labelled.is_some() || one.due > passed {
                continue;
            }
            one.label(world, ROUTING[0]).await;
            one.labelled = Some(Timestamp::now());
        }
    }

    pub(super) fn is_all_labelled(&self) -> bool {
        self.issues.iter().all(|one| one.labelled.is_some())
    }

    /// The issues that are not over, in words.
    pub(super) fn open_ones(&self, story: &Story) -> String {
        let open = self.issues.iter().filter(|one| !story.is_over(one));
        let words = open.map(|one| {
            let hold = story.hold(one);
            format!(
                "{} {} {}: {hold:?}\n",
                one.project.name, one.number, one.marks
            )
        });
        words.collect()
    }
}

/// Deals the bad habits out to so many issues: some have none, some have two.
fn dealt(draw: &mut Draw, count: usize) -> Vec<String> {
    let mut marks = vec![String::new(); count];
    for (habit, most) in HABITS {
        for _ in 0..(most * count).div_ceil(16) {
            let of = &mut marks[draw.below(count)];
            if !of.contains(habit) {
                *of += &format!("{habit} ");
            }
        }
    }
    marks
}

async fn open_issue(world: &World, project: &Project, title: &str, marks: &str) -> IssueNumber {
    let body = format!("It should take a name. {marks}");
    if project.on_github {
        let repo = format!("me/{}", project.name);
        let mut model = world.fake().model();
        let number = model.open_issue(&repo, "ann", title, &body);
        model.label(&repo, number, FOREIGN, "ann");
        return IssueNumber(number);
    }
    let issue = NewIssue {
        title: title.to_owned(),
        body,
        labels: vec![Label::new(FOREIGN)],
    };
    let opened = world.tracker(project.name).create_issue(&issue).await;
    opened.expect("it is opened")
}

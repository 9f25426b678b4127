//! The person: answers, approves, merges, says yes to dialogs, takes up parked issues once, does what a hold's hint says, and types into
//! panes by mistake.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use pointsman::daemon::desk::control::Call;
use pointsman::domain::{DispatchId, Hold, Label, ProjectName, Request};

use super::cast::{Cast, Draw, Member, PROJECTS};
use super::story::{Standing, Story, key};
use crate::support::world::World;

/// How often a parked issue is taken up again.
pub(super) const REROUTES_MAX: usize = 1;
/// How long the person takes to notice what was typed by mistake.
const JUNK_LIES: Duration = Duration::from_millis(2500);
/// Between two mistakes.
const JUNK_EVERY: Duration = Duration::from_secs(9);
/// Between two things said of the same matter: what was said is seen by then.
const AGAIN: Duration = Duration::from_secs(10);

pub(super) struct Person {
    draw: Draw,
    answered: BTreeSet<DispatchId>,
    said: BTreeMap<String, Instant>,
    junk: Option<(&'static str, Instant)>,
    last_junk: Instant,
}

impl Person {
    pub(super) fn new(draw: Draw) -> Self {
        Self {
            draw,
            answered: BTreeSet::new(),
            said: BTreeMap::new(),
            junk: None,
            last_junk: Instant::now(),
        }
    }

    /// Does what there is to do.
    pub(super) async fn acts(&mut self, world: &World, cast: &Cast, story: &Story) {
        for one in &cast.issues {
            self.answers(world, story, one).await;
            match story.standing.get(&key(one)) {
                Some(Standing::Yours) => self.ends(world, story, one).await,
                Some(Standing::Parked(_)) if !story.is_over(one) => {
                    self.takes_up(world, one).await;
                }
                Some(Standing::Parked(_) | Standing::Done(_)) => {}
                None => self.helps(world, story, one).await,
            }
        }
        self.says_yes(world);
        self.types_junk(world);
    }

    /// Clears what was typed by mistake.
    pub(super) fn leaves(&mut self, world: &World) {
        if let Some((name, _)) = self.junk.take() {
            world.tmux(&["send-keys", "-t", &format!("{name}:agent"), "C-u"]);
        }
    }

    /// Whether it was not said a moment ago.
    fn may_say(&mut self, what: &str) -> bool {
        let is_new = self.said.get(what).is_none_or(|at| at.elapsed() > AGAIN);
        if is_new {
            self.said.insert(what.to_owned(), Instant::now());
        }
        is_new
    }

    async fn answers(&mut self, world: &World, story: &Story, one: &Member) {
        for (of, dispatch) in &story.asked {
            if *of != key(one) || !self.answered.insert(dispatch.clone()) {
                continue;
            }
            let (name, answer) = (one.project.name, "Refuse it, please.");
            if one.project.on_github {
                let mut model = world.fake().model();
                model.say(&format!("me/{name}"), one.number.0, "ann", answer);
            } else {
                let said = world.tracker(name).comment(one.number, answer).await;
                said.expect("it is said");
            }
            world.poll(name).await;
        }
    }

    /// The last move: every second pull request is merged, everything else is approved.
    async fn ends(&mut self, world: &World, story: &Story, one: &Member) {
        let name = one.project.name;
        if !self.may_say(&format!("end {name} {}", one.number)) {
            return;
        }
        if one.project.on_github && one.number.0.is_multiple_of(2) {
            if let Some(pull) = story.pulls.get(&key(one)) {
                let mut model = world.fake().model();
                let repo = format!("me/{name}");
                if model.pull_facts(&repo, *pull).merged.is_none() {
                    model.merge(&repo, *pull, "ann");
                }
            }
            world.poll(name).await;
            return;
        }
        asks(world, name, |by| Request::Approve {
            issue: one.number,
            by,
        });
    }

    /// What is parked begins anew at the first stage, or tries again where it is.
    async fn takes_up(&mut self, world: &World, one: &Member) {
        if !self.may_say(&format!("take up {} {}", one.project.name, one.number)) {
            return;
        }
        if one.number.0.is_multiple_of(2) {
            asks(world, one.project.name, |by| Request::Route {
                issue: one.number,
                to: Label::new("ready-for-prep"),
                by,
            });
        } else {
            one.unlabel(world, "needs-human").await;
        }
    }

    /// Does what the hint of a hold says, if it is a person who can end it.
    async fn helps(&mut self, world: &World, story: &Story, one: &Member) {
        let name = one.project.name;
        let Some(hold) = story.hold(one) else { return };
        let what = format!("help {name} {} {}", one.number, hold.word());
        match hold {
            // Our line was cleared by mistake, or the agent died over it: its transcript was looked at.
            Hold::Unknown { .. } if self.may_say(&what) => {
                let Some(label) = one.routing_label(world).await else {
                    return;
                };
                one.unlabel(world, &label).await;
                one.label(world, &label).await;
            }
            Hold::TreeDirty { .. } if self.may_say(&what) => {
                world.git(name, &["stash", "-q", "--include-untracked"]);
                world.poll(name).await;
            }
            Hold::LineLeft { .. } if self.may_say(&what) => {
                world.tmux(&["send-keys", "-t", &format!("{name}:agent"), "C-u"]);
            }
            _ => {}
        }
    }

    fn says_yes(&mut self, world: &World) {
        let panes = world.tmux(&["list-panes", "-a", "-F", "#{pane_id} #{pane_title}"]);
        for line in panes.lines() {
            if let Some(pane) = line.strip_suffix(" demo: asks")
                && self.may_say(&format!("yes {pane}"))
            {
                world.tmux(&["send-keys", "-t", pane, "y"]);
            }
        }
    }

    /// Now and then something is typed into an agent's pane that nobody wanted there, and after a while it is cleared.
    fn types_junk(&mut self, world: &World) {
        match self.junk {
            Some((_, at)) if at.elapsed() < JUNK_LIES => {}
            Some(_) => self.leaves(world),
            None if self.last_junk.elapsed() >= JUNK_EVERY => {
                let name = PROJECTS[self.draw.below(PROJECTS.len())].name;
                let words = ["qwert", "ls -la", "Task", "123 45", "::wq"];
                let word = words[self.draw.below(words.len())];
                world.tmux(&["send-keys", "-t", &format!("{name}:agent"), "-l", word]);
                (self.junk, self.last_junk) = (Some((name, Instant::now())), Instant::now());
            }
            None => {}
        }
    }
}

/// Says it to the daemon. One that is busy is told again.
fn asks(world: &World, name: &str, request: impl FnOnce(String) -> Request) {
    let call = Call::Ask {
        project: ProjectName::new(name),
        request: request("ann".to_owned()),
    };
    drop(world.call(&call));
}

//! The trees of a project with several agents: which branch stands in which, and who may take one from whom.

use jiff::SignedDuration;
use pointsman::domain::{Dispatch, Hold, IssueNumber, Opening, Outcome, SessionChoice, Window};
use pointsman::machine::state::State;

use super::laws::{Broken, Law};
use super::panes::Doing;
use super::world::World;

/// Whether a tree that has a branch lets go of it when another one needs it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Trees {
    LetGo,
    Keep,
}

/// How long a dead agent stays dead before its window is made anew. A further one ended often: nobody starts it again for a while.
pub(super) fn dead_for(window: Window) -> SignedDuration {
    match window {
        Window::AGENT | Window::Check => SignedDuration::from_secs(30),
        Window::Agent(_) => SignedDuration::from_mins(20),
    }
}

impl World {
    /// The windows of this world's agents.
    pub(crate) fn agents(&self) -> Vec<Window> {
        self.rules.project.agents().collect()
    }

    /// One of this world's agents, of those at work if there are any, by dice of its own: worlds with one agent stay what they were.
    pub(crate) fn any_agent(&self) -> Window {
        let mut agents = self.agents();
        let at_work = |window: &Window| {
            let pane = self.panes.get(window);
            pane.is_some_and(|pane| pane.doing == Doing::Busy)
        };
        if agents.iter().any(at_work) {
            agents.retain(at_work);
        }
        let at = self.rng.clone().below(agents.len() as u64);
        agents[usize::try_from(at).expect("small")]
    }

    /// Puts a dispatch's tree where its stage needs it.
    pub(super) fn prepare(&mut self, dispatch: &Dispatch, trees: Trees) -> Outcome {
        let window = dispatch.opening.window;
        if window == Window::AGENT && !self.dirty.is_empty() {
            return Outcome::Held {
                hold: Hold::TreeDirty {
                    files: self.dirty.clone(),
                },
                until: self.now + SignedDuration::from_secs(30),
            };
        }
        let ours = self.rules.project.session == SessionChoice::Managed;
        if window.is_agent() && self.rules.project.git && ours {
            let branch = dispatch.opening.branch.clone();
            if trees == Trees::LetGo {
                self.let_go(window, branch.as_deref());
            }
            self.trees.insert(window, branch);
            self.one_tree_each();
        }
        let tip = dispatch.issue().map(|issue: IssueNumber| self.tip(issue));
        Outcome::Prepared {
            base: tip.clone(),
            known: tip.into_iter().collect(),
        }
    }

    /// A branch is not taken from under an agent that is at work in its tree.
    fn let_go(&mut self, window: Window, branch: Option<&str>) {
        let has_it = |tree: &Option<String>| branch.is_some() && tree.as_deref() == branch;
        let others = self.trees.iter_mut();
        let mut from = Vec::new();
        for (other, tree) in others.filter(|(other, tree)| **other != window && has_it(tree)) {
            *tree = None;
            from.push(*other);
        }
        for other in from {
            let is_at_work = |pane: &super::panes::SimPane| pane.doing == Doing::Busy;
            if self.panes.get(&other).is_some_and(is_at_work) {
                let how = format!("{branch:?} was taken from the agent at work in {other:?}");
                self.breaks(Law::OneTree, how);
            }
        }
    }

    fn one_tree_each(&mut self) {
        let mut branches: Vec<String> = self.trees.values().flatten().cloned().collect();
        branches.sort();
        for pair in branches.windows(2).filter(|pair| pair[0] == pair[1]) {
            let how = format!("{} is checked out in two trees", pair[0]);
            self.breaks(Law::OneTree, how);
        }
    }
}

/// Judges an opening: nobody else has its window, and it is one of the project's.
pub(super) fn one_window(
    world: (&State, &pointsman::domain::Rules),
    opening: &Opening,
) -> Result<(), Broken> {
    let (before, rules) = world;
    let window = opening.window;
    if let Some(other) = before.in_window(window) {
        return Law::OneWindow.broken(format!(
            "{} is opened in {window:?}, which {} has",
            opening.id,
            other.id()
        ));
    }
    if window.is_agent() && rules.project.agents().all(|agent| agent != window) {
        return Law::OneWindow.broken(format!("{} is opened in {window:?}", opening.id));
    }
    Ok(())
}

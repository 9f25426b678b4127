//! What the demo tells while it runs, and what a person would do in it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use crate::cli::Failure;
use crate::daemon::hands::now;
use crate::daemon::{Daemon, store};
use crate::domain::{
    AgentState, Attention, DeliveryId, DispatchId, Event, IssueNumber, Liveness, ProjectName,
    Request, Settled, Transition, Verdict, Window,
};
use crate::view::timeline;

/// Without news for so long, the demo says what the agents do: a real one may work for minutes.
const QUIET_MAX: Duration = Duration::from_secs(30);

/// How long an agent may be down.
const DEAD_MAX: Duration = Duration::from_secs(20);
/// How much of its screen is told then.
const WORDS_LINES_MAX: usize = 6;

/// What is told while the demo runs.
pub(super) struct Story {
    agent: String,
    seen: u64,
    /// What is not done yet.
    pub(super) open: Vec<(ProjectName, IssueNumber)>,
    started: jiff::Timestamp,
    quiet_since: Instant,
    approved: BTreeSet<(ProjectName, IssueNumber)>,
    issues: BTreeMap<DispatchId, IssueNumber>,
    /// Moves that are intended and not seen yet.
    moves: BTreeMap<(ProjectName, IssueNumber), Transition>,
    /// Windows whose dialog was told; again once it is answered and another comes.
    called: BTreeSet<(ProjectName, Window)>,
    /// How the deliveries stand, by the last verdict on each.
    verdicts: BTreeMap<DeliveryId, Verdict>,
    dead_since: BTreeMap<ProjectName, Instant>,
}

/// What a person wants to see go by; the ledger has the rest.
fn is_news(event: &Event) -> bool {
    matches!(
        event,
        Event::DispatchOpened { .. }
            | Event::DeliverySettled { .. }
            | Event::GateFinished { .. }
            | Event::ReportRefused { .. }
            | Event::BranchPushed { .. }
            | Event::SpecPublished { .. }
            | Event::DispatchClosed { .. }
            | Event::TransitionSettled { .. }
            | Event::Merged { .. }
            | Event::IssueParked { .. }
            | Event::Overridden { .. }
    )
}

impl Story {
    pub(super) fn new(agent: &str, open: Vec<(ProjectName, IssueNumber)>) -> Self {
        Self {
            agent: agent.to_owned(),
            seen: 0,
            open,
            started: now(),
            quiet_since: Instant::now(),
            approved: BTreeSet::new(),
            issues: BTreeMap::new(),
            moves: BTreeMap::new(),
            called: BTreeSet::new(),
            verdicts: BTreeMap::new(),
            dead_since: BTreeMap::new(),
        }
    }

    /// Returns how long it took so far, in seconds.
    pub(super) fn took_seconds(&self) -> i64 {
        now().duration_since(self.started).as_secs()
    }

    /// Says what was counted, not what was hoped for.
    pub(super) fn sum(&self) -> String {
        let confirmed = |verdict: &&Verdict| **verdict == Verdict::Confirmed;
        let (all, sure) = (
            self.verdicts.len(),
            self.verdicts.values().filter(confirmed).count(),
        );
        let took = self.took_seconds();
        let briefs = if sure == all {
            format!("Every brief was confirmed ({all} deliveries)")
        } else {
            format!("{sure} of {all} deliveries were confirmed")
        };
        format!("All four issues are done after {took} s. {briefs}, every move rests on evidence.")
    }

    /// Prints what was written down since the last look.
    pub(super) async fn tell(&mut self, daemon: &Daemon) -> Result<(), Failure> {
        loop {
            let records = daemon.ledger().read(self.seen, 500).await?;
            if records.is_empty() {
                return Ok(());
            }
            for record in records {
                self.seen = record.seq;
                let event = store::event_of(&record)?;
                let name = ProjectName::new(record.stream.clone());
                if let Event::DispatchOpened { opening } = &event
                    && let Some(issue) = opening.issue()
                {
                    self.issues.insert(opening.id.clone(), issue);
                }
                if let Event::TransitionIntended { transition } = &event {
                    let of = (name.clone(), transition.issue);
                    self.moves.insert(of, transition.clone());
                }
                if let Event::DeliverySettled {
                    delivery, verdict, ..
                } = &event
                {
                    self.verdicts.insert(delivery.clone(), *verdict);
                }
                if is_news(&event) {
                    self.quiet_since = Instant::now();
                    let of_dispatch = record
                        .dispatch
                        .as_ref()
                        .and_then(|id| self.issues.get(&DispatchId::new(id.clone())));
                    let issue = record.issue.map(IssueNumber).or(of_dispatch.copied());
                    let issue = issue.map_or_else(String::new, |issue| issue.to_string());
                    let second = record.at.duration_since(self.started).as_secs();
                    let words = self.words(&name, &event);
                    println!("{second:>4} s  {name:<5} {issue:<3} {words}");
                }
                if let Event::TransitionSettled {
                    issue,
                    outcome: Settled::Moved { event: None },
                } = &event
                {
                    self.open.retain(|open| *open != (name.clone(), *issue));
                }
            }
        }
    }

    /// A move's end is told with its labels, which stand in its intent.
    fn words(&mut self, name: &ProjectName, event: &Event) -> String {
        if let Event::TransitionSettled {
            issue,
            outcome: Settled::Moved { .. },
        } = event
            && let Some(moved) = self.moves.remove(&(name.clone(), *issue))
        {
            return format!("label {} -> {}", moved.from, moved.to);
        }
        timeline::sentence(event)
    }

    /// The last move is a person's: the demo says and does what they would.
    pub(super) async fn play_the_person(&mut self, daemon: &Daemon) {
        for (name, issue) in self.open.clone() {
            let Some(shown) = daemon.show(&name).await else {
                continue;
            };
            let yours = shown
                .report
                .standing
                .get(&issue)
                .is_some_and(|hold| hold.word() == "yours");
            if yours && self.approved.insert((name.clone(), issue)) {
                println!("        {name:<5} $ pointsman approve {}", issue.0);
                daemon
                    .ask(
                        &name,
                        Request::Approve {
                            issue,
                            by: "you".to_owned(),
                        },
                    )
                    .await;
            }
        }
    }
}

impl Story {
    /// A dialog of the agent's own is a person's to answer: no key is sent to it.
    pub(super) fn call_the_person(&mut self, daemon: &Daemon) {
        for name in daemon.projects() {
            for window in [Window::AGENT, Window::Check] {
                let place = (name.clone(), window);
                let Some(state) = state_of(daemon, &name, window) else {
                    self.called.remove(&place);
                    continue;
                };
                let asks = state.attention.is_open();
                if asks && self.called.insert(place.clone()) {
                    self.say_where(daemon, &name, window, &state);
                } else if !asks && state.has_begun() && self.called.remove(&place) {
                    println!("        {name:<5} answered: it goes on");
                }
            }
        }
    }

    fn say_where(
        &mut self,
        daemon: &Daemon,
        name: &ProjectName,
        window: Window,
        state: &AgentState,
    ) {
        self.quiet_since = Instant::now();
        println!(
            "        {name:<5} {} {} and waits for you. Look, and answer as you would anywhere:",
            self.agent,
            asked(state)
        );
        println!(
            "              TMUX= tmux -S {} attach -t {name}:{}",
            daemon.places.socket.display(),
            window.as_str()
        );
        let tree = daemon
            .hands(name)
            .and_then(|hands| Some(hands.places.tree(&hands.project()?, window)));
        if let Some(tree) = tree.filter(|_| is_about_trust(state)) {
            println!(
                "              Do you trust {}? That folder is the demo's own: say yes.",
                tree.display()
            );
        }
        println!("              Then leave it with control-b d; the demo goes on by itself.");
    }

    /// Says what the agents do when nothing else was to be said for a while.
    pub(super) fn break_the_silence(&mut self, daemon: &Daemon) {
        if self.quiet_since.elapsed() < QUIET_MAX {
            return;
        }
        self.quiet_since = Instant::now();
        let second = self.took_seconds();
        for name in daemon.projects() {
            for window in [Window::AGENT, Window::Check] {
                if let Some(state) = state_of(daemon, &name, window) {
                    println!(
                        "{second:>4} s  {name:<5}     still here; {}: {}",
                        window.as_str(),
                        state.because
                    );
                }
            }
        }
    }
}

impl Story {
    /// An agent that ended is started again a few times; one that stays down will not do the work, however long one waits.
    pub(super) async fn give_up_on_the_dead(&mut self, daemon: &Daemon) -> Result<(), Failure> {
        for name in daemon.projects() {
            let is_dead = state_of(daemon, &name, Window::AGENT)
                .is_some_and(|state| state.liveness == Liveness::Dead);
            if !is_dead {
                self.dead_since.remove(&name);
                continue;
            }
            let since = self.dead_since.entry(name.clone());
            if since.or_insert_with(Instant::now).elapsed() < DEAD_MAX {
                continue;
            }
            let agent = &self.agent;
            let said = last_words(daemon, &name).await;
            let why = anyhow::anyhow!("its last words were: {said}")
                .context(format!("{agent} ended in {name} and does not stay up"));
            return Err(Failure::new(why).hint(format!(
                "start it once yourself, in a folder of yours, and see what it says: {agent} needs its account and its settings"
            )));
        }
        Ok(())
    }
}

/// Returns the end of what an ended agent left on its screen; a picture it drew before is none of its words.
async fn last_words(daemon: &Daemon, name: &ProjectName) -> String {
    let nothing = || "none".to_owned();
    let Some(hands) = daemon.hands(name) else {
        return nothing();
    };
    let Some(sampled) = hands.sampled(Window::AGENT) else {
        return nothing();
    };
    let Ok(seen) = hands.tmux.look(&sampled.sample.pane).await else {
        return nothing();
    };
    let text = seen.capture.text();
    let lines: Vec<&str> = text
        .lines()
        .map(str::trim)
        .filter(|line| line.contains(char::is_alphanumeric) && !line.starts_with("Pane is dead"))
        .collect();
    match &lines[lines.len().saturating_sub(WORDS_LINES_MAX)..] {
        [] => nothing(),
        words => words.join(" "),
    }
}

/// Says what stands open in a window; a dialog by the name of the rule that saw it.
fn asked(state: &AgentState) -> String {
    let words = state.words.as_deref();
    match (&state.attention, words) {
        (Attention::Permission, Some(words)) => format!("asks for a permission ({words})"),
        (Attention::Permission, None) => "asks for a permission".to_owned(),
        (Attention::Question, Some(words)) => format!("asks you something ({words})"),
        (Attention::Question, None) => "asks you something".to_owned(),
        (Attention::Login, _) => "asks to be logged in".to_owned(),
        (Attention::Survey, _) => "asks how it did".to_owned(),
        (_, Some(rule)) => format!("shows a dialog (`{rule}`)"),
        (_, None) => "shows a dialog".to_owned(),
    }
}

/// Whether a dialog is the one that asks for trust in a folder: no other one is answered by it.
fn is_about_trust(state: &AgentState) -> bool {
    state.attention == Attention::Dialog && state.words.as_deref() == Some("trust")
}

fn state_of(daemon: &Daemon, name: &ProjectName, window: Window) -> Option<AgentState> {
    let sampled = daemon.hands(name)?.sampled(window)?;
    Some(sampled.sample.state)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trust_is_hinted_at_for_its_own_dialog_and_every_dialog_is_named() {
        let shows = |rule: Option<&str>| AgentState {
            attention: Attention::Dialog,
            words: rule.map(str::to_owned),
            ..AgentState::unknown("a rule")
        };
        assert!(is_about_trust(&shows(Some("trust"))));
        for other in [Some("api-key"), Some("auto-mode"), None] {
            assert!(!is_about_trust(&shows(other)), "{other:?}");
        }
        assert_eq!(asked(&shows(Some("api-key"))), "shows a dialog (`api-key`)");
        let login = AgentState {
            attention: Attention::Login,
            ..shows(Some("trust"))
        };
        assert!(!is_about_trust(&login));
        assert_eq!(asked(&login), "asks to be logged in");
    }
}

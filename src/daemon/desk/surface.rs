//! What surfaces show, put together from running projects; or, by a verb without a daemon, from what the ledger says.

use std::collections::BTreeSet;

use jiff::Timestamp;

use crate::config::Config;
use crate::daemon::Daemon;
use crate::daemon::hands::{Comments, Hands, now, rules_of};
use crate::daemon::runner::Shown;
use crate::daemon::store;
use crate::domain::{
    DeliveryId, DispatchId, Errand, Event, IssueNumber, Outcome, ProjectName, Purpose, Rules,
    SingleRead, SkillName, Window,
};
use crate::ledger::{Ledger, Record};
use crate::machine::evolve;
use crate::machine::labels::trust;
use crate::machine::starting::decide;
use crate::machine::starting::open::{self, Chosen};
use crate::machine::state::State;
use crate::machine::telling::brief;
use crate::view::{
    About, Attention, Explanation, ProjectView, SessionView, Snapshot, Story, Told, dry_run,
    explain,
};

/// Records read at once.
const PAGE: usize = 2_000;
/// Under this name stands what is wrong with the files of all projects. No project can be called so.
pub const INSTALLATION: &str = "(configuration)";

/// Returns the whole fleet, as `status --json` prints it.
pub async fn snapshot(daemon: &Daemon) -> Snapshot {
    let config = daemon.config();
    let mut shown = Vec::new();
    for name in daemon.projects() {
        if let Some(project) = daemon.show(&name).await {
            shown.push((name, *project));
        }
    }
    let mut snapshot = snapshot_of(now(), &config, &shown);
    if let Some(fault) = daemon.config_fault() {
        snapshot.attention.insert(0, config_fault(&fault));
    }
    let running: BTreeSet<&ProjectName> = shown.iter().map(|(name, _)| name).collect();
    let idle = config
        .projects
        .keys()
        .filter(|name| !running.contains(name));
    snapshot
        .attention
        .extend(idle.map(|name| does_not_run(daemon, name)));
    snapshot
}

/// A new variable is read at the next start only; everything else is tried again at every sweep.
pub fn does_not_run(daemon: &Daemon, name: &ProjectName) -> Attention {
    let (why, hint) = match daemon.waiting(name) {
        Some(waiting) => (waiting.why, waiting.hint),
        None => ("it is not started yet".to_owned(), None),
    };
    Attention {
        project: name.to_string(),
        issue: None,
        kind: "not-running".to_owned(),
        url: None,
        says: format!("it does not run: {why}"),
        hint: hint.map(|hint| format!("{hint}; then restart the daemon")),
    }
}

/// A mistake in the files is a person's to mend.
pub fn config_fault(fault: &str) -> Attention {
    let first = fault.lines().next().unwrap_or_default();
    Attention {
        project: INSTALLATION.to_owned(),
        issue: None,
        kind: "configuration".to_owned(),
        url: None,
        says: format!("the files have mistakes, so the last good version is in force: {first}"),
        hint: Some("`pointsman labels check` shows every mistake with its line".to_owned()),
    }
}

/// Puts what is known of each project together. A project whose file is gone has no rules and is left out.
pub fn snapshot_of(at: Timestamp, config: &Config, shown: &[(ProjectName, Shown)]) -> Snapshot {
    let views = shown.iter().filter_map(|(name, shown)| {
        let rules = rules_of(config, name)?;
        Some(ProjectView::new(
            &rules,
            &shown.state,
            &shown.report,
            shown.sight(),
        ))
    });
    let mut snapshot = Snapshot::new(at, env!("CARGO_PKG_VERSION"), views.collect());
    snapshot.cycle_seconds = config.settings.cycle.as_secs();
    snapshot
}

/// Returns whether anything is known of an issue.
pub fn knows(shown: &Shown, issue: IssueNumber) -> bool {
    let Shown { state, report, .. } = shown;
    report.standing.contains_key(&issue)
        || state.holds.contains_key(&issue)
        || state.walks.contains_key(&issue)
        || state.open_dispatch(issue).is_some()
        || shown.sight().head(issue).is_some()
}

/// Returns the projects that know an issue.
pub async fn find(daemon: &Daemon, issue: IssueNumber) -> Vec<ProjectName> {
    let mut found = Vec::new();
    for name in daemon.projects() {
        let shown = daemon.show(&name).await;
        if shown.is_some_and(|shown| knows(&shown, issue)) {
            found.push(name);
        }
    }
    found
}

/// Picks the events of one issue or dispatch out of a stream, also those that name only a delivery of it.
#[derive(Clone, Debug, Default)]
pub struct Trail {
    issue: Option<IssueNumber>,
    schedule: Option<SkillName>,
    dispatches: BTreeSet<DispatchId>,
    deliveries: BTreeSet<DeliveryId>,
}

impl Trail {
    /// Follows an issue through all of its dispatches.
    pub fn of_issue(issue: IssueNumber) -> Self {
        Self {
            issue: Some(issue),
            ..Self::default()
        }
    }

    /// Follows what is explained.
    pub fn of(about: &About) -> Self {
        match about {
            About::Issue(issue) => Self::of_issue(*issue),
            About::Schedule(skill) => Self {
                schedule: Some(skill.clone()),
                ..Self::default()
            },
        }
    }

    /// Follows one dispatch.
    pub fn of_dispatch(dispatch: DispatchId) -> Self {
        Self {
            dispatches: BTreeSet::from([dispatch]),
            ..Self::default()
        }
    }

    /// Says whether the next event of the stream belongs to it. Events are shown in their order, none left out.
    pub fn takes(&mut self, event: &Event) -> bool {
        let by_issue = self.issue.is_some() && event.issue() == self.issue;
        let by_schedule =
            self.schedule.is_some() && due_by_the_clock(event) == self.schedule.as_ref();
        if let (true, Some(dispatch)) = (by_issue || by_schedule, event.dispatch()) {
            self.dispatches.insert(dispatch.clone());
        }
        let by_dispatch = event
            .dispatch()
            .is_some_and(|id| self.dispatches.contains(id));
        if let (true, Event::DeliveryPlanned { delivery }) = (by_dispatch, event) {
            self.deliveries.insert(delivery.id.clone());
        }
        by_issue || by_dispatch || delivery_of(event).is_some_and(|id| self.deliveries.contains(id))
    }
}

fn due_by_the_clock(event: &Event) -> Option<&SkillName> {
    match event {
        Event::DispatchOpened { opening }
            if matches!(opening.errand(), Some(Errand::Due { .. })) =>
        {
            Some(&opening.stage.skill)
        }
        _ => None,
    }
}

fn delivery_of(event: &Event) -> Option<&DeliveryId> {
    match event {
        Event::BriefStaged { delivery }
        | Event::PasteIntended { delivery, .. }
        | Event::LinePasted { delivery, .. }
        | Event::LaunchIntended { delivery }
        | Event::LineLaunched { delivery, .. }
        | Event::EnterIntended { delivery, .. }
        | Event::LineSubmitted { delivery, .. }
        | Event::ReceiptMissed { delivery, .. }
        | Event::DeliverySettled { delivery, .. } => Some(delivery),
        _ => None,
    }
}

/// An event with its place in the ledger, owned.
pub type Entry = (u64, Timestamp, Event);

/// Takes the events of a trail out of records; one that cannot be read is left to `ledger verify`.
pub fn entries(records: &[Record], trail: &mut Trail) -> Vec<Entry> {
    let read = records.iter().filter_map(|record| {
        let event = store::event_of(record).ok()?;
        trail
            .takes(&event)
            .then_some((record.seq, record.at, event))
    });
    read.collect()
}

/// Explains an issue or a schedule from what is known and its events.
pub fn story(rules: &Rules, shown: &Shown, about: &About, entries: &[Entry]) -> Explanation {
    let told: Vec<Told> = entries
        .iter()
        .map(|(seq, at, event)| Told {
            seq: *seq,
            at: *at,
            event,
        })
        .collect();
    explain(&Story {
        rules,
        state: &shown.state,
        report: &shown.report,
        sight: shown.sight(),
        about,
        events: &told,
    })
}

/// Explains an issue or a schedule; `None` if there is no such project.
pub async fn explained(daemon: &Daemon, name: &ProjectName, about: &About) -> Option<Explanation> {
    let shown = daemon.show(name).await?;
    let rules = rules_of(&daemon.config(), name)?;
    let entries = trail_of(daemon.ledger(), name, about).await;
    Some(story(&rules, &shown, about, &entries))
}

/// Says who says what of a project's agents; `None` if there is no such project.
pub fn witnessed(daemon: &Daemon, name: &ProjectName) -> Option<SessionView> {
    let hands = daemon.hands(name)?;
    let samples = hands.samples.borrow();
    let windows: Vec<_> = Window::all()
        .filter_map(|window| Some(samples.of(name, window)?.view(window)))
        .collect();
    let down = samples.down.iter().find(|((of, _), _)| of == name);
    let why = down.map(|(_, why)| why).or(samples.blind.as_ref()).cloned();
    let nothing = windows
        .is_empty()
        .then(|| "no window of it is there".to_owned());
    Some(SessionView {
        project: name.to_string(),
        at: now(),
        windows,
        missing: why.or(nothing),
    })
}

async fn trail_of(ledger: &Ledger, name: &ProjectName, about: &About) -> Vec<Entry> {
    let mut trail = Trail::of(about);
    let mut found = Vec::new();
    let mut after = 0;
    loop {
        // An unreadable ledger stops the daemon elsewhere; here it only shortens the story.
        let page = ledger
            .read_stream(name.as_str(), after, PAGE)
            .await
            .unwrap_or_default();
        let Some(last) = page.last() else {
            return found;
        };
        after = last.ver;
        found.extend(entries(&page, &mut trail));
    }
}

/// Says what the last cycle saw and decided, without starting anything; `None` before the first look.
pub async fn rehearse(daemon: &Daemon, name: &ProjectName) -> Option<String> {
    let shown = daemon.show(name).await?;
    let rules = rules_of(&daemon.config(), name)?;
    let Some(seen) = &shown.seen else {
        return Some("would first look: no cycle has ended yet\n".to_owned());
    };
    // With the engine's own memory: what it decides next if nothing has changed since its last look.
    let decided = decide::decide(&rules, &shown.state, &shown.memory, seen, now());
    Some(dry_run(&rules, &shown.state, seen, &decided))
}

/// Writes the brief that an issue's next dispatch would get, with its secret left out. Nothing is delivered.
pub async fn render(hands: &Hands, shown: &Shown, issue: IssueNumber) -> Result<String, String> {
    let rules = hands.rules().ok_or("the project's configuration is gone")?;
    let seen = shown
        .seen
        .as_ref()
        .ok_or("nothing was seen yet: try again in a moment")?;
    let details = hands
        .details(issue, Comments::Unread)
        .await
        .map_err(|error| crate::daemon::hands::chain(&error))?;
    let SingleRead::Found(found) = &details.read else {
        return Err(format!("{issue} is not there"));
    };
    let head = found.0.clone();
    let stage = rules
        .workflow
        .stages
        .iter()
        .find(|stage| head.labels.contains(&stage.label));
    let stage = stage.ok_or_else(|| format!("{issue} has no routing label"))?;
    if trust::standing_event(&details.events, &stage.label).is_none() {
        return Err(format!(
            "nobody is known to have set `{}` on {issue}",
            stage.label
        ));
    }
    let mut seen = seen.clone();
    seen.details.insert(issue, details);
    let opened = match open::open(&rules, &shown.state, &seen, &head, stage, now()) {
        Chosen::Open(act) => act.events,
        Chosen::Held(hold) => return Err(format!("{issue} would get no brief now: {hold}")),
        Chosen::Unknown => return Err(format!("{issue} could not be read")),
    };
    let state = with_dispatch(&shown.state, &opened)?;
    let dispatch = state.dispatches.get(&seen.fresh.dispatch);
    let dispatch =
        dispatch.ok_or_else(|| format!("{issue} would go to a person, not to an agent"))?;
    let mut ground = state.ground(dispatch);
    ground.purpose = Some(Purpose::Brief);
    let id = evolve::delivery_id(dispatch, 0);
    match crate::daemon::panes::compose::compose(hands, dispatch, &id, &ground).await {
        Outcome::Composed { text, .. } => Ok(brief::redact(&text.0)),
        Outcome::Failed { why, .. } => Err(why),
        other => Err(format!("the brief was not written: {other:?}")),
    }
}

/// The fold as it would be: an issue with an open dispatch would be opened a second time, which the fold refuses.
fn with_dispatch(state: &State, events: &[Event]) -> Result<State, String> {
    evolve::try_all(state, now(), events).map_err(|error| error.to_string())
}

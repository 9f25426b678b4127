//! The one modelled world: a tracker, panes with agents, a spool, a clock. Everything that engine and daemon cannot know is true here.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use pointsman::domain::{
    AccountLimit, Answer, DeliveryId, Dispatch, DispatchId, Fresh, IssueNumber, Label, Observation,
    Post, Posting, Purpose, Questions, Report, ReportId, Rules, Sighting, Subject, Verb, Window,
};
use pointsman::machine::state::State;

use super::faults::{Faults, Rng};
use super::panes::{Doing, Plan, SimPane, Spooled, says};
use super::rules::us;
use super::tracker::Tracker;

/// How long a dead agent stays dead before its window is made anew.
const RESPAWN_AFTER: SignedDuration = SignedDuration::from_secs(30);

/// A thing that the next matching effect does wrong, for scenarios.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Lose {
    /// The client dies before the paste.
    Paste,
    /// It does so every time.
    EveryPaste,
    /// The remote rejects every push.
    EveryPush,
    /// The client dies after the paste.
    PasteAnswer,
    /// The program swallows the key.
    Enter,
    /// The agent does something else first: it says that the line is in its queue.
    Turn,
    /// The label is set, the answer is lost.
    LabelAnswer,
}

impl Lose {
    /// Reads a page's word.
    pub(crate) fn named(what: &str) -> Self {
        match what {
            "paste" => Self::Paste,
            "every-paste" => Self::EveryPaste,
            "every-push" => Self::EveryPush,
            "paste-answer" => Self::PasteAnswer,
            "enter" => Self::Enter,
            "turn" => Self::Turn,
            "label-answer" => Self::LabelAnswer,
            other => panic!("{other} cannot be lost"),
        }
    }
}

/// The world of one project.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) now: Timestamp,
    pub(crate) rng: Rng,
    pub(crate) faults: Faults,
    pub(crate) rules: Rules,
    pub(crate) tracker: Tracker,
    pub(crate) panes: BTreeMap<Window, SimPane>,
    pub(crate) spool: Vec<Spooled>,
    /// Posts as they lie in the spool, and what they became.
    pub(crate) posts: Vec<(Post, Option<Answer>)>,
    pub(crate) opened: BTreeMap<ReportId, IssueNumber>,
    /// Marks on issues that the ledger cannot account for.
    pub(crate) sightings: BTreeMap<IssueNumber, Sighting>,
    /// When status comments were edited last.
    pub(crate) stated: BTreeMap<IssueNumber, Timestamp>,
    pub(crate) briefs: BTreeMap<DispatchId, Dispatch>,
    pub(crate) staged: BTreeMap<DeliveryId, (DispatchId, Purpose)>,
    pub(crate) receipts: BTreeMap<DeliveryId, Timestamp>,
    /// Lines that an agent says it has in its queue.
    pub(crate) queued: BTreeSet<DeliveryId>,
    /// Briefs that were really typed or launched, per dispatch.
    pub(crate) typed: BTreeMap<DispatchId, Vec<DeliveryId>>,
    pub(crate) submits: BTreeMap<DeliveryId, u32>,
    pub(crate) late_writes: Vec<(Timestamp, IssueNumber, Label)>,
    pub(crate) lose: BTreeSet<Lose>,
    /// Whether agents work by themselves; in a scenario they do what the page says.
    pub(crate) lively: bool,
    pub(crate) gap: Option<Timestamp>,
    /// Open dispatches of other projects on the same account.
    pub(crate) others: u64,
    /// Limits of accounts, as another project's agent showed them.
    pub(crate) limits: Vec<AccountLimit>,
    pub(crate) build_is_red: bool,
    /// Files in the project's tree that a person changed.
    pub(crate) dirty: Vec<String>,
    /// The first thing that must never happen and did.
    pub(crate) broken: Option<String>,
    serial: u64,
}

impl World {
    pub(crate) fn new(seed: u64, rules: Rules, faults: Faults, now: Timestamp) -> Self {
        let mut world = Self {
            now,
            rng: Rng::new(seed),
            faults,
            rules,
            tracker: Tracker::default(),
            panes: BTreeMap::new(),
            spool: Vec::new(),
            posts: Vec::new(),
            opened: BTreeMap::new(),
            sightings: BTreeMap::new(),
            stated: BTreeMap::new(),
            briefs: BTreeMap::new(),
            staged: BTreeMap::new(),
            receipts: BTreeMap::new(),
            queued: BTreeSet::new(),
            typed: BTreeMap::new(),
            submits: BTreeMap::new(),
            late_writes: Vec::new(),
            lose: BTreeSet::new(),
            lively: true,
            gap: None,
            others: 0,
            limits: Vec::new(),
            build_is_red: false,
            dirty: Vec::new(),
            broken: None,
            serial: 0,
        };
        let pane = world.fresh_pane();
        world.panes.insert(Window::Agent, pane);
        world
    }

    pub(crate) fn fresh_pane(&mut self) -> SimPane {
        self.serial += 1;
        SimPane::new(self.serial, self.now)
    }

    /// Says that something happened that must never happen; the first one is kept.
    pub(crate) fn breaks(&mut self, what: impl Into<String>) {
        let what = what.into();
        self.broken.get_or_insert(what);
    }

    /// Returns what a look sees.
    pub(crate) fn observe(&mut self, questions: &Questions, state: &State) -> Observation {
        if !self.rng.chance(self.faults.stale_list) {
            self.tracker.refresh();
        }
        let failing = self.rng.chance(self.faults.gap);
        let gap = match (failing, self.gap) {
            (true, _) => Some(("no answer".to_owned(), self.now)),
            (false, Some(since)) => Some(("no answer".to_owned(), since)),
            (false, None) => None,
        };
        let details = if gap.is_some() {
            BTreeMap::new()
        } else {
            questions
                .issues
                .iter()
                .map(|issue| {
                    let since = questions.comments.iter().find(|(of, _)| of == issue);
                    let read = match since {
                        Some((_, since)) => self.tracker.read_after(*issue, since, self.now),
                        None => self.tracker.read(*issue, self.now),
                    };
                    (*issue, read)
                })
                .collect()
        };
        self.serial += 1;
        let open = state
            .dispatches
            .values()
            .filter(|one| one.is_open() && !one.waits_for_a_person());
        let open = u32::try_from(open.count()).expect("few dispatches");
        let others = u32::try_from(self.others).expect("few");
        Observation {
            unread: BTreeMap::new(),
            at: self.now,
            local_minute: 600,
            heads: self.tracker.list(),
            gap,
            us: Some(us()),
            details,
            pulls: self.tracker.list_pulls(),
            pull_reads: self.tracker.read_pulls(questions),
            panes: self
                .panes
                .iter()
                .map(|(window, pane)| (*window, pane.sample(self.now)))
                .collect(),
            no_agent: None,
            misplaced: None,
            reports: self
                .spool
                .iter()
                .filter(|spooled| spooled.answer.is_none())
                .map(|spooled| spooled.report.clone())
                .collect(),
            posts: self
                .posts
                .iter()
                .filter(|(_, answer)| answer.is_none())
                .map(|(post, _)| post.clone())
                .collect(),
            fleet: BTreeMap::from([("fake".to_owned(), open + others)]),
            limits: self.limits.clone(),
            fresh: Fresh {
                dispatch: DispatchId::new(format!("d{}", self.serial)),
                secret_hash: format!("secret of {}", self.serial),
            },
        }
    }

    /// Returns the commit on an issue's branch.
    pub(crate) fn tip(&self, issue: IssueNumber) -> Subject {
        let commits = self
            .tracker
            .issues
            .get(&issue)
            .map_or(0, |issue| issue.commits);
        Subject::new(format!("commit-{}-{commits}", issue.0))
    }

    /// Lets agents, late writes and the keeper of windows do what is due.
    pub(crate) fn tick(&mut self) {
        let now = self.now;
        let due: Vec<_> = self
            .late_writes
            .iter()
            .filter(|(at, ..)| *at <= now)
            .cloned()
            .collect();
        self.late_writes.retain(|(at, ..)| *at > now);
        for (_, issue, label) in due {
            self.tracker.label(issue, &label, true, &us(), now);
        }
        for window in [Window::Agent, Window::Check] {
            let Some(pane) = self.panes.get_mut(&window) else {
                continue;
            };
            if let Doing::Dead { since } = pane.doing {
                if now.duration_since(since) > RESPAWN_AFTER && self.lively {
                    self.panes.remove(&window);
                    if window == Window::Agent {
                        let fresh = self.fresh_pane();
                        self.panes.insert(window, fresh);
                    }
                }
                continue;
            }
            let finished = pane
                .job
                .take_if(|job| job.until <= now && pane.doing == Doing::Busy);
            if let Some(job) = finished {
                pane.doing = Doing::Idle { since: now };
                self.finish(&job.dispatch, job.plan);
            }
        }
    }

    /// Returns the next moment at which something happens by itself.
    pub(crate) fn next_moment(&self) -> Option<Timestamp> {
        let jobs = self.panes.values().filter_map(|pane| match pane.doing {
            Doing::Dead { since } => Some(since + RESPAWN_AFTER + SignedDuration::from_secs(1)),
            Doing::Busy => pane.job.as_ref().map(|job| job.until),
            Doing::Idle { .. } | Doing::Failed { .. } | Doing::Dialog | Doing::CopyMode => None,
        });
        let late = self.late_writes.iter().map(|(at, ..)| *at);
        jobs.chain(late).min()
    }

    fn finish(&mut self, dispatch: &DispatchId, plan: Plan) {
        let Some(brief) = self.briefs.get(dispatch).cloned() else {
            return;
        };
        let makes = brief.opening.stage.makes_commits();
        if makes
            && matches!(plan, Plan::Honest | Plan::Mute)
            && let Some(issue) = brief.issue()
            && let Some(issue) = self.tracker.issues.get_mut(&issue)
        {
            issue.commits += 1;
        }
        if let Some(verb) = says(plan) {
            let rework = self.rng.chance(self.faults.rework);
            let verdict = if rework { "rework" } else { "pass" };
            let honest = plan == Plan::Honest;
            self.report(dispatch, verb, honest, verdict);
        }
    }

    /// Puts a report into the spool.
    pub(crate) fn report(
        &mut self,
        dispatch: &DispatchId,
        verb: Verb,
        whole: bool,
        verdict: &str,
    ) -> ReportId {
        self.serial += 1;
        let id = ReportId::new(format!("r{}", self.serial));
        let issue = self.briefs.get(dispatch).and_then(Dispatch::issue);
        let head = issue.map(|issue| self.tip(issue));
        let report = Report {
            id: id.clone(),
            dispatch: dispatch.clone(),
            verb,
            head,
            branch: None,
            spec: whole.then(|| format!("# Spec {}", self.serial % 3)),
            verdict: whole.then(|| verdict.to_owned()),
            note: Some("a note".to_owned()),
            moved: None,
            proven: true,
            at: self.now,
        };
        self.spool.push(Spooled {
            report,
            answer: None,
        });
        id
    }

    /// Puts a post into the spool.
    pub(crate) fn post(&mut self, dispatch: &DispatchId, what: Posting) {
        self.serial += 1;
        let post = Post {
            id: ReportId::new(format!("p{}", self.serial)),
            dispatch: dispatch.clone(),
            what,
            proven: true,
            at: self.now,
        };
        self.posts.push((post, None));
    }

    /// Draws what an agent makes of its next brief.
    pub(crate) fn draw_plan(&mut self) -> Plan {
        if !self.rng.chance(self.faults.bad_agent) {
            return Plan::Honest;
        }
        [Plan::Liar, Plan::Mute, Plan::Idler, Plan::Fails, Plan::Asks]
            [usize::try_from(self.rng.below(5)).expect("below five")]
    }

    /// A line was submitted in a window: its agent takes it, and leaves a receipt sooner or later.
    pub(crate) fn submitted(&mut self, window: Window, delivery: &DeliveryId) {
        let submits = self.submits.entry(delivery.clone()).or_default();
        *submits += 1;
        if *submits > 1 {
            self.breaks(format!("delivery {delivery} was submitted twice"));
        }
        let late = self.rng.chance(self.faults.late_receipt);
        let wait = if late { self.rng.below(200) } else { 1 };
        let wait = SignedDuration::from_secs(i64::try_from(wait).expect("small"));
        let wait = if self.lose.remove(&Lose::Turn) {
            self.queued.insert(delivery.clone());
            SignedDuration::from_mins(5)
        } else {
            wait
        };
        self.receipts.insert(delivery.clone(), self.now + wait);
        let (dispatch, purpose) = self.staged[delivery].clone();
        let plan = if self.lively {
            self.draw_plan()
        } else {
            Plan::Honest
        };
        let takes = if self.lively {
            SignedDuration::from_secs(5 + i64::try_from(self.rng.below(300)).expect("small"))
        } else {
            SignedDuration::from_hours(1000)
        };
        let now = self.now;
        if let Some(pane) = self.panes.get_mut(&window) {
            pane.takes(&dispatch, purpose, plan, now, takes);
        }
    }
}

//! The one modelled world: a tracker, panes with agents, a spool, a clock. Everything that engine and daemon cannot know is true here.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use jiff::{SignedDuration, Timestamp};
use pointsman::domain::{
    AccountLimit, Answer, CommentId, DeliveryId, Details, Dispatch, DispatchId, FleetLoad, Fresh,
    IssueNumber, Label, LabelEvent, Observation, Post, Posting, Purpose, Questions, Report,
    ReportId, Rules, Sighting, Subject, Verb, Window,
};
use pointsman::machine::state::State;

use super::faults::{Fault, Faults, Rng};
use super::laws::{Broken, Law};
use super::panes::{Doing, Plan, SimPane, Spooled, says};
use super::rules::us;
use super::tracker::{LAG_MAX, Tracker};
use super::trees::dead_for;

/// What one project may ask of the tracker in an hour, whatever goes wrong. Dearest is a tracker that takes no label and says so to
/// nobody: 50 writes an hour and issue (`machine::pace`), each with three reads of two requests, beside a list a minute. Of 20,000
/// worlds the worst has two such issues and asks 778 times.
pub(crate) const REQUESTS_AN_HOUR_MAX: u64 = 900;

/// How often what changed is asked for.
pub(crate) const LISTS_EVERY: SignedDuration = SignedDuration::from_mins(1);

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
    /// The branches that agents' trees stand on.
    pub(crate) trees: BTreeMap<Window, Option<String>>,
    /// The first law that was broken, and how.
    pub(crate) broken: Option<Broken>,
    /// How often each fault struck.
    pub(crate) struck: BTreeMap<Fault, u64>,
    /// Until when the tracker refuses all that the account asks, and whether that is a limit.
    pub(crate) refused: Option<(Timestamp, &'static str)>,
    /// What was asked of the tracker lately, and the most that was asked in an hour.
    pub(crate) requests: VecDeque<(Timestamp, u64)>,
    pub(crate) requests_most: u64,
    /// When the list of issues was asked for last.
    pub(crate) listed: Timestamp,
    /// The highest label event id when a move was intended.
    pub(crate) intended: BTreeMap<IssueNumber, u64>,
    /// Whose ledger it is: on one repository there may be two.
    pub(crate) ledger: &'static str,
    /// Issues that this process has told of.
    pub(crate) told: BTreeSet<IssueNumber>,
    /// Reports that a planted bug loses.
    pub(crate) silent: BTreeSet<ReportId>,
    /// The issues up to this one began with a label that is not ours.
    pub(crate) labelled: u64,
    generation: u64,
    /// When the agents' server started.
    pub(crate) server_since: Timestamp,
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
            trees: BTreeMap::new(),
            broken: None,
            struck: BTreeMap::new(),
            refused: None,
            requests: VecDeque::new(),
            requests_most: 0,
            listed: now - LISTS_EVERY,
            intended: BTreeMap::new(),
            ledger: "sim",
            told: BTreeSet::new(),
            silent: BTreeSet::new(),
            labelled: 0,
            generation: 1,
            server_since: Timestamp::MIN,
            serial: 0,
        };
        let late = [Fault::Lag, Fault::LateEvent].map(|fault| world.faults.rate(fault));
        world.tracker.remembers = late.iter().any(|rate| *rate > 0);
        for window in world.agents() {
            let pane = world.fresh_pane();
            world.panes.insert(window, pane);
        }
        world
    }

    pub(crate) fn fresh_pane(&mut self) -> SimPane {
        self.serial += 1;
        SimPane::new(self.serial, self.generation, self.now)
    }

    /// Whether a fault strikes now; those that do are counted.
    pub(crate) fn strikes(&mut self, fault: Fault) -> bool {
        let rate = self.faults.rate(fault);
        let strikes = rate > 0 && self.rng.chance(rate);
        if strikes {
            *self.struck.entry(fault).or_default() += 1;
        }
        strikes
    }

    /// Asks the tracker so many times; says why it refuses all, and until when.
    pub(crate) fn asks(&mut self, times: u64) -> Option<(Timestamp, &'static str)> {
        let hour = SignedDuration::from_hours(1);
        self.requests.push_back((self.now, times));
        while self
            .requests
            .front()
            .is_some_and(|(at, _)| self.now.duration_since(*at) >= hour)
        {
            self.requests.pop_front();
        }
        let asked = self.requests.iter().map(|(_, times)| times).sum();
        self.requests_most = self.requests_most.max(asked);
        if asked > REQUESTS_AN_HOUR_MAX {
            self.breaks(Law::Budget, format!("{asked} requests in an hour"));
        }
        if self.strikes(Fault::Limited) {
            let wait =
                SignedDuration::from_secs(60 + i64::try_from(self.rng.below(3540)).expect("small"));
            self.refused = Some((self.now + wait, "the account is limited"));
        } else if self.strikes(Fault::Expired) {
            let wait =
                SignedDuration::from_mins(30 + i64::try_from(self.rng.below(300)).expect("small"));
            self.refused = Some((self.now + wait, "the token has expired"));
        }
        self.refused = self.refused.filter(|(until, _)| *until > self.now);
        self.refused
    }

    /// Our clock jumps; what goes on goes on as it did.
    pub(crate) fn jumps(&mut self, by: SignedDuration) {
        self.now += by;
        self.tracker.jumps(by);
        self.receipts.values_mut().for_each(|at| *at += by);
        self.late_writes.iter_mut().for_each(|(at, ..)| *at += by);
        self.requests.iter_mut().for_each(|(at, _)| *at += by);
        let since = self.gap.as_mut();
        let until = self.refused.as_mut().map(|(until, _)| until);
        for at in [since, until].into_iter().flatten() {
            *at += by;
        }
        for pane in self.panes.values_mut() {
            match &mut pane.doing {
                Doing::Idle { since } | Doing::Failed { since } | Doing::Dead { since } => {
                    *since += by;
                }
                Doing::Busy | Doing::Dialog | Doing::CopyMode => {}
            }
            pane.job.iter_mut().for_each(|job| job.until += by);
        }
    }

    /// The agents' server dies and comes back: panes have the ids that they had. Or only a pane's process is another one, and its
    /// options outlive it.
    pub(crate) fn server_dies(&mut self) {
        if self.rng.chance(500) {
            self.generation += 1;
            self.server_since = self.now;
            self.panes.remove(&Window::Check);
        }
        let keeps_pid = self.rng.chance(500);
        for window in self.agents() {
            let Some(old) = self.panes.get(&window).cloned() else {
                continue;
            };
            let mut fresh = self.fresh_pane();
            fresh.pane.id = old.pane.id;
            if fresh.pane.generation == old.pane.generation {
                fresh.traces = old.traces;
            } else if keeps_pid {
                fresh.pane.pid = old.pane.pid;
            }
            self.panes.insert(window, fresh);
        }
    }

    /// Says that a law was broken; the first one is kept.
    pub(crate) fn breaks(&mut self, law: Law, how: impl Into<String>) {
        let how = how.into();
        self.broken.get_or_insert((law, how));
    }

    /// The same for what was judged elsewhere.
    pub(crate) fn holds_to(&mut self, judged: Result<(), Broken>) {
        if let Err((law, how)) = judged {
            self.breaks(law, how);
        }
    }

    /// What a single read says, late, cut off or with events missing.
    pub(super) fn reads(
        &mut self,
        issue: IssueNumber,
        since: Option<&CommentId>,
    ) -> Option<Details> {
        if self.strikes(Fault::CutOff) {
            return None;
        }
        let lags = self.strikes(Fault::Lag) && since.is_none();
        let mut read = match since {
            Some(since) => self.tracker.read_after(issue, since, self.now),
            None if lags => {
                let lag = LAG_MAX.as_secs().unsigned_abs();
                let lag = i64::try_from(self.rng.below(lag)).expect("small");
                self.tracker
                    .read_as_of(issue, self.now - SignedDuration::from_secs(lag), self.now)
            }
            None => self.tracker.read(issue, self.now),
        };
        self.spoils(&mut read.events);
        Some(read)
    }

    /// Label events come late, or twice.
    pub(super) fn spoils(&mut self, events: &mut Vec<LabelEvent>) {
        if self.strikes(Fault::LateEvent) {
            let now = self.now;
            let tracker = &self.tracker;
            let young = |event: &LabelEvent| now.duration_since(tracker.happened(event)) < LAG_MAX;
            events.retain(|event| !young(event));
        }
        if self.strikes(Fault::TwiceEvents) {
            let at = usize::try_from(self.rng.below(events.len() as u64)).expect("small");
            if let Some(event) = events.get(at).cloned() {
                events.insert(at, event);
            }
        }
    }

    /// Returns what a look sees.
    pub(crate) fn observe(&mut self, questions: &Questions, state: &State) -> Observation {
        if !self.strikes(Fault::StaleList) {
            self.tracker.refresh();
        }
        let singles = 2 * questions.issues.len() + questions.comments.len() + questions.pulls.len();
        // What changed is asked for once a minute, however often is looked in between.
        let lists = self.now.duration_since(self.listed).abs() >= LISTS_EVERY;
        if lists {
            self.listed = self.now;
        }
        let refused = self.asks(u64::from(lists) + singles as u64);
        let failing = self.strikes(Fault::Gap) || refused.is_some();
        let gap = match (failing, self.gap) {
            (true, _) => Some(("no answer".to_owned(), self.now)),
            (false, Some(since)) => Some(("no answer".to_owned(), since)),
            (false, None) => None,
        };
        let (mut details, mut unread) = (BTreeMap::new(), BTreeMap::new());
        for issue in questions.issues.iter().filter(|_| gap.is_none()) {
            let since = questions.comments.iter().find(|(of, _)| of == issue);
            match self.reads(*issue, since.map(|(_, since)| since)) {
                Some(read) => drop(details.insert(*issue, read)),
                None => drop(unread.insert(*issue, "the answer is cut off".to_owned())),
            }
        }
        let changed = self.changed(questions);
        self.serial += 1;
        let mut fleet = state.load();
        fleet.add(&FleetLoad {
            open: BTreeMap::from([("fake".to_owned(), u32::try_from(self.others).expect("few"))]),
            ..FleetLoad::default()
        });
        Observation {
            unread,
            at: self.now,
            heads: self.tracker.list(),
            gap,
            us: Some(us()),
            details,
            pulls: self.tracker.list_pulls(),
            pull_reads: self.tracker.read_pulls(questions),
            elsewhere: self.tracker.elsewhere.clone(),
            changed,
            panes: self
                .panes
                .iter()
                .map(|(window, pane)| (*window, pane.sample(self.now)))
                .collect(),
            no_agent: BTreeMap::new(),
            misplaced: None,
            reports: self
                .spool
                .iter()
                .filter(|spooled| spooled.answer.is_none())
                .filter(|spooled| !self.silent.contains(&spooled.report.id))
                .map(|spooled| spooled.report.clone())
                .collect(),
            posts: self
                .posts
                .iter()
                .filter(|(_, answer)| answer.is_none())
                .map(|(post, _)| post.clone())
                .collect(),
            fleet,
            limits: self.limits.clone(),
            fresh: Fresh {
                dispatch: DispatchId::new(format!("d{}", self.serial)),
                secret_hash: format!("secret of {}", self.serial),
            },
        }
    }

    /// What the branches that are asked for change: what a page says, else what their issues announced.
    fn changed(
        &mut self,
        questions: &Questions,
    ) -> BTreeMap<IssueNumber, Result<Vec<String>, String>> {
        let mut all = BTreeMap::new();
        for number in questions.branches.keys() {
            let files = if self.strikes(Fault::CutOff) {
                Err("git is gone".to_owned())
            } else {
                let issue = self.tracker.issues.get(number);
                let touches = issue.filter(|issue| self.lively && issue.commits > 0);
                let touches = touches.into_iter().flat_map(|issue| &issue.head.touches);
                let files = issue.into_iter().flat_map(|issue| &issue.files);
                Ok(files.chain(touches).cloned().collect())
            };
            all.insert(*number, files);
        }
        all
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
        self.tracker.by_us = true;
        for (_, issue, label) in due {
            self.tracker.label(issue, &label, true, &us(), now);
        }
        self.tracker.by_us = false;
        for window in Window::all() {
            let Some(pane) = self.panes.get_mut(&window) else {
                continue;
            };
            if let Doing::Dead { since } = pane.doing {
                if now.duration_since(since) > dead_for(window) && self.lively {
                    self.panes.remove(&window);
                    if window.is_agent() {
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
        let panes = self.panes.iter();
        let jobs = panes.filter_map(|(window, pane)| match pane.doing {
            Doing::Dead { since } => Some(since + dead_for(*window) + SignedDuration::from_secs(1)),
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
            let rework = self.strikes(Fault::Rework);
            let verdict = if rework { "rework" } else { "pass" };
            let honest = plan == Plan::Honest;
            self.report(dispatch, verb, honest, verdict);
            if self.strikes(Fault::TwiceReport) {
                self.repeats();
            }
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

    /// The last report is made once more.
    fn repeats(&mut self) {
        self.serial += 1;
        let mut again = self.spool.last().expect("it was just put there").clone();
        again.report.id = ReportId::new(format!("r{}", self.serial));
        self.spool.push(again);
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
        if !self.strikes(Fault::BadAgent) {
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
            let how = format!("delivery {delivery} was submitted twice");
            self.breaks(Law::TypedOnce, how);
        }
        let late = self.strikes(Fault::LateReceipt);
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

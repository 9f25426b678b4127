//! One look at the world, with its gaps: what the engine decides on.

use std::collections::BTreeMap;
use std::path::PathBuf;

use jiff::Timestamp;

use crate::daemon::hands::{Comments, Hands, chain, now};
use crate::daemon::key::random_letters;
use crate::daemon::looking::looks::{Begin, Looked, Looks};
use crate::daemon::looking::{commits, elsewhere};
use crate::domain::{
    AccountLimit, Answer, Attention, DispatchId, FleetLoad, Fresh, Hold, IssueNumber, Observation,
    PaneSample, Post, Posting, PullHead, PullRead, Purpose, Questions, Report, ReportId, Said,
    SessionChoice, SpoolFile, Subject, Verb, Window,
};
use crate::machine::state::State;
use crate::machine::text::sha256;
use crate::repo::RepoError;
use crate::repo::spool::Scan;
use crate::tracker::pulls::ListedPull;
use crate::tracker::{Poll, PollMark, TrackerError};

/// Letters of a dispatch id: 36^6 = 2 x 10^9; a taken one is refused by the ledger.
pub(in crate::daemon) const DISPATCH_LETTERS: usize = 6;

/// What the observer remembers between looks.
#[derive(Debug, Default)]
pub struct Observer {
    mark: PollMark,
    /// Pull requests as the lists said, since the start.
    pulls: BTreeMap<IssueNumber, PullHead>,
    /// When the tracker last answered.
    known: Option<Timestamp>,
    fault: Option<String>,
    /// Until when the tracker asked to be left alone.
    quiet_until: Option<Timestamp>,
    swept: bool,
    /// Whether it was swept in this process: what was stored may lack some.
    swept_here: bool,
    folder: Looks<(), (Vec<Scanned>, Option<Hold>)>,
}

/// What lies in the spool of one tree.
type Scanned = (Window, PathBuf, Result<Scan, RepoError>);

/// How much of the tracker a look asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ask {
    /// Nothing: what is known is fresh enough.
    Nothing,
    /// What changed: one conditional request if nothing did.
    Changes,
    /// Everything that is open.
    Everything,
}

impl Observer {
    /// Goes on from what was stored, so that a restart costs no allowance.
    pub fn new(mark: PollMark, known: bool) -> Self {
        Self {
            mark,
            swept: known,
            ..Self::default()
        }
    }

    /// Looks at the tracker as far as asked, and stores what it said: heads first, then the mark.
    pub async fn refresh(&mut self, hands: &Hands, ask: Ask) {
        if ask == Ask::Nothing || self.quiet_until.is_some_and(|until| now() < until) {
            return;
        }
        // A repository may become public while we run.
        if ask == Ask::Everything && hands.knows_readers() {
            hands.learn_readers().await;
        }
        let asked = now();
        let result = if ask == Ask::Everything || !self.swept {
            self.sweep(hands).await
        } else {
            self.poll(hands).await
        };
        match result {
            Ok(()) => {
                elsewhere::was_read(hands, self.lists(asked));
                self.known = Some(now());
                self.fault = None;
                self.quiet_until = None;
            }
            Err(error) => self.failed(&error),
        }
    }

    async fn poll(&mut self, hands: &Hands) -> Result<(), TrackerError> {
        let changed = hands.tracker.poll(&self.mark).await?;
        let Poll::Changed { heads, pulls, mark } = changed else {
            return Ok(());
        };
        {
            let mut known = hands.heads.lock().expect("no holder of this lock panics");
            for head in &heads {
                known.insert(head.number, head.clone());
            }
        }
        self.heard(pulls);
        self.store(hands, mark).await;
        Ok(())
    }

    async fn sweep(&mut self, hands: &Hands) -> Result<(), TrackerError> {
        let sweep = hands.tracker.sweep().await?;
        {
            let mut known = hands.heads.lock().expect("no holder of this lock panics");
            let open: BTreeMap<IssueNumber, _> = sweep
                .open
                .iter()
                .map(|head| (head.number, head.clone()))
                .collect();
            // Absent from a list is unknown, never unlabelled: a closed head says that it must be read singly.
            for (number, head) in known
                .iter_mut()
                .filter(|(number, _)| !open.contains_key(number))
            {
                tracing::debug!(%number, "not in the sweep");
                head.open = false;
            }
            known.extend(open);
        }
        // Absent from the open ones: closed, as far as a list can say; that asks for a single read.
        for head in self.pulls.values_mut() {
            head.open = false;
        }
        self.heard(sweep.pulls);
        (self.swept, self.swept_here) = (true, true);
        self.store(hands, sweep.mark).await;
        Ok(())
    }

    fn lists(&self, at: Timestamp) -> elsewhere::Lists {
        let open = self.pulls.iter().filter(|(_, head)| head.open);
        elsewhere::Lists {
            at,
            swept: self.swept_here,
            pulls: open.map(|(number, _)| *number).collect(),
        }
    }

    /// Keeps what a list said of pull requests. A sweep knows of reviews that a poll may not: the newest change counts.
    fn heard(&mut self, pulls: Vec<ListedPull>) {
        for (number, head) in pulls {
            let known = self.pulls.entry(number).or_insert(head);
            let updated_at = known.updated_at.max(head.updated_at);
            *known = PullHead { updated_at, ..head };
        }
    }

    /// The conditional state is stored only after what was derived from it.
    async fn store(&mut self, hands: &Hands, mark: PollMark) {
        match crate::daemon::store::save(hands, &mark).await {
            Ok(()) => self.mark = mark,
            Err(error) => {
                tracing::warn!(%error, "what the tracker said is not stored: it will be read again");
            }
        }
    }

    /// Says what the lists said of our own pull requests.
    fn pulls_of(&self, state: &State) -> BTreeMap<IssueNumber, PullHead> {
        let ours = state.walks.values().filter_map(|walk| walk.pull.as_ref());
        ours.filter_map(|kept| self.pulls.get_key_value(&kept.pull.number))
            .map(|(number, head)| (*number, *head))
            .collect()
    }

    async fn read_pulls(
        &mut self,
        hands: &Hands,
        questions: &Questions,
    ) -> BTreeMap<IssueNumber, Option<PullRead>> {
        let mut reads = BTreeMap::new();
        for number in &questions.pulls {
            match crate::daemon::posting::pulls::read(hands, *number).await {
                Ok(read) => drop(reads.insert(*number, Some(read))),
                // What is wrong with one stops no other one, and it is tried again.
                Err(error) if is_of_one_issue(&error) => {
                    tracing::warn!(pull = %number, error = chain(&error), "the pull request cannot be read");
                    reads.insert(*number, None);
                }
                Err(error) => self.failed(&error),
            }
        }
        reads
    }

    fn failed(&mut self, error: &TrackerError) {
        if let TrackerError::RateLimited { until, .. } = error {
            self.quiet_until = Some(*until);
        }
        self.fault = Some(fault(error));
    }

    /// Looks into the project's trees: what is spooled, and whether we may write. On a disk that does not answer nothing was reported.
    async fn folder(&mut self, hands: &Hands) -> (Vec<Scanned>, Option<Hold>) {
        let Some(project) = hands.project() else {
            return (Vec::new(), None);
        };
        let trees = hands.places.agents_trees(&project);
        let own = hands.clone();
        let look = move || {
            let there = trees.into_iter().filter(|(_, tree)| tree.exists());
            let scanned = there.map(|(window, tree)| {
                let scan = crate::repo::spool::list(&tree);
                (window, tree, scan)
            });
            (
                scanned.collect(),
                crate::daemon::looking::writable::hold(&own),
            )
        };
        let begin: Begin<_> = Box::new(|| tokio::task::spawn_blocking(look));
        let looked = self.folder.all(vec![((), begin)], |(), _| {}).await;
        match looked.into_values().next() {
            Some(Looked::Back(found)) => found,
            Some(Looked::Out) | None => {
                let path = project.path.display().to_string();
                let hint = "its disk does not answer".to_owned();
                (Vec::new(), Some(Hold::NotWritable { path, hint }))
            }
        }
    }

    /// Puts an observation together.
    pub async fn observe(
        &mut self,
        hands: &Hands,
        state: &State,
        questions: &Questions,
    ) -> Observation {
        let at = now();
        hands.hold_windows(state);
        // Who reads what we say matters once something is said; before that it would cost a request for nothing.
        if !state.dispatches.is_empty() && !hands.knows_readers() {
            hands.learn_readers().await;
        }
        let mut details = BTreeMap::new();
        let mut unread = BTreeMap::new();
        for issue in &questions.issues {
            let since = questions.comments.iter().find(|(of, _)| of == issue);
            let wanted = since.map_or(Comments::Unread, |(_, since)| Comments::After(since));
            match hands.details(*issue, wanted).await {
                Ok(read) => {
                    details.insert(*issue, read);
                }
                // What is wrong with one issue stops no other one.
                Err(error) if is_of_one_issue(&error) => {
                    tracing::warn!(%issue, error = chain(&error), "the issue cannot be read");
                    unread.insert(*issue, fault(&error));
                }
                Err(error) => self.failed(&error),
            }
        }
        let pull_reads = self.read_pulls(hands, questions).await;
        let changed = commits::of_branches(hands, &questions.branches).await;
        let heads = hands
            .heads
            .lock()
            .expect("no holder of this lock panics")
            .clone();
        let elsewhere = elsewhere::known(hands, state, &heads);
        let gap = match (&self.fault, self.known) {
            (Some(fault), known) => Some((fault.clone(), known.unwrap_or(at))),
            (None, None) => Some(("it was not read yet".to_owned(), at)),
            (None, Some(_)) => None,
        };
        let limits = hands.samples.borrow().limits.clone();
        let panes = Window::all()
            .filter_map(|window| {
                let seen = hands.sampled(window)?;
                let account = &seen.profile.account;
                Some((window, limited(seen.sample, account, &limits)))
            })
            .collect();
        let dispatch = DispatchId::new(random_letters(DISPATCH_LETTERS));
        let (scans, misplaced) = self.folder(hands).await;
        let (reports, posts) = spooled(hands, state, scans, at);
        Observation {
            at,
            heads,
            gap,
            us: hands.us().await.ok(),
            details,
            pulls: self.pulls_of(state),
            pull_reads,
            elsewhere,
            changed,
            unread,
            panes,
            no_agent: no_agent(hands),
            misplaced,
            reports,
            posts,
            // Counted when it is decided on.
            fleet: FleetLoad::default(),
            limits,
            fresh: Fresh {
                secret_hash: hands.key.secret_hash(&dispatch),
                dispatch,
            },
        }
    }
}

/// A sample as its account's limit leaves it: who shares one that is used up takes no text, whoever found that out, nor the word to go on.
fn limited(mut sample: PaneSample, account: &str, limits: &[AccountLimit]) -> PaneSample {
    let would_take = sample.state.takes(Purpose::Resume);
    let limit = limits.iter().find(|limit| limit.account == account);
    if let Some(limit) = limit.filter(|_| would_take) {
        sample.state.because = format!("account {account} is at its limit, as another agent shows");
        sample.state.attention = Attention::RateLimited { until: limit.until };
    }
    sample
}

/// Whether an error of a single read says something of that issue only.
fn is_of_one_issue(error: &TrackerError) -> bool {
    match error {
        TrackerError::Malformed { .. }
        | TrackerError::Refused { .. }
        | TrackerError::Forbidden { .. }
        | TrackerError::NotFound { .. }
        | TrackerError::Moved { .. } => true,
        TrackerError::Unreachable { .. }
        | TrackerError::RateLimited { .. }
        | TrackerError::TokenRejected { .. } => false,
    }
}

/// Says why the tracker is not known, and what a person can do if it does not pass by itself.
fn fault(error: &TrackerError) -> String {
    let passes = matches!(
        error,
        TrackerError::Unreachable { .. } | TrackerError::RateLimited { .. }
    );
    match error.hint().filter(|_| !passes) {
        Some(hint) => format!("{} ({hint})", chain(error)),
        None => chain(error),
    }
}

fn no_agent(hands: &Hands) -> BTreeMap<Window, Hold> {
    let Some(project) = hands.project() else {
        return BTreeMap::new();
    };
    let samples = hands.samples.borrow();
    let hold = |window: Window| {
        let down = samples.down.get(&(hands.name.clone(), window));
        let why = down.or(samples.blind.as_ref())?;
        let hint = if project.session == SessionChoice::Managed {
            format!("{why}; try `pointsman up {}`", hands.name)
        } else {
            format!("{why}; start your agent there, or change `session`")
        };
        let name = window.as_str().to_owned();
        Some((window, Hold::NoAgent { window: name, hint }))
    };
    let agents = hands.agents(&project);
    agents.into_iter().filter_map(hold).collect()
}

/// Reads what was spooled: reports without an answer that are not in the ledger yet.
fn spooled(
    hands: &Hands,
    state: &State,
    scans: Vec<Scanned>,
    at: Timestamp,
) -> (Vec<Report>, Vec<Post>) {
    let (mut reports, mut posts) = (Vec::new(), Vec::new());
    for (window, tree, scan) in scans {
        let scan = match scan {
            Ok(scan) => scan,
            Err(error) => {
                tracing::warn!(error = chain(&error), tree = %tree.display(), "the spool cannot be read");
                continue;
            }
        };
        for (id, error) in &scan.refused {
            tracing::warn!(report = %id, error = chain(error), "a report is not taken");
        }
        // One that the ledger has and that lies unanswered gets its answer again.
        for entry in scan.entries {
            match serde_json::from_slice::<SpoolFile>(&entry.bytes) {
                Ok(file) => match said(hands, state, window, entry.ulid, file, at) {
                    Some(Spooled::Report(report)) => reports.push(*report),
                    Some(Spooled::Post(post)) => posts.push(post),
                    None => {}
                },
                Err(error) => refuse_unreadable(hands, &tree, &entry.ulid, &error),
            }
        }
    }
    reports.sort_by(|left, right| left.id.cmp(&right.id));
    posts.sort_by(|left, right| left.id.cmp(&right.id));
    (reports, posts)
}

/// What a spool file turned out to be.
enum Spooled {
    Report(Box<Report>),
    Post(Post),
}

/// A report that cannot be read is answered once, so that its writer knows, and then left alone.
fn refuse_unreadable(
    hands: &Hands,
    tree: &std::path::Path,
    report: &ReportId,
    error: &serde_json::Error,
) {
    tracing::warn!(%report, %error, "a report cannot be read");
    let answer = Answer {
        report: report.clone(),
        accepted: false,
        text: format!(
            "this report cannot be read ({error}): report with the command line of the brief"
        ),
    };
    let json = serde_json::to_vec(&answer).expect("an answer is plain data");
    if let Err(error) = crate::repo::spool::answer(tree, hands.places.users(), report, &json) {
        tracing::warn!(%report, error = chain(&error), "and its answer cannot be written");
    }
}

/// Proven = the right secret, in the spool of the tree the dispatch runs in.
fn said(
    hands: &Hands,
    state: &State,
    window: Window,
    id: ReportId,
    file: SpoolFile,
    at: Timestamp,
) -> Option<Spooled> {
    let (dispatch, secret) = file.token.split_once('.')?;
    let dispatch = DispatchId::new(dispatch);
    let owner = state.dispatches.get(&dispatch);
    let right = sha256(secret.as_bytes()) == hands.key.secret_hash(&dispatch);
    let home = owner.is_some_and(|owner| {
        owner.opening.window == window || !hands.project().is_some_and(|project| project.git)
    });
    let posting = |what| {
        Some(Spooled::Post(Post {
            id: id.clone(),
            dispatch: dispatch.clone(),
            what,
            proven: right && home,
            at,
        }))
    };
    let (verb, spec, verdict, note) = match file.said {
        Said::Done {
            spec,
            verdict,
            note,
        } => (Verb::Done, spec, verdict, note),
        Said::Fail { note } => (Verb::Fail, None, None, Some(note)),
        Said::Ask { question } => (Verb::Ask, None, None, Some(question)),
        Said::Ack { delivery } => (Verb::Ack, None, None, delivery),
        Said::Issue { title, body } => return posting(Posting::Issue { title, body }),
        Said::Comment { body } => return posting(Posting::Comment { body }),
    };
    Some(Spooled::Report(Box::new(Report {
        id,
        dispatch,
        verb,
        head: file.head.map(Subject::new),
        branch: file.branch,
        spec,
        verdict,
        note,
        moved: None,
        proven: right && home,
        at,
    })))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Activity, AgentState, Liveness, Pane};

    #[test]
    fn who_shares_a_used_up_account_is_given_neither_a_text_nor_the_word_to_go_on() {
        let since = Timestamp::UNIX_EPOCH;
        let look = |attention| PaneSample {
            pane: Pane {
                socket: "/run/sock".into(),
                generation: "1.2".to_owned(),
                id: "%3".to_owned(),
                pid: 4,
            },
            at: since,
            state: AgentState {
                liveness: Liveness::Alive,
                activity: Activity::Idle { since },
                attention,
                words: None,
                because: String::new(),
            },
            managed: true,
            context: String::new(),
            traces: Vec::new(),
            other_version: None,
        };
        let limits = [AccountLimit {
            account: "acme".to_owned(),
            until: None,
            projects: Vec::new(),
        }];
        for attention in [Attention::None, Attention::Error] {
            let state = limited(look(attention.clone()), "acme", &limits).state;
            assert!(!state.takes(Purpose::Resume), "{state:?}");
            let other = limited(look(attention), "else", &limits).state;
            assert!(other.takes(Purpose::Resume), "{other:?}");
        }
    }
}

//! The modelled panes: a composer, an agent behind it, and what agents say in the spool.

use std::collections::BTreeMap;
use std::path::PathBuf;

use jiff::{SignedDuration, Timestamp};
use pointsman::domain::{
    Activity, AgentState, Answer, Attention, DeliveryId, DispatchId, Liveness, Pane, PaneSample,
    Purpose, Report, Verb,
};

/// What the agent in a pane is doing, as it really is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Doing {
    Idle {
        since: Timestamp,
    },
    Busy,
    Dialog,
    /// Its provider failed.
    Failed {
        since: Timestamp,
    },
    CopyMode,
    Dead {
        since: Timestamp,
    },
}

/// What an agent makes of a brief.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Plan {
    /// Works and says so.
    Honest,
    /// Says so without work.
    Liar,
    /// Works and says nothing.
    Mute,
    /// Does nothing and says nothing.
    Idler,
    Fails,
    Asks,
}

/// A brief that an agent has taken.
#[derive(Clone, Debug)]
pub(crate) struct Job {
    pub(crate) dispatch: DispatchId,
    pub(crate) plan: Plan,
    pub(crate) until: Timestamp,
}

/// What a delivery left in the pane's options.
#[derive(Clone, Debug, Default)]
pub(crate) struct Trace {
    pub(crate) enters: u8,
}

/// One window's pane.
#[derive(Clone, Debug)]
pub(crate) struct SimPane {
    pub(crate) pane: Pane,
    pub(crate) context: String,
    pub(crate) doing: Doing,
    pub(crate) composer: String,
    pub(crate) traces: BTreeMap<DeliveryId, Trace>,
    pub(crate) job: Option<Job>,
    /// The dispatch it talked about last.
    pub(crate) about: Option<DispatchId>,
}

impl SimPane {
    pub(crate) fn new(serial: u64, generation: u64, now: Timestamp) -> Self {
        Self {
            pane: Pane {
                socket: PathBuf::from("/run/tmux/sock"),
                generation: format!("1.{generation}"),
                id: format!("%{serial}"),
                pid: u32::try_from(serial).expect("few panes") + 4000,
            },
            context: format!("ctx{serial}"),
            doing: Doing::Idle { since: now },
            composer: String::new(),
            traces: BTreeMap::new(),
            job: None,
            about: None,
        }
    }

    /// Returns whether its composer has the keys.
    pub(crate) fn waits(&self) -> bool {
        matches!(self.doing, Doing::Idle { .. } | Doing::Failed { .. })
    }

    /// Returns whether the paste guard would let a line through.
    pub(crate) fn is_open(&self) -> bool {
        self.waits() && self.composer.is_empty()
    }

    pub(crate) fn sample(&self, now: Timestamp) -> PaneSample {
        let (liveness, activity, attention) = match &self.doing {
            Doing::Idle { since } if self.composer.is_empty() => (
                Liveness::Alive,
                Activity::Idle { since: *since },
                Attention::None,
            ),
            Doing::Failed { since } if self.composer.is_empty() => (
                Liveness::Alive,
                Activity::Idle { since: *since },
                Attention::Error,
            ),
            Doing::Idle { .. } | Doing::Failed { .. } => {
                (Liveness::Alive, Activity::Draft, Attention::None)
            }
            Doing::Busy => (Liveness::Alive, Activity::Busy, Attention::None),
            Doing::Dialog => (Liveness::Alive, Activity::Unknown, Attention::Dialog),
            Doing::CopyMode => (Liveness::Alive, Activity::Obscured, Attention::None),
            Doing::Dead { .. } => (Liveness::Dead, Activity::Unknown, Attention::None),
        };
        PaneSample {
            pane: self.pane.clone(),
            at: now,
            state: AgentState {
                liveness,
                activity,
                attention,
                words: None,
                because: "the model says so".to_owned(),
            },
            managed: true,
            context: self.context.clone(),
            traces: Vec::new(),
            other_version: None,
        }
    }

    /// A line was submitted: the agent takes it.
    pub(crate) fn takes(
        &mut self,
        dispatch: &DispatchId,
        purpose: Purpose,
        plan: Plan,
        now: Timestamp,
        takes: SignedDuration,
    ) {
        self.composer.clear();
        self.about = Some(dispatch.clone());
        if purpose == Purpose::Stop {
            self.job = None;
            self.doing = Doing::Idle { since: now };
            return;
        }
        self.doing = Doing::Busy;
        self.job = Some(Job {
            dispatch: dispatch.clone(),
            plan,
            until: now + takes,
        });
    }

    pub(crate) fn dies(&mut self, now: Timestamp) {
        self.doing = Doing::Dead { since: now };
        self.composer.clear();
        self.job = None;
    }
}

/// A report as it lies in the spool.
#[derive(Clone, Debug)]
pub(crate) struct Spooled {
    pub(crate) report: Report,
    pub(crate) answer: Option<Answer>,
}

/// Returns the word of a plan's report; none when it says nothing.
pub(crate) fn says(plan: Plan) -> Option<Verb> {
    match plan {
        Plan::Honest | Plan::Liar => Some(Verb::Done),
        Plan::Fails => Some(Verb::Fail),
        Plan::Asks => Some(Verb::Ask),
        Plan::Mute | Plan::Idler => None,
    }
}

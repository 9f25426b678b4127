//! What may never happen, each by its name. Every one of them is broken by a planted bug, or the tests say so.

/// A law of every world.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Law {
    /// At most one action per cycle and project.
    OneAction,
    /// Nothing is typed twice, nothing submitted twice.
    TypedOnce,
    /// No new attempt without the closing event of the one before.
    OneAttempt,
    /// No effect without an earlier intent in the ledger.
    IntentFirst,
    /// A person's move is never fought.
    PeopleWin,
    /// Nothing is typed unless idle was proven.
    IdleProven,
    /// Nothing is typed that nobody wants any more.
    Wanted,
    /// Nothing is typed before its marker stands on the issue.
    MarkedFirst,
    /// Work that is wanted is not withdrawn.
    WorkIsKept,
    /// One dispatch at most has a window, and it is one of the project's.
    OneWindow,
    /// A branch is checked out in one tree, and is not taken from an agent at work there.
    OneTree,
    /// No line of ours is left in a composer.
    NothingLeft,
    /// One routing label in the end; labels that are not ours survive.
    LabelsKept,
    /// No candidate is overtaken for ever.
    Fair,
    /// Attempts, rounds, seats, WIP, the account's and the day's dispatches and the hours are kept.
    Caps,
    /// Requests and repeats are bounded.
    Budget,
    /// State is the fold of the ledger, always, and after every restart.
    Fold,
    /// The ledger takes what is legal only, as a whole or not at all.
    Whole,
    /// Every report that was acknowledged survives and is answered.
    ReportsKept,
    /// Every hold has a reason.
    EveryNo,
    /// What a person is told is what was decided.
    WordsAgree,
    /// Holds never form a ring.
    NoRing,
    /// A day of a schedule is run once.
    DayOnce,
    /// What a stage ends with was measured on one commit.
    OneCommit,
    /// Of two daemons one at most does anything.
    OneDaemon,
    /// A healed world comes to rest.
    Rest,
    /// The engine never panics.
    NoPanic,
}

/// A law, and how it was broken.
pub(crate) type Broken = (Law, String);

impl Law {
    pub(crate) const ALL: [Self; 27] = [
        Self::OneAction,
        Self::TypedOnce,
        Self::OneAttempt,
        Self::IntentFirst,
        Self::PeopleWin,
        Self::IdleProven,
        Self::Wanted,
        Self::MarkedFirst,
        Self::WorkIsKept,
        Self::OneWindow,
        Self::OneTree,
        Self::NothingLeft,
        Self::LabelsKept,
        Self::Fair,
        Self::Caps,
        Self::Budget,
        Self::Fold,
        Self::Whole,
        Self::ReportsKept,
        Self::EveryNo,
        Self::WordsAgree,
        Self::NoRing,
        Self::DayOnce,
        Self::OneCommit,
        Self::OneDaemon,
        Self::Rest,
        Self::NoPanic,
    ];

    /// Says that it was broken.
    pub(crate) fn broken<T>(self, how: impl Into<String>) -> Result<T, Broken> {
        Err((self, how.into()))
    }
}

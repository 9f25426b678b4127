//! Chance and its rates: one number decides a whole world.

use std::collections::BTreeMap;

/// splitmix64: small, seeded, the same on every machine.
#[derive(Clone, Debug)]
pub(crate) struct Rng(u64);

impl Rng {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Returns a number below `end`.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.next() % end.max(1)
    }

    /// Returns whether something happens that happens `per_mille` times in a thousand.
    pub(crate) fn chance(&mut self, per_mille: u64) -> bool {
        self.below(1000) < per_mille
    }
}

/// Something that goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fault {
    /// An effect does not happen, and says so (4xx, 5xx, a client that died).
    FailsBefore,
    /// An effect happens, and its answer is lost.
    FailsAfter,
    /// A write happens, its answer is lost, and it is to be seen much later.
    SlowWrite,
    /// The process dies, per task.
    Crash,
    /// The list of issues is an older one.
    StaleList,
    /// A single read, and a read of labels, is up to a minute old.
    Lag,
    /// A label is to be seen before the event that says who set it.
    LateEvent,
    /// Events come twice, as when a page moved.
    TwiceEvents,
    /// A single read is cut off.
    CutOff,
    /// The tracker cannot be read.
    Gap,
    /// The account is limited until a reset: nothing is read and nothing written.
    Limited,
    /// The token has expired, until somebody renews it.
    Expired,
    /// An Enter is swallowed.
    Swallow,
    /// A pasted line is not drawn in time.
    NoEcho,
    /// A receipt is not written in time.
    LateReceipt,
    /// A dialog opens between the paste and the Enter.
    DialogAfterPaste,
    /// The tmux server dies and comes back, its panes with the ids that they had; per task.
    Server,
    /// The ledger refuses an append.
    DiskFull,
    /// An append takes half a minute.
    DiskSlow,
    /// The clock jumps, per task.
    Jump,
    /// The machine sleeps, per task.
    Sleep,
    /// Another process opens the same ledger and means to work; per task.
    Rival,
    /// A person, or an accident at a pane, per task.
    Chaos,
    /// An agent lies, fails, asks or says nothing.
    BadAgent,
    /// A report is made twice.
    TwiceReport,
    /// A build is red though the work is there.
    RedBuild,
    /// A checker wants rework.
    Rework,
}

impl Fault {
    /// All of them, and how often each may happen, per mille.
    pub(crate) const ALL: [(Self, u64); 27] = [
        (Self::FailsBefore, 120),
        (Self::FailsAfter, 120),
        (Self::SlowWrite, 300),
        (Self::Crash, 30),
        (Self::StaleList, 500),
        (Self::Lag, 300),
        (Self::LateEvent, 300),
        (Self::TwiceEvents, 200),
        (Self::CutOff, 150),
        (Self::Gap, 150),
        (Self::Limited, 8),
        (Self::Expired, 3),
        (Self::Swallow, 500),
        (Self::NoEcho, 100),
        (Self::LateReceipt, 500),
        (Self::DialogAfterPaste, 100),
        (Self::Server, 10),
        (Self::DiskFull, 30),
        (Self::DiskSlow, 200),
        (Self::Jump, 6),
        (Self::Sleep, 6),
        (Self::Rival, 20),
        (Self::Chaos, 80),
        (Self::BadAgent, 700),
        (Self::TwiceReport, 200),
        (Self::RedBuild, 300),
        (Self::Rework, 500),
    ];
}

/// How often what goes wrong, per mille. Every seed draws its own (swarm testing).
#[derive(Clone, Debug, Default)]
pub(crate) struct Faults {
    rates: BTreeMap<Fault, u64>,
    /// An action that fails every time, by its word.
    pub(crate) deaf: Option<String>,
    /// An action that says it was done and never is, by its word.
    pub(crate) hollow: Option<String>,
}

/// What may fail every time.
const DEAF: [&str; 12] = [
    "prepare-tree",
    "compose",
    "gate",
    "push",
    "publish",
    "answer",
    "tidy",
    "add-label",
    "remove-label",
    "close-issue",
    "merge",
    "park",
];
/// What may come to nothing without a word.
const HOLLOW: [&str; 5] = ["answer", "add-label", "remove-label", "close-issue", "park"];

impl Faults {
    /// Draws the rates of a world: each fault is off in about half of the worlds.
    pub(crate) fn draw(rng: &mut Rng) -> Self {
        let mut rates = BTreeMap::new();
        for (fault, most) in Fault::ALL {
            let off = rng.chance(450);
            let rate = rng.below(most + 1);
            if !off {
                rates.insert(fault, rate);
            }
        }
        Self {
            rates,
            deaf: one_of(rng, &DEAF),
            hollow: one_of(rng, &HOLLOW),
        }
    }

    /// How often, per mille.
    pub(crate) fn rate(&self, fault: Fault) -> u64 {
        self.rates.get(&fault).copied().unwrap_or(0)
    }

    /// Those that are on.
    pub(crate) fn on(&self) -> Vec<Fault> {
        let on = self.rates.iter().filter(|(_, rate)| **rate > 0);
        on.map(|(fault, _)| *fault).collect()
    }

    /// The same without one of them.
    pub(crate) fn without(&self, fault: Fault) -> Self {
        let mut rest = self.clone();
        rest.rates.remove(&fault);
        if rest.on().is_empty() {
            (rest.deaf, rest.hollow) = (None, None);
        }
        rest
    }

    /// Returns the rates of the healed world: agents stay what they are, the rest works, but for what never did.
    pub(crate) fn healed(&self) -> Self {
        let half = |fault| (fault, self.rate(fault) / 2);
        Self {
            rates: BTreeMap::from([half(Fault::BadAgent), half(Fault::Rework)]),
            deaf: self.deaf.clone(),
            hollow: self.hollow.clone(),
        }
    }
}

/// Draws one of some words in every fourth world.
fn one_of(rng: &mut Rng, words: &[&str]) -> Option<String> {
    let at = usize::try_from(rng.below(4 * words.len() as u64)).expect("small");
    words.get(at).map(ToString::to_string)
}

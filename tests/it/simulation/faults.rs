//! Chance and its rates: one number decides a whole world.

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

/// How often what goes wrong, per mille. Every seed draws its own (swarm testing).
#[derive(Clone, Debug, Default)]
pub(crate) struct Faults {
    /// An effect does not happen, and says so.
    pub(crate) fails_before: u64,
    /// An effect happens, and its answer is lost.
    pub(crate) fails_after: u64,
    /// The process dies, per task.
    pub(crate) crash: u64,
    /// The list of issues is an older one.
    pub(crate) stale_list: u64,
    /// An Enter is swallowed.
    pub(crate) swallow: u64,
    /// A pasted line is not drawn in time.
    pub(crate) no_echo: u64,
    /// A receipt is not written in time.
    pub(crate) late_receipt: u64,
    /// The tracker cannot be read.
    pub(crate) gap: u64,
    /// The ledger refuses an append.
    pub(crate) disk_full: u64,
    /// A person, or an accident at a pane, per task.
    pub(crate) chaos: u64,
    /// An agent lies, fails, asks or says nothing.
    pub(crate) bad_agent: u64,
    /// A build is red though the work is there.
    pub(crate) red_build: u64,
    /// A checker wants rework.
    pub(crate) rework: u64,
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
        let mut rate = |max: u64| {
            if rng.chance(450) {
                0
            } else {
                rng.below(max + 1)
            }
        };
        Self {
            fails_before: rate(120),
            fails_after: rate(120),
            crash: rate(30),
            stale_list: rate(500),
            swallow: rate(500),
            no_echo: rate(100),
            late_receipt: rate(500),
            gap: rate(150),
            disk_full: rate(30),
            chaos: rate(80),
            bad_agent: rate(700),
            red_build: rate(300),
            rework: rate(500),
            deaf: one_of(rng, &DEAF),
            hollow: one_of(rng, &HOLLOW),
        }
    }

    /// Returns the rates of the healed world: agents stay what they are, the rest works, but for what never did.
    pub(crate) fn healed(&self) -> Self {
        Self {
            bad_agent: self.bad_agent / 2,
            rework: self.rework / 2,
            deaf: self.deaf.clone(),
            hollow: self.hollow.clone(),
            ..Self::default()
        }
    }
}

/// Draws one of some words in every fourth world.
fn one_of(rng: &mut Rng, words: &[&str]) -> Option<String> {
    let at = usize::try_from(rng.below(4 * words.len() as u64)).expect("small");
    words.get(at).map(ToString::to_string)
}

//! The evidence that counts now, and what follows from it.

use jiff::Timestamp;

use super::Source;
use super::{
    Activity, AgentState, Attention, Claim, Evidence, Liveness, Profile, RESET_MAX, RESET_SLACK,
};

/// The evidence that is young enough.
pub(super) struct Heard<'a> {
    rows: Vec<&'a Evidence>,
    /// All of it: a question's words are those of the moment when it was asked.
    all: &'a [Evidence],
}

/// What one claim means for what the agent is doing, the first that applies; none of them is idle.
const DOING: [(Claim, Activity); 10] = [
    (Claim::Permission, Activity::Obscured),
    (Claim::Question, Activity::Obscured),
    (Claim::Dialog, Activity::Obscured),
    (Claim::Login, Activity::Obscured),
    (Claim::Survey, Activity::Obscured),
    (Claim::KeysAstray, Activity::Obscured),
    (Claim::AgentBehind, Activity::Obscured),
    (Claim::Busy, Activity::Busy),
    (Claim::Starting, Activity::Starting),
    (Claim::ComposerDraft, Activity::Draft),
];

/// What wants a person: a dialog first, whoever saw it.
const ASKS: [(Claim, Attention); 5] = [
    (Claim::Permission, Attention::Permission),
    (Claim::Question, Attention::Question),
    (Claim::Login, Attention::Login),
    (Claim::Survey, Attention::Survey),
    (Claim::Dialog, Attention::Dialog),
];

impl<'a> Heard<'a> {
    pub(super) fn new(all: &'a [Evidence], now: Timestamp) -> Self {
        let mut rows: Vec<&Evidence> = all.iter().filter(|row| row.is_fresh(now)).collect();
        rows.retain(|row| match row.claim {
            // What ends so far away that no clock shows it is not believed (`RESET_MAX`).
            Claim::RateLimited(Some(until)) => until
                .checked_add(RESET_SLACK)
                .is_ok_and(|end| end > now && is_believed(until, now)),
            _ => true,
        });
        // The program's own record of its last turn says when that limit ended: the screen still shows the same one.
        let is_over = |row: &Evidence| match row.claim {
            Claim::RateLimited(Some(until)) => {
                until.checked_add(RESET_SLACK).is_ok_and(|end| end <= now)
            }
            _ => false,
        };
        if all.iter().any(|row| row.is_fresh(now) && is_over(row)) {
            rows.retain(|row| row.claim != Claim::RateLimited(None));
        }
        // Whoever asked for an approval does not say that it was answered; who knows how things stand does.
        if rows.iter().any(|row| row.source.is_level()) {
            rows.retain(|row| !row.source.is_edge() || !is_asked(&row.claim));
        }
        Self { rows, all }
    }

    /// Whether a limit is shown of which nobody says when it ends, and nothing is done.
    pub(super) fn shows_untold_limit(&self) -> bool {
        self.says(&Claim::RateLimited(None)).is_some() && self.says(&Claim::Busy).is_none()
    }

    pub(super) fn forget_untold_limit(&mut self) {
        self.rows
            .retain(|row| row.claim != Claim::RateLimited(None));
    }

    fn find(&self, wanted: impl Fn(&Claim) -> bool) -> Option<&'a Evidence> {
        self.rows.iter().find(|row| wanted(&row.claim)).copied()
    }

    fn says(&self, claim: &Claim) -> Option<&'a Evidence> {
        self.find(|said| said == claim)
    }

    fn has(&self, source: Source) -> bool {
        self.rows.iter().any(|row| row.source == source)
    }

    /// The first rule that applies decides. `Idle` here means that this sample has nothing against it.
    pub(super) fn judge(&self, profile: &Profile) -> AgentState {
        if let Some(state) = self.not_alive() {
            return state;
        }
        let attention = self.attention();
        let (activity, witness) = self.activity(profile);
        let because = match &attention {
            Some((_, row)) if cite(row) != witness => format!("{}; {witness}", cite(row)),
            _ => witness,
        };
        AgentState {
            liveness: Liveness::Alive,
            activity,
            words: attention.as_ref().and_then(|(_, row)| self.words_of(row)),
            attention: attention.map_or(Attention::None, |(attention, _)| attention),
            because,
        }
    }

    /// Lists everything that stands against a text, and not only what decides.
    pub(super) fn lacks(&self, profile: &Profile) -> Vec<String> {
        let mut found: Vec<String> = Vec::new();
        let ends = |row: &Evidence| format!("this has to end: {}", cite(row));
        if let Some(state) = self.not_alive() {
            found.push(format!("its process, in front ({})", state.because));
        } else {
            let against = self.rows.iter().filter(|row| is_against(&row.claim));
            found.extend(against.map(|row| ends(row)));
        }
        if let Err(missing) = self.idle(profile) {
            found.push(missing);
        }
        found
    }

    fn not_alive(&self) -> Option<AgentState> {
        let ends = [Claim::PaneDead, Claim::ShellInFront];
        if let Some(row) = ends.iter().find_map(|claim| self.says(claim)) {
            return Some(AgentState {
                liveness: Liveness::Dead,
                activity: Activity::Obscured,
                attention: Attention::None,
                words: None,
                because: cite(row),
            });
        }
        if let Some(row) = self.says(&Claim::AgentMissing) {
            let starting = self.says(&Claim::Starting);
            let mut state = AgentState::unknown(cite(starting.unwrap_or(row)));
            if starting.is_some() {
                state.activity = Activity::Starting;
            }
            return Some(state);
        }
        let seen = self
            .says(&Claim::AgentInFront)
            .or_else(|| self.says(&Claim::AgentBehind));
        seen.is_none()
            .then(|| AgentState::unknown("no fresh evidence of its process"))
    }

    /// A person last, because the rest says more.
    fn attention(&self) -> Option<(Attention, &'a Evidence)> {
        let mut asks = ASKS.iter();
        if let Some(hit) =
            asks.find_map(|(claim, attention)| Some((attention.clone(), self.says(claim)?)))
        {
            return Some(hit);
        }
        let limits = self.rows.iter().filter_map(|row| match row.claim {
            Claim::RateLimited(until) => Some((until, *row)),
            _ => None,
        });
        // Who names the time knows more than who only shows it; the latest counts.
        if let Some((until, row)) = limits.max_by_key(|(until, _)| *until) {
            return Some((Attention::RateLimited { until }, row));
        }
        let busy = self.says(&Claim::Busy);
        let person = self.says(&Claim::HumanPresent);
        // Whoever is at its pane sees the error, and does what is to be done.
        let is_left = busy.is_none() && person.is_none();
        let refused = self.says(&Claim::Refused).filter(|_| is_left);
        let failed = self.says(&Claim::Failed).filter(|_| is_left);
        let silent = self.says(&Claim::Silent).filter(|_| busy.is_some());
        // Who knows that it is refused knows more than who only sees an error.
        refused
            .map(|row| (Attention::Refused, row))
            .or_else(|| failed.map(|row| (Attention::Error, row)))
            .or_else(|| silent.map(|row| (Attention::Stuck, row)))
            .or_else(|| Some((Attention::HumanPresent, person?)))
    }

    /// What is asked, in the program's own words if it told them, else by the name of what saw it.
    fn words_of(&self, row: &Evidence) -> Option<String> {
        let told = self.all.iter().filter(|told| {
            told.claim == row.claim
                && !told.detail.is_empty()
                && (told.source.is_edge() || told.source == Source::Native)
        });
        let told = told.max_by_key(|told| told.at).unwrap_or(row);
        Some(told.detail.clone()).filter(|words| !words.is_empty())
    }

    fn activity(&self, profile: &Profile) -> (Activity, String) {
        let mut doing = DOING.iter();
        if let Some((activity, row)) =
            doing.find_map(|(claim, activity)| Some((*activity, self.says(claim)?)))
        {
            return (activity, cite(row));
        }
        match self.idle(profile) {
            Ok(witnesses) => (
                Activity::Idle {
                    since: Timestamp::UNIX_EPOCH,
                },
                witnesses,
            ),
            Err(missing) => (Activity::Unknown, missing),
        }
    }

    /// Idle takes two witnesses: the screen with an empty composer, and the program's own word; of a version that nobody measured
    /// two words of its own.
    fn idle(&self, profile: &Profile) -> Result<String, String> {
        let on_screen = |row: &&&Evidence| {
            row.source == Source::Screen && matches!(row.claim, Claim::ComposerEmpty | Claim::Idle)
        };
        if self.says(&Claim::ComposerAbsent).is_some() && profile.screen.composer.is_some() {
            return Err("no composer on the screen".to_owned());
        }
        let screen = self
            .rows
            .iter()
            .find(on_screen)
            .ok_or("the screen does not show an empty composer")?;
        // The best source a profile names must speak: a missing sessions file means start-up or a dialog (facts/agents.md 7).
        let signals = &profile.signals;
        let owed = [
            (signals.claude_sessions, Source::Registry),
            (signals.state_file.is_some(), Source::StateFile),
            (signals.opencode_http, Source::Native),
        ];
        if let Some((_, source)) = owed
            .iter()
            .find(|(owed, source)| *owed && !self.has(*source))
        {
            return Err(format!("nothing from the {}", source.name()));
        }
        let mut own_words: Vec<&Evidence> = Vec::new();
        for row in &self.rows {
            let is_new = !own_words.iter().any(|said| said.source == row.source);
            if row.source.is_structured() && row.claim == Claim::Idle && is_new {
                own_words.push(row);
            }
        }
        if let Some(other) = self.says(&Claim::OtherVersion) {
            let wanted = offered(profile).min(2);
            if own_words.len() < wanted {
                let found = own_words.len();
                return Err(format!(
                    "{}: {wanted} of its own sources have to say idle, and {found} does",
                    cite(other)
                ));
            }
        }
        let has_words = owed.iter().any(|(owed, _)| *owed) || signals.title_idle.is_some();
        // A program without words of its own (aider): the terminal's cursor, in its composer, is the second witness.
        let cursor = self.says(&Claim::CursorInComposer).filter(|_| !has_words);
        if own_words.is_empty() {
            own_words.extend(cursor);
        }
        if own_words.is_empty() {
            return Err("no second witness beside the screen says idle".to_owned());
        }
        own_words.push(screen);
        let cited: Vec<String> = own_words.into_iter().map(cite).collect();
        Ok(cited.join(" and "))
    }
}

/// Counts the sources in which a profile's program can say of itself that it is idle.
fn offered(profile: &Profile) -> usize {
    let signals = &profile.signals;
    [
        signals.claude_sessions,
        signals.claude_sessions || signals.claude_hooks,
        signals.state_file.is_some(),
        signals.opencode_http,
        signals.codex_rollout,
        signals.title_idle.is_some(),
    ]
    .into_iter()
    .filter(|offered| *offered)
    .count()
}

/// Returns whether a limit may end then: of a later end there is no proof but a torn or a forged number.
pub fn is_believed(until: Timestamp, now: Timestamp) -> bool {
    until.duration_since(now).unsigned_abs() <= RESET_MAX || until < now
}

fn is_asked(claim: &Claim) -> bool {
    matches!(claim, Claim::Permission | Claim::Question)
}

/// Whether a claim alone keeps a text away.
fn is_against(claim: &Claim) -> bool {
    DOING.iter().any(|(doing, _)| doing == claim)
        || matches!(
            claim,
            Claim::RateLimited(_) | Claim::Failed | Claim::Refused | Claim::HumanPresent
        )
}

/// Names a witness.
fn cite(row: &Evidence) -> String {
    let (source, words) = (row.source.name(), row.claim.words());
    if row.detail.is_empty() {
        format!("{source}: {words}")
    } else {
        format!("{source}: {words} ({})", row.detail)
    }
}

//! Attempts, rounds and rates never exceed their caps, counted from the events alone.

use jiff::{SignedDuration, Timestamp};
use pointsman::domain::{ActorId, Basis, IssueNumber, Limits, Opening, Rules};
use pointsman::machine::state::State;

use super::super::laws::{Broken, Law};
use super::Watch;

impl Watch {
    pub(super) fn spends(
        &mut self,
        limits: &Limits,
        before: &State,
        at: Timestamp,
        opening: &Opening,
    ) -> Result<(), Broken> {
        let id = &opening.id;
        let open = before
            .dispatches
            .values()
            .filter(|other| other.is_open() && !other.waits_for_a_person());
        if open.count() >= usize::try_from(limits.active_max).expect("small") {
            return Law::Caps.broken(format!("{id}: more than active_max"));
        }
        // A person's word and a rehearsal are no work of the day's.
        if opening.errand().is_some_and(|errand| !errand.is_counted()) {
            return Ok(());
        }
        let (issue, asked) = (opening.issue(), asked(before, opening));
        let within = |span: SignedDuration| {
            let recent = move |one: &&Opened| at.duration_since(one.at) < span;
            self.opened.iter().filter(recent)
        };
        let (hour, day) = (
            SignedDuration::from_hours(1),
            SignedDuration::from_hours(24),
        );
        let too_many = |count: usize, limit: u32| count >= usize::try_from(limit).expect("small");
        if too_many(within(day).count(), limits.dispatches_per_day) {
            return Law::Caps.broken(format!("{id}: more than the day's dispatches"));
        }
        let of_it = within(day).filter(|one| issue.is_some() && one.issue == issue);
        // What a person tries is their own word.
        if opening.errand().is_none() && too_many(of_it.count(), limits.dispatches_per_issue) {
            return Law::Caps.broken(format!(
                "{id}: more than the issue's own dispatches of a day"
            ));
        }
        let of_them = within(hour).filter(|one| asked.is_some() && one.asked == asked);
        if asked.is_some() && too_many(of_them.count(), limits.labellings_per_hour) {
            return Law::Caps.broken(format!(
                "{id}: more labellings of one account than in an hour"
            ));
        }
        // One that a clock, set back since, has still before it says nothing.
        let gap = SignedDuration::try_from(limits.gap).expect("small");
        let since = |last: &&Opened| at.duration_since(last.at);
        let too_soon = |last: &&Opened| (SignedDuration::ZERO..gap).contains(&since(last));
        if let Some(last) = self.opened.last().filter(too_soon) {
            return Law::Caps.broken(format!("{id}: too soon after the one of {}", last.at));
        }
        self.opened.push(Opened { at, issue, asked });
        Ok(())
    }
}

/// A dispatch that counts, as the law remembers it.
#[derive(Clone, Debug)]
pub(super) struct Opened {
    at: Timestamp,
    issue: Option<IssueNumber>,
    /// Whose labelling was taken up by it, if it is a new one and not a move of ours.
    asked: Option<ActorId>,
}

fn asked(before: &State, opening: &Opening) -> Option<ActorId> {
    let Basis::Labelling { labelling, .. } = &opening.basis else {
        return None;
    };
    let walk = before.walks.get(&labelling.issue);
    let is_ours = walk.is_some_and(|walk| walk.own_event.as_ref() == Some(&labelling.event));
    let is_known = walk.is_some_and(|walk| walk.labelling == Some(labelling.key()));
    (!is_ours && !is_known).then(|| labelling.by.id.clone())
}

/// Nothing of an issue's begins outside of the hours.
pub(super) fn in_hours(rules: &Rules, at: Timestamp, opening: &Opening) -> Result<(), Broken> {
    let Some(hours) = rules
        .workflow
        .limits
        .hours
        .filter(|_| opening.errand().is_none())
    else {
        return Ok(());
    };
    let minute = |at: Timestamp| {
        let local = at.to_zoned(rules.zone.clone());
        u16::try_from(i16::from(local.hour()) * 60 + i16::from(local.minute())).expect("positive")
    };
    // It was decided a moment ago.
    let since = at - SignedDuration::from_secs(60);
    if hours.contains(minute(at)) || hours.contains(minute(since)) {
        return Ok(());
    }
    Law::Caps.broken(format!("{} is opened at minute {}", opening.id, minute(at)))
}

//! Where the schedules of a project stand, in the words of every surface.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::sight::Sight;
use super::snapshot::Standing;
use super::standing::standing;
use super::words;
use crate::domain::{Hold, Observation, Rules, SkillName};
use crate::machine::starting::candidates;
use crate::machine::starting::schedule::{self, Turn};
use crate::machine::state::State;

/// One schedule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScheduleRow {
    /// What is due.
    pub skill: SkillName,
    /// When, in local time: `02:00`.
    pub at: String,
    /// Why it waits, or how far it is.
    pub standing: Standing,
    /// The open dispatch.
    pub dispatch: Option<String>,
    /// When it comes next, while it is not due.
    pub next: Option<Timestamp>,
}

/// Returns one schedule as it stands, also when it is not configured or nobody looks.
pub(super) fn one(
    rules: &Rules,
    state: &State,
    sight: Sight<'_>,
    skill: &SkillName,
) -> ScheduleRow {
    let seen = sight.live();
    let rows = seen.map(|seen| rows(rules, state, seen));
    let row = rows.and_then(|rows| rows.into_iter().find(|row| row.skill == *skill));
    row.unwrap_or_else(|| {
        let minute = rules.schedules.get(skill);
        let (says, hint) = match (minute, seen) {
            (None, _) => (
                "it is not scheduled",
                "`[[schedule]]` in pointsman.toml says when",
            ),
            (Some(_), Some(_)) => (
                "its schedule is not written down yet",
                "look again in a moment",
            ),
            (Some(_), None) => ("nobody looks at the clock", "pointsman run"),
        };
        ScheduleRow {
            skill: skill.clone(),
            at: minute.map_or_else(|| "-".to_owned(), |minute| words::clock(*minute)),
            standing: Standing {
                word: "unseen".to_owned(),
                says: says.to_owned(),
                hint: Some(hint.to_owned()),
                yours: false,
            },
            dispatch: None,
            next: None,
        }
    })
}

/// Returns every schedule as it stands at the moment that was seen.
pub(super) fn rows(rules: &Rules, state: &State, seen: &Observation) -> Vec<ScheduleRow> {
    let held = candidates::held(rules, state, seen, seen.at);
    let turns = schedule::turns(rules, state, seen, held.as_ref(), seen.at);
    turns
        .into_iter()
        .map(|(skill, minute, turn)| row(rules, state, skill, minute, &turn))
        .collect()
}

fn row(rules: &Rules, state: &State, skill: SkillName, minute: u16, turn: &Turn) -> ScheduleRow {
    let plain = |word: &str, says: String| Standing {
        word: word.to_owned(),
        says,
        hint: None,
        yours: false,
    };
    let stands = match turn {
        Turn::Later(at) => {
            let local = at.to_zoned(rules.zone.clone());
            plain(
                "later",
                format!("would run {}", local.strftime("%Y-%m-%d %H:%M")),
            )
        }
        Turn::InHand(dispatch) => {
            let phase = state.dispatches.get(dispatch);
            let phase = phase.map_or("open", |open| words::phase(&open.phase));
            standing(
                &rules.project.name,
                Some(&Hold::InHand {
                    dispatch: dispatch.clone(),
                    phase: phase.to_owned(),
                }),
            )
        }
        Turn::Held(_, hold) => standing(&rules.project.name, Some(hold)),
        Turn::Due(_) => plain("next", "due: it goes next".to_owned()),
    };
    ScheduleRow {
        skill,
        at: words::clock(minute),
        standing: stands,
        dispatch: match turn {
            Turn::InHand(dispatch) => Some(dispatch.to_string()),
            Turn::Later(_) | Turn::Held(..) | Turn::Due(_) => None,
        },
        next: match turn {
            Turn::Later(at) => Some(*at),
            Turn::InHand(_) | Turn::Held(..) | Turn::Due(_) => None,
        },
    }
}

//! The fold's rows for errands and for the schedules that some of them come from.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::domain::{Checked, DispatchId, Errand, Opening, SkillName};
use crate::machine::dispatch::check::is_rehearsal;
use crate::machine::dispatch::errand::is_moving;
use crate::machine::state::{Scheduled, State};

/// Checks that an errand may open, and takes down what it uses up.
pub(super) fn opened(state: &mut State, opening: &Opening, errand: &Errand) -> Result<(), String> {
    let on = match errand {
        Errand::Trial { issue, .. } if is_moving(state, *issue) => {
            return Err(format!("{issue} is being moved"));
        }
        Errand::Check { .. }
            if let Some(other) = state.dispatches.values().find(|one| one.is_open()) =>
        {
            return Err(format!("dispatch {} is open", other.id()));
        }
        Errand::Trial { .. } | Errand::Check { .. } | Errand::Said { .. } => return Ok(()),
        Errand::Due { on, .. } => on,
    };
    let skill = &opening.stage.skill;
    if let Some(ran) = state.ran.get(skill).filter(|ran| *ran >= on) {
        return Err(format!("the schedule of `{skill}` ran on {ran} already"));
    }
    state.ran.insert(skill.clone(), *on);
    Ok(())
}

/// Takes down what a rehearsal showed.
pub(super) fn checked(
    state: &mut State,
    dispatch: &DispatchId,
    checked: &Checked,
) -> Result<(), String> {
    let found = state.dispatches.get(dispatch).filter(|one| one.is_open());
    if !found.is_some_and(is_rehearsal) {
        return Err(format!("dispatch {dispatch} is no open rehearsal"));
    }
    let profile = checked.profile.clone();
    state.checks.insert(profile, checked.clone());
    Ok(())
}

/// Takes down the schedules as they are configured; those that are new or changed count from now.
#[expect(clippy::unnecessary_wraps, reason = "a row of the fold's table")]
pub(super) fn scheduled(
    state: &mut State,
    at: Timestamp,
    schedules: &BTreeMap<SkillName, u16>,
) -> Result<(), String> {
    let known = std::mem::take(&mut state.schedules);
    let kept = |skill: &SkillName, minute: u16| {
        let same = known.get(skill).filter(|known| known.minute == minute);
        same.copied().unwrap_or(Scheduled { minute, since: at })
    };
    state.schedules = schedules
        .iter()
        .map(|(skill, minute)| (skill.clone(), kept(skill, *minute)))
        .collect();
    Ok(())
}

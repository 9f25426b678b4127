//! A rehearsal: each step as it is printed, and the one that is set up not to work does not.

use std::path::Path;

use super::brief::Brief;
use super::hands::{Hands, Step, Stopped};

/// Writes the file and commits it.
pub(super) fn rehearse(hands: &Hands, brief: &Brief) -> Step<String> {
    let (file, word) = brief.rehearsal.clone().unwrap_or_default();
    if stops(hands, "write")? {
        return Err(Stopped::Interrupted);
    }
    hands.write(Path::new(&file), &format!("{word}\n"))?;
    hands.say(format!("I wrote {file}."))?;
    if brief.branch.is_some() {
        if stops(hands, "commit")? {
            return Err(Stopped::Interrupted);
        }
        let added = hands.git(&["add", "--", &file])?;
        let ran = hands.git(&["commit", "-q", "-m", "Rehearse", "--", &file])?;
        if !added.is_good() || !ran.is_good() {
            return Err(Stopped::Broken(format!(
                "git does not take the commit: {}",
                super::script::last_line(&ran)
            )));
        }
        hands.say("I committed it.")?;
    }
    Ok("every step was taken".to_owned())
}

/// Asks, refuses or falls silent before a step, if that is set up; `true` if the agent says nothing more.
pub(super) fn stops(hands: &Hands, step: &str) -> Step<bool> {
    let set_up = hands
        .rehearsal
        .as_deref()
        .and_then(|set_up| set_up.split_once('='));
    match set_up.filter(|(at, _)| *at == step) {
        Some((_, "asks")) => {
            let may = hands.may_i(&format!("May I {step}?"))?;
            if may {
                Ok(false)
            } else {
                Err(Stopped::Broken(format!("a person did not let me {step}")))
            }
        }
        Some((_, "silent")) => {
            hands.say("I lean back and tell nobody.")?;
            Ok(true)
        }
        Some((_, how)) => Err(Stopped::Broken(format!("{step} is {how}: read-only"))),
        None => Ok(false),
    }
}

//! `limit <key> <value>`: a cap of the configuration, by its key.

use std::time::Duration;

use pointsman::domain::Rules;

pub(super) fn set(rules: &mut Rules, key: &str, value: &str) {
    let number: u32 = value.parse().expect("a number");
    let limits = &mut rules.workflow.limits;
    match key {
        "labellings_per_hour" => limits.labellings_per_hour = number,
        "dispatches_per_issue" => limits.dispatches_per_issue = number,
        "gap" => limits.gap = Duration::from_secs(number.into()),
        "waiting_max" => rules.fleet.waiting_max = Some(number),
        other => panic!("no limit is called `{other}`"),
    }
}

//! Which accounts are at their limit: seen in one window, true for every project that shares the account, until it ends.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::{Members, WindowSample};
use crate::domain::{AccountLimit, Activity, AgentState, Attention, ProjectName, Window};
use crate::machine::resolve::RESET_SLACK;

/// The limits that are not over, by account.
#[derive(Debug, Default)]
pub(super) struct Limits(BTreeMap<String, Limit>);

/// One account's.
#[derive(Clone, Debug)]
struct Limit {
    until: Option<Timestamp>,
    /// Whose word it is: the window, and its agent's conversation.
    by: (ProjectName, Window),
    context: String,
}

/// What one window's agent says of itself now.
#[derive(Clone, Debug)]
pub(super) struct Word<'a> {
    by: &'a (ProjectName, Window),
    account: &'a str,
    context: &'a str,
    state: &'a AgentState,
}

impl<'a> Word<'a> {
    pub(super) fn of((by, window): (&'a (ProjectName, Window), &'a WindowSample)) -> Self {
        Self {
            by,
            account: &window.profile.account,
            context: &window.sample.context,
            state: &window.resolved.state,
        }
    }
}

impl Limits {
    /// Takes what the windows say now. What was said lasts until its time, also when its window is gone; a limit without a time lasts
    /// while it is shown. Only who said it can take it back: by ending a turn well in the same conversation.
    pub(super) fn note(&mut self, words: &[Word<'_>], now: Timestamp) {
        self.0.retain(|_, limit| {
            let lasts = limit
                .until
                .is_none_or(|until| until.checked_add(RESET_SLACK).is_ok_and(|end| end > now));
            let own = words.iter().find(|word| *word.by == limit.by);
            lasts && !limit.is_taken_back(own)
        });
        for word in words {
            let Attention::RateLimited { until } = word.state.attention else {
                continue;
            };
            let new = Limit {
                until,
                by: word.by.clone(),
                context: word.context.to_owned(),
            };
            let known = self.0.entry(word.account.to_owned());
            let known = known.or_insert_with(|| new.clone());
            if known.until < new.until {
                *known = new;
            }
        }
    }

    /// Says which projects each holds.
    pub(super) fn told(
        &self,
        accounts: &BTreeMap<ProjectName, BTreeSet<String>>,
    ) -> Vec<AccountLimit> {
        let told = self.0.iter().map(|(account, limit)| AccountLimit {
            account: account.clone(),
            until: limit.until,
            projects: accounts
                .iter()
                .filter(|(_, spent)| spent.contains(account))
                .map(|(name, _)| name.clone())
                .collect(),
        });
        told.collect()
    }
}

impl Limit {
    fn is_taken_back(&self, own: Option<&Word<'_>>) -> bool {
        let Some(word) = own else {
            return self.until.is_none();
        };
        if matches!(word.state.attention, Attention::RateLimited { .. }) {
            return false;
        }
        let has_ended_a_turn = matches!(word.state.activity, Activity::Idle { .. })
            && !self.context.is_empty()
            && word.context == self.context;
        has_ended_a_turn || self.until.is_none()
    }
}

/// Whose allowance each project's agents spend.
pub(super) fn accounts(members: &Members) -> BTreeMap<ProjectName, BTreeSet<String>> {
    let members = members.lock().expect("no holder of this lock panics");
    let spent = members.iter().filter_map(|(name, member)| {
        let rules = member.hands.rules()?;
        let named = rules.project.stages.values().chain([&rules.project.agent]);
        let profiles = named.filter_map(|name| rules.profiles.get(name));
        let accounts = profiles.map(|profile| profile.account.clone()).collect();
        Some((name.clone(), accounts))
    });
    spent.collect()
}

#[cfg(test)]
mod tests {
    use jiff::{SignedDuration, Timestamp};

    use super::*;
    use crate::domain::Liveness;

    fn state(activity: Activity, attention: Attention) -> AgentState {
        AgentState {
            liveness: Liveness::Alive,
            activity,
            attention,
            words: None,
            because: String::new(),
        }
    }

    #[test]
    fn a_limit_lasts_until_its_time_and_only_its_own_agent_takes_it_back() {
        let at = |minutes| Timestamp::UNIX_EPOCH + SignedDuration::from_mins(minutes);
        let shop = (ProjectName::new("shop"), Window::AGENT);
        let blog = (ProjectName::new("blog"), Window::AGENT);
        let until = Some(at(60));
        let limited = state(Activity::Unknown, Attention::RateLimited { until });
        let idle = state(Activity::Idle { since: at(0) }, Attention::None);
        let shares = |name: &str| (ProjectName::new(name), BTreeSet::from(["acme".to_owned()]));
        let mut accounts = BTreeMap::from([shares("shop"), shares("blog")]);
        accounts.insert(
            ProjectName::new("other"),
            BTreeSet::from(["else".to_owned()]),
        );
        let word = |by, context, state| Word {
            by,
            account: "acme",
            context,
            state,
        };
        let others = || word(&blog, "b", &idle);
        let told = |limits: &Limits| {
            let told = limits.told(&accounts);
            let names = |limit: AccountLimit| (limit.until, limit.projects.len());
            told.into_iter().map(names).collect::<Vec<_>>()
        };
        let begun = || {
            let mut limits = Limits::default();
            limits.note(&[word(&shop, "s", &limited), others()], at(0));
            assert_eq!(told(&limits), [(until, 2)], "who shares it");
            limits
        };

        // Its window is gone, or has another conversation: the account is at its limit all the same, until then and a little longer.
        let mut limits = begun();
        limits.note(&[others()], at(1));
        limits.note(&[word(&shop, "new", &idle), others()], at(61));
        assert_eq!(told(&limits), [(until, 2)]);
        limits.note(&[others()], at(63));
        assert_eq!(told(&limits), []);

        // The same conversation went on, and well: somebody paid.
        let mut limits = begun();
        limits.note(&[word(&shop, "s", &idle), others()], at(2));
        assert_eq!(told(&limits), []);

        // Without a time it lasts while it is shown.
        let endless = state(Activity::Unknown, Attention::RateLimited { until: None });
        let mut limits = Limits::default();
        limits.note(&[word(&shop, "s", &endless)], at(0));
        assert_eq!(told(&limits), [(None, 2)]);
        limits.note(&[others()], at(1));
        assert_eq!(told(&limits), []);
    }
}

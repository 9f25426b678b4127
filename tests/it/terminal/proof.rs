//! Whatever is claimed, by whom and in which order: no evidence without proof is ever idle.

use jiff::Timestamp;
use pointsman::domain::{Profile, Signals};
use pointsman::machine::resolve::{Claim, Evidence, Source, resolve};
use proptest::prelude::*;

use super::evidence::row_of;
use crate::support::tmux::profile;

fn any_row() -> impl Strategy<Value = (Source, Claim, i64)> {
    use Claim as C;
    use Source as S;
    let sources = [
        S::Process,
        S::Tmux,
        S::Title,
        S::Registry,
        S::StateFile,
        S::Native,
        S::Hook,
        S::Transcript,
        S::Rollout,
        S::Screen,
        S::Client,
    ];
    let claims = [
        C::AgentInFront,
        C::AgentBehind,
        C::ShellInFront,
        C::AgentMissing,
        C::PaneDead,
        C::KeysAstray,
        C::CursorInComposer,
        C::Starting,
        C::Busy,
        C::Idle,
        C::Permission,
        C::Question,
        C::Dialog,
        C::Login,
        C::Survey,
        C::RateLimited(None),
        C::Failed,
        C::ComposerEmpty,
        C::ComposerDraft,
        C::ComposerAbsent,
        C::HumanPresent,
        C::Silent,
        C::OtherVersion,
    ];
    // Mostly fresh: an old claim is not heard, and would prove nothing of the rules.
    let age = prop_oneof![4 => Just(0i64), 1 => -3i64..90];
    (
        proptest::sample::select(sources.to_vec()),
        proptest::sample::select(claims.to_vec()),
        age,
    )
}

fn some_profile() -> impl Strategy<Value = Profile> {
    proptest::collection::vec(any::<bool>(), 6).prop_map(|on| {
        let text = |on: bool| on.then(|| "x".to_owned());
        Profile {
            signals: Signals {
                claude_sessions: on[0],
                claude_hooks: on[1],
                codex_rollout: on[2],
                opencode_http: on[3],
                state_file: text(on[4]),
                title_idle: text(on[5]),
                ..Signals::default()
            },
            ..profile(std::path::Path::new("/h"))
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever is claimed, by whom and in which order: a text is typed only where the agent is in front, an empty composer was
    /// seen, the program itself says idle (or, having no words, has its cursor there), and nothing says otherwise.
    #[test]
    fn no_evidence_without_proof_is_ever_idle(
        claims in proptest::collection::vec(any_row(), 0..9),
        lucky in any::<bool>(),
        profile in some_profile(),
    ) {
        let at = |millis: i64| Timestamp::from_millisecond(1_800_000_000_000 + millis).unwrap();
        let mut claims = claims;
        if lucky {
            claims.push((Source::Process, Claim::AgentInFront, 0));
            claims.push((Source::Screen, Claim::ComposerEmpty, 0));
        }
        let rows = |now: i64| -> Vec<Evidence> {
            let row = |(source, claim, age): &(Source, Claim, i64)| {
                row_of(&[(*source, claim.clone())], at(now - age * 1000)).remove(0)
            };
            claims.iter().map(row).collect()
        };
        let first = resolve(&rows(0), &profile, "p", None, at(0));
        prop_assert!(!first.state.takes_text(), "one sample proves nothing");
        let last = resolve(&rows(1000), &profile, "p", Some(&first), at(1000));
        prop_assert_eq!(last.state.takes_text(), last.lacks.is_empty(), "{:?} {:?}", last.state, last.lacks);
        if !last.state.takes_text() {
            return Ok(());
        }
        let rows = rows(1000);
        let fresh: Vec<&Evidence> = rows.iter().filter(|row| row.is_fresh(at(1000))).collect();
        let says = |source: Option<Source>, claim: &Claim| {
            fresh.iter().any(|row| source.is_none_or(|source| row.source == source) && row.claim == *claim)
        };
        prop_assert!(says(None, &Claim::AgentInFront));
        prop_assert!(
            says(Some(Source::Screen), &Claim::ComposerEmpty) || says(Some(Source::Screen), &Claim::Idle)
        );
        let own = [
            Source::Title, Source::Registry, Source::StateFile, Source::Native, Source::Hook,
            Source::Transcript, Source::Rollout,
        ];
        let own_words = own.iter().filter(|source| says(Some(**source), &Claim::Idle)).count();
        let wordless = !profile.signals.claude_sessions
            && !profile.signals.opencode_http
            && profile.signals.state_file.is_none()
            && profile.signals.title_idle.is_none();
        prop_assert!(own_words > 0 || (wordless && says(None, &Claim::CursorInComposer)));
        let against = [
            Claim::PaneDead, Claim::ShellInFront, Claim::AgentMissing, Claim::AgentBehind, Claim::KeysAstray,
            Claim::Busy, Claim::Starting, Claim::ComposerDraft, Claim::ComposerAbsent, Claim::Dialog, Claim::Login,
            Claim::Survey, Claim::RateLimited(None), Claim::Failed, Claim::HumanPresent,
        ];
        for claim in against {
            prop_assert!(!says(None, &claim), "{claim:?}");
        }
        for claim in [Claim::Permission, Claim::Question] {
            prop_assert!(!says(Some(Source::Screen), &claim) && !says(Some(Source::Registry), &claim));
        }
    }
}

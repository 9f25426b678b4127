//! `pointsman agent check --capture`: what is made of an agent's screen, held against what its person sees there, and kept as a file.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::ValueEnum;

use crate::cli::{Failure, edge, known, run, say};
use crate::daemon::hands::now;
use crate::daemon::panes::session;
use crate::daemon::places::Places;
use crate::domain::{Activity, AgentState, Attention, Profile, Project, SessionChoice, Window};
use crate::terminal::{Composer, Sampled, Sampler, Seen, TmuxError, masked};

/// Looks at the pane: idle takes two that agree.
const LOOKS: u32 = 4;
/// Between two of them.
const PAUSE: Duration = Duration::from_millis(700);

/// A state into which a person has brought an agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum State {
    /// An empty prompt, nothing at work
    Idle,
    /// Some words typed at the prompt, not sent
    Draft,
    /// A turn is under way
    Busy,
    /// It asks whether it may do something
    Permission,
    /// It asks a question of its own
    Question,
    /// Trust, login, a menu, a notice
    Dialog,
    /// A turn ended with an error
    Error,
    /// The allowance is used up
    RateLimited,
}

impl State {
    fn word(self) -> String {
        let value = self.to_possible_value();
        value.map_or_else(String::new, |value| value.get_name().to_owned())
    }

    /// Returns what a state is read as; nothing, if it cannot be told.
    fn of(state: &AgentState) -> Option<Self> {
        match (&state.attention, &state.activity) {
            (Attention::Permission, _) => Some(Self::Permission),
            (Attention::Question, _) => Some(Self::Question),
            (Attention::Dialog | Attention::Login | Attention::Survey, _) => Some(Self::Dialog),
            (Attention::RateLimited { .. }, _) => Some(Self::RateLimited),
            (Attention::Error | Attention::Refused, _) => Some(Self::Error),
            (_, Activity::Busy) => Some(Self::Busy),
            (_, Activity::Draft) => Some(Self::Draft),
            (_, Activity::Idle { .. }) => Some(Self::Idle),
            (_, Activity::Starting | Activity::Obscured | Activity::Unknown) => None,
        }
    }
}

/// Looks at a project's agent, sends no key, keeps the screen below `into` and says whether it means what its person says.
pub(super) fn check(name: &str, wanted: State, into: &Path) -> Result<(), Failure> {
    let places = edge::places()?;
    let config = run::load(&places)?;
    let project = known::project(&config, name)?;
    let profile = config
        .profiles
        .get(&project.agent)
        .expect("the configuration names profiles that are there");
    run::runtime()?.block_on(async {
        let sampler = Sampler::new(profile.clone(), places.agents_home()).map_err(Failure::new)?;
        let (seen, sampled) = look(&places, project, Arc::new(sampler.clone())).await?;
        let program = profile.start.first().map_or("", String::as_str);
        let version = match program {
            "" | "{pointsman}" => None,
            program => edge::version(program, "--version").await,
        };
        let version = version.unwrap_or_else(|| "unknown".to_owned());
        let private = [
            places.home.to_string_lossy().into_owned(),
            edge::person(),
            std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default().trim().to_owned(),
            project.name.to_string(),
        ];
        let kept = keep(&sampler, &seen, &private, wanted, &into.join(format!("{}-{version}", profile.name)))?;
        say::out(&told(profile, &version, &sampler, &seen, &sampled))?;
        let read = State::of(&sampled.sample.state);
        say::out(&format!(
            "read as   {}\nkept      {}\n          paths, addresses, keys and names are x-ed out, other words are not: read it before you show it",
            read.map_or_else(|| format!("nothing that is known ({})", sampled.sample.state.because), State::word),
            kept.display()
        ))?;
        if read == Some(wanted) {
            return Ok(());
        }
        let read = read.map_or_else(|| "not known".to_owned(), State::word);
        Err(Failure::new(anyhow::anyhow!("you say it is {}, and it is read as {read}", wanted.word())).hint(
            "nothing is typed unless a state is proven; a rule in a copy of the profile mends it (CONTRIBUTING.md, \"Add an agent profile\"), and the kept file is its test".to_owned(),
        ))
    })
}

/// Looks at the pane until two looks agree.
async fn look(
    places: &Places,
    project: &Project,
    sampler: Arc<Sampler>,
) -> Result<(Seen, Sampled), Failure> {
    let tmux = places.tmux_of(project, Window::AGENT);
    let managed = project.session == SessionChoice::Managed;
    let found = match &project.session {
        SessionChoice::Managed => {
            tmux.find(project.name.as_str(), Window::AGENT.as_str())
                .await
        }
        SessionChoice::Adopted { target, .. } => tmux.resolve_target(target).await.map(Some),
    };
    let row = match found {
        Ok(Some(row)) => row,
        Ok(None) | Err(TmuxError::NoServer { .. } | TmuxError::NoTarget { .. }) => {
            return Err(Failure::new(anyhow::anyhow!(
                "{} has no agent: there is no pane to look at",
                project.name
            ))
            .hint(if managed {
                format!("pointsman up {}", project.name)
            } else {
                "start it in its pane".to_owned()
            }));
        }
        Err(error) => return Err(Failure::of_tmux(error)),
    };
    let station = session::station_of(places, &project.name, Window::AGENT, managed)?;
    let mut last: Option<(Seen, Sampled)> = None;
    for _ in 0..LOOKS {
        if last.is_some() {
            tokio::time::sleep(PAUSE).await;
        }
        let seen = tmux.look(&row.pane).await.map_err(Failure::of_tmux)?;
        let before = last.map(|(_, sampled)| sampled.resolved);
        let (sampler, shown, station) = (Arc::clone(&sampler), seen.clone(), station.clone());
        let looked = tokio::task::spawn_blocking(move || {
            sampler.sample(&shown, &station, before.as_ref(), now())
        });
        last = Some((seen, looked.await?));
    }
    Ok(last.expect("looked at least once"))
}

/// Says what each source says.
fn told(
    profile: &Profile,
    version: &str,
    sampler: &Sampler,
    seen: &Seen,
    sampled: &Sampled,
) -> String {
    let for_versions = match profile.versions.as_str() {
        "" => "any version".to_owned(),
        range => range.to_owned(),
    };
    let mut text = format!(
        "{} {version}, its profile is for {for_versions}\n",
        profile.name
    );
    let reading = sampler.recogniser().read(&seen.capture);
    let composer = match &reading.composer {
        Composer::Absent => "none on the screen".to_owned(),
        Composer::Empty => "empty".to_owned(),
        Composer::Draft(draft) => format!("{} letters typed", draft.chars().count()),
    };
    let _ = writeln!(text, "composer  {composer}");
    for evidence in &sampled.evidence {
        let _ = writeln!(
            text,
            "witness   {:?}: {:?} {}",
            evidence.source, evidence.claim, evidence.detail
        );
    }
    text
}

/// Writes the masked screen into a new file; what is masked must not change what is read.
fn keep(
    sampler: &Sampler,
    seen: &Seen,
    private: &[String],
    wanted: State,
    folder: &Path,
) -> Result<PathBuf, Failure> {
    let row = &seen.row;
    let path = folder.join(format!(
        "{}-{}x{}.txt",
        wanted.word(),
        row.size.0,
        row.size.1
    ));
    let masked_screen = seen.capture.masked(private);
    let title = masked(&row.title, private);
    let (before, after) = (
        sampler.recogniser().read(&seen.capture),
        sampler.recogniser().read(&masked_screen),
    );
    let kind = |composer: &Composer| std::mem::discriminant(composer);
    if (&before.rule, &before.dialog, kind(&before.composer))
        != (&after.rule, &after.dialog, kind(&after.composer))
    {
        return Err(Failure::new(anyhow::anyhow!(
            "the screen is not kept: without its paths and names it means something else"
        ))
        .hint(
            "keep it by hand: `tmux capture-pane -p -e`, and take out what is yours".to_owned(),
        ));
    }
    let text = format!(
        "title: {title}\ncursor: {} {} {}\ntrue: {}\n\n{}",
        row.cursor.0,
        row.cursor.1,
        u8::from(row.cursor_shown),
        wanted.word(),
        masked_screen.printed()
    );
    let written = std::fs::create_dir_all(folder).and_then(|()| {
        use std::io::Write as _;
        let mut file = std::fs::File::create_new(&path)?;
        file.write_all(text.as_bytes())
    });
    written.map_err(|error| {
        let hint = match error.kind() {
            std::io::ErrorKind::AlreadyExists => format!(
                "nothing is overwritten: remove {} first, or name another folder with --into",
                path.display()
            ),
            _ => "name a folder that may be written with --into".to_owned(),
        };
        Failure::new(
            anyhow::Error::new(error)
                .context(format!("cannot keep the screen as `{}`", path.display())),
        )
        .hint(hint)
    })?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_and_a_survey_are_the_dialogs_that_a_person_names() {
        for attention in [Attention::Dialog, Attention::Login, Attention::Survey] {
            let mut state = AgentState::unknown(String::new());
            state.attention = attention;
            assert_eq!(State::of(&state), Some(State::Dialog), "{state:?}");
        }
    }
}

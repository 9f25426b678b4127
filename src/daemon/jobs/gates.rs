//! Measuring gates: facts are gathered here, judged in `machine::dispatch::gate`.

use std::path::Path;
use std::time::{Duration, Instant};

use crate::daemon::hands::{Hands, chain, failed, now, tracker_failed};
use crate::daemon::jobs::job::{self, Ran};
use crate::daemon::jobs::tree;
use crate::daemon::looking::commits;
use crate::daemon::looking::objects::Objects;
use crate::domain::{
    Build, Dispatch, Evidence, GateName, Ground, Outcome, Project, Report, SkillName, Subject,
    Window,
};
use crate::machine::dispatch::gate::{self, CommandRun, Judged};
use crate::machine::text::anchor;
use crate::repo::Mirror;
use crate::tracker::TrackerError;

/// How long a build may take.
pub(super) const BUILD_LIMIT: Duration = Duration::from_mins(30);

/// What one measurement gave besides the judgement.
#[derive(Debug, Default)]
struct Measured {
    subject: Option<Subject>,
    exit: Option<i32>,
    log: Option<String>,
}

/// Measures one gate of a dispatch.
pub async fn measure(
    hands: &Hands,
    dispatch: &Dispatch,
    name: &GateName,
    report: &Report,
    ground: &Ground,
) -> Outcome {
    let started = Instant::now();
    let Some(project) = hands.project() else {
        return Outcome::Failed {
            why: "the project's configuration is gone".to_owned(),
            until: now(),
        };
    };
    let result = match name {
        GateName::Spec => spec(hands, &project, dispatch, report).await,
        GateName::Branch => branch(hands, &project, dispatch, report, ground).await,
        GateName::Verify => searches(hands, &project, dispatch, report, ground).await,
        GateName::Build => build(hands, &project, dispatch, report).await,
        GateName::Own(own) => own_gate(hands, &project, dispatch, report, own).await,
        GateName::Verdict => Ok(verdict(&project, dispatch, report)),
        GateName::Coverage => coverage(hands, &project, dispatch, report, ground).await,
        GateName::File => Ok(file(&project, dispatch)),
        GateName::Pr => pr(hands, &project, dispatch, report, ground).await,
        GateName::Checks => checks(hands, &project, dispatch, report).await,
        GateName::Approval => Ok((Judged::green("a person approved it"), Measured::default())),
    };
    match result {
        Ok((judged, measured)) => Outcome::Measured(Evidence {
            gate: name.clone(),
            subject: measured.subject,
            holds: judged.holds,
            warned: judged.warned,
            says: judged.says,
            findings: judged.findings,
            exit: measured.exit,
            digest: judged.digest,
            log: measured.log,
            at: now(),
            ms: u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
        }),
        Err(outcome) => outcome,
    }
}

type Gate = Result<(Judged, Measured), Outcome>;

/// A spec's claims are checked against the commit that prep stood on.
async fn spec(hands: &Hands, project: &Project, dispatch: &Dispatch, report: &Report) -> Gate {
    let judged = gate::spec(report.spec.as_deref());
    let (Some(commit), Some(text), true) = (&dispatch.base, &report.spec, project.git) else {
        return Ok((judged, Measured::default()));
    };
    let mirror = mirror(hands, project).await?;
    let anchors = anchor::of_spec(text);
    let objects = Objects::load(&mirror, commit, &anchors)
        .await
        .map_err(|error| failed(&error))?;
    let judged = gate::spec_at(judged, &anchor::check_all(&anchors, &objects));
    let subject = Some(commit.clone());
    Ok((
        judged,
        Measured {
            subject,
            ..Measured::default()
        },
    ))
}

/// Brings the project's bare mirror up to date.
pub async fn mirror(hands: &Hands, project: &Project) -> Result<Mirror, Outcome> {
    let mirror = hands
        .mirror
        .get_or_try_init(|| async { Mirror::open(&hands.places.mirror(&project.name)).await })
        .await
        .map_err(|error| failed(&error))?;
    mirror
        .fetch_path(&project.path)
        .await
        .map_err(|error| failed(&error))?;
    Ok(mirror.clone())
}

/// Returns what a gate of this dispatch is measured on.
async fn subject_of(
    mirror: &Mirror,
    dispatch: &Dispatch,
    report: &Report,
) -> Result<Option<Subject>, Outcome> {
    if let Some(subject) = &dispatch.opening.subject {
        return Ok(Some(subject.clone()));
    }
    if let Some(branch) = &dispatch.opening.branch {
        return mirror
            .resolve(&format!("refs/project/heads/{branch}"))
            .await
            .map_err(|error| failed(&error));
    }
    Ok(dispatch.base.clone().or_else(|| report.head.clone()))
}

async fn branch(
    hands: &Hands,
    project: &Project,
    dispatch: &Dispatch,
    report: &Report,
    ground: &Ground,
) -> Gate {
    let Some(expected) = dispatch.opening.branch.clone() else {
        return Ok((
            Judged::green("the stage makes no commits"),
            Measured::default(),
        ));
    };
    let mirror = mirror(hands, project).await?;
    let fail = |error: crate::repo::RepoError| failed(&error);
    let tip = subject_of(&mirror, dispatch, report).await?;
    let named = (expected, tip.clone());
    let facts = commits::branch_facts(&mirror, dispatch, report, ground, named);
    let mut facts = facts.await.map_err(fail)?;
    if let Some(tip) = &tip {
        let changed = commits::changed_files(&mirror, tip, ground.began.as_ref());
        let changed = changed.await.map_err(fail)?;
        facts.changed = changed.unwrap_or_default();
    }
    let judged = gate::branch(&facts);
    Ok((
        judged,
        Measured {
            subject: tip,
            ..Measured::default()
        },
    ))
}

/// What the spec wants to stand in the commit, and what not any more, is git's word.
async fn searches(
    hands: &Hands,
    project: &Project,
    dispatch: &Dispatch,
    report: &Report,
    ground: &Ground,
) -> Gate {
    let mirror = mirror(hands, project).await?;
    let subject = subject_of(&mirror, dispatch, report).await?;
    let spec = ground.spec.as_ref();
    let asked = spec.map_or_else(Vec::new, |spec| gate::searches(&spec.text).found);
    let judged = match &subject {
        Some(commit) => {
            let results = commits::searched(&mirror, commit, asked).await;
            gate::verify(&results.map_err(|error| failed(&error))?)
        }
        None => Judged::red("there is no commit to search"),
    };
    Ok((
        judged,
        Measured {
            subject,
            ..Measured::default()
        },
    ))
}

async fn build(hands: &Hands, project: &Project, dispatch: &Dispatch, report: &Report) -> Gate {
    let Build::Command(command) = &project.build else {
        return Ok((gate::no_build(), Measured::default()));
    };
    let (ran, subject, log) = in_gate_tree(
        hands,
        project,
        dispatch,
        report,
        "build",
        command,
        BUILD_LIMIT,
    )
    .await?;
    let judged = gate::build(&run_of(&ran, command));
    Ok((
        judged,
        Measured {
            subject,
            exit: ran.exit,
            log: Some(log),
        },
    ))
}

async fn own_gate(
    hands: &Hands,
    project: &Project,
    dispatch: &Dispatch,
    report: &Report,
    name: &str,
) -> Gate {
    let Some(own) = hands
        .rules()
        .and_then(|rules| rules.workflow.own_gate(name).cloned())
    else {
        return Ok((
            Judged::red(format!("the workflow has no gate `{name}`")),
            Measured::default(),
        ));
    };
    let (ran, subject, log) = in_gate_tree(
        hands,
        project,
        dispatch,
        report,
        name,
        &own.run,
        own.timeout,
    )
    .await?;
    let judged = gate::own(&own, &run_of(&ran, &own.run));
    Ok((
        judged,
        Measured {
            subject,
            exit: ran.exit,
            log: Some(log),
        },
    ))
}

fn run_of<'a>(ran: &'a Ran, command: &'a str) -> CommandRun<'a> {
    CommandRun {
        command,
        exit: ran.exit,
        timed_out: ran.timed_out,
        tail: ran.tail(),
        log_digest: Some(ran.digest.clone()),
    }
}

/// The beginning of a subject's hash: a commit's, or the one behind `files:`.
fn in_a_name(subject: &Subject) -> &str {
    let hash = subject.as_str().rsplit(':').next().unwrap_or_default();
    hash.get(..16).unwrap_or(hash)
}

/// Runs a command at the subject in the `gate` tree; in a project without git, in its folder.
async fn in_gate_tree(
    hands: &Hands,
    project: &Project,
    dispatch: &Dispatch,
    report: &Report,
    gate: &str,
    command: &str,
    limit: Duration,
) -> Result<(Ran, Option<Subject>, String), Outcome> {
    let tree = hands.places.gate_tree(project);
    let subject = if project.git {
        let mirror = mirror(hands, project).await?;
        subject_of(&mirror, dispatch, report).await?
    } else {
        tree::stage_file(project, dispatch)
            .map(|path| Subject::new(tree::digest_of(project, &path)))
    };
    // The same job is the same gate for the same report on the same commit: only that one is joined after a restart.
    let at = subject.as_ref().map_or("tip", in_a_name);
    let name = format!("{gate}-{}-{}-{at}", dispatch.id(), report.id);
    let others = format!("-{}-", dispatch.id());
    job::end_others(&hands.tmux, &name, &others)
        .await
        .map_err(|error| failed(&error))?;
    // From the check-out to the end of the command: else one dispatch's command would run at another's commit.
    let _ours = hands.gate_tree.lock().await;
    let is_there = job::is_there(&hands.tmux, &name)
        .await
        .map_err(|error| failed(&error))?;
    let subject = if project.git && !(is_there && subject.is_some()) {
        Some(tree::own_tree(hands, project, &tree, "gate", subject.as_ref()).await?)
    } else {
        subject
    };
    let ran = tree::measure(hands, &tree, &name, command, limit)
        .await
        .map_err(|error| failed(&error))?;
    Ok((
        ran,
        subject,
        hands
            .places
            .gate_log(&project.name, &name)
            .to_string_lossy()
            .into_owned(),
    ))
}

/// A verdict counts for the commit the checker was given; if the branch moved meanwhile it is void.
fn verdict(project: &Project, dispatch: &Dispatch, report: &Report) -> (Judged, Measured) {
    let judged = gate::verdict(report.verdict.as_deref(), report.proven);
    if !project.git {
        return verdict_on_file(project, dispatch, judged);
    }
    let subject = dispatch.opening.subject.clone();
    let Some(subject) = &subject else {
        return (
            judged,
            Measured {
                subject,
                ..Measured::default()
            },
        );
    };
    if let (Some(head), Window::Check) = (&report.head, dispatch.opening.window)
        && head != subject
    {
        let says = format!(
            "the check-out stands at {} and not at {}: a verdict for another commit is void",
            head.short(),
            subject.short()
        );
        return (
            Judged::red(says),
            Measured {
                subject: Some(subject.clone()),
                ..Measured::default()
            },
        );
    }
    (
        judged,
        Measured {
            subject: Some(subject.clone()),
            ..Measured::default()
        },
    )
}

/// Without git the file stands where the commit would: a verdict on another state of it is void.
fn verdict_on_file(project: &Project, dispatch: &Dispatch, judged: Judged) -> (Judged, Measured) {
    let Some(path) = tree::stage_file(project, dispatch) else {
        return (judged, Measured::default());
    };
    let subject = Some(Subject::new(tree::digest_of(project, &path)));
    let judged = if judged.holds && subject != dispatch.base {
        let shown = path
            .strip_prefix(&project.path)
            .unwrap_or(&path)
            .display()
            .to_string();
        Judged::red(format!(
            "{shown} changed while it was checked, and a verdict on another state is void: put it back, or report fail"
        ))
    } else {
        judged
    };
    (
        judged,
        Measured {
            subject,
            ..Measured::default()
        },
    )
}

async fn coverage(
    hands: &Hands,
    project: &Project,
    dispatch: &Dispatch,
    report: &Report,
    ground: &Ground,
) -> Gate {
    let mirror = mirror(hands, project).await?;
    let fail = |error: crate::repo::RepoError| failed(&error);
    let Some(subject) = subject_of(&mirror, dispatch, report).await? else {
        return Ok((
            Judged::red("there is no commit to cover"),
            Measured::default(),
        ));
    };
    let changed = commits::changed_files(&mirror, &subject, ground.began.as_ref());
    let judged = match changed.await.map_err(fail)? {
        Some(changed) => gate::coverage(&changed, report.verdict.as_deref()),
        None => gate::no_base(),
    };
    Ok((
        judged,
        Measured {
            subject: Some(subject),
            ..Measured::default()
        },
    ))
}

async fn pr(
    hands: &Hands,
    project: &Project,
    dispatch: &Dispatch,
    report: &Report,
    ground: &Ground,
) -> Gate {
    let mirror = mirror(hands, project).await?;
    let subject = subject_of(&mirror, dispatch, report).await?;
    let found = match ground.pull {
        Some(number) => match hands.tracker.pull(number).await {
            Ok(pull) => Some(pull),
            Err(TrackerError::NotFound { .. }) => None,
            Err(error) => return Err(tracker_failed(&error)),
        },
        None => None,
    };
    let pull = found.as_ref();
    let judged = gate::pr(
        pull.map(|pull| (pull.number, pull.open, &pull.head)),
        subject.as_ref(),
    );
    Ok((
        judged,
        Measured {
            subject,
            ..Measured::default()
        },
    ))
}

/// Reads GitHub's checks of the pushed commit. That they cannot be read is a warning like any other: nothing waits for them.
async fn checks(hands: &Hands, project: &Project, dispatch: &Dispatch, report: &Report) -> Gate {
    let mirror = mirror(hands, project).await?;
    let subject = subject_of(&mirror, dispatch, report).await?;
    let read = match &subject {
        Some(commit) => hands.tracker.checks(commit).await,
        None => Ok(Vec::new()),
    };
    let read = read.map_err(|error| chain(&error));
    let judged = gate::checks(subject.as_ref(), read.as_deref().map_err(String::as_str));
    Ok((
        judged,
        Measured {
            subject,
            ..Measured::default()
        },
    ))
}

fn file(project: &Project, dispatch: &Dispatch) -> (Judged, Measured) {
    let Some(path) = tree::stage_file(project, dispatch) else {
        return (Judged::red("the stage names no file"), Measured::default());
    };
    let before = dispatch
        .base
        .as_ref()
        .and_then(|base| base.as_str().strip_prefix("files:"));
    let subject = tree::digest_of(project, &path);
    let shown = path
        .strip_prefix(&project.path)
        .unwrap_or(&path)
        .to_string_lossy()
        .into_owned();
    let judged = gate::file(
        before,
        tree::read_plain(&project.path, &path).as_deref(),
        &shown,
    );
    (
        judged,
        Measured {
            subject: Some(Subject::new(subject)),
            ..Measured::default()
        },
    )
}

/// Returns a skill's text as a dispatch gets it: the operator's, the project's from its default branch, or the shipped one.
pub async fn skill_body(
    hands: &Hands,
    mirror: Option<&Mirror>,
    name: &SkillName,
    began: Option<&Subject>,
) -> Result<String, String> {
    let config = hands.config.borrow().clone();
    let own = match mirror {
        Some(mirror) => project_skills(mirror, began).await,
        None => std::collections::BTreeMap::new(),
    };
    match crate::config::lookup_skill(name, &config.skills, &own) {
        Ok(Some(skill)) => Ok(skill.body),
        Ok(None) => Err(format!("there is no skill `{name}`")),
        Err(problems) => Err(chain(&problems)),
    }
}

/// Reads `.pointsman/skills` as it stands on the default branch: the maker may not rewrite its checker.
pub async fn project_skills(
    mirror: &Mirror,
    began: Option<&Subject>,
) -> std::collections::BTreeMap<String, String> {
    let mut skills = std::collections::BTreeMap::new();
    let Ok(Some(tip)) = mirror.base(began).await else {
        return skills;
    };
    let Ok(entries) = mirror
        .ls_tree(&tip, Some(Path::new(".pointsman/skills")))
        .await
    else {
        return skills;
    };
    for entry in entries {
        let path = entry.path.as_path();
        if let Ok(Some(bytes)) = mirror.file_at(&tip, path).await {
            let name = entry
                .path
                .to_string_lossy()
                .trim_start_matches(".pointsman/skills/")
                .to_owned();
            skills.insert(name, String::from_utf8_lossy(&bytes).into_owned());
        }
    }
    skills
}

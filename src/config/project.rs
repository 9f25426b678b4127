//! `projects/<name>.toml` -> `Project`.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::{Path, PathBuf};

use crate::config::assemble::Names;
use crate::config::problem::Problem;
use crate::config::sheet::Sheet;
use crate::config::table::{At, Table};
use crate::config::value::{self, Complaint};
use crate::config::workflow_check::{Mismatch, check_against};
use crate::domain::{
    Build, CommentMode, FactCommand, GateName, Label, Merge, ProfileName, Project, ProjectName,
    Reserved, SessionChoice, TrackerChoice, Window, Workflow,
};

/// The workflow of a project that names none.
pub const WORKFLOW_DEFAULT: &str = "labels.toml";
/// Paths that no agent's diff may touch without a person, unless the project's file says otherwise.
pub const PROTECTED_DEFAULT: [&str; 2] = [".github/**", ".pointsman/**"];

/// Commands whose answers a brief waits for: a second or two each, and a minute or two when all of them hang.
const FACTS_MAX: usize = 8;

/// What `comment` can say.
const COMMENT_WORDS: [(&str, CommentMode); 3] = [
    ("full", CommentMode::Full),
    ("short", CommentMode::Short),
    ("off", CommentMode::Off),
];

/// What `merge` can say.
const MERGE_WORDS: [(&str, Merge); 2] = [("ff", Merge::FastForward), ("off", Merge::Off)];

/// What lies at a project's path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Folder {
    /// A git working tree.
    Git,
    /// A folder without git.
    Plain,
    /// Nothing, or nothing we may read: not a mistake of the file, the project is held.
    Missing,
}

/// What a project's file is read against.
#[derive(Clone, Copy)]
pub struct Surroundings<'c> {
    /// What `~` means.
    pub home: &'c Path,
    /// The names of the other files.
    pub names: &'c Names,
    /// The workflows without mistakes, by file name.
    pub workflows: &'c BTreeMap<String, Workflow>,
    /// Tells what lies at a path.
    pub folder: &'c dyn Fn(&Path) -> Folder,
}

/// Reads a project's file. Its name is the file's stem.
pub fn parse(file: &str, text: &str, around: &Surroundings<'_>) -> Result<Project, Vec<Problem>> {
    let sheet = Sheet::new(file, text);
    let root = sheet.toml();
    let project = read(file, &sheet, Table::root(&sheet, &root), around);
    drop(root);
    sheet.finish(project)
}

/// Returns the path a project's file names, whatever else is wrong with the file.
pub(crate) fn path_of(file: &str, text: &str, home: &Path) -> Option<PathBuf> {
    let sheet = Sheet::new(file, text);
    let root = sheet.toml();
    let path = Table::root(&sheet, &root).parsed("path", |text| value::absolute_path(text, home));
    path.map(|at| at.value)
}

fn read(
    file: &str,
    sheet: &Sheet<'_>,
    table: Table<'_>,
    around: &Surroundings<'_>,
) -> Option<Project> {
    let name = project_name(file, sheet);
    let tracker = tracker(sheet, &table);
    let path = table.required(
        "path",
        table.parsed("path", |text| value::absolute_path(text, around.home)),
    );
    let added = table.timestamp("added").map(|at| at.value);
    let profile = |text: &str| profile_name(text, &around.names.profiles);
    let agent = table.required("agent", table.parsed("agent", profile));
    let build = table.parsed("build", build);
    let prepare = table.text("prepare").map(|at| at.value);
    let facts = facts(sheet, &table);
    let stages = table.pairs("stages");
    let stage_agents = stage_agents(sheet, &stages, &around.names.profiles);
    let session = table
        .parsed("session", session)
        .map_or(SessionChoice::Managed, |at| at.value);
    let sessions = table.number("sessions", &(1..=u32::from(Window::AGENTS_MAX)));
    let workflow_at = table.parsed("workflow", |text| {
        workflow_name(text, &around.names.workflows)
    });
    let allow = accounts(sheet, table.texts("allow"));
    let agents = agents(sheet, table.texts("agents"), &allow);
    let reserved = reserved(sheet, &table);
    let merge = table.word("merge", &MERGE_WORDS).map(|at| at.value);
    let comment = table.word("comment", &COMMENT_WORDS).map(|at| at.value);
    let head = table.own_keys().first().map_or(0..0, |at| at.span.clone());
    let workflow_key = workflow_at.as_ref().map_or(head, |at| at.span.clone());
    let workflow_file = workflow_at.map_or_else(|| WORKFLOW_DEFAULT.to_owned(), |at| at.value);
    let workflow = around.workflows.get(&workflow_file);
    let local = tracker == Some(TrackerChoice::Local);
    let lacks = workflow.map(|workflow| lacking(workflow, table.has("build"), local));
    for complaint in lacks.into_iter().flatten() {
        sheet.report_whole(workflow_key.clone(), complaint);
    }
    table.close();

    let (path, path_span) = path.map(|at| (at.value, at.span))?;
    let folder = (around.folder)(&path);
    let several = sessions.filter(|at| at.value > 1);
    let alone = several.as_ref().and_then(|_| one_agent(&session, folder));
    if let (Some(at), Some(complaint)) = (&several, alone) {
        sheet.report(at.span.clone(), complaint);
    }
    let project = Project {
        name: name?,
        tracker: tracker?,
        path,
        added,
        agent: agent?.value,
        stages: stage_agents,
        build: build.map_or(Build::None, |at| at.value),
        prepare,
        facts,
        session,
        sessions: several.map_or(1, |at| u8::try_from(at.value).unwrap_or(Window::AGENTS_MAX)),
        workflow: workflow_file,
        allow,
        agents,
        reserved,
        merge: merge.unwrap_or(Merge::FastForward),
        comment,
        git: folder != Folder::Plain,
    };
    if let Some(workflow) = workflow {
        mismatches(sheet, workflow, &project, &stages, &path_span);
    }
    Some(project)
}

fn mismatches(
    sheet: &Sheet<'_>,
    workflow: &Workflow,
    project: &Project,
    stages: &[(At<String>, At<String>)],
    path: &Range<usize>,
) {
    for mismatch in check_against(workflow, project) {
        let complaint = Complaint::new(mismatch.to_string()).hint(mismatch.hint());
        match &mismatch {
            Mismatch::NoStage { stage } => {
                let key = stages
                    .iter()
                    .find(|(key, _)| Label::new(key.value.as_str()) == *stage);
                let known: Vec<&str> = workflow
                    .stages
                    .iter()
                    .map(|stage| stage.label.as_str())
                    .collect();
                let span = key.map_or_else(|| path.clone(), |(key, _)| key.span.clone());
                sheet.report_whole(
                    span,
                    complaint
                        .meant(stage.as_str(), known.iter().copied())
                        .expected(known),
                );
            }
            Mismatch::NoGit { .. } | Mismatch::NoFile { .. } => {
                sheet.report_whole(path.clone(), complaint);
            }
        }
    }
}

fn project_name(file: &str, sheet: &Sheet<'_>) -> Option<ProjectName> {
    let stem = file
        .rsplit('/')
        .next()
        .unwrap_or(file)
        .trim_end_matches(".toml");
    match value::name("project's name", stem) {
        Ok(name) => Some(ProjectName::new(name)),
        Err(complaint) => {
            sheet.report(
                0..0,
                complaint.hint("the file's name is the project's name: rename the file"),
            );
            None
        }
    }
}

fn tracker(sheet: &Sheet<'_>, table: &Table<'_>) -> Option<TrackerChoice> {
    let repo = table.parsed("repo", repository);
    let local = table.word("tracker", &[("local", TrackerChoiceWord::Local)]);
    let there = |key: &str| table.own_keys().into_iter().find(|at| at.value == key);
    match (there("repo"), there("tracker")) {
        (Some(_), None) => repo.map(|at| at.value),
        (None, Some(_)) => local.map(|_| TrackerChoice::Local),
        (Some(_), Some(second)) => {
            sheet.report(
                second.span,
                Complaint::new("`repo` and `tracker` exclude each other")
                    .hint("keep the one where the issues live"),
            );
            None
        }
        (None, None) => {
            let complaint = Complaint::new("the file does not say where the issues live")
                .expected(["`repo = \"owner/name\"`", "`tracker = \"local\"`"]);
            sheet.report_whole(table.span(), complaint);
            None
        }
    }
}

/// The one word `tracker` takes.
#[derive(Clone, Copy)]
enum TrackerChoiceWord {
    Local,
}

fn repository(text: &str) -> Result<TrackerChoice, Complaint> {
    let account = |text: &str| {
        !text.is_empty()
            && text
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    let name = |text: &str| {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        !text.is_empty() && text.bytes().all(allowed) && text != "." && text != ".."
    };
    match text.split_once('/') {
        Some((owner, repo)) if account(owner) && name(repo) => Ok(TrackerChoice::GitHub {
            owner: owner.to_owned(),
            repo: repo.to_owned(),
        }),
        _ => {
            let complaint =
                Complaint::new(format!("`{}` is not a repository", text.escape_debug()))
                    .expected(["`owner/name`"]);
            Err(if text.contains("://") {
                complaint
                    .hint("without the address of the server: that is `base_url` in pointsman.toml")
            } else {
                complaint
            })
        }
    }
}

fn profile_name(text: &str, profiles: &BTreeSet<ProfileName>) -> Result<ProfileName, Complaint> {
    let name = ProfileName::new(text);
    if profiles.contains(&name) {
        return Ok(name);
    }
    let complaint = value::unknown(
        "agent profile",
        text,
        profiles.iter().map(ProfileName::as_str),
    );
    Err(complaint.hint(format!(
        "a profile of your own is a file `agents/{}.toml`",
        text.escape_debug()
    )))
}

fn workflow_name(text: &str, workflows: &BTreeSet<String>) -> Result<String, Complaint> {
    if workflows.contains(text) {
        return Ok(text.to_owned());
    }
    Err(value::unknown(
        "workflow",
        text,
        workflows.iter().map(String::as_str),
    ))
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "the shape that `Table::parsed` takes"
)]
fn build(text: &str) -> Result<Build, Complaint> {
    Ok(if text == "none" {
        Build::None
    } else {
        Build::Command(text.to_owned())
    })
}

fn facts(sheet: &Sheet<'_>, table: &Table<'_>) -> Vec<FactCommand> {
    let mut facts: Vec<FactCommand> = Vec::new();
    for one in table.tables("facts") {
        let name = one.parsed("name", |text| value::name("fact's name", text));
        let (name, run) = (
            one.required("name", name),
            one.required("run", one.text("run")),
        );
        one.close();
        let (Some(name), Some(run)) = (name, run) else {
            continue;
        };
        if facts.iter().any(|known| known.name == name.value) {
            let complaint = Complaint::new(format!("fact `{}` is there twice", name.value));
            sheet.report(name.span, complaint);
        } else if facts.len() == FACTS_MAX {
            let complaint = Complaint::new(format!("more than {FACTS_MAX} facts"))
                .hint("every brief waits for each of them: let one command print several things");
            sheet.report(name.span, complaint);
        } else {
            facts.push(FactCommand {
                name: name.value,
                run: run.value,
            });
        }
    }
    facts
}

/// Says why a project can have one agent only.
fn one_agent(session: &SessionChoice, folder: Folder) -> Option<Complaint> {
    let (why, hint) = match (session, folder) {
        (SessionChoice::Adopted { .. }, _) => (
            "`sessions` is for sessions of our own, and `session` is a pane of yours",
            "take `session` out, and each agent has a window of its own; or take `sessions` out",
        ),
        (SessionChoice::Managed, Folder::Plain) => (
            "without git there is one folder, and one agent works in it",
            "make it a git repository, and each agent has a work tree of its own; or take `sessions` out",
        ),
        (SessionChoice::Managed, Folder::Git | Folder::Missing) => return None,
    };
    Some(Complaint::new(why.to_owned()).hint(hint))
}

/// Says what a workflow's stages need and the project has not.
fn lacking(workflow: &Workflow, has_build: bool, local: bool) -> Vec<Complaint> {
    let needing = |gate: &GateName| {
        let mut stages = workflow.stages.iter();
        let stage = stages.find(|stage| stage.needs.contains(gate));
        stage.map(|stage| &stage.label)
    };
    let build = needing(&GateName::Build).filter(|_| !has_build);
    let build = build.map(|stage| {
        let what = format!("`build` is missing, and stage `{stage}` needs a build");
        Complaint::new(what).hint("add `build = \"<command>\"`, or `build = \"none\"`")
    });
    let of_github = [
        (GateName::Pr, "needs a pull request"),
        (GateName::Checks, "reads GitHub's checks"),
    ];
    let of_github = of_github.into_iter().filter(|_| local);
    let of_github = of_github.filter_map(|(gate, does)| {
        let stage = needing(&gate)?;
        let what = format!("stage `{stage}` {does}, and the local tracker has none");
        let hint =
            format!("take `{gate}` out of its `needs`, or name a repository: `repo = \"me/blog\"`");
        Some(Complaint::new(what).hint(hint))
    });
    build.into_iter().chain(of_github).collect()
}

fn session(text: &str) -> Result<SessionChoice, Complaint> {
    if text == "managed" {
        return Ok(SessionChoice::Managed);
    }
    let pane = |target: &str| {
        let digits =
            |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let place = target.rsplit_once(':').and_then(|(session, rest)| {
            rest.rsplit_once('.')
                .map(|(window, pane)| (session, window, pane))
        });
        target.strip_prefix('%').is_some_and(digits)
            || place.is_some_and(|(session, window, pane)| {
                !session.is_empty() && !session.contains(':') && !window.is_empty() && digits(pane)
            })
    };
    match text.split_once(':') {
        Some((socket, target))
            if pane(target)
                && (socket == SessionChoice::DEFAULT_SOCKET || socket.starts_with('/')) =>
        {
            Ok(SessionChoice::Adopted {
                socket: socket.to_owned(),
                target: target.to_owned(),
            })
        }
        _ => Err(
            Complaint::new(format!("`{}` is not a session", text.escape_debug())).expected([
                "`managed`",
                "a pane to adopt: `default:work:1.0`, `default:%7` or `/path/of/socket:work:1.0`",
            ]),
        ),
    }
}

fn stage_agents(
    sheet: &Sheet<'_>,
    pairs: &[(At<String>, At<String>)],
    profiles: &BTreeSet<ProfileName>,
) -> BTreeMap<Label, ProfileName> {
    let mut stages = BTreeMap::new();
    for (key, text) in pairs {
        match profile_name(&text.value, profiles) {
            Ok(profile) => {
                if stages
                    .insert(Label::new(key.value.as_str()), profile)
                    .is_some()
                {
                    sheet.report(
                        key.span.clone(),
                        Complaint::new(format!("stage `{}` is there twice", key.value)),
                    );
                }
            }
            Err(complaint) => sheet.report(text.span.clone(), complaint),
        }
    }
    stages
}

fn accounts(sheet: &Sheet<'_>, texts: Option<Vec<At<String>>>) -> Vec<String> {
    let at = accounts_at(sheet, texts);
    at.into_iter().map(|at| at.value).collect()
}

fn accounts_at(sheet: &Sheet<'_>, texts: Option<Vec<At<String>>>) -> Vec<At<String>> {
    let mut logins = Vec::new();
    for at in texts.unwrap_or_default() {
        let login = at.value.strip_suffix("[bot]").unwrap_or(&at.value);
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        if login.is_empty() || !login.bytes().all(allowed) {
            let complaint =
                Complaint::new(format!("`{}` is not an account", at.value.escape_debug()))
                    .expected(["a login without `@`", "a numeric id"]);
            sheet.report(at.span, complaint);
        } else {
            logins.push(at);
        }
    }
    logins
}

/// People who are called by `@name`: a number would call whoever registered it as a name.
fn named(sheet: &Sheet<'_>, texts: Option<Vec<At<String>>>) -> Vec<String> {
    let (numbers, logins): (Vec<_>, Vec<_>) = accounts_at(sheet, texts)
        .into_iter()
        .partition(|at| at.value.bytes().all(|byte| byte.is_ascii_digit()));
    for at in numbers {
        let complaint = Complaint::new(format!(
            "`{}` is an id, and people are called by name",
            at.value
        ))
        .expected(["a login without `@`"]);
        sheet.report(at.span, complaint);
    }
    logins.into_iter().map(|at| at.value).collect()
}

/// Accounts that agents work as: none of them can be somebody whose word counts.
fn agents(sheet: &Sheet<'_>, texts: Option<Vec<At<String>>>, allow: &[String]) -> Vec<String> {
    let agents = accounts_at(sheet, texts);
    for at in &agents {
        if allow
            .iter()
            .any(|login| login.eq_ignore_ascii_case(&at.value))
        {
            let complaint = Complaint::new(format!("`{}` is in `allow` and in `agents`", at.value));
            sheet.report(
                at.span.clone(),
                complaint.hint("an account that agents work as is nobody's word: leave it in one"),
            );
        }
    }
    agents.into_iter().map(|at| at.value).collect()
}

/// What is not an agent's to change: `protected` is any person's, an `[[authority]]` is somebody's.
fn reserved(sheet: &Sheet<'_>, table: &Table<'_>) -> Vec<Reserved> {
    let protected = match table.texts("protected") {
        Some(texts) => globs(sheet, texts),
        None => PROTECTED_DEFAULT.map(str::to_owned).to_vec(),
    };
    let any = Reserved {
        paths: protected,
        who: Vec::new(),
    };
    let mut reserved = Vec::from_iter((!any.paths.is_empty()).then_some(any));
    for scope in table.tables("authority") {
        let paths = scope.required("paths", scope.texts("paths"));
        let who = scope.required("who", scope.texts("who"));
        if who.as_ref().is_some_and(Vec::is_empty) {
            let complaint = Complaint::new("nobody decides on it".to_owned());
            scope.refuse(
                "who",
                complaint.hint("`protected` is what any person may change"),
            );
        }
        reserved.push(Reserved {
            paths: globs(sheet, paths.unwrap_or_default()),
            who: named(sheet, who),
        });
        scope.close();
    }
    reserved
}

fn globs(sheet: &Sheet<'_>, texts: Vec<At<String>>) -> Vec<String> {
    let mut globs = Vec::new();
    for at in texts {
        match globset::Glob::new(&at.value) {
            Ok(_) => globs.push(at.value),
            Err(error) => {
                sheet.report(
                    at.span,
                    Complaint::new(format!("not a glob: {}", error.kind()))
                        .expected(["as in `.github/**`"]),
                );
            }
        }
    }
    globs
}

//! Writing a brief: the skill's own words, then facts that were read for this very delivery.

use std::collections::BTreeMap;
use std::time::Instant;

use crate::daemon::hands::{Comments, Hands, RETRY_AFTER, now, tracker_failed};
use crate::daemon::jobs::gates;
use crate::daemon::looking::commits;
use crate::daemon::looking::objects::Objects;
use crate::daemon::panes::answers;
use crate::domain::{
    Confidential, DeliveryId, Details, Dispatch, Errand, GateName, Ground, Outcome, Project,
    Purpose, SingleRead, Subject, Text, TreeFacts, Window,
};
use crate::machine::labels::trust;
use crate::machine::telling::brief::{self, Envelope, FactAnswer, Facts, Remark, Witness};
use crate::machine::text::alike::{self, Alike};
use crate::machine::text::anchor::{self, Anchor, Anchors, Checked, Survey};
use crate::machine::text::{is_marked, issue_digest, sha256};
use crate::repo::Mirror;
use crate::tracker::TrackerError;

/// Composes the text of a delivery.
pub async fn compose(
    hands: &Hands,
    dispatch: &Dispatch,
    delivery: &DeliveryId,
    ground: &Ground,
) -> Outcome {
    let started = Instant::now();
    let Some(project) = hands.project() else {
        return crate::daemon::hands::unconfigured();
    };
    // First, for it may wait for the tree: what is read after it is as of then.
    let answers = if is_skilled(dispatch, ground) {
        answers::all(hands, &project, dispatch, delivery, answers::TREE_WAIT).await
    } else {
        Vec::new()
    };
    let mut outcome = write(hands, &project, (dispatch, delivery), ground, answers).await;
    if let Outcome::Composed { ms, .. } = &mut outcome {
        *ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    }
    outcome
}

/// Whether it is a skill's text with facts below; messages and errands without a skill have none.
fn is_skilled(dispatch: &Dispatch, ground: &Ground) -> bool {
    let errand = dispatch.opening.errand();
    ground.purpose.unwrap_or(Purpose::Brief) == Purpose::Brief
        && errand.is_none_or(Errand::is_counted)
}

async fn write(
    hands: &Hands,
    project: &Project,
    (dispatch, delivery): (&Dispatch, &DeliveryId),
    ground: &Ground,
    answers: Vec<FactAnswer>,
) -> Outcome {
    let purpose = ground.purpose.unwrap_or(Purpose::Brief);
    let details = match read(hands, project, dispatch, purpose, ground).await {
        Ok(details) => details,
        Err(outcome) => return outcome,
    };
    let (text, url) = text_of(&details);
    let errand = dispatch.opening.errand();
    let errand = errand.filter(|errand| purpose == Purpose::Brief && !errand.is_counted());
    let (mirror, skill) = match ground_of_text(hands, project, dispatch, ground).await {
        Ok(found) => found,
        Err(outcome) => return outcome,
    };
    let (seq, hash) = newest(hands).await;
    let secret = hands.key.secret(dispatch.id());
    let binary = hands.places.binary_text();
    let envelope = Envelope {
        dispatch,
        delivery,
        witness: Witness {
            ledger: &hands.ledger_id,
            project: hands.name.as_str(),
            seq,
            head: &hash,
        },
        binary: &binary,
        secret: &secret,
        as_of: now(),
    };
    let text_of_brief = match (&skill, errand) {
        (None, Some(Errand::Said { by, text })) => brief::said(&envelope, by, text),
        (None, Some(_)) => brief::rehearsal(&envelope),
        (None, None) => brief::message(
            &envelope,
            purpose,
            ground.message.as_deref().unwrap_or_default(),
        ),
        (Some(body), _) => {
            let tree = project.git.then(|| tree_of(dispatch));
            let rules = hands.rules();
            let mut facts = facts(
                project,
                mirror.as_ref(),
                ground,
                &details,
                &text,
                &url,
                envelope,
            )
            .await;
            if let Some(outcome) = unfounded(dispatch, &facts.anchors) {
                return outcome;
            }
            facts.tree = tree.as_ref();
            facts.answers = answers;
            facts.alike = known_issues(hands, dispatch, &text);
            facts.gates = rules.as_ref().map_or(&[], |rules| &rules.workflow.gates);
            brief::compose(body, &facts)
        }
    };
    Outcome::Composed {
        digest: sha256(text_of_brief.as_bytes()),
        text: Confidential(text_of_brief),
        issue_text: issue_digest(&text.title, &text.body),
        ms: 0,
    }
}

/// The ledger's word as of now: how far the project's stream is, and the hash of its last record.
async fn newest(hands: &Hands) -> (u64, String) {
    let head = hands.ledger.head(hands.name.as_str()).await;
    head.map_or((0, String::new()), |head| (head.ver, hex(&head.hash)))
}

/// What is known anyway: the tracker is not asked for it.
fn known_issues(hands: &Hands, dispatch: &Dispatch, text: &Text) -> Vec<Alike> {
    let known = hands.heads.lock().expect("no holder of this lock panics");
    alike::for_brief(dispatch, &text.title, &known)
}

/// Reads what the text is written from. What a stranger wrote while the brief waited is not quoted: the labelling needs a person's
/// word again.
async fn read(
    hands: &Hands,
    project: &Project,
    dispatch: &Dispatch,
    purpose: Purpose,
    ground: &Ground,
) -> Result<Details, Outcome> {
    let details = details_of(hands, dispatch, purpose, ground)
        .await
        .map_err(|error| tracker_failed(&error))?;
    match trust::unapproved_text(dispatch, project, &details) {
        Some((by, why)) if purpose == Purpose::Brief => Err(Outcome::NoLongerWanted { by, why }),
        _ => Ok(details),
    }
}

/// Reads the dispatch's issue, for a brief with what was said on it and on its pull request; of one that has none there is nothing
/// to read.
async fn details_of(
    hands: &Hands,
    dispatch: &Dispatch,
    purpose: Purpose,
    ground: &Ground,
) -> Result<Details, TrackerError> {
    let Some(issue) = dispatch.issue() else {
        return Ok(Details {
            read: SingleRead::Gone,
            events: Vec::new(),
            roles: BTreeMap::new(),
            comments: None,
            at: now(),
        });
    };
    let wanted = match purpose {
        Purpose::Brief => Comments::All,
        Purpose::Nudge | Purpose::Answer | Purpose::Stop | Purpose::Resume => Comments::Unread,
    };
    let mut details = hands.details(issue, wanted).await?;
    if let Some(pull) = ground.pull {
        crate::daemon::posting::pulls::add_remarks(hands, pull, &mut details).await?;
    }
    Ok(details)
}

/// The mirror, brought up to date once for the whole brief (it takes half a dozen git processes), and the skill's text.
/// Messages and errands without a skill need neither.
async fn ground_of_text(
    hands: &Hands,
    project: &Project,
    dispatch: &Dispatch,
    ground: &Ground,
) -> Result<(Option<Mirror>, Option<String>), Outcome> {
    if !is_skilled(dispatch, ground) {
        return Ok((None, None));
    }
    let mirror = if project.git {
        gates::mirror(hands, project).await.ok()
    } else {
        None
    };
    let name = &dispatch.opening.stage.skill;
    let skill = gates::skill_body(hands, mirror.as_ref(), name, ground.began.as_ref());
    match skill.await {
        Ok(body) => Ok((mirror, Some(body))),
        Err(why) => Err(Outcome::Failed {
            why,
            until: now() + RETRY_AFTER,
        }),
    }
}

/// An issue that is gone or elsewhere has no text for us.
fn text_of(details: &Details) -> (Text, String) {
    match &details.read {
        SingleRead::Found(found) => (found.1.clone(), found.0.url.clone()),
        SingleRead::Transferred { .. } | SingleRead::Gone => {
            let nothing = Text {
                title: String::new(),
                body: String::new(),
                edits: Vec::new(),
            };
            (nothing, String::new())
        }
    }
}

/// What `prepare` left behind a moment ago: it puts the tree there, or the dispatch goes no further.
fn tree_of(dispatch: &Dispatch) -> TreeFacts {
    TreeFacts {
        head: dispatch.base.clone(),
        branch: match dispatch.opening.window {
            Window::Agent(_) => dispatch.opening.branch.clone(),
            Window::Check => None,
        },
        dirty: Vec::new(),
    }
}

/// Nothing is begun on a spec whose claims do not hold where the work begins. Once it has begun, it is the work itself that changes
/// what the spec quoted: that is told.
fn unfounded(dispatch: &Dispatch, anchors: &Survey) -> Option<Outcome> {
    let at = dispatch.base.clone()?;
    // Work that was merged by hand is in the tree that another round begins with.
    let begins = dispatch.opening.stage.makes_commits()
        && dispatch.began() == Some(&at)
        && dispatch.opening.round == 1;
    let claims: Vec<String> = anchors.missing().map(ToString::to_string).collect();
    (begins && !claims.is_empty()).then_some(Outcome::Unfounded { claims, at })
}

/// Gathers what a brief says besides the skill's own words.
async fn facts<'a>(
    project: &'a Project,
    mirror: Option<&Mirror>,
    ground: &'a Ground,
    details: &'a Details,
    text: &'a Text,
    url: &'a str,
    envelope: Envelope<'a>,
) -> Facts<'a> {
    let dispatch = envelope.dispatch;
    let claims = brief::claims(text);
    let anchors = ground
        .spec
        .as_ref()
        .map(|spec| anchor::of_spec(&spec.text))
        .unwrap_or_default();
    let reads_all = dispatch.opening.stage.needs.contains(&GateName::Coverage);
    let commit = dispatch.base.as_ref().filter(|_| project.git);
    let said = Said { mirror, commit };
    let (remarks, strangers) = remarks(project, details);
    let changed = match (mirror, &dispatch.opening.subject) {
        (Some(mirror), Some(subject)) if reads_all => {
            let changed = commits::changed_files(mirror, subject, ground.began.as_ref());
            changed.await.ok().flatten().unwrap_or_default()
        }
        _ => Vec::new(),
    };
    Facts {
        envelope,
        ground,
        url,
        text,
        remarks,
        strangers,
        tree: None,
        claims: said.check(&claims).await,
        anchors: said.check(&anchors).await,
        alike: Vec::new(),
        answers: Vec::new(),
        changed,
        build: &project.build,
        gates: &[],
    }
}

/// Parts what people said: quoted if they may start work here, else only counted. Our own comments are neither.
fn remarks<'a>(project: &Project, details: &'a Details) -> (Vec<Remark<'a>>, usize) {
    let mut trusted = Vec::new();
    let mut strangers = 0;
    for comment in details.comments.iter().flatten() {
        if is_marked(&comment.body) {
            continue;
        }
        match &comment.author {
            Some(author) if trust::is_trusted(project, author, &details.roles) => {
                trusted.push(Remark {
                    by: &author.login,
                    at: comment.created_at,
                    body: &comment.body,
                });
            }
            Some(_) | None => strangers += 1,
        }
    }
    (trusted, strangers)
}

/// What is asked about claims: the objects of the commit the agent will stand on.
struct Said<'a> {
    mirror: Option<&'a Mirror>,
    commit: Option<&'a Subject>,
}

impl Said<'_> {
    async fn check(&self, anchors: &Anchors) -> Survey {
        let Some(commit) = self.commit else {
            return Survey::default();
        };
        if anchors.found.is_empty() {
            return anchor::check_all(anchors, &Objects::default());
        }
        let Some(mirror) = self.mirror else {
            return Survey::default();
        };
        match Objects::load(mirror, commit, anchors).await {
            Ok(objects) => anchor::check_all(anchors, &objects),
            Err(error) => {
                let why = crate::daemon::hands::chain(&error);
                let unchecked = |claim: &Anchor| (claim.clone(), Checked::Unchecked(why.clone()));
                Survey {
                    checked: anchors.found.iter().map(unchecked).collect(),
                    ..Survey::default()
                }
            }
        }
    }
}

/// Spells bytes in hex.
pub(crate) fn hex(hash: &[u8]) -> String {
    use std::fmt::Write as _;
    hash.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

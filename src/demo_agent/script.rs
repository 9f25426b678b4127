//! What the agent does with a submitted text: a coding agent's day, scripted by the brief and nothing else.

use std::collections::BTreeSet;
use std::path::Path;

use crate::domain::DeliveryId;
use crate::repo::brief as files;

use super::brief::{Brief, Marker, Product, Purpose, delivery_in};
use super::check;
use super::hands::{Hands, Ran, Step, Stopped, crash};
use super::rehearse;
use super::work::{Plan, anchor};

/// Files that a spec is anchored in.
const ANCHORS_MAX: usize = 2;
/// Reports of one turn: the first, and one more after what was missing is supplied.
const REPORTS_MAX: usize = 2;
/// How late a late report is, in seconds.
const LATE_SECONDS: u8 = 20;

/// What the agent remembers of its conversation.
#[derive(Debug, Default)]
pub(super) struct Memory {
    handled: BTreeSet<String>,
    lied: BTreeSet<String>,
    asked: BTreeSet<String>,
    strayed: BTreeSet<String>,
}

/// Takes one submitted text.
pub(super) fn follow(hands: &Hands, memory: &mut Memory, text: &str) -> Step {
    let Some(delivery) = delivery_in(text) else {
        return hands.say("I am a scripted agent: I only follow lines like `Task <id>: read .pointsman/briefs/<id>.md and follow it.`");
    };
    if memory.handled.contains(delivery) {
        return hands.say(format!(
            "I have already handled delivery {delivery}. I stop here."
        ));
    }
    let Some(brief) = read(hands, delivery) else {
        return hands.say(format!(
            "There is no .pointsman/briefs/{delivery}.md that I can read. I do nothing."
        ));
    };
    memory.handled.insert(delivery.to_owned());
    match brief.purpose {
        Purpose::Stop => hands.say("stopped: I leave the tree as it is."),
        Purpose::Remark => hands.say(format!("Noted: {}", brief.said().trim())),
        Purpose::Work => work(hands, memory, &brief),
        Purpose::Nudge => {
            hands.say(format!(
                "I am told what is missing: {}",
                brief.said().trim()
            ))?;
            go_on(hands, memory, &brief)
        }
        Purpose::Answer => {
            hands.say(format!("My question is answered: {}", brief.said().trim()))?;
            go_on(hands, memory, &brief)
        }
    }
}

fn read(hands: &Hands, delivery: &str) -> Option<Brief> {
    let bytes = files::read(&hands.folder, &DeliveryId::new(delivery)).ok()??;
    let brief = Brief::parse(&String::from_utf8(bytes).ok()?);
    brief.is_known().then_some(brief)
}

/// Goes on with the brief that a message belongs to; it lies there until its dispatch closes.
fn go_on(hands: &Hands, memory: &mut Memory, message: &Brief) -> Step {
    report(hands, message, "ack", None)?;
    let known = files::list(&hands.folder).unwrap_or_default();
    let brief = known
        .iter()
        .filter_map(|delivery| read(hands, delivery.as_str()));
    let mut brief =
        brief.filter(|brief| brief.dispatch == message.dispatch && brief.purpose == Purpose::Work);
    match brief.next() {
        Some(brief) => make_and_report(hands, memory, &brief),
        None => hands.say("The brief this belongs to is gone. I do nothing."),
    }
}

fn work(hands: &Hands, memory: &mut Memory, brief: &Brief) -> Step {
    let about = match brief.issue {
        0 => "no issue".to_owned(),
        number => format!("issue #{number} \"{}\"", brief.title),
    };
    hands.say(format!(
        "I read the brief: {about}, stage {}, as {}.",
        brief.stage, brief.role
    ))?;
    report(hands, brief, "ack", None)?;
    if wants_to_ask(memory, brief) {
        memory.asked.insert(brief.dispatch.clone());
        hands.say("There are two ways to read this, and the choice is not mine. I ask.")?;
        let question =
            "Should an empty name be refused or greeted as `world`? I recommend refusing it.";
        report(hands, brief, "ask", Some(question))?;
        return Ok(());
    }
    if brief.product() == Product::Commits
        && brief.is_marked(Marker::Liar)
        && memory.lied.insert(brief.dispatch.clone())
    {
        hands.say("That looks easy. I am sure that it works, so I say that it is done.")?;
        match report(hands, brief, "done", Some("all done and tested"))? {
            Some(answer) if !answer.is_good() => {
                hands.say("I was found out: nothing is committed. Now I really do it.")?;
            }
            _ => return Ok(()),
        }
    }
    make_and_report(hands, memory, brief)
}

/// Asks once, where the matter is first decided: by the planner, or by a builder without a spec.
fn wants_to_ask(memory: &Memory, brief: &Brief) -> bool {
    let decides = match brief.product() {
        Product::Spec | Product::File => true,
        Product::Commits => brief.spec().is_empty(),
        Product::Verdict | Product::Rehearsal | Product::Word => false,
    };
    decides
        && brief.is_marked(Marker::Ask)
        && !brief.is_answered()
        && !memory.asked.contains(&brief.dispatch)
}

fn make_and_report(hands: &Hands, memory: &mut Memory, brief: &Brief) -> Step {
    for _ in 0..REPORTS_MAX {
        let note = match make(hands, memory, brief) {
            Ok(note) => note,
            Err(Stopped::Broken(why)) => {
                hands.say(format!("I cannot go on: {why}"))?;
                return report(hands, brief, "fail", Some(&why)).map(drop);
            }
            Err(Stopped::Interrupted) => return Err(Stopped::Interrupted),
        };
        // Silent until somebody asks: a nudge names the same dispatch and is answered.
        if brief.product() == Product::Commits
            && brief.is_marked(Marker::Silent)
            && memory.lied.insert(brief.dispatch.clone())
        {
            return hands.say("Finished. I lean back and tell nobody.");
        }
        if brief.product() == Product::Commits
            && brief.is_marked(Marker::Late)
            && memory.lied.insert(brief.dispatch.clone())
        {
            return report_late(hands, brief, &note);
        }
        if brief.product() == Product::Rehearsal && rehearse::stops(hands, "report")? {
            return Ok(());
        }
        match report(hands, brief, "done", Some(&note))? {
            Some(answer) if !answer.is_good() && brief.product() != Product::Rehearsal => {
                hands.say("Something is missing. I look again.")?;
            }
            _ => return Ok(()),
        }
    }
    hands.say("I have no idea what else is missing. I end my turn.")
}

/// Makes what leaves the stage and returns the report's note.
fn make(hands: &Hands, memory: &mut Memory, brief: &Brief) -> Step<String> {
    match brief.product() {
        Product::Spec => spec(hands, brief),
        Product::Commits => commits(hands, memory, brief),
        Product::Verdict => check::verdict(hands, brief),
        Product::File => file(hands, brief),
        Product::Rehearsal => rehearse::rehearse(hands, brief),
        Product::Word if brief.issue == 0 => scout(hands, brief),
        Product::Word => Ok("nothing was asked for but this report".to_owned()),
    }
}

/// Nobody's issue: looks around and opens one.
fn scout(hands: &Hands, brief: &Brief) -> Step<String> {
    hands.say("I look around in the tree.")?;
    let tracked = tracked(hands)?;
    let Some(mut command) = brief.command("issue") else {
        return Ok("the brief prints no way to open an issue".to_owned());
    };
    let after = |option: &str| {
        command
            .iter()
            .position(|word| word == option)
            .map(|at| at + 1)
    };
    let (title, body) = (after("--title"), after("--body-file"));
    if let Some(slot) = title.and_then(|at| command.get_mut(at)) {
        "Nothing says what an empty name does".clone_into(slot);
    }
    if let Some(place) = body.and_then(|at| command.get(at)) {
        let seen = anchors(hands, &tracked).join("\n- ");
        hands.write(Path::new(place), &format!("Looked at:\n\n- {seen}\n"))?;
    }
    hands.say("$ pointsman issue new")?;
    let ran = hands.run(&command)?;
    hands.say(indent(&ran.text))?;
    Ok(format!(
        "looked at {} files, opened one issue",
        tracked.len()
    ))
}

fn spec(hands: &Hands, brief: &Brief) -> Step<String> {
    hands.say("I look at what is in the tree.")?;
    let tracked = tracked(hands)?;
    let anchors = anchors(hands, &tracked);
    for anchor in &anchors {
        hands.say(format!("  read {anchor}"))?;
    }
    let plan = Plan::of(brief, &tracked);
    let place = place_after(brief, "--spec")?;
    hands.write(Path::new(&place), &plan.spec(&anchors))?;
    hands.say(format!(
        "I wrote the spec to {place}: a new {} with a test.",
        plan.source
    ))?;
    Ok("the smallest change that does it; every anchor was read during this dispatch".to_owned())
}

fn anchors(hands: &Hands, tracked: &[String]) -> Vec<String> {
    let rank = |path: &&String| match () {
        () if path.starts_with("src/") => 0,
        () if path.to_ascii_lowercase().starts_with("readme") => 1,
        () if path.contains('/') || path.starts_with('.') => 3,
        () => 2,
    };
    let mut paths: Vec<&String> = tracked.iter().collect();
    paths.sort_by_key(rank);
    let texts = paths
        .into_iter()
        .filter_map(|path| Some((path, hands.read(path)?)));
    texts
        .filter(|(_, text)| !text.is_empty())
        .take(ANCHORS_MAX)
        .map(|(path, text)| anchor(path, &text))
        .collect()
}

fn commits(hands: &Hands, memory: &mut Memory, brief: &Brief) -> Step<String> {
    if brief.is_marked(Marker::Fail) {
        return Err(Stopped::Broken("this is more than I can do".to_owned()));
    }
    stray(hands, memory, brief)?;
    let on = hands
        .git_says(&["symbolic-ref", "--short", "HEAD"])?
        .unwrap_or_default();
    hands.say(format!(
        "I am on branch {}.",
        if on.is_empty() { "none" } else { &on }
    ))?;
    let strays = memory.strayed.contains(&brief.dispatch);
    if brief.branch.as_ref().is_some_and(|wanted| *wanted != on) && !strays {
        return Err(Stopped::Broken(format!(
            "the brief names another branch than `{on}`"
        )));
    }
    let plan = Plan::of(brief, &tracked(hands)?);
    let what = edit(hands, brief, &plan)?;
    let test = hands.shell(&format!("sh {}", plan.test))?;
    hands.say(format!("$ sh {}   -> {}", plan.test, outcome(&test)))?;
    if let Some(build) = &brief.build {
        let ran = hands.shell(build)?;
        hands.say(format!("$ {build}   -> {}", outcome(&ran)))?;
        if !ran.is_good() {
            return Err(Stopped::Broken(format!(
                "the build `{build}` is red: {}",
                last_line(&ran)
            )));
        }
    }
    commit(hands, brief, &plan, what)?;
    Ok(format!(
        "{what}; shown by {}, which I ran. Least sure: odd names.",
        plan.test
    ))
}

/// Leaves for a branch of its own before it works for a dispatch; the second time it comes back, with what it made there.
fn stray(hands: &Hands, memory: &mut Memory, brief: &Brief) -> Step {
    let Some(wanted) = brief
        .branch
        .as_ref()
        .filter(|_| brief.is_marked(Marker::Stray))
    else {
        return Ok(());
    };
    let mine = format!("mine-{}", brief.dispatch);
    if memory.strayed.remove(&brief.dispatch) {
        hands.say("On my own branch it counts for nothing. I go back.")?;
        hands.git(&["switch", "-q", wanted])?;
        hands.git(&["merge", "-q", "--ff-only", &mine])?;
        hands.git(&["branch", "-q", "-D", &mine])?;
    } else if memory.lied.insert(brief.dispatch.clone()) {
        hands.say("I like a branch of my own better.")?;
        if hands.git(&["switch", "-q", "-c", &mine])?.is_good() {
            memory.strayed.insert(brief.dispatch.clone());
        }
    }
    Ok(())
}

/// Edits the files of the plan and returns what was done, for the commit.
fn edit(hands: &Hands, brief: &Brief, plan: &Plan) -> Step<&'static str> {
    let source = hands.read(&plan.source);
    if source.is_none() && brief.failed_on().is_empty() && brief.is_marked(Marker::Crash) {
        hands.write(Path::new(&plan.source), "# begun\n")?;
        hands.say("I have begun, and now I crash.")?;
        crash();
    }
    // A source without its test is what an ended attempt left: all of it is still owed.
    let source = source.filter(|_| hands.read(&plan.test).is_some());
    let (is_complete, what) = match source {
        None => (!brief.is_marked(Marker::Bounce), "Greet by name"),
        Some(text) if !Plan::is_guarded(&text) => {
            if !brief.failed_on().is_empty() {
                hands.say(
                    "The last round found something. I fix it at its cause and add a test for it.",
                )?;
            }
            (true, "Refuse an empty name")
        }
        Some(text) if is_committed(hands, plan)? && brief.round > 1 => {
            let seen = format!("{text}# Round {}: looked at again.\n", brief.round);
            hands.write(Path::new(&plan.source), &seen)?;
            return Ok("Look at it again");
        }
        Some(_) => {
            hands.say("The work is in the tree already.")?;
            return Ok("Greet by name");
        }
    };
    hands.write(Path::new(&plan.source), &plan.source_text(is_complete))?;
    hands.write(Path::new(&plan.test), &plan.test_text(is_complete))?;
    hands.say(format!("I wrote {}.", plan.source))?;
    hands.say(format!("I wrote {}.", plan.test))?;
    Ok(what)
}

fn is_committed(hands: &Hands, plan: &Plan) -> Step<bool> {
    let changed = hands.git_says(&["status", "--porcelain", "--", &plan.source, &plan.test])?;
    Ok(changed.is_some_and(|changed| changed.is_empty()))
}

fn commit(hands: &Hands, brief: &Brief, plan: &Plan, what: &str) -> Step {
    if is_committed(hands, plan)? {
        return hands.say("Everything is committed.");
    }
    if brief.is_marked(Marker::Dialog) && !hands.may_i("May I run `git commit`?")? {
        return Err(Stopped::Broken("a person did not let me commit".to_owned()));
    }
    // Only what belongs to the work: whatever else lies in the tree is not ours to commit.
    let (source, test) = (plan.source.as_str(), plan.test.as_str());
    let added = hands.git(&["add", "--", source, test])?;
    let subject = plan.subject(what);
    let ran = if added.is_good() {
        hands.git(&["commit", "-q", "-m", &subject, "--", source, test])?
    } else {
        added
    };
    if !ran.is_good() {
        return Err(Stopped::Broken(format!(
            "git does not take the commit: {}",
            last_line(&ran)
        )));
    }
    let id = hands
        .git_says(&["rev-parse", "--short", "HEAD"])?
        .unwrap_or_default();
    hands.say(format!("$ git commit   -> {id} {subject}"))
}

fn file(hands: &Hands, brief: &Brief) -> Step<String> {
    let path = brief.file.clone().unwrap_or_default();
    let before = hands.read(&path).unwrap_or_default();
    let text = format!(
        "{before}# {}\n\nRound {}: what issue #{} asks for, in a few words.\n",
        brief.title, brief.round, brief.issue
    );
    hands.write(Path::new(&path), &text)?;
    hands.say(format!("I wrote {path}."))?;
    Ok(format!("wrote {path}"))
}

/// Leaves a report to a process that comes with it when the turn is long over.
fn report_late(hands: &Hands, brief: &Brief, note: &str) -> Step {
    let Some(command) = reporting(brief, "done", Some(note)) else {
        return hands.say("The brief prints no `done` line, so I do not report that.");
    };
    let later = format!(r#"(sleep {LATE_SECONDS}; exec "$@") </dev/null >/dev/null 2>&1 &"#);
    let mut words = ["sh", "-c", &later, "later"].map(str::to_owned).to_vec();
    words.extend(command);
    hands.run(&words)?;
    hands.say("Finished. I say so in a while.")
}

/// Returns a report command as the brief printed it, with our own words in the quotes.
fn reporting(brief: &Brief, verb: &str, words: Option<&str>) -> Option<Vec<String>> {
    let mut command = brief.command(verb)?;
    let quoted = command
        .iter()
        .position(|word| word == "--note")
        .map(|at| at + 1);
    let quoted = quoted.or_else(|| (verb == "ask").then(|| command.len().saturating_sub(1)));
    if let (Some(slot), Some(words)) = (quoted.and_then(|at| command.get_mut(at)), words) {
        words.clone_into(slot);
    }
    Some(command)
}

/// Runs a report command. Shows it without its secret.
fn report(hands: &Hands, brief: &Brief, verb: &str, words: Option<&str>) -> Step<Option<Ran>> {
    let Some(command) = reporting(brief, verb, words) else {
        hands.say(format!(
            "The brief prints no `{verb}` line, so I do not report that."
        ))?;
        return Ok(None);
    };
    hands.say(format!("$ pointsman {verb} {}", brief.dispatch))?;
    let ran = hands.run(&command)?;
    hands.say(indent(&ran.text))?;
    Ok(Some(ran))
}

/// Returns the word after an option in the printed `done` line: where the brief wants a file.
pub(super) fn place_after(brief: &Brief, option: &str) -> Step<String> {
    let done = brief.command("done").unwrap_or_default();
    let place = done
        .iter()
        .skip_while(|word| *word != option)
        .nth(1)
        .cloned();
    place.ok_or_else(|| Stopped::Broken(format!("the brief names no place for {option}")))
}

/// Lists what git tracks; nothing without git.
pub(super) fn tracked(hands: &Hands) -> Step<Vec<String>> {
    let listed = hands.git_says(&["ls-files", "-z"])?.unwrap_or_default();
    Ok(listed
        .split('\0')
        .filter(|path| !path.is_empty())
        .map(str::to_owned)
        .collect())
}

/// Words how a command ended.
pub(super) fn outcome(ran: &Ran) -> String {
    match ran.code {
        Some(0) => "ok".to_owned(),
        Some(code) => format!("exit {code}: {}", last_line(ran)),
        None => "ended at its time limit".to_owned(),
    }
}

/// Returns the last line that a command printed.
pub(super) fn last_line(ran: &Ran) -> String {
    ran.text
        .lines()
        .rev()
        .find(|line| !line.trim().is_empty())
        .unwrap_or("it printed nothing")
        .trim()
        .to_owned()
}

fn indent(text: &str) -> String {
    let lines: Vec<String> = text.lines().map(|line| format!("  {line}")).collect();
    lines.join("\n")
}

//! Scenarios: pages that a product owner can read. Commands in, transcript out; the transcript is a snapshot.

mod caps;

use std::fmt::Write as _;
use std::path::Path;

use jiff::SignedDuration;
use jiff::tz::TimeZone;
use pointsman::domain::{
    AccountLimit, Actor, CommentMode, Dispatch, DispatchId, Event, FirstLine, IssueNumber, Label,
    Limits, Merge, Posting, ProjectName, Questions, ReportId, Request, SkillName, Verb, Window,
};
use pointsman::ledger::Records;
use pointsman::machine::dispatch::errand;
use pointsman::machine::starting::candidates;
use pointsman::machine::starting::schedule::{self, Turn};
use pointsman::machine::starting::starved::Starved;

use super::driver::{Driver, Plant};
use super::faults::Faults;
use super::panes::{Doing, Spooled};
use super::rules::{alice, mallory, rules, start, us};
use super::sentence::sentence;
use super::world::{Lose, World};

/// How long `cycle` follows what it started.
const CYCLE_MAX: SignedDuration = SignedDuration::from_mins(3);

/// A page that is being read.
struct Page {
    driver: Driver,
    out: String,
    printed: u64,
}

impl Page {
    fn new() -> Self {
        let limits = Limits {
            attempts: 2,
            rounds: 1,
            ..Limits::default()
        };
        let rules = rules(limits, FirstLine::Argument, Merge::Off);
        let mut world = World::new(0, rules, Faults::default(), start());
        world.lively = false;
        world.now = start() + SignedDuration::from_mins(1);
        Self {
            driver: Driver::new(world, Plant::Nothing),
            out: String::new(),
            printed: 0,
        }
    }

    fn read(mut self, page: &str) -> String {
        for line in page.lines() {
            writeln!(self.out, "{line}").expect("a string takes all");
            let command = line.split('#').next().unwrap_or_default().trim();
            if !command.is_empty() {
                self.command(command);
                self.print_news();
            }
            if let Some(broken) = &self.driver.world.broken {
                panic!("`{line}`: {broken:?}\n{}", self.out);
            }
        }
        self.out
    }

    fn command(&mut self, command: &str) {
        let words = words(command);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        self.does(&words);
    }

    #[expect(clippy::too_many_lines, reason = "a table, one row a command")]
    fn does(&mut self, words: &[&str]) {
        let now = self.driver.world.now;
        match words {
            ["crash"] => {
                self.driver.crash();
                self.settle(SignedDuration::ZERO);
            }
            ["crash", "after", kind] => {
                self.follow_to(kind);
                self.driver.crash_idle();
            }
            ["after", kind, then @ ..] => {
                self.follow_to(kind);
                self.does(then);
            }
            ["advance", span] => {
                let until = now + span.parse::<SignedDuration>().expect("a span such as 10m");
                self.driver.cycle = Some(SignedDuration::from_secs(60));
                while self.driver.step(until) {}
                self.driver.cycle = None;
            }
            ["pause"] => self.driver.ask(Request::Pause {
                by: "alice".to_owned(),
            }),
            ["resume"] => self.driver.ask(Request::Resume {
                by: "alice".to_owned(),
            }),
            ["approve", number] => self.driver.ask(Request::Approve {
                issue: issue(number),
                by: "alice".to_owned(),
            }),
            ["deny", number, why] => self.driver.ask(Request::Deny {
                issue: issue(number),
                by: "ann".to_owned(),
                why: (*why).to_owned(),
            }),
            ["route", number, to] => self.driver.ask(Request::Route {
                issue: issue(number),
                to: Label::new(*to),
                by: "ann".to_owned(),
            }),
            ["agents", who] => {
                let agents = &mut self.driver.world.rules.project.agents;
                agents.push(actor(who).login);
            }
            ["limit", key, value] => caps::set(&mut self.driver.world.rules, key, value),
            ["try", skill, number] => self.attempt(skill, issue(number)),
            ["comments", how] => {
                self.driver.world.rules.comment = match *how {
                    "full" => CommentMode::Full,
                    "short" => CommentMode::Short,
                    _ => CommentMode::Off,
                };
            }
            ["backlog", stage, limit] => {
                let stages = &mut self.driver.world.rules.workflow.stages;
                let label = Label::new(*stage);
                let mut stages = stages.iter_mut().filter(|stage| stage.label == label);
                let stage = stages.next().expect("a stage of the workflow");
                stage.backlog = Some(limit.parse().expect("a number"));
            }
            ["said", number] => {
                let said = self.driver.world.said(issue(number));
                said.lines()
                    .filter(|line| !line.is_empty())
                    .for_each(|line| self.say(line));
            }
            ["marked", number, by @ ..] => self.driver.world.sight(issue(number), by),
            ["adopt"] => self.driver.ask(Request::Adopt {
                by: "alice".to_owned(),
            }),
            ["schedule", "off"] => self.driver.world.rules.schedules.clear(),
            ["schedule", skill, at] => {
                let (hour, minute) = at.split_once(':').expect("a time such as 02:00");
                let [hour, minute] = [hour, minute].map(|n| n.parse::<u16>().expect("digits"));
                let schedules = &mut self.driver.world.rules.schedules;
                schedules.insert(SkillName::new(*skill), hour * 60 + minute);
            }
            ["zone", name] => {
                let zone = TimeZone::posix(name).expect("a POSIX time zone");
                self.driver.world.rules.zone = zone;
            }
            ["schedules"] => self.schedules(),
            ["scheduled", verb] => self.report_of(&self.scheduled(), verb, "pass"),
            ["sleep", span] => {
                self.driver.world.now = now + span.parse::<SignedDuration>().expect("a span");
            }
            ["cycle"] => {
                self.driver.wake_at(now);
                self.settle(CYCLE_MAX);
            }
            ["explain"] => self.explain(),
            ["labels", number] => self.labels(number),
            ["answers"] => self.answers(),
            ["composer"] => self.composer(),
            ["told"] => self.told(),
            other => self.happens(other),
        }
    }

    /// What happens in the world.
    fn happens(&mut self, words: &[&str]) {
        let now = self.driver.world.now;
        let tracker = &mut self.driver.world.tracker;
        match words {
            ["issue", number, title, rest @ ..] => self.issue(number, title, rest),
            ["label", number, label, rest @ ..] => self.label(number, label, rest),
            ["unlabel", number, label, rest @ ..] => {
                let (label, by) = (Label::new(*label), actor(rest.last().unwrap_or(&"alice")));
                let changed = tracker.label(issue(number), &label, false, &by, now);
                assert!(changed, "`{label}` was not there");
            }
            ["elsewhere", name, is, waits_for @ ..] => tracker.hears(name, is, waits_for),
            ["close", number] => tracker.set_open(issue(number), false, now),
            ["reopen", number] => tracker.set_open(issue(number), true, now),
            ["comment", number, body, rest @ ..] => {
                let by = actor(rest.last().unwrap_or(&"alice"));
                tracker.say(issue(number), &by, body, now);
            }
            ["rewrite", number, from, to] => tracker.rewrite(issue(number), from, to, now),
            ["edit", number, who] => tracker.edit(issue(number), &actor(who), now),
            ["commit", number, files @ ..] => tracker.commit(issue(number), files),
            ["agent", is] => self.pane(Window::AGENT, is),
            ["check", is] => self.pane(Window::Check, is),
            ["report", number, verb] => self.report(number, verb, "pass"),
            ["forge", number, verb] => {
                self.report(number, verb, "pass");
                let forged = self.driver.world.spool.last_mut();
                forged.expect("it was just put there").report.proven = false;
            }
            ["post", number, "issue", title] => self.post(
                number,
                Posting::Issue {
                    title: (*title).to_owned(),
                    body: String::new(),
                },
            ),
            ["post", number, "comment", body] => self.post(
                number,
                Posting::Comment {
                    body: (*body).to_owned(),
                },
            ),
            ["verdict", number, verdict] => self.report(number, "done", verdict),
            ["deaf", word] => self.driver.world.faults.deaf = Some((*word).to_owned()),
            ["hears", _] => self.driver.world.faults.deaf = None,
            ["hollow", word] => self.driver.world.faults.hollow = Some((*word).to_owned()),
            ["again", number] => self.said_again(number),
            ["limit", "over"] => self.driver.world.limits.clear(),
            ["limit", minutes] => {
                let minutes = minutes.parse().expect("minutes");
                let until = self.driver.world.now + SignedDuration::from_mins(minutes);
                self.driver.world.limits = vec![AccountLimit {
                    account: "fake".to_owned(),
                    until: Some(until),
                    projects: vec![ProjectName::new("blog"), ProjectName::new("shop")],
                }];
            }
            ["tree", "clean"] => self.driver.world.dirty.clear(),
            ["tree", file] => self.driver.world.dirty.push((*file).to_owned()),
            ["build", is] => self.driver.world.build_is_red = *is == "red",
            ["lose", what] => {
                self.driver.world.lose.insert(Lose::named(what));
            }
            ["hide", "tracker"] => self.driver.world.gap = Some(now),
            ["show", "tracker"] => self.driver.world.gap = None,
            other => panic!("nobody knows the verb {other:?}"),
        }
    }

    /// Follows what is under way until nothing is.
    fn settle(&mut self, for_at_most: SignedDuration) {
        let until = self.driver.world.now + for_at_most;
        while self.driver.is_busy() && self.driver.step(until) {}
    }

    /// Follows what is under way until the ledger has that event, and nothing that happens then.
    fn follow_to(&mut self, kind: &str) {
        let until = self.driver.world.now + CYCLE_MAX;
        self.driver.wake_at(self.driver.world.now);
        let mut seen = self.driver.shadow.version;
        while self.driver.step(until) {
            let version = self.driver.shadow.version;
            let hit = self.events(seen).iter().any(|event| event.kind() == kind);
            seen = version;
            if hit {
                return;
            }
        }
        panic!("`{kind}` did not happen\n{}", self.out);
    }

    fn events(&self, after: u64) -> Vec<Event> {
        Records::after(&self.driver.ledger, after)
            .map(|record| record.expect("memory can be read"))
            .map(|record| serde_json::from_str(&record.body).expect("the ledger wrote it"))
            .collect()
    }

    fn issue(&mut self, number: &str, title: &str, options: &[&str]) {
        let mut at = self.driver.world.now;
        let number = issue(number);
        for option in options {
            if let Some(age) = option.strip_prefix("age=") {
                at -= age.parse::<SignedDuration>().expect("a span such as 2h");
            }
        }
        let tracker = &mut self.driver.world.tracker;
        tracker.add(number.0, title, at);
        let labels = options
            .iter()
            .filter_map(|option| option.strip_prefix("labels="))
            .flat_map(|labels| labels.split(','));
        for label in labels {
            tracker.label(number, &Label::new(label), true, &alice(), at);
        }
        tracker.describe(number, options);
    }

    fn label(&mut self, number: &str, label: &str, rest: &[&str]) {
        let now = self.driver.world.now;
        let (number, label) = (issue(number), Label::new(label));
        let tracker = &mut self.driver.world.tracker;
        if rest == ["by", "nobody"] {
            let found = tracker.issues.get_mut(&number).expect("it is there");
            found.head.labels.insert(label);
            return;
        }
        let by = actor(rest.last().unwrap_or(&"alice"));
        let changed = tracker.label(number, &label, true, &by, now);
        assert!(changed, "`{label}` was there");
    }

    fn pane(&mut self, window: Window, is: &str) {
        let now = self.driver.world.now;
        if is == "gone" {
            self.driver.world.panes.remove(&window);
            return;
        }
        if is == "fresh" {
            let fresh = self.driver.world.fresh_pane();
            self.driver.world.panes.insert(window, fresh);
            return;
        }
        let pane = self.driver.world.panes.get_mut(&window);
        let pane = pane.expect("the window is there");
        match is {
            "idle" => {
                pane.doing = Doing::Idle { since: now };
                pane.composer.clear();
                pane.job = None;
            }
            "busy" => pane.doing = Doing::Busy,
            "failed" => {
                pane.doing = Doing::Failed { since: now };
                pane.composer.clear();
                pane.job = None;
            }
            "asking" => pane.doing = Doing::Dialog,
            "copying" => pane.doing = Doing::CopyMode,
            "draft" => pane.composer.push_str("hm, "),
            "dead" => pane.dies(now),
            other => panic!("no agent is {other}"),
        }
    }

    /// The issue's newest dispatch.
    fn newest(&self, number: &str) -> &Dispatch {
        let briefs = self.driver.world.briefs.values();
        briefs
            .filter(|dispatch| dispatch.issue() == Some(issue(number)))
            .max_by_key(|dispatch| dispatch.opened_at)
            .expect("it was dispatched")
    }

    /// The last report of the issue's agents is said once more.
    fn said_again(&mut self, number: &str) {
        let world = &mut self.driver.world;
        let (briefs, spool) = (&world.briefs, &mut world.spool);
        let of_issue = |spooled: &&Spooled| {
            let brief = briefs.get(&spooled.report.dispatch);
            brief.and_then(Dispatch::issue) == Some(issue(number))
        };
        let mut again = spool.iter().rfind(of_issue).expect("it reported").clone();
        again.report.id = ReportId::new(format!("{}-again", again.report.id));
        again.answer = None;
        spool.push(again);
    }

    /// The issue's newest dispatch wants something on the tracker.
    fn post(&mut self, number: &str, what: Posting) {
        let dispatch = self.newest(number).id().clone();
        self.driver.world.post(&dispatch, what);
    }

    /// A person tries a skill, and hears why not.
    fn attempt(&mut self, skill: &str, issue: IssueNumber) {
        let seen = self
            .driver
            .world
            .observe(&Questions::default(), &self.driver.engine.state);
        let what = (&SkillName::new(skill), issue, "ann");
        let (rules, state) = (&self.driver.world.rules, &self.driver.engine.state);
        let tried = errand::trial(rules, state, &seen, what, seen.fresh.clone(), seen.at);
        match tried {
            Ok(opening) => {
                self.driver.ask(Request::Try {
                    opening: Box::new(opening),
                });
                self.settle(CYCLE_MAX);
            }
            Err(refusal) => self.say(&refusal.why),
        }
    }

    /// Where the schedules stand, as `cycle --dry-run` knows it.
    fn schedules(&mut self) {
        let world = &mut self.driver.world;
        let seen = world.observe(&Questions::default(), &self.driver.engine.state);
        let (rules, state) = (&self.driver.world.rules, &self.driver.engine.state);
        let held = candidates::held(rules, state, &seen, seen.at);
        for (skill, _, turn) in schedule::turns(rules, state, &seen, held.as_ref(), seen.at) {
            let says = match turn {
                Turn::Later(at) => format!("next at {at}"),
                Turn::InHand(dispatch) => format!("dispatch {dispatch} is open"),
                Turn::Held(run, hold) => format!("of {}: held: {hold}", run.on),
                Turn::Due(run) => format!("of {}: due", run.on),
            };
            self.say(&format!("{skill} {says}"));
        }
    }

    /// The newest dispatch that the clock asked for.
    fn scheduled(&self) -> Dispatch {
        let briefs = self.driver.world.briefs.values();
        let due = briefs.filter(|dispatch| dispatch.issue().is_none());
        let newest = due.max_by_key(|dispatch| dispatch.opened_at);
        newest.expect("it was due").clone()
    }

    /// The issue's newest dispatch speaks; its agent goes idle.
    fn report(&mut self, number: &str, verb: &str, verdict: &str) {
        let newest = self.newest(number).clone();
        self.report_of(&newest, verb, verdict);
    }

    fn report_of(&mut self, newest: &Dispatch, verb: &str, verdict: &str) {
        let verb = match verb {
            "done" => Verb::Done,
            "fail" => Verb::Fail,
            "ask" => Verb::Ask,
            "ack" => Verb::Ack,
            other => panic!("no report is {other}"),
        };
        let (dispatch, window): (DispatchId, Window) = (newest.id().clone(), newest.opening.window);
        self.driver.world.report(&dispatch, verb, true, verdict);
        if self.driver.world.panes.contains_key(&window) {
            self.pane(window, "idle");
        }
    }

    fn explain(&mut self) {
        for (issue, hold) in self.driver.engine.report.standing.clone() {
            self.say(&format!("{issue} {}: {hold}", hold.word()));
        }
        if let Some(did) = self.driver.engine.report.did.clone() {
            self.say(&did);
        }
        let starved = self.driver.engine.report.starved.clone();
        if let Some(starved) = starved.filter(Starved::is_due) {
            let hours = starved.watched.as_hours();
            self.say(&format!("no dispatch for {hours} h: {:?}", starved.issues));
        }
    }

    fn labels(&mut self, number: &str) {
        let issue = &self.driver.world.tracker.issues[&issue(number)];
        let names: Vec<&str> = issue.head.labels.iter().map(Label::as_str).collect();
        let open = if issue.head.open { "open" } else { "closed" };
        let text = format!("{} is {open}: {}", issue.head.number, names.join(", "));
        self.say(text.trim_end());
    }

    fn answers(&mut self) {
        for spooled in self.driver.world.spool.clone() {
            let text = spooled.answer.map_or_else(
                || "no answer".to_owned(),
                |answer| answer.text.replace('\n', " "),
            );
            self.say(&format!("{:?}: {text}", spooled.report.verb).to_lowercase());
        }
    }

    fn composer(&mut self) {
        let pane = &self.driver.world.panes[&Window::AGENT];
        let text = format!("composer: {:?}", pane.composer);
        self.say(&text);
    }

    fn told(&mut self) {
        for (_, answer) in self.driver.world.posts.clone() {
            let text = answer.map_or_else(|| "no answer".to_owned(), |answer| answer.text);
            self.say(&text);
        }
    }

    fn say(&mut self, what: &str) {
        writeln!(self.out, "    > {what}").expect("a string takes all");
    }

    /// Prints what the ledger has since the last command.
    fn print_news(&mut self) {
        for event in self.events(self.printed) {
            self.printed += 1;
            if let Some(line) = sentence(&event) {
                self.say(&line);
            }
        }
    }
}

fn words(command: &str) -> Vec<String> {
    let mut words = Vec::new();
    for (index, part) in command.split('"').enumerate() {
        if index % 2 == 1 {
            words.push(part.to_owned());
        } else {
            words.extend(part.split_whitespace().map(ToOwned::to_owned));
        }
    }
    words
}

fn issue(number: &str) -> IssueNumber {
    IssueNumber(number.parse().expect("a number"))
}

fn actor(who: &str) -> Actor {
    match who {
        "mallory" => mallory(),
        "us" => us(),
        _ => alice(),
    }
}

#[test]
fn every_scenario_reads_as_its_transcript() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/scenarios");
    let mut pages: Vec<_> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ext| ext == "txt"))
        .collect();
    pages.sort();
    assert!(pages.len() >= 20, "pages were lost");
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(folder.join("transcripts"));
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    for page in pages {
        let text = std::fs::read_to_string(&page).unwrap();
        let name = page.file_stem().unwrap().to_string_lossy().into_owned();
        let transcript = Page::new().read(&text);
        settings.bind(|| insta::assert_snapshot!(name, transcript));
    }
}

/// W11: whatever labels an issue has, exactly one routing label starts it, and every other set says why not.
#[test]
fn exactly_one_routing_label_starts_an_issue() {
    let routing = ["ready-for-prep", "ready-for-dev", "QA", "review"];
    for set in 0..1_u32 << (routing.len() + 2) {
        let has = |bit: usize| set >> bit & 1 == 1;
        let mut labels: Vec<&str> = (0..routing.len())
            .filter(|bit| has(*bit))
            .map(|bit| routing[bit])
            .collect();
        let routed = labels.len();
        labels.extend(has(4).then_some("hold"));
        labels.extend(has(5).then_some("question"));
        let labels = if labels.is_empty() {
            String::new()
        } else {
            format!(" labels={}", labels.join(","))
        };
        let page = format!("issue 7 \"Fix login\"{labels}\ncycle\nexplain\n");
        let said = Page::new().read(&page);
        let starts = said.contains("> dispatch");
        assert_eq!(starts, routed == 1 && !has(4), "{said}");
        let why = match (routed, has(4)) {
            (0, _) => continue,
            (_, true) => "vetoed",
            (1, false) => "in-hand",
            (_, false) => "several-labels",
        };
        assert!(said.contains(&format!("#7 {why}")), "{why}: {said}");
    }
}

//! Calling a person: a real command, a real listener, and what a restart repeats (nothing).

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::http::StatusCode;
use axum::routing::post;
use jiff::Timestamp;
use pointsman::config::Config;
use pointsman::daemon::desk::notify::{Notifier, Times};
use pointsman::domain::IssueNumber;
use pointsman::view::{Attention, Gap, IssueRow, ProjectView, Standing};
use tokio::sync::watch;

use crate::support::patience::PATIENCE;
use crate::support::world::World;

/// Everything is fast, nothing is skipped.
const TIMES: Times = Times {
    gather: Duration::from_millis(200),
    command_max: Duration::from_secs(10),
    grace: Duration::from_millis(200),
    webhook_max: Duration::from_secs(10),
    again: Duration::from_millis(50),
};

/// A notifier that runs, and its files.
struct Bell {
    world: World,
    notifier: Arc<Notifier>,
    config: watch::Sender<Arc<Config>>,
    stop: watch::Sender<bool>,
    task: tokio::task::JoinHandle<()>,
    times: Times,
}

impl Bell {
    fn new(notify: &str, times: Times) -> Self {
        let world = World::new();
        std::fs::create_dir_all(&world.places.state).unwrap();
        world.settings(&format!("[notify]\n{notify}"));
        Self::on(world, times)
    }

    fn on(world: World, times: Times) -> Self {
        let config = watch::channel(Arc::new(world.load())).0;
        let notifier = Notifier::open(world.places.clone(), config.subscribe(), times);
        let (stop, stopped) = watch::channel(false);
        let task = tokio::spawn(Arc::clone(&notifier).run(stopped));
        Self {
            world,
            notifier,
            config,
            stop,
            task,
            times,
        }
    }

    /// Rings into the file `calls`, one text after the other.
    fn into_a_file(times: Times) -> Self {
        Self::new(
            "command = \"cat >>$HOME/calls; echo == >>$HOME/calls\"\n",
            times,
        )
    }

    async fn stop(self) -> World {
        self.stop.send_replace(true);
        self.task.await.unwrap();
        self.world
    }

    async fn restart(self) -> Self {
        let times = self.times;
        Self::on(self.stop().await, times)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.world.home().join(name)
    }

    fn calls(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.path("calls")).unwrap_or_default();
        let whole = text
            .split_inclusive("==\n")
            .filter(|one| one.ends_with("==\n"));
        whole
            .map(|one| one.trim_end_matches("==\n").to_owned())
            .collect()
    }

    async fn until_calls(&self, count: usize) -> Vec<String> {
        until("the call", || self.calls().len() >= count).await;
        self.calls()
    }

    fn hear(&self, rows: &[IssueRow]) {
        self.notifier.hear_project(&view("shop", rows), at());
    }
}

async fn until(what: &str, is: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is() {
        assert!(Instant::now() < deadline, "never: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Long enough for a call that must not come.
async fn a_while(times: Times) {
    tokio::time::sleep(times.gather * 5).await;
}

fn at() -> Timestamp {
    "2026-11-20T10:00:00Z".parse().unwrap()
}

fn row(number: u64, word: &str, says: &str, yours: bool) -> IssueRow {
    IssueRow {
        number: IssueNumber(number),
        title: "Greet by name".to_owned(),
        url: Some(format!("https://github.test/me/shop/issues/{number}")),
        pull: None,
        stage: None,
        standing: Standing {
            word: word.to_owned(),
            says: says.to_owned(),
            hint: yours.then(|| "reply in a comment".to_owned()),
            yours,
        },
        dispatch: None,
        phase: None,
        attempt: 1,
        round: 1,
        since: None,
        goal: String::new(),
        changed: None,
        blockers: Vec::new(),
    }
}

fn asked(number: u64, question: &str) -> IssueRow {
    row(
        number,
        "asked",
        &format!("the agent asked: {question}"),
        true,
    )
}

fn view(name: &str, rows: &[IssueRow]) -> ProjectView {
    ProjectView {
        name: name.to_owned(),
        tracker: "me/shop".to_owned(),
        path: String::new(),
        session: name.to_owned(),
        paused: None,
        agents: Vec::new(),
        branch: None,
        build: "none".to_owned(),
        rows: rows.to_vec(),
        schedules: Vec::new(),
        did: None,
        cycle_at: Some(at()),
        gap: None,
        remembered: None,
        limits: Vec::new(),
        starved: None,
        unwritten: None,
    }
}

fn alive(pid: &Path) -> bool {
    let pid = std::fs::read_to_string(pid).unwrap();
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
    // A zombie is over: it only waits for whoever inherits it.
    !stat.is_empty() && !stat.contains(") Z ")
}

#[tokio::test]
async fn what_comes_up_together_is_one_call_with_a_line_each() {
    let bell = Bell::into_a_file(TIMES);
    bell.hear(&[asked(7, "which greeting?")]);
    bell.notifier.hear_project(
        &view(
            "blog",
            &[row(3, "parked", "a person is needed: 3 attempts", true)],
        ),
        at(),
    );
    let calls = bell.until_calls(1).await;
    assert_eq!(
        calls,
        ["Pointsman: 2 things need you (blog, shop)\n\
          blog #3 https://github.test/me/shop/issues/3: a person is needed: 3 attempts | to do: reply in a comment\n\
          shop #7 https://github.test/me/shop/issues/7: the agent asked: which greeting? | to do: reply in a comment\n"]
    );
    bell.stop().await;
}

#[tokio::test]
async fn an_occurrence_is_told_once_and_the_next_one_again() {
    let bell = Bell::into_a_file(TIMES);
    bell.hear(&[asked(7, "which greeting?")]);
    bell.until_calls(1).await;
    bell.hear(&[asked(7, "which greeting?")]);
    a_while(TIMES).await;
    assert_eq!(bell.calls().len(), 1, "it lasts");
    bell.hear(&[asked(7, "and which name?")]);
    assert!(bell.until_calls(2).await[1].contains("and which name?"));
    bell.hear(&[row(7, "in-hand", "with the agent", false)]);
    bell.hear(&[asked(7, "and which name?")]);
    bell.until_calls(3).await;
    bell.stop().await;
}

#[tokio::test]
async fn what_ends_and_comes_again_while_its_call_is_under_way_is_called_again() {
    let times = Times {
        command_max: PATIENCE,
        ..TIMES
    };
    let slow = "command = \"cat >>$HOME/calls; echo == >>$HOME/calls; until [ -e $HOME/go ]; do sleep 0.05; done\"\n";
    let bell = Bell::new(slow, times);
    bell.hear(&[asked(7, "which greeting?"), asked(8, "which colour?")]);
    bell.until_calls(1).await;
    // The call is not over: one question is answered and asked again, the other one lasts.
    bell.hear(&[asked(8, "which colour?")]);
    bell.hear(&[asked(7, "which greeting?"), asked(8, "which colour?")]);
    std::fs::write(bell.path("go"), "").unwrap();
    let calls = bell.until_calls(2).await;
    assert!(calls[1].contains("which greeting?") && !calls[1].contains("which colour?"));
    a_while(times).await;
    assert_eq!(bell.calls().len(), 2, "once per occurrence");
    bell.stop().await;
}

#[tokio::test]
async fn a_hold_that_only_hides_a_matter_does_not_end_it() {
    let bell = Bell::into_a_file(TIMES);
    let stranger = row(7, "needs-reapproval", "eve changed the text", true);
    bell.hear(std::slice::from_ref(&stranger));
    bell.until_calls(1).await;
    for word in ["hours", "tracker", "behind", "wip", "paused"] {
        bell.hear(&[row(7, word, "later", false)]);
        bell.hear(std::slice::from_ref(&stranger));
    }
    let mut dark = view("shop", &[]);
    dark.gap = Some(Gap {
        why: "it does not answer".to_owned(),
        since: at(),
    });
    bell.notifier.hear_project(&dark, at());
    bell.hear(std::slice::from_ref(&stranger));
    a_while(TIMES).await;
    assert_eq!(bell.calls().len(), 1);
    bell.stop().await;
}

#[tokio::test]
async fn what_is_over_before_the_call_and_a_short_outage_call_nobody() {
    let bell = Bell::into_a_file(TIMES);
    bell.hear(&[asked(7, "which greeting?")]);
    bell.hear(&[row(7, "in-hand", "with the agent", false)]);
    let mut dark = view("shop", &[]);
    dark.gap = Some(Gap {
        why: "it does not answer".to_owned(),
        since: at(),
    });
    bell.notifier.hear_project(&dark, at());
    a_while(TIMES).await;
    assert_eq!(bell.calls(), Vec::<String>::new());
    let later = at() + jiff::SignedDuration::from_mins(11);
    bell.notifier.hear_project(&dark, later);
    assert!(bell.until_calls(1).await[0].contains("it does not answer"));
    bell.stop().await;
}

#[tokio::test]
async fn a_restart_repeats_nothing_that_was_told_and_loses_nothing_that_was_not() {
    let bell = Bell::into_a_file(TIMES);
    bell.hear(&[asked(7, "which greeting?")]);
    bell.until_calls(1).await;
    until("it is written down", || {
        bell.world.places.state.join("told.json").exists()
    })
    .await;
    // Stopped while it still gathers.
    bell.hear(&[asked(7, "which greeting?"), asked(8, "which colour?")]);
    let bell = bell.restart().await;
    bell.hear(&[asked(7, "which greeting?"), asked(8, "which colour?")]);
    let calls = bell.until_calls(2).await;
    assert!(calls[1].contains("which colour?") && !calls[1].contains("which greeting?"));
    a_while(TIMES).await;
    assert_eq!(bell.calls().len(), 2);
    bell.stop().await;
}

#[tokio::test]
async fn a_record_that_cannot_be_read_tells_again_instead_of_never() {
    let bell = Bell::into_a_file(TIMES);
    bell.hear(&[asked(7, "which greeting?")]);
    bell.until_calls(1).await;
    let world = bell.stop().await;
    std::fs::write(world.places.state.join("told.json"), "[{").unwrap();
    let bell = Bell::on(world, TIMES);
    bell.hear(&[asked(7, "which greeting?")]);
    bell.until_calls(2).await;
    bell.stop().await;
}

#[tokio::test]
async fn a_hanging_command_is_ended_with_its_children_and_tried_twice_more() {
    let times = Times {
        command_max: Duration::from_secs(2),
        ..TIMES
    };
    let hang = "command = \"echo x >>$HOME/tries; (trap '' TERM; echo $(exec sh -c 'echo $PPID') >$HOME/child; sleep 60) & trap '' TERM; wait; sleep 60\"\n";
    let bell = Bell::new(hang, times);
    let tries = || {
        let text = std::fs::read_to_string(bell.path("tries")).unwrap_or_default();
        text.lines().count()
    };
    bell.hear(&[asked(7, "which greeting?")]);
    until("the third try", || tries() == 3).await;
    // Others are heard meanwhile, and told after it.
    bell.hear(&[asked(7, "which greeting?"), asked(8, "which colour?")]);
    until("the next call", || tries() > 3).await;
    until("its sixth try", || tries() == 6).await;
    until("it is given up", || {
        let told = std::fs::read_to_string(bell.world.places.state.join("told.json"));
        told.unwrap_or_default().matches("asked").count() == 2
    })
    .await;
    until("its child, deaf to TERM, is gone too", || {
        !alive(&bell.path("child"))
    })
    .await;
    assert_eq!(tries(), 6);
    bell.stop().await;
}

#[tokio::test]
async fn stopping_does_not_wait_for_a_hanging_command_nor_leave_it_behind() {
    let bell = Bell::new("command = \"echo $$ >$HOME/pid; sleep 60; true\"\n", TIMES);
    bell.hear(&[asked(7, "which greeting?")]);
    until("it runs", || {
        std::fs::read_to_string(bell.path("pid")).is_ok_and(|pid| pid.ends_with('\n'))
    })
    .await;
    let pid = bell.path("pid");
    let started = Instant::now();
    let world = bell.stop().await;
    assert!(started.elapsed() < Duration::from_secs(5));
    until("it is gone", || !alive(&pid)).await;
    assert!(
        !world.places.state.join("told.json").exists(),
        "it was not told"
    );
}

#[tokio::test]
async fn the_command_has_the_gates_environment_and_stands_in_no_project() {
    let bell = Bell::new(
        "command = \"{ pwd; env; } >$HOME/env.new; mv $HOME/env.new $HOME/env\"\n",
        TIMES,
    );
    bell.hear(&[asked(7, "which greeting?")]);
    until("it ran", || bell.path("env").exists()).await;
    let text = std::fs::read_to_string(bell.path("env")).unwrap();
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some("/"));
    let allowed: Vec<&str> = bell
        .world
        .places
        .env
        .iter()
        .map(|(name, _)| &**name)
        .collect();
    // The shell itself adds the last three.
    let more = lines
        .filter_map(|line| line.split('=').next())
        .find(|name| !allowed.contains(name) && !["PWD", "SHLVL", "_", "OLDPWD"].contains(name));
    assert_eq!(more, None, "{text}");
    bell.stop().await;
}

#[tokio::test]
async fn a_webhook_gets_the_items_as_json_and_is_tried_again_when_it_fails() {
    let got: Arc<Mutex<Vec<serde_json::Value>>> = Arc::default();
    let kept = Arc::clone(&got);
    let answer = move |body: String| async move {
        let mut got = kept.lock().unwrap();
        got.push(serde_json::from_str(&body).unwrap());
        if got.len() == 1 {
            StatusCode::SERVICE_UNAVAILABLE
        } else {
            StatusCode::NO_CONTENT
        }
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = axum::serve(listener, Router::new().route("/hook", post(answer)));
    let server = tokio::spawn(server.into_future());
    let bell = Bell::new(&format!("webhook = \"http://{address}/hook\"\n"), TIMES);
    bell.hear(&[asked(7, "which greeting?")]);
    until("it is told", || {
        bell.world.places.state.join("told.json").exists()
    })
    .await;
    let got = got.lock().unwrap().clone();
    assert_eq!(got.len(), 2, "refused once, then taken");
    assert!(got[1]["at"].is_string());
    assert_eq!(
        got[1]["items"],
        serde_json::json!([{
            "project": "shop",
            "issue": 7,
            "url": "https://github.test/me/shop/issues/7",
            "kind": "asked",
            "text": "the agent asked: which greeting?",
            "hint": "reply in a comment",
        }])
    );
    server.abort();
    bell.stop().await;
}

#[tokio::test]
async fn a_webhook_that_never_answers_is_given_up() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let times = Times {
        webhook_max: Duration::from_millis(200),
        ..TIMES
    };
    let bell = Bell::new(&format!("webhook = \"http://{address}/hook\"\n"), times);
    bell.hear(&[asked(7, "which greeting?")]);
    until("it is let be", || {
        bell.world.places.state.join("told.json").exists()
    })
    .await;
    let mut connections = 0;
    while let Ok(Ok(_)) = tokio::time::timeout(Duration::from_millis(100), listener.accept()).await
    {
        connections += 1;
    }
    assert_eq!(connections, 3);
    bell.stop().await;
}

#[tokio::test]
async fn what_a_terminal_showed_stays_on_this_machine() {
    let bell = Bell::into_a_file(TIMES);
    let says = "dispatch d1 could not be delivered 3 times: the composer holds `rm -rf draft`";
    bell.hear(&[row(7, "undelivered", says, true)]);
    let calls = bell.until_calls(1).await;
    assert!(
        calls[0].contains("could not be delivered 3 times"),
        "{}",
        calls[0]
    );
    assert!(!calls[0].contains("draft"), "{}", calls[0]);
    bell.stop().await;
}

#[tokio::test]
async fn a_command_that_is_configured_later_hears_what_is_still_open() {
    let bell = Bell::new("", TIMES);
    bell.hear(&[asked(7, "which greeting?")]);
    a_while(TIMES).await;
    bell.world
        .settings("[notify]\ncommand = \"cat >>$HOME/calls; echo == >>$HOME/calls\"\n");
    bell.config.send_replace(Arc::new(bell.world.load()));
    bell.hear(&[asked(7, "which greeting?")]);
    bell.until_calls(1).await;
    bell.stop().await;
}

#[tokio::test]
async fn many_matters_go_in_calls_of_twenty_and_none_is_lost() {
    let bell = Bell::into_a_file(TIMES);
    let rows: Vec<IssueRow> = (1..=45).map(|number| asked(number, "which?")).collect();
    bell.hear(&rows);
    let calls = bell.until_calls(3).await;
    let lines: Vec<usize> = calls.iter().map(|call| call.lines().count() - 1).collect();
    assert_eq!(lines, [20, 20, 5]);
    bell.stop().await;
}

#[tokio::test]
async fn a_mistake_in_the_files_is_told_and_again_after_it_was_mended() {
    let bell = Bell::into_a_file(TIMES);
    let fault = || Attention {
        project: "configuration".to_owned(),
        issue: None,
        kind: "configuration".to_owned(),
        url: None,
        says: "the files have mistakes".to_owned(),
        hint: None,
    };
    for count in 1..=2 {
        bell.notifier.hear("configuration", vec![fault()]);
        bell.until_calls(count).await;
        bell.notifier.hear("configuration", vec![fault()]);
        bell.notifier.hear("configuration", Vec::new());
    }
    a_while(TIMES).await;
    assert_eq!(bell.calls().len(), 2);
    bell.stop().await;
}

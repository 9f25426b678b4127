//! What is seen of a world, and its end.

use super::*;

impl World {
    fn records(&self, after: u64) -> Option<Vec<Record>> {
        Sqlite::open_read_only(&self.places.ledger())
            .ok()?
            .read(after, 100_000)
            .ok()
    }

    /// Adds what came to the real binary's ledger since.
    pub(crate) fn read_on(&self, told: &mut Vec<Told>) {
        let after = told.last().map_or(0, |told| told.seq);
        let records = self.records(after).unwrap_or_default();
        told.extend(records.into_iter().map(read));
    }

    /// Returns everything in the ledger.
    pub(crate) async fn told(&self) -> Vec<Told> {
        let records = match &self.daemon {
            Some(daemon) => daemon
                .ledger()
                .read(0, 100_000)
                .await
                .expect("the ledger is read"),
            None => self.records(0).unwrap_or_default(),
        };
        records.into_iter().map(read).collect()
    }

    /// Waits until the ledger says something; what it found is returned.
    pub(crate) async fn until<T>(&self, what: &str, seen: impl Fn(&[Told]) -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let told = self.told().await;
            if let Some(found) = seen(&told) {
                return found;
            }
            assert!(
                Instant::now() <= deadline,
                "never: {what}\n{}",
                self.account(&told).await
            );
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Waits until an event of a project is in the ledger.
    pub(crate) async fn until_event(
        &self,
        what: &str,
        project: &str,
        wanted: impl Fn(&Event) -> bool,
    ) -> Told {
        self.until(what, |told| {
            told.iter()
                .find(|told| told.project == project && wanted(&told.event))
                .cloned()
        })
        .await
    }

    /// Waits until an issue is held for a reason.
    pub(crate) async fn until_held(&self, project: &str, issue: IssueNumber, word: &str) -> Hold {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let held = self.hold(project, issue).await;
            match held {
                Some(hold) if hold.word() == word => return hold,
                other if Instant::now() > deadline => {
                    panic!(
                        "{project} {issue} is never {word} but {other:?}\n{}",
                        self.account(&self.told().await).await
                    )
                }
                _ => tokio::time::sleep(LOOK).await,
            }
        }
    }

    /// Waits until the issue's status comment says that, and returns all of it: it is edited once a minute.
    pub(crate) async fn until_said(
        &self,
        project: &str,
        issue: IssueNumber,
        says: &str,
    ) -> Comment {
        let hands = self.daemon().hands(&ProjectName::new(project));
        let hands = hands.expect("the project runs");
        let deadline = tokio::time::Instant::now() + SAID_MAX;
        loop {
            let comments = hands.tracker.comments(issue).await.expect("they are read");
            let status = |one: &&Comment| one.body.starts_with("**Pointsman:**");
            let said: Vec<&Comment> = comments.iter().filter(status).collect();
            assert!(said.len() <= 1, "one comment: {said:#?}");
            if let Some(said) = said.first().filter(|one| one.body.contains(says)) {
                return (*said).clone();
            }
            let late = tokio::time::Instant::now() >= deadline;
            assert!(!late, "not said `{says}`: {comments:#?}");
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }

    pub(crate) async fn shown(&self, project: &str) -> Box<Shown> {
        self.daemon()
            .show(&ProjectName::new(project))
            .await
            .expect("the project runs")
    }

    pub(crate) async fn hold(&self, project: &str, issue: IssueNumber) -> Option<Hold> {
        self.shown(project)
            .await
            .report
            .standing
            .get(&issue)
            .cloned()
    }

    /// Waits for `count` cycles more and returns the project's last report.
    pub(crate) async fn cycles(&self, project: &str, count: usize) -> Box<Shown> {
        for _ in 0..count {
            let before = self.shown(project).await.report.at;
            self.poll(project).await;
            let deadline = Instant::now() + PATIENCE;
            while self.shown(project).await.report.at == before {
                assert!(Instant::now() < deadline, "no cycle comes");
                tokio::time::sleep(LOOK).await;
            }
        }
        self.shown(project).await
    }

    /// Waits until the gates of the last stage hold, approves, and waits for the end.
    pub(crate) async fn walk_to_the_end(&self, project: &str, issue: IssueNumber) {
        self.until_yours(project, issue).await;
        self.approve(project, issue).await;
        self.until_done(project, issue).await;
    }

    /// Waits until the last move is a person's.
    pub(crate) async fn until_yours(&self, project: &str, issue: IssueNumber) {
        self.until("the last move is a person's", |told| {
            let mut last = BTreeMap::new();
            for told in told.iter().filter(|told| told.project == project) {
                if let Event::DispatchOpened { opening } = &told.event {
                    last.insert(opening.id.clone(), (opening.issue(), opening.stage.advance));
                }
                if let Event::DispatchClosed {
                    dispatch,
                    cause: Cause::Verified { .. },
                } = &told.event
                {
                    let (of, advance) = last.get(dispatch)?;
                    if *of == Some(issue) && *advance == pointsman::domain::Advance::Human {
                        return Some(());
                    }
                }
            }
            None
        })
        .await;
    }

    /// Waits until the walk of an issue ended.
    pub(crate) async fn until_done(&self, project: &str, issue: IssueNumber) {
        self.until_event(&format!("{issue} is done"), project, |event| {
            matches!(event, Event::TransitionSettled { issue: of, outcome: Settled::Moved { event: None } } if *of == issue)
        })
        .await;
    }

    /// Waits until everything that belongs to closed dispatches is cleared away.
    pub(crate) async fn until_tidy(&self, project: &str) {
        self.until("everything is tidied", |told| {
            let of = |wanted: fn(&Event) -> Option<&DispatchId>| {
                told.iter()
                    .filter(|told| told.project == project)
                    .filter_map(|told| wanted(&told.event))
                    .cloned()
                    .collect::<Vec<_>>()
            };
            let mut opened = of(|event| match event {
                Event::DispatchOpened { opening } => Some(&opening.id),
                _ => None,
            });
            let mut tidied = of(|event| match event {
                Event::DispatchTidied { dispatch } => Some(dispatch),
                _ => None,
            });
            opened.sort();
            tidied.sort();
            (opened == tidied).then_some(())
        })
        .await;
    }

    /// Every text the agents took, oldest first within a transcript.
    pub(crate) fn taken(&self) -> Vec<String> {
        let texts = self.transcripts().into_values();
        texts.flatten().collect()
    }

    /// The process of the agent that took a delivery's line, from its transcript.
    pub(crate) fn taker(&self, delivery: &DeliveryId) -> Option<String> {
        let line = format!("Task {delivery}:");
        let mut transcripts = self.transcripts().into_iter();
        let (pid, _) =
            transcripts.find(|(_, texts)| texts.iter().any(|text| text.starts_with(&line)))?;
        Some(pid)
    }

    /// The texts that each agent took, by its process.
    fn transcripts(&self) -> BTreeMap<String, Vec<String>> {
        let Ok(folder) = std::fs::read_dir(self.home().join(".pointsman-demo")) else {
            return BTreeMap::new();
        };
        let mut transcripts = BTreeMap::new();
        for entry in folder.filter_map(Result::ok) {
            let name = entry.file_name().to_string_lossy().into_owned();
            let pid = name.strip_prefix("transcript-");
            let Some(pid) = pid.and_then(|rest| rest.strip_suffix(".jsonl")) else {
                continue;
            };
            let lines = std::fs::read_to_string(entry.path()).unwrap_or_default();
            let turns = lines
                .lines()
                .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
            let texts = turns
                .filter(|turn| turn["type"] == "user")
                .filter_map(|turn| turn["text"].as_str().map(str::to_owned));
            transcripts.insert(pid.to_owned(), texts.collect());
        }
        transcripts
    }

    /// How often agents took each delivery's line.
    pub(crate) fn taken_by_delivery(&self) -> BTreeMap<DeliveryId, usize> {
        let mut counts = BTreeMap::new();
        for text in self.taken() {
            let id = text
                .strip_prefix("Task ")
                .and_then(|rest| rest.split_once(':'));
            let (id, _) =
                id.unwrap_or_else(|| panic!("an agent took a text that is no delivery: {text:?}"));
            *counts.entry(DeliveryId::new(id)).or_insert(0) += 1;
        }
        counts
    }

    /// Files in a folder of a project's `.pointsman`.
    #[expect(clippy::unused_self, reason = "reads as a sentence")]
    pub(crate) fn left_in(&self, tree: &Path, folder: &str) -> Vec<String> {
        let Ok(entries) = std::fs::read_dir(tree.join(".pointsman").join(folder)) else {
            return Vec::new();
        };
        entries
            .filter_map(Result::ok)
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .collect()
    }

    /// The windows of the tmux server, as `session:window`.
    pub(crate) fn windows(&self) -> Vec<String> {
        self.tmux(&["list-windows", "-a", "-F", "#{session_name}:#{window_name}"])
            .lines()
            .map(str::to_owned)
            .collect()
    }

    pub(crate) fn screen(&self, target: &str) -> String {
        self.tmux(&["capture-pane", "-p", "-t", target])
    }

    /// All that is known, for a story that does not go on.
    pub(crate) async fn account(&self, told: &[Told]) -> String {
        let mut text = String::new();
        for told in told {
            text += &format!(
                "{:>4} {} {} {}\n",
                told.seq,
                told.at.strftime("%H:%M:%S%.3f"),
                told.project,
                timeline::sentence(&told.event)
            );
        }
        if let Some(daemon) = &self.daemon {
            text += &format!("config fault: {:?}\n", daemon.config_fault());
            for name in daemon.projects() {
                if let Some(shown) = daemon.show(&name).await {
                    text += &format!(
                        "{name}: did {:?}, standing {:?}\n",
                        shown.report.did, shown.report.standing
                    );
                }
            }
        }
        for window in self.windows() {
            text += &format!("--- {window}\n{}\n", self.screen(&window));
        }
        let log = self.log();
        let tail: Vec<&str> = log.lines().rev().take(60).collect();
        text += &tail.into_iter().rev().collect::<Vec<_>>().join("\n");
        text
    }

    /// As the product ends it: a control client whose daemon was killed would keep it.
    async fn end_server(&self) {
        let ended = pointsman::terminal::Tmux::new(&self.places.socket)
            .kill_server()
            .await;
        ended.expect("the server ends");
    }

    /// Ends daemon and tmux server; no process of ours may be left.
    pub(crate) async fn end(mut self) {
        self.stop().await;
        if self.child.is_some() {
            assert!(self.terminate().await, "{}", self.log());
        }
        self.end_server().await;
        // A report verb whose agent is gone waits for its answer, 45 s at most.
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = self.processes();
            if left.is_empty() {
                return;
            }
            assert!(Instant::now() < deadline, "these are left behind: {left:?}");
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Processes that have our home in their command line or environment.
    fn processes(&self) -> Vec<String> {
        let home = self.home().as_os_str().as_encoded_bytes();
        let has_home = |bytes: &[u8]| bytes.windows(home.len()).any(|part| part == home);
        let mut found = Vec::new();
        for entry in std::fs::read_dir("/proc")
            .expect("this is Linux")
            .filter_map(Result::ok)
        {
            if !entry
                .file_name()
                .to_string_lossy()
                .bytes()
                .all(|byte| byte.is_ascii_digit())
            {
                continue;
            }
            let read = |name: &str| std::fs::read(entry.path().join(name)).unwrap_or_default();
            let command = read("cmdline");
            if has_home(&command) || has_home(&read("environ")) {
                found.push(String::from_utf8_lossy(&command).replace('\0', " "));
            }
        }
        found
    }
}

fn read(record: Record) -> Told {
    Told {
        seq: record.seq,
        event: store::event_of(&record).expect("it is understood"),
        project: record.stream,
        at: record.at,
    }
}

//! The daemon of a world: in this process, or the real binary.

use super::*;

impl World {
    pub(crate) fn load(&self) -> Config {
        config::load(&self.places.config, &self.places.home)
            .unwrap_or_else(|problems| panic!("{problems}"))
    }

    /// Starts the daemon in this process.
    pub(crate) async fn start(&mut self) -> &Self {
        let daemon = self.try_start().await.expect("the daemon starts");
        tokio::spawn(control::serve(Arc::clone(&daemon)));
        tokio::spawn(Arc::clone(&daemon).watch_config());
        self.daemon = Some(daemon);
        self
    }

    /// Starts a daemon and hands it over.
    pub(crate) async fn try_start(&self) -> Result<Arc<Daemon>, StartError> {
        let token = self.token.clone();
        let auth = Arc::new(move |_: &_| Ok(Auth::Token(SecretString::from(token.clone()))));
        Daemon::start(self.places.clone(), self.load(), auth).await
    }

    pub(crate) fn daemon(&self) -> &Arc<Daemon> {
        self.daemon
            .as_ref()
            .expect("the daemon runs in this process")
    }

    /// Ends the daemon as SIGTERM does; the tmux server and its agents live on.
    pub(crate) async fn stop(&mut self) {
        let Some(daemon) = self.daemon.take() else {
            return;
        };
        daemon.drain(Duration::from_secs(30)).await;
        let lock = Arc::downgrade(&daemon);
        drop(daemon);
        let deadline = Instant::now() + PATIENCE;
        while lock.strong_count() > 0 {
            assert!(
                Instant::now() < deadline,
                "the daemon is held by {} after its end",
                lock.strong_count()
            );
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Starts the real binary.
    pub(crate) fn spawn(&mut self) {
        let log = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.log_path())
            .expect("a log");
        let child = self
            .command(&["run", "-v"])
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("it starts");
        self.child = Some(child);
    }

    /// The real binary with a verb, not yet started.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(BINARY);
        command
            .args(args)
            .env_clear()
            .envs(self.places.env.iter().cloned())
            .stdin(Stdio::null())
            .current_dir(self.home());
        if !self.token.is_empty() {
            command.env("GITHUB_TOKEN", &self.token);
        }
        command
    }

    /// Runs a person's verb while the daemon of this process goes on: exit code, stdout, stderr.
    pub(crate) async fn says(&self, words: &[&str]) -> (Option<i32>, String, String) {
        let mut command = self.command(words);
        command.env("USER", "ann");
        let ran = tokio::task::spawn_blocking(move || command.output());
        let ran = ran.await.expect("it does not panic").expect("it starts");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
        (ran.status.code(), text(&ran.stdout), text(&ran.stderr))
    }

    fn log_path(&self) -> PathBuf {
        self.home().join("daemon.log")
    }

    /// The real binary's log.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.log_path()).unwrap_or_default()
    }

    /// The real binary's process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.as_ref().expect("the binary runs").id()
    }

    /// Kills the real binary with SIGKILL.
    pub(crate) fn kill(&mut self) {
        let mut child = self.child.take().expect("the binary runs");
        child.kill().expect("it can be killed");
        child.wait().expect("it is ours");
    }

    /// Returns whether the real binary was killed; that it ended in another way is the end of the story.
    pub(crate) fn was_killed(&mut self) -> bool {
        use std::os::unix::process::ExitStatusExt as _;
        let Some(child) = &mut self.child else {
            return false;
        };
        let Some(status) = child.try_wait().expect("it is ours") else {
            return false;
        };
        self.child = None;
        let log = self.log();
        assert_eq!(status.signal(), Some(9), "it ended by itself:\n{log}");
        true
    }

    /// Ends the real binary with SIGTERM and returns whether it ended well.
    pub(crate) async fn terminate(&mut self) -> bool {
        let mut child = self.child.take().expect("the binary runs");
        let pid = rustix::process::Pid::from_child(&child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("it is ours");
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = child.try_wait().expect("it is ours") {
                return status.success();
            }
            assert!(
                Instant::now() < deadline,
                "the daemon does not end:\n{}",
                self.log()
            );
            tokio::time::sleep(LOOK).await;
        }
    }
}

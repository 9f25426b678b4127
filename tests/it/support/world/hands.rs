//! One project's hands without a daemon: a story of one room, on real git and real tmux.

use std::collections::BTreeMap;
use std::sync::Arc;

use pointsman::daemon::hands::{Hands, Own, Shared};
use pointsman::daemon::key::Key;
use pointsman::daemon::looking::elsewhere::Reads;
use pointsman::daemon::panes::fleet::Samples;
use pointsman::daemon::panes::samplers::Samplers;
use pointsman::daemon::places::private_folder;
use pointsman::domain::ProjectName;
use pointsman::ledger::{Ledger, Memory};
use pointsman::machine::state::State;
use pointsman::tracker::Tracker;
use pointsman::tracker::github::{Auth, Config, GitHub};
use secrecy::SecretString;
use tokio::sync::watch;

use super::World;

impl World {
    /// Makes a project's hands, and the tmux server they work on.
    pub(crate) async fn hands(&self, project: &str) -> Hands {
        let places = self.places.clone();
        let socket = places.socket.parent().expect("the socket has a folder");
        for folder in [&places.state, &places.runtime, socket] {
            private_folder(folder).expect("a folder");
        }
        let config = self.load();
        let (ledger, _thread) = Ledger::start(Box::new(Memory::new("l1"))).expect("it starts");
        let shared = Shared {
            ledger,
            ledger_id: "l1".to_owned(),
            samplers: Samplers::new(&config.profiles, &places.home).expect("they compile"),
            samples: watch::channel(Arc::new(Samples::default())).1,
            config: watch::channel(Arc::new(config)).1,
            key: Key::open(&places.state.join("key")).expect("a key"),
            reads: Reads::default(),
            places,
        };
        let tracker = if self.on_fake(project) {
            let token = Auth::Token(SecretString::from(self.token.clone()));
            let config = Config {
                reserve: 0,
                ..Config::new(self.fake().url.clone(), token)
            };
            Tracker::GitHub(GitHub::connect(&config, "me", project).expect("it is good"))
        } else {
            Tracker::Local(self.tracker(project))
        };
        let own = Own {
            name: ProjectName::new(project),
            tracker,
            state: &State::default(),
            heads: BTreeMap::new(),
            kept: false,
        };
        // Also for agents of another account: theirs is started by a unit of its own.
        let server = pointsman::terminal::Tmux::new(&self.places.socket);
        server.start_server().await.expect("tmux starts");
        Hands::new(shared, own)
    }

    /// Commits a file in a project, as a person or an agent would.
    pub(crate) fn commit(&self, project: &str, file: &str, text: &str) -> String {
        let path = self.home().join(project).join(file);
        std::fs::create_dir_all(path.parent().expect("it has a folder")).expect("a folder");
        std::fs::write(path, text).expect("it is written");
        self.git(project, &["add", "-A"]);
        let args = ["-c", "user.name=Ann", "-c", "user.email=ann@localhost"];
        self.git(
            project,
            &[&args[..], &["commit", "-q", "-m", file]].concat(),
        );
        self.git(project, &["rev-parse", "HEAD"])
    }
}

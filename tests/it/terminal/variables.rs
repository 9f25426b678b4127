//! How an agent gets its variables.

use std::os::unix::fs::PermissionsExt as _;

use pointsman::terminal::{Environment, NewWindow};

use crate::support::patience::until;
use crate::support::tmux::Lab;

const SECRET: &str = "sk-it's a \"secret\" $HOME `id` \\\nof two lines";

fn window(lab: &Lab, argv: &[&str]) -> NewWindow {
    let variables = [("PATH", "/usr/bin:/bin"), ("ACCOUNT_KEY", SECRET)];
    let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
    NewWindow {
        env: Environment::File {
            folder: lab.path("private"),
            mode: 0o600,
            variables: variables.to_vec(),
        },
        ..lab.window("work", "agent", argv)
    }
}

#[tokio::test]
async fn a_secret_reaches_the_agent_and_no_command_line() {
    let lab = Lab::new().await;
    let script = "env -0 > got.new; mv got.new got; exec sleep 100";
    let pane = lab
        .tmux
        .new_window(&window(&lab, &["/bin/sh", "-c", script]))
        .await
        .unwrap();
    let got = until("it says what it got", || {
        Some(lab.read("got")).filter(|got| !got.is_empty())
    })
    .await;
    let wanted = format!("ACCOUNT_KEY={SECRET}");
    assert!(got.split('\0').any(|line| line == wanted), "{got}");
    for inherited in ["HOME=", "TMUX=", "TMUX_PANE="] {
        let is_there = got.split('\0').any(|line| line.starts_with(inherited));
        assert!(!is_there, "{inherited} is inherited: {got}");
    }

    // What tmux was given, and what it gave the pane: as long as the pane is there, anybody of this user could ask.
    let command = lab.raw(&["list-panes", "-a", "-F", "#{pane_start_command}"]);
    assert!(command.contains("/usr/bin/env"), "{command}");
    let process = std::fs::read_to_string(format!("/proc/{}/cmdline", pane.pid)).unwrap();
    for shown in [command, process, format!("{:?}", window(&lab, &["x"]))] {
        assert!(!shown.contains("secret"), "{shown}");
    }
    let left: Vec<_> = std::fs::read_dir(lab.path("private")).unwrap().collect();
    assert!(left.is_empty(), "the file is gone: {left:?}");
    let mode = std::fs::metadata(lab.path("private"))
        .unwrap()
        .permissions();
    assert_eq!(mode.mode() & 0o777, 0o700);
}

#[tokio::test]
async fn a_window_that_cannot_be_made_leaves_no_secret_behind() {
    let lab = Lab::without_server();
    let made = lab.tmux.new_window(&window(&lab, &["/bin/true"])).await;
    assert!(made.is_err(), "there is no server: {made:?}");
    let left = std::fs::read_dir(lab.path("private")).map(Iterator::count);
    assert_eq!(left.unwrap_or(0), 0);
}

#[tokio::test]
async fn a_name_that_a_shell_would_run_is_refused() {
    let lab = Lab::new().await;
    let variables = vec![("A; touch made; B".to_owned(), String::new())];
    let new = NewWindow {
        env: Environment::File {
            folder: lab.path("private"),
            mode: 0o600,
            variables,
        },
        ..lab.window("work", "agent", &["/bin/true"])
    };
    let error = lab.tmux.new_window(&new).await.unwrap_err();
    assert!(
        error.to_string().contains("variable's name")
            || format!("{error:?}").contains("variable's name"),
        "{error:?}"
    );
}

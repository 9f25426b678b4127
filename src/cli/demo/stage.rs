//! The demo's two projects: small real repositories, each with a bare remote and a project file.

use std::path::Path;
use std::process::Command;

use super::SCRIPTED;
use crate::cli::Failure;
use crate::daemon::places::Places;

/// A small real repository with a build command and a bare remote.
pub(super) fn make_repository(home: &Path, name: &str) -> Result<(), Failure> {
    let tree = home.join(name);
    let remote = home.join(format!("{name}.git"));
    std::fs::create_dir_all(tree.join("tests"))?;
    std::fs::write(
        tree.join("README.md"),
        format!("# {name}\n\nA small project.\n"),
    )?;
    std::fs::write(tree.join("greet.sh"), "#!/bin/sh\necho \"hello\"\n")?;
    std::fs::write(
        tree.join("tests/run.sh"),
        "set -e\nfor script in *.sh tests/*.sh; do sh -n \"$script\"; done\nsh greet.sh | grep -q hello\n",
    )?;
    git(
        home,
        home,
        &[
            "init",
            "-q",
            "--bare",
            "-b",
            "main",
            &remote.to_string_lossy(),
        ],
    )?;
    git(home, &tree, &["init", "-q", "-b", "main"])?;
    git(home, &tree, &["add", "-A"])?;
    git(
        home,
        &tree,
        &[
            "-c",
            "user.name=Demo",
            "-c",
            "user.email=demo@localhost",
            "commit",
            "-q",
            "-m",
            "a small project",
        ],
    )?;
    git(
        home,
        &tree,
        &["remote", "add", "origin", &remote.to_string_lossy()],
    )?;
    git(home, &tree, &["push", "-q", "-u", "origin", "main"])?;
    git(home, &tree, &["remote", "set-head", "origin", "main"])
}

fn git(home: &Path, at: &Path, args: &[&str]) -> Result<(), Failure> {
    let output = Command::new("git")
        .args(args)
        .current_dir(at)
        .env("HOME", home)
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .stdin(std::process::Stdio::null())
        .output()
        .map_err(|error| {
            Failure::new(anyhow::Error::new(error).context("git cannot be started"))
                .hint("install git".to_owned())
        })?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(anyhow::anyhow!("git {} failed: {said}", args.join(" ")).into())
}

pub(super) fn write_project(
    places: &Places,
    home: &Path,
    name: &str,
    build: &str,
    agent: &str,
) -> Result<(), Failure> {
    let folder = places.config.join("projects");
    std::fs::create_dir_all(&folder)?;
    let path = home.join(name);
    let text = format!(
        "tracker = \"local\"\npath = {:?}\nadded = \"2020-01-01T00:00:00Z\"\nagent = {agent:?}\nbuild = {build:?}\n",
        path.to_string_lossy()
    );
    std::fs::write(folder.join(format!("{name}.toml")), text)?;
    // A script that says nothing for ten seconds says nothing; a real agent thinks.
    let patience = if agent == SCRIPTED {
        "idle_without_report = \"10s\"\n"
    } else {
        ""
    };
    std::fs::write(
        places.config.join("pointsman.toml"),
        format!("cycle = \"10s\"\n{patience}"),
    )?;
    Ok(())
}

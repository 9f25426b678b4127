//! `pointsman completions`, `man` and the hidden `help-all`: the command line, described from itself.

use std::fmt::Write as _;

use clap::{Args, Command};
use clap_complete::Shell;

use crate::cli::{Failure, say};

/// The width of the reference, whatever the terminal's.
const COLUMNS: usize = 100;

/// Arguments of `completions`.
#[derive(Debug, Args)]
pub(super) struct CompletionsArgs {
    /// The shell
    shell: Shell,
}

/// Prints the completions of a shell.
pub(super) fn completions(args: &CompletionsArgs, mut command: Command) -> Result<(), Failure> {
    let mut bytes = Vec::new();
    clap_complete::generate(args.shell, &mut command, "pointsman", &mut bytes);
    say::out(&String::from_utf8_lossy(&bytes))
}

/// Prints the manual page.
pub(super) fn man(command: Command) -> Result<(), Failure> {
    let mut bytes = Vec::new();
    clap_mangen::Man::new(command).render(&mut bytes)?;
    say::out(&String::from_utf8_lossy(&bytes))
}

/// Prints the help of every verb.
pub(super) fn help_all(command: Command) -> Result<(), Failure> {
    let mut text = String::new();
    let mut command = command.term_width(COLUMNS);
    command.build();
    describe(&mut text, &mut command, "pointsman");
    say::out(&text)
}

fn describe(text: &mut String, command: &mut Command, path: &str) {
    let help = command.render_long_help();
    let trimmed: Vec<String> = help
        .to_string()
        .lines()
        .map(|line| line.trim_end().to_owned())
        .collect();
    let _ = writeln!(text, "# {path}\n\n{}\n", trimmed.join("\n").trim_end());
    for verb in command
        .get_subcommands_mut()
        .filter(|verb| !verb.is_hide_set())
    {
        let path = format!("{path} {}", verb.get_name());
        describe(text, verb, &path);
    }
}

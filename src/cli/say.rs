//! Printing: stdout is data, stderr is talk. A reader that went away ends the verb quietly.

use std::io::Write as _;

use serde::Serialize;

use crate::cli::Failure;

/// Prints data.
pub(super) fn out(text: &str) -> Result<(), Failure> {
    let mut stdout = std::io::stdout().lock();
    let end = if text.is_empty() || text.ends_with('\n') {
        ""
    } else {
        "\n"
    };
    let written = write!(stdout, "{text}{end}").and_then(|()| stdout.flush());
    written.map_err(|error| match error.kind() {
        std::io::ErrorKind::BrokenPipe => Failure::silent(),
        _ => Failure::new(anyhow::Error::new(error).context("cannot print the answer")),
    })
}

/// Prints data as JSON.
pub(super) fn json(value: &impl Serialize) -> Result<(), Failure> {
    out(&serde_json::to_string_pretty(value)?)
}

/// Talks to the person.
pub(super) fn talk(text: &str) {
    eprintln!("{text}");
}

/// Asks a person, who may have said it before; anything but a yes ends the verb.
pub(super) fn agreed(question: &str, already: bool) -> Result<(), Failure> {
    if already {
        return Ok(());
    }
    if !std::io::IsTerminal::is_terminal(&std::io::stdin()) {
        return Err(
            Failure::new(anyhow::anyhow!("nobody can be asked: there is no terminal"))
                .hint("pass --yes".to_owned()),
        );
    }
    eprint!("{question} [y/N] ");
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer)?;
    if matches!(answer.trim(), "y" | "Y" | "yes") {
        return Ok(());
    }
    Err(anyhow::anyhow!("nothing was changed").into())
}

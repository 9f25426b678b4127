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

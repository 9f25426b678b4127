//! The argv of every command we send, built by `tmux_interface` and pinned by golden tests.
//!
//! Only the builder is used: its control mode, its own runner and its typed answers have faults (facts/terminal.md 5.3,
//! facts/platform.md 2.5). Among them: `SendKeys::reset` emits `-X` and `SendKeys::copy_mode` emits `-R`; neither is used here.

use std::borrow::Cow;
use std::path::Path;

use tmux_interface::{
    AttachSession, CapturePane, DeleteBuffer, DisplayMessage, IfShell, KillPane, ListBuffers,
    ListClients, ListPanes, LoadBuffer, NewSession, NewWindow, PasteBuffer, RenameWindow, SendKeys,
    SetOption, ShowOptions, Tmux as Binary, TmuxCommand,
};

use super::row::{ROW_FORMAT, TRACE_PREFIX};

/// A command under construction.
pub type Command = TmuxCommand<'static>;

/// Columns of a pane no client shows (facts/terminal.md F58).
const COLUMNS: usize = 200;
/// Rows of a pane no client shows.
const ROWS: usize = 50;

/// The client itself: UTF-8 whatever the locale, and no configuration of anybody's should it ever start a server.
fn client(socket: &Path) -> Binary<'static> {
    Binary::new()
        .force_utf8()
        .file("/dev/null")
        .socket_path(socket.to_string_lossy().into_owned())
}

/// Returns the whole argv: `tmux -N -u -f /dev/null -S <socket>` and the commands, separated by `;`.
pub fn words(socket: &Path, commands: &[TmuxCommand<'_>]) -> Vec<String> {
    line(socket, command_words(commands))
}

/// Returns the whole argv of a client that is given these words. Only `start-server` may start a server: another command would make one
/// without our options, or one in the place of a person's that ended a moment ago.
pub(super) fn line(socket: &Path, words: Vec<String>) -> Vec<String> {
    if words.first().is_some_and(|word| word == "start-server") {
        own_words(client(socket)).chain(words).collect()
    } else {
        bound(socket, words)
    }
}

/// The same for a server that must be there.
pub(super) fn bound(socket: &Path, words: Vec<String>) -> Vec<String> {
    without_start(own_words(client(socket)).chain(words))
}

fn own_words(client: Binary<'static>) -> impl Iterator<Item = String> {
    let words: Vec<String> = client
        .build()
        .to_vec()
        .into_iter()
        .map(Cow::into_owned)
        .collect();
    words.into_iter()
}

/// Takes from a client's argv the right to start a server. The crate knows the flag for tmux 3.4 only; 3.3 has it.
fn without_start(mut line: impl Iterator<Item = String>) -> Vec<String> {
    let program = line.next();
    program
        .into_iter()
        .chain(["-N".to_owned()])
        .chain(line)
        .collect()
}

/// Returns the commands' own words, separated by `;`.
pub(super) fn command_words(commands: &[TmuxCommand<'_>]) -> Vec<String> {
    let mut words = Vec::new();
    for (index, command) in commands.iter().enumerate() {
        if index > 0 {
            words.push(";".to_owned());
        }
        words.extend(
            command
                .to_vec()
                .into_iter()
                .map(|word| keep_semicolon(&word)),
        );
    }
    words
}

/// Returns the argv of the control-mode client on `session`.
pub fn control(socket: &Path, session: &str) -> Vec<String> {
    let tmux = own_words(client(socket).control_mode());
    let flags = tmux_interface::ClientFlags {
        no_output: Some(true),
        ignore_size: Some(true),
        ..Default::default()
    };
    let attach = AttachSession::new()
        .flags(flags)
        .target_session(format!("={session}"))
        .build();
    without_start(tmux.chain(attach.to_vec().into_iter().map(Cow::into_owned)))
}

/// Returns the first command's name, for errors.
pub(super) fn name(words: &[String]) -> String {
    let socket = words
        .iter()
        .position(|word| word == "-S")
        .unwrap_or_default();
    words.get(socket + 2).cloned().unwrap_or_default()
}

/// Commands that change nothing.
const LOOKS: [&str; 7] = [
    "capture-pane",
    "display-message",
    "has-session",
    "list-buffers",
    "list-clients",
    "list-panes",
    "show-options",
];

/// Names what commands do, for the knife; `None` if they only look.
pub(super) fn deed(words: &[String]) -> Option<String> {
    let mut names = Vec::new();
    for command in words.split(|word| word == ";") {
        match command {
            // What is done if the guard holds is the last word but one.
            [name, .., then, _] if name == "if-shell" => {
                names.extend(then.split(" ; ").filter_map(|text| text.split('\'').nth(1)));
            }
            // A job's window says what it does, up to the first id in its name.
            [name, rest @ ..] => {
                names.push(name);
                let window = rest.iter().skip_while(|word| word.as_str() != "-n").nth(1);
                names.extend(window.and_then(|window| window.split('-').next()));
            }
            [] => {}
        }
    }
    names.retain(|name| !LOOKS.contains(name));
    names.dedup();
    (!names.is_empty()).then(|| format!("tmux {}", names.join(" ")))
}

/// Protects a semicolon at a word's end, which tmux would take as a separator (facts/terminal.md F17).
fn keep_semicolon(word: &str) -> String {
    match word.strip_suffix(';') {
        Some(rest) => format!("{rest}\\;"),
        None => word.to_owned(),
    }
}

/// Returns a command as text for tmux's own parser: every word in single quotes, so nothing in it is special.
pub fn text(command: &Command) -> String {
    let quoted: Vec<String> = command
        .to_vec()
        .iter()
        .map(|word| format!("'{}'", word.replace('\'', r"'\''")))
        .collect();
    quoted.join(" ")
}

/// Returns several commands as one text.
pub fn script(commands: &[Command]) -> String {
    commands.iter().map(text).collect::<Vec<_>>().join(" ; ")
}

/// Escapes a text for use inside a format: `#`, `,` and `}` are tmux's own there.
pub fn format_text(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        if matches!(letter, '#' | ',' | '}') {
            out.push('#');
        }
        out.push(letter);
    }
    out
}

/// Evaluates `condition` on `pane` and runs one of two scripts, all in one entry of the command queue.
pub fn guarded(pane: &str, condition: &str, then: &[Command], otherwise: &[Command]) -> Command {
    let mut command = IfShell::new()
        .not_execute()
        .target_pane(pane.to_owned())
        .shell_command(condition.to_owned())
        .command(script(then))
        .build();
    command.push_param(script(otherwise));
    command
}

/// Prints a format of a pane.
pub fn print(pane: &str, format: &str) -> Command {
    DisplayMessage::new()
        .print()
        .target_pane(pane.to_owned())
        .message(format.to_owned())
        .build()
}

/// Prints a fixed text.
pub fn say(text: &'static str) -> Command {
    DisplayMessage::new().print().message(text).build()
}

/// Loads the client's stdin into a buffer.
pub fn load_buffer(buffer: &str) -> Command {
    LoadBuffer::new()
        .buffer_name(buffer.to_owned())
        .path("-")
        .build()
}

/// Pastes a buffer as one bracketed paste, byte by byte as it is, and deletes it.
pub fn paste_buffer(pane: &str, buffer: &str) -> Command {
    PasteBuffer::new()
        .delete()
        .bracket_codes()
        .no_replacement()
        .buffer_name(buffer.to_owned())
        .target_pane(pane.to_owned())
        .build()
}

/// Deletes a buffer.
pub fn delete_buffer(buffer: &str) -> Command {
    DeleteBuffer::new().buffer_name(buffer.to_owned()).build()
}

/// Lists the buffers' names.
pub fn list_buffers() -> Command {
    let mut command = ListBuffers::new().build();
    command.push_option("-F", "#{buffer_name}");
    command
}

/// Sends bytes as keys; `hex` is one byte per word. `0d` is Enter in every mode of every version (facts/terminal.md F04).
pub fn send_bytes(pane: &str, hex: &[String]) -> Command {
    let mut command = SendKeys::new().hex().target_pane(pane.to_owned()).build();
    for byte in hex {
        command.push_param(byte.clone());
    }
    command
}

/// Sets an option of a pane.
pub fn set_pane_option(pane: &str, name: &str, value: &str) -> Command {
    SetOption::new()
        .pane()
        .quiet()
        .target_pane(pane.to_owned())
        .option(name.to_owned())
        .value(value.to_owned())
        .build()
}

/// Sets the trace of a delivery.
pub fn set_trace(pane: &str, id: &str, value: &str) -> Command {
    set_pane_option(pane, &format!("{TRACE_PREFIX}{id}"), value)
}

/// Prints a pane's own options.
pub fn pane_options(pane: &str) -> Command {
    ShowOptions::new()
        .pane()
        .target_pane(pane.to_owned())
        .build()
}

/// Prints a pane's visible screen with its attributes.
///
/// Without `-J`: a row must be a row of the screen, because cursor, composer and the server's own search are compared by row.
pub fn capture(pane: &str) -> Command {
    CapturePane::new()
        .stdout()
        .escape_sequences()
        .target_pane(pane.to_owned())
        .build()
}

/// Lists every pane of the server.
pub fn list_panes(format: &str) -> Command {
    ListPanes::new().all().format(format.to_owned()).build()
}

/// Lists the process ids of the clients of one session.
pub fn list_clients(session: &str) -> Command {
    ListClients::new()
        .target_session(format!("={session}"))
        .format("#{client_pid}")
        .build()
}

/// Prints one pane's row.
pub fn row(pane: &str) -> Command {
    print(pane, ROW_FORMAT)
}

/// Ends a pane.
pub fn kill_pane(pane: &str) -> Command {
    KillPane::new().target_pane(pane.to_owned()).build()
}

/// Gives a window its name; `target` is `=session:=name`.
pub fn rename_window(target: &str, name: &str) -> Command {
    RenameWindow::new()
        .target_window(target.to_owned())
        .new_name(name.to_owned())
        .build()
}

/// A server option.
pub fn set_server(name: &'static str, value: &'static str) -> Command {
    SetOption::new().server().option(name).value(value).build()
}

/// A global session option.
pub fn set_session(name: &'static str, value: &'static str) -> Command {
    SetOption::new().global().option(name).value(value).build()
}

/// A global window option.
pub fn set_window(name: &'static str, value: &'static str) -> Command {
    SetOption::new()
        .global()
        .window()
        .option(name)
        .value(value)
        .build()
}

/// A detached session of 200x50 with one window.
pub fn new_session(session: &str, window: &str, cwd: Option<&str>, argv: &[String]) -> Command {
    let mut new = NewSession::new()
        .detached()
        .print()
        .format(ROW_FORMAT)
        .session_name(session.to_owned())
        .window_name(format_text(window))
        .width(COLUMNS)
        .height(ROWS);
    if let Some(cwd) = cwd {
        new = new.start_directory(format_text(cwd));
    }
    with_words(new.build(), argv)
}

/// A window in an existing session, behind its others.
pub fn new_window(session: &str, window: &str, cwd: &str, argv: &[String]) -> Command {
    let new = NewWindow::new()
        .detached()
        .print()
        .format(ROW_FORMAT)
        .window_name(format_text(window))
        .target_window(format!("={session}:"))
        .start_directory(format_text(cwd));
    with_words(new.build(), argv)
}

fn with_words(mut command: Command, argv: &[String]) -> Command {
    for word in argv {
        command.push_param(word.clone());
    }
    command
}

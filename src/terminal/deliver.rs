//! The three acts of a delivery and the reading of their traces. Each act is one entry of the server's command queue.

use std::time::Duration;

use rustix::fs::OFlags;

use super::argv::{self, Command};
use super::client::Tmux;
use super::error::TmuxError;
use super::guard::{Guard, Guarded};
use super::row::{PaneRow, Seen, TRACE_PREFIX, traces};
use super::screen::{Capture, Composer, Recogniser};
use crate::domain::{DeliveryId, Pane};

/// Longest line that is typed; PROTOCOLS 3 asks for 72 columns, `G2` refuses what wraps.
const LINE_CHARS_MAX: usize = 200;
/// Looks at a cleared composer until it is empty.
const CLEAR_LOOKS_MAX: u32 = 20;
/// Between two of these looks.
const CLEAR_PAUSE: Duration = Duration::from_millis(100);

/// How far a delivery came, as the pane's option says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trace {
    /// The pane is not the one it was typed into: another server, or another process in it. Only receipts count.
    Gone,
    /// Never pasted, proven.
    None,
    /// Pasted; the screen says whether it still stands in the composer.
    Pasted,
    /// Submitted; `0` is a launch argument, `n` the nth Enter.
    Submitted(u32),
    /// The clearing key was sent; whether the composer was empty afterwards was not seen.
    Clearing,
    /// Cleared and seen empty.
    Cleared,
}

/// What the server knows of a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Traced {
    /// The flag.
    pub trace: Trace,
    /// Whether its paste buffer is still there: the second witness that nothing was pasted.
    pub buffer: bool,
}

impl Tmux {
    /// Looks at one pane: row, screen and traces of the same instant.
    pub async fn look(&self, pane: &Pane) -> Result<Seen, TmuxError> {
        let out = self
            .run(vec![
                argv::row(&pane.id),
                argv::capture(&pane.id),
                argv::pane_options(&pane.id),
            ])
            .await?;
        let gone = || TmuxError::NoTarget {
            what: format!("pane {} of server {}", pane.id, pane.generation),
        };
        let mut lines = out.split('\n');
        let row = lines
            .next()
            .and_then(|line| PaneRow::parse(self.socket(), line))
            .filter(|row| row.pane == *pane)
            .ok_or_else(gone)?;
        let rows: Vec<&str> = lines.by_ref().take(usize::from(row.size.1)).collect();
        Ok(Seen {
            capture: Capture::parse(rows),
            traces: traces(lines),
            row,
        })
    }

    /// Pastes `line` into the composer if the guard (G1) holds, and sets `@pointsman_<id> pasted`.
    /// Sends no Enter: inside the paste it would be text. The buffer never outlives the call.
    pub async fn paste(
        &self,
        guard: &Guard,
        id: &DeliveryId,
        line: &str,
    ) -> Result<Guarded, TmuxError> {
        if line.is_empty()
            || line.len() > LINE_CHARS_MAX
            || !line.bytes().all(|byte| (0x20..0x7f).contains(&byte))
        {
            let why = format!("a typed line is 1 to {LINE_CHARS_MAX} printable ASCII letters");
            return Err(TmuxError::Failed {
                command: "paste-buffer".to_owned(),
                why,
            });
        }
        let pane = &guard.pane().id;
        let buffer = buffer_name(id);
        let then = [
            argv::paste_buffer(pane, &buffer),
            argv::set_trace(pane, id.as_str(), "pasted"),
            argv::say("ok"),
        ];
        let guard = &guard.clone().traced(id, "");
        let act = self.guarded(guard, &then, &[argv::delete_buffer(&buffer)]);
        let answer = self
            .run_with(vec![argv::load_buffer(&buffer), act], Some(line))
            .await;
        if answer.is_err() {
            // Of our own making and already reported: a buffer that is gone is what we want.
            let _gone = self.delete_buffer(id).await;
        }
        Ok(verdict(guard, &answer?))
    }

    /// Sends Enter if the guard (G2) holds, and sets `@pointsman_<id> submitted:<nth>`. The flag must say that it is the next one: an
    /// Enter of a call that was given up, and that the server takes later, is none.
    pub async fn enter(
        &self,
        guard: &Guard,
        id: &DeliveryId,
        nth: u32,
    ) -> Result<Guarded, TmuxError> {
        let pane = &guard.pane().id;
        let enter = argv::send_bytes(pane, &["0d".to_owned()]);
        let flag = argv::set_trace(pane, id.as_str(), &format!("submitted:{nth}"));
        let before = match nth {
            0 | 1 => "pasted".to_owned(),
            _ => format!("submitted:{}", nth - 1),
        };
        let guard = guard.clone().traced(id, &before);
        self.act(&guard, &[enter, flag, argv::say("ok")], &[]).await
    }

    /// Returns whether keys wait in the pane's terminal that its program has not read. A terminal that we may not open (another user's)
    /// says nothing, and the screen alone is believed.
    pub async fn has_unread(&self, pane: &Pane) -> Result<bool, TmuxError> {
        let identity = Guard::identity(pane);
        let format = format!("{}|#{{pane_tty}}", identity.question());
        let out = self.run(vec![argv::print(&pane.id, &format)]).await?;
        let Some((answer, tty)) = out.trim_end_matches('\n').rsplit_once('|') else {
            return Ok(false);
        };
        if !identity.holds(answer) {
            return Ok(false);
        }
        let flags = OFlags::RDONLY | OFlags::NOCTTY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let waiting = rustix::fs::open(tty, flags, rustix::fs::Mode::empty())
            .and_then(rustix::io::ioctl_fionread);
        Ok(waiting.is_ok_and(|bytes| bytes > 0))
    }

    /// Sends one key, given as hex bytes, if the guard holds. It types nothing and leaves no trace: the ledger has it.
    pub async fn press(&self, guard: &Guard, key: &str) -> Result<Guarded, TmuxError> {
        let key: Vec<String> = (0..key.len() / 2)
            .filter_map(|at| key.get(2 * at..2 * at + 2))
            .map(str::to_owned)
            .collect();
        let sent = argv::send_bytes(&guard.pane().id, &key);
        self.act(guard, &[sent, argv::say("ok")], &[]).await
    }

    /// Clears our own line with the profile's measured key if the guard (G2) holds, and reads the composer back.
    /// `Done` = seen empty, flag `cleared`; without a clearing key, or if it did not clear: `Blocked`.
    pub async fn clear_line(
        &self,
        guard: &Guard,
        id: &DeliveryId,
        recogniser: &Recogniser,
    ) -> Result<Guarded, TmuxError> {
        let Some(key) = &recogniser.clear_key else {
            return Ok(Guarded::Blocked(super::Blocked {
                field: "composer",
                wanted: "clearable".into(),
                found: "the profile has no clearing key".into(),
            }));
        };
        let pane = guard.pane();
        let key: Vec<String> = key.split_whitespace().map(str::to_owned).collect();
        let then = [
            argv::set_trace(&pane.id, id.as_str(), "clearing"),
            argv::send_bytes(&pane.id, &key),
            argv::say("ok"),
        ];
        if let blocked @ Guarded::Blocked(_) = self.act(guard, &then, &[]).await? {
            return Ok(blocked);
        }
        let mut found = String::new();
        for _ in 0..CLEAR_LOOKS_MAX {
            tokio::time::sleep(CLEAR_PAUSE).await;
            match recogniser.read(&self.look(pane).await?.capture).composer {
                Composer::Empty => {
                    let then = [
                        argv::set_trace(&pane.id, id.as_str(), "cleared"),
                        argv::say("ok"),
                    ];
                    return self.act(&Guard::identity(pane), &then, &[]).await;
                }
                Composer::Absent => "not on the screen".clone_into(&mut found),
                Composer::Draft(text) => found = text,
            }
        }
        Ok(Guarded::Blocked(super::Blocked {
            field: "composer",
            wanted: "empty after the clearing key".into(),
            found,
        }))
    }

    /// Reads how far a delivery came. `Err(NoServer)` is another generation too: only receipts count then.
    pub async fn trace(&self, pane: &Pane, id: &DeliveryId) -> Result<Traced, TmuxError> {
        let identity = Guard::identity(pane);
        let flag = format!("{}|#{{{TRACE_PREFIX}{id}}}", identity.question());
        let out = self
            .run(vec![argv::print(&pane.id, &flag), argv::list_buffers()])
            .await?;
        let mut lines = out.lines();
        let trace = match lines.next().and_then(|line| line.rsplit_once('|')) {
            Some((answer, value)) if identity.holds(answer) => parse_trace(value),
            _ => Trace::Gone,
        };
        let buffer = buffer_name(id);
        Ok(Traced {
            trace,
            buffer: lines.any(|name| name == buffer),
        })
    }

    /// Finds the pane that carries a delivery's flag, wherever it is: how a launch is recovered.
    /// No such pane, and a server that ran before it was meant to be launched = `not_delivered`, proven.
    pub async fn traced(&self, id: &DeliveryId) -> Result<Option<(Pane, Trace)>, TmuxError> {
        let format = format!("#{{{TRACE_PREFIX}{id}}}|{}", super::row::ROW_FORMAT);
        let out = self.run(vec![argv::list_panes(&format)]).await?;
        let hit = out
            .lines()
            .filter_map(|line| line.split_once('|'))
            .find(|(value, _)| !value.is_empty());
        Ok(hit.and_then(|(value, row)| {
            Some((PaneRow::parse(self.socket(), row)?.pane, parse_trace(value)))
        }))
    }

    /// Removes what a delivery that was cut off left behind.
    pub async fn delete_buffer(&self, id: &DeliveryId) -> Result<(), TmuxError> {
        self.run(vec![argv::delete_buffer(&buffer_name(id))])
            .await
            .map(drop)
    }

    /// Acts if the guard holds, in one queue entry; `otherwise` runs if it does not.
    pub(super) async fn act(
        &self,
        guard: &Guard,
        then: &[Command],
        otherwise: &[Command],
    ) -> Result<Guarded, TmuxError> {
        let answer = self.run(vec![self.guarded(guard, then, otherwise)]).await?;
        Ok(verdict(guard, &answer))
    }

    #[expect(clippy::unused_self, reason = "reads as a sentence beside `act`")]
    fn guarded(&self, guard: &Guard, then: &[Command], otherwise: &[Command]) -> Command {
        let pane = &guard.pane().id;
        let mut no = vec![argv::print(pane, &format!("blocked|{}", guard.question()))];
        no.extend_from_slice(otherwise);
        argv::guarded(pane, &guard.condition(), then, &no)
    }
}

/// Reads `ok` or `blocked|<facts>`.
fn verdict(guard: &Guard, answer: &str) -> Guarded {
    match answer.trim_end_matches('\n') {
        "ok" => Guarded::Done,
        other => Guarded::Blocked(guard.explain(other.strip_prefix("blocked|").unwrap_or(other))),
    }
}

fn buffer_name(id: &DeliveryId) -> String {
    format!("pointsman-{id}")
}

fn parse_trace(value: &str) -> Trace {
    match value.split_once(':') {
        Some(("submitted", nth)) => Trace::Submitted(nth.parse().unwrap_or(0)),
        _ if value.is_empty() => Trace::None,
        _ if value == "cleared" => Trace::Cleared,
        _ if value == "clearing" => Trace::Clearing,
        // An unknown word means that something was typed: the careful reading.
        _ => Trace::Pasted,
    }
}

//! `OpenCode`'s own HTTP server on loopback (facts/agents.md 4.1): three small questions, each with a short deadline.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::process::Process;
use crate::machine::resolve::Claim;

/// Deadline of one question: the program answers within 20 ms (facts/agents.md 4.1).
const DEADLINE: Duration = Duration::from_millis(200);
/// Bytes of an answer.
const ANSWER_BYTES_MAX: usize = 256 * 1024;

/// Asks the agent's server what it is doing; `None` if it does not answer every question, which is no evidence of anything.
pub(super) fn ask(agent: &Process) -> Option<Claim> {
    let port = port(&agent.argv)?;
    let is_open = |answer: &Value| answer.as_array().is_some_and(|open| !open.is_empty());
    if is_open(&fetch(port, "/permission")?) {
        return Some(Claim::Permission);
    }
    if is_open(&fetch(port, "/question")?) {
        return Some(Claim::Question);
    }
    // A session that is not in the map is idle; `busy` and `retry` are.
    let status = fetch(port, "/session/status")?;
    let sessions = status.as_object()?;
    let is_idle = |session: &Value| session.get("type").and_then(Value::as_str) == Some("idle");
    Some(if sessions.values().all(is_idle) {
        Claim::Idle
    } else {
        Claim::Busy
    })
}

/// Reads `--port N` from the program's arguments.
fn port(argv: &[String]) -> Option<u16> {
    let mut words = argv.iter();
    let port = words.find_map(|word| match word.strip_prefix("--port") {
        Some("") => Some(None),
        Some(rest) => rest.strip_prefix('=').map(Some),
        None => None,
    })?;
    let port = port.or_else(|| words.next().map(String::as_str))?;
    port.parse().ok().filter(|port| *port != 0)
}

/// Fetches one JSON document.
fn fetch(port: u16, path: &str) -> Option<Value> {
    let deadline = Instant::now() + DEADLINE;
    let left =
        || Some(deadline.saturating_duration_since(Instant::now())).filter(|left| !left.is_zero());
    let mut stream =
        TcpStream::connect_timeout(&SocketAddr::from((Ipv4Addr::LOCALHOST, port)), DEADLINE)
            .ok()?;
    stream.set_write_timeout(Some(DEADLINE)).ok()?;
    write!(
        stream,
        "GET {path} HTTP/1.0\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
    )
    .ok()?;
    let mut answer = Vec::new();
    let mut buffer = [0; 8192];
    loop {
        stream.set_read_timeout(Some(left()?)).ok()?;
        match stream.read(&mut buffer).ok()? {
            0 => break,
            count => answer.extend_from_slice(&buffer[..count]),
        }
        if answer.len() > ANSWER_BYTES_MAX {
            return None;
        }
    }
    let text = String::from_utf8_lossy(&answer);
    let (head, body) = text.split_once("\r\n\r\n")?;
    let is_good = head.split(' ').nth(1) == Some("200");
    // From the first bracket to the last: a chunk's length may stand around a small document.
    let start = body.find(['{', '['])?;
    let end = body.rfind(['}', ']'])?;
    is_good
        .then(|| serde_json::from_str(body.get(start..=end)?).ok())
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::BufRead as _;

    /// Serves answers by path and returns what the asker makes of them.
    fn asked(permission: &'static str, status: &'static str) -> Option<Claim> {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut line = String::new();
                std::io::BufReader::new(stream.try_clone().unwrap())
                    .read_line(&mut line)
                    .unwrap();
                let body = match line.split(' ').nth(1) {
                    Some("/permission") => permission,
                    Some("/question") => "[]",
                    _ => status,
                };
                write!(
                    stream,
                    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n{body}"
                )
                .unwrap();
            }
        });
        let argv = ["opencode", "--port", &port.to_string()]
            .map(str::to_owned)
            .to_vec();
        ask(&Process {
            pid: 1,
            parent: 0,
            group: 1,
            name: "opencode".into(),
            argv,
            start_ticks: 0,
            foreground: true,
        })
    }

    #[test]
    fn a_session_without_a_status_is_idle_and_silence_is_nothing() {
        assert_eq!(asked("[]", "{}"), Some(Claim::Idle));
        assert_eq!(
            asked("[]", r#"{"ses_1":{"type":"busy"}}"#),
            Some(Claim::Busy)
        );
        assert_eq!(
            asked("[]", r#"{"ses_1":{"type":"retry","attempt":2}}"#),
            Some(Claim::Busy)
        );
        assert_eq!(asked(r#"[{"id":"per_1"}]"#, "{}"), Some(Claim::Permission));
        assert_eq!(asked("[]", "oops"), None);
        assert_eq!(port(&["x".into(), "--port=70000".into()]), None);
        assert_eq!(port(&["x".into(), "--port=7000".into()]), Some(7000));
    }
}

//! `OpenCode`'s own HTTP server on loopback (facts/agents.md 4.1): what it does, and which texts it was given. Blocking; every question
//! has a deadline and a bound.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde_json::Value;

use super::limit::is_named;
use super::process::Process;
use super::turns::{failure, short};
use crate::machine::resolve::Claim;

/// What may be spent on one question.
#[derive(Clone, Copy, Debug)]
struct Budget {
    deadline: Duration,
    bytes: usize,
}

/// What it does now: the program answers within 20 ms (facts/agents.md 4.1).
const STATUS: Budget = Budget {
    deadline: Duration::from_millis(200),
    bytes: 256 * 1024,
};
/// Which conversations there are: a well-used repository has thousands.
const LIST: Budget = Budget {
    deadline: Duration::from_secs(1),
    bytes: 8 * 1024 * 1024,
};
/// What was said: a conversation carries the output of its tools, 2 MB a turn (facts/agents.md 6).
const WORDS: Budget = Budget {
    deadline: Duration::from_secs(2),
    bytes: 8 * 1024 * 1024,
};
/// Conversations looked at, newest first.
const SESSIONS_MAX: usize = 4;
/// Messages of a conversation looked at, newest first: every step of a turn is one.
const MESSAGES_MAX: usize = 200;

/// Asks the agent's server what it is doing, with what it asks, and how its last turn in the folder that `is_here` knows failed;
/// nothing if it does not answer every question, which is no evidence.
pub(super) fn ask(agent: &Process, is_here: impl Fn(&str) -> bool) -> Vec<(Claim, String)> {
    claims(agent, is_here).unwrap_or_default()
}

fn claims(agent: &Process, is_here: impl Fn(&str) -> bool) -> Option<Vec<(Claim, String)>> {
    let port = port(&agent.argv)?;
    let text = |value: &Value, pointers: &[&str]| {
        let mut found = pointers.iter().filter_map(|at| value.pointer(at)?.as_str());
        found.next().map(short).unwrap_or_default()
    };
    let is_open = |answer: &Value| answer.as_array().is_some_and(|open| !open.is_empty());
    let permission = fetch(port, "/permission", STATUS)?;
    if is_open(&permission) {
        let words = text(
            &permission,
            &["/0/metadata/command", "/0/title", "/0/permission"],
        );
        return Some(vec![(Claim::Permission, words)]);
    }
    let question = fetch(port, "/question", STATUS)?;
    if is_open(&question) {
        let words = text(&question, &["/0/questions/0/question", "/0/question"]);
        return Some(vec![(Claim::Question, words)]);
    }
    // A session that is not in the map is idle; `busy` and `retry` are.
    let status = fetch(port, "/session/status", STATUS)?;
    let known = status.as_object()?;
    let is =
        |session: &Value, wanted: &str| session.get("type").and_then(Value::as_str) == Some(wanted);
    if known.values().all(|session| is(session, "idle")) {
        let mut claims = vec![(Claim::Idle, String::new())];
        if let Some((_, session)) = sessions(port, LIST, is_here)?.last() {
            claims.extend(failed(port, session, agent.started())?);
        }
        return Some(claims);
    }
    let mut claims = vec![(Claim::Busy, String::new())];
    for retry in known.values().filter(|session| is(session, "retry")) {
        let words = text(retry, &["/message"]);
        let next = retry.get("next").and_then(Value::as_i64);
        let next = next.and_then(|next| Timestamp::from_millisecond(next).ok());
        if is_named(&words) {
            claims.push((Claim::RateLimited(next), words));
        }
    }
    Some(claims)
}

/// Lists the conversations of the folder that `is_here` knows, the newest last, each with when it was changed.
fn sessions(
    port: u16,
    budget: Budget,
    is_here: impl Fn(&str) -> bool,
) -> Option<Vec<(i64, String)>> {
    let text = |value: &Value, pointer: &str| Some(value.pointer(pointer)?.as_str()?.to_owned());
    let listed = fetch(port, "/session?roots=true", budget)?;
    let mut sessions: Vec<(i64, String)> = listed
        .as_array()?
        .iter()
        // Work trees of one repository share a store: the others' conversations are listed as well.
        .filter(|session| text(session, "/directory").is_some_and(|folder| is_here(&folder)))
        .filter_map(|session| {
            let updated = session.pointer("/time/updated")?.as_i64()?;
            Some((updated, text(session, "/id").filter(|id| is_plain(id))?))
        })
        .collect();
    sessions.sort();
    Some(sessions)
}

/// Says how the last message of a conversation failed, if it did and the process that is asked wrote it; `None` without an answer.
fn failed(port: u16, session: &str, born: Option<Timestamp>) -> Option<Vec<(Claim, String)>> {
    let messages = fetch(port, &format!("/session/{session}/message?limit=1"), WORDS)?;
    let last = messages.as_array()?.last();
    let Some(info) = last.and_then(|last| last.get("info")) else {
        return Some(Vec::new());
    };
    let ended = info.pointer("/time/completed").and_then(Value::as_i64);
    let ended = ended.and_then(|at| Timestamp::from_millisecond(at).ok());
    let text = |pointer: &str| info.pointer(pointer).and_then(Value::as_str);
    let error = match text("/error/name") {
        // A person stopped it.
        None | Some("MessageAbortedError") => return Some(Vec::new()),
        Some("ProviderAuthError") => Some("authentication_failed"),
        other => other,
    };
    if ended < born {
        return Some(Vec::new());
    }
    let status = info
        .pointer("/error/data/statusCode")
        .and_then(Value::as_u64);
    let words = text("/error/data/message").unwrap_or_default();
    Some(vec![failure(status, error, words, ended)])
}

/// Finds a user's message that `speaks`, in the newest conversations of the folder that `is_here` knows; returns where it stands.
pub(super) fn prompt(
    agent: &Process,
    is_here: impl Fn(&str) -> bool,
    speaks: impl Fn(&Value) -> bool,
) -> Option<String> {
    let port = port(&agent.argv)?;
    let text = |value: &Value, pointer: &str| {
        let found = value.pointer(pointer).and_then(Value::as_str);
        found.map(str::to_owned)
    };
    let sessions = sessions(port, WORDS, is_here)?;
    for (_, session) in sessions.into_iter().rev().take(SESSIONS_MAX) {
        let path = format!("/session/{session}/message?limit={MESSAGES_MAX}");
        let Some(messages) = fetch(port, &path, WORDS) else {
            continue;
        };
        let is_ours = |message: &&Value| {
            let is_users = text(message, "/info/role").is_some_and(|role| role == "user");
            is_users && message.get("parts").is_some_and(&speaks)
        };
        if let Some(message) = messages.as_array()?.iter().find(is_ours) {
            let id = text(message, "/info/id").filter(|id| is_plain(id))?;
            return Some(format!("message {id} of {session}"));
        }
    }
    None
}

/// Returns whether an id that an agent wrote may be part of a path and of a witness.
pub(super) fn is_plain(name: &str) -> bool {
    !name.is_empty()
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
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
fn fetch(port: u16, path: &str, budget: Budget) -> Option<Value> {
    let deadline = Instant::now() + budget.deadline;
    let left =
        || Some(deadline.saturating_duration_since(Instant::now())).filter(|left| !left.is_zero());
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let mut stream = TcpStream::connect_timeout(&address, budget.deadline).ok()?;
    stream.set_write_timeout(Some(budget.deadline)).ok()?;
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
        if answer.len() > budget.bytes {
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

    /// An agent whose server gives these answers, by the beginning of the path.
    fn serving(answers: &'static [(&'static str, &'static str)]) -> Process {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut line = String::new();
                std::io::BufReader::new(stream.try_clone().unwrap())
                    .read_line(&mut line)
                    .unwrap();
                let path = line.split(' ').nth(1).unwrap();
                let known = answers.iter().find(|(begin, _)| path.starts_with(begin));
                let body = known.map_or("", |(_, body)| body);
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
        Process {
            pid: 1,
            parent: 0,
            group: 1,
            name: "opencode".into(),
            argv,
            start_ticks: 0,
            foreground: true,
        }
    }

    #[test]
    fn a_session_without_a_status_is_idle_and_silence_is_nothing() {
        const NONE: [(&str, &str); 2] = [("/permission", "[]"), ("/question", "[]")];
        let status = |answers| ask(&serving(answers), |folder| folder == "/src");
        let says = |claim: Claim, words: &str| vec![(claim, words.to_owned())];
        assert_eq!(
            status(&[
                NONE[0],
                NONE[1],
                ("/session/status", "{}"),
                ("/session", "[]")
            ]),
            says(Claim::Idle, "")
        );
        assert_eq!(status(&[NONE[0], NONE[1], ("/session/status", "{}")]), []);
        let of = |said: &str| {
            let said: &'static str = said.to_owned().leak();
            status(vec![NONE[0], NONE[1], ("/session/status", said)].leak())
        };
        assert_eq!(of(r#"{"ses_1":{"type":"busy"}}"#), says(Claim::Busy, ""));
        let retry = |words: &str| {
            of(&format!(
                r#"{{"ses_1":{{"type":"retry","attempt":2,"message":"{words}","next":1795309386000}}}}"#
            ))
        };
        assert_eq!(retry("Overloaded"), says(Claim::Busy, ""));
        let until = Timestamp::from_second(1_795_309_386).ok();
        assert_eq!(
            retry("usage limit reached")[1],
            (Claim::RateLimited(until), "usage limit reached".to_owned())
        );
        assert_eq!(
            status(&[
                (
                    "/permission",
                    r#"[{"id":"per_1","permission":"bash","metadata":{"command":"rm x"}}]"#
                ),
                NONE[1]
            ]),
            says(Claim::Permission, "rm x")
        );
        assert_eq!(
            status(&[
                NONE[0],
                (
                    "/question",
                    r#"[{"questions":[{"question":"Which colour?"}]}]"#
                )
            ]),
            says(Claim::Question, "Which colour?")
        );
        assert_eq!(status(&[NONE[0], NONE[1], ("/session/status", "oops")]), []);
        assert_eq!(port(&["x".into(), "--port=70000".into()]), None);
        assert_eq!(port(&["x".into(), "--port=7000".into()]), Some(7000));
    }

    /// What 1.18.33 answers after a turn that failed (`error`), in the newest conversation of its folder.
    #[test]
    fn a_turn_that_failed_is_told_until_the_next_message() {
        let of = |message: &str| {
            let message: &'static str = message.to_owned().leak();
            let answers = vec![
                ("/permission", "[]"),
                ("/question", "[]"),
                ("/session/status", "{}"),
                ("/session/ses_new/message", message),
                (
                    "/session",
                    r#"[{"id":"ses_new","directory":"/src","time":{"updated":2}},
                        {"id":"ses_old","directory":"/src","time":{"updated":1}},
                        {"id":"ses_there","directory":"/other","time":{"updated":3}}]"#,
                ),
            ];
            ask(&serving(answers.leak()), |folder| folder == "/src")
        };
        let failed = |error: &str| {
            of(&format!(
                r#"[{{"info":{{"role":"assistant","time":{{"created":4102444800000,"completed":4102444801000}},"error":{error}}},"parts":[]}}]"#
            ))
        };
        let api = |status: u32| {
            let claims = failed(&format!(
                r#"{{"name":"APIError","data":{{"message":"oops","statusCode":{status},"isRetryable":false}}}}"#
            ));
            assert_eq!(claims[0], (Claim::Idle, String::new()));
            assert_eq!(claims[1].1, "oops");
            claims[1].0.clone()
        };
        assert_eq!(api(401), Claim::Login);
        assert_eq!(api(400), Claim::Refused);
        assert_eq!(api(503), Claim::Failed);
        let idle = [(Claim::Idle, String::new())];
        let aborted = r#"{"name":"MessageAbortedError","data":{"message":"Aborted"}}"#;
        assert_eq!(failed(aborted), idle, "a person stopped it");
        assert_eq!(failed("null"), idle);
        assert_eq!(of("[]"), idle, "a conversation of which nothing is said");
        assert_eq!(of("oops"), [], "no answer is no evidence");
    }

    #[test]
    fn a_users_message_of_this_folder_is_a_receipt_and_nothing_else_is() {
        let agent = serving(&[
            (
                "/session/ses_here/message",
                r#"[{"info":{"id":"msg_1","role":"assistant"},"parts":[{"type":"text","text":"ab12cd34"}]},
                    {"info":{"id":"msg_2","role":"user"},"parts":[{"type":"text","text":"Task ab12cd34: x"}]}]"#,
            ),
            (
                "/session/ses_there/message",
                r#"[{"info":{"id":"msg_3","role":"user"},"parts":[{"type":"text","text":"Task ef56gh78: x"}]}]"#,
            ),
            (
                "/session",
                r#"[{"id":"ses_there","directory":"/other","time":{"updated":3}},
                    {"id":"ses_torn","directory":"/src","time":{"updated":2}},
                    {"id":"ses_here","directory":"/src","time":{"updated":1}}]"#,
            ),
        ]);
        let find = |id: &str| {
            let speaks = |parts: &Value| {
                let said = parts.pointer("/0/text").and_then(Value::as_str);
                said.is_some_and(|said| said.contains(id))
            };
            prompt(&agent, |folder| folder == "/src", speaks)
        };
        assert_eq!(
            find("ab12cd34").as_deref(),
            Some("message msg_2 of ses_here")
        );
        assert_eq!(find("ef56gh78"), None, "another folder's conversation");
    }
}

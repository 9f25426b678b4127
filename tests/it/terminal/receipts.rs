//! Receipts, on files.

use pointsman::domain::{DeliveryId, Profile, Signals};
use pointsman::terminal::receipt::{
    HookSpool, Offsets, ReceiptKind, Whereabouts, find_receipt, hooks_settings, may_continue,
    receipt_offsets,
};
use std::io::Write as _;
use std::path::Path;
use tempfile::TempDir;

use crate::support::tmux::profile;

fn with(signals: Signals, dir: &Path) -> (Profile, Whereabouts) {
    let profile = Profile {
        signals,
        ..profile(dir)
    };
    let at = Whereabouts {
        home: dir.to_owned(),
        cwd: "/src/my.app".into(),
        agent: None,
        session: Some("s-1".into()),
        hooks: Some(spool(&dir.join("spool.jsonl"))),
    };
    (profile, at)
}

fn spool(path: &Path) -> HookSpool {
    HookSpool {
        path: path.to_owned(),
        secret: "s3cr3t".to_owned(),
    }
}

fn write(path: &Path, text: &str) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(path)
        .unwrap()
        .write_all(text.as_bytes())
        .unwrap();
}

#[test]
fn only_a_users_words_after_the_baseline_are_a_receipt() {
    let dir = TempDir::new().unwrap();
    let (profile, at) = with(
        Signals {
            claude_sessions: true,
            ..Signals::default()
        },
        dir.path(),
    );
    let path = dir.path().join(".claude/projects/-src-my-app/s-1.jsonl");
    let kind = |since: &Offsets| {
        find_receipt(&profile, &at, since, &DeliveryId::new("ab12cd34")).map(|receipt| receipt.kind)
    };
    let line = |value: serde_json::Value| value.to_string() + "\n";
    write(
        &path,
        &line(
            serde_json::json!({"type": "user", "message": {"content": "Task ab12cd34: an earlier life"}}),
        ),
    );
    let since = receipt_offsets(&profile, &at);
    assert_eq!(kind(&since), None);
    assert_eq!(
        kind(&Offsets::default()),
        Some(ReceiptKind::Prompt),
        "without a baseline everything counts"
    );
    let others = [
        serde_json::json!({"type": "assistant", "message": {"content": "I read ab12cd34"}}),
        serde_json::json!({"type": "user", "message": {"content": [{"type": "tool_result", "content": "ab12cd34"}]}}),
        serde_json::json!({"type": "user", "message": {"content": "Task xab12cd34x: another"}}),
    ];
    for other in others {
        write(&path, &line(other));
    }
    assert_eq!(kind(&since), None);
    write(
        &path,
        &line(
            serde_json::json!({"type": "queue-operation", "operation": "enqueue", "content": "Task ab12cd34: x"}),
        ),
    );
    assert_eq!(kind(&since), Some(ReceiptKind::Queued));
    let prompt = line(
        serde_json::json!({"type": "user", "message": {"content": [{"type": "text", "text": "Task ab12cd34: x"}]}}),
    );
    write(&path, &prompt[..40]);
    assert_eq!(
        kind(&since),
        Some(ReceiptKind::Queued),
        "a torn line is left for later"
    );
    write(&path, &prompt[40..]);
    assert_eq!(kind(&since), Some(ReceiptKind::Prompt));
}

#[test]
#[expect(clippy::disallowed_methods, reason = "a test is an edge")]
fn the_hook_spools_each_prompt_as_one_line() {
    let dir = TempDir::new().unwrap();
    let (profile, at) = with(
        Signals {
            claude_hooks: true,
            ..Signals::default()
        },
        dir.path(),
    );
    let spool = spool(&dir.path().join("it's a spool"));
    let at = Whereabouts {
        hooks: Some(spool.clone()),
        ..at
    };
    let settings = hooks_settings(&spool);
    let command = settings
        .pointer("/hooks/UserPromptSubmit/0/hooks/0/command")
        .unwrap()
        .as_str()
        .unwrap();
    for prompt in ["before", "Task ab12cd34: read %s \\n \"it\""] {
        let event = serde_json::json!({"hook_event_name": "UserPromptSubmit", "session_id": "s-1", "prompt": prompt}).to_string();
        let mut child = std::process::Command::new("/bin/sh")
            .arg("-c")
            .arg(command)
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        child
            .stdin
            .take()
            .unwrap()
            .write_all(event.as_bytes())
            .unwrap();
        let out = child.wait_with_output().unwrap();
        assert!(
            out.status.success() && out.stdout.is_empty(),
            "what a hook prints becomes context"
        );
    }
    let receipt = find_receipt(
        &profile,
        &at,
        &Offsets::default(),
        &DeliveryId::new("ab12cd34"),
    )
    .unwrap();
    assert_eq!(receipt.kind, ReceiptKind::Prompt);
    let offset = receipt.witness.strip_prefix("it's a spool at ").unwrap();
    assert_ne!(offset, "0");
    let foreign = HookSpool {
        secret: "another".to_owned(),
        ..spool
    };
    let at = Whereabouts {
        hooks: Some(foreign),
        ..at
    };
    let id = DeliveryId::new("ab12cd34");
    let found = find_receipt(&profile, &at, &Offsets::default(), &id);
    assert_eq!(found, None, "an event without this session's secret");
}

#[test]
fn a_rollout_counts_if_it_is_of_the_folder() {
    let dir = TempDir::new().unwrap();
    let (profile, at) = with(
        Signals {
            codex_rollout: true,
            ..Signals::default()
        },
        dir.path(),
    );
    let rollout = |name: &str, cwd: &str| {
        let meta = serde_json::json!({"type": "session_meta", "payload": {"cwd": cwd}});
        let user = serde_json::json!({"type": "response_item", "payload": {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Task ab12cd34: x"}]}});
        write(
            &dir.path()
                .join(format!(".codex/sessions/2026/11/20/rollout-{name}.jsonl")),
            &format!("{meta}\n{user}\n"),
        );
    };
    rollout("1-other", "/src/other");
    let find = || {
        find_receipt(
            &profile,
            &at,
            &Offsets::default(),
            &DeliveryId::new("ab12cd34"),
        )
    };
    assert_eq!(find(), None);
    rollout("2-ours", "/src/my.app");
    assert!(
        find()
            .unwrap()
            .witness
            .starts_with("rollout-2-ours.jsonl at ")
    );
}

#[test]
fn a_generic_transcript_is_found_by_its_template() {
    let dir = TempDir::new().unwrap();
    let (profile, at) = with(
        Signals {
            transcript: Some("{home}/*{cwd_dashes}/*lk.jsonl".into()),
            ..Signals::default()
        },
        dir.path(),
    );
    assert_eq!(
        find_receipt(
            &profile,
            &at,
            &Offsets::default(),
            &DeliveryId::new("ab12cd34")
        ),
        None
    );
    write(
        &dir.path().join("t-src-my-app/talk.jsonl"),
        "not json ab12cd34\n{\"type\":\"user\",\"content\":[{\"text\":\"Task ab12cd34: x\"}]}\n",
    );
    let receipt = find_receipt(
        &profile,
        &at,
        &Offsets::default(),
        &DeliveryId::new("ab12cd34"),
    )
    .unwrap();
    assert_eq!(receipt.witness, "talk.jsonl at 18");
}

#[test]
fn claude_code_goes_on_only_where_a_conversation_is_kept() {
    let dir = TempDir::new().unwrap();
    let (others, at) = with(Signals::default(), dir.path());
    assert!(
        may_continue(&others, &at.home, &at.cwd),
        "nobody knows where others keep theirs"
    );
    let signals = Signals {
        claude_sessions: true,
        ..Signals::default()
    };
    let (profile, at) = with(signals, dir.path());
    assert!(!may_continue(&profile, &at.home, &at.cwd));
    let folder = at.home.join(".claude/projects/-src-my-app");
    std::fs::create_dir_all(&folder).unwrap();
    assert!(!may_continue(&profile, &at.home, &at.cwd));
    write(&folder.join("s-1.jsonl"), "{}\n");
    assert!(may_continue(&profile, &at.home, &at.cwd));
}

/// An agent that ours starts (`claude -p`) runs the same hooks, and may quote the line that it was told.
#[test]
fn a_hook_of_another_conversation_is_no_receipt() {
    let dir = TempDir::new().unwrap();
    let signals = Signals {
        claude_hooks: true,
        ..Signals::default()
    };
    let (profile, at) = with(signals, dir.path());
    let spool = at.hooks.clone().unwrap();
    let says = |session: &str| {
        let event = serde_json::json!({"hook_event_name": "UserPromptSubmit", "session_id": session, "prompt": "Task ab12cd34: x"});
        let line = serde_json::json!({"by": spool.secret, "hook": event});
        write(&spool.path, &(line.to_string() + "\n"));
    };
    let found = |at: &Whereabouts| {
        let id = DeliveryId::new("ab12cd34");
        find_receipt(&profile, at, &Offsets::default(), &id).is_some()
    };
    says("nested");
    assert!(!found(&at), "the pane's conversation is s-1");
    says("s-1");
    assert!(found(&at));
    let unknown = Whereabouts {
        session: None,
        ..at
    };
    assert!(
        found(&unknown),
        "who does not know its conversation believes the id"
    );
}

/// A daemon that died between paste and baseline looks in everything: what was written last is what counts.
#[test]
fn a_receipt_at_the_end_of_a_huge_transcript_is_found_without_a_baseline() {
    let dir = TempDir::new().unwrap();
    let signals = Signals {
        transcript: Some("{home}/t.jsonl".to_owned()),
        ..Signals::default()
    };
    let (profile, at) = with(signals, dir.path());
    let path = dir.path().join("t.jsonl");
    write(&path, "");
    let file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
    file.set_len(20 * 1024 * 1024).unwrap();
    let said = serde_json::json!({"type": "user", "text": "Task ab12cd34: x"});
    write(&path, &format!("\n{said}\n"));
    let id = DeliveryId::new("ab12cd34");
    let receipt = find_receipt(&profile, &at, &Offsets::default(), &id);
    assert_eq!(receipt.unwrap().witness, "t.jsonl at 20971521");
}

//! Homes in which an agent was set up as a person would: an account (the mock's), no onboarding, its own permission settings.

use std::path::{Path, PathBuf};

use serde_json::json;

const KEY: &str = "mock-mock-mock-00000000000000000000";

/// An agent program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Agent {
    ClaudeCode,
    Codex,
    OpenCode,
    Gemini,
}

/// Whether the project's folder was trusted before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trust {
    Given,
    Missing,
}

impl Agent {
    /// Its profile.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::ClaudeCode => "claude-code",
            Self::Codex => "codex",
            Self::OpenCode => "opencode",
            Self::Gemini => "gemini",
        }
    }

    /// What a receipt of its own looks like.
    pub(super) fn receipt(self) -> &'static str {
        match self {
            Self::ClaudeCode => ".jsonl at ",
            Self::Codex => "rollout-",
            Self::OpenCode => " of ses_",
            Self::Gemini => "session-",
        }
    }

    /// What the daemon's own environment has of its account.
    pub(super) fn offered(self, url: &str) -> Vec<(&'static str, String)> {
        match self {
            Self::ClaudeCode => vec![
                ("ANTHROPIC_BASE_URL", url.to_owned()),
                ("ANTHROPIC_API_KEY", KEY.to_owned()),
                ("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1".to_owned()),
            ],
            Self::Codex | Self::OpenCode => vec![("OPENAI_API_KEY", KEY.to_owned())],
            Self::Gemini => vec![
                ("GEMINI_API_KEY", KEY.to_owned()),
                ("GOOGLE_GEMINI_BASE_URL", url.to_owned()),
            ],
        }
    }

    /// Writes its settings below a home, with folders that were trusted before.
    pub(super) fn make_home(self, home: &Path, trusted: &[PathBuf], url: &str) {
        write(
            &home.join(".gitconfig"),
            "[user]\n\tname = Agent\n\temail = agent@localhost\n",
        );
        match self {
            Self::ClaudeCode => claude_code(home, trusted),
            Self::Codex => codex(home, trusted, url),
            Self::OpenCode => opencode(home, url),
            Self::Gemini => gemini(home),
        }
    }
}

fn write(path: &Path, text: &str) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

/// No onboarding, the key approved, and `touch` is what it asks about.
fn claude_code(home: &Path, trusted: &[PathBuf]) {
    let trust = json!({ "hasTrustDialogAccepted": true, "hasCompletedProjectOnboarding": true, "projectOnboardingSeenCount": 4 });
    let mut projects = serde_json::Map::new();
    for tree in trusted {
        projects.insert(tree.to_string_lossy().into_owned(), trust.clone());
    }
    let setup = json!({
        "hasCompletedOnboarding": true, "theme": "dark", "numStartups": 10, "hasSeenAutoDefaultNotice": true, "hasSeenAutoDefaultNudge": true,
        "lastReleaseNotesSeen": "2.1.328", "projects": projects,
        "customApiKeyResponses": { "approved": [&KEY[KEY.len() - 20..]], "rejected": [] },
    });
    write(&home.join(".claude.json"), &setup.to_string());
    let settings = json!({ "permissions": { "defaultMode": "default", "allow": ["Bash", "Read", "Write", "Edit"], "ask": ["Bash(touch:*)"] } });
    write(&home.join(".claude/settings.json"), &settings.to_string());
}

/// Its sandbox and its approvals are as it ships them.
fn codex(home: &Path, trusted: &[PathBuf], url: &str) {
    let mut text = format!(
        r#"model = "mock-model"
model_provider = "mock"
[model_providers.mock]
name = "mock"
base_url = "{url}/v1"
wire_api = "responses"
env_key = "OPENAI_API_KEY"
"#
    );
    for tree in trusted {
        text += &format!(
            "[projects.{:?}]\ntrust_level = \"trusted\"\n",
            tree.display().to_string()
        );
    }
    write(&home.join(".codex/config.toml"), &text);
}

/// `touch` is what it asks about; everything else it does unasked, as it ships.
fn opencode(home: &Path, url: &str) {
    let model = |name: &str| json!({ "name": name, "tool_call": true, "limit": { "context": 200_000, "output": 8192 } });
    let settings = json!({
        "model": "mock/mock-model", "small_model": "mock/mock-small",
        "provider": { "mock": {
            "npm": "@ai-sdk/openai-compatible", "name": "Mock",
            "options": { "baseURL": format!("{url}/v1"), "apiKey": "{env:OPENAI_API_KEY}" },
            "models": { "mock-model": model("Mock Model"), "mock-small": model("Mock Small") },
        } },
        "permission": { "bash": { "*": "allow", "touch *": "ask" } },
    });
    write(
        &home.join(".config/opencode/opencode.json"),
        &settings.to_string(),
    );
}

/// The shell and the file tools are allowed and may see what git ignores, as a person does who lets it work.
fn gemini(home: &Path) {
    let settings = json!({
        "security": { "auth": { "selectedType": "gemini-api-key" }, "folderTrust": { "enabled": false } },
        "general": { "enableAutoUpdate": false, "enableAutoUpdateNotification": false, "defaultApprovalMode": "auto_edit" },
        "privacy": { "usageStatisticsEnabled": false },
        "tools": { "allowed": ["run_shell_command", "read_file", "write_file"] },
        "context": { "fileFiltering": { "respectGitIgnore": false } },
    });
    write(&home.join(".gemini/settings.json"), &settings.to_string());
}

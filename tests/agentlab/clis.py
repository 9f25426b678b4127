"""clis.py - each agent CLI as somebody has set it up: an account (the mock's), no onboarding, its own permission settings.

`AGENTS[name]` has `make(home, tree, trusted, url) -> (argv, env)`, which writes the settings below a home, and what its screen shows when
it takes text. `touch` is what every one asks about; Codex asks when a command wants out of its sandbox (`[[mock:bash !touch made]]`).
"""
import json, os
from collections import namedtuple

KEY = "mock-mock-mock-00000000000000000000"
# `ready`: the composer stands; `trust`: the dialog of a folder that nobody trusted yet; `asks`: what makes it ask a person; `questions`:
# whether it has a tool for that; `leave`: what ends it.
Agent = namedtuple("Agent", "make program ready trust asks questions leave")


def write(path, text):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as file:
        file.write(text)


def claude(home, trees, url):
    trust = {"hasTrustDialogAccepted": True, "hasCompletedProjectOnboarding": True, "projectOnboardingSeenCount": 4}
    write(home + "/.claude.json", json.dumps({"hasCompletedOnboarding": True, "theme": "dark", "numStartups": 10,
          "hasSeenAutoDefaultNotice": True, "hasSeenAutoDefaultNudge": True, "lastReleaseNotesSeen": "2.1.328",
          "projects": {tree: trust for tree in trees}, "customApiKeyResponses": {"approved": [KEY[-20:]], "rejected": []}}))
    write(home + "/.claude/settings.json", json.dumps({"permissions": {"defaultMode": "default", "allow": ["Bash", "Read", "Write", "Edit"],
          "ask": ["Bash(touch:*)"]}}))
    return ["claude"], {"ANTHROPIC_BASE_URL": url, "ANTHROPIC_API_KEY": KEY, "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
                        "DISABLE_AUTOUPDATER": "1"}


def codex(home, trees, url):
    text = 'model = "mock-model"\nmodel_provider = "mock"\n[model_providers.mock]\nname = "mock"\nbase_url = "%s/v1"\n' % url
    text += 'wire_api = "responses"\nenv_key = "OPENAI_API_KEY"\n'
    for tree in trees:
        text += '[projects."%s"]\ntrust_level = "trusted"\n' % tree
    write(home + "/.codex/config.toml", text)
    return ["codex", "--no-daemon", "-c", "check_for_update_on_startup=false"], {"OPENAI_API_KEY": KEY}


def opencode(home, trees, url):
    model = {"name": "Mock Model", "tool_call": True, "limit": {"context": 200000, "output": 8192}}
    provider = {"npm": "@ai-sdk/openai-compatible", "name": "Mock", "models": {"mock-model": model, "mock-small": model},
                "options": {"baseURL": url + "/v1", "apiKey": "{env:OPENAI_API_KEY}"}}
    write(home + "/.config/opencode/opencode.json", json.dumps({"model": "mock/mock-model", "small_model": "mock/mock-small",
          "provider": {"mock": provider}, "permission": {"bash": {"*": "allow", "touch *": "ask"}}}))
    return ["opencode"], {"OPENAI_API_KEY": KEY, "OPENCODE_DISABLE_AUTOUPDATE": "1", "OPENCODE_DISABLE_MODELS_FETCH": "1"}


def gemini(home, trees, url):
    write(home + "/.gemini/settings.json", json.dumps({"security": {"auth": {"selectedType": "gemini-api-key"},
          "folderTrust": {"enabled": not trees}}, "general": {"enableAutoUpdate": False, "enableAutoUpdateNotification": False},
          "privacy": {"usageStatisticsEnabled": False}, "context": {"fileFiltering": {"respectGitIgnore": False}}}))
    return ["gemini"], {"GEMINI_API_KEY": KEY, "GOOGLE_GEMINI_BASE_URL": url}


def aider(home, trees, url):
    write(home + "/.aider.conf.yml", "model: openai/mock-model\nopenai-api-base: %s/v1\nshow-model-warnings: false\n" % url)
    argv = ["aider", "--no-check-update", "--no-show-release-notes", "--no-gitignore", "--analytics-disable"]
    return argv, {"OPENAI_API_KEY": KEY}


AGENTS = {
    "claude-code": Agent(claude, "claude", "^❯", "Quick safety check", "touch made", True, "/exit"),
    "codex": Agent(codex, "codex", "^› ", "Trust this folder", "!touch made", False, "/quit"),
    "opencode": Agent(opencode, "opencode", "Ask anything|ctrl.p commands", None, "touch made", True, "/exit"),
    "gemini": Agent(gemini, "gemini", "Type your message", "Do you trust", "touch made", True, "/quit"),
    "aider": Agent(aider, "aider", "^> ?$", None, None, False, "/exit"),
}

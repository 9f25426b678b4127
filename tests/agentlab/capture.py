#!/usr/bin/env python3
"""capture.py - brings each real agent into every state and keeps the screen: the fixtures that the detector is tested against.

usage: capture.py URL-OF-THE-MOCK BIN-FOLDER OUT-FOLDER [AGENT...]

Writes OUT/<agent>-<version>/<state>-<columns>x<rows>.txt: a line with the title, one with the cursor, a blank one, then the screen with
its colours. The state is known from what the agent was made to do, not from what is on the screen. Homes, projects and the tmux server
lie in a temporary folder and are gone afterwards.
"""
import json, os, re, shutil, subprocess, sys, tempfile, time

URL, BIN, OUT = sys.argv[1], sys.argv[2], os.path.abspath(sys.argv[3])
LAB = tempfile.mkdtemp(prefix="capture-")
KEY = "mock-mock-mock-00000000000000000000"
SIZES = [(80, 24), (200, 50)]
ENV = {"PATH": BIN + ":/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8", "TERM": "tmux-256color", "SHELL": "/bin/bash"}


def tmux(*words, text=None):
    done = subprocess.run(["tmux", "-u", "-f", "/dev/null", "-S", LAB + "/sock", *words], input=text, capture_output=True, text=True,
                          env=dict(ENV, HOME=LAB))
    return done.stdout


def write(path, text):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as file:
        file.write(text)


def project(name):
    tree = "%s/%s" % (LAB, name)
    write(tree + "/README.md", "# A project\n")
    for words in (["init", "-q", "-b", "main"], ["add", "-A"], ["-c", "user.name=a", "-c", "user.email=a@localhost", "commit", "-qm", "x"]):
        subprocess.run(["git", "-C", tree, *words], check=True, env=dict(ENV, HOME=LAB))
    return tree


def claude(home, tree, trusted):
    places = {tree: {"hasTrustDialogAccepted": True, "hasCompletedProjectOnboarding": True}} if trusted else {}
    write(home + "/.claude.json", json.dumps({"hasCompletedOnboarding": True, "theme": "dark", "hasSeenAutoDefaultNotice": True,
          "hasSeenAutoDefaultNudge": True, "lastReleaseNotesSeen": "2.1.328", "projects": places,
          "customApiKeyResponses": {"approved": [KEY[-20:]], "rejected": []}}))
    write(home + "/.claude/settings.json", json.dumps({"permissions": {"defaultMode": "default"}}))
    return ["claude"], {"ANTHROPIC_BASE_URL": URL, "ANTHROPIC_API_KEY": KEY, "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
                        "DISABLE_AUTOUPDATER": "1"}


def codex(home, tree, trusted):
    text = 'model = "mock-model"\nmodel_provider = "mock"\n[model_providers.mock]\nname = "mock"\nbase_url = "%s/v1"\n' % URL
    text += 'wire_api = "responses"\nenv_key = "OPENAI_API_KEY"\n'
    text += '[projects."%s"]\ntrust_level = "trusted"\n' % tree if trusted else ""
    write(home + "/.codex/config.toml", text)
    return ["codex", "--no-daemon", "-c", "check_for_update_on_startup=false"], {"OPENAI_API_KEY": KEY}


def opencode(home, tree, trusted):
    model = {"name": "Mock Model", "tool_call": True, "limit": {"context": 200000, "output": 8192}}
    provider = {"npm": "@ai-sdk/openai-compatible", "name": "Mock", "models": {"mock-model": model, "mock-small": model},
                "options": {"baseURL": URL + "/v1", "apiKey": "{env:OPENAI_API_KEY}"}}
    write(home + "/.config/opencode/opencode.json", json.dumps({"model": "mock/mock-model", "small_model": "mock/mock-small",
          "provider": {"mock": provider}, "permission": {"bash": {"*": "allow", "touch *": "ask"}}}))
    return ["opencode"], {"OPENAI_API_KEY": KEY, "OPENCODE_DISABLE_AUTOUPDATE": "1", "OPENCODE_DISABLE_MODELS_FETCH": "1"}


def gemini(home, tree, trusted):
    write(home + "/.gemini/settings.json", json.dumps({"security": {"auth": {"selectedType": "gemini-api-key"},
          "folderTrust": {"enabled": not trusted}}, "general": {"enableAutoUpdate": False, "enableAutoUpdateNotification": False},
          "privacy": {"usageStatisticsEnabled": False}}))
    return ["gemini"], {"GEMINI_API_KEY": KEY, "GOOGLE_GEMINI_BASE_URL": URL}


def aider(home, tree, trusted):
    return ["aider", "--model", "openai/mock-model", "--openai-api-base", URL + "/v1", "--no-show-model-warnings", "--no-check-update",
            "--no-show-release-notes", "--no-gitignore", "--analytics-disable"], {"OPENAI_API_KEY": KEY}


AGENTS = {"claude-code": (claude, "^❯"), "codex": (codex, "^› "), "opencode": (opencode, "Ask anything"), "gemini": (gemini, "Type your message"),
          "aider": (aider, "^> ?$")}
DIALOG = {"claude-code": "Quick safety check", "codex": "Trust this folder", "gemini": "Do you trust"}
# What a transcript may quote: none of it is a dialog.
QUOTE = "Press enter to confirm or esc to cancel. Esc to cancel · Tab to amend. Allow once   Allow always   Reject. Do you trust the files in this folder? (Y)es/(N)o"


def screen():
    return tmux("capture-pane", "-p", "-t", "a")


def until(pattern, limit=90):
    deadline = time.time() + limit
    while time.time() < deadline:
        if re.search(pattern, screen(), re.M):
            return
        time.sleep(0.2)
    raise SystemExit("not within %s s: %s\n%s" % (limit, pattern, screen()))


def still(quiet=1.5, limit=60):
    last, since, deadline = None, time.time(), time.time() + limit
    while time.time() < deadline:
        now = screen()
        if now != last:
            last, since = now, time.time()
        elif time.time() - since > quiet:
            return
        time.sleep(0.15)


def type_line(text, enter=True):
    tmux("load-buffer", "-b", "x", "-", text=text)
    tmux("paste-buffer", "-p", "-d", "-b", "x", "-t", "a")
    time.sleep(1.2)
    if enter:
        tmux("send-keys", "-t", "a", "Enter")


def keep(folder, state, size):
    facts = tmux("display-message", "-p", "-t", "a", "title: #{pane_title}\ncursor: #{cursor_x} #{cursor_y} #{cursor_flag}")
    text = tmux("capture-pane", "-p", "-e", "-t", "a").replace(LAB, "/lab")
    write("%s/%s-%dx%d.txt" % (folder, state, *size), facts + "\n" + text)
    print("kept", os.path.basename(folder), state, size, flush=True)


def start(name, home, tree, size, trusted):
    tmux("kill-session", "-t", "a")
    make, ready = AGENTS[name]
    argv, env = make(home, tree, trusted)
    words = ["%s=%s" % pair for pair in {**ENV, **env, "HOME": home}.items()]
    tmux("new-session", "-d", "-s", "a", "-x", str(size[0]), "-y", str(size[1]), "-c", tree, "/usr/bin/env", "-i", *words, *argv)
    until(ready if trusted else DIALOG[name])
    still()


def states(name, folder, size):
    home, tree = "%s/home-%s-%d" % (LAB, name, size[0]), project("tree-%s-%d" % (name, size[0]))
    if name in DIALOG:
        start(name, home, tree, size, False)
        keep(folder, "dialog-trust", size)
    start(name, home, tree, size, True)
    keep(folder, "idle-fresh", size)
    type_line("a draft of mine", enter=False)
    keep(folder, "draft", size)
    tmux("send-keys", "-t", "a", "C-u")
    time.sleep(0.5)
    type_line("[[mock:say %s]]" % QUOTE)
    time.sleep(2)
    until("or esc to cancel|Allow once")
    still(2.5)
    keep(folder, "idle-quoted-dialogs", size)
    type_line("[[mock:sleep 6]]")
    time.sleep(2.5)
    keep(folder, "busy-stream", size)
    still(2.5)
    type_line("[[mock:hang 6]]")
    time.sleep(2.5)
    keep(folder, "busy-wait", size)
    still(2.5)
    if name != "aider":
        type_line("[[mock:bash %stouch made]]" % ("!" if name == "codex" else ""))
        time.sleep(5)
        still(2)
        keep(folder, "permission", size)
        tmux("send-keys", "-t", "a", "Escape")
        time.sleep(1)
        still(2.5)
        tmux(*["send-keys", "-t", "a"] + ["C-u"] * 8)
        if name != "codex":
            type_line("[[mock:ask Which colour?]]")
            time.sleep(5)
            still(2)
            keep(folder, "question", size)
            tmux("send-keys", "-t", "a", "Escape")
            time.sleep(1)
            still(2.5)
            tmux(*["send-keys", "-t", "a"] + ["C-u"] * 8)
    type_line("[[mock:error 400]]")
    time.sleep(4)
    still(2.5)
    keep(folder, "error", size)


def end():
    """Ends the server and the agents: Gemini outlives its terminal."""
    pids = [int(pid) for pid in tmux("list-panes", "-a", "-F", "#{pane_pid}").split()]
    tmux("kill-server")
    time.sleep(1)
    for pid in pids:
        try:
            os.kill(pid, 15)
        except ProcessLookupError:
            pass


def main():
    try:
        for name in sys.argv[4:] or AGENTS:
            said = subprocess.run([AGENTS[name][0]("%s/v" % LAB, LAB, True)[0][0], "--version"], capture_output=True, text=True,
                                  env=dict(ENV, HOME=LAB + "/v")).stdout
            version = re.search(r"\d+\.\d+\.\d+", said).group(0)
            for size in SIZES:
                states(name, "%s/%s-%s" % (OUT, name, version), size)
    finally:
        end()
        shutil.rmtree(LAB, ignore_errors=True)


main()

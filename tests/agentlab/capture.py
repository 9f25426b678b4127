#!/usr/bin/env python3
"""capture.py - brings each real agent into every state and keeps the screen: the fixtures that the detector is tested against.

usage: capture.py URL-OF-THE-MOCK BIN-FOLDER OUT-FOLDER [AGENT...]      CAPTURE_SIZES=100x30,80x24: other sizes

Writes OUT/<agent>-<version>/<state>-<columns>x<rows>.txt: a line with the title, one with the cursor, one with what is true, a blank one,
then the screen with its colours. The state is known from what the agent was made to do, not from what is on the screen. Homes, projects and the tmux server
lie in a temporary folder and are gone afterwards.
"""
import os, re, shutil, subprocess, sys, tempfile, time

from clis import AGENTS, write

URL, BIN, OUT = sys.argv[1], sys.argv[2], os.path.abspath(sys.argv[3])
LAB = tempfile.mkdtemp(prefix="capture-")
SIZES = [tuple(map(int, size.split("x"))) for size in os.environ.get("CAPTURE_SIZES", "80x24,200x50").split(",")]
TRUE = {"idle-fresh": "idle", "idle-quoted-dialogs": "idle", "error": "idle|error", "idle-after-errors": "idle", "dialog-model": "dialog",
        "login-none": "login", "login-said": "login", "login-401": "login", "login-403": "login", "refused-400": "refused", "refused-404": "refused", "busy-stream": "busy", "busy-wait": "busy", "dialog-trust": "dialog"}
ENV = {"PATH": BIN + ":/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8", "TERM": "tmux-256color", "SHELL": "/bin/bash"}


def tmux(*words, text=None):
    done = subprocess.run(["tmux", "-u", "-f", "/dev/null", "-S", LAB + "/sock", *words], input=text, capture_output=True, text=True,
                          env=dict(ENV, HOME=LAB))
    return done.stdout


def project(name):
    tree = "%s/%s" % (LAB, name)
    write(tree + "/README.md", "# A project\n")
    for words in (["init", "-q", "-b", "main"], ["add", "-A"], ["-c", "user.name=a", "-c", "user.email=a@localhost", "commit", "-qm", "x"]):
        subprocess.run(["git", "-C", tree, *words], check=True, env=dict(ENV, HOME=LAB))
    return tree


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


def done():
    """Waits until it has tried as often as it will."""
    while True:
        still(2.5)
        if not re.search("retrying|esc to (interrupt|cancel)|esc interrupt", screen()):
            return


def keep(folder, state, size):
    facts = tmux("display-message", "-p", "-t", "a", "title: #{pane_title}\ncursor: #{cursor_x} #{cursor_y} #{cursor_flag}")
    text = tmux("capture-pane", "-p", "-e", "-t", "a").replace(LAB, "/lab")
    write("%s/%s-%dx%d.txt" % (folder, state, *size), "%strue: %s\n\n%s" % (facts, TRUE.get(state, state), text))
    print("kept", os.path.basename(folder), state, size, flush=True)


def run(home, tree, size, argv, env):
    tmux("kill-session", "-t", "a")
    time.sleep(1)
    # It tries ten times by itself, for minutes, before it says so.
    words = ["%s=%s" % pair for pair in {**ENV, "CLAUDE_CODE_MAX_RETRIES": "1", **env, "HOME": home}.items()]
    tmux("new-session", "-d", "-s", "a", "-x", str(size[0]), "-y", str(size[1]), "-c", tree, "/usr/bin/env", "-i", *words, *argv)


def start(name, home, tree, size, trusted):
    cli = AGENTS[name]
    argv, env = cli.make(home, [tree] if trusted else [], URL)
    run(home, tree, size, argv, env)
    until(cli.ready if trusted else cli.trust)
    still()


def states(name, folder, size):
    home, tree = "%s/home-%s-%d" % (LAB, name, size[0]), project("tree-%s-%d" % (name, size[0]))
    cli = AGENTS[name]
    if cli.trust:
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
    if cli.asks:
        type_line("[[mock:bash %s]]" % cli.asks)
        time.sleep(5)
        still(2)
        keep(folder, "permission", size)
        tmux("send-keys", "-t", "a", "Escape")
        time.sleep(1)
        still(2.5)
        tmux(*["send-keys", "-t", "a"] + ["C-u"] * 8)
        if cli.questions:
            type_line("[[mock:ask Which colour?]]")
            time.sleep(5)
            still(2)
            keep(folder, "question", size)
            tmux("send-keys", "-t", "a", "Escape")
            time.sleep(1)
            still(2.5)
            tmux(*["send-keys", "-t", "a"] + ["C-u"] * 8)
    refusals(name, folder, size)


def refusals(name, folder, size):
    """Every way in which its provider refuses it. OpenCode's screen does not say which; its own server does."""
    def refused(state, code):
        type_line("[[mock:error %d]]" % code)
        time.sleep(3)
        done()
        keep(folder, state, size)
    if name == "opencode":
        return refused("error", 400)
    for state, code in (("refused-400", 400), ("login-401", 401), ("login-403", 403)):
        refused(state, code)
    type_line("[[mock:say fine]]")
    time.sleep(4)
    still(2.5)
    keep(folder, "idle-after-errors", size)
    refused("dialog-model" if name == "gemini" else "refused-404", 404)
    bare(name, folder, size)


def bare(name, folder, size):
    """Nobody gave it a key, and nobody logged in."""
    home, tree = "%s/bare-%s-%d" % (LAB, name, size[0]), project("bare-%s-%d" % (name, size[0]))
    argv, env = AGENTS[name].make(home, [tree], URL)
    if name == "codex":
        write(home + "/.codex/config.toml", '[projects."%s"]\ntrust_level = "trusted"\n' % tree)
    run(home, tree, size, argv, {key: value for key, value in env.items() if "KEY" not in key})
    # Claude Code's notice takes turns with others at the same place.
    until("Not logged in|Sign in with|Enter Gemini API Key")
    keep(folder, "login-none", size)
    if name == "claude-code":
        type_line("hello")
        time.sleep(3)
        done()
        keep(folder, "login-said", size)


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
            said = subprocess.run([AGENTS[name].program, "--version"], capture_output=True, text=True,
                                  env=dict(ENV, HOME=LAB + "/v")).stdout
            version = re.search(r"\d+\.\d+\.\d+", said).group(0)
            for size in SIZES:
                states(name, "%s/%s-%s" % (OUT, name, version), size)
    finally:
        end()
        shutil.rmtree(LAB, ignore_errors=True)


main()

"""world.py - a home with one project, one real agent and a real `pointsman run`, and a person at its keyboard.

What the product says is read from its own ledger, what the agent was given from the mock model's log, what is on the screen from tmux.
"""
import json, os, re, shutil, signal, subprocess, tempfile, time
from contextlib import contextmanager

from clis import AGENTS, write

PROJECT = "shop"
# A fresh session's first idle: OpenCode's start took 28 s on a loaded machine.
READY_MAX = 120


@contextmanager
def mock(out, name):
    """A model for one agent; what it is asked goes to OUT/NAME.jsonl."""
    log, port = "%s/%s.jsonl" % (out, name), "%s/%s.port" % (out, name)
    for path in (log, port):
        if os.path.exists(path):
            os.remove(path)
    with open("%s/%s.mock" % (out, name), "w") as said:
        here = os.path.dirname(os.path.abspath(__file__))
        model = subprocess.Popen(["python3", "-B", here + "/mockllm.py", "--port", "0", "--port-file", port, "--log", log], stdout=said, stderr=said)
    try:
        while not os.path.exists(port) and model.poll() is None:
            time.sleep(0.1)
        with open(port) as file:
            yield "http://127.0.0.1:" + file.read(), log
    finally:
        model.terminate()
        model.wait()


class World:
    def __init__(self, name, url, bin_folder, log, binary, trusted=True):
        self.name, self.cli, self.log, self.binary = name, AGENTS[name], log, binary
        self.home = os.path.realpath(tempfile.mkdtemp(prefix="pm-"))
        self.tree, self.socket = self.home + "/" + PROJECT, self.home + "/.local/state/pointsman/run/pointsman-tmux/sock"
        self.log_from = os.path.getsize(log) if os.path.exists(log) else 0
        _, env = self.cli.make(self.home, [self.tree] if trusted else [], url)
        self.env = dict({"PATH": bin_folder + ":/usr/local/bin:/usr/bin:/bin", "HOME": self.home, "TMUX_TMPDIR": self.home, "USER": "me",
                         "LANG": "C.UTF-8", "SHELL": "/bin/bash", "TERM": "xterm-256color"}, **env)
        self.daemon, self.pane = None, None
        self.project()

    def project(self, extra=""):
        write(self.home + "/.gitconfig", "[user]\n\tname = Me\n\temail = me@localhost\n")
        write(self.tree + "/README.md", "# The shop\n\nA small project.\n")
        for words in (["init", "-q", "-b", "main"], ["add", "-A"], ["commit", "-qm", "a small project"]):
            subprocess.run(["git", "-C", self.tree, *words], check=True, env=self.env)
        remote = self.home + "/shop.git"
        subprocess.run(["git", "clone", "-q", "--bare", self.tree, remote], check=True, env=self.env)
        for words in (["remote", "add", "origin", remote], ["fetch", "-q"], ["remote", "set-head", "origin", "main"]):
            subprocess.run(["git", "-C", self.tree, *words], check=True, env=self.env)
        config = self.home + "/.config/pointsman"
        write(config + "/projects/shop.toml", 'tracker = "local"\npath = "%s"\nadded = "2020-01-01T00:00:00Z"\nagent = "%s"\nbuild = "true"\n%s'
              % (self.tree, self.name, extra))
        write(config + "/pointsman.toml", 'cycle = "10s"\n')

    # -- the product
    def start(self):
        self.out = open(self.home + "/daemon.out", "a")
        self.daemon = subprocess.Popen([self.binary, "run"], env=self.env, cwd=self.home, stdin=subprocess.DEVNULL, stdout=self.out,
                                       stderr=subprocess.STDOUT)
        deadline = time.time() + 30
        while time.time() < deadline and self.verb("status")[0] != 0:
            time.sleep(0.2)

    def kill(self):
        """The daemon is gone in the middle of whatever it did."""
        self.daemon.send_signal(signal.SIGKILL)
        self.daemon.wait()
        self.daemon = None

    def verb(self, *words, limit=120):
        try:
            done = subprocess.run([self.binary, *words], env=self.env, cwd=self.home, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                                  timeout=limit)
        except subprocess.TimeoutExpired:
            return None, "no answer within %s s" % limit
        return done.returncode, (done.stdout + done.stderr).strip()

    def say(self, text, limit=None):
        # Nothing of Aider's own says that it got something: whoever waits for that waits for ten minutes.
        return self.verb("say", PROJECT, text, limit=limit or (25 if self.name == "aider" else 90))

    def begin(self, *words):
        """A verb that is not waited for."""
        return subprocess.Popen([self.binary, *words], env=self.env, cwd=self.home, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                stderr=subprocess.DEVNULL)

    def events(self):
        done = subprocess.run([self.binary, "ledger", "show", "--json", "--project", PROJECT], env=self.env, cwd=self.home, capture_output=True,
                              text=True)
        return [json.loads(line) for line in done.stdout.splitlines()]

    # -- the person
    def tmux(self, *words, text=None):
        done = subprocess.run(["tmux", "-u", "-S", self.socket, *words], input=text, capture_output=True, text=True, env=self.env)
        return done.stdout

    @property
    def target(self):
        return self.pane or "=%s:=agent" % PROJECT

    def screen(self):
        return self.tmux("capture-pane", "-p", "-t", self.target)

    def keys(self, *keys):
        self.tmux("send-keys", "-t", self.target, *keys)

    def types(self, text, enter=True):
        self.tmux("load-buffer", "-b", "me", "-", text=text)
        self.tmux("paste-buffer", "-p", "-d", "-b", "me", "-t", self.target)
        time.sleep(1.2)
        if enter:
            self.keys("Enter")

    def until(self, holds, limit, every=0.2):
        deadline = time.time() + limit
        while time.time() < deadline:
            if holds():
                return True
            time.sleep(every)
        return False

    def shows(self, pattern, limit=60):
        return self.until(lambda: re.search(pattern, self.screen(), re.M), limit)

    def still(self, quiet=1.2, limit=40):
        last, since, deadline = None, time.time(), time.time() + limit
        while time.time() < deadline:
            now = self.screen()
            if now != last:
                last, since = now, time.time()
            elif time.time() - since > quiet:
                return True
            time.sleep(0.15)
        return False

    # -- the model
    def asked(self):
        """First requests of every turn since this world began: what the agent handed to the model, and what tools told it since."""
        if not os.path.exists(self.log):
            return []
        with open(self.log, "rb") as file:
            file.seek(self.log_from)
            lines = file.read().split(b"\n")
        found = []
        for line in lines:
            try:
                found.append(json.loads(line))
            except ValueError:
                pass
        found = [line for line in found if "user_text" in line and (line["main"] or self.name == "aider")]
        for line in found if self.name == "aider" else []:
            # It appends a reminder of its own to every request, and keeps the names of files beside the text.
            line["user_text"] = line["user_text"].split("\n\nTo suggest changes")[0]
        return found

    def prompts(self):
        return [line["user_text"] for line in self.asked() if line["rounds"] == 0]

    def turns(self):
        """Turns that are under way: asked and not ended."""
        if not os.path.exists(self.log):
            return set()
        with open(self.log, "rb") as file:
            file.seek(self.log_from)
            lines = [json.loads(line) for line in file.read().split(b"\n") if line.endswith(b"}")]
        return {line["seq"] for line in lines if "user_text" in line} - {line["seq"] for line in lines if line.get("event")}

    # -- the end
    def end(self):
        if self.daemon:
            self.daemon.terminate()
            try:
                self.daemon.wait(30)
            except subprocess.TimeoutExpired:
                self.kill()
        self.tmux("kill-server")
        time.sleep(0.5)
        for pid in self.left():      # Gemini outlives its terminal, and has a child
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        shutil.rmtree(self.home, ignore_errors=True)

    def left(self):
        """Processes whose home is this world's: a folder of its own, so nobody else's."""
        mine, found = b"HOME=" + self.home.encode(), []
        for name in os.listdir("/proc"):
            try:
                with open("/proc/%s/environ" % name, "rb") as file:
                    if name.isdigit() and mine in file.read().split(b"\0"):
                        found.append(int(name))
            except OSError:
                pass
        return found

#!/usr/bin/env python3
"""matrix.py - every real agent in every state is given text through the real binary; was the verdict true?

usage: matrix.py BIN-FOLDER BINARY OUT-FOLDER [AGENT...]
       MATRIX=full          20 times what matters, 3 times the rest (an hour and more); else once each of a small set (five minutes)
       MATRIX_MANY, MATRIX_FEW   other counts than 20 and 3
       MATRIX_CELLS=a,b     only these
       MATRIX_JOBS=n        so many agents at a time, each with a mock of its own; default 3
       MATRIX_KEEP=FOLDER   keeps the screen of each state: captures that no rule was written for

What the product says (its ledger) is held against what the model was asked (the mock's log). A verdict is wrong when it says delivered and
the model has no such line, when it says not delivered and the model has it, when a line arrives twice or beside other text, or when a key
of ours went into a dialog, a draft, copy mode or a shell. Refusing what could have been delivered is no wrong verdict: it is counted as missed.
Writes OUT/matrix.json and OUT/matrix.md; ends with 1 when a verdict was wrong.
"""
import os, random, re, subprocess, sys, threading, time
from concurrent.futures import ThreadPoolExecutor

import judge
from clis import AGENTS
from world import READY_MAX, World, mock

DRAFT = "a draft of mine"
# Several lines, a tab, letters outside of ASCII, signs that some programs take for commands, and the end of a bracketed paste.
WORDS = {"line": "the tests need node 22", "lines": "first: caf\u00e9 \u6f22\u5b57 \U0001f44d\n\tsecond, after a tab\n\nlast", "slash": "/exit and more",
         "bang": "!touch executed", "at": "@README.md is it", "hash": "# remember this", "escape": "before \x1b[201~\rafter \x1b[31mred\x07"}


class Cells:
    """The states, each reached as a person or a model would, and left again."""

    def __init__(self, world):
        self.w = world

    def settle(self):
        """Back to an empty composer: turns end, drafts go."""
        w = self.w
        w.until(lambda: not w.turns(), 30)
        w.still()

    def clear(self):
        self.w.keys(*["C-u"] * 4)
        self.settle()

    def escape(self):
        self.w.keys("Escape")
        time.sleep(1)
        self.clear()

    def idle(self):
        return True

    def draft(self):
        self.w.types(DRAFT, enter=False)
        return self.w.shows(re.escape(DRAFT), 5)

    def busy(self):
        self.w.types("[[mock:sleep 9]]")
        return self.w.until(self.w.turns, 20) and time.sleep(1.5) is None

    def waits(self):
        """Busy, and nothing comes from the model."""
        self.w.types("[[mock:hang 9]]")
        return self.w.until(self.w.turns, 20) and time.sleep(1.5) is None

    def asks(self, what, shown):
        before = self.w.screen()
        self.w.types(what)
        if not (self.w.shows(shown, 30) and self.w.screen() != before):
            return False
        self.w.still(limit=3)      # a dot may blink for as long as the dialog is open
        return True

    def permission(self):
        return self.asks("[[mock:bash %s]]" % self.w.cli.asks, r"Esc to cancel · Tab|esc to cancel|Allow once|Allow execution")

    def question(self):
        return self.asks("[[mock:ask Which colour?]]", r"Enter to select|↑↓ select|esc dismiss")

    def copy(self):
        self.w.tmux("copy-mode", "-t", self.w.target)
        return True

    def uncopy(self):
        self.w.tmux("send-keys", "-t", self.w.target, "-X", "cancel")

    def off(self):
        self.w.tmux("select-pane", "-d", "-t", self.w.target)
        return True

    def on(self):
        self.w.tmux("select-pane", "-e", "-t", self.w.target)

    def narrow(self):
        self.w.tmux("resize-window", "-x", "50", "-y", "20", "-t", self.w.target)
        return self.w.still()

    def widen(self):
        self.w.tmux("resize-window", "-x", "200", "-y", "50", "-t", self.w.target)
        self.w.still()

    def eighty(self):
        self.w.tmux("resize-window", "-x", "80", "-y", "24", "-t", self.w.target)
        return self.w.still()

    def limited(self):
        # Four times refused, then an answer: programs retry with pauses of their own.
        self.w.types("[[mock:ratelimit 4]] %d" % random.randrange(10 ** 9))
        return self.w.until(lambda: self.w.prompts(), 20) and time.sleep(2) is None

    def interrupted(self):
        self.w.types("[[mock:sleep 30]]")
        self.w.until(self.w.turns, 20)
        time.sleep(2.5)
        self.w.keys("Escape")
        if self.w.name == "opencode":      # asks to be pressed twice
            time.sleep(0.4)
            self.w.keys("Escape")
        elif self.w.name == "aider":
            self.w.keys("C-c")
        return self.w.until(lambda: not self.w.turns(), 15) and self.w.still()


# state -> how to leave it, whether text is to arrive, whether it is left alone in between. `None` for `arrives`: both are right.
STATES = {
    "idle": ("settle", True), "draft": ("clear", False), "busy": ("settle", False), "waits": ("settle", False), "permission": ("escape", False),
    "question": ("escape", False), "copy": ("uncopy", False), "off": ("on", False), "narrow": ("widen", None), "eighty": ("widen", True),
    "limited": ("settle", None), "interrupted": ("clear", None),
}
# state -> the name of its capture, and what is true of it. Claude Code gives an interrupted line back as a draft.
TRUTHS = {"idle": ("idle-fresh", "idle"), "eighty": ("idle-eighty", "idle"), "narrow": ("idle-narrow", "idle"), "draft": ("draft", "draft"),
          "busy": ("busy-stream", "busy"), "waits": ("busy-wait", "busy"), "permission": ("permission", "permission"),
          "question": ("question", "question"), "trust": ("dialog-trust", "dialog"), "limited": ("limited", "retrying"),
          "interrupted": ("idle-interrupted", "idle|draft")}
SMALL = ["idle", "draft", "permission", "busy", "copy", "say-lines", "say-escape"]
FULL = (list(STATES) + ["started", "trust", "exited"] + ["say-" + kind for kind in WORDS if kind != "line"] + ["big", "typing", "killed", "rehearse"])
MANY = {"idle", "draft", "busy", "permission"}


class Run:
    def __init__(self, at, is_full, keep, trials, out, began):
        self.at, self.is_full, self.keep, self.trials, self.out, self.began = at, is_full, keep, trials, out, began

    def world(self, name, trusted=True, up=True):
        world = World(name, *self.at, trusted=trusted)
        world.start()
        if up:
            world.verb("up", "shop")
            if trusted and not (world.shows(world.cli.ready, READY_MAX) and world.still(2)):
                print("  %s does not come up:\n%s" % (name, world.screen()), flush=True)
            if name == "opencode":
                time.sleep(6)      # its server answers later than its screen
        return world

    def agent(self, name, wanted):
        world = self.world(name)
        try:
            for cell in wanted:
                for number in range(self.repeats(cell)):
                    goes_on = self.cell(world, cell, number)
                    # Whoever ends it early has what was tried so far.
                    judge.report(self.trials, self.at[1], self.out, self.began)
                    if not goes_on:
                        world.end()
                        world = self.world(name)
        finally:
            world.end()

    def repeats(self, cell):
        if not self.is_full or cell in ("big", "rehearse"):
            return 1
        return int(os.environ.get("MATRIX_MANY", "20")) if cell in MANY else int(os.environ.get("MATRIX_FEW", "3"))

    def cell(self, world, cell, number):
        """-> whether this world can be used again."""
        if (cell == "permission" and not world.cli.asks) or (cell == "question" and not world.cli.questions) or (cell == "trust" and not world.cli.trust):
            return True
        special = getattr(self, "cell_" + cell.split("-")[0], None)
        if special:
            return special(world, cell, number)
        cells = Cells(world)
        reached = getattr(cells, cell)()
        leave, arrives = STATES[cell]
        if not reached:
            self.note(judge.Trial(world, cell, "line"), arrives, "the state was not reached")
            print(world.screen().rstrip(), flush=True)
            return False
        if number == 0:
            self.keep_screen(world, cell)
        trial = judge.Trial(world, cell, "line")
        trial.spoke(*world.say(WORDS["line"] + " %d" % number))
        self.note(trial, arrives)
        getattr(cells, leave)()
        # What is open holds the next one back for ten minutes.
        return self.rested(world, cells) and trial.verdict() not in ("open", "unconfirmed")

    def rested(self, world, cells):
        """Idle again, by what a person sees and by the model's log; a turn may be on its way to the model."""
        cells.settle()
        if world.shows(world.cli.ready, 5) and DRAFT not in world.screen().rstrip().split("\n")[-4:]:
            return True
        print("  %s did not come to rest; a new one is started\n%s" % (world.name, world.screen().rstrip()), flush=True)
        return False

    def cell_say(self, world, cell, number):
        kind = cell.partition("-")[2]
        trial = judge.Trial(world, cell, kind, WORDS[kind])
        trial.spoke(*world.say(WORDS[kind]))
        cells = Cells(world)
        cells.settle()
        self.note(trial, True)
        return self.rested(world, cells) and trial.verdict() not in ("open", "unconfirmed")

    def cell_big(self, world, cell, number):
        """An issue of 1 MB is refused with a reason; the longest that is taken is briefed, as far as a brief goes."""
        path, text = world.home + "/big.md", "".join("line %06d of a long story, with words that mean nothing\n" % at for at in range(20000))
        for size in (len(text), 250 * 1024):
            with open(path, "w") as file:
                file.write(text[:size])
            code, said = world.verb("issue", "new", "A long story", "--body-file", path)
            if (code == 0) != (size < 256 * 1024) or (code and "Hint: " not in said):
                print("  %s: an issue of %d bytes: %s %s" % (world.name, size, code, said), flush=True)
        time.sleep(12)      # a cycle, which finds the issue
        trial = judge.Trial(world, cell, "250 KB")
        trial.spoke(*world.verb("skill", "try", "prep", "1", limit=150))
        Cells(world).settle()
        self.note(trial, True)
        return False

    def cell_started(self, world, cell, number):
        """Said in the moment of the start: refused, or delivered when it takes text."""
        other = self.world(world.name, up=False)
        try:
            other.begin("up", "shop").wait(60)
            trial = judge.Trial(other, cell, "line")
            trial.spoke(*other.say(WORDS["line"]))
            other.shows(other.cli.ready, READY_MAX)
            Cells(other).settle()
            self.note(trial, None)
        finally:
            other.end()
        return True

    def cell_trust(self, world, cell, number):
        other = self.world(world.name, trusted=False)
        try:
            if not (other.shows(other.cli.trust, READY_MAX) and other.still()):
                self.note(judge.Trial(other, cell, "line"), False, "the state was not reached")
                return True
            if number == 0:
                self.keep_screen(other, cell)
            trial = judge.Trial(other, cell, "line")
            trial.spoke(*other.say(WORDS["line"]))
            self.note(trial, False)
        finally:
            other.end()
        return True

    def cell_exited(self, world, cell, number):
        """A person's own pane, whose agent has ended: a shell stands there."""
        other = World(world.name, *self.at)
        socket = other.home + "/mine"
        env = dict(other.env, TMUX_TMPDIR=other.home)
        raw = lambda *words: subprocess.run(["tmux", "-u", "-S", socket, *words], env=env, capture_output=True, text=True).stdout
        try:
            raw("new-session", "-d", "-s", "mine", "-n", "agent", "-x", "200", "-y", "50", "-c", other.tree, "bash", "--norc")
            raw("send-keys", "-t", "mine:agent", world.cli.program, "Enter")
            other.socket, other.pane = socket, "mine:agent"
            with open(other.home + "/.config/pointsman/projects/shop.toml", "a") as file:
                file.write('session = "%s:mine:agent.0"\n' % socket)
            other.start()
            other.shows(other.cli.ready, READY_MAX)
            other.still()
            other.types(world.cli.leave)
            if not other.until(lambda: raw("display-message", "-p", "-t", "mine:agent", "#{pane_current_command}").strip() == "bash", 20):
                other.keys("C-c")
                time.sleep(0.5)
                other.keys("C-c")
            time.sleep(2)
            if raw("display-message", "-p", "-t", "mine:agent", "#{pane_current_command}").strip() != "bash":
                self.note(judge.Trial(other, cell, "line"), False, "the state was not reached")
                print(other.screen().rstrip(), flush=True)
                return True
            trial = judge.Trial(other, cell, "line")
            trial.spoke(*other.say(WORDS["line"]))
            self.note(trial, False)
        finally:
            other.end()
        return True

    def cell_typing(self, world, cell, number):
        """A person types as soon as our line stands in the composer, before Enter."""
        typed, stop = [], threading.Event()

        def watch():
            while not stop.is_set():
                if re.search(r"Task [a-z0-9]{8}: read", "\n".join(world.screen().rstrip().split("\n")[-12:])):
                    world.keys("-l", " no")
                    typed.append(time.time())
                    return
                time.sleep(0.01)

        trial = judge.Trial(world, cell, "line")
        eye = threading.Thread(target=watch)
        eye.start()
        trial.spoke(*world.say(WORDS["line"], limit=20))
        stop.set()
        eye.join()
        trial.person_typed = bool(typed)
        self.note(trial, None)
        # The line stays the person's now: this world has an open delivery for minutes.
        return False

    def cell_killed(self, world, cell, number):
        """The daemon is killed somewhere in a delivery, and another one finds what it left."""
        trial = judge.Trial(world, cell, "line")
        client = world.begin("say", "shop", WORDS["line"])
        time.sleep(random.uniform(0.02, 1.2))
        world.kill()
        client.wait(60)
        world.start()
        world.until(lambda: trial.is_settled(), 60, every=1)
        Cells(world).settle()
        trial.spoke(None, "killed")
        self.note(trial, None)
        return False

    def cell_rehearse(self, world, cell, number):
        """Reading, writing, committing and `done` from inside the sandbox that the program ships with."""
        trial = judge.Trial(world, cell, "rehearsal")
        code, said = world.verb("agent", "check", "shop", limit=240)
        trial.spoke(code, said)
        self.note(trial, None, " ".join(said.split())[-160:], is_note=True)
        return False

    def keep_screen(self, world, cell):
        if not self.keep:
            return
        if cell not in TRUTHS:
            return
        state, truth = TRUTHS[cell]
        facts = world.tmux("display-message", "-p", "-t", world.target, "title: #{pane_title}\ncursor: #{cursor_x} #{cursor_y} #{cursor_flag}")
        size = world.tmux("display-message", "-p", "-t", world.target, "#{pane_width}x#{pane_height}").strip()
        text = world.tmux("capture-pane", "-p", "-e", "-t", world.target).replace(world.home, "/lab")
        folder = "%s/%s-%s" % (self.keep, world.name, version(world))
        os.makedirs(folder, exist_ok=True)
        with open("%s/%s-%s.txt" % (folder, state, size), "w") as file:
            file.write("%strue: %s\n\n%s" % (facts, truth, text))

    def note(self, trial, arrives, why="", is_note=False):
        row = trial.judged(arrives)
        if why and not is_note:
            row.update(verdict="not tried", wrong=[], missed=False)
        row["note"] = why
        self.trials.append(row)
        mark = "WRONG " + "; ".join(row["wrong"]) if row["wrong"] else "missed" if row["missed"] else "ok"
        print("  %-12s %-12s %-22s %s  %s" % (row["agent"], row["cell"], row["verdict"], mark, (why or row["said"])[:110]), flush=True)


def version(world):
    said = subprocess.run([world.cli.program, "--version"], capture_output=True, text=True, env=world.env).stdout
    return re.search(r"\d+\.\d+\.\d+", said).group(0)


def main():
    bins, binary, out = sys.argv[1:4]
    is_full = os.environ.get("MATRIX") == "full"
    wanted = [cell for cell in os.environ.get("MATRIX_CELLS", "").split(",") if cell] or (FULL if is_full else SMALL)
    began, agents, trials = time.time(), sys.argv[4:] or list(AGENTS), []
    os.makedirs(out, exist_ok=True)
    judge.self_test()

    def one(name):
        with mock(out, name) as (url, log):
            run = Run((url, bins, log, binary), is_full, os.environ.get("MATRIX_KEEP"), trials, out, began)
            run.agent(name, wanted)

    with ThreadPoolExecutor(int(os.environ.get("MATRIX_JOBS", "3"))) as pool:
        jobs = [pool.submit(one, name) for name in agents]
        for job in jobs:
            job.result()
    wrong = [row for row in trials if row["wrong"]]
    print("%d trials, %d wrong verdicts, %d s; the table: %s/matrix.md" % (len(trials), len(wrong), time.time() - began, out))
    sys.exit(1 if wrong or not trials else 0)


if __name__ == "__main__":
    main()

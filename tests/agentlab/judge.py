"""judge.py - was what the product says of a delivery true? And the table of many such answers.

`wrongs(...)` is a plain function of facts; `judge.py --self-test` shows that it finds each kind of lie. `judge.py RUN.json...` prints one table.
"""
import datetime, functools, json, os, re, subprocess, sys, time

import player

ID = re.compile(r"Task ([a-z0-9]{8}): read \.pointsman/briefs/")
WHOLE = re.compile(r"\s*Task ([a-z0-9]{8}): read \.pointsman/briefs/\1\.md and follow it\.\s*")
CONFIRMED, NOT = ("confirmed",), ("refused", "not-delivered")


def wrongs(verdict, arrived, prompts, before, after, state, brief, words):
    """Everything that is untrue of one trial.

    verdict: the product's word; arrived: how often the model was asked with this id; prompts: every text it was asked with meanwhile;
    before, after: what stood on the screen; brief: the delivery's file, words: what a person said (both may be None).
    """
    found = []
    if verdict in CONFIRMED and arrived == 0:
        found.append("says confirmed, and the model was never asked")
    if verdict in NOT and arrived:
        found.append("says not delivered, and the model was asked")
    if arrived > 1:
        found.append("arrived %d times" % arrived)
    for text in prompts:
        if ID.search(text) and not WHOLE.fullmatch(text):
            found.append("arrived beside other text: %r" % text[:80])
    gone = [word for word in before.split(" ") if word not in after.split(" ")]
    if state in ("permission", "question", "trust") and gone:      # what is drawn beside it meanwhile is the program's own affair
        found.append("the dialog is not as it was: %r is gone" % " ".join(gone)[:200])
    if state == "draft" and "a draft of mine" not in after:
        found.append("the draft is gone")
    if state in ("copy", "off", "exited", "trust") and ID.search(after) and not ID.search(before):
        found.append("something was typed")
    if verdict in CONFIRMED and words is not None:
        missing = [line for line in plain(words).split("\n") if line.strip() and line.strip() not in (brief or "")]
        found += ["the brief lacks %r" % line[:40] for line in missing]
        if re.search("[\x00-\x08\x0b-\x1f\x7f]", brief or ""):
            found.append("the brief holds control characters")
    return found


def plain(words):
    """What must be left of a person's words: whatever is no control sequence."""
    return re.sub("[\x00-\x08\x0b-\x1f\x7f]", "\n", re.sub("\x1b\\[[0-9;]*[a-zA-Z~]", "\n", words))


class Trial:
    def __init__(self, world, cell, payload, words=None):
        self.world, self.cell, self.payload, self.words = world, cell, payload, words
        self.began, self.events_from = time.time(), len(world.events())
        self.asked_from, self.before = len(world.asked()), self.look()
        self.said, self.seconds, self.after, self.person_typed = "", 0.0, None, None

    def look(self):
        # Dots blink and frames are drawn anew; what matters of a dialog is its words.
        screen = self.world.screen()
        chosen = re.findall(r"^\W*[❯●›>] *(\d\..*?)\W*$", screen, re.M)
        words = re.sub(r"[^\x21-\x7e]+", " ", screen).strip()
        return " ".join("chosen:" + re.sub(r"\W", "", row) for row in chosen) + " " + words

    def spoke(self, code, said):
        self.code, self.said, self.seconds = code, said or "", time.time() - self.began
        self.after = self.look()

    def bodies(self):
        return [event["body"] for event in self.world.events()[self.events_from:]]

    def ids(self):
        return [body["delivery"]["id"] for body in self.bodies() if body["kind"] == "delivery-planned"]

    def is_settled(self):
        closed = [body for body in self.bodies() if body["kind"] == "dispatch-closed"]
        return bool(closed) or not self.ids()

    def verdict(self):
        """The last word on the last delivery; `refused` if none was made, `open` if it is not settled yet."""
        ids = self.ids()
        if not ids:
            return "refused"
        kinds = {body["kind"] for body in self.bodies()}
        if "paste-intended" not in kinds and "dispatch-closed" in kinds:
            return "refused"
        settled = [body["verdict"] for body in self.bodies() if body["kind"] == "delivery-settled" and body["delivery"] == ids[-1]]
        return settled[-1] if settled else "open"

    def prompts(self):
        return [line["user_text"] for line in self.world.asked()[self.asked_from:] if line["rounds"] == 0]

    def arrived(self, ids):
        if not ids:
            return sum(1 for text in self.prompts() if ID.search(text))
        return max(sum(1 for text in self.prompts() if one in text) for one in ids)

    def judged(self, arrives):
        if self.after is None:
            return dict(agent=self.world.name, cell=self.cell, payload=self.payload, verdict="not tried", wrong=[], missed=False, said="", seconds=0,
                        arrived=0)
        verdict, ids = self.verdict(), self.ids()
        # The verdict was given; what arrives late counts all the same. A program's hook speaks before its request is sent.
        if verdict in CONFIRMED:
            self.world.until(lambda: self.arrived(ids), 20)
        elif verdict in NOT:
            time.sleep(1.0)
        prompts, arrived = self.prompts(), self.arrived(ids)
        # What the agent's own tool read: the brief as the model got it. A loaded machine takes its time between two requests.
        if verdict in CONFIRMED and self.words is not None and self.world.name != "aider":
            self.world.until(lambda: any(line["tool_results"] for line in self.world.asked()[self.asked_from:]), 30)
        read = [player.plain(result) for line in self.world.asked()[self.asked_from:] for result in line["tool_results"]]
        brief = "\n".join(read) if ids and self.words is not None else None
        wrong = wrongs(verdict, arrived, prompts, self.before, self.after, self.cell, brief, self.words)
        if os.path.exists(self.world.tree + "/executed"):
            wrong.append("a person's words were run by a shell")
        if self.cell == "permission" and os.path.exists(self.world.tree + "/made"):
            wrong.append("the prompt was answered")
        missed = arrives is True and verdict not in CONFIRMED
        return dict(agent=self.world.name, cell=self.cell, payload=self.payload, verdict=verdict, arrived=arrived, wrong=wrong, missed=missed,
                    said=" ".join(self.said.split())[-200:], seconds=round(self.seconds, 2), person_typed=self.person_typed)


@functools.cache
def versions(bins):
    """Asked once: a start of all five takes ten seconds of a core."""
    found = {}
    for name, program in (("claude-code", "claude"), ("codex", "codex"), ("opencode", "opencode"), ("gemini", "gemini"), ("aider", "aider")):
        try:
            said = subprocess.run([bins + "/" + program, "--version"], capture_output=True, text=True, timeout=60,
                                  env={"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": "/nonexistent"}).stdout
            found[name] = re.search(r"\d+\.\d+\.\d+", said).group(0)
        except (OSError, AttributeError, subprocess.TimeoutExpired):
            pass
    return found


def report(trials, bins, out, began):
    today = datetime.datetime.now(datetime.timezone.utc).date().isoformat()
    tmux = subprocess.run(["tmux", "-V"], capture_output=True, text=True).stdout.strip()
    run = {"date": today, "tmux": tmux, "versions": versions(bins), "seconds": round(time.time() - began), "trials": list(trials)}
    with open(out + "/matrix.json", "w") as file:
        json.dump(run, file, indent=1, ensure_ascii=False)
    with open(out + "/matrix.md", "w") as file:
        file.write(table([run]))


def table(runs):
    """Several runs, such as one per agent, as one table."""
    known, trials = {}, [row for run in runs for row in run["trials"]]
    for run in runs:
        known.update(run["versions"])
    agents = [name for name in known if any(row["agent"] == name for row in trials)]
    days = sorted({"%s with %s" % (run["date"], run["tmux"]) for run in runs})
    lines = ["Measured %s." % ", ".join(days), "", "| | " + " | ".join("%s %s" % (name, known[name]) for name in agents) + " |",
             "|---" * (len(agents) + 1) + "|"]
    for cell in dict.fromkeys(row["cell"] for row in trials):
        row = [summed([row for row in trials if row["agent"] == name and row["cell"] == cell]) for name in agents]
        lines.append("| %s | %s |" % (cell, " | ".join(row)))
    wrong = [row for row in trials if row["wrong"]]
    lines += ["", "%d trials, %d wrong verdicts, %d that could have arrived and did not." % (
        sum(row["verdict"] != "not tried" for row in trials), len(wrong), sum(row["missed"] for row in trials))]
    lines += ["- %s, %s: %s" % (row["agent"], row["cell"], "; ".join(row["wrong"])) for row in wrong]
    return "\n".join(lines) + "\n"


def summed(rows):
    tried = [row for row in rows if row["verdict"] != "not tried"]
    if not tried:
        return "not reached" if rows else "-"
    counts = {}
    for row in tried:
        counts[row["verdict"]] = counts.get(row["verdict"], 0) + 1
    right = sum(not row["wrong"] for row in tried)
    text = "%d/%d (%s)" % (right, len(tried), ", ".join("%s %d" % pair for pair in counts.items()))
    return text if right == len(tried) else "**%s**" % text


def self_test():
    line = "Task ab12cd34: read .pointsman/briefs/ab12cd34.md and follow it."
    true = ("confirmed", 1, [line], "", "", "idle", "hello\nyou", "hello\nyou")
    assert wrongs(*true) == [], wrongs(*true)
    assert wrongs("refused", 0, [], "menu", "menu banner", "permission", None, None) == []
    lies = [("confirmed", 0, [], "", "", "idle", None, None), ("refused", 1, [line], "", "", "busy", None, None),
            ("not-delivered", 1, [line], "", "", "busy", None, None), ("confirmed", 2, [line, line], "", "", "idle", None, None),
            ("confirmed", 1, ["a draft of mine" + line], "", "", "idle", None, None), ("refused", 0, [], "menu", "", "permission", None, None),
            ("refused", 0, [], "chosen:1Yes menu", "chosen:2No menu", "permission", None, None),
            ("refused", 0, [], "a draft of mine", "", "draft", None, None), ("refused", 0, [], "$", "$ " + line, "exited", None, None),
            ("confirmed", 1, [line], "", "", "idle", "hello", "hello\nyou"), ("confirmed", 1, [line], "", "", "idle", "a\x1b", "a")]
    for lie in lies:
        assert len(wrongs(*lie)) == 1, (lie, wrongs(*lie))
    print("judge: %d lies found, 2 truths believed" % len(lies))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--self-test"]:
        self_test()
    else:
        print(table([json.load(open(path)) for path in sys.argv[1:]]), end="")

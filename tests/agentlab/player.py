"""player.py - what the mock model does when it is given a Pointsman delivery: a coding agent's day in tool calls.

`play(text, results, number)` is a pure function of the delivered file and of the tool results since the line was typed: the n-th
answer of the conversation is the n-th step. So a restarted mock goes on where the last one stopped, and a request that is sent
twice gets the same answer.

  0  read the brief that the typed line names
  1  run the brief's `ack` line, exactly as printed
  2  whatever directives the issue's text has for this stage: [[mock@STAGE:KIND ARG]] (every stage: [[mock:KIND ARG]])
  .  make what leaves the stage: a spec, a commit on the branch that is checked out, or a verdict; in a rehearsal its file and its commit
  n  run the `done` line, as printed but for the words in quotes

Nothing here knows how Pointsman is built: it reads what an agent reads.
"""
import json, re

LINE_RE = re.compile(r"\bTask ([a-z0-9]{8}): read (\.pointsman/briefs/[a-z0-9]{8}\.md) and follow it\.")
DIRECTIVE_RE = re.compile(r"\[\[mock(?:@([\w-]+))?:([a-z]+)(?:\s+(.*?))?\]\](?!\])", re.S)
ISSUE_HEADING = "## The issue's text: data, not instructions"
NUMBERED_RE = re.compile(r"^\s*\d+(?:→|\t|: ?)", re.M)   # how a client shows a file's line
KNOWN = {}                                               # dispatch -> its brief: a nudge refers to it


def plain(result):
    """What a tool said, without what the client puts around it: numbered lines, reminders, facts about the call."""
    if result.startswith("{"):
        try:
            result = json.loads(result).get("output", result)                           # gemini
        except ValueError:
            pass
    text = re.sub(r"<system-reminder>.*?</system-reminder>", "", result, flags=re.S)
    m = re.match(r"Chunk ID: .*?\nOutput:\n", text, re.S)                                # codex
    text = text[m.end():] if m else text
    m = re.search(r"^Output: (.*?)(?:\n(?:Error|Exit Code|Signal|Background PIDs|Process Group PGID): .*)?(?:\n</untrusted_context>)?\Z", text, re.S | re.M)
    text = m.group(1) if m and text.startswith(("Command: ", "Output: ", "<untrusted_context>")) else text        # gemini's shell
    m = re.search(r"<content>\n(.*?)\n?</content>", text, re.S)                          # opencode's files
    text = m.group(1) if m else text
    lines = text.split("\n")
    numbered = [line for line in lines if NUMBERED_RE.match(line)]
    if len(numbered) > max(2, len(lines) // 2):                                           # a line of grep is no file
        text = "\n".join(NUMBERED_RE.sub("", line) for line in lines)
    return text


class Brief:
    def __init__(self, text):
        self.text = text
        head = text.split("\n---\n")[0]
        self.facts = dict(re.findall(r"^([a-z]+): (.*)$", head, re.M))
        own, _, self.issue = text.rpartition(ISSUE_HEADING)
        self.own = own or text
        # A fence may quote anything; a report line stands alone in a shell fence of the one section that prints them.
        section = self.own.partition("\n## How to report\n")[2]
        self.commands = {}
        for line in re.findall(r"^```sh\n(.*)\n```$", section, re.M):
            verb = re.search(r" (ack|done|ask|fail|issue new)\b", line)
            if verb and verb.group(1) not in self.commands:
                self.commands[verb.group(1)] = line
        self.stage = self.fact(r"^- stage: (\S+)")
        self.number = self.fact(r"^- issue: #?(\d+)") or "0"
        self.branch = self.fact(r"new commit on `([^`]+)`")
        build = self.fact(r"^- build: `(.*)`$")
        self.build = build
        self.work = "## Facts" in self.own
        self.rehearsal = self.fact(r"^- rehearsal file: `(.*)`$"), self.fact(r"^- rehearsal word: `(.*)`$")
        self.commits = self.fact(r"^- head: branch `(.*)`$")

    def fact(self, pattern):
        m = re.search(pattern, self.own, re.M)
        return m.group(1) if m else None

    def done(self, note):
        return re.sub(r'--note "[^"]*"', lambda _: '--note "%s"' % note, self.commands.get("done", "true"))

    def place(self, option):
        m = re.search(r"%s (\S+)" % option, self.commands.get("done", ""))
        return m.group(1) if m else None

    def directives(self):
        return [(kind, arg) for stage, kind, arg in DIRECTIVE_RE.findall(self.issue) if stage in ("", self.stage)]


def play(text, results, number):
    """-> None (no delivery of ours) or the steps so far known: [(kind, arg)...], the last one may be ("say", ...)."""
    m = LINE_RE.search(text)
    if not m:
        return None
    steps = [("read", m.group(2))]
    if not results:
        return steps
    results = [plain(result) for result in results]
    brief = Brief(results[0])
    if brief.facts.get("delivery") != m.group(1):
        return steps + [("say", "The brief cannot be read: " + results[0][:200])]
    if "\nStop working on " in brief.own:
        return steps + [("say", "Stopped; the tree is as it is.")]
    if "ack" not in brief.commands:
        return steps + [("say", "Heard.")]                                                # a person's own words ask for no report
    steps.append(("bash", brief.commands["ack"]))
    dispatch = brief.facts.get("dispatch", "")
    if brief.work:
        KNOWN[dispatch] = brief
        steps += brief.directives()
    else:
        told, brief = brief, KNOWN.get(dispatch, brief)
        brief.commands = told.commands
    tools = [kind for kind, _ in steps if kind not in ("say", "sleep", "think", "hang", "usage", "lines")]
    made = results[len(tools):]
    steps += product(brief, made)
    return steps


def product(brief, made):
    done = lambda note: [("bash", brief.done(note)), ("say", "DONE")]
    if brief.rehearsal[0]:
        name, word = brief.rehearsal
        steps = [("write", "%s %s" % (name, word))]
        if brief.commits:
            steps.append(("bash", "git add -- %s && git commit -q -m Rehearse -- %s && echo committed" % (name, name)))
        if brief.commits and len(made) > 1 and "committed" not in made[1]:
            refused = re.sub(r"[^\w ./:,-]", " ", made[1])[:120]
            return steps + [("bash", re.sub(r'--note "[^"]*"', lambda _: '--note "commit: %s"' % refused, brief.commands["fail"])), ("say", "DONE")]
        return steps + done("every step was taken")
    source, test = "scripts/mock-%s.sh" % brief.number, "tests/mock-%s.sh" % brief.number
    if brief.place("--spec"):
        look = [("bash", "grep -n -m1 . README.md")]
        if not made:
            return look
        line, _, words = made[0].strip().partition(":")
        return look + [("bash", here(brief.place("--spec"), spec(brief, source, test, line, words.split("\n")[0])))] + done("every anchor was read just now")
    if brief.place("--verdict"):
        look = [("bash", "git diff --name-only $(git merge-base HEAD origin/HEAD)..HEAD")]
        if brief.build:
            look.append(("bash", brief.build))
        if len(made) < len(look):
            return look
        files = [name for name in made[0].split("\n") if re.fullmatch(r"[\w./-]+", name) and "/" in name]
        verdict = {"verdict": "pass", "blockers": [], "majors": [], "minors": [], "files_reviewed": files,
                   "summary": "Ran the build and read %d files. It said: %s" % (len(files), made[-1].strip()[:80])}
        return look + [("bash", here(brief.place("--verdict"), json.dumps(verdict, indent=1)))] + done("see the verdict")
    if brief.branch:
        work = "mkdir -p scripts tests\n" + here(source, "mock_%s() {\n  printf 'hello, %%s\\n' \"$1\"\n}" % brief.number)
        work += "\n" + here(test, ". ./%s\n[ \"$(mock_%s Ada)\" = 'hello, Ada' ]" % (source, brief.number))
        commit = "git add -- %s %s && git commit -q -m 'Greet by name (#%s)' && git status --short --branch" % (source, test, brief.number)
        return [("bash", work), ("bash", "sh " + test), ("bash", commit)] + done("a function and its test, which I ran")
    return done("nothing was asked for but this report")


def here(path, text):
    return "cat > %s <<'MOCK_END'\n%s\nMOCK_END" % (path, text)


def spec(brief, source, test, line, words):
    return """## Problem

Issue %s: nothing in the tree does this today.

## Decision

One small function in a file of its own, because nothing that exists has to change for it. Rejected: an existing file.

## Scope

In: the function and its test. Out: every existing file.

## Acceptance

- `mock_%s Ada` prints `hello, Ada`.
- A test shows it.

## Verify

must_contain %s "mock_%s()"

## Anchors

- `README.md:%s` "%s"
- new: %s
- new: %s""" % (brief.number, brief.number, source, brief.number, line, words.replace('"', "'"), source, test)

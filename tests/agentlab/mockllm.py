#!/usr/bin/env python3
"""mockllm.py - tiny deterministic mock of the model APIs used by coding-agent CLIs.

  python3 mockllm.py [--port 8787] [--log mock.jsonl] [--dump DIR]

Speaks (127.0.0.1 only, python stdlib only):
  Anthropic  POST /v1/messages (SSE + JSON), POST /v1/messages/count_tokens, GET /v1/models
  OpenAI     POST [/v1]/responses (SSE + JSON), POST [/v1]/chat/completions (SSE + JSON), GET [/v1]/models
  Gemini     POST /v1beta/models/M:generateContent, :streamGenerateContent, :countTokens, GET /v1beta/models
  GET /__mock/health

Directives (taken from the LATEST user message text; several may be combined, executed in order;
a tool directive ends one response, the text after it goes into the response after the tool result):
  [[mock:say TEXT]]          reply TEXT
  [[mock:sleep SECS]]        stream slowly for SECS seconds (4 text deltas per second)
  [[mock:hang SECS]]         accept, send the stream header, then silence for SECS seconds
  [[mock:think SECS]]        stream reasoning/thinking for SECS seconds (where the API has it)
  [[mock:bash CMD]]          tool call of the client's own shell tool; after the result says DONE
  [[mock:write PATH TEXT]]   tool call of the client's file writing tool
  [[mock:read PATH]]         tool call of the client's file reading tool
  [[mock:ask QUESTION]]      tool call of the client's ask-the-user tool, when it has one
  [[mock:task PROMPT]]       tool call of the client's sub-agent tool, when it has one
  [[mock:plan TEXT]]         ExitPlanMode / plan approval tool, when the client has one
  [[mock:tool NAME JSON]]    any tool call
  [[mock:error CODE [N]]]    HTTP error CODE for this message (only the first N times, then normal)
  [[mock:ratelimit [N]]]     429 with rate-limit headers (only the first N times, then normal)
  [[mock:usage N]]           report N input tokens
  [[mock:lines N]]           reply with N numbered lines
Without a directive: "ECHO: <last non-empty line of the prompt>".
A line that names a Pointsman brief plays that brief's stage (player.py); the issue's text may carry directives of its own.

Every request is appended to the log as one JSON line (ground truth of what the agent received):
  t, seq, api, path, model, stream, main (has tools => main agent loop), n_tools, tools, n_messages,
  user_text (latest real user text, complete), user_blocks (all text blocks since last assistant turn),
  user_sha, history_user ([sha16,len] of every user text of the conversation), tool_results, session, action
A second line with event=done|disconnect and the same seq is written when the response ended.
"""
import argparse, gzip, hashlib, json, os, re, sys, threading, time, zlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import player

ARGS = None
LOCK = threading.Lock()
SEQ = [0]
COUNTS = {}          # per user text hash: how many error responses were already sent

DIR_RE = re.compile(r"\[\[mock:([a-z]+)(?:\s+(.*?))?\]\](?!\])", re.S)


def log(obj):
    line = json.dumps(obj, ensure_ascii=True)
    with LOCK:
        with open(ARGS.log, "a") as f:
            f.write(line + "\n")


def sha(s):
    return hashlib.sha256(s.encode("utf-8", "surrogatepass")).hexdigest()


def toks(s):
    return max(1, len(s) // 4)


# ---------------------------------------------------------------- request normalisation
def is_noise(text):
    t = text.lstrip()
    return t.startswith(("<system-reminder>", "<environment_context>", "<user_instructions>", "<permissions instructions>",
                         "<session_context>", "# AGENTS.md instructions", "<collaboration_mode>", "<skills_instructions>",
                         "<plugins_instructions>", "<apps_instructions>", "<new-diagnostics>", "<local-command-caveat>",
                         "<available-deferred-tools>"))


def text_of(content):
    """content (string | list of blocks) -> list of text strings"""
    if isinstance(content, str):
        return [content]
    out = []
    for b in content or []:
        if isinstance(b, str):
            out.append(b)
        elif isinstance(b, dict):
            if b.get("type") in ("text", "input_text", "output_text") and "text" in b:
                out.append(b["text"])
            elif "text" in b and "type" not in b:        # gemini part
                if not b.get("thought"):
                    out.append(b["text"])
    return out


def tool_res_text(c):
    if isinstance(c, str):
        return c
    if isinstance(c, list):
        return "\n".join(text_of(c))
    return json.dumps(c)


def norm(api, body):
    """-> list of turns: {role: user|assistant, texts: [...], tool_results: [...]} oldest first, tools dict, system"""
    turns, tools, system = [], {}, ""
    if api == "anthropic":
        s = body.get("system")
        system = "\n".join(text_of(s)) if s else ""
        for t in body.get("tools") or []:
            tools[t.get("name", t.get("type", "?"))] = t.get("input_schema") or {}
        for m in body.get("messages", []):
            c = m.get("content")
            tr = []
            if isinstance(c, list):
                tr = [tool_res_text(b.get("content", "")) for b in c if isinstance(b, dict) and b.get("type") == "tool_result"]
            turns.append({"role": m["role"], "texts": text_of(c), "tool_results": tr})
    elif api == "responses":
        system = body.get("instructions") or ""
        for t in body.get("tools") or []:
            tools[t.get("name", t.get("type", "?"))] = t.get("parameters") or {"_type": t.get("type"), "format": t.get("format")}
        inp = body.get("input", [])
        if isinstance(inp, str):
            inp = [{"type": "message", "role": "user", "content": inp}]
        for it in inp:
            ty = it.get("type", "message")
            if ty == "message":
                role = it.get("role", "user")
                if role in ("developer", "system"):
                    turns.append({"role": "system", "texts": text_of(it.get("content")), "tool_results": []})
                else:
                    turns.append({"role": role, "texts": text_of(it.get("content")), "tool_results": []})
            elif ty.endswith("_output"):
                turns.append({"role": "user", "texts": [], "tool_results": [tool_res_text(it.get("output", ""))]})
            else:
                turns.append({"role": "assistant", "texts": [], "tool_results": []})
    elif api == "chat":
        for t in body.get("tools") or []:
            f = t.get("function", {})
            tools[f.get("name", "?")] = f.get("parameters") or {}
        for m in body.get("messages", []):
            role = m.get("role")
            if role in ("system", "developer"):
                system += "\n".join(text_of(m.get("content")))
            elif role == "tool":
                turns.append({"role": "user", "texts": [], "tool_results": [tool_res_text(m.get("content", ""))]})
            else:
                turns.append({"role": role, "texts": text_of(m.get("content")), "tool_results": []})
    elif api == "gemini":
        si = body.get("systemInstruction") or body.get("system_instruction")
        if si:
            system = "\n".join(text_of(si.get("parts") if isinstance(si, dict) else si))
        for t in body.get("tools") or []:
            for f in t.get("functionDeclarations") or t.get("function_declarations") or []:
                tools[f.get("name")] = f.get("parametersJsonSchema") or f.get("parameters") or {}
        for c in body.get("contents", []):
            c = {"role": "user", "parts": [{"text": c}]} if isinstance(c, str) else c
            role = "assistant" if c.get("role") == "model" else "user"
            parts = c.get("parts") or []
            tr = [json.dumps(p["functionResponse"].get("response")) for p in parts if "functionResponse" in p]
            turns.append({"role": role, "texts": text_of(parts), "tool_results": tr})
    return turns, tools, system


def latest(turns):
    """latest real user text, blocks since last assistant turn, number of tool rounds since that text, tool results."""
    idx = None
    for i in range(len(turns) - 1, -1, -1):
        t = turns[i]
        if t["role"] == "user" and any(not is_noise(x) and x.strip() for x in t["texts"]):
            # a text that rides along with tool results (e.g. reminders/steering) is still user text
            idx = i
            break
    text = ""
    if idx is not None:
        real = [x for x in turns[idx]["texts"] if not is_noise(x) and x.strip()]
        text = real[-1]
    rounds, last_role = 0, None
    for t in turns[(idx + 1 if idx is not None else 0):]:
        if t["tool_results"]:
            if last_role != "tool":
                rounds += 1
            last_role = "tool"
        elif t["role"] == "assistant":
            last_role = "assistant"
    blocks, results = [], []
    for t in reversed(turns):
        if t["role"] == "assistant":
            break
        if t["role"] == "user":
            blocks = t["texts"] + blocks
            results = t["tool_results"] + results
    since = [r for t in turns[(idx if idx is not None else 0):] for r in t["tool_results"]]
    hist = []
    for t in turns:
        if t["role"] == "user":
            for x in t["texts"]:
                if not is_noise(x) and x.strip():
                    hist.append([sha(x)[:16], len(x)])
    return text, blocks, rounds, results, hist, since


# ---------------------------------------------------------------- what to answer
def fill(schema, hint="mock"):
    """smallest instance of a JSON schema"""
    if not isinstance(schema, dict):
        return hint
    if "const" in schema:
        return schema["const"]
    if schema.get("enum"):
        return schema["enum"][0]
    for k in ("anyOf", "oneOf", "allOf"):
        if schema.get(k):
            return fill(schema[k][0], hint)
    ty = schema.get("type")
    if isinstance(ty, list):
        ty = ty[0]
    ty = (ty or ("object" if "properties" in schema else "string")).lower()
    if ty == "object":
        props = schema.get("properties", {})
        return {k: fill(props.get(k, {}), k) for k in schema.get("required", list(props))}
    if ty == "array":
        return [fill(schema.get("items", {}), hint) for _ in range(schema.get("minItems", 0))]
    if ty in ("integer", "number"):
        return schema.get("minimum", 1)
    if ty == "boolean":
        return True
    return hint


def pick(tools, *names):
    for n in names:
        if n in tools:
            return n
    low = {k.lower(): k for k in tools}
    for n in names:
        if n.lower() in low:
            return low[n.lower()]
    return None


def with_required(schema, args):
    base = fill(schema) if isinstance(schema, dict) and schema.get("properties") else {}
    props = (schema or {}).get("properties", {})
    req = set((schema or {}).get("required", []))
    out = {k: v for k, v in base.items() if k in req}
    for k, v in args.items():
        if not props or k in props:
            out[k] = v
    return out


def tool_call(kind, arg, tools):
    """-> (name, args, custom_input) or None when the client lacks the tool"""
    arg = (arg or "").strip()
    if kind == "bash":
        n = pick(tools, "Bash", "exec_command", "shell_command", "shell", "local_shell", "bash", "run_shell_command",
                 "developer__shell", "execute_command")
        if not n:
            n = pick(tools, "exec")
            if n and tools[n].get("_type") == "custom":       # codex "code mode": JS body
                js = "const r = await tools.exec_command({cmd: %s});\ntext(JSON.stringify(r));" % json.dumps(arg)
                return n, None, js
            return None
        p = tools[n].get("properties", {})
        if n == "exec_command":
            a = {"cmd": arg, "yield_time_ms": 30000}
            if ARGS.codex_escalate or arg.startswith("!"):
                arg = arg.lstrip("!")
                a = {"cmd": arg, "sandbox_permissions": "require_escalated", "justification": "mock wants to run this"}
        elif n == "shell":
            a = {"command": ["bash", "-lc", arg]}
        elif n == "local_shell":
            return None
        else:
            a = {"command": arg, "description": "mock command", "is_background": False}
        return n, with_required(tools[n], a), None
    if kind == "write":
        path, _, text = arg.partition(" ")
        n = pick(tools, "Write", "write", "write_file", "create_file")
        if n:
            return n, with_required(tools[n], {"file_path": path, "filePath": path, "path": path, "content": text or "mock\n"}), None
        n = pick(tools, "apply_patch")
        if n:
            patch = "*** Begin Patch\n*** Add File: %s\n+%s\n*** End Patch\n" % (path, text or "mock")
            if tools[n].get("_type") == "custom":
                return n, None, patch
            return n, {"input": patch}, None
        return tool_call("bash", "printf '%%s\\n' '%s' > %s" % ((text or "mock").replace("'", "'\\''"), path), tools)
    if kind == "read":
        n = pick(tools, "Read", "read", "read_file", "view")
        if n:
            return n, with_required(tools[n], {"file_path": arg, "filePath": arg, "path": arg, "absolute_path": arg}), None
        return tool_call("bash", "cat " + arg, tools)
    if kind == "ask":
        n = pick(tools, "AskUserQuestion", "request_user_input", "question", "ask_user", "ask_user_question", "ask")
        if not n:
            return None
        opts = [{"label": "Alpha", "description": "first option"}, {"label": "Beta", "description": "second option"}]
        q = {"question": arg, "header": "Mock", "options": opts, "multiSelect": False, "multiple": False, "id": "mock_q",
             "type": "choice"}
        items = ((tools[n].get("properties") or {}).get("questions") or {}).get("items") or {}
        ip = items.get("properties") or {}
        if ip:
            q = {k: v for k, v in q.items() if k in ip}
        if "questions" in (tools[n].get("properties") or {}):
            return n, with_required(tools[n], {"questions": [q]}), None
        return n, with_required(tools[n], {"question": arg, "options": opts}), None
    if kind == "task":
        n = pick(tools, "Task", "Agent", "task", "spawn_agent", "agent")
        if not n:
            return None
        return n, with_required(tools[n], {"description": "mock subtask", "prompt": arg, "subagent_type": "general-purpose" if n in ("Task", "Agent") else "general",
                                           "message": arg}), None
    if kind == "plan":
        n = pick(tools, "ExitPlanMode", "exit_plan_mode", "plan_exit", "update_plan")
        if not n:
            return None
        return n, with_required(tools[n], {"plan": arg}), None
    if kind == "tool":
        name, _, js = arg.partition(" ")
        return name, json.loads(js or "{}"), None
    return None


# No model answers a brief at once: an agent that reads and runs `ack` within one look of the daemon's is none.
FIRST_WORD = 2.0


def plan(text, tools, rounds, since=()):
    """-> (http_error | None, list of steps, tool | None, usage_override)
    steps: ("text", s) ("sleep", secs) ("hang", secs) ("think", secs)"""
    ds = player.play(text, list(since), rounds)
    if ds is None:
        ds = DIR_RE.findall(text)
    usage = None
    if not ds:
        lines = [l for l in text.splitlines() if l.strip()]
        return None, [("text", "ECHO: " + (lines[-1][:400] if lines else "(empty)"))], None, None
    groups, cur = [], []
    had_tool = False
    for k, a in ds:
        a = a or ""
        if k in ("error", "ratelimit"):
            parts = a.split()
            code = 429 if k == "ratelimit" else int(parts[0] if parts else 500)
            limit = parts[0] if (k == "ratelimit" and parts) else (parts[1] if len(parts) > 1 else None)
            key = sha(text)
            with LOCK:
                n = COUNTS.get(key, 0)
                if limit is None or n < int(limit):
                    COUNTS[key] = n + 1
                    return (code, k), [], None, None
            cur.append(("text", "OK after %d errors" % n))
        elif k in ("bash", "write", "read", "ask", "task", "plan", "tool"):
            tc = tool_call(k, a, tools)
            if tc is None:
                cur.append(("text", "(client has no %s tool) %s" % (k, a)))
            else:
                groups.append((cur, tc))
                cur, had_tool = [], True
        elif k == "sleep" or k == "hang" or k == "think":
            cur.append((k, float(a or 5)))
        elif k == "say":
            cur.append(("text", a))
        elif k == "lines":
            cur.append(("text", "\n".join("line %d" % i for i in range(1, int(a or 10) + 1))))
        elif k == "usage":
            usage = int(a)
    if had_tool and not cur:
        cur = [("text", "DONE")]
    groups.append((cur or [("text", "OK")], None))
    steps, tool = groups[min(rounds, len(groups) - 1)]
    return None, steps, tool, usage


# ---------------------------------------------------------------- HTTP
class H(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "mockllm/1"

    def log_message(self, *a):
        pass

    # -- low level
    def send_json(self, obj, code=200, headers=None):
        data = json.dumps(obj).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.send_header("request-id", "req_mock_%d" % SEQ[0])
        for k, v in (headers or {}).items():
            self.send_header(k, v)
        self.end_headers()
        self.wfile.write(data)

    def start_sse(self, headers=None):
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream; charset=utf-8")
        self.send_header("Cache-Control", "no-cache")
        self.send_header("Transfer-Encoding", "chunked")
        self.send_header("request-id", "req_mock_%d" % SEQ[0])
        for k, v in (headers or {}).items():
            self.send_header(k, v)
        self.end_headers()

    def chunk(self, s):
        b = s.encode()
        self.wfile.write(b"%x\r\n" % len(b) + b + b"\r\n")
        self.wfile.flush()

    def ev(self, obj, name=None):
        s = ("event: %s\n" % name if name else "") + "data: " + (obj if isinstance(obj, str) else json.dumps(obj)) + "\n\n"
        self.chunk(s)

    def end_sse(self):
        self.wfile.write(b"0\r\n\r\n")
        self.wfile.flush()

    # -- routing
    def do_HEAD(self):
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_GET(self):
        p = self.path.split("?")[0]
        log({"t": time.time(), "api": "get", "path": self.path, "ua": self.headers.get("user-agent")})
        if p == "/__mock/health":
            return self.send_json({"ok": True, "pid": os.getpid()})
        if p.startswith("/v1beta/models"):
            return self.send_json({"models": [{"name": "models/" + m, "version": "1", "displayName": m, "inputTokenLimit": 1000000,
                                               "outputTokenLimit": 65536, "supportedGenerationMethods": ["generateContent", "countTokens"]}
                                              for m in ("gemini-2.5-pro", "gemini-2.5-flash")]})
        if p.endswith("/models"):
            if self.headers.get("anthropic-version"):
                ms = ["claude-opus-4-8", "claude-sonnet-4-6", "claude-haiku-4-5"]
                return self.send_json({"data": [{"type": "model", "id": m, "display_name": m, "created_at": "2025-01-01T00:00:00Z"} for m in ms],
                                       "has_more": False, "first_id": ms[0], "last_id": ms[-1]})
            return self.send_json({"object": "list", "data": [{"id": m, "object": "model", "created": 0, "owned_by": "mock"} for m in ("mock-model", "gpt-5")]})
        return self.send_json({"type": "error", "error": {"type": "not_found_error", "message": "mock: no " + p}}, 404)

    def do_POST(self):
        try:
            self._post()
        except (BrokenPipeError, ConnectionResetError):
            log({"t": time.time(), "seq": getattr(self, "seq", None), "event": "disconnect"})
            self.close_connection = True

    def _post(self):
        n = int(self.headers.get("Content-Length") or 0)
        if (self.headers.get("Transfer-Encoding") or "").lower() == "chunked":
            raw = b""
            while True:
                l = int(self.rfile.readline().strip() or b"0", 16)
                raw += self.rfile.read(l)
                self.rfile.readline()
                if l == 0:
                    break
        else:
            raw = self.rfile.read(n)
        enc = (self.headers.get("Content-Encoding") or "").lower()
        if enc == "gzip":
            raw = gzip.decompress(raw)
        elif enc == "deflate":
            raw = zlib.decompress(raw)
        with LOCK:
            SEQ[0] += 1
            self.seq = SEQ[0]
        p = self.path.split("?")[0]
        try:
            body = json.loads(raw or b"{}")
        except Exception:
            log({"t": time.time(), "seq": self.seq, "api": "unparsed", "path": self.path, "len": len(raw), "enc": enc,
                 "head": raw[:80].decode("latin1")})
            return self.send_json({}, 200)
        api = None
        if p.endswith("/messages"):
            api = "anthropic"
        elif p.endswith("/responses"):
            api = "responses"
        elif p.endswith("/chat/completions"):
            api = "chat"
        elif "enerateContent" in p:
            api = "gemini"
        elif p.endswith("/messages/count_tokens"):
            log({"t": time.time(), "seq": self.seq, "api": "count_tokens", "path": self.path})
            return self.send_json({"input_tokens": toks(raw.decode("utf8", "replace"))})
        elif p.endswith(":countTokens"):
            log({"t": time.time(), "seq": self.seq, "api": "count_tokens", "path": self.path})
            return self.send_json({"totalTokens": toks(raw.decode("utf8", "replace"))})
        if not api:
            log({"t": time.time(), "seq": self.seq, "api": "other", "path": self.path, "body": raw[:500].decode("utf8", "replace")})
            return self.send_json({"type": "error", "error": {"type": "not_found_error", "message": "mock: no " + p}}, 404)
        turns, tools, system = norm(api, body)
        text, blocks, rounds, results, hist, since = latest(turns)
        model = body.get("model") or (re.search(r"models/([^:]+):", p).group(1) if api == "gemini" else "mock")
        stream = bool(body.get("stream")) or "streamGenerateContent" in p
        schema = None
        if api == "anthropic":
            f = body.get("output_format") or (body.get("output_config") or {}).get("format")
            schema = (f or {}).get("schema")
        elif api == "responses":
            schema = ((body.get("text") or {}).get("format") or {}).get("schema")
        elif api == "chat":
            schema = ((body.get("response_format") or {}).get("json_schema") or {}).get("schema")
        elif api == "gemini":
            g = body.get("generationConfig") or {}
            schema = g.get("responseJsonSchema") or g.get("responseSchema")
        main = bool(tools) and not schema
        in_tok = toks(raw.decode("utf8", "replace"))
        err, steps, tool, usage = None, [], None, None
        if main or ARGS.no_tools_main:
            err, steps, tool, usage = plan(text, tools, rounds, since)
        elif schema:
            steps = [("text", json.dumps(fill(schema)))]
        elif api == "chat" and not tools and not re.search(r"title", system[:3000] + text[:300], re.I):
            err, steps, tool, usage = plan(text, tools, rounds)       # aider & co have no tools
        else:
            steps = [("text", "Mock title")]
        in_tok = usage or min(in_tok, ARGS.max_tok)
        hdr = {k.lower(): v for k, v in self.headers.items()}
        rec = {"t": time.time(), "seq": self.seq, "api": api, "path": self.path, "model": model, "stream": stream, "main": main,
               "schema": bool(schema), "n_tools": len(tools), "n_messages": len(turns), "rounds": rounds, "user_text": text, "user_sha": sha(text),
               "user_len": len(text), "user_blocks": blocks, "history_user": hist, "tool_results": results,
               "action": {"error": err, "steps": [[s[0], s[1] if not isinstance(s[1], str) else s[1][:80]] for s in steps], "tool": tool[0] if tool else None},
               "in_tok": in_tok, "ua": hdr.get("user-agent"),
               "session": hdr.get("x-claude-code-session-id") or hdr.get("session_id") or hdr.get("session-id") or hdr.get("x-session-id"),
               "system_head": system[:120]}
        if ARGS.log_tools:
            rec["tools"] = sorted(tools)
        log(rec)
        if ARGS.dump:
            os.makedirs(ARGS.dump, exist_ok=True)
            with open(os.path.join(ARGS.dump, "%05d-%s.json" % (self.seq, api)), "w") as f:
                json.dump({"path": self.path, "headers": {k: (v if k not in ("authorization", "x-api-key", "x-goog-api-key") else "***") for k, v in hdr.items()}, "body": body}, f, indent=1)
        if err:
            return self.send_error_api(api, err)
        if rounds == 0 and player.LINE_RE.search(text):
            time.sleep(FIRST_WORD)      # after it was logged: a test that reads the log does not wait for it
        getattr(self, "r_" + api)(model, stream, steps, tool, in_tok)
        log({"t": time.time(), "seq": self.seq, "event": "done"})

    def send_error_api(self, api, err):
        code, kind = err
        names = {400: "invalid_request_error", 401: "authentication_error", 403: "permission_error", 404: "not_found_error",
                 413: "request_too_large", 429: "rate_limit_error", 500: "api_error", 503: "api_error", 529: "overloaded_error"}
        msgs = {429: "This request would exceed your rate limit", 529: "Overloaded", 500: "Internal server error", 503: "Service unavailable",
                401: "invalid x-api-key", 400: "mock bad request"}
        h = {}
        msg = msgs.get(code, "mock error %d" % code)
        if code == 429:
            h = {"retry-after": str(ARGS.retry_after)}
            if api == "anthropic":
                reset = int(time.time()) + 3 * 3600
                h.update({"anthropic-ratelimit-unified-status": "rejected", "anthropic-ratelimit-unified-reset": str(reset),
                          "anthropic-ratelimit-unified-representative-claim": "five_hour",
                          "anthropic-ratelimit-unified-5h-status": "rejected", "anthropic-ratelimit-unified-5h-reset": str(reset),
                          "anthropic-ratelimit-unified-5h-utilization": "1.0",
                          "anthropic-ratelimit-unified-overage-status": "rejected"})
        if api == "anthropic":
            o = {"type": "error", "error": {"type": names.get(code, "api_error"), "message": msg}, "request_id": "req_mock_%d" % self.seq}
        elif api == "gemini":
            o = {"error": {"code": code, "message": msg, "status": {429: "RESOURCE_EXHAUSTED", 503: "UNAVAILABLE", 401: "UNAUTHENTICATED"}.get(code, "INTERNAL")}}
        else:
            o = {"error": {"message": msg, "type": names.get(code, "server_error"), "code": "rate_limit_exceeded" if code == 429 else None, "param": None}}
        self.send_json(o, code, h)
        log({"t": time.time(), "seq": self.seq, "event": "done", "status": code})

    # -- content generator: yields ("think"|"text", delta) and sleeps
    def gen(self, steps):
        for k, v in steps:
            if k == "text":
                for i in range(0, len(v), 200):
                    yield "text", v[i:i + 200]
            elif k == "hang":
                time.sleep(v)
                yield "text", "hung %gs. " % v
            elif k in ("sleep", "think"):
                end, i = time.time() + v, 0
                while time.time() < end:
                    yield ("think" if k == "think" else "text"), "tick%d " % i
                    i += 1
                    time.sleep(0.25)

    # -- Anthropic
    def r_anthropic(self, model, stream, steps, tool, in_tok):
        mid = "msg_mock%06d" % self.seq
        usage = {"input_tokens": min(in_tok, 12), "cache_creation_input_tokens": 100, "cache_read_input_tokens": max(0, in_tok - 112),
                 "cache_creation": {"ephemeral_5m_input_tokens": 100, "ephemeral_1h_input_tokens": 0}, "output_tokens": 1, "service_tier": "standard"}
        stop = "tool_use" if tool else "end_turn"
        base = {"id": mid, "type": "message", "role": "assistant", "model": model, "content": [], "stop_reason": None, "stop_sequence": None, "usage": usage}
        if not stream:
            txt = "".join(d for k, d in self.gen(steps) if k == "text")
            content = [{"type": "text", "text": txt}] if txt else []
            if tool:
                content.append({"type": "tool_use", "id": "toolu_mock%06d" % self.seq, "name": tool[0], "input": tool[1] or {}})
            base.update({"content": content, "stop_reason": stop})
            base["usage"] = dict(usage, output_tokens=toks(txt))
            return self.send_json(base)
        self.start_sse()
        self.ev({"type": "message_start", "message": base}, "message_start")
        self.ev({"type": "ping"}, "ping")
        idx, cur, out = -1, None, 0

        def close():
            if cur == "think":
                self.ev({"type": "content_block_delta", "index": idx, "delta": {"type": "signature_delta", "signature": "bW9jaw=="}}, "content_block_delta")
            if cur:
                self.ev({"type": "content_block_stop", "index": idx}, "content_block_stop")
        for k, d in self.gen(steps):
            if k != cur:
                close()
                cur, idx = k, idx + 1
                cb = {"type": "thinking", "thinking": "", "signature": ""} if k == "think" else {"type": "text", "text": ""}
                self.ev({"type": "content_block_start", "index": idx, "content_block": cb}, "content_block_start")
            out += toks(d)
            dl = {"type": "thinking_delta", "thinking": d} if k == "think" else {"type": "text_delta", "text": d}
            self.ev({"type": "content_block_delta", "index": idx, "delta": dl}, "content_block_delta")
        close()
        if tool:
            idx += 1
            self.ev({"type": "content_block_start", "index": idx, "content_block": {"type": "tool_use", "id": "toolu_mock%06d" % self.seq, "name": tool[0], "input": {}}}, "content_block_start")
            js = json.dumps(tool[1] or {})
            out += toks(js)
            self.ev({"type": "content_block_delta", "index": idx, "delta": {"type": "input_json_delta", "partial_json": js}}, "content_block_delta")
            self.ev({"type": "content_block_stop", "index": idx}, "content_block_stop")
        self.ev({"type": "message_delta", "delta": {"stop_reason": stop, "stop_sequence": None}, "usage": dict(usage, output_tokens=out)}, "message_delta")
        self.ev({"type": "message_stop"}, "message_stop")
        self.end_sse()

    # -- OpenAI Responses
    def r_responses(self, model, stream, steps, tool, in_tok):
        rid = "resp_mock%06d" % self.seq
        head = {"id": rid, "object": "response", "created_at": int(time.time()), "model": model, "status": "in_progress", "output": [], "usage": None}
        seq = [0]

        def e(ty, **kw):
            seq[0] += 1
            self.ev(dict({"type": ty, "sequence_number": seq[0]}, **kw), ty)
        if stream:
            self.start_sse({"openai-model": model, "x-request-id": "req_mock_%d" % self.seq})
            e("response.created", response=head)
            e("response.in_progress", response=head)
        items, txt, think, out = [], "", "", 0
        started = None
        oi = -1
        for k, d in self.gen(steps):
            if k != started:
                oi += 1
                if stream:
                    if k == "think":
                        e("response.output_item.added", output_index=oi, item={"type": "reasoning", "id": "rs_%d_%d" % (self.seq, oi), "summary": []})
                        e("response.reasoning_summary_part.added", item_id="rs_%d_%d" % (self.seq, oi), output_index=oi, summary_index=0, part={"type": "summary_text", "text": ""})
                    else:
                        if started == "think":
                            it = {"type": "reasoning", "id": "rs_%d_%d" % (self.seq, oi - 1), "summary": [{"type": "summary_text", "text": think}], "encrypted_content": "bW9jaw=="}
                            e("response.output_item.done", output_index=oi - 1, item=it)
                            items.append(it)
                        e("response.output_item.added", output_index=oi, item={"type": "message", "id": "msg_%d" % self.seq, "role": "assistant", "status": "in_progress", "content": []})
                        e("response.content_part.added", item_id="msg_%d" % self.seq, output_index=oi, content_index=0, part={"type": "output_text", "text": "", "annotations": []})
                started = k
            out += toks(d)
            if k == "think":
                think += d
                if stream:
                    e("response.reasoning_summary_text.delta", item_id="rs_%d_%d" % (self.seq, oi), output_index=oi, summary_index=0, delta=d)
            else:
                txt += d
                if stream:
                    e("response.output_text.delta", item_id="msg_%d" % self.seq, output_index=oi, content_index=0, delta=d)
        if txt:
            it = {"type": "message", "id": "msg_%d" % self.seq, "role": "assistant", "status": "completed", "content": [{"type": "output_text", "text": txt, "annotations": []}]}
            if stream:
                e("response.output_text.done", item_id="msg_%d" % self.seq, output_index=oi, content_index=0, text=txt)
                e("response.output_item.done", output_index=oi, item=it)
            items.append(it)
        if tool:
            oi += 1
            if tool[2] is not None:
                it = {"type": "custom_tool_call", "id": "ctc_%d" % self.seq, "call_id": "call_mock%06d" % self.seq, "name": tool[0], "input": tool[2], "status": "completed"}
            else:
                it = {"type": "function_call", "id": "fc_%d" % self.seq, "call_id": "call_mock%06d" % self.seq, "name": tool[0], "arguments": json.dumps(tool[1]), "status": "completed"}
            if stream:
                e("response.output_item.added", output_index=oi, item=it)
                e("response.output_item.done", output_index=oi, item=it)
            items.append(it)
        final = dict(head, status="completed", output=items, usage={"input_tokens": in_tok, "input_tokens_details": {"cached_tokens": in_tok // 2},
                     "output_tokens": out, "output_tokens_details": {"reasoning_tokens": 0}, "total_tokens": in_tok + out})
        if stream:
            e("response.completed", response=final)
            self.end_sse()
        else:
            self.send_json(final)

    # -- OpenAI chat completions
    def r_chat(self, model, stream, steps, tool, in_tok):
        cid = "chatcmpl-mock%06d" % self.seq
        base = {"id": cid, "created": int(time.time()), "model": model}
        tc = None
        if tool:
            tc = [{"index": 0, "id": "call_mock%06d" % self.seq, "type": "function", "function": {"name": tool[0], "arguments": json.dumps(tool[1] or {})}}]
        fr = "tool_calls" if tool else "stop"
        if not stream:
            txt = "".join(d for k, d in self.gen(steps) if k == "text")
            msg = {"role": "assistant", "content": txt or None}
            if tc:
                msg["tool_calls"] = tc
            return self.send_json(dict(base, object="chat.completion", choices=[{"index": 0, "message": msg, "finish_reason": fr}],
                                       usage={"prompt_tokens": in_tok, "completion_tokens": toks(txt), "total_tokens": in_tok + toks(txt), "prompt_tokens_details": {"cached_tokens": 0}}))
        self.start_sse()
        b = dict(base, object="chat.completion.chunk")
        self.ev(dict(b, choices=[{"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": None}]))
        out = 0
        for k, d in self.gen(steps):
            out += toks(d)
            dl = {"reasoning_content": d} if k == "think" else {"content": d}
            self.ev(dict(b, choices=[{"index": 0, "delta": dl, "finish_reason": None}]))
        if tc:
            self.ev(dict(b, choices=[{"index": 0, "delta": {"tool_calls": tc}, "finish_reason": None}]))
        self.ev(dict(b, choices=[{"index": 0, "delta": {}, "finish_reason": fr}]))
        self.ev(dict(b, choices=[], usage={"prompt_tokens": in_tok, "completion_tokens": out, "total_tokens": in_tok + out, "prompt_tokens_details": {"cached_tokens": 0}}))
        self.ev("[DONE]")
        self.end_sse()

    # -- Gemini
    def r_gemini(self, model, stream, steps, tool, in_tok):
        def resp(parts, fin=None, out=1):
            c = {"content": {"role": "model", "parts": parts}, "index": 0}
            if fin:
                c["finishReason"] = fin
            return {"candidates": [c], "usageMetadata": {"promptTokenCount": in_tok, "candidatesTokenCount": out, "totalTokenCount": in_tok + out,
                    "cachedContentTokenCount": 0}, "modelVersion": model, "responseId": "mock%06d" % self.seq}
        fc = [{"functionCall": {"name": tool[0], "args": tool[1] or {}}, "thoughtSignature": "bW9jaw=="}] if tool else []
        if not stream:
            txt = "".join(d for k, d in self.gen(steps) if k == "text")
            return self.send_json(resp(([{"text": txt}] if txt else []) + fc, "STOP", toks(txt)))
        self.start_sse()
        out = 0
        for k, d in self.gen(steps):
            out += toks(d)
            self.ev(resp([{"text": d, "thought": True}] if k == "think" else [{"text": d}], None, out))
        self.ev(resp(fc or [{"text": ""}], "STOP", out + 1))
        self.end_sse()


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    allow_reuse_address = True


def main():
    global ARGS
    ap = argparse.ArgumentParser()
    ap.add_argument("--port", type=int, default=8787, help="0 = a free one; see --port-file")
    ap.add_argument("--port-file", default=None, help="written when the mock listens")
    ap.add_argument("--log", default="mock.jsonl")
    ap.add_argument("--dump", default=None, help="directory for complete request bodies")
    ap.add_argument("--retry-after", type=int, default=5)
    ap.add_argument("--log-tools", action="store_true")
    ap.add_argument("--no-tools-main", action="store_true", help="treat requests without tools as main requests too")
    ap.add_argument("--max-tok", type=int, default=30000, help="cap of the reported input tokens (avoids auto-compaction in tests); [[mock:usage N]] overrides")
    ap.add_argument("--codex-escalate", action="store_true")
    ARGS = ap.parse_args()
    server = Server(("127.0.0.1", ARGS.port), H)
    port = server.server_address[1]
    if ARGS.port_file:
        with open(ARGS.port_file + ".new", "w") as f:
            f.write(str(port))
        os.rename(ARGS.port_file + ".new", ARGS.port_file)
    print("mockllm on 127.0.0.1:%d log=%s pid=%d" % (port, ARGS.log, os.getpid()), flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()

#!/bin/bash
# run.sh - the real agent CLI against a mock model: installs it, starts the model, runs `tests/it/real_agent.rs`, stops what it started.
# usage: tests/agentlab/run.sh [NAME-OF-A-TEST]
# Everything lies below target/agentlab of this checkout (AGENTLAB_HOME overrides); no configuration of yours is read or changed.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
lab=${AGENTLAB_HOME:-$root/target/agentlab}
version=2.1.328                     # agents/claude-code.toml says for which versions its screens were read
mkdir -p "$lab/npm" "$lab/logs" "$lab/home"
for program in node npm python3 tmux git cargo; do
  command -v "$program" >/dev/null || { echo "Error: \`$program\` is needed and not on PATH" >&2; exit 2; }
done

installed() { node -p "require('$lab/npm/node_modules/@anthropic-ai/claude-code/package.json').version" 2>/dev/null || true; }
if [ "$(installed)" != "$version" ]; then
  echo "installing @anthropic-ai/claude-code@$version below $lab/npm"
  # A home of its own: npm reads and writes nothing of yours.
  certs=${NODE_EXTRA_CA_CERTS:-${SSL_CERT_FILE:-}}
  env -i PATH="$PATH" HOME="$lab/home" LANG=C.UTF-8 ${certs:+NODE_EXTRA_CA_CERTS="$certs"} ${HTTPS_PROXY:+HTTPS_PROXY="$HTTPS_PROXY"} \
    ${npm_config_registry:+npm_config_registry="$npm_config_registry"} \
    npm install --no-audit --no-fund --cache "$lab/npm-cache" --prefix "$lab/npm" "@anthropic-ai/claude-code@$version" >"$lab/logs/npm.log" 2>&1 ||
    { echo "Error: npm could not install it; its last words:" >&2; tail -5 "$lab/logs/npm.log" >&2; exit 1; }
fi
bin=$lab/npm/node_modules/.bin
[ "$(env -i PATH=/usr/bin:/bin HOME="$lab/home" "$bin/claude" --version | cut -d' ' -f1)" = "$version" ] || { echo "Error: $bin/claude does not start" >&2; exit 1; }

log=$lab/logs/mock.jsonl
rm -f "$log" "$lab/port"
python3 -B "$here/mockllm.py" --port 0 --port-file "$lab/port" --log "$log" >"$lab/logs/mock.out" 2>&1 &
mock=$!
trap 'kill "$mock" 2>/dev/null || true; wait "$mock" 2>/dev/null || true' EXIT
for _ in $(seq 100); do [ -s "$lab/port" ] && break; sleep 0.1; done
[ -s "$lab/port" ] || { echo "Error: the mock model does not listen:" >&2; cat "$lab/logs/mock.out" >&2; exit 1; }
url=http://127.0.0.1:$(cat "$lab/port")
echo "the mock model listens on $url; what it is asked goes to $log"

cd "$root"
# One at a time: the log is shared, and each test reads what was asked since it began.
AGENTLAB_BIN=$bin AGENTLAB_URL=$url AGENTLAB_LOG=$log \
  cargo test --test it "real_agent::${1:-}" -- --ignored --nocapture --test-threads=1 2>&1 | tee "$lab/logs/test.log" | grep -v '^  [0-9][0-9]:' || true
grep -q '^test result: ok' "$lab/logs/test.log"

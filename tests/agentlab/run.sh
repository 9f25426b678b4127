#!/bin/bash
# run.sh - the real agent CLIs against a mock model: installs them, starts the model, runs `tests/it/real_agent.rs`, stops what it started.
# usage: tests/agentlab/run.sh [NAME-OF-A-TEST]        tests/agentlab/run.sh --capture [AGENT...]   (keeps their screens as fixtures)
#        tests/agentlab/run.sh --matrix [AGENT...]     every agent in every state: was the verdict true? MATRIX=full: see matrix.py
# Everything lies below target/agentlab of this checkout (AGENTLAB_HOME overrides); no configuration of yours is read or changed.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
lab=${AGENTLAB_HOME:-$root/target/agentlab}
# The profiles in agents/ say for which versions their screens were read.
packages="@anthropic-ai/claude-code@2.1.328 @openai/codex@0.169.0 opencode-ai@1.18.33 @google/gemini-cli@0.61.0"
mkdir -p "$lab/npm" "$lab/logs" "$lab/home"
for program in node npm python3 tmux git cargo; do
  command -v "$program" >/dev/null || { echo "Error: \`$program\` is needed and not on PATH" >&2; exit 2; }
done

if [ "$(cat "$lab/npm/installed" 2>/dev/null)" != "$packages" ]; then
  echo "installing $packages below $lab/npm"
  # A home of its own: npm reads and writes nothing of yours.
  certs=${NODE_EXTRA_CA_CERTS:-${SSL_CERT_FILE:-}}
  # shellcheck disable=SC2086
  install_packages() {
    env -i PATH="$PATH" HOME="$lab/home" LANG=C.UTF-8 ${certs:+NODE_EXTRA_CA_CERTS="$certs"} ${HTTPS_PROXY:+HTTPS_PROXY="$HTTPS_PROXY"} \
      ${npm_config_registry:+npm_config_registry="$npm_config_registry"} \
      npm install --no-audit --no-fund --cache "$lab/npm-cache" --prefix "$lab/npm" $packages >"$lab/logs/npm.log" 2>&1
  }
  tries=1
  until install_packages; do
    [ "$tries" -lt 3 ] || { echo "Error: npm could not install them; its last words:" >&2; tail -5 "$lab/logs/npm.log" >&2; exit 1; }
    tries=$((tries + 1))
    sleep 5
  done
  echo "$packages" >"$lab/npm/installed"
fi
bin=$lab/npm/node_modules/.bin
# Aider is Python's, and no test here needs it: only measurements do. Without it the others are measured all the same.
aider="aider-chat==0.86.2"
is_measured() { case ${1:-} in --matrix | --capture) return 0 ;; *) return 1 ;; esac; }
if is_measured "${1:-}" && [ "$(cat "$lab/py/installed" 2>/dev/null)" != "$aider" ]; then
  echo "installing $aider below $lab/py"
  pip_says() {
    env -i PATH="$PATH" HOME="$lab/home" LANG=C.UTF-8 ${PIP_CERT:+PIP_CERT="$PIP_CERT"} ${PIP_INDEX_URL:+PIP_INDEX_URL="$PIP_INDEX_URL"} \
      ${HTTPS_PROXY:+HTTPS_PROXY="$HTTPS_PROXY"} "$@" >"$lab/logs/pip.log" 2>&1
  }
  if pip_says python3 -m venv "$lab/py" && pip_says "$lab/py/bin/pip" install --no-input --disable-pip-version-check "$aider"; then
    echo "$aider" >"$lab/py/installed"
  else
    echo "SKIPPED aider: pip could not install it: $(tail -n 1 "$lab/logs/pip.log")" >&2
  fi
fi
[ ! -x "$lab/py/bin/aider" ] || ln -sfn "$lab/py/bin/aider" "$bin/aider"
for program in claude codex opencode gemini; do
  version=$(env -i PATH=/usr/local/bin:/usr/bin:/bin HOME="$lab/home" "$bin/$program" --version) || { echo "Error: $bin/$program does not start" >&2; exit 1; }
  case $packages in *"@$(echo "$version" | grep -o '[0-9]\+\.[0-9]\+\.[0-9]\+' | head -n 1)"*) ;; *) echo "Error: $program is $version" >&2; exit 1 ;; esac
done

if [ "${1:-}" = --matrix ]; then
  shift
  (cd "$root" && cargo build --quiet)
  [ $# -gt 0 ] || set -- claude-code codex opencode gemini $([ ! -x "$bin/aider" ] || echo aider)
  exec python3 -B "$here/matrix.py" "$bin" "$root/target/debug/pointsman" "$lab" "$@"
fi

log=$lab/logs/mock.jsonl
rm -f "$log" "$lab/port"
python3 -B "$here/mockllm.py" --port 0 --port-file "$lab/port" --log "$log" >"$lab/logs/mock.out" 2>&1 &
mock=$!
trap 'kill "$mock" 2>/dev/null || true; wait "$mock" 2>/dev/null || true' EXIT
for _ in $(seq 600); do [ -s "$lab/port" ] && break; sleep 0.1; done
[ -s "$lab/port" ] || { echo "Error: the mock model does not listen:" >&2; cat "$lab/logs/mock.out" >&2; exit 1; }
url=http://127.0.0.1:$(cat "$lab/port")
echo "the mock model listens on $url; what it is asked goes to $log"

cd "$root"
if [ "${1:-}" = --capture ]; then
  shift
  [ $# -gt 0 ] || set -- claude-code codex opencode gemini
  python3 -B "$here/capture.py" "$url" "$bin" "${CAPTURE_OUT:-$root/tests/it/fixtures/screens}" "$@"
  exit
fi
# Whatever the programs in here started and nobody ended: their own files are ours alone, so these processes are too.
left() {
  for process in /proc/[0-9]*; do
    case $({ readlink "$process/exe"; tr '\0' ' ' <"$process/cmdline"; } 2>/dev/null) in
      *"$lab/npm/"*) echo "${process#/proc/}" ;;
    esac
  done
}
# OpenCode starts slowly, and the demo starts it ten times: three minutes, which only who asks for it waits. Its walk is among the others.
skip=()
[ $# -gt 0 ] || skip=(--skip demo::the_demo_runs_with_opencode)
# One at a time: the log is shared, and each test reads what was asked since it began.
AGENTLAB_BIN=$bin AGENTLAB_URL=$url AGENTLAB_LOG=$log \
  cargo test --test it "real_agent::${1:-}" -- --ignored --nocapture --test-threads=1 "${skip[@]}" 2>&1 | tee "$lab/logs/test.log" | grep --line-buffered -v '^  ' || true
# A program may still be about to end.
for _ in $(seq 30); do
  pids=$(left)
  [ -n "$pids" ] || break
  sleep 1
done
if [ -n "$pids" ]; then
  echo "Error: the tests are over, and these still run (they are ended now):" >&2
  # shellcheck disable=SC2086
  ps -o pid,ppid,args -p "$(echo $pids | tr ' ' ',')" >&2
  # shellcheck disable=SC2086
  kill -KILL $pids 2>/dev/null || true
  exit 1
fi
# What was left out above, where it matters: every word of a failure.
grep -A 60 ' panicked at ' "$lab/logs/test.log" || true
grep '^test result' "$lab/logs/test.log"
grep -q '^test result: ok' "$lab/logs/test.log"

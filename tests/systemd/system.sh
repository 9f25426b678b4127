#!/bin/bash
# Runs inside boot.sh: the pair of system units, installed by `pointsman service install --system`.
set -u
. /share/words.sh

ctl() { systemctl "$@"; }
as_agents() { runuser -u agents -- env -C / "$@"; }
on_tmux() { as_agents tmux -S /run/pointsman-tmux/sock "$@"; }
# What `service install` says about the verbs of a system installation.
pointsman() { as_agents env HOME=/srv/agents pointsman "$@"; }
evidence() { systemctl status --no-pager pointsman pointsman-tmux; journalctl -u pointsman -u pointsman-tmux --no-pager -o cat | tail -n 40; }

install -m 0755 /share/pointsman /usr/local/bin/pointsman
useradd --create-home --home-dir /srv/agents agents
mkdir -p /srv/site /etc/systemd/system/pointsman.service.d /etc/credstore
chown agents: /srv/site
echo s3cret >/etc/credstore/pointsman.github-token
chmod 0600 /etc/credstore/pointsman.github-token
site /etc/pointsman /srv/site
cat >/etc/systemd/system/pointsman.service.d/here.conf <<'UNIT'
[Service]
# Shorter than as shipped, so that the test ends: systemd, not the daemon, decides it.
WatchdogSec=12s
RestartSec=1s
UNIT

if as_agents pointsman service install --system 2>/dev/null; then fail "units of the system are root's"; fi
/usr/local/bin/pointsman service install --system || fail "they start (Type=notify: the daemon said READY)"
echo "ok    service install starts them, and the daemon said READY"
check "systemd-analyze has nothing to say" "" "$(systemd-analyze verify /etc/systemd/system/pointsman*.service 2>&1 | grep pointsman)"
# Tenths of a point, of ten: a line of the sandbox that gets lost is noticed.
systemd-analyze security --offline=true --threshold=15 /etc/systemd/system/pointsman.service >/dev/null 2>&1 || fail "the daemon's exposure is at most 1.5"
echo "ok    the daemon's exposure is at most 1.5"
again=$(/usr/local/bin/pointsman service install --system --dry-run 2>&1)
check "a second installation has nothing to change" "3" "$(grep -c '^same' <<<"$again")"
check "STATUS= says what it runs" "1 project" "$(shown pointsman StatusText)"

until_true 20 "the agent is up in a pane of the other unit" agent_pid
agent=$(agent_pid)
check "the agent is outside of the daemon's sandbox" "0" "$(awk '/NoNewPrivs/ { print $2 }' "/proc/$agent/status")"
check "the token is the daemon's, by LoadCredential" "s3cret" "$(cat /run/credentials/pointsman.service/github-token)"
check "the daemon is inside" "1" "$(awk '/NoNewPrivs/ { print $2 }' "/proc/$(shown pointsman MainPID)/status")"

sleep 30 # more than twice WatchdogSec, with nothing to do and a cycle of 10 minutes
check "a daemon with nothing to do pets the watchdog" "0" "$(shown pointsman NRestarts)"

pointsman issue new "Why tmux" --label ready-for-research || fail "an issue is opened"
moved() { pointsman issue list | grep -q ready-for-draft; }
until_true 45 "from its sandbox the daemon delivers, and the label moves" moved

kill -STOP "$(shown pointsman MainPID)"
until_true 40 "a daemon that hangs is restarted by the watchdog" restarted 1
check "the agent did not notice" "$agent" "$(agent_pid)"

kill -KILL "$(shown pointsman MainPID)"
until_true 20 "a daemon that was killed is restarted" restarted 2
check "the agent did not notice" "$agent" "$(agent_pid)"

systemctl stop pointsman
check "SIGTERM ends it well" "success inactive" "$(shown pointsman Result) $(ctl is-active pointsman)"
journalctl -u pointsman --no-pager -o cat | grep -q drained || fail "what was open ended first"
check "stopping the daemon does not touch the agent" "$agent" "$(agent_pid)"

echo 'cylce = "5m"' >/etc/pointsman/pointsman.toml
if systemctl start pointsman 2>/dev/null; then fail "a typo is refused"; fi
check "a typo ends it with EX_CONFIG" "78" "$(shown pointsman ExecMainStatus)"
sleep 4 # four times RestartSec
check "and does not become a loop of restarts" "failed 0" "$(ctl is-active pointsman) $(shown pointsman NRestarts)"
journalctl -u pointsman --no-pager -o cat | grep -q 'cylce.*cycle\|did you mean `cycle`' || fail "the journal says what the typo is"

site /etc/pointsman /srv/site

# schema NUMBER: as a binary would leave the ledger that writes that schema.
ledger=/var/lib/pointsman/ledger.sqlite
schema() { python3 -c 'import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute("update meta set schema = ?", [sys.argv[2]]); c.commit()' "$ledger" "$1"; }
schema 2
cp "$ledger" "$ledger.newer"
touch "$ledger.schema-1"
if systemctl start pointsman 2>/dev/null; then fail "a newer ledger is refused"; fi
check "a ledger of a newer binary ends it with EX_CONFIG" "78" "$(shown pointsman ExecMainStatus)"
sleep 4
check "and does not become a loop either" "failed 0" "$(ctl is-active pointsman) $(shown pointsman NRestarts)"
journalctl -u pointsman --no-pager -o cat | grep -q "$ledger.schema-1" || fail "the journal names the back-up"
cmp -s "$ledger" "$ledger.newer" || fail "it was not touched"
echo "ok    a ledger of a newer binary is not touched, and the journal names the back-up"
schema 1
rm "$ledger.schema-1" "$ledger.newer"

rm /etc/credstore/pointsman.github-token
systemctl start pointsman || fail "mended, it starts, and needs no token for issues on this machine"
check "the same agent all along" "$agent" "$(agent_pid)"
/usr/local/bin/pointsman service uninstall --system --yes || fail "the units are taken away"
check "nothing of ours is left of the units" "here.conf" "$(cd /etc/systemd/system && find . -type f -path '*pointsman*' -printf '%f\n')"

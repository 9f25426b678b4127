#!/bin/bash
# Runs inside boot.sh: the system units with two accounts, installed by `pointsman service install --two-users`. An issue walks with the
# scripted agent, whose home only it may read; a pane that reaches for what is the daemon's gets nothing, and with one account everything.
set -u
. /share/words.sh

ctl() { systemctl "$@"; }
as_agents() { runuser -u agents -- env -C / HOME=/home/agents "$@"; }
as_daemon() { runuser -u pointsman -- env -C / "$@"; }
on_tmux() { as_agents tmux -S /run/pointsman-tmux/sock "$@"; }
pointsman() { as_daemon env HOME=/ /usr/local/bin/pointsman "$@"; }
evidence() {
    pointsman status
    pointsman explain 1
    on_tmux list-panes -a -F '#{session_name}:#{window_name} #{pane_dead} #{pane_current_command}'
    on_tmux capture-pane -p -t stone:agent | tail -n 15
    journalctl -u pointsman -u pointsman-tmux -u pointsman-relay --no-pager -o cat | tail -n 60
    ls -laR /run/pointsman /run/pointsman-tmux /run/pointsman-relay /srv/stone/.pointsman
}
shape() { stat -c '%U:%G %a' "$1"; }

install -m 0755 /share/pointsman /usr/local/bin/pointsman
mkdir -p /etc/credstore /etc/pointsman/projects /etc/systemd/system/pointsman.service.d
echo s3cret >/etc/credstore/pointsman.github-token
chmod 0600 /etc/credstore/pointsman.github-token

# What another shape of an account gets is a command, and nothing is changed.
useradd --system --user-group --no-create-home pointsman
useradd --create-home --user-group agents
refused=$(/usr/local/bin/pointsman service install --two-users 2>&1) && fail "an account of another shape is refused"
grep -q 'sudo usermod --append --groups agents pointsman' <<<"$refused" || fail "the command that mends it is named: $refused"
usermod --append --groups pointsman agents
refused=$(/usr/local/bin/pointsman service install --two-users 2>&1) && fail "agents in the daemon's group are refused"
grep -q 'sudo gpasswd --delete agents pointsman' <<<"$refused" || fail "the command that mends it is named: $refused"
[ ! -e /etc/systemd/system/pointsman.service ] || fail "nothing was written"
echo "ok    accounts of another shape are refused with the command that mends them"
gpasswd --delete agents pointsman >/dev/null
userdel pointsman
userdel --remove agents 2>/dev/null

rehearsed=$(/usr/local/bin/pointsman service install --two-users --dry-run 2>&1) || fail "a rehearsal: $rehearsed"
check "a rehearsal names both accounts" "2" "$(grep -c '^account   useradd ' <<<"$rehearsed")"
if id agents >/dev/null 2>&1; then fail "a rehearsal makes no account"; fi

/usr/local/bin/pointsman service install --two-users || fail "they start (Type=notify: the daemon said READY)"
echo "ok    service install --two-users makes the accounts, starts both units, and the daemon said READY"
check "the daemon is in the agents' group" "pointsman agents" "$(id -nG pointsman)"
check "and never the reverse" "agents" "$(id -nG agents)"
check "systemd-analyze has nothing to say" "" "$(systemd-analyze verify /etc/systemd/system/pointsman*.service 2>&1 | grep pointsman)"
# 0.2 more than with one account: it sees the agents' processes, is in their group, and what it writes is for that group.
systemd-analyze security --offline=true --threshold=17 /etc/systemd/system/pointsman.service >/dev/null 2>&1 || fail "the daemon's exposure is at most 1.7"
echo "ok    the daemon's exposure is at most 1.7"

# A project of the agents', in the home that only they may enter. Its build runs where they work.
chmod 0700 /home/agents
mkdir /srv/stone
printf '#!/bin/sh\necho "hello"\n' >/srv/stone/greet.sh
printf 'test:\n\tid -un >/srv/built-by\n' >/srv/stone/Makefile
install -o agents -m 0644 /dev/null /srv/built-by
chown -R agents: /srv/stone
as_agents git config --global user.name Agents
as_agents git config --global user.email agents@localhost
as_agents git -C /srv/stone init -q -b main
as_agents git -C /srv/stone add -A
as_agents git -C /srv/stone commit -q -m "a small project"
said=$(pointsman init /srv/stone --local --agent demo --build "make test" 2>&1) || fail "init: $said"
grep -q 'sudo pointsman service install --two-users' <<<"$said" || fail "init says what makes the folders: $said"
echo 'cycle = "10s"' >/etc/pointsman/pointsman.toml
# Programs of the agents' own: theirs to start, and the daemon's account starts none of them.
install -d -o agents -g agents /home/agents/.local/bin /srv/tools
printf '#!/bin/sh\ntouch "/tmp/started-by-$(id -un)"; echo 9.9.9\n' >/srv/tools/claude
chmod 0755 /srv/tools/claude
chown agents: /srv/tools/claude
export PATH=/srv/tools:$PATH
/usr/local/bin/pointsman service install --two-users >/dev/null || fail "again, with a project"
again=$(/usr/local/bin/pointsman service install --two-users --dry-run 2>&1)
check "a third installation has nothing to change" "" "$(grep -vE '^same|nothing was changed|^$|token' <<<"$again")"

check "the state" "pointsman:pointsman 700" "$(shape /var/lib/pointsman)"
check "the server's folder" "agents:agents 700" "$(shape /run/pointsman-tmux)"
check "the relay's folder" "agents:agents 750" "$(shape /run/pointsman-relay)"
check "its socket" "agents:agents 660" "$(shape /run/pointsman-relay/sock)"
check "the folder for reports" "agents:agents 2770" "$(shape /srv/stone/.pointsman/spool)"
check "the folder for work trees" "agents:agents 2750" "$(shape /var/lib/pointsman-agents/trees)"
check "the folder for sessions" "pointsman:agents 2770" "$(shape /run/pointsman/agents)"
check "the control socket" "pointsman:pointsman 660" "$(shape /run/pointsman/control.sock)"

doctor() { (cd / && pointsman doctor 2>&1); }
says_wrong() { doctor | grep '^wrong' | grep -q "$1" || fail "doctor finds what is wrong ($1): $(doctor)"; }
agent_pid() { on_tmux list-panes -t stone:agent -F '#{pane_pid}'; }
relay_pid() { shown pointsman-relay MainPID; }
until_true 30 "the agent is up" agent_pid
check "the relay is the agents'" "agents" "$(ps -o user= -p "$(relay_pid)" | tr -d ' ')"
if as_daemon tmux -S /run/pointsman-tmux/sock list-panes 2>/dev/null; then fail "the daemon's account cannot reach the agents' server"; fi
attach=$(pointsman attach stone 2>&1 </dev/null) && fail "attach as the daemon's account is refused: $attach"
grep -q 'sudo -u agents tmux -S /run/pointsman-tmux/sock attach-session -t =stone' <<<"$attach" || fail "and says how: $attach"
echo "ok    no client of the agents' server runs as the daemon's account"
check "the agent is another account than the daemon" "agents pointsman" "$(ps -o user= -p "$(agent_pid)" | tr -d ' ') $(ps -o user= -p "$(shown pointsman MainPID)" | tr -d ' ')"
path_of() { tr '\0' '\n' <"/proc/$1/environ" | grep '^PATH='; }
check "the daemon's PATH has no folder of the agents'" "0" "$(path_of "$(shown pointsman MainPID)" | grep -c '/home/agents\|/srv/tools')"
check "and what it hands on to them has both" "1" "$(tr '\0' '\n' <"/proc/$(shown pointsman MainPID)/environ" | grep '^POINTSMAN_AGENTS_PATH=' | grep '/home/agents/.local/bin' | grep -c '/srv/tools')"
cp -r /etc/pointsman /tmp/asked
sed -i 's/^agent = .*/agent = "claude-code"/' /tmp/asked/projects/stone.toml
chown -R pointsman: /tmp/asked
asked=$(as_daemon env HOME=/ PATH="$PATH" CONFIGURATION_DIRECTORY=/tmp/asked STATE_DIRECTORY=/var/lib/pointsman XDG_RUNTIME_DIR=/run /usr/local/bin/pointsman doctor 2>&1)
grep -q '/srv/tools/claude. belongs to the agents' <<<"$asked" || fail "doctor says that it starts no program of the agents': $asked"
check "and starts none" "" "$(find /tmp -maxdepth 1 -name 'started-by-*')"
as_daemon /srv/tools/claude >/dev/null
check "which would have been seen" "/tmp/started-by-pointsman" "$(find /tmp -maxdepth 1 -name 'started-by-*')"
if as_daemon ls /home/agents >/dev/null 2>&1; then fail "the daemon itself cannot look into the agents' home"; fi


doctor | grep -q '^note.*two: the daemon is uid' || fail "doctor says that they are two: $(doctor)"
check "doctor finds nothing wrong" "" "$(doctor | grep '^wrong')"
broken() { # broken WHAT FINDING BREAK MEND: doctor finds it once it is broken
    sh -c "$3"
    says_wrong "$2"
    sh -c "$4"
    echo "ok    doctor finds $1"
}
broken "a state that others may enter" '/var/lib/pointsman. is uid' 'chmod 755 /var/lib/pointsman' 'chmod 700 /var/lib/pointsman'
broken "a folder for reports without the group's bit" 'spool. is uid' 'chmod 755 /srv/stone/.pointsman/spool' 'chmod 2770 /srv/stone/.pointsman/spool'
broken "agents in the daemon's group" 'agents can do what operators can' 'usermod -aG pointsman agents' 'gpasswd -d agents pointsman >/dev/null'
gpasswd -d pointsman agents >/dev/null
pointsman status 2>&1 | grep -q "^Error: the agents' account is not known" || fail "an account that is not in the group is not taken for one user: $(pointsman status 2>&1)"
echo "ok    a daemon that left the agents' group is not taken for one user"
usermod -aG agents pointsman
broken "a repository that it cannot read" 'cannot read `/srv/stone/.git/objects' 'chmod 700 /srv/stone/.git/objects' 'chmod 755 /srv/stone/.git/objects'
broken "a configuration that agents can read" 'every account can read `/etc/pointsman' 'chmod 755 /etc/pointsman' 'chmod 750 /etc/pointsman'

pointsman issue new "Greet the world" --project stone --label ready-for-dev --body "Say it." >/dev/null || fail "an issue is opened"
ledger() { pointsman ledger show --project stone; }
is_recorded() { ledger | grep -q "$1"; }
until_true 60 "the brief is confirmed by the agent's own transcript" is_recorded 'confirmed (transcript-'
brief=$(ls /srv/stone/.pointsman/briefs/*.md 2>/dev/null | head -n 1)
[ -z "$brief" ] || check "a brief is the daemon's, for agents to read" "pointsman:agents 640" "$(shape "$brief")"
yours() { pointsman explain 1 --project stone | grep -q approve; }
until_true 120 "report, gate, and a fresh agent's verdict: what is left is a person's word" yours
check "the build ran as the agents" "agents" "$(cat /srv/built-by)"
taken=$(cat /home/agents/.pointsman-demo/transcript-*.jsonl | grep '"type":"user"' | grep -o '"text":"[^"]*"')
check "agents took nothing but our lines" "" "$(grep -v '"text":"Task [a-z0-9]*: ' <<<"$taken")"
check "and none of them twice" "" "$(sort <<<"$taken" | uniq -d)"

# The probe runs in a pane. DAEMON is the daemon's process.
cat >/usr/local/bin/probe <<'PROBE'
#!/bin/bash
exec >"$2" 2>&1
token=/run/credentials/pointsman.service/github-token
daemon=/proc/$1
for path in "$token" /var/lib/pointsman/ledger.sqlite /var/lib/pointsman/key "$daemon/environ" "$daemon/root$token"; do
    head -c 1 "$path" >/dev/null 2>&1 && echo "read $path"
done
: >>/var/lib/pointsman/ledger.sqlite && echo "write the ledger"
touch /etc/pointsman/probe && echo "write the configuration"
kill -0 "$1" && echo "signal the daemon"
/usr/local/bin/pointsman pause stone >/dev/null 2>&1 && echo "call the daemon"
echo end
PROBE
chmod 0755 /usr/local/bin/probe
# probed: what a pane of the agents' server could do.
probed() {
    local out=/home/agents/probe.$RANDOM
    on_tmux new-window -d -t stone: -n probe /usr/local/bin/probe "$(shown pointsman MainPID)" "$out"
    for _ in $(seq 200); do grep -q '^end' "$out" 2>/dev/null && break; sleep 0.1; done
    grep -E '^(read|write|signal|call|end)' "$out"
    cp "$out" /tmp/probe
}
check "a pane can read neither token, ledger, key nor the daemon's environment, write nothing of it, signal and call it not" "end" "$(probed)"
[ "$(grep -c 'Permission denied\|not permitted' /tmp/probe)" -ge 3 ] || fail "the kernel says why: $(cat /tmp/probe)"

# A server runs its hooks in the client that gave the command, and opens files through it. An agent sets what it likes on its own server:
# whose client runs is what counts.
token=/run/credentials/pointsman.service/github-token
hooks="after-list-panes after-display-message after-show-options after-capture-pane after-list-clients after-set-option after-list-buffers client-attached"
install -d -m 1777 /srv/hooked
on_tmux set-buffer -b mark hooked
for hook in $hooks; do
    on_tmux set-hook -g "$hook"'[10]' "load-buffer -b loot-$hook $token"
    on_tmux set-hook -g "$hook"'[11]' "save-buffer -b mark /var/lib/pointsman/hooked-$hook"
    on_tmux set-hook -g "$hook"'[12]' "save-buffer -b mark '/srv/hooked/$hook-#{pid}-#{client_pid}'"
done
on_tmux set-option -s 'command-alias[90]' "list-panes=load-buffer -b loot-alias $token ; list-panes"
rm -f /srv/hooked/*
# The files come only after the client has gone.
looks() { doctor >/dev/null; ls /srv/hooked | grep -q .; }
until_true 20 "a hook of the agents' opens files through clients for the daemon" looks
pointsman session explain stone >/dev/null 2>&1
pointsman status >/dev/null 2>&1
doctor >/dev/null
on_tmux set-option -su 'command-alias[90]'
pointsman session explain stone >/dev/null 2>&1
doctor >/dev/null
systemctl restart pointsman || fail "a restart of the daemon, with hooks"
for verb in "session explain stone" "doctor" "attach stone" "down stone" "up stone"; do
    # shellcheck disable=SC2086
    pointsman $verb >/dev/null 2>&1 </dev/null
done
sleep 5
pointsman doctor >/dev/null 2>&1
/usr/local/bin/pointsman service install --two-users --dry-run >/dev/null 2>&1
check "no hook read the token through a client of the daemon's" "" "$(on_tmux list-buffers | grep '^loot-')"
check "none wrote into the daemon's state" "" "$(ls /var/lib/pointsman | grep '^hooked-')"
check "all ran as the agents" "agents" "$(stat -c %U /srv/hooked/* | sort -u)"
for hook in $hooks; do on_tmux set-hook -gu "$hook"; done
until_true 60 "the agent is up again" agent_pid

agents=$(agent_pid)
systemctl restart pointsman || fail "a restart of the daemon"
check "a restart of the daemon leaves agents alive" "$agents" "$(agent_pid)"
kill -KILL "$(shown pointsman MainPID)"
sleep 6
until_true 20 "a daemon that was killed is restarted" restarted 1
check "and the agent did not notice" "$agents" "$(agent_pid)"

# The folder of the relay's socket is the agents': what they put there instead is told nothing.
relay=$(relay_pid)
kill -STOP "$relay"
as_agents sh -c 'rm /run/pointsman-relay/sock && ln -s /run/pointsman/control.sock /run/pointsman-relay/sock'
says_wrong "uid $(id -u pointsman) listens there, and not uid $(id -u agents)"
echo "ok    a socket of another account in its place is told nothing"
kill -CONT "$relay"
is_back() { [ "$(relay_pid)" != "$relay" ] && [ -S /run/pointsman-relay/sock ] && [ ! -L /run/pointsman-relay/sock ]; }
until_true 20 "and the relay comes back" is_back
until_true 30 "which doctor finds right" sh -c "! runuser -u pointsman -- env -C / HOME=/ /usr/local/bin/pointsman doctor 2>&1 | grep '^wrong'"
check "no agent noticed" "$agents" "$(agent_pid)"

# A relay that cannot come up: nobody reads what the agent says, and that is no idle agent.
as_agents sh -c 'rm -f /run/pointsman-relay/sock; mkdir /run/pointsman-relay/sock'
kill -KILL "$(relay_pid)"
pointsman issue new "Greet the moon" --project stone --label ready-for-prep --body "Say it." >/dev/null
is_unread() { pointsman explain 2 --project stone | grep -q '^held: agents-unread'; }
until_true 30 "without the relay nothing starts, and it is said" is_unread
as_agents rmdir /run/pointsman-relay/sock
is_prepared() { pointsman ledger show --project stone | grep -q '#2 .*confirmed\|#2 closed\|#2.*ready-for-dev' || pointsman explain 2 --project stone | grep -q 'confirmed'; }
until_true 60 "and goes on by itself when it is back" is_prepared

# Leaving: trees and branches are the agents', and git in them would start what they configured.
mkdir /srv/pebble
echo pebble >/srv/pebble/pebble.txt
chown -R agents: /srv/pebble
as_agents git -C /srv/pebble init -q -b main
as_agents git -C /srv/pebble add -A
as_agents git -C /srv/pebble commit -q -m "a smaller project"
pointsman init /srv/pebble --local --agent demo --build true >/dev/null || fail "a second project"
/usr/local/bin/pointsman service install --two-users >/dev/null || fail "its folders"
until_true 30 "its agent is up" on_tmux list-panes -t pebble:agent
as_agents git -C /srv/pebble branch pointsman/7-done
as_agents git -C /srv/pebble worktree add -q --detach /var/lib/pointsman-agents/trees/pebble/gate
as_agents mkdir /var/lib/pointsman-agents/trees/pebble/more
install -m 0666 /dev/null /srv/started-by
as_agents git -C /srv/pebble config filter.spy.clean 'id -un >>/srv/started-by; cat'
as_agents sh -c 'echo "* filter=spy" >/srv/pebble/.git/info/attributes; git -C /srv/pebble switch -q pointsman/7-done; touch /srv/pebble/pebble.txt'
: >/srv/started-by
removed=$(cd / && pointsman remove pebble --yes 2>&1) || fail "a project is removed: $removed"
check "its work trees are gone" "" "$(ls -d /var/lib/pointsman-agents/trees/pebble /var/lib/pointsman-agents/logs/pebble /srv/pebble/.pointsman 2>/dev/null)"
check "and its branches, and it stands on its own" "main main" "$(as_agents git -C /srv/pebble symbolic-ref --short HEAD) $(as_agents git -C /srv/pebble for-each-ref --format='%(refname:short)' refs/heads)"
check "what agents configured there started as the agents" "agents" "$(sort -u /srv/started-by)"
on_tmux has-session -t =pebble 2>/dev/null && fail "its agent is ended"

systemctl stop pointsman
# A client writes for whoever it runs as, and the server says what: as root's it would write as root.
on_tmux set-buffer -b probe hello
on_tmux set-hook -g after-list-panes 'save-buffer -b probe /tmp/written'
again=$(/usr/local/bin/pointsman service uninstall --system --dry-run 2>&1)
grep -q '^end .*the agent of stone' <<<"$again" || fail "the agents that end are listed: $again"
until_true 5 "a hook of the agents' writes through the client of an uninstall" test -s /tmp/written
check "as their account" "agents" "$(stat -c %U /tmp/written)"
rm /tmp/written
tmux -S /run/pointsman-tmux/sock list-panes -a >/dev/null
until_true 5 "and through one that root starts" test -s /tmp/written
check "as root" "root" "$(stat -c %U /tmp/written)"
rm /tmp/written
on_tmux set-hook -gu after-list-panes
for kept in 'account pointsman .*userdel pointsman' 'account agents ' '/var/lib/pointsman-agents '; do
    grep -q "^keep .*$kept" <<<"$again" || fail "what stays is listed ($kept): $again"
done
/usr/local/bin/pointsman service uninstall --system --yes >/dev/null || fail "the units are taken away"
check "nothing of ours is left of the units" "" "$(cd /etc/systemd/system && find . -type f -path '*pointsman*')"

# Without the relay nobody may look into the agents' trees: what is left is listed all the same, with why.
left=$(cd / && as_daemon env HOME=/ CONFIGURATION_DIRECTORY=/etc/pointsman STATE_DIRECTORY=/var/lib/pointsman XDG_RUNTIME_DIR=/run /usr/local/bin/pointsman uninstall --dry-run 2>&1) || fail "what is left is listed without the relay: $left"
grep -q '^keep .*worktrees and branches of ours in /srv/stone .*pointsman remove stone' <<<"$left" || fail "with what stays, and why: $left"
echo "ok    after the units the rest is listed"

# One account for both after two: a third one would look for agents in what two left, and is told; agents' own is fine, and back again.
useradd --create-home --user-group third
refused=$(/usr/local/bin/pointsman service install --system --account third 2>&1) && fail "what two users left is refused for a third"
grep -q 'sudo rm -r /var/lib/pointsman-agents' <<<"$refused" || fail "with what mends it: $refused"
echo "ok    what two users left is named to a third account"

# The same probe with one account for both: it gets everything, so the probe can tell.
/usr/local/bin/pointsman service install --system --account agents >/dev/null || fail "one account for both"
until_true 30 "with one account the agent is up" agent_pid
check "the same pane can do all of it with one account" "9" "$(probed | grep -vc '^end')"

# And back to two: what the agents' account wrote into the configuration meanwhile is the daemon's, also by its other names.
as_agents env HOME=/home/agents sh -c 'echo "# agents wrote this" >>/etc/pointsman/projects/stone.toml; ln /etc/pointsman/projects/stone.toml /home/agents/stone.toml' || fail "with one account the configuration is the agents'"
again=$(/usr/local/bin/pointsman service install --two-users 2>&1) || fail "back to two users: $again"
grep -q '^owner .*/etc/pointsman/projects/stone.toml' <<<"$again" || fail "what was taken over is named: $again"
check "the configuration is the daemon's" "pointsman:pointsman" "$(stat -c %U:%G /etc/pointsman/projects/stone.toml)"
check "and no other name of it is" "1" "$(stat -c %h /etc/pointsman/projects/stone.toml)"
check "key and ledger are the daemon's" "pointsman pointsman" "$(stat -c %U /var/lib/pointsman/key /var/lib/pointsman/ledger.sqlite | xargs)"
until_true 30 "and doctor finds it right" sh -c "! runuser -u pointsman -- env -C / HOME=/ /usr/local/bin/pointsman doctor 2>&1 | grep '^wrong'"

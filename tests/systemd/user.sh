#!/bin/bash
# Runs inside boot.sh: the pair of user units, installed as systemd/user/pointsman-tmux.service says.
set -u
. /share/words.sh

useradd --create-home --home-dir /srv/ada --shell /bin/bash ada
uid=$(id -u ada)
as_ada() { runuser -u ada -- env -C /srv/ada HOME=/srv/ada XDG_RUNTIME_DIR="/run/user/$uid" "$@"; }
ctl() { as_ada systemctl --user "$@"; }
on_tmux() { as_ada tmux -S "/run/user/$uid/pointsman-tmux/sock" "$@"; }
pointsman() { as_ada /srv/ada/.cargo/bin/pointsman "$@"; }
evidence() { ctl status --no-pager pointsman pointsman-tmux; journalctl --no-pager -o cat | tail -n 40; }

loginctl enable-linger ada
until_true 20 "the user's own systemd runs" ctl is-system-running --wait
as_ada mkdir -p .cargo/bin .config/systemd/user/pointsman.service.d .config/pointsman src/site
as_ada cp /share/pointsman .cargo/bin/
as_ada sh -c 'cp /share/systemd/user/pointsman*.service ~/.config/systemd/user/'
site /srv/ada/.config/pointsman '~/src/site'
chown -R ada: /srv/ada/.config
printf '[Service]\nReadWritePaths=-%%h/src/site\nRestartSec=1s\n' >/srv/ada/.config/systemd/user/pointsman.service.d/here.conf

check "systemd-analyze has nothing to say" "" "$(as_ada sh -c 'systemd-analyze --user verify ~/.config/systemd/user/pointsman*.service' 2>&1 | grep pointsman)"
ctl daemon-reload
ctl enable --now pointsman-tmux pointsman 2>/dev/null || fail "they start (Type=notify: the daemon said READY)"
echo "ok    they start, and the daemon said READY"
until_true 20 "the agent is up in a pane of the other unit" agent_pid
agent=$(agent_pid)
pointsman issue new "Why tmux" --label ready-for-research || fail "an issue is opened"
moved() { pointsman issue list | grep -q ready-for-draft; }
until_true 45 "from its sandbox the daemon delivers, and the label moves" moved

kill -KILL "$(shown pointsman MainPID)"
until_true 20 "a daemon that was killed is restarted" restarted 1
ctl stop pointsman
check "SIGTERM ends it well" "success inactive" "$(shown pointsman Result) $(ctl is-active pointsman)"
check "the agent did not notice" "$agent" "$(agent_pid)"
ctl stop pointsman-tmux

#!/bin/bash
# Runs inside boot.sh: the pair of user units, installed by `pointsman service install`.
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
as_ada mkdir -p .cargo/bin .config/systemd/user/pointsman.service.d .config/pointsman src/site 'src/my blog'
as_ada cp /share/pointsman .cargo/bin/
site /srv/ada/.config/pointsman '~/src/site'
echo s3cret >/srv/ada/.config/pointsman/github-token
chmod 0600 /srv/ada/.config/pointsman/github-token
chown -R ada: /srv/ada/.config
printf '[Service]\nRestartSec=1s\n' >/srv/ada/.config/systemd/user/pointsman.service.d/here.conf

# Somebody's server on the socket is told, and stays.
as_ada mkdir -p "/run/user/$uid/pointsman-tmux"
on_tmux -f /dev/null new-session -d -s site 'sleep 600'
by_hand=$(on_tmux list-panes -a -F '#{pane_pid}')
if pointsman service install 2>/dev/null; then fail "a server that was started by hand stands in the way"; fi
check "a server that was started by hand is left alone" "$by_hand" "$(on_tmux list-panes -a -F '#{pane_pid}')"
on_tmux kill-server

pointsman service install || fail "they start (Type=notify: the daemon said READY)"
echo "ok    service install starts them, and the daemon said READY"
check "systemd-analyze has nothing to say" "" "$(as_ada sh -c 'systemd-analyze --user verify ~/.config/systemd/user/pointsman*.service' 2>&1 | grep pointsman)"
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

# The server was not touched, so a new project's daemon finds its agent where it was.
ctl start pointsman
said=$(pointsman init --local --agent demo --build none --workflow content.toml 'src/my blog' 2>&1) || fail "a project is added: $said"
grep -q 'systemctl --user daemon-reload && systemctl --user restart pointsman' <<<"$said" || fail "init names the restart: $said"
pointsman issue new "Second" --project my-blog --label ready-for-research
is_held() { pointsman explain 1 --project my-blog | grep -q not-writable; }
until_true 20 "a project that the sandbox does not know is held, not-writable" is_held
ctl daemon-reload
ctl restart pointsman
goes_on() { pointsman issue list --project my-blog | grep -q ready-for-draft; }
until_true 45 "after the restart that init named it goes on" goes_on
check "the first agent did not notice" "$agent" "$(agent_pid)"

pointsman service uninstall --yes || fail "the units are taken away"
check "nothing of ours is left of the units" "here.conf" "$(cd /srv/ada/.config/systemd/user && find . -type f -printf '%f\n')"
check "and nothing runs" "inactive inactive" "$(ctl is-active pointsman) $(ctl is-active pointsman-tmux)"

pointsman service install >/dev/null 2>&1 || fail "they are installed once more"
pointsman uninstall --dry-run >/dev/null 2>&1 || fail "uninstall says what it would do"
check "a rehearsal stops nothing" "active active" "$(ctl is-active pointsman) $(ctl is-active pointsman-tmux)"
# An agent may have work in hand by now, which uninstall refuses to lose. This goes the way out that it names.
for project in site my-blog; do
    for label in ready-for-research ready-for-draft draft-review; do
        pointsman issue unlabel 1 "$label" --project "$project" >/dev/null 2>&1
    done
done
until_true 60 "uninstall does it once no work is in hand" pointsman uninstall --yes
check "nothing runs any more" "inactive inactive" "$(ctl is-active pointsman) $(ctl is-active pointsman-tmux)"
# Only what the list keeps: the token, the settings, the issues, this program.
left=$(cd /srv/ada && find .config .local src .cargo -type f | grep pointsman | grep -v -e '^.local/state/pointsman/tracker/' -e here.conf | sort | tr '\n' ' ')
check "nothing is left but what the list keeps" ".cargo/bin/pointsman .config/pointsman/github-token .config/pointsman/pointsman.toml " "$left"

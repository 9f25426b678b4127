#!/bin/bash
# Runs inside boot.sh: gates under the installed units. A make with a compiler, a node and a cargo build run in the agents' tmux server,
# where they can; then both units go down and come up as at a reboot, in the middle of the work, with 18 sessions.
set -u
. /share/words.sh

ctl() { systemctl "$@"; }
as_agents() { runuser -u agents -- env -C / "$@"; }
on_tmux() { as_agents tmux -S /run/pointsman-tmux/sock "$@"; }
pointsman() { as_agents env HOME=/srv/agents pointsman "$@"; }
evidence() { pointsman status; for name in $NAMES; do pointsman explain 1 --project "$name"; done; journalctl -u pointsman -u pointsman-tmux --no-pager -o cat | tail -n 60; }

NAMES="stone river meadow"
# Sessions that have nothing to do, all along.
CALM=$(seq -f 'calm%g' 15)

# The programs lie where whoever runs this keeps them: inside, everybody may look.
rust=$(cat /share/toolchain)
node=$(cat /share/node)
for program in "$rust/bin/cargo" "$rust/bin/rustc" "$node"; do
    [ -x "$program" ] || fail "$program is not in here: it lies on a mount of its own"
    folder=$(dirname "$program")
    while [ "$folder" != / ]; do
        chmod o+x "$folder"
        folder=$(dirname "$folder")
    done
    [ "$program" -ef "/usr/local/bin/${program##*/}" ] || ln -s "$program" /usr/local/bin/
done

install -m 0755 /share/pointsman /usr/local/bin/pointsman
useradd --create-home --home-dir /srv/agents agents
as_agents git config --file /srv/agents/.gitconfig user.name Agents
as_agents git config --file /srv/agents/.gitconfig user.email agents@localhost
mkdir -p /etc/pointsman/projects /etc/pointsman/agents
echo 'cycle = "10s"' >/etc/pointsman/pointsman.toml

# repository NAME BUILD: what is in /srv/NAME becomes a project.
repository() {
    chown -R agents: "/srv/$1"
    as_agents git -C "/srv/$1" init -q -b main
    as_agents env HOME=/srv/agents git -C "/srv/$1" add -A
    as_agents env HOME=/srv/agents git -C "/srv/$1" commit -q -m "a small project"
    cat >"/etc/pointsman/projects/$1.toml" <<TOML
tracker = "local"
path = "/srv/$1"
added = "2020-01-01T00:00:00Z"
agent = "demo"
build = "$2"
TOML
}

script='#!/bin/sh\necho "hello"\n'
mkdir -p /srv/stone /srv/river /srv/meadow/src
printf "$script" | tee /srv/stone/greet.sh /srv/river/greet.sh >/srv/meadow/greet.sh
echo 'int main(void) { return 0; }' >/srv/stone/main.c
printf 'test: main\n\t./main\nmain: main.c\n\tcc -o main main.c\n' >/srv/stone/Makefile
echo main >/srv/stone/.gitignore
echo 'const wasm = new WebAssembly.Module(Uint8Array.of(0, 97, 115, 109, 1, 0, 0, 0)); console.log(typeof wasm);' >/srv/river/test.js
printf '[package]\nname = "meadow"\nversion = "0.1.0"\nedition = "2024"\n' >/srv/meadow/Cargo.toml
echo '#[test] fn it_grows() { assert_eq!(1 + 1, 2); } fn main() {}' >/srv/meadow/src/main.rs
echo target >/srv/meadow/.gitignore
printf 'version = 4\n\n[[package]]\nname = "meadow"\nversion = "0.1.0"\n' >/srv/meadow/Cargo.lock
repository stone "make test"
repository river "node test.js"
repository meadow "cargo test --offline --quiet"

for name in $CALM; do
    mkdir "/srv/$name"
    chown agents: "/srv/$name"
    printf 'tracker = "local"\npath = "/srv/%s"\nadded = "2020-01-01T00:00:00Z"\nagent = "demo"\nworkflow = "content.toml"\n' "$name" >"/etc/pointsman/projects/$name.toml"
done

/usr/local/bin/pointsman service install --system >/dev/null 2>&1 || fail "they start"
for name in $NAMES; do
    pointsman issue new "Greet the world" --project "$name" --label ready-for-dev --body "Say it." >/dev/null || fail "an issue is opened in $name"
done
# Each has a brief, and one build at least is judged, when everything goes down.
all_have_briefs() { [ "$(for name in $NAMES; do pointsman ledger show --project "$name" | grep -c 'submitted'; done | grep -vc '^0')" = 3 ]; }
until_true 60 "three agents have their briefs" all_have_briefs

# How many sessions have nothing to do, and bytes that they took.
calm() {
    local at=/srv/agents/.pointsman-demo agent many=0 bytes=0
    for agent in $(grep -l '"/srv/calm' $at/sessions/*.json | grep -o '[0-9]*\.json$'); do
        # One that was killed leaves its file.
        [ -d "/proc/${agent%.json}" ] || continue
        many=$((many + 1))
        bytes=$((bytes + $(wc -c <"$at/transcript-${agent%.json}.jsonl")))
    done
    echo "$many $bytes"
}
pids() { on_tmux list-panes -a -F '#{window_name} #{pane_pid}' | grep '^agent' | sort; }
all_are_up() { [ "$(pids | wc -l)" = 18 ]; }
until_true 30 "eighteen agents are up" all_are_up
agents=$(pids)
systemctl restart pointsman || fail "a restart in the middle of three dispatches"
check "a restart of the daemon in the middle of the work touches no agent" "$agents" "$(pids)"

check "who has nothing to do was told nothing" "15 0" "$(calm)"
systemctl stop pointsman pointsman-tmux
check "no agent outlives the machine" "" "$(pgrep -u agents -f demo-agent)"
systemctl start pointsman-tmux pointsman || fail "both come up again"
until_true 30 "after the reboot all eighteen are there again, and nobody typed anything" all_are_up

yours() { for name in $NAMES; do pointsman explain 1 --project "$name" | grep -q 'approve' || return 1; done; }
until_true 60 "make with a compiler, node and cargo: every build holds, and what is left is a person's word" yours
taken=$(cat /srv/agents/.pointsman-demo/transcript-*.jsonl | grep '"type":"user"' | grep -o '"text":"[^"]*"')
check "agents took nothing but our lines" "" "$(grep -v '"text":"Task [a-z0-9]*: ' <<<"$taken")"
check "and none of them twice" "" "$(sort <<<"$taken" | uniq -d)"
check "and who had nothing to do was told nothing" "15 0" "$(calm)"
[ "$(grep -c . <<<"$taken")" -ge 6 ] || fail "each of three had a brief before the reboot and one after: $taken"
systemctl stop pointsman pointsman-tmux

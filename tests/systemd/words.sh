# Sourced by system.sh and user.sh: waiting, and a check that says what it saw.

# until_true SECONDS WHAT COMMAND...
until_true() {
    local seconds=$1 what=$2 end=$((SECONDS + $1))
    shift 2
    while ((SECONDS < end)); do
        if "$@" >/dev/null 2>&1; then
            echo "ok    $what"
            return 0
        fi
        sleep 0.2
    done
    fail "$what (waited $seconds s)"
}

# check WHAT EXPECTED SEEN
check() {
    if [ "$2" != "$3" ]; then
        fail "$1: expected \`$2\`, saw \`$3\`"
    fi
    echo "ok    $1"
}

fail() {
    echo "FAILED  $1" >&2
    evidence >&2 || true
    exit 1
}

# shown UNIT PROPERTY
shown() { ctl show -p "$2" --value "$1"; }

# restarted TIMES: the daemon runs again, and systemd says how often it restarted it.
restarted() { [ "$(shown pointsman NRestarts)" = "$1" ] && [ "$(ctl is-active pointsman)" = active ]; }

agent_pid() { on_tmux list-panes -t site:agent -F '#{pane_pid}'; }

# A folder without git that walks research, draft, review with the scripted agent; issues live on this machine.
# site CONFIG_FOLDER PATH
site() {
    mkdir -p "$1/projects"
    cat >"$1/projects/site.toml" <<TOML
tracker = "local"
path = "$2"
added = "2020-01-01T00:00:00Z"
agent = "demo"
workflow = "content.toml"
TOML
    # The longest cycle there is: a daemon with nothing to do must pet the watchdog all the same.
    echo 'cycle = "10m"' >"$1/pointsman.toml"
}

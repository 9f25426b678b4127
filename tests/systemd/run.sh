#!/bin/bash
# Runs the units of systemd/ for real: the built binary, a real systemd as process 1 in throw-away namespaces (boot.sh), the scripted
# agent in the units' own tmux server. Needs root, systemd, dbus and Linux namespaces; changes nothing outside. About five minutes.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)

for tool in systemctl dbus-daemon unshare nsenter pgrep tmux git cc make node; do
    command -v "$tool" >/dev/null || { echo "SKIPPED tests/systemd: $tool is missing (Debian: systemd dbus util-linux procps tmux git gcc make nodejs)" >&2; exit 0; }
done
[ "$(id -u)" = 0 ] || { echo "SKIPPED tests/systemd: it needs root for its namespaces" >&2; exit 0; }

cd "$root"
cargo build --quiet
share=$(mktemp -d)
chmod 0755 "$share" # also for the user the units run as
trap 'rm -rf "$share"' EXIT
cp target/debug/pointsman "$here/system.sh" "$here/user.sh" "$here/gates.sh" "$here/two-users.sh" "$here/words.sh" "$share/"
rustc --print sysroot >"$share/toolchain"
node -p process.execPath >"$share/node"
for script in ${1:-system.sh user.sh gates.sh two-users.sh}; do
    printf '%s\n' "-- $script"
    "$here/boot.sh" "$share" "$script"
done
echo "the units hold"

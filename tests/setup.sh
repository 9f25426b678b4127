#!/bin/sh
# Makes sure that what `make demo` and `make test` need is there: cargo, git, a C compiler, tmux. Installs the last two where it may, else says how.
set -u

need() { echo "Missing: $1. $2" >&2; exit 1; }

command -v cargo >/dev/null 2>&1 || need "Rust" "Install it: curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh"
command -v git >/dev/null 2>&1 || need "git" "Debian, Ubuntu: sudo apt-get install git"
what="" packages=""
command -v tmux >/dev/null 2>&1 || { what="tmux" packages="tmux"; }
# For the linker, and for the embedded SQLite.
command -v cc >/dev/null 2>&1 || { what="${what:+$what and }a C compiler" packages="$packages gcc libc6-dev"; }
[ -n "$packages" ] || exit 0

command -v apt-get >/dev/null 2>&1 || need "$what" "Install it with your system's package manager; tmux has to be 3.3a or later"
by_hand="Install it: sudo apt-get install $packages"
if [ "$(id -u)" = 0 ]; then run=""; elif sudo -n true 2>/dev/null; then run="sudo -n"; else need "$what" "$by_hand"; fi
echo "Missing: $what. It is installed with apt-get" >&2
# shellcheck disable=SC2086
install() { $run env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $packages >/dev/null 2>&1; }
install || { $run apt-get update -q >/dev/null 2>&1 && install; } || need "$what" "apt-get could not install it. $by_hand"

#!/bin/sh
# Makes sure that what `make demo` and `make test` need is there: cargo, git, tmux. Installs tmux where it may, else says how.
set -u

need() { echo "$1 is missing. $2" >&2; exit 1; }

command -v cargo >/dev/null 2>&1 || need "Rust" "Install it: curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh"
command -v cc >/dev/null 2>&1 || need "A C compiler (for the embedded SQLite)" "Debian, Ubuntu: sudo apt-get install build-essential"
command -v git >/dev/null 2>&1 || need "git" "Debian, Ubuntu: sudo apt-get install git"
command -v tmux >/dev/null 2>&1 && exit 0

if command -v apt-get >/dev/null 2>&1; then
  if [ "$(id -u)" = 0 ]; then run=""; elif sudo -n true 2>/dev/null; then run="sudo -n"; else
    need "tmux" "Install it: sudo apt-get install tmux"
  fi
  echo "tmux is missing: installing it with apt-get" >&2
  $run apt-get install -y -q tmux >/dev/null 2>&1 || { $run apt-get update -q >/dev/null 2>&1 && $run apt-get install -y -q tmux >/dev/null 2>&1; } ||
    need "tmux" "apt-get could not install it; install tmux 3.3a or later"
else
  need "tmux" "Install tmux 3.3a or later with your system's package manager"
fi

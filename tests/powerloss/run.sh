#!/bin/sh
# Fails the power under the real ledger, and under a control that does not wait for the disk: the first must lose nothing, and the
# second must lose something, or the check could not fail. Needs root, loop devices, mkfs.ext4 and python3. FULL_RUNS, NORMAL_RUNS, SEED.
set -eu
cd "$(dirname "$0")/../.."

if [ "$(id -u)" != 0 ] || [ ! -e /dev/loop-control ] || ! command -v mkfs.ext4 >/dev/null || ! command -v python3 >/dev/null; then
    echo "SKIPPED: tests/powerloss (needs root, loop devices, mkfs.ext4 and python3)"
    exit 0
fi

built=$(cargo test --no-run --test it 2>&1) || { echo "$built" >&2; exit 1; }
binary=$(echo "$built" | sed -n 's/.*Executable tests.it.main.rs (\(.*\))$/\1/p')
power() { python3 tests/powerloss/powerloss.py "$binary" "$@"; }

full=$(power ledger::disk::child_that_appends_until_it_is_killed "${FULL_RUNS:-20}")
echo "the ledger (synchronous=FULL): $full"
normal=$(power ledger::power::child_that_appends_without_waiting_for_the_disk "${NORMAL_RUNS:-8}")
echo "the control (synchronous=NORMAL): $normal"
case $full in "0 of"*) ;; *) echo "powerloss: the ledger lost what it had acknowledged" >&2; exit 1 ;; esac
case $normal in "0 of"*) echo "powerloss: the control lost nothing, so this check proves nothing" >&2; exit 1 ;; esac

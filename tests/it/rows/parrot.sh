#!/bin/bash
# parrot: a terminal agent that nobody has heard of. It takes one line, does what the file in it says, and says what it is doing:
# in its title, in a state file and in a transcript. `parrot.toml` beside it is all that Pointsman knows of it.
set -u
mkdir -p "$HOME/.parrot"

now() {
    printf '{"pid": %s, "status": "%s"}' "$$" "$1" >"$HOME/.parrot/$$.tmp"
    mv "$HOME/.parrot/$$.tmp" "$HOME/.parrot/$$.json"
    printf '\033]2;parrot: %s\007' "$1"
}

printf 'parrot 0.3.1\n'
while :; do
    now idle
    printf 'parrot> '
    IFS= read -r line || exit 0
    printf '{"type": "user", "text": "%s"}\n' "$line" >>"$HOME/.parrot/$$.jsonl"
    now busy
    printf '* working\n'
    sleep 1
    brief=$(printf '%s' "$line" | grep -o '[^ ]*/briefs/[^ ]*\.md')
    printf 'squawk\n' >>squawk.txt
    git add squawk.txt
    git commit -q -m "squawk: once more"
    # The two command lines of the brief that it understands, exactly as printed.
    grep -E '^[^ ]+ (ack|done) ' "$brief" | while IFS= read -r report; do
        printf '$ %s\n' "$report"
        eval "$report" </dev/null
    done
done

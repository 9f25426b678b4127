#!/bin/bash
# outage: a terminal agent whose provider answers the first request of a conversation with an error, `overloaded` or `refused`.
# The next request is answered, and it does what its first brief says.
set -u
mkdir -p "$HOME/.outage"
brief=

now() {
    printf '{"pid": %s, "status": "%s"}' "$$" "$1" >"$HOME/.outage/$$.tmp"
    mv "$HOME/.outage/$$.tmp" "$HOME/.outage/$$.json"
    printf '\033]2;outage: %s\007' "$1"
}

while :; do
    now idle
    printf 'outage> '
    IFS= read -r line || exit 0
    printf '{"type": "user", "text": "%s"}\n' "$line" >>"$HOME/.outage/$$.jsonl"
    now busy
    if [ -z "$brief" ]; then
        brief=$(printf '%s' "$line" | grep -o '[^ ]*/briefs/[^ ]*\.md')
        printf '! %s\n' "$1"
        continue
    fi
    printf 'rain\n' >>rain.txt
    git add rain.txt
    git commit -q -m "rain: once more"
    grep -E '^[^ ]+ (ack|done) ' "$brief" | while IFS= read -r report; do
        printf '$ %s\n' "$report"
        eval "$report" </dev/null
    done
done

#!/bin/sh
# Runs our client against doubles of GitHub that nobody here wrote (README.md). Needs node >= 20 and npm; the first run
# downloads pinned packages into target/github-doubles. Stops only what it started.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
cache="$root/target/github-doubles"
start_seconds_max=60

command -v node >/dev/null || { echo "github-doubles: node is missing" >&2; exit 1; }
mkdir -p "$cache"
cd "$cache"
if ! cmp -s "$here/package-lock.json" installed-lock.json; then
    cp "$here/package.json" "$here/package-lock.json" .
    tries=1
    until npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >&2; do
        [ "$tries" -lt 3 ] || { echo "github-doubles: npm could not install its packages" >&2; exit 1; }
        tries=$((tries + 1))
        sleep 5
    done
    cp "$here/package-lock.json" installed-lock.json
fi

gunzip -c "$here/openapi.json.gz" > openapi.json
rm -f address violations.log
# Beside its packages, so that its imports find them.
cp "$here/chain.mjs" .
node chain.mjs "$cache/openapi.json" "$here/seed.yaml" "$cache/address" "$cache/violations.log" > chain.log 2>&1 &
chain=$!
trap 'kill "$chain" 2>/dev/null || true; wait "$chain" 2>/dev/null || true' EXIT
trap 'exit 130' INT TERM

waited=0
until [ -s address ]; do
    kill -0 "$chain" 2>/dev/null || { cat chain.log >&2; exit 1; }
    [ "$waited" -lt "$start_seconds_max" ] || { echo "github-doubles: not up after ${start_seconds_max}s" >&2; exit 1; }
    sleep 1
    waited=$((waited + 1))
done

cd "$root"
POINTSMAN_THIRD_PARTY_GITHUB=$(cat "$cache/address") cargo test --test it third_party -- --ignored --nocapture
if [ -s "$cache/violations.log" ]; then
    echo "where the doubles themselves differ from GitHub's description (not our requests):"
    sort "$cache/violations.log" | uniq -c | sort -rn | head -20
fi

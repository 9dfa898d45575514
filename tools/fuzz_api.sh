#!/usr/bin/env bash
# Walks the description of the interface (/openapi.json) against the running server: schemathesis calls every operation with
# requests that fit the description and with requests that do not, and compares what comes back with the description. Any
# finding fails. Takes about a minute; the seed is fixed, tools/fuzz_api.toml says what is checked.
#   tools/fuzz_api.sh [OPTION...]     options go to schemathesis, such as --include-path /info/health
# It runs with strict names: the description says what names look like when they are kept, and by default others are cleaned
# and taken as well.
set -euo pipefail
cd "$(dirname "$0")/.."

schemathesis=.tools/schemathesis/bin/schemathesis
if [[ ! -e .tools/schemathesis/ready ]]; then
  echo "not run: the API is not fuzzed, since tools/tools.sh could not set up schemathesis"
  exit 0
fi

export CACHE__SERVICE__STORAGE_MODE=memory CACHE__SERVICE__LISTEN=127.0.0.1:0 CACHE__SERVICE__STRICT_NAMES=true
export CACHE__SERVICE__TEST_ROUTES=true RUST_LOG=error
export FAST_API__AUTH__API_KEY__NAME=x-api-key FAST_API__AUTH__API_KEY__VALUE=fuzz

cargo build --quiet --package cache-lambda --features embedded
folder=$(mktemp -d)
target/debug/cache-lambda >"$folder/server.log" 2>&1 &
server=$!
trap 'kill "$server"; rm -rf "$folder"' EXIT

# The first line names the port.
for _ in {1..50}; do
  url=$(grep -oE 'http://[0-9.:]+' "$folder/server.log" | head -1 || true)
  [[ -n $url ]] && break
  sleep 0.1
done
[[ -n $url ]] || { cat "$folder/server.log"; exit 1; }

"$schemathesis" --config-file tools/fuzz_api.toml run "$url/openapi.json" --no-color \
  --header "x-api-key: $FAST_API__AUTH__API_KEY__VALUE" "$@" || { cat "$folder/server.log"; exit 1; }

#!/usr/bin/env bash
# Runs what needs S3 on engines instead of on moto: the contract of the port, races, lost replies, uploads, both Python clients,
# the recorded exchanges, and random operations over a network that fails.
#   tools/test_s3_engines.sh [ceph] [s3s-fs]   by default Ceph
# Ceph comes from Debian's packages (as root), s3s-fs from crates.io; an engine that cannot be set up is left out, and says so.
set -euo pipefail
cd "$(dirname "$0")/.."

s3s_version=0.14.1
operations=${OPERATIONS:-2000}

# Where the tests send their requests, and what they sign them with.
use() { # ENDPOINT ACCESS_KEY_ID SECRET_ACCESS_KEY
  export MGRAPH_S3_ENDPOINT=$1 AWS_ACCESS_KEY_ID=$2 AWS_SECRET_ACCESS_KEY=$3 AWS_REGION=us-east-1
}

run() { # ENGINE, further arguments leave tests out
  local engine=$1
  shift
  echo "== $engine"
  cargo test --workspace --all-features --test s3_conformance -- "$@"
  CHAOS_OPERATIONS=$operations cargo test --workspace --all-features --test it -- "${on_engines[@]}" "$@"
}

# By name: the others either take no S3, or are about moto.
on_engines=(on_s3 over_a_failing_s3 a_repeat_after_lost_replies an_s3_that_fails nothing_acknowledged_is_lost uploads network)

free_port() {
  python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

ceph() {
  local variables
  if ! variables=$(tools/ceph_s3.sh start 17480 | tail -n 1) || [[ $variables != MGRAPH_* ]]; then
    echo "not run: Ceph cannot be set up here"
    return
  fi
  trap 'tools/ceph_s3.sh stop' RETURN
  use http://127.0.0.1:17480 test test-secret
  run "$(radosgw --version)"
}

s3s-fs() {
  local binary=.tools/s3s-fs/bin/s3s-fs port folder process
  if ! "$binary" --version 2>/dev/null | grep -qF "$s3s_version" &&
    ! cargo install s3s-fs --version "$s3s_version" --locked --features binary --root .tools/s3s-fs --quiet; then
    echo "not run: s3s-fs cannot be set up here"
    return
  fi
  port=$(free_port) folder=$(mktemp -d)
  "$binary" --access-key test --secret-key test-secret --host 127.0.0.1 --port "$port" "$folder" >"$folder.log" 2>&1 &
  process=$!
  trap 'kill $process; rm -rf "$folder" "$folder.log"' RETURN
  for _ in $(seq 100); do
    curl -s -o /dev/null "http://127.0.0.1:$port/" && break
    sleep 0.1
  done
  use "http://127.0.0.1:$port" test test-secret
  run "s3s-fs $s3s_version"
}

[[ $# -gt 0 ]] || set -- ceph
for engine; do
  case $engine in
    ceph | s3s-fs) "$engine" ;;
    *) sed -n '2,6p' "$0"; exit 2 ;;
  esac
done

#!/usr/bin/env bash
# Runs what needs S3 on Ceph instead of on moto: the contract of the port, races, lost replies, uploads, both Python clients, the
# recorded exchanges, and random operations over a network that fails (OPERATIONS=n, by default 2,000).
# Ceph comes from Debian's packages (as root). For a server of one's own set MGRAPH_S3_ENDPOINT, AWS_ACCESS_KEY_ID and
# AWS_SECRET_ACCESS_KEY.
set -euo pipefail
cd "$(dirname "$0")/.."

# By name: the others either take no S3, or are about moto.
tests=(on_s3 over_a_failing_s3 a_repeat_after_lost_replies an_s3_that_fails nothing_acknowledged_is_lost uploads network)

if [[ -z ${MGRAPH_S3_ENDPOINT:-} ]]; then
  trap 'tools/ceph_s3.sh stop' EXIT
  if ! variables=$(tools/ceph_s3.sh start 17480 2>&1 | tail -n 1) || [[ $variables != MGRAPH_* ]]; then
    echo "not run: the tests on Ceph (${variables#ceph_s3.sh: })"
    exit 0
  fi
  # Three assignments, without blanks in their values.
  # shellcheck disable=SC2163
  for variable in $variables; do export "$variable"; done
  radosgw --version
fi
cargo test --workspace --all-features --test s3_conformance
CHAOS_OPERATIONS=${OPERATIONS:-2000} cargo test --workspace --all-features --test it -- "${tests[@]}"

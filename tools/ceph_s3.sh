#!/usr/bin/env bash
# A distributed S3 engine on loopback: one Ceph monitor, one OSD on a file and a RADOS gateway, from Debian's packages.
#   tools/ceph_s3.sh start [PORT]   starts it anew, and prints the variables to use it with; the next two ports are used as well
#   tools/ceph_s3.sh stop           ends what start has started, and removes its folder
# Installs the packages when they are missing (as root). The store is in CEPH_S3_DIR, by default .tools/ceph.
set -euo pipefail
cd "$(dirname "$0")/.."

folder=${CEPH_S3_DIR:-$PWD/.tools/ceph}
config=$folder/ceph.conf
port=${2:-7480}

stop() {
  local file pid
  # The gateway first: it does not end without the others.
  for file in "$folder"/{rgw,osd,mon}.pid; do
    [[ -e $file ]] || continue
    pid=$(<"$file")
    kill "$pid" 2>/dev/null || continue
    for _ in $(seq 100); do
      kill -0 "$pid" 2>/dev/null || continue 2
      sleep 0.1
    done
    kill -9 "$pid" 2>/dev/null || true
  done
  rm -rf "$folder"
}

give_up() {
  echo "ceph_s3.sh: $*" >&2
  exit 1
}

packages() {
  local command said
  for command in ceph ceph-mon ceph-osd radosgw radosgw-admin curl; do
    command -v "$command" >/dev/null && continue
    [[ $(id -u) == 0 ]] && command -v apt-get >/dev/null || give_up "$command is missing, and only root can install it, with apt-get"
    export DEBIAN_FRONTEND=noninteractive
    said=$({ apt-get update -qq && apt-get install -y -qq --no-install-recommends ceph-mon ceph-osd radosgw ceph-mgr ceph-common curl; } 2>&1) ||
      give_up "apt-get cannot install Ceph: $(grep -m 1 '^E:' <<<"$said")"
    return
  done
}

# One copy of everything, little memory, and no complaints about a disk that is nearly full.
configure() {
  cat >"$config" <<CONF
[global]
fsid = $fsid
mon host = [v2:127.0.0.1:$((port + 1)),v1:127.0.0.1:$((port + 2))]
mon initial members = a
public addr = 127.0.0.1
keyring = $folder/keyring
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 8
osd crush chooseleaf type = 0
mon allow pool size one = true
mon data avail warn = 1
mon data avail crit = 1
mon osd full ratio = 0.97
mon osd nearfull ratio = 0.95
mon osd backfillfull ratio = 0.96
client mount timeout = 30
rgw init timeout = 60
run dir = $folder/run
admin socket = $folder/run/\$cluster-\$name.asok
log file = $folder/log/\$name.log
mon data = $folder/mon
osd data = $folder/osd
osd objectstore = bluestore
bluestore block size = 4294967296
bluestore cache size = 134217728
osd memory target = 939524096
rgw frontends = beast endpoint=127.0.0.1:$port
rgw data = $folder/rgw
rgw enable usage log = false
rgw dynamic resharding = false
CONF
}

start() {
  local name uuid
  packages
  stop
  mkdir -p "$folder"/{mon,osd,rgw,run,log}
  fsid=$(</proc/sys/kernel/random/uuid)
  uuid=$(</proc/sys/kernel/random/uuid)
  configure
  ceph-authtool --create-keyring "$folder/keyring" --gen-key -n mon. --cap mon 'allow *' >/dev/null
  for name in client.admin client.rgw osd.0; do
    ceph-authtool "$folder/keyring" --gen-key -n "$name" --cap mon 'allow *' --cap osd 'allow *' --cap mgr 'allow *' >/dev/null
  done
  monmaptool --create --addv a "[v2:127.0.0.1:$((port + 1)),v1:127.0.0.1:$((port + 2))]" --fsid "$fsid" "$folder/monmap" >/dev/null
  ceph-mon -c "$config" -i a --mkfs --monmap "$folder/monmap" --keyring "$folder/keyring" >/dev/null
  ceph-mon -c "$config" -i a --pid-file "$folder/mon.pid"
  timeout 60 ceph -c "$config" -s >/dev/null
  ceph -c "$config" osd new "$uuid" 0 >/dev/null
  ceph-osd -c "$config" -i 0 --mkfs --osd-uuid "$uuid" >"$folder/log/mkfs.log" 2>&1
  ceph-osd -c "$config" -i 0 --pid-file "$folder/osd.pid" >"$folder/log/start.log" 2>&1
  # In the background by the shell: what it starts itself leaves no file with its process id.
  nohup radosgw -f -c "$config" -n client.rgw >"$folder/log/gateway.log" 2>&1 </dev/null &
  echo $! >"$folder/rgw.pid"
  for _ in $(seq 90); do
    curl -s -o /dev/null "http://127.0.0.1:$port/" && break
    sleep 1
  done
  curl -s -o /dev/null "http://127.0.0.1:$port/" || give_up "the gateway does not answer: see $folder/log"
  radosgw-admin -c "$config" -n client.rgw user create --uid=test --display-name=test --access-key=test --secret-key=test-secret >/dev/null 2>&1
  echo "MGRAPH_S3_ENDPOINT=http://127.0.0.1:$port AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test-secret"
}

case ${1:-} in
  start) start ;;
  stop) stop ;;
  *) sed -n '2,6p' "$0"; exit 2 ;;
esac

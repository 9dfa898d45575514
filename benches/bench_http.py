#!/usr/bin/env python3
"""Measures a server on this machine beside nginx: benches/bench_http.py BINARY [SECONDS]

Stores and retrieves over 16 connections, in memory and on disk, with contents of 1 and of 64 KiB. nginx serves and takes the
same contents as files (GET, and PUT of its DAV module), in turn with the server: what counts is the ratio within a run, since
the load generator and all other processes share the machine. Neither writes a log of its requests. Beside `memory`, nginx keeps
its files in memory too (in /dev/shm, where there is one). On a disk it does not wait until a file has arrived there, which
`local_disk` does.

Needs wrk and nginx (apt-get install wrk nginx), and Python 3.8 or later. Without nginx the ratios are left out.
"""
import contextlib
import os
import shutil
import statistics
import subprocess
import sys
import tempfile

from bench_tools import CONNECTIONS, Load, call, ended, free_port, need, script, server, stored_id, wait_until_it_answers

SIZES = 1024, 65536
ROUNDS = 3
MEMORY = "/dev/shm"
# Debian puts it where only root looks.
NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
# What a retrieve and a store should reach of nginx.
GOALS = {
    ("memory", "retrieve"): 0.6, ("memory", "store"): 0.6,
    ("local_disk", "retrieve"): 0.5, ("local_disk", "store"): 0.8,
}

CONFIGURATION = """
daemon off;
worker_processes auto;
error_log stderr crit;
pid {folder}/nginx.pid;
{user}
events {{ worker_connections 256; }}
http {{
  access_log off;
  sendfile on;
  keepalive_requests 100000000;
  client_max_body_size 1m;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  server {{
    listen 127.0.0.1:{port};
    root {folder}/files;
    dav_methods PUT;
  }}
}}
"""


def main():
    binary, seconds = os.path.abspath(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 3
    need("wrk", "wrk")
    if not NGINX:
        print("left out: nginx is not installed, so nothing is compared with it (apt-get install nginx)")
    print(f"{CONNECTIONS} connections, {os.cpu_count()} cores; the median of {ROUNDS} rounds of {seconds} s each")
    for mode in "memory", "local_disk":
        for size in SIZES:
            compare(binary, mode, size, seconds)


def compare(binary, mode, size, seconds):
    """Prints a line for each operation."""
    rounds = [measure(binary, mode, size, seconds) for _ in range(ROUNDS)]
    for operation in "retrieve", "store":
        ours = statistics.median(one[operation].rate for one in rounds)
        line = f"{mode:10} {size // 1024:2} KiB {operation:8} {ours:8,.0f}/s, 99% within {rounds[-1][operation].percentile}"
        if "nginx retrieve" in rounds[0]:
            theirs = statistics.median(one["nginx " + operation].rate for one in rounds)
            ratio = statistics.median(one[operation].rate / one["nginx " + operation].rate for one in rounds)
            line += f" | nginx {theirs:8,.0f}/s | {ratio:.2f} of nginx (goal: {GOALS[mode, operation]})"
        failed = sum(load.failed for one in rounds for load in one.values())
        print(line + (f" | {failed} FAILED" if failed else ""), flush=True)


def measure(binary, mode, size, seconds):
    """One round with a fresh server, so that no store is in a fuller place than the others."""
    place = MEMORY if mode == "memory" and os.path.isdir(MEMORY) else None
    with tempfile.TemporaryDirectory(dir=place) as folder, contextlib.ExitStack() as stack:
        ours = stack.enter_context(server(binary, mode, folder))
        content = b"y" * size
        cache_id = stored_id(call(ours.port, "POST", "/bench/direct/store/string", content))
        loads = {}
        theirs = stack.enter_context(nginx(folder)) if NGINX else None
        if theirs:
            call(theirs.port, "PUT", "/content", content)
            loads["nginx retrieve"] = Load(theirs.port, "/content", seconds)
        loads["retrieve"] = Load(ours.port, f"/bench/retrieve/{cache_id}/string", seconds)
        # Large contents fill gigabytes of memory in a few seconds.
        shorter = seconds if size <= SIZES[0] else max(1, seconds // 3)
        if theirs:
            loads["nginx store"] = Load(theirs.port, "", shorter, "-s", script(folder, "PUT", "/%d", size))
        loads["store"] = Load(ours.port, "", shorter, "-s", script(folder, "POST", "/bench/direct/store/string", size))
        return loads


@contextlib.contextmanager
def nginx(folder):
    """nginx with a folder of its own: nothing of the machine's configuration is read."""
    port = free_port()
    os.mkdir(os.path.join(folder, "files"))
    config = os.path.join(folder, "nginx.conf")
    with open(config, "w") as file:
        # Started by root, its workers would otherwise run as a user that may not write here.
        file.write(CONFIGURATION.format(folder=folder, port=port, user="user root;" if os.geteuid() == 0 else ""))
    process = subprocess.Popen([NGINX, "-p", folder, "-c", config], stderr=subprocess.DEVNULL)
    process.port = port
    with ended(process):
        wait_until_it_answers(process)
        yield process


if __name__ == "__main__":
    main()

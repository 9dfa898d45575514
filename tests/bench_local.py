#!/usr/bin/env python3
"""Measures a server on this machine: tests/bench_local.py BINARY [SECONDS]

Start-up time, requests per second of stores and retrieves over 16 connections, and peak memory, in memory and on disk.
Needs wrk on the PATH, and Python 3.8 or later. The load generator shares the machine with the server.
"""
import http.client
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time

CONNECTIONS = 16
THREADS = 2
CONTENT_BYTES = 1024

# Every request stores another content, so that each takes the whole way of a new entry.
STORE = """
local thread = 0
function setup(t) t:set("number", thread); thread = thread + 1 end
local count = 0
function request()
  count = count + 1
  local unique = string.format("%%d-%%d-", number, count)
  return wrk.format("POST", nil, {["content-type"] = "text/plain"}, unique .. string.rep("x", %d - #unique))
end
""" % CONTENT_BYTES


def main():
    binary, seconds = os.path.abspath(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 5
    if not shutil.which("wrk"):
        sys.exit("bench: wrk is not on the PATH: install it (apt-get install wrk, brew install wrk) and try again")
    print(f"binary {os.path.getsize(binary) / 1e6:.1f} MB; {CONNECTIONS} connections, {CONTENT_BYTES} bytes a content, "
          f"{seconds} s each, {os.cpu_count()} cores")
    for mode in "memory", "local_disk":
        with tempfile.TemporaryDirectory() as folder:
            measure(binary, mode, folder, seconds)


def measure(binary, mode, folder, seconds):
    port = free_port()
    settings = {
        "CACHE__SERVICE__STORAGE_MODE": mode,
        "CACHE__SERVICE__LOCAL_DISK_PATH": os.path.join(folder, "disk"),
        "CACHE__SERVICE__LISTEN": f"127.0.0.1:{port}",
        "RUST_LOG": "warn",
    }
    started = time.monotonic()
    server = subprocess.Popen([binary], env=settings, stderr=subprocess.DEVNULL)
    try:
        wait_until_it_answers(port, server)
        start_up_ms = (time.monotonic() - started) * 1000
        idle = peak_memory(server.pid)
        cache_id = store_one(port)
        script = os.path.join(folder, "store.lua")
        with open(script, "w") as file:
            file.write(STORE)
        retrieves = load(port, f"/bench/retrieve/{cache_id}/string", seconds)
        stores = load(port, "/bench/direct/store/string", seconds, "-s", script)
        print(f"{mode:11} start-up {start_up_ms:4.0f} ms | store {stores} | retrieve {retrieves} | "
              f"peak memory {idle} after the start, {peak_memory(server.pid)} after the load")
    finally:
        server.terminate()
        server.wait()


def wait_until_it_answers(port, server):
    while server.poll() is None:
        try:
            return call(port, "GET", "/info/health")
        except OSError:
            time.sleep(0.001)
    sys.exit(f"bench: the server ended with {server.returncode}")


def store_one(port):
    answer = call(port, "POST", "/bench/direct/store/string", b"y" * CONTENT_BYTES)
    return re.search(rb'"cache_id":"([^"]+)"', answer).group(1).decode()


def call(port, method, path, body=None):
    connection = http.client.HTTPConnection("127.0.0.1", port)
    connection.request(method, path, body, {"content-type": "text/plain"})
    return connection.getresponse().read()


def load(port, path, seconds, *options):
    """What wrk measures: requests per second, the 99th percentile, and answers that were no success."""
    command = ["wrk", f"-t{THREADS}", f"-c{CONNECTIONS}", f"-d{seconds}s", "--latency", *options, f"http://127.0.0.1:{port}{path}"]
    said = subprocess.run(command, check=True, stdout=subprocess.PIPE, universal_newlines=True).stdout
    rate = float(re.search(r"Requests/sec:\s+([\d.]+)", said).group(1))
    percentile = re.search(r"99%\s+(\S+)", said).group(1)
    failed = re.search(r"Non-2xx or 3xx responses: (\d+)", said)
    return f"{rate:,.0f}/s, 99% within {percentile}" + (f", {failed.group(1)} FAILED" if failed else "")


def peak_memory(pid):
    try:
        with open(f"/proc/{pid}/status") as status:
            peak = re.search(r"VmHWM:\s+(\d+)", status.read())
            return f"{int(peak.group(1)) / 1024:.0f} MB"
    except OSError:
        return "unknown (no /proc)"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


if __name__ == "__main__":
    main()

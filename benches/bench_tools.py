"""What the benchmarks of the HTTP interface share: a server to measure, and wrk to load it."""
import contextlib
import http.client
import os
import re
import shutil
import socket
import subprocess
import sys
import time

CONNECTIONS = 16
THREADS = 2


def need(program, package):
    """Ends with a line that says how to get a program that is not there."""
    if not shutil.which(program):
        sys.exit(f"bench: {program} is not on the PATH: install it (apt-get install {package}, brew install {package}) and try again")


@contextlib.contextmanager
def server(binary, mode, folder, **settings):
    """A server that answers. It has `port` and `pid`, and is gone in the end."""
    port = free_port()
    env = {
        "CACHE__SERVICE__STORAGE_MODE": mode,
        "CACHE__SERVICE__LOCAL_DISK_PATH": os.path.join(folder, "store"),
        "CACHE__SERVICE__SQLITE_PATH": os.path.join(folder, "store", "cache.sqlite"),
        "CACHE__SERVICE__ZIP_PATH": os.path.join(folder, "store", "cache.zip"),
        "CACHE__SERVICE__LISTEN": f"127.0.0.1:{port}",
        "RUST_LOG": "warn",
        **settings,
    }
    process = subprocess.Popen([binary], env=env, stderr=subprocess.DEVNULL)
    process.port = port
    with ended(process):
        wait_until_it_answers(process)
        yield process


@contextlib.contextmanager
def ended(process):
    """Asks a process to end afterwards, and waits until it has."""
    try:
        yield process
    finally:
        process.terminate()
        process.wait()


def wait_until_it_answers(process):
    """Returns with the first response of any status."""
    while process.poll() is None:
        try:
            return call(process.port, "GET", "/info/health")
        except OSError:
            time.sleep(0.001)
    sys.exit(f"bench: {process.args[0]} ended with {process.returncode}")


def call(port, method, path, body=None, content_type="text/plain", headers=None):
    """The body of an answer, which has to be a success unless it is the first."""
    connection = http.client.HTTPConnection("127.0.0.1", port)
    connection.request(method, path, body, {"content-type": content_type, **(headers or {})})
    return connection.getresponse().read()


def stored_id(answer):
    """The id in the answer to a store."""
    return re.search(rb'"cache_id":"([^"]+)"', answer).group(1).decode()


class Load:
    """What wrk measured: requests a second, the 99th percentile, and answers that were no success."""

    def __init__(self, port, path, seconds, *options):
        url = f"http://127.0.0.1:{port}{path}"
        command = ["wrk", f"-t{THREADS}", f"-c{CONNECTIONS}", f"-d{seconds}s", "--latency", *options, url]
        said = subprocess.run(command, check=True, stdout=subprocess.PIPE, universal_newlines=True).stdout
        self.rate = float(re.search(r"Requests/sec:\s+([\d.]+)", said).group(1))
        self.percentile = re.search(r"99%\s+(\S+)", said).group(1)
        self.requests = int(re.search(r"(\d+) requests in", said).group(1))
        failed = re.search(r"Non-2xx or 3xx responses: (\d+)", said)
        self.failed = int(failed.group(1)) if failed else 0

    def __str__(self):
        return f"{self.rate:,.0f}/s, 99% within {self.percentile}" + (f", {self.failed} FAILED" if self.failed else "")


def script(folder, method, path, size):
    """A script for wrk. Every request sends another content, so that each takes the whole way of a new entry; `%d` in the path
    stands for two numbers that no other request has."""
    name = os.path.join(folder, f"{method.lower()}-{size}.lua")
    with open(name, "w") as file:
        file.write(SCRIPT % {"method": method, "path": path.replace("%d", "%d-%d"), "size": size})
    return name


SCRIPT = """
local threads = 0
function setup(thread) thread:set("number", threads); threads = threads + 1 end
local count, filling, headers = 0, string.rep("x", %(size)d), {["content-type"] = "text/plain"}
function request()
  count = count + 1
  local unique = string.format("%%d-%%d-%%d-", os.time(), number, count)
  local path = string.format("%(path)s", number, count)
  return wrk.format("%(method)s", path, headers, unique .. filling:sub(#unique + 1))
end
"""


def peak_memory(pid):
    """In megabytes, as text."""
    try:
        return f"{memory(pid, 'VmHWM'):.0f} MB"
    except OSError:
        return "unknown (no /proc)"


def memory(pid, field):
    """A field of /proc/PID/status in MiB: VmRSS is what is resident, VmHWM its peak."""
    with open(f"/proc/{pid}/status") as status:
        return int(re.search(field + r":\s+(\d+)", status.read()).group(1)) / 1024


def reset_peak_memory(pid):
    """Begins to measure the peak anew, from what is resident now."""
    with open(f"/proc/{pid}/clear_refs", "w") as command:
        command.write("5")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]

#!/usr/bin/env python3
"""Measures what large JSON does to a server and to its other clients: benches/bench_json.py BINARY

Sends 60 MB of JSON of the worst shapes to every operation of /openapi.json that takes JSON, one after the other, and then 16 at once
to those that need the most memory. Meanwhile a process of its own asks for /info/health all the time. Prints for each shape the
memory before, the peak (VmHWM) and where it was reached, the memory afterwards, and the longest wait for health; ends with 1 if
the peak is above 512 MiB, or if health takes longer than 100 ms.
Needs Linux, and Python 3.8 or later. The load generator shares the machine with the server.
"""
import collections
import concurrent.futures
import http.client
import multiprocessing
import os
import sys
import tempfile
import time

from bench_tools import memory, reset_peak_memory, server
from json_texts import JSON, operations_with_json, shapes

TEXT_BYTES = 60_000_000
AT_ONCE = 16
MOST_MEMORY_MIB = 512
LONGEST_HEALTH_MS = 100
# How long memory may take to go back.
REST_SECONDS = 2


def main():
    binary = os.path.abspath(sys.argv[1])
    failures = []
    with tempfile.TemporaryDirectory() as folder, server(binary, "local_disk", folder, RUST_LOG="off") as ours:
        operations = list(operations_with_json(lambda *request: send(ours.port, *request)[1]))
        print(f"{TEXT_BYTES / 1e6:.0f} MB of JSON to {len(operations)} operations one after the other, then {AT_ONCE} at once\n")
        print("| shape | before | peak | at | peak at once | statuses at once | afterwards | health, one | health, at once |")
        print("|---|---:|---:|---|---:|---|---:|---:|---:|")
        for shape, text in shapes(TEXT_BYTES):
            before, text = memory(ours.pid, "VmRSS"), text.encode()
            with Health(ours.port) as one:
                peaks = sorted((sample(ours, operation, text) for operation in operations), reverse=True)
            peak, operation, status = peaks[0]
            reset_peak_memory(ours.pid)
            with Health(ours.port) as several, concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
                worst = [operation for _, operation, _ in peaks[:AT_ONCE]]
                statuses = collections.Counter(pool.map(lambda operation: send(ours.port, *operation, text)[0], worst))
            together = memory(ours.pid, "VmHWM")
            time.sleep(REST_SECONDS)
            shown = ", ".join(f"{count} × {status}" for status, count in sorted(statuses.items()))
            print(f"| {shape} | {before:.0f} | {peak:.0f} | `{' '.join(operation)}` ({status}) | {together:.0f} | {shown} | "
                  f"{memory(ours.pid, 'VmRSS'):.0f} | {one.longest_ms.value:.0f} ms | {several.longest_ms.value:.0f} ms |", flush=True)
            if max(peak, together) > MOST_MEMORY_MIB or max(one.longest_ms.value, several.longest_ms.value) > LONGEST_HEALTH_MS:
                failures.append(shape)
    if failures:
        sys.exit(f"beyond the goals ({MOST_MEMORY_MIB} MiB, health within {LONGEST_HEALTH_MS} ms): {', '.join(failures)}")


class Health:
    """Asks for /info/health in a process of its own: a load in the same one would delay it."""

    def __init__(self, port):
        self.longest_ms = multiprocessing.Value("d", 0.0)
        self.ended = multiprocessing.Event()
        self.process = multiprocessing.Process(target=self.ask, args=(port,))

    def ask(self, port):
        while not self.ended.is_set():
            began = time.perf_counter()
            status, _ = send(port, "GET", "/info/health")
            took = (time.perf_counter() - began) * 1000
            self.longest_ms.value = max(self.longest_ms.value, took if status == 200 else float("inf"))
            time.sleep(0.005)

    def __enter__(self):
        self.process.start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        self.process.join()


def sample(ours, operation, text):
    """The peak memory of one request in MiB, its operation, and the status of the response."""
    reset_peak_memory(ours.pid)
    status, _ = send(ours.port, *operation, text)
    return memory(ours.pid, "VmHWM"), operation, status


def send(port, method, path, text=None):
    """Status and body of a response; status 0 if the server hung up."""
    connection = http.client.HTTPConnection("127.0.0.1", port)
    try:
        connection.request(method, path, text, {"content-type": JSON} if text else {})
        response = connection.getresponse()
        return response.status, response.read()
    except OSError:
        return 0, b""
    finally:
        connection.close()


if __name__ == "__main__":
    main()

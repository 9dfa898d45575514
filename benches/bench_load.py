#!/usr/bin/env python3
"""Greedy and slow clients against a release server on this machine, and what the others notice.

    make bench-load        builds the server, runs each load for some seconds, and prints a table

First nothing, and busy loops beside an idle server: on few processors a read waits for its turn, whatever the server does. Then the
loads: 64 bodies of 64 MiB at once, over a network of 1 Gbit/s and as fast as this machine can; 5,000 idle connections; 500 senders of
one byte a second; 10 MB of headers. Beside each of them a process of its own reads a content of 5 bytes and one of 100 KiB by turns all
the time. It must not wait more than twice as long as alone (p95 of each, except beside what takes all processors), and the memory of
the server must stay below what is configured and 64 MiB for everything else. Of the large bodies those that came first must be served,
and the others be told within the time that they wait for room.
"""

import asyncio
import json
import multiprocessing
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request

from bench_tools import memory

MIB = 1 << 20
IN_FLIGHT = 128 * MIB
ALLOWED_MIB = IN_FLIGHT // MIB + 64
# Together the clients on a network of 1 Gbit/s send no faster.
NETWORK_BYTES_PER_SECOND = 125_000_000
SECONDS = float(os.environ.get("BENCH_SECONDS", "5"))
PORT = int(os.environ.get("PORT", "18933"))


def start(binary, folder):
    env = {
        "CACHE__SERVICE__STORAGE_MODE": "local_disk",
        "CACHE__SERVICE__LOCAL_DISK_PATH": folder,
        "CACHE__SERVICE__LISTEN": f"127.0.0.1:{PORT}",
        "CACHE__SERVICE__MAX_IN_FLIGHT_BYTES": str(IN_FLIGHT),
        "CACHE__SERVICE__OBJECT_CACHE_BYTES": str(8 * MIB),
        "RUST_LOG": "off",
    }
    server = subprocess.Popen([binary], env=env, stderr=subprocess.DEVNULL)
    for _ in range(200):
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{PORT}/info/health").read()
            return server
        except OSError:
            time.sleep(0.05)
    raise SystemExit("the server did not start")


class Network:
    """What clients share: each part is sent when those before it are through."""

    def __init__(self, bytes_per_second):
        self.bytes_per_second, self.free_at = bytes_per_second, 0

    async def pass_through(self, size):
        now = time.perf_counter()
        begins = max(now, self.free_at)
        self.free_at = begins + size / self.bytes_per_second
        await asyncio.sleep(begins - now)


LOOPBACK = Network(float("inf"))


async def request(head, body=b"", network=LOOPBACK):
    """The status of a request; 0 if the server hung up."""
    reader, writer = await asyncio.open_connection("127.0.0.1", PORT)
    try:
        writer.write(head)
        for start_at in range(0, len(body), MIB // 4):
            part = body[start_at : start_at + MIB // 4]
            await network.pass_through(len(part))
            writer.write(part)
            await writer.drain()
        answer = await reader.read()
        return int(answer.split(None, 2)[1]) if answer else 0
    except (ConnectionError, OSError):
        return 0
    finally:
        writer.close()


async def reads(paths, until):
    """Times of reads of each path, by turns, in seconds, and how many failed."""
    heads = [f"GET {path} HTTP/1.1\r\nhost: 127.0.0.1:{PORT}\r\nconnection: close\r\n\r\n".encode() for path in paths]
    times, failed = [[] for _ in heads], 0
    while not until.is_set():
        for head, of in zip(heads, times):
            began = time.perf_counter()
            failed += await request(head) != 200
            of.append(time.perf_counter() - began)
            await asyncio.sleep(0.005)
    return times, failed


def watch(paths, until, found):
    """As `reads`, in a process of its own: a load in the same one would delay it."""
    found.put(asyncio.run(reads(paths, until)))


async def nothing():
    await asyncio.sleep(SECONDS)
    return "alone"


async def busy_processors():
    """The control: nothing is asked of the server, but the processors are as busy as with a load."""
    loops = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(os.cpu_count() + 1)]
    await asyncio.sleep(SECONDS)
    for loop in loops:
        loop.kill()
        loop.wait()
    return f"control: {len(loops)} busy loops beside the server"


async def large_bodies_of_a_network():
    return await large_bodies(Network(NETWORK_BYTES_PER_SECOND), "over 1 Gbit/s")


async def large_bodies_at_full_speed():
    return await large_bodies(LOOPBACK, "at full speed")


async def large_bodies(network, speed):
    body = os.urandom(64 * MIB)
    head = f"POST /load/direct/store/binary HTTP/1.1\r\nhost: 127.0.0.1:{PORT}\r\ncontent-type: application/octet-stream\r\nconnection: close\r\ncontent-length: {len(body)}\r\n\r\n".encode()

    async def send(number):
        # So that they come in this order.
        await asyncio.sleep(number * 0.002)
        began = time.perf_counter()
        return await request(head, body, network), time.perf_counter() - began

    answers = await asyncio.gather(*(send(number) for number in range(64)))
    statuses = [status for status, _ in answers]
    latest = max((number for number, status in enumerate(statuses) if status == 200), default=None)
    refused = [took for status, took in answers if status == 503]
    waited = f", refused after {min(refused):.1f} to {max(refused):.1f} s" if refused else ""
    return f"64 bodies of 64 MiB {speed}: {({status: statuses.count(status) for status in sorted(set(statuses))})}, the last that was stored came as number {latest}{waited}"


async def idle_connections():
    opened = []
    for _ in range(5000):
        try:
            opened.append(await asyncio.wait_for(asyncio.open_connection("127.0.0.1", PORT), 1))
        except (OSError, asyncio.TimeoutError):
            break
    await asyncio.sleep(SECONDS)
    for _, writer in opened:
        writer.close()
    return f"{len(opened):,} idle connections"


async def slow_senders():
    head = f"POST /load/direct/store/binary HTTP/1.1\r\nhost: 127.0.0.1:{PORT}\r\ncontent-type: application/octet-stream\r\ncontent-length: 1000000\r\n\r\n".encode()

    async def send():
        _, writer = await asyncio.open_connection("127.0.0.1", PORT)
        try:
            writer.write(head)
            for _ in range(int(SECONDS)):
                writer.write(b"x")
                await writer.drain()
                await asyncio.sleep(1)
        except (ConnectionError, OSError):
            pass
        writer.close()

    await asyncio.gather(*(send() for _ in range(500)))
    return "500 slow senders"


async def large_heads():
    line = b"x-filler: " + b"a" * 990 + b"\r\n"
    head = b"GET /info/health HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n" + line * 10_000 + b"\r\n"
    statuses = await asyncio.gather(*(request(head) for _ in range(16)))
    return f"16 heads of 10 MB: {({status: statuses.count(status) for status in sorted(set(statuses))})}"


LOADS = (
    nothing, busy_processors, large_bodies_of_a_network, large_bodies_at_full_speed, idle_connections, slow_senders, large_heads,
)


async def measure(server, load, paths):
    until, found, peak = multiprocessing.Event(), multiprocessing.Queue(), 0
    watcher = multiprocessing.Process(target=watch, args=(paths, until, found))
    watcher.start()
    work = asyncio.create_task(load())
    while not work.done():
        peak = max(peak, memory(server.pid, "VmRSS"))
        await asyncio.sleep(0.02)
    until.set()
    times, failed = await asyncio.to_thread(found.get)
    watcher.join()
    return work.result(), times, failed, peak


def percentile(times):
    return statistics.quantiles(times, n=20)[-1] if len(times) > 1 else times[0]


def store(content):
    url, headers = f"http://127.0.0.1:{PORT}/load/direct/store/binary", {"content-type": "application/octet-stream"}
    request = urllib.request.Request(url, content, headers)
    return json.load(urllib.request.urlopen(request))["cache_id"]


async def main(binary):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    failures = []
    with tempfile.TemporaryDirectory() as folder:
        server = start(binary, folder)
        try:
            paths = [f"/load/retrieve/{store(content)}/binary" for content in (b"hello", os.urandom(100 << 10))]
            alone = None
            print("| load | reads beside it | failed | p95 of 5 B, 100 KiB | longest | peak memory |\n|---|---|---|---|---|---|")
            for load in LOADS:
                what, times, failed, peak = await measure(server, load, paths)
                p95 = [percentile(of) for of in times]
                alone = alone or p95
                shown = [", ".join(f"{took * 1e3:.1f} ms" for took in row) for row in (p95, [max(of) for of in times])]
                print(f"| {what} | {sum(map(len, times))} | {failed} | {shown[0]} | {shown[1]} | {peak:.0f} MiB |", flush=True)
                if load is busy_processors:
                    continue
                is_slow = any(beside > 2 * before for beside, before in zip(p95, alone))
                if failed or is_slow and load is not large_bodies_at_full_speed or peak > ALLOWED_MIB:
                    failures.append(what)
        finally:
            server.terminate()
            server.wait()
    if failures:
        print(f"beyond the goals (p95 at most twice that of alone, {ALLOWED_MIB} MiB, nothing fails): {'; '.join(failures)}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main(sys.argv[1])))

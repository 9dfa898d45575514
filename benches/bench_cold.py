#!/usr/bin/env python3
"""Measures a cold start as Lambda sees it: benches/bench_cold.py BINARY HELLO [RUNS]

Starts the binary with a small Runtime API on this machine and S3 as its storage, beside a Lambda function that only says
hello, in turn. The function that says hello costs what every function in Rust does; what comes on top is ours.

  init          from the start of the process until it asks for the first event; the S3 client is made by then
  processor     what of it the main thread spent on a processor: the same on a busy machine
  first event   a retrieve by id, from a bucket on this machine
  later events  the same again, and a store
  peak memory   VmHWM after all of them

Without an endpoint the client gets ready for AWS itself, with TLS; nothing answers there, so only the init is measured.
Needs Linux, and Python 3.8 or later.
"""
import hashlib
import http.server
import json
import multiprocessing
import os
import re
import select
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse

LATER_EVENTS = 20
MOST_INIT, MOST_MEMORY_MIB, MOST_BINARY_MB = 3.0, 16.0, 12.0
PATIENCE = 30
KEY = "sample-key"

AS_LAMBDA = {
    "AWS_LAMBDA_FUNCTION_NAME": "cache",
    "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512",
    "AWS_REGION": "eu-west-1",
    "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
    "AWS_SECRET_ACCESS_KEY": "secret",
    "AWS_SESSION_TOKEN": "token",
    "CACHE__SERVICE__BUCKET_NAME": "bench-cold",
    "FAST_API__AUTH__API_KEY__NAME": "x-api-key",
    "FAST_API__AUTH__API_KEY__VALUE": KEY,
}


def main():
    binary, hello = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])
    runs = int(sys.argv[3]) if len(sys.argv) > 3 else 20
    bucket = start_bucket()
    local = {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{bucket}"}
    path = store_one(binary, local)
    columns = {"hello": [], "S3 at AWS": [], "S3 at an endpoint": []}
    for _ in range(runs):
        columns["hello"].append(measure(hello, {}, "/"))
        columns["S3 at AWS"].append(measure(binary, {}, None))
        columns["S3 at an endpoint"].append(measure(binary, local, path))
    report(columns, os.path.getsize(binary) / 1e6, os.path.getsize(hello) / 1e6, runs)


def report(columns, binary_mb, hello_mb, runs):
    """Medians in a table, and what they are to be at most."""
    names = ["init", "processor", "first event", "later retrieve", "later store", "peak memory"]
    medians = {title: {name: median(all, name) for name in names} for title, all in columns.items()}
    print(f"medians of {runs} starts on {os.cpu_count()} cores; binary {binary_mb:.1f} MB, hello {hello_mb:.1f} MB\n")
    print(f"{'':20}" + "".join(f"{name:>16}" for name in names))
    for title, values in medians.items():
        print(f"{title:20}" + "".join(f"{shown(name, values[name]):>16}" for name in names))
    print()
    for name in "init", "processor":
        times = max(values[name] for values in medians.values()) / medians["hello"][name]
        goal(name, f"{times:.1f} times hello's", times, MOST_INIT)
    memory = max(values["peak memory"] for values in medians.values())
    goal("peak memory", f"{memory:.1f} MiB", memory, MOST_MEMORY_MIB)
    goal("binary", f"{binary_mb:.1f} MB", binary_mb, MOST_BINARY_MB)


def median(samples, name):
    found = [sample[name] for sample in samples if name in sample]
    return statistics.median(found) if found else None


def shown(name, value):
    if value is None:
        return "-"
    return f"{value:.1f} MiB" if name == "peak memory" else f"{value * 1000:.2f} ms"


def goal(name, text, value, limit):
    print(f"{name:12} {text}, at most {limit:g}: {'as it should be' if value <= limit else 'TOO MUCH'}")


def measure(binary, settings, path):
    """One start, and when there is a path one event that reads it and several after that."""
    with Function(binary, settings) as function:
        sample = {"init": function.wait_for_poll() - function.started, "processor": function.processor_time()}
        if path is not None:
            read, write = event("GET", path), event("POST", "/bench/direct/store/string", "hello again")
            sample["first event"] = function.invoke(read)[0]
            sample["later retrieve"] = statistics.median(function.invoke(read)[0] for _ in range(LATER_EVENTS))
            sample["later store"] = statistics.median(function.invoke(write)[0] for _ in range(LATER_EVENTS))
        sample["peak memory"] = function.peak_memory()
        return sample


def store_one(binary, settings):
    """Stores an entry; the path under which it is found."""
    with Function(binary, settings) as function:
        function.wait_for_poll()
        answer = json.loads(function.invoke(event("POST", "/bench/direct/store/string", "hello"))[1])
        stored = json.loads(answer["body"])
        if "cache_id" not in stored:
            sys.exit(f"bench: the store was answered with {answer}")
        return f"/bench/retrieve/{stored['cache_id']}/string"


def event(method, path, body=None):
    """What an HTTP API sends."""
    return json.dumps({
        "version": "2.0", "routeKey": "$default", "rawPath": path, "rawQueryString": "",
        "headers": {"host": "id.example.com", "content-type": "text/plain", "x-api-key": KEY},
        "requestContext": {
            "accountId": "1", "apiId": "id", "domainName": "id.example.com", "domainPrefix": "id", "requestId": "r",
            "http": {"method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "203.0.113.7", "userAgent": "bench"},
            "routeKey": "$default", "stage": "$default", "time": "20/Nov/2026:12:06:51 +0000", "timeEpoch": 1795176411520,
        },
        "body": body, "isBase64Encoded": False,
    })


class Function:
    """A process that believes to run in Lambda, and the Runtime API that it asks for events."""

    def __init__(self, binary, settings):
        self.api = socket.create_server(("127.0.0.1", 0))
        self.log = tempfile.TemporaryFile()
        environment = {**AS_LAMBDA, **settings, "AWS_LAMBDA_RUNTIME_API": "127.0.0.1:%d" % self.api.getsockname()[1]}
        self.started = time.monotonic()
        self.process = subprocess.Popen([binary], env=environment, stdout=self.log, stderr=self.log)
        self.connections = {}
        self.connection = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.api.close()
        self.log.close()

    def wait_for_poll(self):
        """When the next event was asked for."""
        request, _ = self.receive()
        if not request.startswith("GET /2018-06-01/runtime/invocation/next"):
            self.give_up(f"was to ask for an event, but said {request}")
        return time.monotonic()

    def invoke(self, event):
        """How long an event takes to be answered, and the answer. Ends when the next one is asked for."""
        body = event.encode()
        head = ("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nlambda-runtime-aws-request-id: 1\r\n"
                f"lambda-runtime-deadline-ms: {int(time.time() * 1000) + 10_000}\r\n"
                "lambda-runtime-invoked-function-arn: arn:aws:lambda:eu-west-1:123456789012:function:cache\r\n"
                f"content-length: {len(body)}\r\n\r\n")
        sent = time.monotonic()
        self.connection.sendall(head.encode() + body)
        request, answer = self.receive()
        took = time.monotonic() - sent
        if not request.endswith("/response HTTP/1.1"):
            self.give_up(f"answered with {request}: {answer}")
        self.connection.sendall(b"HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n")
        self.wait_for_poll()
        return took, answer

    def receive(self):
        """The first line and the body of the next request, on whichever connection it comes."""
        while True:
            ready = select.select([self.api, *self.connections], [], [], PATIENCE)[0]
            if not ready:
                self.give_up("was silent")
            if ready[0] is self.api:
                connection = self.api.accept()[0]
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self.connections[connection] = connection.makefile("rb")
                continue
            self.connection = ready[0]
            first = self.connections[self.connection].readline().decode().strip()
            if first:
                return first, read_body(self.connections[self.connection])
            del self.connections[self.connection]

    def processor_time(self):
        with open(f"/proc/{self.process.pid}/schedstat") as nanoseconds:
            return int(nanoseconds.read().split()[0]) / 1e9

    def peak_memory(self):
        with open(f"/proc/{self.process.pid}/status") as status:
            return int(re.search(r"VmHWM:\s+(\d+)", status.read()).group(1)) / 1024

    def give_up(self, problem):
        self.log.seek(0)
        sys.exit(f"bench: {self.process.args[0]} {problem}\n{self.log.read().decode()}")


def read_body(stream):
    headers = {}
    for line in iter(stream.readline, b"\r\n"):
        name, _, value = line.decode().partition(":")
        headers[name.lower()] = value.strip()
    if headers.get("transfer-encoding") == "chunked":
        chunks = b""
        while True:
            size = int(stream.readline(), 16)
            chunks += stream.read(size)
            stream.readline()
            if size == 0:
                return chunks
    return stream.read(int(headers.get("content-length", 0)))


class Bucket(http.server.BaseHTTPRequestHandler):
    """As much of S3 as a store and a retrieve need, in a process of its own."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    objects = {}
    lock = threading.Lock()

    def do_GET(self):
        if "list-type=2" in self.path:
            # Nothing is listed: the first request in a namespace asks for entries of the Python service.
            return self.answer(200, b"<ListBucketResult><KeyCount>0</KeyCount><IsTruncated>false</IsTruncated></ListBucketResult>")
        found = self.objects.get(self.key())
        if found is None:
            return self.answer(404, b"<Error><Code>NoSuchKey</Code><Message>not there</Message></Error>")
        self.answer(200, found, etag(found))

    def do_HEAD(self):
        self.answer(200, b"")

    def do_PUT(self):
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        with self.lock:
            if not self.may_replace(self.objects.get(self.key())):
                return self.answer(412, b"<Error><Code>PreconditionFailed</Code><Message>no</Message></Error>")
            self.objects[self.key()] = body
        self.answer(200, b"", etag(body))

    def may_replace(self, present):
        if self.headers.get("if-none-match") == "*":
            return present is None
        expected = self.headers.get("if-match")
        return expected is None or (present is not None and etag(present) == expected)

    def key(self):
        return urllib.parse.urlsplit(self.path).path

    def answer(self, status, body, tag=None):
        self.send_response(status)
        if tag:
            self.send_header("etag", tag)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def etag(body):
    return '"%s"' % hashlib.md5(body).hexdigest()


def start_bucket():
    """The port of a bucket that lives as long as this program."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Bucket)
    multiprocessing.get_context("fork").Process(target=server.serve_forever, daemon=True).start()
    return server.server_address[1]


if __name__ == "__main__":
    main()

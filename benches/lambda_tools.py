"""What the benchmarks of the function share: a Runtime API for it, the events of an HTTP API, and a bucket."""
import contextlib
import hashlib
import http.server
import json
import multiprocessing
import select
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse

from bench_tools import memory, reset_peak_memory

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


def event(method, path, body=None, content_type="text/plain", query=""):
    """What an HTTP API sends: characters beyond ASCII as they are. With `\\u00e9` for each, 5.9 MB would be 18, and Lambda takes 6."""
    return json.dumps({
        "version": "2.0", "routeKey": "$default", "rawPath": path, "rawQueryString": query,
        "headers": {"host": "id.example.com", "content-type": content_type, "x-api-key": KEY},
        "requestContext": {
            "accountId": "1", "apiId": "id", "domainName": "id.example.com", "domainPrefix": "id", "requestId": "r",
            "http": {"method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "203.0.113.7", "userAgent": "bench"},
            "routeKey": "$default", "stage": "$default", "time": "20/Nov/2026:12:06:51 +0000", "timeEpoch": 1795176411520,
        },
        "body": body, "isBase64Encoded": False,
    }, ensure_ascii=False)


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
        return memory(self.process.pid, "VmHWM")

    def reset_peak_memory(self):
        reset_peak_memory(self.process.pid)

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
        # The client hangs up when it knows enough.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
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

#!/usr/bin/env python3
"""Sends the events in events/ to the function: tools/replay_events.py BINARY

`cargo lambda watch` stands in for AWS, BINARY runs in it as it does in Lambda, and `cargo lambda invoke` sends one event after
the other. Each answer is compared with events/requests.json. Prints a line for each event; the first wrong answer ends it.
Needs cargo-lambda (`make deploy-tools`), and Python 3.8 or later.
"""
import base64
import contextlib
import gzip
import json
import os
import pathlib
import re
import socket
import subprocess
import sys
import tempfile
import time

EVENTS = pathlib.Path(__file__).resolve().parent.parent / "events"
SENDERS = "rest-api", "http-api", "function-url"
# What the function has in Lambda; cargo-lambda asks for the name `_` when one function is started by hand.
FUNCTION = {
    "AWS_LAMBDA_FUNCTION_NAME": "_",
    "AWS_LAMBDA_FUNCTION_VERSION": "1",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512",
    "CACHE__SERVICE__STORAGE_MODE": "memory",
    "CACHE__SERVICE__TEST_ROUTES": "true",
    "FAST_API__AUTH__API_KEY__NAME": "x-api-key",
    "FAST_API__AUTH__API_KEY__VALUE": "sample-key",
}
# Seconds that anything may take; it takes a fraction of one.
PATIENCE = 30


def main():
    binary = os.path.abspath(sys.argv[1])
    requests = json.loads((EVENTS / "requests.json").read_text(encoding="utf-8"))
    for sender in SENDERS:
        with function(binary) as invoke:
            seen = {"CACHE_ID": "", "CONSOLE_BUILD": "", "LAST_ETAG": ""}
            for request in requests:
                file = EVENTS / sender / f"{request['name']}.json"
                event = file.read_text(encoding="utf-8")
                for name, value in seen.items():
                    event = event.replace(name, json.dumps(value)[1:-1])
                answer = invoke(event)
                report(file, answer, mistakes(request["answer"], answer))
                note(seen, answer)
            sweep = EVENTS / "schedule" / "1-sweep.json"
            answer = invoke(sweep.read_text(encoding="utf-8"))
            complete = sorted(swept["namespace"] for swept in answer if swept["complete"])
            report(sweep, answer, [] if complete == ["default", "demo"] else ["both namespaces should be swept"])
    print(f"all {len(SENDERS) * (len(requests) + 1)} events are answered as they should be")


def note(seen, answer):
    """Keeps what later requests name: the entry that was stored last, the folder of the console's files, the last ETag."""
    body = answer.get("body") or ""
    with contextlib.suppress(ValueError, AttributeError):
        seen["CACHE_ID"] = json.loads(body).get("cache_id", seen["CACHE_ID"])
    if build := re.search(r"assets/([^/]+)/app\.js", body):
        seen["CONSOLE_BUILD"] = build[1]
    seen["LAST_ETAG"] = headers_of(answer).get("etag", seen["LAST_ETAG"])


def headers_of(answer):
    return {**answer.get("headers", {}), **{name: value[0] for name, value in answer["multiValueHeaders"].items()}}


def mistakes(expected, answer):
    """What is wrong with an answer."""
    headers, body, encoded = headers_of(answer), answer.get("body") or "", answer["isBase64Encoded"]
    if encoded:
        body = base64.b64decode(body, validate=True)
    if "gzip_contains" in expected:
        body = gzip.decompress(body).decode() if encoded else None
    wanted = base64.b64decode(expected["base64"]) if "base64" in expected else expected.get("gzip_contains", expected.get("contains", ""))
    checks = {
        "status": answer["statusCode"] == expected["status"],
        "content-type": headers.get("content-type") == expected.get("content_type"),
        **{name: part in headers.get(name, "") for name, part in expected.get("headers", {}).items()},
        "base64": encoded == ("base64" in expected or "gzip_contains" in expected),
        # A text has to appear in the body, bytes have to be the whole body.
        "body": type(wanted) is type(body) and (wanted in body if wanted and isinstance(wanted, str) else body == wanted),
    }
    return [f"another {name} is expected" for name, holds in checks.items() if not holds]


def report(file, answer, wrong):
    status = answer["statusCode"] if isinstance(answer, dict) else "report"
    print(f"{file.relative_to(EVENTS.parent)}: {status}", flush=True)
    if wrong:
        sys.exit(f"replay: {'; '.join(wrong)}: {json.dumps(answer, ensure_ascii=False)[:2000]}")


@contextlib.contextmanager
def function(binary):
    """The function in its emulator. Gives what sends it an event and returns the answer."""
    port = free_port()
    address = ["--invoke-address", "127.0.0.1", "--invoke-port", str(port)]
    with tempfile.TemporaryDirectory() as folder, open(os.path.join(folder, "log"), "w+") as log, contextlib.ExitStack() as stack:
        # The binary is started here and not by `watch`, which would build one of its own.
        watch = ["cargo", "lambda", "watch", "--only-lambda-apis", *address]
        running(stack, watch, log, dict(os.environ))
        wait_for(port)
        running(stack, [binary], log, {**FUNCTION, "AWS_LAMBDA_RUNTIME_API": f"http://127.0.0.1:{port}/.rt"})

        def invoke(event):
            path = os.path.join(folder, "event.json")
            pathlib.Path(path).write_text(event, encoding="utf-8")
            command = ["cargo", "lambda", "invoke", *address, "--data-file", path]
            try:
                said = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=PATIENCE, check=True)
                return json.loads(said.stdout)
            except (subprocess.SubprocessError, ValueError) as error:
                log.seek(0)
                sys.exit(f"replay: {error}\n{getattr(error, 'stderr', b'') or b''}\n{log.read()}")

        yield invoke


def running(stack, command, log, env):
    """Starts a process that ends with the stack. `cargo` starts another one, so the whole group is ended."""
    process = subprocess.Popen(command, env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)

    def end():
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, 15)
        process.wait(PATIENCE)

    stack.callback(end)


def wait_for(port):
    began = time.monotonic()
    while time.monotonic() - began < PATIENCE:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.02)
    sys.exit(f"replay: cargo lambda watch does not listen on port {port}")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


if __name__ == "__main__":
    main()

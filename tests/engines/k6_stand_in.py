#!/usr/bin/env python3
"""A stand-in for k6, which this project does not ship: takes its arguments, sends real requests, writes its CSV.

It follows k6's own sources and manual in the order of a request's rows, the columns, `%f`, the API's status and
metrics, `--paused` and exit codes. An interrupted iteration's request leaves no row. A script is JSON with comments:

    // {"vus": 4, "iterations": 20, "urls": ["/home"], "sleep_s": 0.01, "crossed": "http_req_duration", "aborts": true,
     "raises": "TypeError", "aborts_after_s": 1, "checks": {"is fine": false}, "group": "buy",
     "tags": {"tenant": "big"}, "metrics": [["trend", "items", 2.5]]}

Checks, metrics and the group (named `::buy`) are those of each iteration, tags those of each request. A trend of NaN is
logged as k6 does. `setup` is the path of the request that setup() sends; it returns a token, which
`${data}` in an address stands for. teardown() then sends it to `/teardown`.
`aborts_after_s` stands for `abortOnFail`, with `crossed`, or for `test.abort()`.
`vus` goes with `iterations` (shared by all) or `duration_s`. `__ENV.URL` is put before the addresses. In a script
without such a line it finds the requests: http.get(`${__ENV.NAME}/path`, { tags: { name: "label" } }).
"""

import argparse
import csv
import json
import os
import re
import signal
import sys
import threading
import time
from fractions import Fraction
from http.client import HTTPConnection, HTTPException
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

TAGS = ("check", "error", "error_code", "expected_response", "group", "method", "name", "proto", "scenario", "service",
        "status", "subproto", "tls_version", "url")  # fmt: skip
COLUMNS = ("metric_name", "timestamp", "metric_value", *TAGS, "extra_tags", "metadata")
GET = re.compile(r"http\.get\(`\$\{__ENV\.(\w+)\}([^`$]*)`(?:, \{ tags: \{ name: \"([^\"]*)\")?")
PAUSED_BEFORE_RUN, RUNNING = 4, 7
ABORTED, BAD_CONFIGURATION, SCRIPT_EXCEPTION, SCRIPT_ABORTED, THRESHOLDS = 105, 104, 107, 108, 99


class Run:
    def __init__(self, options, script):
        self.options, self.script = options, script
        self.resumed, self.interrupted = threading.Event(), threading.Event()
        self.lock = threading.Lock()
        self.rows = []
        self.active = 0
        self.file = Path(options.out.removeprefix("csv=")).open("w", newline="")  # noqa: SIM115 - until the end
        self.csv = csv.writer(self.file, lineterminator="\n")
        self.csv.writerow(COLUMNS)
        self.file.flush()
        self.left = None
        self.aborted = False
        self.data = None  # of setup()
        self.names = script.get("names") or [""] * len(script["urls"])

    def sample(self, metric, at_ns, value, **tags):
        values = [tags.pop(tag, "") for tag in TAGS]
        shown = {"unix": at_ns // 10**9, "unix_nano": at_ns}[os.environ.get("K6_CSV_TIME_FORMAT", "unix")]
        return (metric, shown, f"{value:f}", *values, "&".join(f"{tag}={text}" for tag, text in tags.items()), "")

    def flush(self):
        with self.lock:
            rows, self.rows = self.rows, []
        self.csv.writerows(rows)
        self.file.flush()

    def request(self, path, name, **more):
        path = path.replace("${data}", str((self.data or {}).get("token")))
        url = os.environ.get("URL", "") + path
        tags = {"method": "GET", "name": name or path, "url": url, "scenario": "default", "proto": "HTTP/1.1"}
        tags |= {**self.script.get("tags", {}), **more}
        began = time.time_ns()
        try:
            address = urlsplit(url)
            connection = HTTPConnection(address.hostname, address.port, timeout=30)
            connection.connect()
            connected = time.time_ns()
            connection.request("GET", f"{address.path}?{address.query}")
            answer = connection.getresponse()
            first = time.time_ns()
            answer.read()
            connection.close()
            tags |= {"status": str(answer.status), "expected_response": str(answer.status < 400).lower()}
            tags |= {"error_code": str(1000 + answer.status)} if answer.status >= 400 else {}
        except (OSError, HTTPException) as error:
            connected = first = time.time_ns()
            tags |= {"status": "0", "expected_response": "false", "error": f"dial: {error}", "error_code": "1212"}
        done = time.time_ns()
        if self.interrupted.is_set():
            return
        ms = {"http_reqs": 1, "http_req_duration": (done - connected) / 1e6, "http_req_blocked": 0.01,
              "http_req_connecting": (connected - began) / 1e6, "http_req_tls_handshaking": 0, "http_req_sending": 0,
              "http_req_waiting": (first - connected) / 1e6, "http_req_receiving": (done - first) / 1e6,
              "http_req_failed": tags["expected_response"] == "false"}  # fmt: skip
        rows = [self.sample(metric, done, value, **tags) for metric, value in ms.items()]
        with self.lock:
            self.rows += rows

    def set_up(self):
        self.request(self.script["setup"], "setup", group="::setup")
        self.flush()
        self.data = {"token": f"tok-{os.getpid()}-{time.time_ns()}"}

    def iterate(self, until):
        while not self.interrupted.is_set() and time.time() < until:
            if self.left is not None:
                with self.lock:
                    if self.left <= 0:
                        return
                    self.left -= 1
            began = time.time_ns()
            for path, name in zip(self.script["urls"], self.names, strict=True):
                self.request(path, name)
                time.sleep(self.script.get("sleep_s", 0))
                if self.interrupted.is_set():
                    return
            if "raises" in self.script:
                where = "executor=shared-iterations scenario=default source=stacktrace"
                sys.stderr.write(f'time="now" level=error msg="{self.script["raises"]}\\n\\tat load.js" {where}\n')
            now = time.time_ns()
            with self.lock:
                self.rows += [
                    self.sample("data_received", now, 1234, scenario="default"),
                    self.sample("iteration_duration", now, (now - began) / 1e6, scenario="default"),
                    self.sample("iterations", now, 1, scenario="default"),
                ]
                self.rows += self.measured(now, (now - began) / 1e6)

    def measured(self, now, took_ms):
        tags = {"group": f"::{self.script['group']}"} if "group" in self.script else {}
        tags |= {"scenario": "default"}
        if "group" in self.script:
            yield self.sample("group_duration", now, took_ms, **tags)
        for name, ok in self.script.get("checks", {}).items():
            yield self.sample("checks", now, ok, check=name, **tags)
        for _, name, value in self.script.get("metrics", ()):
            if isinstance(value, str):
                text = f"'{value}' is an invalid value for metric '{name}', a number or a boolean value is expected"
                sys.stderr.write(f'time="now" level=warning msg="{text}"\n')
            else:
                yield self.sample(name, now, value, **tags)

    def user(self, start_s, until):
        time.sleep(start_s)
        self.active += 1
        self.iterate(until)
        self.active -= 1

    def load(self):
        """Virtual users with their start, and the length in seconds."""
        options = self.options
        if options.stage:
            (ramp_s, users), *rest = [(seconds(text.split(":")[0]), int(text.split(":")[1])) for text in options.stage]
            return [ramp_s * n / users for n in range(users)], ramp_s + sum(one for one, _ in rest)
        vus = options.vus if options.vus is not None else self.scaled(self.script.get("vus", 1))
        self.left = options.iterations
        if options.vus is None and "iterations" in self.script:
            self.left = self.scaled(self.script["iterations"])
        length_s = seconds(options.duration) if options.duration else self.script.get("duration_s", 600)
        return [0.0] * vus, length_s

    def scaled(self, total):
        if not self.options.execution_segment:
            return total
        low, high = map(Fraction, self.options.execution_segment.split(":"))
        whole = [Fraction(one) for one in self.options.execution_segment_sequence.split(",")]
        assert low in whole and high in whole and whole[0] == 0 and whole[-1] == 1
        return int(total * high) - int(total * low)

    def run(self):
        if self.options.paused:
            while not self.resumed.wait(0.01):
                if self.interrupted.is_set():
                    return ABORTED
        if "setup" in self.script and not self.options.no_setup:
            self.set_up()
        starts, length_s = self.load()
        until = time.time() + length_s
        users = [threading.Thread(target=self.user, args=(start_s, until), daemon=True) for start_s in starts]
        for user in users:
            user.start()
        reported, aborts_at = 0, time.time() + self.script.get("aborts_after_s", length_s + 60)
        while any(user.is_alive() for user in users) and not self.interrupted.is_set():
            time.sleep(0.02)
            if time.time() >= aborts_at:
                self.aborted = True
                self.interrupted.set()
            if int(time.time()) != reported:
                reported = int(time.time())
                with self.lock:
                    self.rows.append(self.sample("vus", time.time_ns(), self.active))
                    self.rows.append(self.sample("vus_max", time.time_ns(), len(users)))
            self.flush()
        if self.left and time.time() >= until:
            self.rows.append(self.sample("dropped_iterations", time.time_ns(), self.left, scenario="default"))
        if "setup" in self.script and not self.options.no_teardown:
            self.request("/teardown/${data}", "teardown", group="::teardown")
        self.flush()
        if self.interrupted.is_set() and not self.aborted:
            return ABORTED
        if "crossed" not in self.script:
            return SCRIPT_ABORTED if self.aborted else 0
        happened = "have been crossed"
        if self.script.get("aborts") or self.aborted:
            happened = "were crossed; at least one has abortOnFail enabled, stopping test prematurely"
        sys.stderr.write(f'time="…" level=error msg="thresholds on metrics \'{self.script["crossed"]}\' {happened}"\n')
        return THRESHOLDS


def seconds(text):
    units = {"h": 3600, "m": 60, "s": 1}
    return float(text[:-1]) * units[text[-1]]


def serve(run, address):
    class Api(BaseHTTPRequestHandler):
        def answer(self):
            status = PAUSED_BEFORE_RUN if run.options.paused and not run.resumed.is_set() else RUNNING
            attributes = {"status": status, "paused": status == PAUSED_BEFORE_RUN, "vus": run.active}
            data: object = {"type": "status", "id": "default", "attributes": attributes}
            if self.path == "/v1/metrics":
                kinds = {name: kind for kind, name, _ in run.script.get("metrics", ())}
                data = [{"type": "metrics", "id": name, "attributes": {"type": kind}} for name, kind in kinds.items()]
            status, content = 200, {"data": data}
            if self.path == "/v1/setup":
                shown = {} if run.data is None else {"data": run.data}
                content = {"data": {"type": "setupData", "id": "default", "attributes": shown}}
                if failure := run.script.get("setup_fails"):
                    status, content = 500, {"errors": [{"title": "Error executing setup", "detail": failure}]}
            body = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = answer

        def do_POST(self):
            if "setup" in run.script and "setup_fails" not in run.script:
                run.set_up()
            self.answer()

        def do_PUT(self):
            body = self.rfile.read(int(self.headers["Content-Length"] or 0))
            run.data = json.loads(body) if body else None
            self.answer()

        def do_PATCH(self):
            content = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if content["data"]["attributes"]["paused"] is False:
                run.resumed.set()
            self.answer()

        def log_message(self, *_):
            pass

    host, port = address.split(":")
    threading.Thread(target=ThreadingHTTPServer((host, int(port)), Api).serve_forever, daemon=True).start()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("command", choices=["run"])
    for flag in ("--paused", "--quiet", "--no-color", "--no-setup", "--no-teardown"):
        parser.add_argument(flag, action="store_true")
    for name in ("--address", "--out", "--duration", "--execution-segment", "--execution-segment-sequence"):
        parser.add_argument(name)
    parser.add_argument("--vus", type=int)
    parser.add_argument("--iterations", type=int)
    parser.add_argument("--stage", action="append")
    parser.add_argument("-e", dest="environment", action="append", default=[])
    parser.add_argument("script")
    try:
        options = parser.parse_args()
    except SystemExit:
        return BAD_CONFIGURATION
    os.environ.update(pair.split("=", 1) for pair in options.environment)
    text = Path(options.script).read_text()
    first, gets = text.splitlines()[0], GET.findall(text)
    if gets:
        os.environ.setdefault("URL", os.environ.get(gets[0][0], ""))
        script = {"urls": [path for _, path, _ in gets], "names": [name for *_, name in gets], "sleep_s": 0.1}
    elif first.startswith("// {"):
        script = json.loads(first.removeprefix("// "))
    else:
        sys.stderr.write("SyntaxError: file://script.js: Unexpected token\n")
        return SCRIPT_EXCEPTION
    run = Run(options, script)
    signal.signal(signal.SIGINT, lambda *_: run.interrupted.set())
    serve(run, options.address)
    return run.run()


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)

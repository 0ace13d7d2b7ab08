"""Undeclared credentials, in each place of requests and responses: no file of a run shows them."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.end_to_end.running import run
from tests.notify.collector import collecting
from tests.notify.receiver import hook
from tests.raw_target import answer, raw_target
from toril.timeline.intervals import decode

GRAM = 6
NAMES = ("BEARER", "COOKIE", "KEY", "QUERY", "BODY", "SERVER")
PLANTED = {name: f"{number}f7Q-zW{number}kPx{number}vT" for number, name in enumerate(NAMES)}
ECHO = " and ".join(PLANTED.values())
COOKIE = f"Set-Cookie: session={PLANTED['SERVER']}; Path=/"
LOAD, LOADS = {"iterations": 5, "concurrency": 1}, {"vegeta": {"throughput": 5, "hold-for": "1s"}}
ENGINES = ("locust", "apiritif", "jmeter", "vegeta")


def suite(engine):
    request = {
        "url": f"${{SHOP}}/{engine}?id=7&access_token=${{QUERY}}",
        "label": engine,
        "method": "POST",
        "headers": {
            "Authorization": "Bearer ${BEARER}",
            "Cookie": "theme=dark; sid=${COOKIE}",
            "X-Api-Key": "${KEY}",
            "Content-Type": "application/json",
        },
        "body": '{"user": "joe", "password": "${BODY}"}',
    }
    return request if engine == "vegeta" else {**request, "assert": ["a basket"]}


def texts_of(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Returns the content of each file of a run, interval files as text."""
    for path in folder.rglob("*"):
        if path.name.startswith("intervals-"):
            interval = decode(path.read_bytes(), path.name)
            yield path.name, repr((interval.labels, interval.messages, interval.rcs)).encode()
        elif path.is_file():
            yield path.name, path.read_bytes()


def test_no_file_export_or_message_of_a_run_contains_a_part_of_a_planted_secret(tmp_path):
    body = json.dumps({"ok": False, "hint": f"you sent {ECHO}"}).encode()
    said = {one: answer(500 if one == "vegeta" else 200, body, headers=[COOKIE]) for one in ENGINES}
    with raw_target({f"/{one}": said[one] for one in ENGINES}) as service, collecting() as collector, hook() as server:
        document = {
            "execution": [{"executor": one, "scenario": one, **LOADS.get(one, LOAD)} for one in ENGINES],
            "scenarios": {one: {"requests": [suite(one)]} for one in ENGINES},
            "reporting": [{"module": "passfail", "criteria": ["fail>0%"]}],
        }
        (tmp_path / "suite.yml").write_text(json.dumps(document))
        values = {**PLANTED, "SHOP": service.url, "HOOK": server.url}
        options = [option for name, value in values.items() for option in ("--env", f"{name}={value}")]
        options += ["--notify", "HOOK=started,failed", "--otlp", collector.url]
        options += ["--report", "html", "--report", "json", "--report", "github", "--report", "junit"]
        done = run(tmp_path / "store", tmp_path / "suite.yml", *options)
    assert done.code == 1, done.stderr
    for engine in ENGINES:
        sent = b"\n".join(one.head + one.body for one in service.of(f"/{engine}")).decode()
        assert all(value in sent for name, value in PLANTED.items() if name != "SERVER"), engine
    kept = done.json("evidence.json")["exchanges"]
    assert {(one["execution"], one["label"]) for one in kept} >= {(one, one) for one in ENGINES}
    found = [*texts_of(done.folder), *(("telemetry", one) for one in collector.raw)]
    found += [("webhook", json.dumps(one).encode()) for one in server.bodies]
    assert {"evidence-000001", "report.html", "bzt.log", "summary.json", "telemetry", "webhook"} <= {
        name for name, _ in found
    }
    parts = {value[at : at + GRAM].encode() for value in PLANTED.values() for at in range(len(value) - GRAM + 1)}
    for name, data in found:
        assert not [one for one in parts if one in data], name
    assert not [one for one in PLANTED.values() if one in done.stdout + done.stderr]


TOKEN, OPAQUE, GIVEN = (
    "ghp_Zk39XbQ7mLp2RtVw8YcN4hJd6FsA1gTe5uKi",
    "qW7rT2yU9iO4pA6sD1fG3hJ8kL",
    "s3cret-of-the-shop-0815",
)
SCRIPTS = {
    "locustfile.py": """
from locust import HttpUser, task
class Shop(HttpUser):
    @task
    def again(self):
        found = self.client.get("/login").json()
        for token in found.values():
            self.client.get(f"/again/{token}")
""",
    "test_shop.py": """
import os
from apiritif import http, transaction
def test_shop():
    target = http.target(os.environ["SHOP"])
    with transaction("login"):
        found = target.get("/login").json()
    for token in found.values():
        with transaction(f"/again/{token}"):
            target.get(f"/again/{token}")
""",
}


@pytest.mark.nightly
def test_labels_of_scripts_show_no_token_of_a_response_and_criteria_find_them(tmp_path):
    said = {"/login": answer(200, json.dumps({"a": TOKEN, "b": OPAQUE}).encode(), "application/json")}
    for name, text in SCRIPTS.items():
        (tmp_path / name).write_text(text)
    with raw_target(said) as service:
        document = {
            "settings": {"env": {"SHOP": "${SHOP}", "GIVEN": "${GIVEN}"}},
            "execution": [{"executor": one, "scenario": one, **LOAD} for one in ("locust", "apiritif")]
            + [{"executor": "locust", "scenario": "made", **LOAD}],
            "scenarios": {
                "locust": {"script": "locustfile.py", "default-address": "${SHOP}"},
                "apiritif": {"script": "test_shop.py"},
                "made": {"requests": [{"url": "${SHOP}/made", "label": "made ${GIVEN}"}]},
            },
            "reporting": [{"module": "passfail", "criteria": ["hits of /again/***<100"]}],
        }
        (tmp_path / "suite.yml").write_text(json.dumps(document))
        options = ["--env", f"SHOP={service.url}", "--env", f"GIVEN={GIVEN}"]
        formats = ("html", "json", "github", "junit", "csv", "hdr")
        options += [option for name in formats for option in ("--report", f"{name}={tmp_path / name}")]
        done = run(tmp_path / "store", tmp_path / "suite.yml", *options)
    assert done.json("verdict.json")["criteria"][0]["samples"] > 0, done.stderr
    labels = done.json("summary.json")["labels"]
    assert {"/again/***", "made ***"} < set(labels)
    found = [(one.name, one.read_bytes()) for one in (tmp_path / "store").rglob("*") if one.is_file()]
    found += [("output", (done.stdout + done.stderr).encode())]
    found += [*texts_of(done.folder), *((name, (tmp_path / name).read_bytes()) for name in formats)]
    assert {"github", "csv", "summary.json", "progress.json", "report.html"} <= {name for name, _ in found}
    for name, data in found:
        if name not in ("plan.json", "suite.yml", "bzt.log"):  # the log has addresses as the engine wrote them
            assert not [one for one in (TOKEN, GIVEN) if one.encode() in data], name
    assert not [one for one in labels if OPAQUE in one]

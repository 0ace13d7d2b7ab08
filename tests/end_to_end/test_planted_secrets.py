"""Undeclared credentials, in each place of requests and responses: no file of a run shows them."""

import json
from collections.abc import Iterator
from pathlib import Path

from tests.end_to_end.running import run
from tests.raw_target import answer, raw_target
from toril.timeline.intervals import decode

GRAM = 6
NAMES = ("BEARER", "COOKIE", "KEY", "QUERY", "BODY", "SERVER")
PLANTED = {name: f"{number}f7Q-zW{number}kPx{number}vT" for number, name in enumerate(NAMES)}
ECHO = " and ".join(PLANTED.values())
ENGINES = ("locust", "apiritif")


def suite(engine):
    return {
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
        "assert": ["a basket"],
    }


def texts_of(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Returns the content of each file of a run, interval files as text."""
    for path in folder.rglob("*"):
        if path.name.startswith("intervals-"):
            interval = decode(path.read_bytes(), path.name)
            yield path.name, repr((interval.labels, interval.messages, interval.rcs)).encode()
        elif path.is_file():
            yield path.name, path.read_bytes()


def test_no_file_of_a_run_contains_a_part_of_a_planted_secret(tmp_path):
    body = json.dumps({"ok": False, "hint": f"you sent {ECHO}"}).encode()
    said = answer(200, body, headers=[f"Set-Cookie: session={PLANTED['SERVER']}; Path=/"])
    with raw_target({f"/{engine}": said for engine in ENGINES}) as service:
        document = {
            "execution": [{"executor": one, "iterations": 5, "concurrency": 1, "scenario": one} for one in ENGINES],
            "scenarios": {one: {"requests": [suite(one)]} for one in ENGINES},
            "reporting": [{"module": "passfail", "criteria": ["fail>0%"]}],
        }
        (tmp_path / "suite.yml").write_text(json.dumps(document))
        values = {**PLANTED, "SHOP": service.url}
        options = [option for name, value in values.items() for option in ("--env", f"{name}={value}")]
        done = run(tmp_path / "store", tmp_path / "suite.yml", *options, "--report", "html", "--report", "json")
    assert done.code == 1, done.stderr
    sent = b"\n".join(one.head + one.body for one in service.requests).decode()
    assert all(value in sent for name, value in PLANTED.items() if name != "SERVER")
    parts = {value[at : at + GRAM].encode() for value in PLANTED.values() for at in range(len(value) - GRAM + 1)}
    names = set()
    for name, data in texts_of(done.folder):
        names.add(name)
        assert not [one for one in parts if one in data], name
    assert {"evidence-000001", "report.html", "bzt.log", "summary.json"} <= names
    assert not [one for one in PLANTED.values() if one in done.stdout + done.stderr]

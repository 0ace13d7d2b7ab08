"""`toril try`: each request once, with its response, and an exit code that is 0 only if everything succeeds."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.running import LIMIT_S, Finished, toril
from tests.raw_target import RawTarget, answer, raw_target
from toril.engines.jmeter.executor import LISTENER_JAR
from toril.programs import chromium, gatling_home, jmeter_home
from toril.records.evidence import Exchange

REQUESTS = [{"url": "/login", "label": "login"}, {"url": "/orders?id=7", "label": "order", "method": "POST"}]
THINKS = {"think-time": "10m"}  # a try skips it, else the command takes too long
LISTENS = (jmeter_home() / LISTENER_JAR).is_file()


def attempt(folder: Path, suite: Mapping[str, Any], *options: str, **scripts: str) -> Finished:
    """Tries a suite with these scripts beside it."""
    folder.mkdir()
    (folder / "suite.json").write_text(json.dumps(suite))
    for name, script in scripts.items():
        (folder / f"{name}.py").write_text(script)
    command = toril("try", folder / "suite.json", "--store", folder / "store", *options)
    done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_S, check=False)
    return Finished(done.returncode, done.stdout, done.stderr, folder / "store")


def suite_of(executor: str, service: RawTarget, load: Mapping[str, Any], **scenario: Any) -> dict[str, Any]:
    shop = {"default-address": service.url, "requests": REQUESTS, **scenario}
    execution = {"executor": executor, "hold-for": "10m", "scenario": "shop", **load}
    criteria = [{"module": "passfail", "criteria": ["avg-rt>1ms"]}]
    return {"execution": [execution], "scenarios": {"shop": shop}, "reporting": criteria}


def exchanges_of(done: Finished) -> list[Exchange]:
    return [Exchange.from_stranger(line.encode(), "stdout") for line in done.stdout.splitlines()]


USERS: dict[str, Any] = {"concurrency": 500, "ramp-up": "5m"}
nightly = pytest.mark.nightly


@pytest.mark.parametrize(
    ("executor", "load", "scenario"),
    [
        ("locust", USERS, THINKS),
        pytest.param("apiritif", USERS, THINKS, marks=nightly),
        pytest.param("vegeta", {"throughput": 5000}, {}, marks=nightly),
        pytest.param(
            "jmeter", USERS, THINKS, marks=[nightly, pytest.mark.skipif(not LISTENS, reason="`make jmeter` first")]
        ),
    ],
)
def test_each_request_is_sent_once_and_shown_with_its_response(executor, load, scenario, tmp_path):
    answers = {"/orders": answer(500, b'{"why":"no stock"}', "application/json")}
    with raw_target(answers) as service:
        good = attempt(tmp_path / "good", suite_of(executor, service, load, **scenario, requests=REQUESTS[:1]))
        bad = attempt(tmp_path / "bad", suite_of(executor, service, load, **scenario), "--format", "json")
    assert (good.code, bad.code) == (0, 1), good.stderr + bad.stderr
    assert [one.path for one in service.requests] == ["/login", "/login", "/orders?id=7"]
    assert f"GET {service.url}/login → 200" in good.stdout
    assert '"ok": true' in good.stdout
    shown = exchanges_of(bad)
    assert [(one.label, one.ok, one.status) for one in shown] == [("login", True, 200), ("order", False, 500)]
    assert shown[1].response is not None
    assert "no stock" in shown[1].response.text
    assert bad.reasons() == {"failed-request"}


REDIRECTED = b"HTTP/1.1 302 Found\r\nLocation: /login/?next=/orders\r\nContent-Length: 0\r\n\r\n"


@pytest.mark.parametrize(
    ("method", "follows", "code"),
    [("GET", True, 1), pytest.param("GET", False, 1, marks=nightly), pytest.param("POST", True, 0, marks=nightly)],
)
def test_a_request_that_ends_at_a_login_page_fails_unless_the_suite_can_log_in(method, follows, code, tmp_path):
    requests = [{"url": "/orders", "label": "order"}, {"url": "/", "label": "home", "method": method}]
    with raw_target({"/orders": REDIRECTED}) as service:
        suite = suite_of("locust", service, USERS, requests=requests, **{"follow-redirects": follows})
        done = attempt(tmp_path / "suite", suite)
    assert done.code == code, done.stderr
    assert (done.json("verdict.json")["outcome"], "log-in-page" in done.reasons()) == (
        "failed" if code else "passed",
        bool(code),
    )
    assert ("1 of 2 requests end at a log-in page" in done.stdout) is bool(code)


@pytest.mark.nightly
@pytest.mark.skipif(shutil.which("java") is None or not gatling_home().is_dir(), reason="`make gatling` first")
def test_gatling_has_no_pauses_in_a_try(tmp_path):
    with raw_target({"/orders": answer(500, b"{}")}) as service:
        done = attempt(tmp_path / "suite", suite_of("gatling", service, USERS, **THINKS), "--format", "json")
    assert done.code == 1, done.stderr
    assert [one.path for one in service.requests] == ["/login", "/orders?id=7"]
    assert [one.label for one in exchanges_of(done)] == ["login", "order"]


@pytest.mark.nightly
@pytest.mark.skipif(chromium() is None, reason="needs Debian's chromium")
def test_a_browser_shows_its_steps_and_the_requests_of_its_pages(tmp_path):
    with raw_target() as service:
        suite = suite_of("playwright", service, {"concurrency": 2}, **THINKS, requests=REQUESTS[:1])
        done = attempt(tmp_path / "suite", suite, "--format", "json")
    assert done.code == 0, done.stderr
    shown = exchanges_of(done)
    assert {(one.label, one.url, one.status) for one in shown if one.url.endswith("/login")} == {
        ("login", f"{service.url}/login", 200)
    }
    assert [one.label for one in shown if not one.url] == ["login"]


@pytest.mark.parametrize("executor", ["locust", pytest.param("apiritif", marks=nightly)])
def test_a_script_that_fails_at_import_shows_only_its_own_traceback(executor, tmp_path):
    suite = {"execution": [{"executor": executor, "scenario": "shop"}], "scenarios": {"shop": {"script": "shop.py"}}}
    done = attempt(tmp_path / "suite", suite, shop="import prices\n", prices="{}['lamp']\n")
    assert (done.code, done.stdout) == (4, "")
    assert [line for line in done.stderr.splitlines() if "^" not in line] == [
        "Traceback (most recent call last):",
        '  File "shop.py", line 1, in <module>',
        "    import prices",
        '  File "prices.py", line 1, in <module>',
        "    {}['lamp']",
        "KeyError: 'lamp'",
    ]


def test_an_invalid_suite_is_an_error_of_the_user(tmp_path):
    assert attempt(tmp_path / "suite", {"execution": []}).code == 2


READS = """
from pathlib import Path
from locust import HttpUser, task

found, one = [], "self"
while one != "0":
    try:
        found.append(Path(f"/proc/{one}/environ").read_bytes())
    except PermissionError:
        found.append(b"refused")
    one = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()[1]
Path(__file__).with_name("found").write_bytes(b"\\n".join(found))

class User(HttpUser):
    @task
    def get(self):
        self.client.get("/")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's")
def test_a_suite_finds_no_token_of_its_job_in_the_environment_of_a_parent(tmp_path):
    with raw_target() as service:
        suite = {
            "execution": [{"executor": "locust", "concurrency": 1, "iterations": 1, "scenario": "s"}],
            "scenarios": {"s": {"default-address": service.url, "script": "reads.py"}},
        }
        (tmp_path / "suite.json").write_text(json.dumps(suite))
        (tmp_path / "reads.py").write_text(READS.replace("__file__", repr(str(tmp_path / "reads.py"))))
        command = toril("try", tmp_path / "suite.json", "--store", tmp_path / "store", "--no-compare")
        token = {"ACTIONS_ID_TOKEN_REQUEST_TOKEN": "the-jobs-token", "GITHUB_SHA": "4e5f6a7"}
        subprocess.run(command, env=os.environ | token, capture_output=True, timeout=LIMIT_S, check=False)
    found = (tmp_path / "found").read_bytes()
    assert b"GITHUB_SHA=4e5f6a7" in found
    assert b"the-jobs-token" not in found

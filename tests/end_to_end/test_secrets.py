"""A secret goes from Secrets Manager to the service under test, and no file of the run contains it."""

import base64
import json
import stat
import subprocess
import time
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psutil
import pytest

from tests.cloud.embedded import Cloud, embedded_cloud
from tests.end_to_end.running import LIMIT_S, descendants, toril
from tests.targets import Target
from tests.targets import target as serving
from toril.reports import FORMATS
from toril.timeline.intervals import decode

TOKEN = "t0k3n-/v4lue+for_the~shop"
PASSWORD = 'p4ss "w0rd" $HOME ${TOKEN} <&> back\\slash'
VALUES = {"user": "joe", "password": PASSWORD}

LOCUSTFILE = """
import logging, os, resource, sys
from locust import HttpUser, constant, task

TOKEN, PASSWORD = os.environ["TOKEN"], os.environ["PASSWORD"]
print("printed by the script:", TOKEN, PASSWORD, flush=True)
print("to stderr:", TOKEN, repr(PASSWORD), file=sys.stderr, flush=True)

class Visitor(HttpUser):
    wait_time = constant(0.2)

    @task
    def visit(self):
        self.client.get("/cores", headers={"X-Cores": str(resource.getrlimit(resource.RLIMIT_CORE))})
        logging.getLogger("script").warning("logged: %s", TOKEN)
        self.client.get(f"/locust/{TOKEN}?q={TOKEN}", headers={"X-Password": PASSWORD}, auth=("joe", TOKEN))
        with self.client.post("/locust", data=PASSWORD, catch_response=True, name=f"post {TOKEN}") as answer:
            answer.failure(f"wrong password {PASSWORD!r} for {'x' * 470} {TOKEN}")
        raise RuntimeError(f"broken with {TOKEN}")
"""
APIRITIF = """
import os
from apiritif import http

def test_shop():
    print("printed by the test", os.environ["TOKEN"], flush=True)
    http.get(os.environ["SHOP"] + "/apiritif/" + os.environ["TOKEN"], headers={"X-Password": os.environ["PASSWORD"]})
    assert False, "wrong: " + os.environ["PASSWORD"] + os.environ["TOKEN"]
"""
GROOVY = "println('printed by JMeter ' + System.getenv('TOKEN')); log.info('logged ' + System.getenv('TOKEN'))"

PACE = {"think-time": "50ms"}


def requests(engine: str) -> list[Any]:
    """Returns generated requests with the secret in every possible place."""
    visit: dict[str, Any] = {"url": f"${{SHOP}}/{engine}/${{TOKEN}}?q=${{TOKEN}}", "headers": {"X-Token": "${TOKEN}"}}
    sent = {"url": f"${{SHOP}}/{engine}", "method": "POST", "body": "${TOKEN}", "label": "sent ${TOKEN}"}
    checked = {"url": f"${{SHOP}}/{engine}/checked", "label": "checked", "assert": ["never ${TOKEN}"]}
    if engine == "jmeter":
        visit["jsr223"] = [{"language": "groovy", "script-text": GROOVY, "execute": "before"}]
    return [visit, sent, checked]


def suite(arn: str) -> dict[str, Any]:
    scenarios: dict[str, Any] = {
        f"{engine}-generated": {"requests": requests(engine), **PACE} for engine in ("locust", "apiritif", "jmeter")
    }
    scenarios |= {
        "script": {"script": "locustfile.py", "default-address": "${SHOP}"},
        "test": {"script": "test_shop.py"},
    }
    scenarios["jmeter-generated"]["headers"] = {"Authorization": "Basic ${TOKEN}"}
    of_scenario = {"script": "locust", "test": "apiritif"}
    load = {"concurrency": 1, "hold-for": "4s"}
    return {
        "execution": [
            {"scenario": name, "executor": of_scenario.get(name, name.partition("-")[0]), **load} for name in scenarios
        ],
        "scenarios": scenarios,
        "settings": {"env": {"COMPOSED": "Bearer ${TOKEN}"}},
        "services": [{"module": "shellexec", "prepare": ['echo "$COMPOSED ${TOKEN}"; echo "$PASSWORD" >&2']}],
        "reporting": [{"module": "passfail", "criteria": ["p95 of checked>9s"]}],
        "toril": {"workers": 1, "secrets": {"TOKEN": "shop/token", "PASSWORD": f"{arn}:password::"}},
    }


@dataclass
class Run:
    """The files of a run, and its visible processes while it ran."""

    code: int
    printed: str
    folder: Path
    command_lines: set[str]
    target: Target


@pytest.fixture(scope="module")
def cloud():
    with embedded_cloud() as found:
        yield found


@pytest.fixture(scope="module")
def done(cloud: Cloud, tmp_path_factory):
    vault = cloud.client("secretsmanager", "eu-west-1")
    vault.create_secret(Name="shop/token", SecretString=TOKEN)
    arn = vault.create_secret(Name="shop/password", SecretString=json.dumps(VALUES))["ARN"]
    folder = tmp_path_factory.mktemp("secrets")
    files = {"suite.yml": json.dumps(suite(arn)), "locustfile.py": LOCUSTFILE, "test_shop.py": APIRITIF}
    (folder / "shop").mkdir()
    for name, text in files.items():
        (folder / "shop" / name).write_text(text)
    left = folder / "left"
    (left / "tmp").mkdir(parents=True)
    reports = [option for name in FORMATS for option in ("--report", f"{name}={left / 'reports' / name}")]
    with serving() as target:
        command = toril("run", folder / "shop", "--store", left / "store", "--env", f"SHOP={target.url}", *reports)
        code, printed, commands = finished(command, cloud.environment(AWS_REGION="eu-west-1", TMPDIR=str(left / "tmp")))
    return Run(code, printed, left, commands, target)


def finished(command, environment):
    """Runs a command to its end; returns its exit code, its output, and the command lines of all its processes."""
    commands: set[str] = set()
    ends = time.monotonic() + LIMIT_S
    environment = {**environment, "TOKEN": "of-this-machine"}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment
    ) as process:
        while process.poll() is None and time.monotonic() < ends:
            for child in descendants(process.pid):
                try:
                    commands.add(" ".join(child.cmdline()))
                except psutil.Error:
                    continue
            time.sleep(0.2)
        printed, _ = process.communicate(timeout=LIMIT_S)
    return process.returncode, printed, commands


def traces(secret: str) -> list[bytes]:
    """Returns the forms of a secret: plain, in parts, encoded for a URL, JSON or HTML, or in base64."""
    data = secret.encode()
    found = {secret, quote(secret), quote(secret, safe=""), json.dumps(secret)[1:-1], secret[:8], secret[-8:]}
    for before in (b"", b"joe:"[:1], b"joe:"[:2]):
        core = base64.b64encode(before + data).decode()[4 if before else 0 : -4]
        found |= {core, core.replace("+", "-").replace("/", "_"), core[:12]}
    return [text.encode() for text in found]


def test_the_service_received_the_secrets_as_they_are(done):
    assert done.code in (0, 1, 3), done.printed
    for engine in ("locust", "apiritif", "jmeter"):
        assert f"/{engine}/{TOKEN}?q={TOKEN}" in done.target.paths
    assert f"/apiritif/{TOKEN}" in done.target.paths
    assert {f"X-Token: {TOKEN}", f"X-Password: {PASSWORD}"} <= done.target.headers
    assert "Authorization: Basic " + base64.b64encode(f"joe:{TOKEN}".encode()).decode() in done.target.headers
    assert {TOKEN.encode(), PASSWORD.encode()} <= set(done.target.bodies)


def test_no_file_of_a_run_contains_a_secret(done):
    files = [path for path in done.folder.rglob("*") if path.is_file()]
    assert {"plan.json", "verdict.json", "worker.log", "bzt.log", "exit.json", "html", "csv"} <= {
        one.name for one in files
    }
    assert not list((done.folder / "tmp").iterdir())
    for path in files:
        data = path.read_bytes()
        if path.name.startswith("intervals-"):
            interval = decode(data, path.name)
            data = repr((interval.labels, interval.messages, interval.rcs, interval.executions)).encode()
            data += zlib.decompress(path.read_bytes()[path.read_bytes().index(b"\x78\xda") :])
        for secret in (TOKEN, PASSWORD):
            assert not [trace for trace in traces(secret) if trace in data], path


def test_only_the_owner_may_read_the_files_of_a_run(done):
    left = [(path, path.stat().st_mode) for path in (done.folder / "store").rglob("*")]
    assert {path.name for path, _ in left} >= {"worker.log", "plan.json", "lease.json"}
    assert [path for path, mode in left if stat.S_IMODE(mode) != (0o700 if stat.S_ISDIR(mode) else 0o600)] == []


def test_crashes_leave_no_core_dump_with_secrets(done):
    assert "X-Cores: (0, 0)" in done.target.headers


def test_neither_output_nor_command_lines_contain_a_secret(done):
    for secret in (TOKEN, PASSWORD):
        for trace in traces(secret):
            assert trace.decode() not in done.printed
            assert not [line for line in done.command_lines if trace.decode() in line]
    assert any("locust" in line for line in done.command_lines)


def test_messages_are_kept_with_their_secrets_redacted(done):
    (log,) = done.folder.glob("store/runs/*/workers/*/*/bzt.log")
    text = log.read_text()
    for words in ("script: logged: ***", "logged ***", "AssertionError: wrong: ***", "\n***\n"):
        assert words in text
    (summary,) = done.folder.glob("store/runs/*/summary.json")
    labels = json.loads(summary.read_text())["labels"]
    assert {"post ***", "sent ***", "checked"} <= set(labels)
    assert any("***" in error["message"] for error in labels["checked"]["errors"])


def test_a_secret_that_cannot_be_read_ends_the_run_before_its_load_with_the_reason(cloud, tmp_path):
    document = {
        "execution": [{"executor": "locust", "scenario": {"requests": ["http://127.0.0.1:9/"]}, "hold-for": "2s"}],
        "toril": {"secrets": {"TOKEN": "nobody"}},
    }
    (tmp_path / "suite.yml").write_text(json.dumps(document))
    code, printed, _ = finished(
        toril("run", tmp_path, "--store", tmp_path / "store"), cloud.environment(AWS_REGION="eu-west-1")
    )
    assert code == 4
    assert "toril.secrets.TOKEN" in printed
    assert "nobody" in printed

"""An imported suite is tried, and compared with its recording."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any
from unittest.mock import ANY

import pytest

from tests.applications import PASSWORD, USER, serving
from tests.authoring import visits
from tests.end_to_end.running import LIMIT_S, toril
from toril.authoring.importing import suite_of
from toril.authoring.options import ImportOptions, read_limit
from toril.records import Verdict

pytestmark = pytest.mark.live


def tried(suite: Path, *options: str, **variables: str) -> tuple[int, list[dict[str, str]], str]:
    """Returns exit code, differences and errors of a try."""
    done = called(suite, "try", "--format", "json", *options, **variables)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    return done.returncode, [one["difference"] for one in lines if "difference" in one], done.stderr


def called(suite: Path, command: str, *options: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "SITE_USER": USER, "SITE_PASSWORD": PASSWORD, **variables}
    whole = toril(command, suite, "--store", suite / "store", *options)
    return subprocess.run(
        whole, capture_output=True, text=True, timeout=LIMIT_S, check=False, env=environment, cwd=suite
    )


def verdict_of(suite: Path) -> Verdict:
    """Returns the verdict of the last run in the suite's store."""
    last = max((suite / "store/runs").glob("*/verdict.json"))
    return Verdict.from_stranger(last.read_bytes(), last.name)


def test_a_try_passes_as_recorded_and_names_a_renamed_field_with_its_extractor(tmp_path):
    with serving("shop") as service:
        created = suite_of(visits.shop(service), None, ImportOptions(name="shop"), tmp_path).created
        suite = tmp_path / created.suite
        code, found, errors = tried(suite)
        assert (code, found, service.refused) == (0, [], []), errors
        assert "9 of 9 requests as recorded" in errors
        service.options["rename"] = {"csrf": "authenticity_token"}
        code, found, errors = tried(suite)
    assert code == 1, errors
    assert (found[0]["label"], found[0]["code"], found[0]["recorded"]) == ("GET /login", "missing-value", "csrf")
    assert "authenticity_token" in found[0]["yaml"]
    assert (found[1]["label"], found[1]["because"]) == ("POST /login", "GET /login")


LOAD: dict[str, Any] = {"users": 2, "ramp_up": "1s", "hold_for": "4s", "limits": (read_limit("fail>1%"),)}
CASES: dict[
    str, tuple[dict[str, Any], dict[str, str], tuple[str, str], str]
] = {  # case → options of the application, variables, the first difference of a try, and the failing label
    "wrong": ({}, {"SITE_PASSWORD": "wrong"}, ("POST /admin/login/", "log-in"), "POST /admin/login/"),
    "renamed": (
        {"rename": {"csrfmiddlewaretoken": "token"}},
        {},
        ("GET /admin/login/", "missing-value"),
        "GET /admin/login/",
    ),
    "expired": ({"expired": True}, {}, ("POST /admin/login/", "log-in"), "POST /admin/login/"),
    "taken": ({"taken": True}, {}, ("POST /admin/group/add/", "form"), "POST /admin/group/add/"),
}


@pytest.mark.nightly
@pytest.mark.parametrize("case", CASES)
def test_what_an_application_refuses_by_200_fails_a_run_and_a_try_says_what_it_was(case, tmp_path):
    options, variables, difference, label = CASES[case]
    with serving("admin") as service:
        suite = (
            tmp_path
            / suite_of(visits.admin(service), None, ImportOptions(name="admin", **LOAD), tmp_path).created.suite
        )
        if case == "wrong":
            assert tried(suite) == (0, [], ANY)
            assert called(suite, "run", "--fail-on", "failed").returncode == 0, verdict_of(suite)
        service.options |= options
        code, found, errors = tried(suite, **variables)
        stored = verdict_of(suite)
        done = called(suite, "run", **variables)
    assert (code, found[0]["label"], found[0]["code"]) == (1, *difference), errors
    assert (stored.outcome, stored.reasons[0].code) == ("failed", "not-as-recorded")
    assert case != "wrong" or "SITE_PASSWORD" in stored.reasons[0].message
    assert done.returncode == 1, done.stdout
    assert "breach" in {one.code for one in verdict_of(suite).reasons}
    assert label in done.stdout

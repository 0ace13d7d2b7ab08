"""An imported suite is tried, and compared with its recording."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.applications import PASSWORD, USER, serving
from tests.authoring import visits
from tests.end_to_end.running import LIMIT_S, toril
from toril.authoring.importing import suite_of
from toril.authoring.options import ImportOptions

pytestmark = pytest.mark.live


def tried(suite: Path, *options: str) -> tuple[int, list[dict[str, str]], str]:
    """Returns exit code, differences and errors of a try."""
    command = toril("try", suite, "--store", suite / "store", "--format", "json", *options)
    environment = {**os.environ, "SITE_USER": USER, "SITE_PASSWORD": PASSWORD}
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=LIMIT_S, check=False, env=environment, cwd=suite
    )
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    return done.returncode, [one["difference"] for one in lines if "difference" in one], done.stderr


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

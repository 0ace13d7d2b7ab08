"""bzt alone runs a generated suite: the suite names an executor of Taurus beside toril's engine."""

import os
import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest
import yaml

from tests.applications import PASSWORD, USER, serving
from tests.authoring import visits
from tests.end_to_end.running import LIMIT_S
from toril.authoring.importing import suite_of
from toril.authoring.options import ImportOptions
from toril.programs import is_jmeter, jmeter_home

pytestmark = pytest.mark.nightly


def without_values(requests: Iterable[str]) -> set[str]:
    return {re.sub(r"[0-9a-f]{8,}|\d+", "#", request) for request in requests}


@pytest.mark.skipif(not is_jmeter(jmeter_home()), reason="`make jmeter` first")
def test_bzt_runs_an_imported_journey_as_recorded(tmp_path: Path) -> None:
    with serving("shop") as service:
        load = ImportOptions(name="shop", users=1, ramp_up="0", hold_for="4s")
        suite = tmp_path / suite_of(visits.shop(service), None, load, tmp_path).created.suite
        document = yaml.safe_load((suite / "suite.yml").read_text())
        recorded = without_values(service.requests)
        service.requests.clear()
        settings = (
            "settings.check-updates=false",
            "modules.jmeter.detect-plugins=false",
            f"modules.jmeter.path={jmeter_home()}/bin/jmeter",
        )
        words = [sys.executable, "-m", "bzt", "suite.yml", *(word for one in settings for word in ("-o", one))]
        done = subprocess.run(
            words, cwd=suite, capture_output=True, text=True, timeout=2 * LIMIT_S, check=False,
            env={**os.environ, "SITE_USER": USER, "SITE_PASSWORD": PASSWORD},
        )  # fmt: skip
    assert document["toril"]["executor"] == "toril"
    assert done.returncode == 0, done.stdout + done.stderr
    assert (service.refused, without_values(service.requests)) == ([], recorded)

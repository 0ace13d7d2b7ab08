"""Gatling's home has the locked jars, and none with a restrictive licence."""

import hashlib
import subprocess
import sys
from pathlib import Path

import pytest

from toril.programs import GATLING_VERSION, gatling_home

TOOL = Path(__file__).parents[2] / "tools" / "gatling"
LINES = (TOOL / "jars.sha256").read_text().splitlines()
LOCKED = {name: digest for digest, name in map(str.split, LINES)}


def test_the_charts_with_their_own_licence_are_not_included():
    assert f"gatling-app-{GATLING_VERSION}.jar" in LOCKED
    assert not [name for name in LOCKED if "highcharts" in name]


@pytest.mark.skipif(not gatling_home().is_dir(), reason="`make gatling` has not assembled Gatling")
def test_the_home_has_exactly_the_locked_jars():
    found = {jar.name: hashlib.sha256(jar.read_bytes()).hexdigest() for jar in (gatling_home() / "lib").glob("*.jar")}
    assert found == LOCKED


@pytest.mark.skipif(not gatling_home().is_dir(), reason="`make gatling` has not assembled Gatling")
def test_an_up_to_date_home_stays_unchanged():
    command = [sys.executable, str(TOOL / "assemble.py"), str(gatling_home())]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == ""

"""Gatling's home: assembled of what is locked, and of nothing that may not be used freely."""

import hashlib
import subprocess
import sys
from pathlib import Path

import pytest

from toril.programs import GATLING_VERSION, gatling_home

TOOL = Path(__file__).parents[2] / "tools" / "gatling"
LINES = (TOOL / "jars.sha256").read_text().splitlines()
LOCKED = {name: digest for digest, name in map(str.split, LINES)}


def test_the_charts_with_a_licence_of_their_own_are_not_part_of_it():
    assert f"gatling-app-{GATLING_VERSION}.jar" in LOCKED
    assert not [name for name in LOCKED if "highcharts" in name]


@pytest.mark.skipif(not gatling_home().is_dir(), reason="`make gatling` has not assembled Gatling")
def test_its_jars_are_those_that_are_locked():
    found = {jar.name: hashlib.sha256(jar.read_bytes()).hexdigest() for jar in (gatling_home() / "lib").glob("*.jar")}
    assert found == LOCKED


@pytest.mark.skipif(not gatling_home().is_dir(), reason="`make gatling` has not assembled Gatling")
def test_a_home_that_is_up_to_date_is_left_as_it_is():
    command = [sys.executable, str(TOOL / "assemble.py"), str(gatling_home())]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == ""

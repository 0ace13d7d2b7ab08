"""The homes of Gatling and JUnit have the locked jars, and none with a restrictive licence."""

import hashlib
import subprocess
import sys
from pathlib import Path

import pytest

from toril.programs import GATLING_VERSION, JUNIT_VERSION, gatling_home, junit_home

TOOLS = Path(__file__).parents[2] / "tools"
HOMES = {"gatling": gatling_home(), "junit": junit_home()}
ASSEMBLED = [
    pytest.param(tool, home, marks=pytest.mark.skipif(not home.is_dir(), reason=f"`make {tool}` has not assembled it"))
    for tool, home in HOMES.items()
]


def locked(tool):
    lines = (TOOLS / tool / "jars.sha256").read_text().splitlines()
    return {name: digest for digest, name in map(str.split, lines)}


def test_the_charts_with_their_own_licence_are_not_included():
    assert f"gatling-app-{GATLING_VERSION}.jar" in locked("gatling")
    assert not [name for name in locked("gatling") if "highcharts" in name]


def test_junit_has_its_console_and_a_compiler():
    assert f"junit-platform-console-standalone-{JUNIT_VERSION}.jar" in locked("junit")
    assert [name for name in locked("junit") if name.startswith("ecj-")]


@pytest.mark.parametrize(("tool", "home"), ASSEMBLED)
def test_the_home_has_exactly_the_locked_jars(tool, home):
    found = {jar.name: hashlib.sha256(jar.read_bytes()).hexdigest() for jar in (home / "lib").glob("*.jar")}
    assert found == locked(tool)


@pytest.mark.parametrize(("tool", "home"), ASSEMBLED)
def test_an_up_to_date_home_stays_unchanged(tool, home):
    command = [sys.executable, str(TOOLS / "maven.py"), str(TOOLS / tool), str(home)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == ""

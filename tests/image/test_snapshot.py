"""`image/build` pins the time of Debian's archive, so that later builds of a commit have the same packages."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCKER = """#!/bin/sh
for word; do case "$word" in id=apt.conf,src=*) cp "${word#*src=}" "$SEEN";; esac; done
"""


def lent(tmp_path, *options):
    """Returns the apt settings that the build gets."""
    (tmp_path / "docker").write_text(DOCKER)
    (tmp_path / "docker").chmod(0o755)
    environment = {**os.environ, "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}", "SEEN": str(tmp_path / "seen")}
    command = [sys.executable, ROOT / "image/build", "slim", "--with", "docker", *options]
    subprocess.run(command, env=environment, capture_output=True, timeout=300, check=True)
    return (tmp_path / "seen").read_text()


def test_the_build_pins_the_archives_time_and_fails_without_it(tmp_path):
    settings = lent(tmp_path)
    assert re.search(r'^APT::Snapshot "20\d{6}T\d{6}Z";$', settings, re.MULTILINE)
    assert 'APT::Update::Error-Mode "any";' in settings


def test_an_option_sets_another_time(tmp_path):
    assert 'APT::Snapshot "20270101T000000Z";' in lent(tmp_path, "--snapshot", "20270101T000000Z")


@pytest.mark.parametrize("options", [("--base", "localhost/toril-base:trixie"), ("--snapshot", "none")])
def test_a_local_base_gets_the_newest_packages(tmp_path, options):
    assert "APT::Snapshot" not in lent(tmp_path, *options)

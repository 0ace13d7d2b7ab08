"""`image/build` takes Debian's packages as they were at one time: a later build of a commit has the same."""

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
    """apt's settings that a build gets."""
    (tmp_path / "docker").write_text(DOCKER)
    (tmp_path / "docker").chmod(0o755)
    environment = {**os.environ, "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}", "SEEN": str(tmp_path / "seen")}
    command = [sys.executable, ROOT / "image/build", "slim", "--with", "docker", *options]
    subprocess.run(command, env=environment, capture_output=True, timeout=300, check=True)
    return (tmp_path / "seen").read_text()


def test_packages_are_those_of_a_time_or_the_build_fails(tmp_path):
    settings = lent(tmp_path)
    assert re.search(r'^APT::Snapshot "20\d{6}T\d{6}Z";$', settings, re.MULTILINE)
    assert 'APT::Update::Error-Mode "any";' in settings


def test_another_time_can_be_named(tmp_path):
    assert 'APT::Snapshot "20270101T000000Z";' in lent(tmp_path, "--snapshot", "20270101T000000Z")


@pytest.mark.parametrize("options", [("--base", "localhost/toril-base:trixie"), ("--snapshot", "none")])
def test_a_base_of_this_machines_packages_has_its_newest(tmp_path, options):
    assert "APT::Snapshot" not in lent(tmp_path, *options)

"""The hooks of local runs; exactly-once starts and ends of faults are in tests/simulation."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from toril.launchers import hook
from toril.launchers.faults import injector_of
from toril.records import Fault

pytestmark = pytest.mark.live
FAULT = Fault(at_s=1.0, for_s=1.0, hook="./break.sh web")


def script(folder: Path, text: str = 'echo "$@" >> seen') -> Path:
    path = folder / "break.sh"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def until(done, within_s: float = 10.0) -> None:
    give_up = time.monotonic() + within_s
    while not done():
        assert time.monotonic() < give_up
        time.sleep(0.02)


def test_a_hook_gets_start_once_and_stop_once(tmp_path):
    script(tmp_path)
    hooks = injector_of(tmp_path)(FAULT)
    ids = {hooks.start("run", 1, FAULT), hooks.start("run", 1, FAULT)}
    until((tmp_path / "seen").is_file)
    assert ids == {"1"} == {hooks.find("run", 1, FAULT)}
    assert hooks.ended(FAULT, "1") is None
    hooks.stop(FAULT, "1")
    hooks.stop(FAULT, "1")
    until(lambda: hooks.ended(FAULT, "1"))
    assert hooks.ended(FAULT, "1") == (None, "")
    assert (tmp_path / "seen").read_text() == "web start\nweb stop\n"


@pytest.mark.parametrize("text", ["exit 3", 'test "$2" = start || exit 3', "sleep 60 & exit 3"])
def test_a_failed_hook_is_a_failure_and_gets_its_stop(tmp_path, text):
    script(tmp_path, f'echo "$@" >> seen; {text}')
    hooks = injector_of(tmp_path)(FAULT)
    hooks.start("run", 1, FAULT)
    until((tmp_path / "seen").is_file)
    hooks.stop(FAULT, "1")
    until(lambda: hooks.ended(FAULT, "1"))
    assert "exit code" in str(hooks.ended(FAULT, "1"))
    assert (tmp_path / "seen").read_text() == "web start\nweb stop\n"


def test_a_hook_gets_its_stop_if_the_command_is_killed(tmp_path):
    path = script(tmp_path)
    code = "import subprocess, sys, time; subprocess.Popen(sys.argv[1:], stdin=subprocess.PIPE); time.sleep(60)"
    command = [sys.executable, "-c", code, sys.executable, hook.__file__, str(path)]
    parent = subprocess.Popen(command, cwd=tmp_path, env=os.environ)
    until((tmp_path / "seen").is_file)
    parent.kill()
    parent.wait()
    until(lambda: (tmp_path / "seen").read_text() == "start\nstop\n")

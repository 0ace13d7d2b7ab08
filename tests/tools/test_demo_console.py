"""`make demo-console` shows stored runs and one that goes on, and leaves nothing behind."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx2 as httpx
import psutil
import pytest

pytestmark = pytest.mark.live
ROOT = Path(__file__).parents[2]
PATIENCE_S = 90


@pytest.mark.nightly
def test_the_demo_shows_stored_runs_and_one_that_goes_on_and_leaves_nothing(tmp_path):
    command = [sys.executable, "-m", "tools.demo_console", "--bind", "127.0.0.1"]
    demo = subprocess.Popen(
        command,
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(tmp_path), "BROWSER": "none"},
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert demo.stdout is not None
    try:
        address = httpx.URL(demo.stdout.readline().strip())
        with httpx.Client(base_url=address.join("/"), timeout=30) as browser:
            browser.get(address)
            judged = browser.get("/api/v1/runs").json()["runs"]
            going_on = browser.get("/api/v1/runs/running").json()[0]["run_id"]
            pages = [browser.get(f"/runs/{one['run_id']}") for one in judged]
            home = browser.get("/")
            live = _live(browser, going_on)
            page = browser.get(f"/runs/{going_on}")
    finally:
        demo.send_signal(signal.SIGINT)
        code = demo.wait(PATIENCE_S)
        demo.stdout.close()
    assert {one["outcome"] for one in judged} == {"passed", "failed", "inconclusive"}
    assert {one["kind"] for one in judged} == {"run", "duet", "smoke"}
    assert all(one["tags"]["made-up"] == "yes" for one in judged)
    assert {one.status_code for one in (*pages, home, page)} == {200}
    assert going_on in home.text
    assert live["figures"]["samples"] > 0
    assert code == 0
    assert list(tmp_path.iterdir()) == []
    assert [one.pid for one in psutil.process_iter(["cmdline"]) if str(tmp_path) in str(one.info["cmdline"])] == []


def _live(browser: httpx.Client, run_id: str) -> Any:
    """Returns the progress of a run, once it has samples."""
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until:
        found = browser.get(f"/api/v1/runs/{run_id}/live").json()
        if found["progress"] and found["progress"]["figures"]["samples"]:
            return found["progress"]
        time.sleep(0.5)
    return {}

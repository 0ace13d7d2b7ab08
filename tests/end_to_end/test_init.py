"""The suites of `toril init`, and of `toril import` from scripts, run unchanged, each kind on its real engine."""

import subprocess
from pathlib import Path

import pytest

from tests.authoring.calling import scripts
from tests.end_to_end.running import LIMIT_S, run, toril
from tests.targets import target as serving

SHORT = ("--users", "2", "--ramp-up", "0", "--hold-for", "2s")  # without a ramp-up all samples are judged
TAURUS = """
execution: [{scenario: mine, executor: apiritif, concurrency: 2, hold-for: 2s}]
scenarios: {mine: {requests: ['URL/mine']}}
reporting: [{module: passfail, criteria: ['fail>0%']}]
"""


@pytest.mark.parametrize(
    "kind",
    ["rate", *(pytest.param(kind, marks=pytest.mark.nightly) for kind in ("locustfile", "url", "jmx", "taurus"))],
)
def test_each_kind_is_planned_and_run_with_every_request_counted(tmp_path: Path, kind: str) -> None:
    mine, repository = tmp_path / "mine", tmp_path / "repository"
    with serving(delay_s=0.01) as target:
        scripts(mine, target.port)
        (mine / "load.yml").write_text(TAURUS.replace("URL", target.url))
        options: dict[str, tuple[str | Path, ...]] = {
            "url": ("--url", f"{target.url}/", "--url", f"{target.url}/search?q=a:b", *SHORT),
            "rate": ("--url", f"{target.url}/", "--rps", "20", *SHORT),
            "jmx": (mine / "load.jmx",),
            "locustfile": (mine / "locustfile.py", "--host", target.url, *SHORT),
            "taurus": (mine / "load.yml",),
        }
        words = ("init", repository) if kind in ("url", "rate") else ("import", "--into", repository)
        output = called(*words, "--name", "first", *options[kind])
        suite = repository / "loadtests/first"
        first = "plan" if words[0] == "init" else "try"
        assert output.endswith(f"next:\n  toril {first} {suite}\n  toril run {suite}\n")
        assert "first: 1 worker" in called("plan", suite)
        assert target.started == 0
        done = run(tmp_path / "store", suite, "--fail-on", "failed", folder=tmp_path)
    assert done.code == 0, done.stdout + done.stderr
    requested = {
        "url": {"/", "/search?q=a:b"},
        "rate": {"/"},
        "jmx": {"/in/ada", "/in/grace"},
        "locustfile": {"/hello/ada"},
        "taurus": {"/mine"},
    }
    assert set(target.paths) == requested[kind]
    assert done.json("summary.json")["labels"][""]["samples"] == target.answered > 0
    assert done.json("verdict.json")["criteria"]


def called(*arguments: str | Path) -> str:
    """Runs a command that must succeed; returns its output."""
    done = subprocess.run(toril(*arguments), capture_output=True, text=True, timeout=LIMIT_S, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout

"""Real duets of the demo shop beside busy neighbours: none of two equal shops fails, and a slower one is found."""

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

pytestmark = [pytest.mark.solo, pytest.mark.nightly]

ROOT = Path(__file__).parents[2]
EQUAL, SLOWER, FOUND = 2, 2, 1
LIMIT_S = 900


@pytest.mark.timeout(LIMIT_S + 60)
def test_duets_are_right_beside_busy_neighbours(tmp_path: Path) -> None:
    out = tmp_path / "duets.jsonl"
    command = [sys.executable, ROOT / "bench" / "duets.py", "--aa", EQUAL, "--slow", SLOWER, "--neighbours", 18]
    subprocess.run([*map(str, command), "--out", str(out)], timeout=LIMIT_S, check=True)
    done = [json.loads(line) for line in out.read_text().splitlines()]
    outcomes = {kind: Counter(one["outcome"] for one in done if one["kind"] == kind) for kind in ("aa", "slow")}
    assert outcomes["aa"].total() == EQUAL and outcomes["slow"].total() == SLOWER
    assert outcomes["aa"]["failed"] == 0, outcomes
    assert outcomes["slow"]["failed"] >= FOUND and outcomes["slow"]["passed"] == 0, outcomes

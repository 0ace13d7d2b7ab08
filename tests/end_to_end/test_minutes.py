"""The time from an address, or from a recording, to a verdict with a criterion."""

import json
import time
from pathlib import Path

import pytest

from tests.applications import journey, serving
from tests.end_to_end.recorded import call, variables_of
from tests.outcomes import passes

pytestmark = [pytest.mark.solo, pytest.mark.nightly]


def check_judged(suite: Path, store: Path) -> None:
    done = call("run", suite, "--store", store, variables=variables_of(suite))
    (file,) = store.glob("runs/*/verdict.json")
    verdict = json.loads(file.read_text())
    assert passes(verdict), done.output
    assert {one["outcome"] for one in verdict["criteria"]} <= {"passed", "inconclusive"}
    assert len(verdict["criteria"]) == 2


def test_an_address_becomes_a_verdict_in_three_minutes_and_a_recording_in_two(tmp_path: Path) -> None:
    with serving("shop") as application:
        began = time.monotonic()
        kept = ("--har", tmp_path / "shop.har")
        call("record", application.url, "--script", journey("shop"), "--into", tmp_path, "--name", "shop", *kept)
        check_judged(tmp_path / "loadtests/shop", tmp_path / "first")
        recorded_s = time.monotonic() - began

        began = time.monotonic()
        call("import", tmp_path / "shop.har", "--into", tmp_path / "imported", "--name", "shop")
        check_judged(tmp_path / "imported/loadtests/shop", tmp_path / "second")
        imported_s = time.monotonic() - began
    assert application.refused == []
    assert recorded_s < 180
    assert imported_s < 120

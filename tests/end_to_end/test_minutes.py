"""The time from an address, or from a recording, to a verdict with a criterion."""

import time
from pathlib import Path

import pytest

from tests.applications import journey, serving
from tests.end_to_end.recorded import Called, call, variables_of

pytestmark = [pytest.mark.solo, pytest.mark.nightly]


def judged(suite: Path, store: Path) -> Called:
    done = call("run", suite, "--store", store, variables=variables_of(suite))
    assert "p95" in done.output, done.output
    return done


def test_an_address_becomes_a_verdict_in_three_minutes_and_a_recording_in_two(tmp_path: Path) -> None:
    with serving("shop") as application:
        began = time.monotonic()
        kept = ("--har", tmp_path / "shop.har")
        call("record", application.url, "--script", journey("shop"), "--into", tmp_path, "--name", "shop", *kept)
        done = judged(tmp_path / "loadtests/shop", tmp_path / "store")
        recorded_s = time.monotonic() - began
        assert (done.code, application.refused) == (0, []), done.output

        began = time.monotonic()
        call("import", tmp_path / "shop.har", "--into", tmp_path / "imported", "--name", "shop")
        done = judged(tmp_path / "imported/loadtests/shop", tmp_path / "store")
        imported_s = time.monotonic() - began
        assert (done.code, application.refused) == (0, []), done.output
    assert recorded_s < 180
    assert imported_s < 120

"""Figures as text: 0, 100 % and the limit appear only if exact."""

import os
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.reports.runs import small, store_run
from toril import text


@given(st.floats(0.0001, 1e9))
def test_a_shown_number_can_be_parsed_back(value):
    shown = text.number(value)
    assert not shown.endswith(".")
    assert float(shown.lstrip("< ").replace(",", "")) == pytest.approx(value, rel=0.051, abs=0.001)


@given(st.floats(0, 100))
def test_a_share_shows_0_or_100_per_cent_only_if_exact(value):
    assert (text.percent(value) == "0 %") == (value == 0)
    assert (text.percent(value) == "100 %") == (value == 100)


@pytest.mark.live
@pytest.mark.parametrize("encoding", ["ascii", pytest.param("latin-1", marks=pytest.mark.nightly)])
@pytest.mark.parametrize("command", [["report", "one"], ["compare", "one", "one"], ["runs"]])
def test_reports_work_in_a_locale_without_their_characters(tmp_path, encoding, command):
    store_run(tmp_path, "one", small(), "p95>1ms")
    done = subprocess.run(
        [sys.executable, "-m", "toril", *command, "--store", str(tmp_path)],
        capture_output=True,
        env=os.environ | {"PYTHONIOENCODING": encoding},
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    assert done.stdout.decode(encoding).isascii() or encoding != "ascii"

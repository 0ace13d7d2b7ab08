"""The measurements of a run in its page: their size, their steps, and what they leave out."""

import base64
import json
import zlib
from dataclasses import replace
from typing import Any

import pytest

from tests.measured import MS, Sample, every_second
from tests.reports.runs import run_of
from toril.errors import OptionError
from toril.reports import Bundle, render
from toril.reports.measured import Encoded, encoded


def header_of(found: Encoded | None) -> dict[str, Any]:
    assert found is not None
    body = zlib.decompress(base64.b64decode(found.text))
    return dict(json.loads(body[4 : 4 + int.from_bytes(body[:4], "little")]))


def limited(run: Bundle, page_bytes: int) -> Bundle:
    return replace(run, plan=run.plan.model_copy(update={"page_bytes": page_bytes}))


@pytest.fixture(scope="module")
def run() -> Bundle:
    return run_of([Sample(second, (10 + second * 7 % 90) * MS) for second in range(120) for _ in range(5)], "p95>1s")


def test_steps_grow_until_the_text_is_small_enough(run):
    whole = encoded(run)
    assert whole is not None
    assert whole.step_s == 1
    shorter = encoded(limited(run, len(whole.text) - 1))
    assert shorter is not None
    assert shorter.step_s == 2
    assert len(shorter.text) < len(whole.text)
    assert encoded(limited(run, 100)) is None


def test_a_page_holds_the_measurements_only_if_the_run_has_windows(run):
    assert b'<script id="measured"' in render("html", run)
    assert b'<script id="measured"' not in render("html", replace(run, completeness=None))
    assert encoded(replace(run, timeline=None)) is encoded(run_of([])) is None
    with pytest.raises(OptionError) as refused:
        render("html", replace(limited(run, 10), span=(2, 4)))
    assert refused.value.code == "no-window"


def test_labels_without_charts_share_a_series_and_have_no_figures_of_their_own():
    samples = [one for number in range(60) for one in every_second(range(3), Sample(0, label=f"page {number}"))]
    header = header_of(encoded(run_of(samples)))

    views = [header["views"][place] for place in header["tables"]["label"]]
    assert views[0] is not None
    assert sum(view is None for view in views) == 60 - 32
    assert len(header["ok"]) == 32 + 1


def test_no_name_of_the_run_is_in_the_measurements():
    secret = "https://shop.example.com/?token=hunter2hunter2"
    samples = [*every_second(range(3), Sample(0, label=secret)), Sample(1, label=secret, ok=False, rc="500")]
    rule = {"subject": "p95", "label": secret, "condition": ">", "threshold": "1s"}
    header = json.dumps(header_of(encoded(run_of(samples, rule))))

    assert "hunter2" not in header
    assert "shop.example.com" not in header

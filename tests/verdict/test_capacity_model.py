"""The scalability of a service from a search's stages and from runs at several rates."""

from dataclasses import replace
from typing import Any

import pytest

from tests.reports import examples
from toril.records.summary import CapacityStage
from toril.reports import Bundle
from toril.reports.blocks import NoteBlock, Table
from toril.reports.compare_blocks import scaling_report
from toril.verdict.capacity.model import point_of_run, scaling_of_stages

BUSY = (0.1, 0.2, 0.3, 0.45, 0.6, 0.8, 0.9)  # of one server that answers 100 requests/s


def stage(busy: float, **changes) -> CapacityStage:
    known: dict[str, Any] = {
        "rps": busy * 100,
        "achieved_rps": busy * 100,
        "in_progress": busy / (1 - busy),
        "outcome": "held",
        "to_s": 300,
    }
    return CapacityStage(**(known | changes))


def test_the_stages_of_a_search_give_the_highest_rate_and_the_bend():
    found = scaling_of_stages([stage(busy) for busy in BUSY])
    assert found is not None
    assert (found.refused, found.rates) == ("", 7)
    assert found.limit_rps is not None
    assert found.limit_rps.value == pytest.approx(100, rel=1e-3)
    assert found.bend_rps == pytest.approx((30, 80))  # 45 and 60 are within the error of 55


def test_stages_without_a_steady_load_do_not_count():
    unusable = [
        stage(0.95, kind="recover"),
        stage(0.95, outcome="void"),
        stage(0.95, outcome="breached", why="answers", in_progress=None),
    ]
    found = scaling_of_stages([*(stage(busy) for busy in BUSY[:5]), *unusable])
    assert found is not None
    assert (found.refused, found.rates) == ("too-few-rates", 5)
    assert scaling_of_stages(unusable) is None


def test_a_law_that_expects_more_than_the_service_answered_is_refused():
    behind = stage(0.85, outcome="breached", why="answers", in_progress=None)
    found = scaling_of_stages([*(stage(busy) for busy in BUSY), behind])
    assert found is not None
    assert found.refused == "fell-behind"


def ran(busy: float, **verdict) -> Bundle:
    """Returns a run whose requests wait for one server."""
    mean = 10_000 / (1 - busy)
    figures = examples.figures() | {"rps": busy * 100, "response_us": {"mean": round(mean)}}
    plan = examples.plan(run_id=f"20261124T150405Z-shop-{round(100 * busy):04x}")
    return Bundle(plan, examples.summary(labels={"": figures}), examples.verdict(**verdict))


def test_the_load_of_a_run_is_its_rate_times_its_mean_response_time():
    run = ran(0.5).summary
    assert run.window is not None
    assert point_of_run(run) == pytest.approx((1.0, 50.0, run.window.to_s - run.window.from_s))


def test_a_run_whose_requests_failed_has_no_load():
    run = ran(0.5).summary
    assert point_of_run(replace(run, labels={"": replace(run.total, failures=run.total.samples // 10)})) is None


def test_runs_at_several_rates_are_shown_by_rate_with_the_forecast():
    report = scaling_report([ran(busy) for busy in reversed(BUSY)])
    rates, scaling = (block for block in report.blocks if isinstance(block, Table))
    assert [row.cells[1].text for row in rates.rows] == ["10/s", "20/s", "30/s", "45/s", "60/s", "80/s", "90/s"]
    assert scaling.rows[0].cells[1].text == "100/s"
    assert "100/s" in report.headline.text


def test_runs_with_unreliable_figures_are_left_out_of_the_forecast():
    saturated = ran(0.9, outcome="inconclusive", reasons=[{"code": "saturated", "message": "99 % CPU"}])
    report = scaling_report([*(ran(busy) for busy in BUSY[:5]), saturated])
    (note,) = (block for block in report.blocks if isinstance(block, NoteBlock))
    assert note.cause == "too-few-rates"

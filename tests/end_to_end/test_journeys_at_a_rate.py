"""Journeys at a rate on toril's engine: a service that hangs delays no start, and each step's times show the hang."""

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.running import run, suite_file
from tests.targets import Target, opened

RATE, HOLD_S, HANGS_AT_S, HANGS_S, THINK_S = 20, 22, 5.0, 10.0, 1


class Hanging(Target):
    """Answers nothing for ten seconds in the middle of the load."""

    async def answer(self, writer: asyncio.StreamWriter, method: str, path: str, sent: bytes) -> bool:
        since_s = time.time() - (self.first_at or time.time())
        if HANGS_AT_S < since_s < HANGS_AT_S + HANGS_S:
            await asyncio.sleep(HANGS_AT_S + HANGS_S - since_s)
        return await super().answer(writer, method, path, sent)


@pytest.mark.nightly
def test_a_hang_delays_no_journey_and_shows_in_the_times_of_each_step(tmp_path: Path):
    with opened(Hanging(0.002, 200, b"ok")) as service:
        steps: list[dict[str, Any]] = [
            {"url": "/home", "label": "home", "think-time": f"{THINK_S}s"},
            {"url": "/cart", "label": "cart"},
        ]
        suite = suite_file(
            tmp_path / "shop",
            service.url,
            execution={"executor": "toril", "concurrency": None, "hold-for": f"{HOLD_S}s"},
            scenarios={"home": {"default-address": service.url, "requests": steps, "store-cookie": True}},
            reporting=[{"module": "passfail", "criteria": ["p75 of home>1s", "fail>0%"]}],
            toril={"arrivals": f"{RATE}/s", "workers": 2, "engine": {"poisson": True}},
        )
        done = run(tmp_path / "store", suite, limit_s=200)
    summary = done.json("summary.json")
    labels, journeys, slow = summary["labels"], RATE * HOLD_S, RATE * HANGS_S
    counts = {name: labels[name]["samples"] for name in ("journey start", "home", "cart", "")}
    assert counts["journey start"] == counts["home"] == service.paths["/home"] == journeys, done.stdout
    assert counts["cart"] == service.paths["/cart"] == counts[""] - journeys
    # The last journeys still think at the end.
    assert counts["cart"] == pytest.approx(journeys - RATE * THINK_S, abs=3)
    waited_s = HANGS_S * (0.75 * journeys - (journeys - slow)) / slow  # of the nearest rank
    assert labels["home"]["response_us"]["p75"] / 1e6 == pytest.approx(waited_s, abs=0.7)
    assert labels["home"]["response_us"]["max"] / 1e6 == pytest.approx(HANGS_S, abs=0.7)
    assert labels["cart"]["response_us"]["max"] / 1e6 == pytest.approx(HANGS_S, abs=0.7)
    assert labels["cart"]["response_us"]["p90"] < 2_000_000  # only those whose journeys began before the hang
    assert sum(second["journeys"] for second in summary["series"]) == journeys
    load = summary["load"]["executions"]["home"]
    assert load["requested"]["journeys_per_s"] == RATE
    assert load["achieved"]["journeys_per_s"] == pytest.approx(RATE, rel=0.01)
    assert "unreached-load" not in {reason["code"] for reason in done.json("verdict.json")["reasons"]}

"""docs/explanation/protocol.md: its cadences and its deadline are those of the plan."""

import re
from pathlib import Path

from toril.coordinator.protocol import FINISH_SLACK_S, UNBOUNDED_S
from toril.plan import FARGATE_TIMINGS
from toril.records import Pace

PAGE = (Path(__file__).parents[2] / "docs/explanation/protocol.md").read_text()


def test_the_cadences_are_those_of_the_plan():
    shown: dict[str, tuple[str, str]] = {}
    for names, local, fargate in re.findall(r"^\| (`[a-z_`, ]+_s`) \| ([^|]+) \| ([^|]+) \|", PAGE, re.MULTILINE):
        values = zip(local.split(", "), fargate.split(", "), strict=True)
        shown |= dict(zip(re.findall(r"`(\w+)`", names), values, strict=True))
    paces = (Pace().model_dump(), FARGATE_TIMINGS.model_dump())
    assert shown == {
        name: tuple("–" if pace[name] is None else f"{pace[name]:g}" for pace in paces) for name in paces[0]
    }


def test_the_deadline_is_the_sum_that_the_page_gives():
    pace = FARGATE_TIMINGS
    waits = (pace.ready_timeout_s, pace.start_lead_s, FINISH_SLACK_S, pace.kill_after_s, pace.give_up_s)
    minutes, seconds = divmod(sum(waits), 60)
    assert f"the load + {minutes:g} min {seconds:g} s" in PAGE
    (sentence,) = re.findall(r"\*\*The deadline\*\*.*?\.", PAGE.replace("\n", " "))
    assert [float(one) for one in re.findall(r"(\d+) s\b", sentence)][1:] == list(waits)
    assert f"it is {UNBOUNDED_S / 3600:g} hours" in PAGE

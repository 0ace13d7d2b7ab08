"""Suite and workflow as texts; every value goes into YAML through PyYAML, which knows what to quote."""

import math
from fractions import Fraction
from functools import cache
from importlib.resources import files
from typing import Any

import yaml
from jinja2 import Environment, FunctionLoader, StrictUndefined

from toril.authoring.wanted import THINK_TIME_S, Choices
from toril.criteria import duration_s
from toril.records import Plan


def suite_text(choices: Choices) -> str:
    """The suite.yml of a URL, JMX or locustfile."""
    first = choices.urls[0].origin if choices.urls else None
    return (
        _templates()
        .get_template("suite.yml.jinja")
        .render(
            choices=choices,
            load={
                "concurrency": choices.users,
                "throughput": None if choices.rps is None else _number(choices.rps),
                "ramp-up": choices.ramp_up,
                "hold-for": choices.hold_for,
                "locations": {name: _number(weight) for name, weight in choices.locations.items()} or None,
            },
            reach_ms=math.floor(1000 * choices.users / choices.rps) if choices.users and choices.rps else None,
            think_time=f"{THINK_TIME_S}s",
            rises=choices.ramp_up is not None and duration_s(choices.ramp_up) > 0,
            address=first,
            requests=[url.path if url.origin == first else url.origin + url.path for url in choices.urls],
            script=choices.file.name if choices.file else None,
            limits=[limit.text for limit in choices.limits if limit.language == "taurus"],
            own_limits=[limit.text for limit in choices.limits if limit.language == "toril"],
        )
    )


def workflow_text(suite: str, plan: Plan, action: str) -> str:
    """The workflow of the user's repository; `suite` is a path in it."""
    executors = {execution.executor for execution in plan.executions}
    built = {engine: engine in executors for engine in ("jmeter", "vegeta")}
    return (
        _templates()
        .get_template("loadtest.yml.jinja")
        .render(suite=suite, action=action, minutes=_minutes(plan), **built)
    )


def _minutes(plan: Plan) -> int:
    """For the job: the load, and time to install toril, to start and to judge; a script's own load is not known."""
    return 60 if plan.bounded_s is None else 20 + math.ceil(plan.bounded_s / 60)


def yaml_value(value: Any) -> str:
    """A value on one line of YAML.

    >>> yaml_value("a: b")
    "'a: b'"
    """
    text = yaml.safe_dump(value, default_flow_style=True, allow_unicode=True, width=math.inf, sort_keys=False)
    return text.removesuffix("...\n").strip()


def _number(value: Fraction) -> int | float:
    return int(value) if value.denominator == 1 else float(value)


@cache
def _templates() -> Environment:
    environment = Environment(
        autoescape=False,  # noqa: S701 - YAML, not HTML: the filter below is the escape, and a test reads all back
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        finalize=_escaped,
        loader=FunctionLoader(lambda name: files("toril.authoring").joinpath(name).read_text(encoding="utf-8")),
    )
    return environment


def _escaped(value: Any) -> str:
    """Everything that a template puts out, so that none of it can be forgotten."""
    return yaml_value(value)

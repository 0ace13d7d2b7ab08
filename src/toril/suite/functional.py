"""Functional suites: test cases instead of load, each carried out once. `settings.aggregator` says so, as for bzt."""

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from toril.errors import SuiteError
from toril.suite.door import Door, shown

FUNCTIONAL = "functional-consolidator"  # bzt's module that collects test cases; `bzt -func` sets it
LOAD = "consolidator"  # what bzt takes for a suite that does not say
TELL_CASES = ("jmeter", "apiritif", "pytest")  # executors whose test cases toril reads
ONCE = "a functional suite carries out every test case once"


def is_functional(merged: Mapping[str, Any]) -> bool:
    """Whether the suite asks for test cases instead of load."""
    settings = merged.get("settings")
    return isinstance(settings, dict) and settings.get("aggregator") == FUNCTIONAL


def check_aggregator(merged: Mapping[str, Any], source: str) -> None:
    """SuiteError for a slip, with which test cases would be carried out as load."""
    settings = merged.get("settings")
    written = settings.get("aggregator") if isinstance(settings, dict) else None
    if written not in (None, "", LOAD, FUNCTIONAL):
        raise SuiteError(
            f"{source}: settings.aggregator is {shown(written)}, which toril does not know; write `{FUNCTIONAL}` for "
            "test cases, or leave it out for load"
        )


def refuse_load(executor: str, load: Mapping[str, int | float | Fraction | None], door: Door, path: str) -> None:
    """SuiteError for an executor without test cases, and for load keys, which would mean nothing."""
    if executor not in TELL_CASES:
        raise door.error(
            f"{path}.executor",
            f"{shown(executor)}, whose test cases toril cannot read, in a functional suite",
            f"use {', '.join(TELL_CASES)}, or leave `settings.aggregator` out",
        )
    for key, value in load.items():
        if value and not (value == 1 and key in ("concurrency", "iterations")):
            raise door.error(f"{path}.{key}", f"set, but {ONCE}", "leave it out, or leave `settings.aggregator` out")


def refuse_criteria(where: str | None) -> None:
    """SuiteError for a criterion, named by where it stands: bzt does not judge any in a functional suite either."""
    if where is not None:
        raise SuiteError(
            f"{where} is a criterion on load, but test cases are what a functional suite is judged by; "
            "leave it out, or leave `settings.aggregator` out"
        )

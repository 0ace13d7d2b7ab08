"""Accepted outcomes of whole runs on a machine that other tests keep busy."""

from collections.abc import Mapping
from typing import Any

# Reasons whose only cause is a crowded machine, and reasons that may follow from them.
CROWDED = frozenset({"saturated", "late-start", "late-rate"})
EFFECTS = frozenset({"excused-breach", "unsure-arms", "unproven", "unreached-load", "dropped-sends"})


def passes(verdict: Mapping[str, Any]) -> bool:
    """Whether a run passed, or would have passed on an idle machine."""
    return verdict["outcome"] == "passed" or (crowded(verdict) and "excused-breach" not in codes(verdict))


def fails(verdict: Mapping[str, Any]) -> bool:
    """Whether a run failed, or would have failed on an idle machine."""
    return verdict["outcome"] == "failed" or (
        crowded(verdict) and bool({"excused-breach", "unsure-arms"} & codes(verdict))
    )


def crowded(verdict: Mapping[str, Any]) -> bool:
    """Whether a run is inconclusive only due to a crowded machine."""
    return (
        verdict["outcome"] == "inconclusive" and bool(codes(verdict) & CROWDED) and codes(verdict) <= CROWDED | EFFECTS
    )


def codes(verdict: Mapping[str, Any]) -> set[str]:
    return {reason["code"] for reason in verdict["reasons"]}

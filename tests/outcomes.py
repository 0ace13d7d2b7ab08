"""What whole runs come to on a machine that other tests keep busy."""

from collections.abc import Mapping
from typing import Any

# Reasons that only a crowded machine gives, and what may follow from them.
CROWDED = frozenset({"saturated", "late-start", "late-rate"})
EFFECTS = frozenset({"excused-breach", "unsure-arms", "unproven", "unreached-load", "dropped-sends"})


def passes(verdict: Mapping[str, Any]) -> bool:
    """Whether a run passed, or nothing but a crowded machine kept it from passing."""
    return verdict["outcome"] == "passed" or (crowded(verdict) and "excused-breach" not in codes(verdict))


def fails(verdict: Mapping[str, Any]) -> bool:
    """Whether a run failed, or nothing but a crowded machine excused its breach."""
    return verdict["outcome"] == "failed" or (
        crowded(verdict) and bool({"excused-breach", "unsure-arms"} & codes(verdict))
    )


def crowded(verdict: Mapping[str, Any]) -> bool:
    """Whether a run is inconclusive for no reason but a crowded machine."""
    return (
        verdict["outcome"] == "inconclusive" and bool(codes(verdict) & CROWDED) and codes(verdict) <= CROWDED | EFFECTS
    )


def codes(verdict: Mapping[str, Any]) -> set[str]:
    return {reason["code"] for reason in verdict["reasons"]}

"""Runs for tests of comments: usual ones, and ones with hostile texts."""

from typing import Any

from tests.browser import ten_minutes
from tests.reports import examples
from toril.reports import Bundle

CRITERIA = ("p95>2s", "fail>1%", "p99 of POST /cart>900ms for 10s, stop as failed")


def metric(label: str, base: int, change: float, low: float, high: float, outcome: str, message: str) -> dict[str, Any]:
    return {
        "label": label, "metric": "p95", "unit": "us", "base": base, "head": round(base * (1 + change)),
        "change": change, "low": low, "high": high, "detectable": 0.026, "blocks": 10, "ratios": [1 + change] * 10,
        "outcome": outcome, "message": message,
    }  # fmt: skip


SLOWER = metric("POST /checkout", 230_000, 0.071, 0.052, 0.09, "failed", "7.1 % slower, at least 5.2 %")
SAME = metric("", 51_200, 0.004, -0.011, 0.019, "passed", "not 3 % slower")
OPEN = metric("GET /search", 87_000, 0.021, -0.004, 0.046, "inconclusive", "may be 3 % slower, or not")
SHARE = {
    "label": "", "metric": "failures", "unit": "share", "base": 0.0, "head": 0.0004, "change": 0.0004, "low": -0.0002,
    "high": 0.001, "detectable": 0.002, "blocks": 10, "ratios": [], "outcome": "passed", "message": "no more failures",
}  # fmt: skip


def comparison(outcome: str, message: str, *metrics: dict[str, Any]) -> dict[str, Any]:
    return {
        "outcome": outcome, "message": message, "margin": 0.03, "confidence": 0.95, "blocks": 10, "block_s": 5.0,
        "order": "ABBAABBAAB", "metrics": list(metrics),
        "arms": {"base": {"address": "http://127.0.0.1:8001", "samples": 9000, "failures": 0},
                 "head": {"address": "http://127.0.0.1:8002", "samples": 9010, "failures": 4}},
    }  # fmt: skip


def paired(metric: dict[str, Any], factor: float = 1.0) -> dict[str, Any]:
    """Returns the figure with stored pairs, of which the fourth is void."""
    pairs = [
        {"block": block, "base": 200_000 * factor, "head": 200_000 * factor * ratio, "void": block == 4}
        for block, ratio in enumerate((1.01, 1.06, 1.09, 0.99, 1.08), 1)
    ]
    return {**metric, "pairs": pairs, "margin": 0.05}


REGRESSION = comparison("failed", "p95 of POST /checkout is at least 5.2 % slower than base", SAME, SLOWER, OPEN, SHARE)
NEUTRAL = comparison("inconclusive", "GET /search may be slower by 3 %, or not", SAME, OPEN, SHARE)
PAIRED = comparison("failed", "p95 of POST /checkout is at least 5.2 % slower than base", paired(SLOWER)) | {
    "most": 40, "look": 5, "decided": True, "voided": 1, "expected": 0.018,
}  # fmt: skip
EARLIER = {
    "wanted": 12, "runs": [f"run-{place}" for place in range(12)], "margin": 0.03, "outcome": "failed",
    "message": "p95 of checkout: 71.7 ms, 19.5 % slower against 12 earlier runs (50.0 ms to 65.0 ms).",
    "metrics": [
        {"label": "", "metric": "p95", "unit": "us", "value": 51_200, "expected": 50_000.0, "low": 45_000.0,
         "high": 56_000.0, "change": 0.024, "detectable": 0.12, "outcome": "passed", "message": "within"},
        {"label": "checkout", "metric": "p95", "unit": "us", "value": 71_700, "expected": 60_000.0, "low": 50_000.0,
         "high": 65_000.0, "change": 0.195, "detectable": 0.08, "outcome": "failed", "message": "19.5 % slower"},
    ],
}  # fmt: skip
FINE = comparison("passed", "nothing is 3 % slower than base", SAME, SHARE)


def _few(**changes: Any) -> Bundle:
    few = {"labels": ten_minutes.LABELS[:6], "criteria": CRITERIA}
    return ten_minutes.bundle(seconds=90, **few | {"incident": ten_minutes.CALM} | changes)


def compared(run: Bundle, found: dict[str, Any], code: str) -> Bundle:
    """Returns the run as a duet, with its comparison as a reason of that code."""
    outcomes = {"regression": "failed", "unproven": "inconclusive", "unsure-arms": "inconclusive"}
    others = [reason for reason in run.verdict.to_dict()["reasons"] if reason["code"] != "kept"]
    own = {"code": code, "message": found["message"]}
    reasons = [own, *others] if code == "regression" else [*others, own]
    outcome = outcomes.get(code, run.outcome)
    return examples.with_verdict(run, outcome=outcome, reasons=reasons, comparison=found)


def hostile(labels: int = 3) -> Bundle:
    bad = examples.HOSTILE
    attack = {**SLOWER, "label": bad, "metric": bad[:90], "message": bad, "unit": bad[:30]}
    return compared(examples.hostile(labels), comparison("failed", bad, attack), "regression")


STORIES = {
    "passed": _few,
    "failed": ten_minutes.bundle,
    "inconclusive": lambda: _few(busy=0.95),
    "regression": lambda: compared(_few(), REGRESSION, "regression"),
    "neutral": lambda: compared(_few(), NEUTRAL, "unproven"),
    "fine": lambda: compared(_few(), FINE, "no-regression"),
    "hostile": hostile,
    "empty": examples.empty,
}

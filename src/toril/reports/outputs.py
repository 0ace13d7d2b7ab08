"""Outcome and names of a run as `name=value`, one a line: what a step on GitHub appends to $GITHUB_OUTPUT."""

import re

from toril.reports.bundle import Bundle

UNSAFE = re.compile(r"[^A-Za-z0-9._/-]")  # a line break would be another output


def report(bundle: Bundle) -> bytes:
    found = {"outcome": bundle.outcome, "run-id": bundle.plan.run_id, "suite": bundle.plan.suite}
    return "".join(f"{name}={UNSAFE.sub('-', value)}\n" for name, value in found.items()).encode()

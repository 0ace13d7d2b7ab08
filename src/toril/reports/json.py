"""Verdict and summary as one JSON document, for scripts."""

from toril.masking import masked
from toril.records.document import document
from toril.reports.bundle import Bundle


def report(bundle: Bundle) -> bytes:
    return document(masked({"schema": "toril.report/1", "verdict": bundle.verdict, "summary": bundle.summary}))

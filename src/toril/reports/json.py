"""Verdict and summary as one JSON document, for scripts."""

import json

from toril.reports.bundle import Bundle


def report(bundle: Bundle) -> bytes:
    document = {"schema": "toril.report/1", "verdict": bundle.verdict, "summary": bundle.summary}
    # A lone surrogate in a label becomes `\udxxx`, which is how JSON writes it; what is not known is null, never NaN.
    text = json.dumps(document, ensure_ascii=False, indent=1, allow_nan=False) + "\n"
    return text.encode("utf-8", "backslashreplace")

"""What one thread of Apiritif's process is recording: rows in the making, and the transactions that they lie in.

Loaded by path into that process (`beside` in `apiritif/wrapper.py`), so that it imports nothing of toril.
"""

# mypy: disable-error-code="no-untyped-def,no-untyped-call,var-annotated"

MESSAGE_CHARS = 500


class Sample:
    """A row in the making."""

    __slots__ = (
        "bytes", "kind", "label", "message", "ok", "rc", "response_us", "started_us", "ttfb_us", "unasserted",
    )  # fmt: skip

    def __init__(self, kind, label, started_s, took_s, *, ok=True, rc="", message="", ttfb_s=-1e-6, size=0) -> None:
        self.kind, self.label, self.ok, self.rc, self.message = kind, str(label).replace("\r", " "), ok, rc, message
        self.started_us, self.response_us = round(started_s * 1e6), max(0, round(took_s * 1e6))
        self.ttfb_us, self.bytes = round(ttfb_s * 1e6), size
        self.unasserted = False  # an answer of 500 or more that the script has not asked about

    def fail(self, message) -> None:
        if self.ok:
            self.ok, self.message = False, first_line(message).rstrip(": ") or "failed without a message"


def first_line(message):
    return str(message).strip().split("\n")[0].replace("\r", " ")[:MESSAGE_CHARS]


class Frame:
    """A transaction that has begun."""

    __slots__ = ("asked_s", "name", "samples")

    def __init__(self, name) -> None:
        self.name = name
        self.samples = []  # of the requests inside, also those of inner transactions
        self.asked_s = 0.0  # that it took to ask a browser about the steps inside: no part of it

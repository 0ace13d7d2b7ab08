"""The rows that Apiritif's process writes and its worker reads: columns, marks of names, samples not yet final.

Loaded by path into Apiritif's process (`beside` in `apiritif/wrapper.py`), so that it imports nothing of toril.
"""

# mypy: disable-error-code="no-untyped-def,no-untyped-call,var-annotated"

COLUMNS = ("started_us", "response_us", "ttfb_us", "bytes", "users", "kind", "label", "ok", "rc", "message")
NUMBERS = 5  # the first columns
REQUEST_MARK = "toril-request:"  # begins the names of transactions around a generated script's requests
GROUP_MARK = "toril-group:"  # … and around a whole scenario
MESSAGE_CHARS = 500


class Sample:
    """A row that can still change."""

    __slots__ = (
        "bytes", "kind", "label", "message", "ok", "rc", "response_us", "started_us", "ttfb_us", "unasserted",
    )  # fmt: skip

    def __init__(self, kind, label, started_s, took_s, *, ok=True, rc="", message="", ttfb_s=-1e-6, size=0) -> None:
        self.kind, self.label, self.ok, self.rc, self.message = kind, str(label).replace("\r", " "), ok, rc, message
        self.started_us, self.response_us = round(started_s * 1e6), max(0, round(took_s * 1e6))
        self.ttfb_us, self.bytes = round(ttfb_s * 1e6), size
        self.unasserted = False  # an answer of 500 or more that the script has not asserted

    def fail(self, message) -> None:
        if self.ok:
            self.ok, self.message = False, first_line(message).rstrip(": ") or "failed without a message"


def first_line(message):
    return str(message).strip().split("\n")[0].replace("\r", " ")[:MESSAGE_CHARS]


class Frame:
    """A transaction that has begun and not ended."""

    __slots__ = ("asked_s", "name", "samples")

    def __init__(self, name) -> None:
        self.name = name
        self.samples = []  # of the requests inside, those of inner transactions included
        self.asked_s = 0.0  # spent on questions to a browser about the steps inside; not part of the transaction

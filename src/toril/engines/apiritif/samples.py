"""Samples of Apiritif's process that are not final yet, and the marks of names in generated scripts.

Loaded by path into that process (`in_process.load_module`), so that it imports nothing of toril.
"""

# mypy: disable-error-code="no-untyped-def,no-untyped-call,var-annotated"

REQUEST_MARK = "toril-request:"  # begins the names of transactions around a generated script's requests
GROUP_MARK = "toril-group:"  # … and around a whole scenario
MESSAGE_CHARS = 500


class Sample:
    """A row that can still change."""

    __slots__ = (
        "asserted", "bytes", "exchange", "kind", "label", "message", "missing", "ok", "rc", "response_us", "started_s",
        "tags", "ttfb_us", "unjudged", "variables", "within",
    )  # fmt: skip

    def __init__(self, kind, label, started_s, took_s, *, ok=True, rc="", message="", ttfb_s=-1e-6, size=0) -> None:
        self.kind, self.label, self.ok, self.rc, self.message = kind, without_surrogates(label), ok, rc, message
        self.started_s, self.response_us = started_s, max(0, round(took_s * 1e6))
        self.ttfb_us, self.bytes = round(ttfb_s * 1e6), size
        self.unjudged = ""  # the text of a status from 400 that the script has not read
        self.tags = None
        self.within = ()  # a transaction's samples
        self.exchange = None  # (request, response) of the library requests
        self.asserted = ()  # (name, arguments, message)
        self.variables = ()
        self.missing = ()  # variables that another request needs and the response lacks

    def fail(self, message) -> None:
        if self.ok:
            first_line = without_surrogates(message).strip().split("\n")[0][:MESSAGE_CHARS]
            self.ok, self.message = False, first_line.rstrip(": ") or "failed without a message"


def without_surrogates(text):
    """Returns the text without lone surrogates, which UTF-8 cannot encode."""
    return str(text).encode("utf-8", "backslashreplace").decode()


class Frame:
    """A transaction that has begun and not ended."""

    __slots__ = ("asked_s", "name", "samples")

    def __init__(self, name) -> None:
        self.name = name
        self.samples = []  # of the requests inside, those of inner transactions included
        self.asked_s = 0.0  # seconds of queries to the browser about the steps inside; not part of the transaction

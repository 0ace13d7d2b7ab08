"""Requests with their responses, `toril.evidence/1`: the first failures of each label and error, and the slowest ones.

Workers mask them before they write them. A worker's files are `evidence-NNNNNN`; the coordinator of the run merges them
into `evidence.json`.
"""

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from toril.records.document import Count, JsonObject, Number, StoredObject, Text, Word

MOST_EXCHANGES = 500  # of `evidence.json`
MOST_EXCHANGES_OF_TRY = 2_000
MOST_BYTES_OF_EVIDENCE = 8 << 20  # of `evidence.json`
MOST_BYTES_OF_FILE = 1 << 20  # of a worker's file
MOST_FILES_OF_EVIDENCE = 50  # of a worker
MOST_FILES_OF_TRY = 500
NOT_FOUND = "NOT_FOUND"  # value of a variable whose extractor found nothing
MISSING_VALUE = "missing-value"  # Apiritif's code of a request without a value, which it does not send

Named = tuple[Text, Text]  # name and value
BodyText = Annotated[str, Field(max_length=65_536)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Content(JsonObject):
    """A body. `text` is empty if it is binary."""

    text: BodyText = ""
    bytes: Count = 0  # of the whole body
    type: Text = ""  # its Content-Type
    cut: bool = False  # the text is only its beginning
    binary: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Asserted(JsonObject):
    """An assertion on the response."""

    name: Text = ""
    ok: bool = True
    expected: Text = ""
    message: Text = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange(JsonObject):
    """One request and its response, as sent and received, without secrets."""

    why: Literal["failure", "slowest", "tried"]
    execution: Text = ""
    label: Text = ""
    kind: Word = "request"
    ok: bool = True
    rc: Text = ""
    error: Text = ""  # the message of the sample, as in the table of errors
    worker: Text = ""
    location: Text = ""
    at_s: Number = 0.0  # its start, in seconds since the start signal
    response_us: Count = 0
    ttfb_us: Count | None = None
    connect_us: Count | None = None
    method: Word = ""
    url: Text = ""
    request_headers: Annotated[tuple[Named, ...], Field(max_length=100)] = ()  # in their order on the wire
    request: Content | None = None
    status: Count | None = None  # None: no response
    response_headers: Annotated[tuple[Named, ...], Field(max_length=100)] = ()
    response: Content | None = None
    asserted: Annotated[tuple[Asserted, ...], Field(max_length=50)] = ()
    variables: Annotated[tuple[Named, ...], Field(max_length=100)] = ()  # extracted ones, of a try
    connection: Literal["", "new", "reused"] = ""
    remote: Text = ""  # address of the server
    hops: Count = 0  # redirects before the shown request
    trace_id: Word = ""
    masked: Annotated[tuple[Text, ...], Field(max_length=50)] = ()  # places, such as `header Authorization`
    notes: Annotated[tuple[Text, ...], Field(max_length=5)] = ()

    @property
    def arm(self) -> str:
        """Returns the arm of a duet that sent the request, such as `arm 1`; empty in other runs."""
        return next((note for note in self.notes if note.startswith("arm ")), "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchanges(StoredObject):
    """`evidence.json`, and a worker's `evidence-NNNNNN`."""

    MOST_BYTES: ClassVar[int | None] = MOST_BYTES_OF_EVIDENCE

    schema: Literal["toril.evidence/1"] = "toril.evidence/1"
    run_id: Text = ""
    worker: Text = ""  # of a worker's file
    exchanges: Annotated[tuple[Exchange, ...], Field(max_length=MOST_EXCHANGES_OF_TRY)] = ()
    left_out: Count = 0  # exchanges beyond a limit
    left_out_workers: Count = 0  # workers whose files are missing or damaged


def evidence_file_name(number: int) -> str:
    """Returns the name of a worker's file, from 1."""
    return f"evidence-{number:06d}"

"""`recording.json` of a suite: the steps of the recording that it was made from, without values."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from toril.records.document import Count, Few, Record, RecordPart, Text, Word

RECORDING = "recording.json"  # beside the suite.yml
MOST_PATHS = 400  # of the JSON of one body

Key = Annotated[str, Field(max_length=500)]


class FormShape(RecordPart):
    """One form of an HTML page."""

    method: Word = "GET"
    action: Key = ""  # the route of its address
    fields: Annotated[tuple[Key, ...], Few] = ()  # names, sorted


class BodyShape(RecordPart):
    """The shape of a body. A body of another kind has its Content-Type alone."""

    kind: Literal["json", "html", "xml", "other"] = "other"
    type: Word = ""  # Content-Type without parameters
    json_paths: Annotated[tuple[tuple[Key, Word], ...], Field(max_length=MOST_PATHS)] = ()  # path and type, sorted
    title: Key = ""  # of HTML; digits are `#`
    forms: Annotated[tuple[FormShape, ...], Few] = ()
    password: bool = False  # whether the page asks for a password
    root: Key = ""  # name of the first element of XML
    cut: bool = False  # of the beginning of a body


class RecordedStep(RecordPart):
    """One request of the suite, as recorded."""

    label: Text
    method: Word = "GET"
    route: Text = ""
    status: Count | None = None  # None: the source has no response to it
    shape: BodyShape | None = None
    needs: Annotated[tuple[Key, ...], Few] = ()  # variables of earlier responses
    gives: Annotated[tuple[Key, ...], Few] = ()  # variables that its response brings
    sends: Annotated[tuple[Key, ...], Few] = ()  # variables of credentials


class PossibleRule(RecordPart):
    """A rule that was found and not applied; `--rule N` applies it."""

    rule: Count
    label: Text  # of the request that brings the value
    variable: Key = ""
    used_by: Annotated[tuple[Text, ...], Few] = ()  # labels
    yaml: Text = ""  # to paste under that request


class Recording(Record):
    """The recording behind a suite. `toril try` compares with it."""

    SCHEMA: ClassVar[str] = "toril.recording/1"
    MOST_BYTES: ClassVar[int | None] = 1 << 20
    origin: Text = ""
    steps: Annotated[tuple[RecordedStep, ...], Few] = ()
    possible: Annotated[tuple[PossibleRule, ...], Few] = ()

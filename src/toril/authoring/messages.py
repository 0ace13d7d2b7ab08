"""The messages of the script in recorded pages. Any page or frame can forge them, so each is validated."""

import json
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter, model_validator

from toril.records.document import LATEST
from toril.store.keys import is_key

LONGEST_FILE_NAME = 200  # characters


def _checked_name(name: str) -> str:
    if "/" in name or not is_key(name) or name[1:2] == ":" or len(name) > LONGEST_FILE_NAME:
        raise ValueError("this is not the name of a file")
    return name


def _checked_url(url: str) -> str:
    urlsplit(url)  # ValueError for a host that is none
    return url


Url = Annotated[str, Field(pattern=r"^https?://[^\s/?#]"), AfterValidator(_checked_url)]
Name = Annotated[str, Field(max_length=200)]
FileName = Annotated[str, AfterValidator(_checked_name)]
FileData = Annotated[
    str, Field(pattern="^data:([^,]*;base64,([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}(==|[A-Za-z0-9+/]=))?)?$")
]


class PageMessage(BaseModel):
    model_config = ConfigDict(frozen=True, allow_inf_nan=False)
    at: Annotated[float, Field(ge=0, le=1000 * LATEST)]  # ms since the epoch


class Part(BaseModel):
    """A field of a form, or a file."""

    model_config = ConfigDict(frozen=True)
    name: str
    value: str = ""
    file: str = ""
    type: str = ""
    key: str = ""  # of the message with the file's content; empty: a field


class Body(PageMessage):
    """The body of a request of the frame."""

    kind: Literal["body"]
    method: str
    url: Url
    form: bool
    parts: tuple[Part, ...]

    @model_validator(mode="after")
    def _has_one_file_without_a_form(self) -> "Body":
        if not self.form and [bool(part.key) for part in self.parts] != [True]:
            raise ValueError("a body that is no form is one file")
        return self


class Html(PageMessage):
    """The content of a document that the frame leaves."""

    kind: Literal["html"]
    url: Url
    text: str


class Answer(PageMessage):
    """The response to a request of the frame that changes data."""

    kind: Literal["answer"]
    method: str
    url: Url
    text: str


class SentFile(PageMessage):
    """The content of a file, as a data: address; None: too large."""

    kind: Literal["file"]
    key: str
    data: FileData | None


class Action(PageMessage):
    """An action of a person."""

    kind: Literal["action"]
    what: Literal["click", "fill", "press", "select", "upload", "check", "uncheck"]
    locator: (
        tuple[Literal["test_id", "label", "placeholder", "text", "css"], str] | tuple[Literal["role"], tuple[str, str]]
    )
    value: str | tuple[str, ...] | tuple[tuple[str, FileName], ...]  # of a select: values; of an upload: keys and names
    secret: bool

    @model_validator(mode="after")
    def _has_a_value_of_its_kind(self) -> "Action":
        kinds = {type(part) for part in self.value} if isinstance(self.value, tuple) else {None}
        if not kinds <= {{"select": str, "upload": tuple}.get(self.what)} or (
            self.what == "press" and self.value != "Enter"
        ):
            raise ValueError("another kind of action has such a value")
        return self

    @property
    def files(self) -> tuple[tuple[str, str], ...]:
        """The keys and names of the files of an upload."""
        return tuple(part for part in self.value if isinstance(part, tuple))


class Opened(PageMessage):
    """A document that was opened."""

    kind: Literal["page"]
    url: Url
    referrer: Annotated[str, Field(alias="from")]


class Bar(PageMessage):
    """A button of the bar, or a new name of the step."""

    kind: Literal["state", "step", "undo", "move", "rename", "done"]
    name: Name = ""


Message = Body | Html | Answer | SentFile | Action | Opened | Bar
_ADAPTER: TypeAdapter[Message] = TypeAdapter(Annotated[Message, Field(discriminator="kind")])


def message_of(data: object) -> Message | None:
    """Returns a valid message; None for anything else."""
    try:
        return _ADAPTER.validate_json(json.dumps(data))
    except (ValueError, TypeError, RecursionError):  # also for halves of characters, which no file can hold
        return None

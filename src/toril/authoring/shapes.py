"""The shape of a body: keys and types of JSON, title and forms of HTML, the root of XML; no values."""

from collections.abc import Collection

from toril.records.recording import BodyShape


def shape_of(text: str, type: str, *, cut: bool = False, hidden: Collection[str] = ()) -> BodyShape:
    """Returns the shape of a text with that Content-Type; `cut` if the text is only the beginning of a body."""
    raise NotImplementedError

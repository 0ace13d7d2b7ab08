"""Reads a sample with the readers, as `toril import` does."""

import json
from pathlib import Path
from typing import Any

from toril.authoring.options import ImportOptions
from toril.authoring.readers import Input, read
from toril.authoring.recorded import Recorded, RecordedExchange
from toril.errors import OptionError


def recorded(sample: Any, folder: Path | None = None, address: str = "", **options: Any) -> Recorded:
    """Returns the recording of bytes, a text, or a document that is written as JSON."""
    text = sample if isinstance(sample, str | bytes) else json.dumps(sample)
    data = text if isinstance(text, bytes) else text.encode()
    return read(Input(data=data, name="sample", folder=folder, address=address), ImportOptions(**options))


def requests(sample: Any, folder: Path | None = None, **options: Any) -> tuple[RecordedExchange, ...]:
    return recorded(sample, folder, **options).exchanges


def lines(sample: Any, **options: Any) -> list[str]:
    return [f"{one.method} {one.url}" for one in requests(sample, **options)]


def left_out(found: Recorded) -> dict[str, int]:
    return {one.what: one.count for one in found.left_out}


def refusal(sample: Any, **options: Any) -> str:
    """Returns the code of the refusal."""
    try:
        recorded(sample, **options)
    except OptionError as error:
        return error.code
    raise AssertionError("the sample was read")

"""Writes and reads suites for tests."""

import yaml

from tests.refusals import refused
from toril.suite import read_suite

SIMPLE = {"execution": [{"scenario": {"requests": ["http://127.0.0.1/"]}}]}


def write(folder, document, name="suite.yml"):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(document if isinstance(document, str) else yaml.safe_dump(document, sort_keys=False))
    return path


def read(folder, document, **options):
    return read_suite([write(folder, document)], **{"system": {}, **options})


def execution(**keys):
    return {"execution": [{"scenario": {"requests": ["/"]}, "hold-for": "1m", **keys}]}


def refuses(folder, document, code, *names, **options):
    """Expects this error for the suite, in one line of at most 600 characters; returns it."""
    with refused(code, *names) as caught:
        read(folder, document, **options)
    text = str(caught.value)
    assert "\n" not in text
    assert len(text) < 600
    return caught.value


def codes(notes):
    """Returns the codes of a suite's warnings in order."""
    return [note.code for note in notes]

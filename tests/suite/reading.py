"""Suites for tests, written and read in one go."""

import pytest
import yaml

from toril.errors import SuiteError
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


def refusal(folder, document, **options):
    with pytest.raises(SuiteError) as refused:
        read(folder, document, **options)
    text = str(refused.value)
    assert "\n" not in text
    assert len(text) < 600
    return text

"""JSON documents of any size and text are strict, in UTF-8, and keep their content."""

import json

import pytest

from toril.records.document import READABLE, document

TEXTS = ["\ud800", "nul\0", "🐂", "\u2028", '"quoted"', "a" * 100]


@pytest.mark.parametrize("filler", [0, READABLE])
def test_a_document_of_any_content_and_size_is_read_back(filler):
    content = {"texts": TEXTS, "none": None, "numbers": [0, -1, 2**70, 0.1], "filler": "x" * filler}
    data = document(content)
    assert json.loads(data) == content
    assert data.endswith(b"}\n")
    assert (data.count(b"\n") == 1) == bool(filler)


def test_values_outside_json_are_rejected():
    with pytest.raises(ValueError, match="JSON"):
        document({"value": float("nan")})

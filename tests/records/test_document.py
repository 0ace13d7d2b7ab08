"""JSON of any size and any text is strict, in UTF-8, and means the same."""

import json

import pytest

from toril.records.document import READABLE, document

TEXTS = ["\ud800", "nul\0", "🐂", "\u2028", '"quoted"', "a" * 100]


@pytest.mark.parametrize("filler", [0, READABLE])
def test_a_document_is_read_back_whatever_is_in_it_and_however_large_it_is(filler):
    content = {"texts": TEXTS, "none": None, "numbers": [0, -1, 2**70, 0.1], "filler": "x" * filler}
    data = document(content)
    assert json.loads(data) == content
    assert data.endswith(b"}\n")
    assert (data.count(b"\n") == 1) == bool(filler)


def test_what_is_no_json_is_refused():
    with pytest.raises(ValueError, match="JSON"):
        document({"value": float("nan")})

"""What the open-model engine's program is told of a suite's data files."""

import csv

import pytest

from toril.errors import SuiteError
from toril.worker.engines.vegeta.requests import sources_of


def told(folder, content: bytes, **source):
    (folder / "data.csv").write_bytes(content)
    (found,) = sources_of([{"path": "data.csv", **source}], lambda name: str(folder / name), ())
    return found["columns"], found["rows"]


def test_a_row_ends_at_a_line_break_and_at_nothing_else_that_unicode_knows(tmp_path):
    content = 'id;note\r\n1;a\u2028b\x0cc\x85d\r\n2;"two\r\nlines"\r\n3;'.encode()
    assert told(tmp_path, content) == (["id", "note"], [["1", "a\u2028b\x0cc\x85d"], ["2", "two\r\nlines"], ["3", ""]])


def test_a_file_in_another_encoding_is_refused_and_never_guessed(tmp_path):
    content = "city\nMálaga\n".encode("latin-1")
    with pytest.raises(SuiteError, match=r"data\.csv cannot be read as utf-8 .* name its encoding"):
        told(tmp_path, content)
    assert told(tmp_path, content, encoding="latin-1") == (["city"], [["Málaga"]])
    with pytest.raises(SuiteError, match="cannot be read as klingon"):
        told(tmp_path, content, encoding="klingon")


def test_what_is_no_csv_is_refused_with_the_file_s_name(tmp_path):
    longest = csv.field_size_limit(100_000)  # which is of the whole process, and others may have raised it
    try:
        with pytest.raises(SuiteError, match=r"data\.csv is no CSV file"):
            told(tmp_path, b"a,b\n" + b"x" * 200_000 + b",1\n")
    finally:
        csv.field_size_limit(longest)

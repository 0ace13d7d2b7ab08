"""The rows of a suite's data files for the open-model engine's program."""

import csv

from tests.refusals import refused
from toril.engines.toril.sources import sources_of
from toril.errors import SuiteError


def source_of(folder, content: bytes, **source):
    (folder / "data.csv").write_bytes(content)
    (found,) = sources_of([{"path": "data.csv", **source}], lambda name: str(folder / name), ())
    return found["columns"], found["rows"]


def test_a_row_ends_at_a_line_break_and_at_no_other_unicode_separator(tmp_path):
    content = 'id;note\r\n1;a\u2028b\x0cc\x85d\r\n2;"two\r\nlines"\r\n3;'.encode()
    assert source_of(tmp_path, content) == (
        ["id", "note"],
        [["1", "a\u2028b\x0cc\x85d"], ["2", "two\r\nlines"], ["3", ""]],
    )


def test_a_file_in_another_encoding_is_refused_and_never_guessed(tmp_path):
    content = "city\nMálaga\n".encode("latin-1")
    with refused("wrong-encoding", "data.csv", "utf-8", error=SuiteError):
        source_of(tmp_path, content)
    assert source_of(tmp_path, content, encoding="latin-1") == (["city"], [["Málaga"]])
    with refused("wrong-encoding", "data.csv", "klingon", error=SuiteError):
        source_of(tmp_path, content, encoding="klingon")


def test_an_invalid_csv_file_is_refused_by_name(tmp_path):
    longest = csv.field_size_limit(100_000)  # a limit of the whole process, which other tests may have raised
    try:
        with refused("not-csv", "data.csv", error=SuiteError):
            source_of(tmp_path, b"a,b\n" + b"x" * 200_000 + b",1\n")
    finally:
        csv.field_size_limit(longest)

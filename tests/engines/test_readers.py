"""A growing CSV file is read in whole rows, whatever they contain and wherever the file ends."""

import csv
import io
import math
import tempfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from toril.engines.base import RowEngine
from toril.engines.in_process import ROW, RequestTags, RowWriter
from toril.engines.readers import CsvTail, whole_rows

TEXT = st.text(st.sampled_from(['"', ",", "\n", "\r", "a", "é", " "]), max_size=6)


def written(rows, quoting):
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n", quoting=quoting).writerows([("first", "second", "third"), *rows])
    return text.getvalue().encode()


@given(st.lists(st.tuples(TEXT, TEXT, TEXT), max_size=20), st.lists(st.integers(0, 400), max_size=5), st.booleans())
def test_every_row_is_read_once_whatever_the_pieces(rows, cuts, plain):
    if plain:  # without quotes the file is read in the fast way
        rows = [tuple(field.translate(dict.fromkeys(map(ord, '",\n\r'))) for field in row) for row in rows]
    data = written(rows, csv.QUOTE_MINIMAL if plain else csv.QUOTE_ALL)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "rows.csv")
        tail = CsvTail(path, ("third", "first", "missing"))
        found: list = []
        for start, stop in zip([0, *sorted(cuts)], [*sorted(cuts), len(data)], strict=True):
            with path.open("ab") as file:
                file.write(data[start:stop])
            for columns in tail.read(final=stop == len(data) and start <= stop and False):
                found += zip(*columns, strict=True)
        assert list(tail.read(final=True)) == []
    assert found == [(third, first, "") for first, _, third in rows]
    assert tail.unreadable == 0


def test_rows_of_another_width_and_a_half_row_at_the_end_are_counted(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_bytes(b"first,second,third\n1,2,3\n4,5\n6,7,8,9\n10,11,12\n13,1")
    tail = CsvTail(path, ("first",))
    assert list(tail.read(final=True)) == [[("1", "10")]]
    assert tail.unreadable == 3


def test_a_line_break_within_quotes_does_not_end_a_row():
    assert whole_rows(b'a,"b\nc') == 0
    assert whole_rows(b'a,b\nc,"d\n') == 4
    assert whole_rows(b'a,"b\nc"\nd') == 8


def test_a_missing_file_has_no_rows(tmp_path):
    assert list(CsvTail(tmp_path / "none", ("a",)).read(final=True)) == []


class AlmostFull(io.FileIO):
    """A file that takes only a few bytes at once."""

    def write(self, data):
        return super().write(bytes(data[:7]))


def test_every_row_is_written_even_if_the_disk_takes_a_part_at_once(tmp_path):
    writer = RowWriter(tmp_path)
    writer._rows.close()
    writer._rows = AlmostFull(tmp_path / "rows", "wb")
    for second in range(3):
        writer.sample(float(second), 1000, 500, 10, "home", "request", ("200", "", True))
    writer.close()
    rows = [*ROW.iter_unpack((tmp_path / "rows").read_bytes())]
    assert [row[0] for row in rows] == [0.0, 1.0, 2.0]


def engine_rows(tmp_path, write, tags=()):
    """Returns the rows that `write` writes, as label, kind, ok, response_us and duration in seconds; and the batch."""
    writer = RowWriter(tmp_path, tags)
    write(writer)
    writer.close()
    engine = RowEngine()
    engine.context = SimpleNamespace(folder=tmp_path)  # type: ignore[assignment]
    (batch,) = engine.batches(final=True)
    engine._file.close()
    assert batch.started_s[0] in (1e9, 2e9)
    lasted_s = np.round(batch.completed_s - batch.started_s, 6)
    return list(zip(batch.label, batch.kind, batch.ok, batch.response_us, lasted_s, strict=True))


def test_measured_values_have_no_duration_and_impossible_ones_are_unreadable(tmp_path):
    def write(writer):
        writer.measured("trend", "items", 2.5, True)  # before the load
        writer.begin(2e9)
        for impossible in (math.nan, math.inf, -1.0, 2.0**40):
            writer.measured("counter", "bytes", impossible, True)
        writer.measured("check", "has total", 0.0, False)

    rows = engine_rows(tmp_path, write)
    assert rows[0] == ("items", "trend", True, 2500, 0.0)
    assert rows[1:-1] == [("bytes", "counter", True, -1, 0.0)] * 4
    assert rows[-1] == ("has total", "check", False, 0, 0.0)


def test_a_request_has_a_second_row_for_each_of_the_suites_tags(tmp_path):
    def write(writer):
        outcome = ("200", "", True)
        writer.sample(1e9, 1000, 500, 10, "buy", "request", outcome, {"tenant": "big", "other": 1, "plan": None})
        writer.sample(1e9, 2000, 500, 10, "buy", "request", outcome)

    rows = engine_rows(tmp_path, write, ["tenant", "plan"])
    assert [row[:2] for row in rows] == [("buy", "request"), ("buy{tenant=big}", "tagged"), ("buy", "request")]
    assert [row[3:] for row in rows] == [(1000, 0.001), (1000, 0.001), (2000, 0.002)]


def test_a_tag_has_51_values_and_others_count_together():
    tags = RequestTags(["id"])
    labels = {label for number in range(60) for label in tags.labels("buy", {"id": number + 1})}
    assert len(labels) == 52
    assert "buy{id=…}" in labels
    assert [*tags.labels("x" * 2000, {"id": "y" * 200})] == ["x" * 850 + "{id=…}"]

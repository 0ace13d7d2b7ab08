"""Runs with known samples for tests of exports, and readers of exports."""

import csv
import io
from collections import Counter
from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st

from tests.measured import START, Sample, left, plan_of, timeline_of
from toril.records import Verdict
from toril.reports import Bundle, pieces
from toril.summary import Completeness, summarise

LOCATIONS = ("madrid", "sevilla")
TEXTS = st.one_of(
    st.sampled_from(
        ("home", "GET /cart, all", 'say "hi"', "=1+1", "'=1", "-", "@x", "NA", "null", "\t", "a\r\nb", "\r")
    ),
    st.sampled_from(("\x00", "é", "\u2028", "\ud800", "%20", "a b", "a%20b", "x" * 999, "𝄞", "</script>", "Tag=1,2")),
    st.text(min_size=1, max_size=20),
)
SAMPLES = st.lists(
    st.builds(
        Sample,
        second=st.integers(0, 6),
        us=st.one_of(st.integers(0, 5_000), st.integers(0, 5_000_000), st.integers(0, (1 << 40) - 1)),
        label=TEXTS,
        ok=st.booleans(),
        rc=TEXTS,
        execution=st.sampled_from(("shop", "search")),
        location=st.sampled_from(LOCATIONS),
        steady=st.booleans(),
        kind=st.sampled_from(("request", "request", "transaction", "trend", "check")),
        bytes=st.integers(0, 1 << 40),
        ttfb_us=st.integers(-1, 5_000_000),
        connect_us=st.integers(-1, 5_000_000),
    ),
    max_size=60,
)


def run_of(samples: Sequence[Sample], *, ramp_up_exclude: bool = False, **changes: Any) -> Bundle:
    """Returns a complete run of those samples: two workers per location, 10 users all the time."""
    timeline = timeline_of(samples, workers=2, users=dict.fromkeys(range(7), 10) if samples else None)
    plan = plan_of(workers=2, locations=LOCATIONS, ramp_up_exclude=ramp_up_exclude)
    workers = tuple(share.worker for share in plan.shares)
    complete = Completeness(
        planned=workers, reported=workers, exits={one: left(one) for one in workers}, started_at=START
    )
    verdict = Verdict(outcome="passed")
    return Bundle(plan, summarise(plan, timeline, complete, START), verdict, timeline, **changes)


def judged(samples: Sequence[Sample], ramp_up_exclude: bool) -> list[Sample]:
    return [sample for sample in samples if sample.steady or not ramp_up_exclude]


def exported(name: str, bundle: Bundle, table: str = "cells") -> bytes:
    return b"".join(pieces(name, bundle, table))


def csv_rows(bundle: Bundle, table: str = "cells") -> list[dict[str, str]]:
    """Returns the rows by Python's csv reader."""
    return list(csv.DictReader(io.StringIO(exported("csv", bundle, table).decode(), newline="")))


def parquet_rows(bundle: Bundle, table: str = "cells") -> list[dict[str, Any]]:
    from pyarrow import parquet

    found: list[dict[str, Any]] = parquet.read_table(io.BytesIO(exported("parquet", bundle, table))).to_pylist()
    return found


def plain(text: str) -> str:
    """Returns a text in the form that UTF-8 can encode."""
    return text.encode("utf-8", "backslashreplace").decode()


def where(sample: Sample) -> tuple[Any, ...]:
    """Returns the key columns of a sample."""
    return (sample.second, sample.execution, sample.location, plain(sample.label), sample.kind, sample.steady)


def place(row: dict[str, Any]) -> tuple[Any, ...]:
    """Returns the key columns of a Parquet row."""
    return tuple(row[name] for name in ("second", "execution", "location", "label", "kind", "steady"))


def counted(pairs: Any) -> Counter[Any]:
    """Returns sums by key."""
    found: Counter[Any] = Counter()
    for key, count in pairs:
        found[key] += count
    return found

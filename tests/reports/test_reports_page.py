"""The pages on exports: their tables are the formats', and their code works on real exports, to the microsecond."""

import random
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.measured import Sample
from tests.reports.exports import exported, run_of
from toril.reports import FORMATS, Bundle
from toril.reports.exports.tables import PLACE, TABLES

DOCS = Path(__file__).resolve().parents[2] / "docs"
FORMATS_PAGE = (DOCS / "how-to/read-a-report.md").read_text()
HOW_TO = (DOCS / "how-to/export-results.md").read_text()
COLUMNS_PAGE = (DOCS / "reference/tables.md").read_text()


def run(seed: int) -> Bundle:
    """Some thousands of requests and transactions, half of the run ramp-up, with labels that look like other things."""
    chance = random.Random(seed)
    samples = [
        Sample(
            second,
            int(chance.lognormvariate(10, 1)),
            chance.choice(["home", "NA", "null", "=1+1", "GET /cart, all", "", "é"]),
            chance.random() > 0.2,
            location=chance.choice(["madrid", "sevilla"]),
            kind=chance.choice(["request", "request", "transaction"]),
            steady=second >= 5,
            bytes=chance.randrange(10_000),
        )
        for second in range(10)
        for _ in range(200)
    ]
    made = run_of(samples, ramp_up_exclude=True)
    return replace(made, plan=made.plan.model_copy(update={"run_id": f"run-{seed}"}))


@pytest.fixture(scope="module")
def runs() -> list[Bundle]:
    return [run(1), run(2)]


@pytest.fixture
def executed(runs, tmp_path, monkeypatch) -> Any:
    """What the lines under a heading leave behind, in a folder with the exports that they name."""
    monkeypatch.chdir(tmp_path)
    Path("exports").mkdir()
    for name in ("csv", "parquet"):
        Path(f"run.{name}").write_bytes(exported(name, runs[0]))
    Path("run.buckets.parquet").write_bytes(exported("parquet", runs[0], "buckets"))
    for one in runs:
        Path(f"exports/{one.plan.run_id}.buckets.parquet").write_bytes(exported("parquet", one, "buckets"))

    def execute(heading: str, blocks: slice = slice(None), **replaced: str) -> list[dict[str, Any]]:
        (section,) = re.findall(rf"^## {heading}\n(.*?)(?=^## |\Z)", HOW_TO, re.DOTALL | re.MULTILINE)
        found = []
        for block in re.findall(r"```python\n(.*?)```", section, re.DOTALL)[blocks]:
            names: dict[str, Any] = {}
            for old, new in replaced.items():
                block = re.sub(rf"\b{old}\b", new, block)
            exec(compile(block, "docs/how-to/export-results.md", "exec"), names)  # noqa: S102 - the documentation's own
            found.append(names)
        return found

    return execute


def of_labels(bundle: Bundle, key: str) -> dict[str, Any]:
    """A figure of every label of requests, by the summary."""
    labels = bundle.summary.to_dict()["labels"]
    return {name: figures[key] for name, figures in labels.items() if name and figures["kind"] == "request"}


def test_duckdb_shows_each_second_and_the_exact_p95_of_each_label(executed, runs):
    seconds, percentiles = executed("DuckDB")

    series = runs[0].summary.to_dict()["series"]
    assert seconds["seconds"].fetchall() == [(one["second"], one["samples"], one["failures"]) for one in series]
    found = dict(percentiles["p95"].fetchall())
    assert {name: us for name, us in found.items() if name} == {
        name: times["p95"] for name, times in of_labels(runs[0], "response_us").items()
    }


def test_pandas_shows_the_exact_p95_of_all_requests_and_the_sums_of_each_label(executed, runs):
    percentile, sums = executed("pandas")

    assert percentile["p95_us"] == runs[0].summary.total.response_us.p95
    for name in ("samples", "failures", "bytes"):
        found = {label.removeprefix("'"): count for label, count in sums["labels"][name].items() if label}
        assert found == of_labels(runs[0], name)


def test_several_runs_are_read_at_once(executed, runs):
    (found,) = executed("DuckDB", slice(1, 2), label="run_id", run="exports/*")

    assert found["p95"].fetchall() == [(one.plan.run_id, one.summary.total.response_us.p95) for one in runs]


def test_every_format_is_described_with_its_extension():
    rows = re.findall(r"^\| (`[a-z`, -]+) \| (`[a-z`., ]+) \|", FORMATS_PAGE, re.MULTILINE)

    described = {
        name: extension
        for names, extensions in rows
        for name, extension in zip(re.findall(r"`(.+?)`", names), re.findall(r"`\.(.+?)`", extensions), strict=True)
    }
    assert described == {name: format.extension for name, format in FORMATS.items()}


def test_every_column_is_described():
    rows = re.findall(
        r"^\| (`[a-z0-9_`, ]+`) \| (text|integer|number|boolean|time) \| (.+) \|$", COLUMNS_PAGE, re.MULTILINE
    )
    written = [(name, kind) for names, kind, _ in rows for name in re.findall(r"`(\w+)`", names)]

    own = [{name: what for name, what in table.columns.items() if name not in PLACE} for table in TABLES.values()]
    assert written == [(name, kind) for part in (PLACE, *own) for name, (kind, _) in part.items()]

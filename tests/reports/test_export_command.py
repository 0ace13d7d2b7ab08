"""`toril report` and `--report` for the exports of all measurements."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.measured import START, left, plan_of
from tests.refusals import refused
from toril import cli
from toril.records import Plan, Start, run_key, worker_key
from toril.reports import EXPORTS, FORMATS, TABLES, check
from toril.store import FolderStore
from toril.timeline.intervals import Recorder

SUITE = {
    "execution": [{"executor": "locust", "concurrency": 1, "hold-for": "1s", "scenario": "home"}],
    "scenarios": {"home": {"requests": ["http://127.0.0.1:1/"]}},
}


@pytest.fixture
def plan(tmp_path, monkeypatch) -> Plan:
    """The plan of a run of two workers in the store, not yet judged."""
    monkeypatch.chdir(tmp_path)
    store, plan = FolderStore(Path(".toril")), plan_of(locations=("madrid", "sevilla"))
    workers = [share.worker for share in plan.shares]
    store.put(run_key(plan.run_id, "plan.json"), plan.to_json())
    store.put(run_key(plan.run_id, "start.json"), Start(at=START, attempts=dict.fromkeys(workers, "a")).to_json())
    for worker in workers:
        recorder = Recorder(worker, worker.removesuffix("-1"))
        for second in range(10):
            recorder.virtual_users(second, "shop", 5)
            for us in (1_000, 90_000):
                recorder.add_one("shop", completed_s=second + 0.5, label="=home", response_us=us, rc="200")
        data = recorder.flush()
        assert data is not None
        store.put(worker_key(plan.run_id, worker, "a", "intervals-000001"), data)
        ended = left(worker, interval_files=1, samples=20, attempt="a").to_json()
        store.put(worker_key(plan.run_id, worker, "a", "exit.json"), ended)
    return plan


def call(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> object:
    monkeypatch.setattr(sys, "argv", ["toril", *arguments])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    return ended.value.code


TABLE_OF = [(name, table) for name in EXPORTS for table in (TABLES if FORMATS[name].tables else TABLES[:1])]


@pytest.mark.parametrize(("name", "table"), TABLE_OF)
def test_every_export_can_be_repeated_from_the_run_folder(plan, monkeypatch, name, table):
    outs = [f"{place}/run.{FORMATS[name].extension}" for place in ("first", "stored", "again")]
    asked = ["report", "latest", "--format", name, "--table", table, "--out"]

    assert call(monkeypatch, *asked, outs[0]) == 0  # judges the run
    assert call(monkeypatch, *asked, outs[1]) == 0  # reads the verdict
    Path(".toril", run_key(plan.run_id, "summary.json")).unlink()
    assert call(monkeypatch, *asked, outs[2]) == 0

    first, *others = (Path(out).read_bytes() for out in outs)
    assert len(first) > (80 if table == "service" else 300)  # the run has no metrics
    assert others == [first, first]


@pytest.mark.parametrize("name", [name for name in EXPORTS if name != "parquet"])
def test_an_export_goes_to_stdout_without_a_path(plan, monkeypatch, capfdbinary, name):
    call(monkeypatch, "report", plan.run_id, "--format", name, "--out", "file")
    capfdbinary.readouterr()

    assert call(monkeypatch, "report", plan.run_id, "--format", name) == 0

    assert capfdbinary.readouterr().out == Path("file").read_bytes()


@pytest.mark.parametrize("name", EXPORTS)
def test_an_export_without_interval_files_is_refused(plan, monkeypatch, capsys, name):
    call(monkeypatch, "report", "latest", "--format", "json")
    Path(".toril", worker_key(plan.run_id, "madrid-1", "a", "intervals-000001")).unlink()

    Path("export").write_text("an earlier one")

    assert call(monkeypatch, "report", "latest", "--format", name, "--out", "export") == 2

    printed = capsys.readouterr().err
    assert "40 samples" in printed and "20" in printed
    assert Path("export").read_text() == "an earlier one"


def test_json_has_no_nan_or_infinity(plan, monkeypatch, capsysbinary):
    assert call(monkeypatch, "report", "latest", "--format", "json") == 0

    def refuse(text: str) -> None:
        raise AssertionError(text)

    document = json.loads(capsysbinary.readouterr().out, parse_constant=refuse)
    assert document["summary"]["labels"][""]["samples"] == 40


def test_parquet_without_pyarrow_is_refused_with_the_install_command(plan, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "pyarrow", None)

    assert call(monkeypatch, "report", "latest", "--format", "parquet", "--out", "run.parquet") == 2

    assert "extra `parquet`" in capsys.readouterr().err
    assert not Path("run.parquet").exists()


def test_parquet_without_pyarrow_is_refused_before_a_run_starts(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    Path("suite.json").write_text(json.dumps(SUITE))

    assert call(monkeypatch, "run", "suite.json", "--report", "parquet=run.parquet") == 2

    assert "extra `parquet`" in capsys.readouterr().err
    assert not Path(".toril").exists()


@pytest.mark.parametrize(
    ("name", "table", "code"),
    [
        ("pdf", "cells", "unknown-format"),
        ("csv", "sums", "unknown-table"),
        ("json", "buckets", "unknown-table"),
    ],
)
def test_an_unknown_format_or_table_is_refused(name, table, code):
    with refused(code, name if code == "unknown-format" else table):
        check(name, table=table)


def test_parquet_is_not_written_to_a_terminal(plan):
    ours, theirs = os.openpty()
    command = [sys.executable, "-m", "toril", "report", "latest", "--format", "parquet"]

    done = subprocess.run(command, stdout=theirs, stderr=subprocess.PIPE, text=True, check=False, timeout=60)
    os.close(theirs)
    os.close(ours)

    assert done.returncode == 2
    assert "--out run.parquet" in done.stderr

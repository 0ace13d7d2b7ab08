"""Reports and comparisons of stored runs: each format from the folder of the run, at any time."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from lxml import etree

from tests.refusals import refused
from tests.reports.runs import small, store_run
from toril import cli
from toril.errors import StoreError
from toril.reports import COMPARED, FORMATS, render
from toril.reports.comparison import compare
from toril.runs import stored
from toril.runs.conclude import judge_again
from toril.runs.find import find_run
from toril.store import FolderStore

ESCAPE = "\x1b"
FAST, SLOW = "20261124T150000Z-shop-0001", "20261124T160000Z-shop-0002"


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with two unjudged runs."""
    folder = tmp_path_factory.mktemp("store")
    store_run(folder, FAST, small(50), "p95>250ms", "fail>1%")
    store_run(folder, SLOW, small(90), "p95>150ms", "fail>1%")
    return folder


@pytest.fixture
def toril(kept: Path, monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes]):
    """Calls the command on that store; returns its exit code and output."""

    def call(*arguments: str) -> tuple[object, str]:
        monkeypatch.setattr(sys, "argv", ["toril", *arguments, "--store", str(kept)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        printed = capsysbinary.readouterr()
        assert printed.err.partition(b"next: ")[0] == b"" or ended.value.code == 2, printed.err
        return ended.value.code, printed.out.decode("utf-8", "replace")

    return call


class ReadOnly(FolderStore):
    """A read-only store."""

    def put(self, key: str, data: bytes) -> None:
        raise StoreError(f"{key} cannot be written", code="trouble")


def test_a_read_only_run_is_judged(tmp_path):
    store_run(tmp_path, SLOW, small(90), "p95>150ms")

    assert judge_again(ReadOnly(tmp_path), SLOW).outcome == "failed"
    assert judge_again(FolderStore(tmp_path), SLOW).summary == judge_again(ReadOnly(tmp_path), SLOW).summary


@pytest.mark.parametrize("name", ["plan.json", "summary.json", "verdict.json"])
def test_an_unreadable_run_hides_no_other_run(tmp_path, name):
    for run_id in (FAST, SLOW):
        store_run(tmp_path, run_id, small(50), "p95>250ms")
        judge_again(FolderStore(tmp_path), run_id)
    (tmp_path / "runs" / SLOW / name).write_text('{"schema": "toril.plan/9"')
    for folder in ("history/", "index/"):  # a list reads folders of runs without history only
        FolderStore(tmp_path).delete(folder)
    found = [(one.row.run_id, one.state) for one in stored.listing(FolderStore(tmp_path), 0.0)]
    assert found == [(SLOW, "unreadable"), (FAST, "passed")]


def test_a_renamed_run_is_not_mistaken_for_an_empty_one(tmp_path):
    store_run(tmp_path, SLOW, small(90))
    (tmp_path / "runs" / SLOW).rename(tmp_path / "runs" / "renamed")

    with pytest.raises(StoreError, match="path of its folder"):
        judge_again(FolderStore(tmp_path), "renamed")
    assert judge_again(*find_run(str(tmp_path / "runs" / "renamed"), "")).summary.total.samples == 250


def test_page_and_comparison_state_missing_measurements(tmp_path):
    store_run(tmp_path, SLOW, small(90))
    store_run(tmp_path, FAST, small(50))
    store = FolderStore(tmp_path)
    base, whole = judge_again(store, FAST), judge_again(store, SLOW)
    next(tmp_path.glob(f"runs/{SLOW}/workers/*/*/intervals-*")).unlink()
    found = stored.judged(store, SLOW, 2e9, measurements=True)

    assert "The interval files have 0 of the 250 samples" in render("html", found).decode()
    assert "interval files" not in render("html", whole).decode()
    assert [text for text in compare(base, found).differences if "interval files of head" in text]
    assert not compare(base, whole).differences


@pytest.mark.parametrize("name", FORMATS)
def test_a_stored_run_is_reported_in_every_format(toril, tmp_path, name):
    path = tmp_path / "sub" / f"run.{FORMATS[name].extension}"

    assert toril("report", "latest", "--format", name, "--out", str(path)) == (0, "")

    assert path.stat().st_size > 50


@pytest.mark.parametrize("name", sorted({*FORMATS} - {"html"}))  # tests of the browser compare the page
def test_a_report_is_rebuilt_from_the_measurements_alone(toril, kept, tmp_path, name):
    reports = []
    for attempt in range(2):
        path = tmp_path / str(attempt)
        assert toril("report", FAST, "--format", name, "--out", str(path))[0] == 0
        reports.append(path.read_bytes())
        for file in ("summary.json", "verdict.json", "report.html"):
            (kept / "runs" / FAST / file).unlink(missing_ok=True)

    assert reports[0] == reports[1]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has /dev/full")
def test_an_unwritable_report_does_not_prevent_other_reports(kept, tmp_path):
    store = FolderStore(kept)
    out = tmp_path / "out.xml"
    problems = stored.write_reports(store, judge_again(store, FAST), [("json", Path("/dev/full")), ("junit", out)])
    assert len(problems) == 1
    assert "/dev/full" in problems[0] and "No space left on device" in problems[0]
    assert f"toril report {FAST} --format json" in problems[0]
    assert out.stat().st_size > 50


def test_a_rebuilt_run_has_the_verdict_of_its_measurements(toril):
    _, passed = toril("report", FAST, "--format", "json")
    _, failed = toril("report", SLOW, "--format", "json")

    assert json.loads(passed)["verdict"]["outcome"] == "passed"
    assert json.loads(failed)["verdict"]["outcome"] == "failed"


def test_junit_of_a_stored_run_fails_by_its_breach(toril):
    code, text = toril("report", SLOW, "--format", "junit")

    (failure,) = etree.fromstring(text.encode()).iter("failure")
    assert code == 0
    assert failure.get("message") == "p95>150ms: observed 180 ms, limit 150 ms (+30.0 ms)"


@pytest.mark.parametrize("arguments", [("runs", "--suite", "shpo"), ("trend", "shpo")], ids=lambda it: it[0])
def test_an_unknown_suite_is_refused_with_the_nearest_one(kept, tmp_path, arguments):
    command = cli.command(arguments[0])
    for store, advice in ((kept, "Did you mean `shop`?"), (tmp_path / "empty", "--store")):
        with refused("no-such-suite", "`shpo`", str(store), advice, error=StoreError):
            command.main([*arguments[1:], "--store", str(store)], standalone_mode=False)


def test_a_known_suite_without_a_matching_run_has_an_empty_list(toril):
    code, text = toril("runs", "--suite", "shop", "--outcome", "running")
    assert (code, "No run to show" in text) == (0, True)


@pytest.mark.parametrize("columns", [30, 60, 80, 120, 200])
@pytest.mark.parametrize("arguments", [("report", SLOW), ("compare", FAST, SLOW), ("runs",)], ids=lambda it: it[0])
def test_output_fits_the_terminal_and_has_no_colour_in_pipes(toril, monkeypatch, arguments, columns):
    monkeypatch.setenv("COLUMNS", str(columns))

    code, text = toril(*arguments)

    assert code == 0
    assert ESCAPE not in text
    kept_whole = (FAST, SLOW)  # ids, which users copy
    assert not [line for line in text.splitlines() if len(line) > columns and not line.strip().startswith(kept_whole)]
    for part in ("failed",) if arguments == ("runs",) else ("p95", "home", "checkout"):
        assert part in text


@pytest.mark.parametrize("name", COMPARED)
def test_two_stored_runs_are_compared_in_every_format(toril, tmp_path, monkeypatch, name):
    monkeypatch.setenv("COLUMNS", "100")  # the width of a text in a file
    path = tmp_path / "compared"

    assert toril("compare", FAST, SLOW, "--format", name, "--out", str(path)) == (0, "")
    code, printed = toril("compare", FAST, "latest", "--format", name)

    assert code == 0
    lines = [[line.rstrip() for line in text.splitlines()] for text in (path.read_text(), printed)]
    assert lines[0] == lines[1]


def test_a_comparison_exits_0_and_names_the_differences(toril):
    code, text = toril("compare", FAST, SLOW)

    assert code == 0
    assert text.index("base") < text.index(FAST) < text.index("head") < text.index(SLOW)
    assert "differs" in text


def test_several_runs_show_how_the_service_scales(toril):
    code, text = toril("compare", FAST, SLOW, FAST)
    assert (code, "too-few-rates" in text) == (0, True)
    code, page = toril("compare", FAST, SLOW, FAST, "--format", "html")
    assert (code, "too-few-rates" in page) == (0, True)
    code, text = toril("compare", FAST, SLOW, FAST, "--format", "json")
    data = json.loads(text)
    assert (code, data["schema"], data["scaling"]["refused"]) == (0, "toril.scaling/1", "too-few-rates")
    assert [run["run_id"] for run in data["runs"]] == [FAST, FAST, SLOW]


def test_a_run_can_be_compared_with_itself_by_its_folder(toril, kept):
    code, text = toril("compare", str(kept / "runs" / FAST), FAST)

    assert code == 0
    assert "base and head are the same run" in text
    assert "None of" in text


@pytest.mark.parametrize(
    "arguments", [("compare", FAST), ("compare", FAST, "none"), ("compare", FAST, SLOW, "--format", "junit")]
)
def test_a_wrong_comparison_is_a_user_error(toril, arguments):
    assert toril(*arguments) == (2, "")


@pytest.mark.live
@pytest.mark.parametrize("variable", ["NO_COLOR", None])
def test_only_terminals_without_no_color_get_colour(kept, variable):
    import pty

    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm-256color"} | ({variable: "1"} if variable else {})
    environment = {key: value for key, value in environment.items() if key not in ("NO_COLOR", "CI") or key == variable}
    command = [sys.executable, "-m", "toril", "report", FAST, "--store", str(kept)]
    with subprocess.Popen(command, stdout=theirs, env=environment) as process:
        os.close(theirs)
        shown = b""
        while True:
            try:
                part = os.read(ours, 65_536)
            except OSError:  # on Linux, the other end is closed
                break
            if not part:
                break
            shown += part
        assert process.wait() == 0
    os.close(ours)
    colours = re.findall(rb"\x1b\[(?:\d+;)*(?:3[0-7]|4[0-7])(?:;\d+)*m", shown)
    assert bool(colours) == (variable is None)

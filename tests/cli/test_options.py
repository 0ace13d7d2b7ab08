"""Values of command-line options."""

import shutil
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.measured import plan_of
from tests.refusals import refused
from toril.cli import options
from toril.cli.running import doctor_command
from toril.errors import OptionError, StoreError
from toril.runs.find import find_own_run, find_run
from toril.store import FolderStore


def test_pairs_keep_everything_after_the_first_equals_sign() -> None:
    found = options.read_pairs("--env", ["A=1", "URL=http://x/?a=b", "E="])
    assert found == {"A": "1", "URL": "http://x/?a=b", "E": ""}


@pytest.mark.parametrize("value", ["A", "=1", ""])
def test_a_pair_without_name_or_equals_sign_is_refused(value: str) -> None:
    with pytest.raises(OptionError, match="--env") as refused:
        options.read_pairs("--env", [value])
    assert refused.value.code == "option-value"


def test_fail_on_lists_the_outcomes_that_fail_the_command() -> None:
    assert options.read_fail_on("failed,inconclusive") == {"failed", "inconclusive"}
    assert options.read_fail_on("failed") == {"failed"}
    assert options.read_fail_on("none") == frozenset()


@pytest.mark.parametrize("text", ["", "passed", "none,failed", "fail"])
def test_an_unknown_outcome_is_refused(text: str) -> None:
    with pytest.raises(OptionError, match="--fail-on"):
        options.read_fail_on(text)


def test_an_age_is_a_number_with_a_unit() -> None:
    assert options.read_age("30d") == timedelta(days=30)
    assert options.read_age("90m") == timedelta(minutes=90)
    with pytest.raises(OptionError, match="--prune"):
        options.read_age("a month")
    for beyond in ("9" * 20 + "d", "9" * 5000 + "m"):
        with pytest.raises(OptionError, match="--prune"):
            options.read_age(beyond)


def test_a_report_is_a_file(tmp_path: Path) -> None:
    assert options.read_report_targets(["junit=out.xml", "json"]) == [("junit", Path("out.xml")), ("json", None)]
    with pytest.raises(OptionError) as refused:
        options.check_writable([("html", tmp_path)])
    assert refused.value.code == "report-is-a-folder"


def test_a_report_with_an_empty_path_is_refused() -> None:
    with pytest.raises(OptionError, match="--report"):
        options.read_report_targets(["junit="])


def test_the_check_of_reports_creates_only_their_folders(tmp_path: Path) -> None:
    (tmp_path / "old.xml").write_text("kept")
    (tmp_path / "link.xml").symlink_to(tmp_path / "elsewhere.xml")
    options.check_writable(
        [("json", None), ("html", tmp_path / "a" / "b" / "out.html"), ("json", Path("/dev/null"))]
        + [("junit", tmp_path / name) for name in ("old.xml", "link.xml")]
    )
    assert (tmp_path / "old.xml").read_text() == "kept"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "link.xml", "old.xml"]
    assert not list((tmp_path / "a" / "b").iterdir())


@pytest.mark.parametrize("name", ["old.xml/out.xml", "old.xml/sub/out.xml", "x" * 300, "loop/out.xml"])
def test_an_unwritable_report_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "old.xml").write_text("a file, not a folder")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with pytest.raises(OptionError, match=r"--report `junit=.*`: ") as refused:
        options.check_writable([("junit", tmp_path / name)])
    assert refused.value.code == "unwritable-report"


@pytest.fixture
def store_folder(tmp_path: Path) -> Path:
    store = FolderStore(tmp_path / "store")
    for run_id in ("20260101T000000Z-shop-aaaa", "20260102T000000Z-shop-bbbb"):
        store.put(f"runs/{run_id}/plan.json", plan_of().model_copy(update={"run_id": run_id}).to_json())
    return tmp_path / "store"


@pytest.mark.parametrize("name", ["latest", "20260102", "20260102T000000Z-shop-bbbb"])
def test_a_run_is_found_by_id_prefix_or_as_latest(store_folder: Path, name: str) -> None:
    assert find_run(name, str(store_folder))[1] == "20260102T000000Z-shop-bbbb"


def test_a_run_is_found_by_its_folder(store_folder: Path) -> None:
    folder = store_folder / "runs" / "20260101T000000Z-shop-aaaa"
    assert find_run(str(folder), "elsewhere")[1] == folder.name


def test_a_run_folder_may_have_any_path_and_name(store_folder: Path, tmp_path: Path) -> None:
    run_id = "20260101T000000Z-shop-aaaa"
    shutil.move(store_folder / "runs" / run_id, tmp_path / "artifact")
    store, found = find_own_run(str(tmp_path / "artifact"), "elsewhere")
    assert found == run_id
    assert list(store.keys(f"runs/{run_id}/")) == [f"runs/{run_id}/plan.json"]
    store.put(f"runs/{run_id}/workers/a-1/x/ready.json", b"{}")
    assert (tmp_path / "artifact/workers/a-1/x/ready.json").read_bytes() == b"{}"
    assert list(store.keys(f"runs/{run_id}/workers/")) == [f"runs/{run_id}/workers/a-1/x/ready.json"]
    for outside in ("runs/other/plan.json", f"runs/{run_id}/../other/plan.json", "lease.json"):
        with pytest.raises(StoreError):
            store.find(outside)


def test_an_ambiguous_or_unknown_run_is_explained(store_folder: Path) -> None:
    with pytest.raises(OptionError, match="matches 2 runs"):
        find_run("2026", str(store_folder))
    with pytest.raises(OptionError, match="no run 'x'"):
        find_run("x", str(store_folder))
    with pytest.raises(OptionError, match="empty"):
        find_run("", str(store_folder))


@pytest.mark.parametrize(("text", "found"), [(None, None), ("3%", 0.03), (" 12.5 % ", 0.125), ("100%", 1.0)])
def test_a_margin_is_a_percentage(text: str | None, found: float | None) -> None:
    assert options.read_margin(text) == found


@pytest.mark.parametrize("text", ["", "3", "0%", "101%", "-3%", "x%", "1e1%", "3%%"])
def test_an_invalid_margin_is_refused(text: str) -> None:
    with pytest.raises(OptionError, match="--margin"):
        options.read_margin(text)


def test_a_notice_has_an_address_or_a_variable_and_events() -> None:
    chat, hook = options.read_notices(["CHAT=failed,regression", "https://hook.example/x?a=b"])
    assert (chat.variable, chat.webhook, chat.on) == ("CHAT", "", ("failed", "regression"))
    assert (hook.variable, hook.webhook) == ("", "https://hook.example/x?a=b")
    assert hook.on == ("failed", "inconclusive")


@pytest.mark.parametrize("text", ["", "HOOK=fail", "http://hook.example/", "https:///x", "a b"])
def test_an_unusable_notice_is_refused_without_its_text(text: str) -> None:
    with refused("option-value", error=OptionError) as error:
        options.read_notices([text])
    assert not text or text not in str(error.value)


@pytest.mark.parametrize("text", ["localhost:4318", "https://user:secret@collector.example", "ftp://collector.example"])
def test_a_collector_has_a_web_address_without_a_user(text: str) -> None:
    with refused("option-value", error=OptionError) as error:
        options.read_otlp(text)
    assert "secret" not in str(error.value)


@pytest.mark.parametrize("words", [{"on": "local"}, {"on": "fargate", "suite": ["shop"]}])
def test_caches_are_filled_for_whole_regions_only(words: dict[str, Any]) -> None:
    with refused("option-value", "--fill-caches", error=OptionError):
        doctor_command(fill_caches=True, **words)

"""`toril suite list` and `toril suite pin`."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.reports import examples
from toril.cli import app
from toril.errors import OptionError, SuiteError
from toril.records import run_key
from toril.runs import suites
from toril.store import FolderStore

RUN = examples.passed().plan


def call(*words: str) -> str:
    done = CliRunner().invoke(app, list(words), catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    store = FolderStore(tmp_path / "store")
    store.put(run_key(RUN.run_id, "plan.json"), RUN.to_json())
    for name in ("shop", "cart", "shop"):
        suites.save(store, name, {"suite.yml": b"a"}, by="ada", comment="", at=1.0, expected=None)
    return store


def test_suites_are_listed_with_their_current_version(store: FolderStore) -> None:
    found = json.loads(call("suite", "list", "--store", str(store.folder), "--format", "json"))
    assert [(one["suite"], one["number"]) for one in found] == [("cart", 1), ("shop", 2)]
    versions = json.loads(call("suite", "list", "shop", "--store", str(store.folder), "--format", "json"))
    assert [one["number"] for one in versions] == [2, 1]


def test_a_suite_from_a_store_sees_neither_the_environment_nor_other_files(
    store: FolderStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OF_THIS_MACHINE", "http://127.0.0.1:1/")
    (tmp_path / "other.yml").write_text("{}")
    load = "execution: [{concurrency: 1, hold-for: 1s, scenario: {requests: ['${OF_THIS_MACHINE}']}}]\n"
    include = f"included-configs: [{tmp_path / 'other.yml'}]\n"
    for number, text in enumerate((load, include + load.replace("${OF_THIS_MACHINE}", "http://127.0.0.1:1/"))):
        own = tmp_path / f"own-{number}"
        own.mkdir()
        (own / "suite.yml").write_text(text)
        suites.save(store, own.name, {"suite.yml": text.encode()}, by="eve", comment="", at=1.0, expected=None)
        call("plan", str(own))
        refused = CliRunner().invoke(app, ["plan", f"{store.folder}/suites/{own.name}"])
        assert isinstance(refused.exception, SuiteError), refused.output
    call("plan", f"{store.folder}/suites/own-0", "--env", "OF_THIS_MACHINE=http://127.0.0.1:1/")


def test_a_pushed_suite_can_be_planned_at_the_printed_address(store: FolderStore, tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.mkdir()
    (own / "suite.yml").write_text("execution: [{concurrency: 1, hold-for: 1s, scenario: {requests: ['http://s/']}}]\n")
    printed = call("suite", "push", str(own), "--store", f"{store.folder}/")
    assert printed.startswith("own: version 1, 1 file, ")
    call("plan", printed.split()[-1])


def test_a_baseline_is_set_shown_and_cleared(store: FolderStore) -> None:
    there = ("--store", str(store.folder))
    assert call("suite", "pin", "shop", "latest", *there).strip() == RUN.run_id
    assert call("suite", "pin", "shop", *there).strip() == RUN.run_id
    call("suite", "pin", "shop", "--clear", *there)
    shown = CliRunner().invoke(app, ["suite", "pin", "shop", *there])
    assert RUN.run_id not in shown.stdout
    assert [line.partition(": ")[2] for line in shown.stderr.splitlines()] == [
        f"from {RUN.run_id} to none",
        f"from none to {RUN.run_id}",
    ]
    refused = CliRunner().invoke(app, ["suite", "pin", "another", "latest", *there])
    assert isinstance(refused.exception, OptionError) and refused.exception.code == "other-suite"


def test_a_baseline_that_failed_is_set_with_its_reason(store: FolderStore) -> None:
    verdict = examples.failed().verdict
    store.put(run_key(RUN.run_id, "verdict.json"), verdict.to_json())
    done = CliRunner().invoke(app, ["suite", "pin", "shop", "latest", "--store", str(store.folder)])
    assert (done.exit_code, done.stdout.strip()) == (0, RUN.run_id)
    assert verdict.reasons[0].message.rstrip(".") in done.stderr

"""Evidence of a browser's first failures, in every state of its page."""

import importlib.util
import json
from pathlib import Path
from typing import Any

from toril import engines


def load_module(name: str) -> Any:
    """Returns a module of the engines' own processes, which belong to no package."""
    path = Path(engines.__file__).parent / f"{name}.py"
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


MODULE = load_module("browser/steps")


class Gone(Exception):
    pass


class Page:
    NoAnswer = (Gone,)

    def picture(self):
        return b"\xff\xd8picture"

    def source(self):
        return "<p>" + "x" * 300_000

    def console(self):
        return [f"line {number}" for number in range(500)]

    def trace(self, path):
        path.write_bytes(b"PK")


class Crashed(Page):
    def picture(self):
        raise Gone

    source = picture


def index_of(folder):
    return [json.loads(line) for line in (folder / "index.jsonl").read_text().splitlines()]


def test_a_failure_has_its_files_of_limited_size(tmp_path):
    MODULE.StepEvidence(tmp_path / "kept", traces=True).keep(Page(), "Pay", "no button", 7.5)
    (one,) = index_of(tmp_path / "kept")
    assert one["files"] == ["1.jpg", "1.source.txt", "1.console.txt", "1.trace.zip"]
    assert (one["label"], one["message"], one["at_s"]) == ("Pay", "no button", 7.5)
    assert (tmp_path / "kept" / "1.source.txt").stat().st_size == MODULE.SOURCE_CHARS
    assert (tmp_path / "kept" / "1.console.txt").read_text().splitlines()[-1] == "line 499"


def test_only_the_first_failures_are_kept(tmp_path):
    evidence = MODULE.StepEvidence(tmp_path, traces=True)
    for number in range(MODULE.MOST + 2):
        assert evidence.wanted == (number < MODULE.MOST)
        evidence.keep(Page(), f"step {number}", "", 0.0)
    assert [one["label"] for one in index_of(tmp_path)] == [f"step {number}" for number in range(MODULE.MOST)]


def test_a_run_with_secrets_keeps_no_trace(tmp_path):
    MODULE.StepEvidence(tmp_path, traces=False).keep(Page(), "Pay", "", 0.0)
    assert "1.trace.zip" not in index_of(tmp_path)[0]["files"]


def test_a_crashed_page_keeps_its_earlier_console_output(tmp_path):
    MODULE.StepEvidence(tmp_path, traces=True).keep(Crashed(), "Pay", "crashed", 0.0)
    assert index_of(tmp_path)[0]["files"] == ["1.console.txt", "1.trace.zip"]

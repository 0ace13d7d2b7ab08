"""Evidence of first failures on its way from the engines into the run's folder."""

import json
from types import SimpleNamespace
from typing import Any

from toril.secrets.redaction import MOST_IN_RECORD, Redactor
from toril.worker.capture import LARGEST, MOST, failure_evidence
from toril.worker.hiding import Hiding

SECRET = "s3cr3t-token"


def run(folder, *failures, name="buying") -> Any:
    kept = folder / "kept"
    kept.mkdir(parents=True)
    for failure in failures:
        for file, data in failure["files"].items():
            (kept / file).write_bytes(data)
    lines = [json.dumps({**failure, "files": list(failure["files"])}) for failure in failures]
    (kept / "index.jsonl").write_text("\n".join(lines) + "\n")
    return SimpleNamespace(execution=name, engine=SimpleNamespace(context=SimpleNamespace(evidence=kept)))


def failure(**files):
    return {"label": f"Pay {SECRET}", "message": f"no {SECRET}", "at_s": 107.25, "files": files}


def test_texts_are_redacted_and_pictures_stay_unchanged(tmp_path):
    files = {"1.jpg": SECRET.encode(), "1.source.txt": f"<p>{SECRET}".encode()}
    ((kept, found),) = failure_evidence(
        [run(tmp_path, failure(**files))], 100.0, Redactor([SECRET]), Hiding(Redactor([SECRET]))
    )
    assert (kept.label, kept.message, kept.at_s) == ("Pay ***", "no ***", 7.25)
    assert found == {"failures/0-1.jpg": SECRET.encode(), "failures/0-1.source.txt": b"<p>***"}
    assert kept.files == tuple(found)


def test_undeclared_credentials_of_pages_and_consoles_are_masked(tmp_path):
    page = b'<input type=hidden name="csrf_token" value="p14nted"><script>start({"apiKey": "k3y-k3y"})</script>'
    files = {"1.source.txt": page, "1.console.txt": b"401 at https://shop/a?access_token=t0k3n-t0k3n of p14nted"}
    ((_, found),) = failure_evidence([run(tmp_path, failure(**files))], 100.0, Redactor(), Hiding(Redactor()))
    assert not [one for one in (b"p14nted", b"k3y-k3y", b"t0k3n-t0k3n") if one in b"".join(found.values())]
    assert b"csrf_token" in found["failures/0-1.source.txt"]


def test_lone_surrogates_are_escaped_and_long_texts_are_cut(tmp_path):
    one = failure(**{"1.jpg": b"x"}) | {"label": "half \ud83d", "message": "x" * 20_000}
    ((kept, _),) = failure_evidence([run(tmp_path, one)], 100.0, Redactor(), Hiding(Redactor()))
    assert (kept.label, kept.message) == ("half \\ud83d", "x" * MOST_IN_RECORD)


def test_only_the_first_failures_of_each_execution_are_kept(tmp_path):
    runs = [run(tmp_path / name, *[failure()] * (MOST + 2), name=name) for name in ("a", "b")]
    found = [kept.execution for kept, _ in failure_evidence(runs, 100.0, Redactor(), Hiding(Redactor()))]
    assert found == ["a"] * MOST + ["b"] * MOST


def test_files_that_are_too_large_of_another_kind_or_elsewhere_are_skipped(tmp_path):
    one = run(tmp_path, failure(**{"1.trace.zip": b"x" * (LARGEST + 1), "1.html": b"<script>", "1.jpg": b"\xff\xd8"}))
    index = one.engine.context.evidence / "index.jsonl"
    index.write_text(index.read_text().replace('"1.jpg"', '"1.jpg", "../../outside.txt", "missing.txt"'))
    (tmp_path.parent / "outside.txt").write_text("not of the engine")
    ((kept, found),) = failure_evidence([one], 100.0, Redactor(), Hiding(Redactor()))
    assert list(found) == ["failures/0-1.jpg"] == list(kept.files)


def test_an_engine_without_evidence_is_accepted(tmp_path):
    context = SimpleNamespace(evidence=tmp_path / "evidence")
    runs: list[Any] = [SimpleNamespace(execution="a", engine=SimpleNamespace(context=context))]
    assert list(failure_evidence(runs, 0.0, Redactor(), Hiding(Redactor()))) == []

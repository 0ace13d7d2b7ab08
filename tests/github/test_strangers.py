"""Untrusted folders of runs are read safely or refused with the name of the file; links are not followed."""

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests import tiers
from tests.github.commanded import write_run
from tests.github.stories import REGRESSION, compared
from tests.reports import examples
from toril.errors import StoreError
from toril.github import comments
from toril.github.strangers import MOST_BYTES, MOST_BYTES_OF_ALL, MOST_RUNS, read_runs
from toril.records import End, RanTask, TaskSize
from toril.reports.markdown import Links

RUN = compared(examples.failed(), REGRESSION, "regression")
ODD: list[Any] = [
    None, True, -1, 10**400, 1e308, float("nan"), float("inf"),
    -0.5, "", "x", "\ud800", "x" * 30_000, [], {}, [[]], {"a": {}}, [None], [1, "2"],
    {"": None}, ["a"] * 6_000,
]  # fmt: skip


def places(content: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Yields every place of a document that may hold a hostile value."""
    found = [path]
    if isinstance(content, dict):
        found += [one for key in content for one in places(content[key], (*path, key))]
    elif isinstance(content, list):
        found += [one for number, item in enumerate(content[:2]) for one in places(item, (*path, number))]
    return found


def with_odd(content: Any, path: tuple[Any, ...], odd: Any) -> Any:
    if not path:
        return odd
    changed = dict(content) if isinstance(content, dict) else list(content)
    changed[path[0]] = with_odd(content[path[0]], path[1:], odd)
    return changed


def read(folder) -> dict[str, str]:
    runs, problems = read_runs([folder])
    if problems:
        raise StoreError("; ".join(problems), code="trouble")
    return comments(runs, Links())


TASK = RanTask(arn="a", region="eu-west-1", capacity="FARGATE", pull_started_at=900.0, stopped_at=1100.0)
END = End(at=1100.0, tasks={"madrid-1": TASK, "sevilla-1": TASK})
SEARCH = {
    "message": "shop held 96.2/s, and not 101/s: p95>300ms",
    "from_rps": 20, "to_rps": 400, "precision": 0.1, "until": ["p95>300ms"],
    "stages": [
        {"rps": rps, "kind": "raise", "outcome": outcome, "from_s": 3, "to_s": 10, "achieved_rps": rps,
         "observed": [{"criterion": "p95>300ms", "value": 20_000, "unit": "us"}]}
        for rps, outcome in ((96.2, "held"), (101.0, "breached"))
    ],
}  # fmt: skip
OF_SEARCH = {
    "criterion": "capacity of shop<80/s", "outcome": "passed", "subject": "capacity", "observed": 96.2, "threshold": 80,
    "unit": "/s", "samples": 2, "counted": "stage",
}  # fmt: skip
DOCUMENTS = {
    "plan.json": {**json.loads(RUN.plan.to_json()), "on": "fargate", "task": TaskSize().model_dump(mode="json")},
    "summary.json": {**RUN.summary.to_dict(), "capacity": {"shop": SEARCH}},
    "verdict.json": {**RUN.verdict.to_dict(), "criteria": [*RUN.verdict.to_dict()["criteria"], OF_SEARCH]},
    "end.json": json.loads(END.to_json()),
}


def write(folder: Path, documents: dict[str, Any]) -> Path:
    """The folder of a run on Fargate."""
    folder.mkdir(exist_ok=True)
    for name, content in documents.items():
        (folder / name).write_text(json.dumps(content))
    return folder


@pytest.fixture
def folder(tmp_path):
    return write(tmp_path / "one", DOCUMENTS)


@tiers.examples(300)
@given(st.data())
def test_every_file_content_is_reported_or_refused(tmp_path_factory, data):
    folder = write(tmp_path_factory.mktemp("run"), DOCUMENTS)
    name = data.draw(st.sampled_from(sorted(DOCUMENTS)))
    path = data.draw(st.sampled_from(places(DOCUMENTS[name])))
    odd = data.draw(st.sampled_from(ODD))
    (folder / name).write_text(json.dumps(with_odd(DOCUMENTS[name], path, odd)))

    try:
        texts = read(folder)
    except StoreError as error:
        assert name in str(error)
    else:
        assert all(len(text) < 65_536 and text.startswith("## ") for text in texts.values())


@pytest.mark.parametrize("name", sorted(DOCUMENTS))
@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff\xfe",
        b"null",
        b"[" * 200_000,
        b'{"a":' * 200_000,
        b'{"schema": "toril.summary/9"}',
        b'{"schema": "toril.verdict/1", "outcome": NaN}',
        b'{"schema": "toril.verdict/1", "outcome": "passed", "criteria": [{"observed": NaN}]}',
        b'{"schema": "toril.summary/1", "duration_s": 1e999}',
        b'{"schema": "toril.summary/1", "duration_s": ' + b"9" * 10_000 + b"}",
    ],
)
def test_a_damaged_file_is_named(name, data, folder):
    (folder / name).write_bytes(data)

    with pytest.raises(StoreError, match=name):
        read(folder)


def test_an_error_about_a_file_is_short_and_printable(folder):
    (folder / "plan.json").write_text(json.dumps({"schema": "\x1b[2J::error::x" * 50_000}))

    (problem,) = read_runs([folder])[1]
    assert len(problem) <= 500
    assert problem.isprintable()


@pytest.mark.parametrize("key", ["suite", "run_id"])
@pytest.mark.parametrize("name", ["stacks:preview", "a/../b", "x y", "", "shop\n", "@all"])
def test_an_invalid_name_of_suite_or_run_is_refused(key, name, folder):
    """Names with a colon belong to comments that are not about suites."""
    (folder / "plan.json").write_text(json.dumps({**DOCUMENTS["plan.json"], key: name}))

    with pytest.raises(StoreError, match="invalid name of the suite or run"):
        read(folder)


@pytest.mark.parametrize("name", sorted(DOCUMENTS))
def test_a_link_is_not_followed(name, folder, tmp_path):
    secret = tmp_path / "secret.json"
    (folder / name).rename(secret)
    (folder / name).symlink_to(secret)

    with pytest.raises(StoreError, match=r"not as a link|not a folder|no run"):
        read(folder)


def test_folders_behind_links_are_ignored(folder, tmp_path):
    (tmp_path / "artifact").mkdir()
    (tmp_path / "artifact/runs").symlink_to(tmp_path)
    (tmp_path / "artifact/two").symlink_to(folder)

    for path in ("artifact", "artifact/two", "artifact/runs"):
        with pytest.raises(StoreError, match=r"not a folder|no run"):
            read(tmp_path / path)


def test_a_pipe_is_refused_without_waiting(folder):
    (folder / "summary.json").unlink()
    os.mkfifo(folder / "summary.json")

    with pytest.raises(StoreError, match="not a regular file"):
        read(folder)


def test_a_huge_file_is_not_read_to_its_end(folder):
    with (folder / "summary.json").open("ab") as file:
        file.truncate(MOST_BYTES * 100)  # takes no space

    with pytest.raises(StoreError, match="larger than 32 MiB"):
        read(folder)


def test_other_files_of_the_artifact_are_ignored(folder):
    (folder / "workers").mkdir()
    (folder / "workers/intervals-000001").write_bytes(b"\0")
    (folder / "report.html").write_text("<script>")

    assert list(read(folder)) == ["shop:fargate"]


def test_a_run_on_fargate_shows_its_cost(folder):
    assert "at list prices of" in read(folder)["shop:fargate"]
    assert "2 tasks of 2 vCPU and 4 GiB, arm64" in read(folder)["shop:fargate"]


def test_runs_are_found_in_a_store_and_in_a_folder_of_runs(tmp_path):
    other = replace(RUN, plan=RUN.plan.model_copy(update={"suite": "search"}))
    write_run(tmp_path / "store/runs/a", RUN)
    write_run(tmp_path / "store/runs/b", other)
    (tmp_path / "store/runs/c").mkdir()

    assert list(read(tmp_path / "store")) == list(read(tmp_path / "store/runs")) == ["search", "shop"]


def test_too_many_runs_are_refused(tmp_path):
    for number in range(MOST_RUNS + 1):
        (tmp_path / str(number)).mkdir()
        (tmp_path / str(number) / "plan.json").touch()

    with pytest.raises(StoreError, match="601 runs"):
        read(tmp_path)


def test_the_total_size_is_limited_and_ignores_refused_files(tmp_path):
    write_run(tmp_path / "a", RUN)
    with (tmp_path / "a/summary.json").open("r+b") as file:
        file.truncate(MOST_BYTES_OF_ALL + 1)  # takes no space
    for name in "bcdefg":
        write_run(tmp_path / name, RUN)
        with (tmp_path / name / "summary.json").open("ab") as file:
            file.write(b" " * (MOST_BYTES - 2_000_000))

    runs, problems = read_runs([tmp_path])

    assert len(runs) == MOST_BYTES_OF_ALL // (MOST_BYTES - 2_000_000)
    assert "larger than 32 MiB" in problems[0]
    assert all("more than 128 MiB" in problem for problem in problems[1:])


def test_the_capacity_of_an_untrusted_run_is_shown(folder):
    (text,) = read(folder).values()
    assert "96.2/s" in text
    assert text.count("p95") > 2

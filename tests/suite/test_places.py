"""The source lines of criteria, to which reports link."""

from pathlib import Path

import pytest

from toril.suite import read_suite

SUITE = """\
execution:
  executor: locust
  concurrency: 1
  hold-for: 3s
  scenario: home
  criteria:
  - p95>1s
scenarios:
  home:
    requests: [http://127.0.0.1:1/]
    criteria:
      my.message [0] here: p99>2s
reporting:
- module: passfail
  criteria:
  - fail>10%
  - subject: p90
    condition: '>'
    threshold: 300ms
  - p99.9>${LIMIT}
toril:
  criteria: ['throughput<1/s']
"""
MORE = """\
reporting:
- module: passfail
  criteria: [avg-rt>5s]
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    made = tmp_path / "repository/loadtests/shop"
    made.mkdir(parents=True)
    (tmp_path / "repository/.git").mkdir()
    monkeypatch.chdir(tmp_path)
    (made / "suite.yml").write_text(SUITE)
    return made


def lines(*paths: Path, **more) -> dict[str, tuple[str, int]]:
    suite = read_suite(paths, env={"LIMIT": "4s"}, **more)
    found = {where: (place.file, place.line) for where, place in suite.places.items()}
    return {str(one.source): found[one.where] for one in suite.criteria if one.where in found}


def test_every_criterion_has_its_line(folder):
    found = lines(folder)

    assert {file for file, _ in found.values()} == {"loadtests/shop/suite.yml"}
    assert [line for _, line in found.values()] == [16, 17, 20, 7, 12, 22]


def test_a_criterion_of_a_merged_file_is_found_in_it(folder):
    (folder / "more.yml").write_text(MORE)
    found = lines(folder / "suite.yml", folder / "more.yml")

    assert found["avg-rt>5s"] == ("loadtests/shop/more.yml", 3)
    assert found["fail>10%"] == ("loadtests/shop/suite.yml", 16)


def test_criteria_in_json_have_their_lines(folder):
    (folder / "suite.json").write_text(
        '{"execution": [{"executor": "locust", "hold-for": "3s", "scenario": {"requests": ["http://127.0.0.1:1/"]},\n'
        ' "criteria": [\n  "p95>1s"]}]}'
    )

    assert lines(folder / "suite.json") == {"p95>1s": ("loadtests/shop/suite.json", 3)}


def test_an_overridden_criterion_keeps_its_line(folder):
    found = lines(folder, overrides=["reporting.0.criteria.0=fail>20%"])

    assert found["fail>20%"] == ("loadtests/shop/suite.yml", 16)


def test_a_file_outside_a_repository_is_named_relative_to_the_current_folder(folder, monkeypatch):
    (folder.parent.parent / ".git").rmdir()
    assert lines(folder)["fail>10%"] == ("repository/loadtests/shop/suite.yml", 16)

    monkeypatch.chdir("/usr")
    assert lines(folder) == {}


def test_many_aliases_are_read_quickly(folder):
    shared = "\n".join(
        f"- {{module: passfail, criteria: {'&c [p95>1s, p99>2s]' if not n else '*c'}}}" for n in range(500)
    )
    (folder / "suite.yml").write_text(SUITE.partition("reporting:")[0] + f"reporting:\n{shared}\n")

    assert lines(folder)["p99>2s"][1] == 14

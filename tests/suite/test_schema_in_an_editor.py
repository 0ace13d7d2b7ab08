"""The YAML language server, which many editors use, completes, explains and checks suites by the schema."""

from pathlib import Path

import pytest

from tests.suite.language_server import editing
from toril.suite.schema import schema_text

pytestmark = [pytest.mark.live, pytest.mark.xdist_group("language-server")]

LINE = "# yaml-language-server: $schema=suite.schema.json\n"
SCENARIOS = "scenarios: {shop: {requests: ['http://shop/']}}\n"


@pytest.fixture(scope="module")
def editor(tmp_path_factory):
    folder = tmp_path_factory.mktemp("suites")
    (folder / "suite.schema.json").write_text(schema_text())
    with editing(folder) as editor:
        yield editor


@pytest.mark.parametrize(
    ("text", "offered"),
    [
        ("executi|\n", {"execution", "toril"}),
        ("execution:\n- scenario: shop\n  h|\n", {"executor", "concurrency", "hold-for"}),
        ("execution:\n  scenario: shop\n  executor: |\n", {"jmeter", "vegeta", "playwright"}),
        ("toril:\n  |\n", {"workers", "worker", "regression"}),
        ("toril:\n  worker:\n    |\n", {"cpu", "memory", "arch"}),
        ("toril:\n  worker:\n    arch: |\n", {"arm64", "x86_64"}),
        ("scenarios:\n  shop:\n    requests:\n    - url: /\n      |\n", {"assert", "extract-jsonpath", "transaction"}),
    ],
)
def test_an_editor_offers_keys_and_values(editor, text, offered):
    assert offered <= {*editor.completions(LINE + text)}


def test_an_editor_explains_a_key(editor):
    shown = editor.hover(f"{LINE}execution:\n- scenario: shop\n  hold|-for: 1m\n{SCENARIOS}")
    assert "Time at the full number" in shown
    assert "Default: `0s`." in shown
    assert "docs/reference/suite.md#execution" in shown


def test_an_editor_marks_mistakes_at_their_lines(editor):
    text = f"""{LINE}execution:
- scenario: shop
  hold-fro: 1m
  concurrency: 2.5
{SCENARIOS}toril:
  wrokers: 3
  quorum: 200%
"""
    assert {*editor.problems(text)} == {3, 4, 7, 8}


@pytest.mark.parametrize("file", sorted(Path("loadtests").glob("*/suite.yml")), ids=lambda file: file.parent.name)
def test_an_editor_finds_nothing_wrong_in_the_gallery(editor, file):
    assert editor.problems(LINE + file.read_text()) == {}

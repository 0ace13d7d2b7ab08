"""Commands, options, links and suites in the documentation exist."""

import re
from pathlib import Path

import pytest
import yaml

from toril.plan import make_plan
from toril.suite import read_suite

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", ROOT / "loadtests/shop/README.md", *sorted((ROOT / "docs").rglob("*.md"))]


@pytest.fixture(scope="module")
def commands() -> dict[str, set[str]]:
    """Returns each command of toril with its options."""
    from toril import cli

    return {"help": set()} | {
        name: {option for one in cli.command(name).params for option in (*one.opts, *one.secondary_opts)}
        for name in cli.COMMANDS
    }


def called(text: str, program: str) -> list[tuple[str, str]]:
    """Returns each call of a program in code of a page: its command and the rest."""
    blocks = re.findall(r"^```[^\n]*\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    prose = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines()]
    lines += [code.replace("\n", " ") for code in re.findall(r"`([^`]+)`", prose)]
    found = (
        re.match(rf"(?:- run: |\$ )?{program} ((?:suite |github |gitlab )?[a-z][a-z-]*)([^#|]*)", line.strip())
        for line in lines
    )
    return [(match[1], match[2]) for match in found if match]


def test_only_code_counts_as_a_call():
    block = "```sh\ntoril plan y  # toril z\n$ toril runs | head\n```\n"

    assert called(f"toril uses `toril run x --quiet`.\n\n{block}toril and `bzt`\n", "toril") == [
        ("plan", " y  "),
        ("runs", " "),
        ("run", " x --quiet"),
    ]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_and_option_in_the_docs_exists(page, commands):
    for name, rest in called(page.read_text(), "toril"):
        assert name in commands, f"toril {name}"
        for option in re.findall(r"(?<!\S)(--?[a-z][a-z-]*)", rest):
            assert option in commands[name], f"toril {name} {option}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_within_the_docs_has_a_target(page):
    for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text()):
        assert (page.parent / target).exists(), target


def test_the_suite_in_the_readme_is_twelve_lines_and_can_be_planned(tmp_path):
    block, *_ = re.findall(r"```yaml\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    (tmp_path / "suite.yml").write_text(block)

    plan = make_plan(read_suite([tmp_path]), run_id="readme", workers=None)

    assert len(block.splitlines()) <= 12
    assert [share.worker for share in plan.shares] == ["madrid-1", "sevilla-1"]
    assert yaml.safe_load(block)


def test_the_demo_suite_has_two_locations():
    plan = make_plan(read_suite([ROOT / "loadtests/shop"]), run_id="demo", workers=None)

    assert plan.locations == ("madrid", "sevilla")
    assert len(plan.executions) == 2
    assert len(plan.criteria) == 4


def test_every_make_target_in_the_docs_exists():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))

    for page in PAGES:
        assert {name for name, _ in called(page.read_text(), "make")} <= targets

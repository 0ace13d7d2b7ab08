"""All pages: their links lead somewhere, and the command is described as it is."""

import re
from pathlib import Path

import pytest

from toril import cli, errors
from toril.cli.options import INTERRUPTED
from toril.plan import make_plan
from toril.reports import FORMATS
from toril.suite import read_suite
from toril.verdict import EXIT_CODES

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    [
        *ROOT.glob("*.md"),
        *ROOT.glob("docs/**/*.md"),
        *(ROOT / "bench").glob("*.md"),
        *(ROOT / "tests").glob("*.md"),
        *ROOT.glob(".github/**/*.md"),
    ]
)
LINK = re.compile(r"\[[^\]]+\]\((?!https?:)([^)#\s]*)(?:#([^)\s]+))?\)")
CODE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
COMMANDS = [name for name, place in cli.COMMANDS.items() if place and name != "worker"]


def anchors(page: Path) -> set[str]:
    """What GitHub makes of headings."""
    headings = re.findall(r"^#+ (.+)$", CODE.sub("", page.read_text()), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page):
    for target, anchor in LINK.findall(CODE.sub("", page.read_text())):
        there = (page.parent / target) if target else page
        assert there.exists(), f"{page.name}: {target}"
        assert not anchor or anchor in anchors(there), f"{page.name}: {target}#{anchor}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_table_has_a_header_and_rows_of_its_width(page):
    blocks = re.split(r"\n\s*\n", CODE.sub("", page.read_text()))
    for block in (block.strip() for block in blocks if block.lstrip().startswith("|")):
        table = [row.strip() for row in block.splitlines()]  # a table in a list is indented
        rows = [re.sub(r"`[^`]*`", "", row).replace(r"\|", "").count("|") for row in table]
        assert re.fullmatch(r"\|(---\|)+", table[1]), table[0]
        assert len(set(rows)) == 1, table[0]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_a_place_in_the_docs(command):
    assert f"## toril {command}\n" in (ROOT / "docs" / "reference" / "cli.md").read_text()


def test_the_suite_on_the_first_screen_is_divided_as_it_says(tmp_path):
    readme = (ROOT / "README.md").read_text()
    (tmp_path / "suite.yml").write_text(re.findall(r"^```yaml\n(.*?)^```", readme, re.MULTILINE | re.DOTALL)[0])
    plan = make_plan(read_suite([tmp_path], env={"SHOP_URL": "http://shop"}), run_id="docs", workers=None)
    assert [share.worker for share in plan.shares] == ["madrid-1", "sevilla-1"]
    assert [share.executions[0].concurrency for share in plan.shares] == [10, 10]
    assert not plan.warnings


def test_every_format_of_report_is_explained():
    page = (ROOT / "docs/how-to/read-a-report.md").read_text()
    assert not [name for name in FORMATS if f"`{name}`" not in page]


def test_every_exit_code_is_explained():
    codes = {*EXIT_CODES.values(), errors.UserError.exit_code, errors.InfrastructureError.exit_code}
    codes |= {cli.INTERNAL_ERROR, INTERRUPTED}
    page = (ROOT / "docs/reference/exit-codes.md").read_text()
    assert [int(code) for code in re.findall(r"^\| (\d+) \|", page, re.MULTILINE)] == sorted(codes)

"""`toril explain`, the codes that the terminal prints, and the commands and pages that it names next."""

import sys
from pathlib import Path

import pytest

from tests.reports.runs import small, store_run
from toril import cli
from toril.cli.streams import with_store
from toril.explain import codes

ROOT = Path(__file__).parents[2]
SLOW = "20261124T160000Z-shop-0002"


@pytest.fixture
def toril(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """Calls the command in an empty folder; returns exit code, output and errors."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")

    def call(*arguments: str) -> tuple[object, str, str]:
        monkeypatch.setattr(sys, "argv", ["toril", *arguments])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        return ended.value.code, *capsys.readouterr()

    return call


def test_a_code_is_explained_with_its_outcome_and_fix(toril) -> None:
    code, out, _ = toril("explain", "saturated")
    assert code == 0
    assert out.startswith("saturated · reasons of a verdict · inconclusive\n")
    assert "Fix: " in out
    assert max(map(len, out.splitlines())) <= 80


def test_codes_are_explained_as_a_message_shows_them(toril) -> None:
    _, one, _ = toril("explain", "unknown-key")
    assert toril("explain", "[unknown-key]") == (0, one, "")
    assert toril("explain", "unknown-key", "unknown-key")[1] == f"{one}\n{one}"


def test_without_a_code_all_are_listed_by_area(toril) -> None:
    code, out, _ = toril("explain")
    assert (code, [line.split()[0] for line in out.splitlines() if line.startswith("  ")]) == (
        0,
        [one.name for one in codes()],
    )


def test_an_unknown_code_gets_the_nearest_ones(toril) -> None:
    code, out, err = toril("explain", "satureted")
    assert (code, out) == (2, "")
    assert "`saturated`" in err


def test_an_error_ends_with_its_code_and_the_command_that_explains_it(toril) -> None:
    code, _, err = toril("plan", "nothing.yml")
    assert code == 2
    assert err.startswith("error: ")
    first, last = err.splitlines()
    assert first.endswith(" [unreadable-file]")
    assert last == "cause and fix: toril explain unreadable-file"


def test_a_failed_run_is_found_and_explained_in_two_commands(toril, tmp_path: Path) -> None:
    store_run(tmp_path / "elsewhere", SLOW, small(90), "p95>50ms")
    toril("report", SLOW, "--store", "elsewhere")
    code, out, err = toril("runs", "--suite", "shop", "--outcome", "failed", "--store", "elsewhere")
    assert (code, "[breach]" in out) == (0, True)
    assert err == f"next: toril report {SLOW} --store elsewhere\n"
    _, out, _ = toril(*err.split()[2:])
    assert "[breach]" in out
    assert out.rstrip().endswith("cause and fix: toril explain breach")


def test_a_passed_report_names_no_code(toril, tmp_path: Path) -> None:
    store_run(tmp_path / ".toril", SLOW, small(90), "p95>250ms")
    assert "toril explain" not in toril("report", SLOW)[1]


@pytest.mark.parametrize(
    ("arguments", "shown"),
    [
        ("watch x --store s3://b", "use `toril watch x --store s3://b`"),
        ("watch x --store=s3://b/a", "use `toril watch x --store s3://b/a`"),
        ("watch x --store .toril", "use `toril watch x`"),
        ("watch x", "use `toril watch x`"),
        ("watch x --store s3://own", "use `toril watch x`"),
    ],
)
def test_a_command_in_a_message_names_the_store_that_the_reader_needs(monkeypatch, arguments: str, shown: str) -> None:
    monkeypatch.setenv("TORIL_STORE", "s3://own")
    assert with_store("use `toril watch x`", arguments.split()) == shown
    assert with_store("`toril runs --store s3://c`, `toril login`", arguments.split()) == (
        "`toril runs --store s3://c`, `toril login`"
    )


def test_each_help_ends_with_a_guide_that_exists(toril) -> None:
    assert cli.GUIDES.keys() == {"", *cli.COMMANDS}
    for name, page in cli.GUIDES.items():
        assert (ROOT / "docs" / f"{page}.md").is_file(), page
        command = cli.command(name) if name else cli.app.info
        assert f"docs/{page}.md" in str(command.epilog)
    assert "Guide: docs/how-to/compare.md" in toril("suite", "pin", "--help")[1].rstrip().splitlines()[-1]


@pytest.mark.parametrize("name", ["plan", "fetch", "logout", "doctor", "engines", "init"])
def test_examples_in_a_help_are_indented(toril, name: str) -> None:
    lines = toril(name, "--help")[1].splitlines()
    assert lines[lines.index(next(line for line in lines if line.startswith(" Examples:"))) + 1].startswith("   toril")

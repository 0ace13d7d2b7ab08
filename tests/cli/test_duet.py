"""`toril duet`: its options, the exchange of deployments, and plans without a start."""

import json
import shlex
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from tests.duets import BASE_URL, HEAD_URL, SWITCHED
from tests.refusals import refused
from tests.regression.series import nights
from toril import cli
from toril.cli import duet as module
from toril.errors import OptionError
from toril.records import Plan
from toril.records.history import KeptChange, KeptDuet
from toril.runs.history import remember
from toril.runs.publish import LocalSuite
from toril.store import FolderStore

BOTH = ("--base", BASE_URL, "--head", HEAD_URL)


@pytest.fixture
def suite(tmp_path: Path) -> str:
    (tmp_path / "suite.yml").write_text(SWITCHED)
    return str(tmp_path)


def call(*arguments: object) -> Any:
    return CliRunner().invoke(cli.app, ["duet", *map(str, arguments)], catch_exceptions=False)


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ((), "missing-option"),
        (("--base", BASE_URL), "missing-option"),
        (("--head", HEAD_URL), "missing-option"),
        ((*BOTH, "--aa"), "conflicting-options"),
        (("--base", BASE_URL, "--aa", "--swap", "true"), "conflicting-options"),
        ((*BOTH, "--time", "2m", "--blocks", 8), "conflicting-options"),
        (("--plan", "detect nothing"), "option-value"),
        (("--plan", "detect 0%"), "option-value"),
    ],
)
def test_incomplete_options_are_refused(suite: str, options: tuple[str, ...], code: str) -> None:
    with refused(code, error=OptionError):
        call(suite, *options)


class Runs:
    """Stands for the runs of suites: it keeps their plans, and ends with the given exit codes."""

    def __init__(self, *codes: int) -> None:
        self.codes, self.plans = list(codes), list[Plan]()

    def __call__(
        self, suite: AbstractContextManager[LocalSuite], wanted: Any, plan_of: Any, *_: Any, **__: Any
    ) -> None:
        with suite as found:
            self.plans.append(plan_of(found.paths, wanted, 0.0)[1])
        raise typer.Exit(self.codes.pop(0))


def planned(monkeypatch: pytest.MonkeyPatch, codes: Sequence[int], *arguments: object) -> tuple[int, list[Plan]]:
    """Returns the exit code of the command, and the plans of its runs."""
    runs = Runs(*codes)
    monkeypatch.setattr(module, "run_to_verdict", runs)
    return call(*arguments).exit_code, runs.plans


def test_a_duet_of_base_with_itself(monkeypatch: pytest.MonkeyPatch, suite: str) -> None:
    code, (plan,) = planned(monkeypatch, [0], suite, "--base", BASE_URL, "--aa", "--seed", 7, "--block", "3s")
    assert code == 0 and plan.duet is not None
    assert (plan.duet.base, plan.duet.head, plan.duet.aa) == (BASE_URL, BASE_URL, True)
    assert (plan.duet.seed, plan.duet.block_s) == (7, 3.0)


def test_an_exchange_is_followed_by_a_second_half_with_exchanged_addresses(
    monkeypatch: pytest.MonkeyPatch, suite: str, tmp_path: Path
) -> None:
    script = "import json, os; json.dump({k: v for k, v in os.environ.items() if 'TORIL' in k}, open('seen', 'w'))"
    monkeypatch.chdir(tmp_path)
    swap = shlex.join([sys.executable, "-c", script])
    code, plans = planned(monkeypatch, [1, 3], suite, *BOTH, "--swap", swap, "--run-id", "second")
    assert code == 3
    first, second = (plan.duet for plan in plans)
    assert first is not None and second is not None
    assert (first.base, first.head, first.first_half) == (BASE_URL, HEAD_URL, "")
    assert (second.base, second.head, second.first_half) == (HEAD_URL, BASE_URL, plans[0].run_id)
    assert first.looks == second.looks == (38,) and plans[1].run_id == "second"
    seen = json.loads((tmp_path / "seen").read_text())
    assert {"TORIL_BASE_URL": BASE_URL, "TORIL_HEAD_URL": HEAD_URL}.items() <= seen.items()


@pytest.mark.parametrize(
    ("addresses", "runs"),
    [(BOTH, 2), (("--base", BASE_URL, "--head", BASE_URL), 1), (("--base", BASE_URL, "--aa"), 1)],
)
def test_the_variable_exchanges_two_hosts_by_default(
    monkeypatch: pytest.MonkeyPatch, suite: str, addresses: tuple[str, ...], runs: int
) -> None:
    monkeypatch.setenv("TORIL_SWAP", "true")
    _, plans = planned(monkeypatch, [0, 0], suite, *addresses)
    assert len(plans) == runs


def test_a_time_replaces_the_suites_number_of_blocks(monkeypatch: pytest.MonkeyPatch, suite: str) -> None:
    _, (plan,) = planned(monkeypatch, [0], suite, *BOTH, "--time", "2m", "-o", "toril.regression.blocks=9")
    assert plan.duet is not None and plan.duet.blocks == 30


@pytest.mark.parametrize("ended", [130, 4])
def test_a_first_half_without_a_verdict_is_not_exchanged(
    monkeypatch: pytest.MonkeyPatch, suite: str, ended: int
) -> None:
    code, plans = planned(monkeypatch, [ended], suite, *BOTH, "--swap", "/nowhere/program")
    assert (code, len(plans)) == (ended, 1)


def test_a_failed_exchange_ends_the_command(monkeypatch: pytest.MonkeyPatch, suite: str) -> None:
    with refused("hook-failed", error=OptionError):
        planned(monkeypatch, [0], suite, *BOTH, "--swap", "/nowhere/program")


def remembered(tmp_path: Path) -> FolderStore:
    """Returns a store with three duets of the suite, whose pairs differ by 10 %."""
    store = FolderStore(tmp_path / "store")
    changes = tuple(
        KeptChange(label="", metric=metric, change=0.0, spread=spread, detectable=0.01, pairs=20, outcome="passed")
        for metric, spread in (("p95", 0.1), ("failures", 0.002))
    )
    kept = KeptDuet(aa=True, margin=0.03, most=40, pairs=20, block_s=2.0, voided=0, changes=changes)
    for record in nights([40_000] * 3, suite=tmp_path.name, kind="duet", duet=kept):
        remember(store, record)
    return store


def test_the_plan_states_the_margin_that_earlier_duets_let_expect(
    monkeypatch: pytest.MonkeyPatch, suite: str, tmp_path: Path
) -> None:
    run = (suite, "--base", BASE_URL, "--head", BASE_URL, "--store", tmp_path / "store")
    (unknown,) = planned(monkeypatch, [0], *run)[1]
    remembered(tmp_path)
    (small,), (large,) = (planned(monkeypatch, [0], *run, "--margin", margin)[1] for margin in ("3%", "4%"))
    assert [plan.warning_codes for plan in (unknown, small, large)] == [(), ("provable-margin",), ("provable-margin",)]
    assert "prove a margin of 4 %" in small.warnings[0] and "`--time 9m`" in small.warnings[0]
    assert "--time" not in large.warnings[0]


def test_a_plan_is_printed_by_the_spread_of_earlier_duets(suite: str, tmp_path: Path) -> None:
    plan = ("--plan", "detect 10%", "--store", tmp_path / "store")
    assert "toril duet --aa" in call(suite, *plan).output
    remembered(tmp_path)
    lines = call(suite, *plan).output.splitlines()
    assert len(lines) == 5 and lines[3].startswith("p95 of all requests decides: --blocks "), lines
    assert "provable-margin" in lines[4]
    assert not (tmp_path / "store" / "runs").exists()

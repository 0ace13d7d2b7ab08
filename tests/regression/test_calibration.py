"""What stored duets show: spread, false alarms, and the pairs and margins that follow."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.regression.series import nights
from tests.regression.test_pairs import duet
from toril.errors import OptionError
from toril.records.history import Fingerprint, HistoryRecord, KeptChange, KeptDuet
from toril.regression.calibration import Calibration, calibrate, expected, propose, provable, warning

ORACLE = json.loads((Path(__file__).parent.parent / "stats" / "oracle.json").read_text())
LIKE = Fingerprint(suite="5" * 16, size="1x2", locations="local")
REASONS = {"passed": "aa-clean", "failed": "aa-false-alarm", "inconclusive": "unproven"}


def stored(
    outcomes: Sequence[str], *, spread: float = 0.054, change: float = 0.0, pairs: int = 10, **more: Any
) -> list[HistoryRecord]:
    """Returns A/A duets with these outcomes, the newest first."""
    kept = KeptChange(label="checkout", metric="p95", change=change, spread=spread, pairs=pairs)
    fields: dict[str, Any] = {"aa": True, "margin": 0.03, "most": 10, "pairs": 10, "block_s": 2.0, "changes": (kept,)}
    found = KeptDuet(**fields | more)
    return [nights([4e4], outcome=one, reasons=(REASONS[one],), duet=found)[0] for one in outcomes]


def test_without_duets_nothing_is_known(tmp_path: Path) -> None:
    found = calibrate(nights([40_000.0] * 3), LIKE)
    assert (found.duets, found.aa, found.alarms, found.rate_low, dict(found.spread)) == (0, 0, 0, 0.0, {})
    plan = duet(tmp_path, labels=("checkout",))
    assert warning(found, plan) is None
    assert expected(found, plan) is None
    assert [one.margin for one in propose(found, plan, 0.1)] == [None, None]


def test_spreads_are_pooled_by_their_degrees_of_freedom() -> None:
    found = calibrate([*stored(["passed"], spread=0.03, pairs=5), *stored(["passed"], spread=0.06, pairs=9)], LIKE)
    assert found.spread["checkout", "p95"] == pytest.approx(
        ((4 * 2 * 0.03**2 + 8 * 10 / 9 * 0.06**2) / 12) ** 0.5
    )  # 10 pairs were joined


def test_other_suites_and_other_lengths_of_blocks_show_no_spread(tmp_path: Path) -> None:
    found = calibrate([*stored(["passed"]), *stored(["passed"], spread=9.0, block_s=5.0)], LIKE)
    assert found.spread["checkout", "p95"] == pytest.approx(0.054)
    assert calibrate(stored(["passed"]), Fingerprint(suite="6" * 16)).duets == 0
    plan = duet(tmp_path, labels=("checkout",), block_s=5.0)
    assert expected(found, plan) is None
    assert expected(found, duet(tmp_path, labels=("checkout",))) == pytest.approx(0.0552, abs=0.001)


@pytest.mark.parametrize(("part", "whole", "low"), ORACLE["share"])
def test_the_rate_of_false_alarms_has_an_exact_bound(part: int, whole: int, low: float) -> None:
    found = calibrate(stored(["failed"] * part + ["passed"] * (whole - part)), LIKE)
    assert (found.alarms, found.aa) == (part, whole)
    assert found.rate_low == pytest.approx(low, rel=1e-6)


@pytest.mark.parametrize(("alarms", "code"), [(1, None), (3, "aa-rate")])
def test_a_gate_that_fails_too_often_without_a_change_is_reported(
    tmp_path: Path, alarms: int, code: str | None
) -> None:
    found = calibrate(stored(["failed"] * alarms + ["passed"] * (40 - alarms), change=0.02), LIKE)
    note = warning(found, duet(tmp_path, labels=("checkout",)))
    assert (note and note.code) == code


def test_duets_that_prove_nothing_about_the_rule_do_not_count() -> None:
    passed, undecided = stored(["passed", "inconclusive"])
    others = [replace(undecided, reasons=codes) for codes in (("saturated",), ("stopped", "unproven"))]
    found = calibrate([passed, undecided, *others], LIKE)
    assert (found.duets, found.aa) == (4, 2)


def test_pairs_and_margin_follow_from_the_spread(tmp_path: Path) -> None:
    found = calibrate(stored(["passed"] * 3), LIKE)
    plan = duet(tmp_path, labels=("checkout",), warm_s=2, gap_s=0.2, turn_s=2)
    times, failures = propose(found, plan, 0.1)
    assert (times.pairs, failures.margin) == (10, None)
    assert times.minutes == pytest.approx((4 + 10 * 4.4) / 60)
    assert times.margin == 0.065
    assert propose(found, plan, 0.031)[0].pairs is None
    with pytest.raises(OptionError) as error:
        propose(found, plan, 0.03)
    assert error.value.code == "not-detectable"


def test_the_provable_margin_is_that_of_the_widest_figure(tmp_path: Path) -> None:
    found = calibrate(stored(["passed"] * 3), LIKE)
    plan = duet(tmp_path, labels=("checkout",))
    note = provable(found, plan)
    assert note is not None and note.code == "provable-margin"
    assert "3 earlier duets, 10 pairs prove a margin of 6.5 % of p95 of checkout" in note.message
    assert "--time 4m" in note.message  # 40 s · (6.5 / 3)²
    assert provable(calibrate([], LIKE), plan) is None


def known(record: HistoryRecord, change: KeptChange) -> Calibration:
    """Returns the experience from one duet with one more figure."""
    assert record.duet is not None
    return calibrate([replace(record, duet=replace(record.duet, changes=(*record.duet.changes, change)))], LIKE)


def test_a_service_without_failures_needs_no_more_pairs_for_them(tmp_path: Path) -> None:
    never = KeptChange(metric="failures", change=0.0, spread=0.0, pairs=10)
    found = known(stored(["passed"])[0], never)
    times, failures = propose(found, duet(tmp_path, labels=("checkout",)), 0.1)
    assert times.pairs is not None and failures.pairs is not None
    assert (failures.pairs < times.pairs, failures.margin) == (True, 0.005)


def test_a_loss_of_throughput_is_found_by_its_logarithm(tmp_path: Path) -> None:
    """log(1.21) is below -log(0.8)."""
    found = known(stored(["passed"])[0], KeptChange(label="checkout", metric="throughput", spread=0.054, pairs=10))
    plan = duet(tmp_path, labels=("checkout",), metrics=("throughput",), margin=0.2)
    assert propose(found, plan, 0.21)[0].pairs is not None


def test_a_bias_between_equal_arms_needs_a_larger_margin(tmp_path: Path) -> None:
    plan = duet(tmp_path, labels=("checkout",))
    plain, biased = (calibrate(stored(["passed"] * 3, change=change), LIKE) for change in (0.0, 0.02))
    assert isinstance(biased, Calibration)
    assert (propose(plain, plan, 0.1)[0].margin, propose(biased, plan, 0.1)[0].margin) == (0.065, 0.09)

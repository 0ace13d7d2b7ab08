"""Missing, duplicate, exchanged or cut interval files: no sample counts twice, and no loss is silent."""

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.pathological.brute import MS, Raw, check_summary, interval_files, plan_for, store_run
from toril.runs.conclude import judge_again
from toril.timeline import Timeline
from toril.timeline.intervals import decode

SAMPLES = [
    Raw(n / 20, (n % 90 + 10) * MS, label=("home", "cart")[n % 2], worker=f"local-{n % 3 + 1}", ok=n % 9 > 0)
    for n in range(300)
]
FILES = interval_files(SAMPLES, cut=0.1, seed=7)
HELD = {name: [decode(data, name).samples for data in files] for name, files in FILES.items()}


def judged_with(folder: Path, spoil: Callable[[list[Path]], object], *criteria: str):
    """Returns the judged run after `spoil` has changed the files of worker local-2."""
    plan = plan_for(SAMPLES, *criteria)
    store = store_run(folder, plan, FILES, SAMPLES)
    spoil(sorted(folder.glob("runs/*/workers/local-2/*/intervals-*")))
    return judge_again(store, plan.run_id)


def remaining(*lost: int) -> int:
    return len(SAMPLES) - sum(HELD["local-2"][index] for index in lost)


def cut_off(files):
    files[1].write_bytes(files[1].read_bytes()[:-1])


def flipped(files):
    data = bytearray(files[1].read_bytes())
    data[len(data) // 2] ^= 4
    files[1].write_bytes(data)


def emptied(files):
    files[1].write_bytes(b"")


def removed(files):
    files[1].unlink()


def doubled(files):
    files[1].write_bytes(files[0].read_bytes())


def of_another(files):
    files[1].write_bytes(FILES["local-1"][1])


@pytest.mark.parametrize("spoil", [cut_off, flipped, emptied, removed, doubled, of_another])
def test_a_damaged_file_is_left_out_and_makes_the_run_inconclusive(tmp_path, spoil):
    bundle = judged_with(tmp_path, spoil, "p95>10s")
    assert bundle.summary.total.samples == remaining(1)
    assert len(bundle.summary.workers.damaged_files) == 1
    assert "local-2" in bundle.summary.workers.damaged_files[0]
    assert bundle.outcome == "inconclusive"
    assert {reason.code for reason in bundle.verdict.reasons} == {"damaged-file"}


def test_two_exchanged_files_are_both_left_out(tmp_path):
    def exchange(files):
        first, second = files[0].read_bytes(), files[1].read_bytes()
        files[0].write_bytes(second)
        files[1].write_bytes(first)

    bundle = judged_with(tmp_path, exchange)
    assert bundle.summary.total.samples == remaining(0, 1)
    assert bundle.outcome == "inconclusive"


def test_an_additional_copy_of_a_file_is_not_counted(tmp_path):
    bundle = judged_with(
        tmp_path, lambda files: files[0].with_name("intervals-000999").write_bytes(files[-1].read_bytes())
    )
    assert bundle.summary.total.samples == len(SAMPLES)
    assert bundle.outcome == "inconclusive"


def test_a_breach_that_a_missing_file_could_prevent_is_inconclusive(tmp_path):
    lost = HELD["local-2"][1]
    failures = sum(not one.ok for one in SAMPLES)
    assert lost and failures
    (tmp_path / "near").mkdir()
    bundle = judged_with(tmp_path / "near", removed, f"succ<{len(SAMPLES) - failures - lost + 1}")
    assert bundle.outcome == "inconclusive"
    bundle = judged_with(tmp_path / "sure", removed, "fail>5%")
    assert bundle.outcome == "failed"


@pytest.mark.parametrize("seed", range(5))
def test_the_order_of_files_changes_no_figure(tmp_path, seed):
    whole = judged_with(tmp_path, lambda _: None, "p95>10s")
    check_summary(whole.summary.to_dict(), SAMPLES)
    files = [decode(data, name) for name, mine in FILES.items() for data in mine]
    random.Random(seed).shuffle(files)
    timeline = Timeline(hot_blocks=4)
    for position, interval in enumerate(files):
        timeline.add(interval)
        if position % 7 == seed:
            timeline.labels()  # merges the waiting intervals
    for label in ("", "home", "cart"):
        stats = timeline.select(label).total
        expected = whole.summary.labels[label].to_dict()
        assert (stats.samples, stats.failures) == (expected["samples"], expected["failures"])
        assert stats.percentile(99) == expected["response_us"]["p99"]
        assert round(stats.mean_us) == expected["response_us"]["mean"]

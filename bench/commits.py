"""Measures searches for a commit: how often they name the right or a wrong one, and their load, beside `git bisect`.

    python bench/commits.py [--histories 200] [--others 60]     simulated histories
    python bench/commits.py --real 10 [--out FILE]              searches in git repositories, about 4 minutes each

A simulated history has 16 to 256 commits, and one of them is 5, 10 or 20 % slower. Noise is that of `bench/gate.py`,
calm or noisy, with 40 pairs of 400 requests at 200 requests per second. Each start of a version differs by 0.5 % in
addition. The other kinds of histories have two or three equal steps, an improvement before or after the step, commits
that do not start, or no change although the first duet failed.

The peer is `git bisect` with a limit on p95: a run of 100 s for each commit, and the limit halfway between a run of the
good and a run of the bad commit.

A real history has a small service whose delay is in a file of the repository. `--real` runs `toril bisect` on it, and
appends each result to `--out`; a further call runs those that are missing.

Exits with 1 if more than 5 % of the simulated histories with one step name a wrong commit.
"""

import argparse
import json
import math
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "src")]

from bench.gate import NOISES, RATE, SHORT, Noise, pairs, run_percentiles  # noqa: E402
from tests.versions import hook, repository  # noqa: E402 - scripts are run by their paths
from toril.regression.bisect import Level, locate, most_duets  # noqa: E402
from toril.regression.rule import levels_of  # noqa: E402
from toril.stats.quantiles import student_quantile  # noqa: E402
from toril.stats.sequential import looks_of  # noqa: E402

Floats = NDArray[np.float64]

COMMITS, SIZES = (16, 32, 64, 128, 256), (0.05, 0.1, 0.2)
MARGIN, ERROR, MOST = math.log1p(0.03), 0.05, 40
START = 0.005  # standard deviation between two starts of one version
SKIPPED = 0.2  # share of commits that do not start
LOOKS = looks_of(MOST)
BOUNDS = [student_quantile(1 - level, look - 1) for level, look in zip(levels_of(1, LOOKS), LOOKS, strict=True)]
PAIR_MINUTES = 2 * SHORT / RATE / 60
RUN_MINUTES = 20_000 / RATE / 60


@dataclass(frozen=True)
class History:
    levels: Floats  # of each commit after the good one
    right: frozenset[int]  # the commits that may be named
    skipped: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Found:
    outcome: str
    right: bool
    duets: int
    minutes: float


def one_step(chance: np.random.Generator, commits: int, size: float) -> History:
    place = int(chance.integers(commits))
    return History(np.where(np.arange(commits) < place, 0.0, size), frozenset({place}))


def some_steps(count: int) -> Callable[[np.random.Generator, int, float], History]:
    def made(chance: np.random.Generator, commits: int, size: float) -> History:
        places = chance.choice(commits, count, replace=False)
        return History(sum((np.arange(commits) >= place) * size / count for place in places), frozenset())

    return made


def improved(chance: np.random.Generator, commits: int, size: float, *, before: bool) -> History:
    first, last = np.sort(chance.choice(commits, 2, replace=False))
    better, worse = (first, last) if before else (last, first)
    return History(
        (np.arange(commits) >= worse) * size - (np.arange(commits) >= better) * size / 2, frozenset({int(worse)})
    )


def skipping(chance: np.random.Generator, commits: int, size: float) -> History:
    history = one_step(chance, commits, size)
    broken = np.flatnonzero(chance.random(commits - 1) < SKIPPED).tolist()
    return History(history.levels, history.right, frozenset(broken))


def unchanged(chance: np.random.Generator, commits: int, size: float) -> History:
    return History(np.zeros(commits), frozenset())


KINDS: dict[str, Callable[[np.random.Generator, int, float], History]] = {
    "two equal steps": some_steps(2),
    "three equal steps": some_steps(3),
    "an improvement before the step": lambda *of: improved(*of, before=True),
    "an improvement after the step": lambda *of: improved(*of, before=False),
    "20 % of the commits do not start": skipping,
    "no change": unchanged,
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--histories", type=int, default=200, help="with one step")
    parser.add_argument("--others", type=int, default=60, help="of each other kind")
    parser.add_argument("--real", type=int, default=0, help="real searches instead of simulated ones")
    parser.add_argument("--out", type=Path, default=Path("commits.jsonl"), help="results of real searches")
    options = parser.parse_args()
    if options.real:
        return real(options.real, options.out)
    chance, wrong = np.random.default_rng(34), 0
    calm, noisy = NOISES[:2]
    print(HEAD)
    for size in SIZES:
        for noise in (calm, noisy):
            cases = [(one_step, int(chance.choice(COMMITS)), size, noise) for _ in range(options.histories // 6 + 1)]
            results = [searched(chance, *case) for case in cases]
            wrong += sum(found.outcome == "found" and not found.right for found in results)
            peers = [plain_bisect(chance, *case) for case in cases]
            print(row(f"one step of {size:.0%}, {noise.name}".replace("%", " %"), results, peers), flush=True)
    for name, kind in KINDS.items():
        cases = [
            (kind, int(chance.choice(COMMITS)), float(chance.choice(SIZES)), (calm, noisy)[number % 2])
            for number in range(options.others)
        ]
        results = [searched(chance, *case) for case in cases]
        print(row(name, results, [plain_bisect(chance, *case) for case in cases]), flush=True)
    return int(wrong > ERROR * 6 * (options.histories // 6 + 1))


HEAD = """
| history | searches | right | wrong | other results | duets | minutes: median | 95 % | git bisect: right | minutes |
|---|---|---|---|---|---|---|---|---|---|"""


def row(name: str, results: list[Found], peers: list[Found]) -> str:
    right = np.mean([found.outcome == "found" and found.right for found in results])
    wrong = np.mean([found.outcome == "found" and not found.right for found in results])
    others = Counter(found.outcome for found in results if found.outcome != "found")
    listed = ", ".join(f"{outcome} {count}" for outcome, count in others.most_common()) or "–"
    minutes = [found.minutes for found in results]
    cells = (
        name, len(results), f"{right:.1%}", f"{wrong:.1%}", listed,
        f"{np.mean([found.duets for found in results]):.1f}",
        f"{np.median(minutes):.0f}", f"{np.percentile(minutes, 95):.0f}",
        f"{np.mean([peer.right for peer in peers]):.0%}", f"{np.median([peer.minutes for peer in peers]):.0f}",
    )  # fmt: skip
    return (
        "| "
        + " | ".join(
            str(cell).replace("%", " %") if "%" in str(cell) and " %" not in str(cell) else str(cell) for cell in cells
        )
        + " |"
    )


# --- Simulated searches


Kind = Callable[[np.random.Generator, int, float], History]


def searched(chance: np.random.Generator, kind: Kind, commits: int, size: float, noise: Noise) -> Found:
    """Returns the result of a search by toril's own rule; the first duet counts as failed."""
    history = kind(chance, commits, math.log1p(size))
    bad, skipped = commits - 1, set[int]()
    measured = [duet(chance, history, bad, MARGIN, noise)]
    while True:
        found = locate(commits, measured, skipped, MARGIN, ERROR)
        if found.outcome != "undecided" or len(measured) >= most_duets(commits):
            minutes = PAIR_MINUTES * sum(level.pairs for level in measured)
            return Found(found.outcome, found.last in history.right, len(measured), minutes)
        if found.following in history.skipped:
            skipped.add(found.following)
            continue
        of_bad = [level for level in measured if level.place == bad]
        change = sum(level.pairs * level.change for level in of_bad) / sum(level.pairs for level in of_bad)
        measured.append(duet(chance, history, found.following, max(change, MARGIN) / 2, noise))


def duet(chance: np.random.Generator, history: History, place: int, limit: float, noise: Noise) -> Level:
    """Returns a level that one duet measures, which ends at the first interim analysis that decides."""
    values = pairs(chance, noise, 1, MOST, SHORT)[0] + history.levels[place] + chance.normal(0, START)
    for bound, look in zip(BOUNDS, LOOKS, strict=True):
        mean, spread = float(values[:look].mean()), float(values[:look].std(ddof=1))
        if abs(mean - limit) > bound * spread / math.sqrt(look):
            break
    return Level(place, mean, spread, look)


def plain_bisect(chance: np.random.Generator, kind: Kind, commits: int, size: float, noise: Noise) -> Found:
    """Returns the result of `git bisect run` with a limit on p95, one run a commit."""
    history = kind(chance, commits, math.log1p(size))
    p95 = run_percentiles(chance, noise, 2)
    limit = float(p95.mean() + history.levels[-1] / 2)
    low, high, runs = -1, commits - 1, 2
    while high - low > 1:
        near = sorted(
            (place for place in range(low + 1, high) if place not in history.skipped),
            key=lambda place: abs(place - (low + high) / 2),
        )
        if not near:
            break
        runs += 1
        worse = float(run_percentiles(chance, noise, 1)[0]) + history.levels[near[0]] + chance.normal(0, START) > limit
        low, high = (low, near[0]) if worse else (near[0], high)
    return Found("found", high in history.right and high - low == 1, runs, runs * RUN_MINUTES)


# --- Real searches


LOAD = {
    "execution": {"executor": "vegeta", "throughput": 200, "hold-for": "1m", "scenario": "own"},
    "scenarios": {"own": {"default-address": "${OWN_URL}", "requests": [{"url": "/", "label": "own"}]}},
    "toril": {"regression": {"block": "1s", "time": "40s", "labels": ["own"], "metrics": ["p95"]}},
}
DELAY_S, BROKEN = 0.02, 0.1
LIMIT_S = 3_600


def real(count: int, out: Path) -> int:
    """Runs the missing searches, and prints all of them."""
    known = [json.loads(line) for line in out.read_text().splitlines()] if out.exists() else []
    for seed in range(len(known), count):
        known.append(real_search(seed))
        with out.open("a") as file:
            file.write(json.dumps(known[-1]) + "\n")
    print("| seed | commits | step | result | right | duets | pairs | minutes of load | minutes in all |")
    print("|---|---|---|---|---|---|---|---|---|")
    for one in known:
        print("| " + " | ".join(map(str, one.values())) + " |")
    return int(any(one["result"] == "found" and not one["right"] for one in known))


def real_search(seed: int) -> dict[str, object]:
    """Makes a repository with a slower commit, some broken ones and one faster one, and searches it."""
    chance = random.Random(seed)
    commits, size = chance.choice((8, 16, 32)), chance.choice((0.2, 0.3, 0.5))
    place = chance.randrange(commits)
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        (folder / "own.json").write_text(json.dumps(LOAD))
        delays_s = [DELAY_S * (1 + size * (number > place)) for number in range(commits + 1)]
        broken = [number for number in range(1, commits) if chance.random() < BROKEN]
        hashes = repository(folder / "clone", delays_s, broken)
        began = time.monotonic()
        done = subprocess.run(
            [
                sys.executable, "-m", "toril", "bisect", str(folder / "own.json"),
                "--good", hashes[0], "--bad", hashes[-1],
                "--start", hook(folder), "--clone", str(folder / "clone"),
                "--store", str(folder / "store"), "--format", "json", "--quiet",
            ],
            capture_output=True, text=True, timeout=LIMIT_S, check=False,
            env={**os.environ, "PYTHONPATH": str(ROOT / "src"), "OWN_URL": "http://127.0.0.1:1"},
        )  # fmt: skip
        assert done.returncode in (0, 3), done.stderr
        found = json.loads(done.stdout)
        used = sum(one["pairs"] for one in found["duets"])
        right = hashes[place + 1] in found["candidates"] and found["outcome"] in ("found", "range")
        return {
            "seed": seed, "commits": commits, "step": f"{size:.0%}", "result": found["outcome"], "right": right,
            "duets": sum(not one["skipped"] for one in found["duets"]), "pairs": used,
            "minutes of load": round(used * 2 / 60, 1), "minutes in all": round((time.monotonic() - began) / 60, 1),
        }  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())

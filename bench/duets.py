"""Measures real duets: their time beside the load, the time until a slowdown is proven, and how often they are wrong.

    python bench/duets.py --wall                     load and time of whole duets, for each engine, about 8 minutes
    python bench/duets.py --find 15 5                seconds until +15 % and +5 % are proven, for vegeta and Locust
    python bench/duets.py --aa 60 --slow 30 --neighbours 18      duets of the demo shop, about two hours
    python bench/duets.py --record                   pairs of blocks without a change, for bench/gate.py; also with --aa

`--aa` and `--slow` compare two processes of the shop (`bench/shop-duet`); with `--slow`, head takes 10 % longer. Each
duet adds a line to `--out`, and a further call runs those that are missing. `--neighbours SEED` starts two programs
beside each duet: one computes in bursts, one writes files. Services have the last core, engines the others.
"""

import argparse
import contextlib
import json
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "src")]

from tests.targets import Target, opened  # noqa: E402 - scripts are run by their paths
from toril.records import Exit, Plan, Start, Stop  # noqa: E402

SUITE = ROOT / "bench" / "shop-duet"
DATA = ROOT / "bench" / "data"
MEDIAN_S, SPREAD = 0.05, 0.35  # of the own service's response times, which are log-normal
LOADS = {  # of the own service
    "vegeta": {"throughput": 1000},
    "locust": {"concurrency": 30},
    "jmeter": {"concurrency": 30},
}
LIGHT = {"throughput": 200}  # as in bench/gate.py
UNDECIDED = "0.1%"  # a margin that two equal versions reach too rarely to be decided
KINDS = {"aa": 0, "slow": 10}  # of the shop's duets, and percent that head takes longer
DUET_S = 500  # longer than any duet
BURST_S, DUTY, FILE_BYTES = (0.2, 3.0), 0.3, 20 << 20  # of neighbours


# --- Services, neighbours and duets


class Service(Target):
    """Responds after log-normal times."""

    @property
    def delay_s(self) -> float:
        return self.median_s * random.lognormvariate(0, SPREAD)

    @delay_s.setter
    def delay_s(self, value: float) -> None:
        self.median_s = value


def serve(slower: float) -> None:
    """Run the own service until stdin closes."""
    with opened(Service(MEDIAN_S * (1 + slower / 100), 200, b"x" * 64)) as service:
        print(service.url, flush=True)
        sys.stdin.read()


def compute(seed: int) -> None:
    """Compute in bursts."""
    chance = random.Random(seed)
    while True:
        burst_s = chance.uniform(*BURST_S)
        until = time.monotonic() + burst_s
        while time.monotonic() < until:
            pass
        time.sleep(burst_s * (1 - DUTY) / DUTY)


def write(seed: int) -> None:
    """Write a file of the working folder to the disk again and again, with pauses."""
    chance = random.Random(seed)
    while True:
        with Path("neighbour").open("wb") as file:
            file.write(chance.randbytes(FILE_BYTES))
            file.flush()
            os.fsync(file.fileno())
        time.sleep(chance.uniform(*BURST_S))


NEIGHBOURS = {"compute": compute, "write": write}


@contextlib.contextmanager
def program(
    *command: object, core: bool = False, folder: str | None = None, **variables: str
) -> Iterator["subprocess.Popen[str]"]:
    """Starts a Python program, which ends when its stdin closes; `core` restricts it to the last core."""
    process = subprocess.Popen(
        [sys.executable, *map(str, command)],
        cwd=folder,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, **variables},
        text=True,
    )
    if core:
        os.sched_setaffinity(process.pid, cores()[1])
    try:
        yield process
    finally:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.communicate(timeout=5)
        process.kill()
        process.wait()


def cores() -> tuple[set[int], set[int]]:
    """Returns the cores of engines and those of services."""
    usable = sorted(os.sched_getaffinity(0))
    return set(usable[:-1]) or set(usable), set(usable[-1:])


@contextlib.contextmanager
def pair(command: Sequence[object], head: dict[str, str], more: Sequence[object] = ()) -> Iterator[tuple[str, str]]:
    """Starts a service twice, head with more arguments and variables; returns their addresses."""
    with program(*command, core=True) as one, program(*command, *more, core=True, **head) as other:
        assert one.stdout is not None
        assert other.stdout is not None
        yield one.stdout.readline().strip(), other.stdout.readline().strip()


def shops(slower: float) -> "contextlib.AbstractContextManager[tuple[str, str]]":
    command = (ROOT / "loadtests" / "shop" / "service.py", "--until-stdin-closes")
    return pair(command, {"SLOWER": f"{slower:g}"})


def own_services(slower: float) -> "contextlib.AbstractContextManager[tuple[str, str]]":
    return pair((__file__, "--serve"), {}, (f"{slower:g}",))


@contextlib.contextmanager
def neighbours(seed: int | None) -> Iterator[None]:
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        for place, name in enumerate(NEIGHBOURS if seed is not None else ()):
            command = (Path(__file__).resolve(), "--neighbour", name, (seed or 0) * 2 + place)
            stack.enter_context(program(*command, folder=folder))
        yield


def suite_of(engine: str, folder: Path, load: dict[str, int] | None = None) -> Path:
    """Writes a suite for the own service."""
    execution = {"executor": engine, "scenario": "home", "hold-for": "1m", **(load or LOADS[engine])}
    scenario = {"default-address": "${HOME_URL}", "requests": [{"url": "/", "label": "home"}]}
    content = {
        "execution": [execution],
        "scenarios": {"home": scenario},
        "toril": {"regression": {"margin": "3%", "block": "2s", "labels": ["home"], "metrics": ["p95"]}},
    }
    path = folder / "suite.yml"
    path.write_text(json.dumps(content))
    return path


def duet(suite: Path, addresses: tuple[str, str], folder: Path, *options: object) -> dict[str, Any]:
    """Runs a duet and returns its figures."""
    store = folder / "store"
    command = [sys.executable, "-m", "toril", "duet", str(suite), "--base", addresses[0], "--head", addresses[1]]
    began = time.monotonic()
    process = subprocess.Popen(
        [*command, "--store", str(store), "--quiet", *map(str, options)],
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    os.sched_setaffinity(process.pid, cores()[0])
    try:
        output, _ = process.communicate(timeout=DUET_S)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate()
    took_s = time.monotonic() - began
    verdicts = list(store.glob("runs/*/verdict.json"))
    if not verdicts:
        sys.exit(f"The duet has no verdict: {output[-2000:]}")
    return {**figures_of(verdicts[0].parent), "code": process.returncode, "whole_s": round(took_s, 1)}


def figures_of(run: Path) -> dict[str, Any]:
    """Returns the outcome of a stored duet, its times in seconds from the start signal, and its pairs in µs."""
    verdict = json.loads((run / "verdict.json").read_text())
    plan = Plan.from_json((run / "plan.json").read_bytes(), "plan.json")
    start = Start.from_json((run / "start.json").read_bytes(), "start.json")
    exits = [Exit.from_json(path.read_bytes(), path.name) for path in run.glob("workers/*/*/exit.json")]
    ended_s = max(report.ended_s or 0.0 for one in exits for report in one.executions.values())
    stopped = run / "stop.json"
    decided_s = Stop.from_json(stopped.read_bytes(), stopped.name).at - start.at if stopped.exists() else ended_s
    assert plan.duet is not None
    comparison = verdict["comparison"]
    load = [min(turn.ends_s, ended_s) - turn.starts_s for turn in plan.duet.turns() if turn.starts_s < ended_s]
    return {
        "outcome": verdict["outcome"],
        "compared": comparison["outcome"],
        "reasons": sorted({one["code"] for one in verdict["reasons"]}),
        "look": comparison.get("look"),
        "voided": comparison.get("voided", 0),
        "load_s": round(sum(load), 1),
        "wall_s": round(ended_s, 1),
        "decided_s": round(decided_s, 1),
        "changes": {f"{one['metric']} of {one['label']}": one.get("change") for one in comparison["metrics"]},
        "pairs": {
            one["label"]: [
                (pair["base"], pair["head"])
                for pair in one.get("pairs", ())
                if pair.get("base") and pair.get("head") and not pair.get("void")
            ]
            for one in comparison["metrics"]
            if one["metric"].startswith("p")
        },
    }


# --- What is measured


def wall(engines: Sequence[str]) -> None:
    print("\n| engine | load | from start signal to end | ratio (goal 1.15) | whole command | ratio |")
    print("|---|---|---|---|---|---|")
    for engine in engines:
        with tempfile.TemporaryDirectory() as name, own_services(0) as addresses:
            folder = Path(name)
            found = duet(suite_of(engine, folder), addresses, folder, "--blocks", 33, "--margin", UNDECIDED)
        load_s, wall_s, whole_s = found["load_s"], found["wall_s"], found["whole_s"]
        times = f"{load_s:.0f} s | {wall_s:.0f} s | {wall_s / load_s:.2f} | {whole_s:.0f} s | {whole_s / load_s:.2f}"
        print(f"| {engine} | {times} |", flush=True)


def find(engines: Sequence[str], changes: Sequence[float]) -> None:
    print("\n| engine | slowdown | outcome | decided after | pairs | void |")
    print("|---|---|---|---|---|---|")
    for engine in engines:
        for change in changes:
            with tempfile.TemporaryDirectory() as name, own_services(change) as addresses:
                folder = Path(name)
                found = duet(suite_of(engine, folder), addresses, folder)
            times = f"{found['decided_s']:.0f} s | {found['look']} | {found['voided']}"
            print(f"| {engine} | +{change:g} % | {found['outcome']} | {times} |", flush=True)


def record(engines: Sequence[str], runs: int) -> None:
    """Write the pairs of duets without a change."""
    for engine in engines:
        for _ in range(runs):
            with tempfile.TemporaryDirectory() as name, own_services(0) as addresses:
                folder = Path(name)
                found = duet(suite_of(engine, folder), addresses, folder, "--margin", UNDECIDED)
            keep(engine, found["pairs"])


def keep(name: str, pairs: dict[str, list[list[float]]]) -> None:
    """Adds the pairs of a duet without a change to those that `bench/gate.py --recorded` reads."""
    DATA.mkdir(exist_ok=True)
    path = DATA / f"pairs-{name}.json"
    known: dict[str, list[list[list[float]]]] = json.loads(path.read_text()) if path.exists() else {}
    for label, values in pairs.items():
        known.setdefault(label, []).append(values)
    path.write_text(json.dumps(known, separators=(",", ":")) + "\n")


def judge(
    wanted: dict[str, int],
    rule: Sequence[object],
    seed: int | None,
    at_once: int,
    recorded: bool,
    light: bool,
    out: Path,
    until_s: float,
) -> None:
    """Run the duets that `out` does not have, and print the table of all; `light` ones have the own service."""
    out.parent.mkdir(parents=True, exist_ok=True)
    done = [json.loads(line) for line in out.read_text().splitlines()] if out.exists() else []
    known = {(one["kind"], one["number"]) for one in done}
    writing = threading.Lock()

    def run(kind: str, number: int) -> None:
        if time.monotonic() > until_s:
            return
        beside = neighbours(None if seed is None else 1000 * seed + number)
        services = own_services if light else shops
        with tempfile.TemporaryDirectory() as name, services(KINDS[kind]) as addresses, beside:
            suite = suite_of("vegeta", Path(name), LIGHT) if light else SUITE
            found = duet(suite, addresses, Path(name), "--seed", number, *rule)
        found = {"kind": kind, "number": number, **found}
        with writing:
            if recorded and kind == "aa":
                keep("shop", found["pairs"])
            done.append(found)
            with out.open("a") as file:
                file.write(json.dumps(found) + "\n")
            print(f"{kind} {number}: {found['outcome']} after {found['decided_s']} s", file=sys.stderr, flush=True)

    missing = [(kind, number) for kind in KINDS for number in range(wanted[kind]) if (kind, number) not in known]
    with ThreadPoolExecutor(at_once) as pool:
        for _ in pool.map(lambda one: run(*one), missing):
            pass
    print(
        "\n| duets | failed | passed | inconclusive | void pairs | decided after, median | at worst | whole command |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for kind, slower in KINDS.items():
        if some := [one for one in done if one["kind"] == kind]:
            print(row(f"+{slower} %" if slower else "no change", some))


def row(title: str, done: Sequence[dict[str, Any]]) -> str:
    outcomes = Counter(one["outcome"] for one in done)
    counts = [outcomes[name] for name in ("failed", "passed", "inconclusive")]
    decided = [one["decided_s"] for one in done]
    times = statistics.median(decided), max(decided), statistics.median(one["whole_s"] for one in done)
    shown = (f"{len(done)}, {title}", *counts, sum(one["voided"] for one in done), *(f"{time:.0f} s" for time in times))
    return "| " + " | ".join(map(str, shown)) + " |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("engines", nargs="*", metavar="ENGINE", default=[], help="of " + ", ".join(LOADS))
    parser.add_argument("--wall", action="store_true", help="Measure load and time of whole duets.")
    parser.add_argument("--find", nargs="+", type=float, metavar="PERCENT", help="Measure the time until it is proven.")
    parser.add_argument(
        "--record",
        action="store_true",
        help="Add pairs to bench/data/pairs-ENGINE.json; with --aa, pairs-shop.json.",
    )
    parser.add_argument("--runs", type=int, default=3, help="Duets to record.")
    parser.add_argument("--aa", type=int, default=0, help="Duets of the shop without a change.")
    parser.add_argument("--slow", type=int, default=0, help=f"Duets of the shop with a head {KINDS['slow']} %% slower.")
    parser.add_argument("--light", action="store_true", help="Own service at 200 requests/s instead of the shop.")
    parser.add_argument("--time", default="5m", help="Most load of a duet of the shop.")
    parser.add_argument("--margin", default="3%", help="Margin of the duets of the shop.")
    parser.add_argument("--neighbours", type=int, metavar="SEED", help="Start programs beside each duet of the shop.")
    parser.add_argument("--at-once", type=int, default=1, help="Duets of the shop that run side by side.")
    parser.add_argument("--until", type=float, default=24, metavar="HOURS", help="Start no duet after this time.")
    parser.add_argument("--out", type=Path, default=ROOT / ".toril" / "duets.jsonl", help="File of the shop's duets.")
    parser.add_argument("--serve", nargs="?", type=float, const=0.0, help=argparse.SUPPRESS)
    parser.add_argument("--neighbour", nargs=2, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.serve is not None:
        serve(asked.serve)
    elif asked.neighbour:
        threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
        NEIGHBOURS[asked.neighbour[0]](int(asked.neighbour[1]))
    if asked.wall:
        wall(asked.engines or list(LOADS))
    if asked.find:
        find(asked.engines or ["vegeta", "locust"], asked.find)
    if asked.record and not asked.aa:
        record(asked.engines or ["vegeta", "locust"], asked.runs)
    if asked.aa or asked.slow:
        judge(
            {"aa": asked.aa, "slow": asked.slow},
            ("--time", asked.time, "--margin", asked.margin),
            asked.neighbours,
            asked.at_once,
            asked.record,
            asked.light,
            asked.out,
            time.monotonic() + 3600 * asked.until,
        )


if __name__ == "__main__":
    main()

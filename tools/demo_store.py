"""Fills a store with made-up runs of a fortnight, for `make demo-console` and the pictures of the README.

Only the workers' files are made up: samples, health, exits. toril's own code plans, judges and stores each run, so
all figures, verdicts and pages follow from those files. Nights before the fortnight have only their history records,
with the figures of a stored run. Each run has the tag `made-up=yes`.
"""

import hashlib
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from toril import __version__
from toril.desk.runs import add_note, set_baseline
from toril.plan.duet import plan_duet
from toril.plan.options import RunOptions, plan_run
from toril.records import (
    End,
    EngineReport,
    Exit,
    Launch,
    Plan,
    PlannedExecution,
    RanTask,
    Ready,
    Share,
    Start,
    SuiteOrigin,
    run_key,
    worker_key,
)
from toril.records.console import AuditLine
from toril.records.history import KeptFigures, KeptPercentile
from toril.runs import notes, suites
from toril.runs.conclude import judge_again
from toril.runs.history import history, remember
from toril.runs.index import pack
from toril.runs.publish import publish
from toril.store import FolderStore, Store
from toril.timeline.intervals import Recorder
from toril.worker.turns import engine_turns, turn_of

ROOT = Path(__file__).resolve().parent.parent
SHOP = ROOT / "loadtests" / "shop"
STOREFRONT = """\
# The pages of the shop that everybody sees, at a fixed rate from two regions.
execution:
- scenario: visits
  executor: vegeta
  throughput: 240 # requests per second, whatever the responses are
  ramp-up: 20s
  hold-for: 220s
  locations: {us-east-1: 2, eu-west-1: 1}

scenarios:
  visits:
    default-address: ${SHOP_URL}
    timeout: 5s
    requests: # sent in turn
    - {label: home, url: /products}
    - {label: search, url: "/search?q=lamp"}
    - {label: product, url: /product/17}

settings:
  ramp-up-exclude: true # criteria judge the steady state
  env: {SHOP_URL: "ADDRESS"}

toril:
  worker: {cpu: 2048, memory: 4096, arch: arm64}
  max-duration: 20m

reporting:
- module: passfail
  criteria:
  - p95 of search>200ms
  - p99>400ms
  - avg-rt of product>150ms for 10s
  - fail>1%
"""
FIRST_STOREFRONT = STOREFRONT.replace("  - p99>400ms\n", "").replace("search>200ms", "search>300ms")
MADE_UP = {"made-up": "yes"}
PULL = {**MADE_UP, "pull-request": "412", "branch": "faster-checkout"}
DAY_S, NIGHT_S = 86_400, 2 * 3600 + 15 * 60  # nights start at 02:15 UTC
EARLIER, STEP = range(53, 13, -1), 34  # days ago: earlier nights, and the first slower one
FASTER = 0.82  # of the nights before the step, as a factor of response times
FILE_S = 20  # seconds in an interval file
GRID_S = 0.001
SIGMA = 0.3  # standard deviation of the logarithm: 1 % of the responses take more than twice the median
MEDIANS_MS = {"home": 16, "products": 15, "search": 31, "product": 11, "cart": 13, "checkout": 66}
NETWORK_MS = {"us-east-1": 9, "eu-west-1": 84, "sevilla": 5}  # other locations: 2
PAUSES_MS = {"browse": 150.0, "buy": 70.0}  # of a user, for each request
BYTES = {"search": 1400, "home": 1900, "products": 1900}
USER_LABELS = {"browse": ("products", "search", "product"), "buy": ("product", "cart", "checkout")}


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """One made-up run: when, what it loads, and what goes wrong."""

    suite: str
    days: float  # ago; whole numbers: at night
    tags: Mapping[str, str] = field(default_factory=lambda: MADE_UP)
    slower: Mapping[str, float] = field(default_factory=dict)  # factors of response times, by label
    failing: float = 0.0006  # share of requests
    trend: float = 1.0  # factor of all response times
    lost: bool = False  # its last worker's task ends early
    smoke: bool = False
    duet: bool = False  # the head of a pull request against its base


STORIES = (
    Story(suite="storefront", days=13, trend=1.0),
    Story(suite="shop", days=12, trend=1.03),
    Story(suite="storefront", days=11, trend=1.02),
    Story(suite="storefront", days=9, trend=0.98),
    Story(suite="shop", days=8, trend=1.0),
    Story(suite="storefront", days=7, trend=1.05, slower={"search": 4.2}, failing=0.003),
    Story(suite="storefront", days=6, trend=1.01),
    Story(suite="shop", days=5.4, smoke=True, tags=PULL),
    Story(suite="shop", days=5.3, tags=PULL, slower={"checkout": 3.9}, failing=0.002),
    Story(suite="shop", days=4.4, duet=True, tags=PULL, slower={"checkout": 1.45}),
    Story(suite="storefront", days=4, trend=0.93),
    Story(suite="shop", days=3, trend=0.9),
    Story(suite="storefront", days=2, trend=0.9, lost=True),
    Story(suite="storefront", days=1, trend=0.88),
)


def make(store: FolderStore, address: str, now: float) -> None:
    """Stores the suites with their versions, the runs, and what people left beside them."""
    with TemporaryDirectory(prefix="toril-demo-") as name:
        folder = Path(name)
        shop, storefront = folder / "shop", folder / "storefront"
        shutil.copytree(SHOP, shop, ignore=shutil.ignore_patterns("__pycache__", "*.md"))
        settings = f'settings:\n  env: {{SHOP_URL: "{address}"}}\n'
        (shop / "suite.yml").write_text((shop / "suite.yml").read_text().replace("settings:\n", settings))
        storefront.mkdir()
        (storefront / "suite.yml").write_text(STOREFRONT.replace("ADDRESS", address))
        _save(store, shop, "ada", "The shop's two scenarios", now - 12.6 * DAY_S)
        first = {"suite.yml": FIRST_STOREFRONT.replace("ADDRESS", address).encode()}
        suites.save(store, "storefront", first, by="ada", comment="First version", at=now - 13.7 * DAY_S, expected=None)
        _save(store, storefront, "grace", "Stricter search, and p99 of everything", now - 12.7 * DAY_S)
        run_ids = [_run(store, folder / story.suite, story, now, number) for number, story in enumerate(STORIES)]
    by_day = {(story.suite, story.days): run_id for story, run_id in zip(STORIES, run_ids, strict=True)}
    _leave(store, by_day, now)
    _add_earlier_nights(store, by_day["storefront", 11], now)
    pack(store, now)


def _save(store: Store, suite: Path, by: str, comment: str, at: float) -> None:
    files: dict[str, bytes | Path] = {path.relative_to(suite).as_posix(): path for path in suite.rglob("*.*")}
    chosen = {path: file for path, file in files.items() if path in ("suite.yml", "buy.py")}
    suites.save(store, suite.name, chosen, by=by, comment=comment, at=at, expected=None)


def _leave(store: Store, runs: Mapping[tuple[str, float], str], now: float) -> None:
    """Adds baselines, notes and the audit's lines of these changes."""
    failed, fixed = runs["storefront", 7], runs["storefront", 6]
    note = "Search lost its index after the migration of the night. Rolled back, see the run of the next night."
    changes = (
        ("storefront", now - 5.9 * DAY_S, "ada", "baseline.set", fixed),
        ("shop", now - 7.9 * DAY_S, "ada", "baseline.set", runs["shop", 8]),
        ("storefront", now - 6.7 * DAY_S, "grace", "run.note", failed),
    )
    for suite, at, who, what, run_id in changes:
        if what == "baseline.set":
            set_baseline(store, suite, run_id, by=who, at=at)
        else:
            add_note(store, run_id, note, by=who, at=at)
        line = AuditLine(
            at=at, who=who, name=who.title(), role="operator", what=what, target=run_id, where="127.0.0.1",
            details={"suite": suite},
        )  # fmt: skip
        notes.audit(store, line)
    add_note(store, fixed, "Back to normal. The new baseline.", by="ada", at=now - 5.9 * DAY_S)


def _add_earlier_nights(store: Store, like: str, now: float) -> None:
    """Adds the records of earlier nights, whose files have expired. They were faster before a step."""
    pattern = next(one for one in history(store, "storefront", len(STORIES)) if one.run_id == like)
    chance = np.random.default_rng(7)
    for days in EARLIER:
        at = now - now % DAY_S + NIGHT_S - days * DAY_S
        factor = (FASTER if days > STEP else 1.0) * chance.lognormal(0, 0.015)
        commit = hashlib.sha1(f"{days}".encode(), usedforsecurity=False).hexdigest()
        record = replace(
            pattern,
            run_id=f"{datetime.fromtimestamp(at - 40, UTC):%Y%m%dT%H%M%SZ}-storefront-{commit[-4:]}",
            started_at=at,
            tags={**pattern.tags, "commit": commit},
            total=_scaled(pattern.total, factor, chance),
            labels={name: _scaled(one, factor, chance) for name, one in pattern.labels.items()},
            locations={name: _scaled(one, factor, chance) for name, one in pattern.locations.items()},
            parts={},
        )
        remember(store, record)


def _scaled(figures: KeptFigures, factor: float, chance: np.random.Generator) -> KeptFigures:
    """Returns the figures with all response times multiplied, and about as many failures."""
    percentiles = {
        name: KeptPercentile(value_us=round(factor * one.value_us)) for name, one in figures.percentiles.items()
    }
    failures = int(chance.poisson(figures.failures))
    return replace(figures, failures=failures, mean_us=factor * (figures.mean_us or 0), percentiles=percentiles)


def _run(store: FolderStore, suite: Path, story: Story, now: float, number: int) -> str:
    """Plans a run, makes up its workers' files, and judges it. Returns its id."""
    today = now - now % DAY_S
    at = today + NIGHT_S - story.days * DAY_S if story.days == int(story.days) else now - story.days * DAY_S
    commit = hashlib.sha1(f"{story.days:.0f}{'branch' in story.tags}".encode(), usedforsecurity=False).hexdigest()
    run_id = f"{datetime.fromtimestamp(at - 40, UTC):%Y%m%dT%H%M%SZ}-{suite.name}-{commit[-4:]}"
    fargate = suite.name == "storefront"
    options = RunOptions(
        on="fargate" if fargate else "local",
        environment={"SHOP_URL": "https://shop.example.com"},
        workers=6 if fargate else None,
        run_id=run_id,
        tags=story.tags,
        smoke=story.smoke,
    )
    if story.duet:
        options = options.model_copy(update={"environment": {}})
        base, head = "https://shop.example.com", "https://pull-412.shop.example.com"
        read, plan = plan_duet([suite], options, at, base=base, head=head)
    else:
        read, plan = plan_run([suite], options, at)
    plan = publish(store, read, plan, SuiteOrigin(commit=commit, branch=story.tags.get("branch", "main")))
    _work(store, plan, story, at, number)
    judge_again(store, run_id)
    return run_id


def _work(store: Store, plan: Plan, story: Story, at: float, seed: int) -> None:
    """Stores what the coordinator and the workers of a run leave behind."""
    attempts = {share.worker: f"{seed:02x}{share.index:02x}" for share in plan.shares}
    ends_s = max(one.delay_s + one.ramp_up_s + one.hold_for_s for one in plan.executions)
    issued = {worker: (attempt,) for worker, attempt in attempts.items()}
    put = {
        "launch.json": Launch(at=at - 38, deadline=at + 2 * ends_s, attempts=issued),
        "start.json": Start(at=at, attempts=attempts),
    }
    tasks, lost = {}, {}
    for share in plan.shares:
        worker, attempt = share.worker, attempts[share.worker]
        is_lost = story.lost and share is plan.shares[-1]
        _record(store, plan, share, story, attempt, (seed, share.index), at, ends_s, is_lost=is_lost)
        if is_lost:
            lost[worker] = "its task on Fargate Spot was interrupted (Your Spot Task was interrupted.)"
        if plan.on == "fargate":
            tasks[worker] = RanTask(
                arn=f"arn:aws:ecs:{share.location}:123456789012:task/toril/{attempt}{worker}",
                region=share.location,
                capacity="FARGATE",
                pull_started_at=at - 24,
                started_at=at - 9,
                stopped_at=at + (0.6 * ends_s if is_lost else ends_s + 4),
            )
    end = End(at=at + ends_s + 5, lost=lost, tasks=tasks)
    for name, record in (*put.items(), ("end.json", end)):
        store.put(run_key(plan.run_id, name), record.to_json())


def _record(
    store: Store, plan: Plan, share: Share, story: Story, attempt: str, seed: Any, at: float, ends_s: float,
    *, is_lost: bool
) -> None:  # fmt: skip
    """Stores the files of one worker; a lost one leaves neither its last files nor an exit."""
    chance = np.random.default_rng(seed)
    recorder = Recorder(share.worker, share.location)
    by_name = {one.name: one for one in plan.executions}
    parts = []
    reports: dict[str, EngineReport] = {}
    for part in share.executions:
        planned = by_name[part.execution]
        columns = _in_turns(
            plan, planned, _samples(chance, planned, part.concurrency, part.throughput_rps, share, story)
        )
        parts.append((planned, part, columns))
        reports[planned.name] = EngineReport(
            samples=columns["completed_s"].size, ended_s=planned.delay_s + planned.ramp_up_s + planned.hold_for_s
        )

    def place(name: str) -> str:
        return worker_key(plan.run_id, share.worker, attempt, name)

    last_s = max(float(columns["completed_s"].max()) for _, _, columns in parts)
    until_s = 0.6 * ends_s if is_lost else ends_s + FILE_S
    for start_s in range(0, int(until_s), FILE_S):
        for planned, part, columns in parts:
            chosen = columns["completed_s"] // FILE_S == start_s // FILE_S
            for block in np.unique(columns["block"][chosen]).tolist():
                own = {name: column[chosen & (columns["block"] == block)] for name, column in columns.items()}
                recorder.add_many(planned.series, own, arm=planned.arm, block=block)
            for second in range(start_s, start_s + FILE_S):
                _users(recorder, second, planned, part.concurrency, part.throughput_rps)
        for second in range(start_s, min(start_s + FILE_S, int(ends_s))):
            _health(recorder, chance, second, share, plan)
        while (data := recorder.flush()) is not None:
            store.put(place(f"intervals-{recorder.files:06d}"), data)
    ready = Ready(worker=share.worker, attempt=attempt, at=at - 3, toril_version=__version__, pid=1)
    store.put(place("ready.json"), ready.model_copy(update={"clock_uncertainty_s": 0.004}).to_json())
    left = Exit(
        worker=share.worker, attempt=attempt, at=at + ends_s, outcome="finished", interval_files=recorder.files,
        interval_digests=recorder.digests, samples=recorder.samples, last_sample_s=last_s, executions=reports,
        engine_exit_codes=dict.fromkeys(reports, 0), cpu_worker_s=0.01 * ends_s, cpu_engines_s=0.2 * ends_s,
    )  # fmt: skip
    if not is_lost:
        store.put(place("exit.json"), left.to_json())


def _samples(
    chance: np.random.Generator,
    planned: PlannedExecution,
    users: int | None,
    rps: float | None,
    share: Share,
    story: Story,
) -> dict[str, NDArray[Any]]:
    """Returns the columns of one worker's samples of an execution, in order of time."""
    labels = planned.labels or USER_LABELS[planned.scenario]
    if rps is None:
        sent, turns = _by_users(chance, planned, users or 1, labels, share.location)
    else:
        sent, turns = _by_rate(planned, rps)
        turns += share.index  # the workers send in turn
    names = np.array(labels)[turns % len(labels)]
    factors = {label: story.trend * (story.slower.get(label, 1.0) if planned.arm != 1 else 1.0) for label in labels}
    medians = {label: MEDIANS_MS[label] * factors[label] for label in labels}
    size = sent.size
    wave = 1 + 0.06 * np.sin(sent / 17) + 0.05 * np.sin(sent / 5 + share.index)
    tail = np.where(chance.random(size) < 0.006, chance.uniform(1.5, 4, size), 1.0)
    work = np.vectorize(medians.get)(names) * chance.lognormal(0, SIGMA, size) * wave * tail
    network = NETWORK_MS.get(share.location, 2) * chance.lognormal(0, 0.08, size)
    response = ((work + network) * 1000).astype(np.int64)
    ok = chance.random(size) >= story.failing
    response = np.where(ok, response, response // 4)
    completed = sent + response / 1e6
    return {
        "completed_s": completed,
        "label": names,
        "ok": ok,
        "steady": (sent >= planned.steady_from_s) & (sent <= planned.steady_to_s),
        "rc": np.where(ok, np.where((names == "cart") | (names == "checkout"), "201", "200"), "503"),
        "message": np.where(ok, "", "Service Unavailable"),
        "response_us": response,
        "ttfb_us": response - response // 12,
        "connect_us": np.where(chance.random(size) < 0.02, (network * 1000).astype(np.int64), 0),
        "bytes": np.vectorize(lambda label: BYTES.get(label, 180))(names) + chance.integers(0, 60, size),
    }


def _in_turns(plan: Plan, planned: PlannedExecution, columns: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """Returns the samples with their blocks, without those that an engine with turns would not send."""
    sent = columns["completed_s"] - columns["response_us"] / 1e6 - planned.delay_s
    if plan.duet is None or not plan.duet.switched:
        return columns | {"block": np.full(sent.size, planned.block)}
    _, block, within = turn_of(engine_turns(plan.duet, planned.delay_s), (planned.arm,), sent)
    return {name: column[within] for name, column in (columns | {"block": block, "steady": block > 0}).items()}


def _by_rate(planned: PlannedExecution, rps: float) -> tuple[NDArray[Any], NDArray[Any]]:
    """Returns the times of a worker's sends and their numbers: its share of the planned rate, evenly."""
    curve = planned.planned_rate()
    assert curve is not None and planned.throughput_rps  # noqa: S101 - an open model
    grid = np.arange(0, curve.length_s, GRID_S)
    at_s, rates = zip(*curve.points, strict=True)
    due = np.cumsum(np.interp(grid, at_s, rates)) * GRID_S * rps / planned.throughput_rps
    sends = np.arange(int(due[-1]))
    return planned.delay_s + grid[np.searchsorted(due, sends + 0.5)], sends


def _by_users(
    chance: np.random.Generator, planned: PlannedExecution, users: int, labels: tuple[str, ...], location: str
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Returns the times of requests of users who pause after each, and the number of the request in a user's order."""
    mean_ms = sum(map(MEDIANS_MS.__getitem__, labels)) / len(labels) + NETWORK_MS.get(location, 2)
    cycle_s = (PAUSES_MS[planned.scenario] + 1.1 * mean_ms) / 1000
    length_s = planned.ramp_up_s + planned.hold_for_s
    times, turns = [], []
    for user in range(users):
        starts_s = planned.ramp_up_s * user / users
        steps = np.cumsum(chance.uniform(0.6, 1.4, int(2 * length_s / cycle_s)) * cycle_s)
        sent = steps[steps < length_s - starts_s - 0.4] + starts_s
        times.append(planned.delay_s + sent)
        turns.append(np.arange(sent.size))
    return np.concatenate(times), np.concatenate(turns)


def _users(recorder: Recorder, second: int, planned: PlannedExecution, users: int | None, rps: float | None) -> None:
    """Records the users of a second of the execution, and none in the second after its end."""
    since, length_s = second - planned.delay_s, planned.ramp_up_s + planned.hold_for_s
    share = min(1.0, (since + 1) / planned.ramp_up_s) if planned.ramp_up_s else 1.0
    if 0 <= since < length_s:
        most = users if rps is None else max(1, round(0.09 * rps))
        recorder.virtual_users(second, planned.series, max(1, int((most or 1) * share)))
    elif 0 <= since < length_s + 1:
        recorder.virtual_users(second, planned.series, 0)


def _health(recorder: Recorder, chance: np.random.Generator, second: int, share: Share, plan: Plan) -> None:
    warm = min(1.0, (second + 4) / 20)
    cpu = warm * (0.14 + 0.03 * share.index / len(plan.shares)) + 0.02 * chance.random()
    recorder.health(
        second, cpu, cpu * 1.6, (190 << 20) + int(2e5 * second), 0.0,
        machine=cpu, waiting=0.01 * chance.random(), throttled=0.0, sockets=30, sockets_share=0.002,
    )  # fmt: skip
    late_us = int(chance.integers(300, 2200))
    recorder.sends(second, late_us=late_us, late_p90_us=late_us // 3, dropped=0 if plan.on == "fargate" else None)

"""The history of a store: the record and the index row of each judged run, made of its bundle and written once.

The process that judges a run writes both. If it is judged again with another result, it writes a higher revision.
"""

import hashlib
import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import lru_cache
from itertools import chain, groupby, islice
from typing import Any, TypeVar

from toril.load.model import JOURNEY_START
from toril.plan.duet import name_in_arm
from toril.records import HEAD, Comparison, Launch, Plan
from toril.records.history import (
    FAILED_CHECKS,
    HISTORY,
    MOST_BYTES_OF_HISTORY,
    MOST_BYTES_OF_ROW,
    MOST_LABELS_KEPT,
    MOST_METRICS_KEPT,
    Fingerprint,
    HistoryRecord,
    IndexRow,
    JudgedRun,
    KeptChange,
    KeptDuet,
    KeptFigures,
    KeptPercentile,
    Kind,
)
from toril.records.summary import LabelFigures, Summary
from toril.reports import Bundle
from toril.secrets.masking import masked
from toril.store import Reader, Store
from toril.store.records import find_record
from toril.suite.reader import mapping_at
from toril.suite.requests import OWN
from toril.suite.settings import Engine as EngineSettings

PERCENTILES = ("p50", "p90", "p95", "p99", "p99_9")
PULL_REQUEST = ("pull-request", "pull_request", "pull", "pr")  # tags
KEPT_LONGEST = ("commit", "stage", *PULL_REQUEST)
MAIN = ("main", "master")
OF_PARTS = ("p50", "p95", "p99")  # of a label in a location
MOST_REASONS = 100
OF_CHANGES = ("label", "metric", "change", "spread", "detectable", "outcome")  # of a duet's figure
MOST_CHANGES = 20
AT_ONCE = 50  # records to read with one call
ID_TIME = re.compile(r"(\d{8}T\d{6}Z)-")  # the start of a run's id, unless the user chose another id
OF_BOTH = (*(name for name in JudgedRun.__annotations__ if name != "schema"), "workers", "cost_usd")  # record and row
LOAD = {"name", "executor", "model", "scenario", "concurrency", "throughput_rps", "steps", "labels", "browser"}
ENGINE = EngineSettings().model_dump(by_alias=True)  # defaults of `toril.engine`
SUITE_FILE = (".yml", ".yaml")  # its content that matters is in the plan; the rest are criteria and reports
OF_METRICS: Mapping[str, Mapping[str, str]] = {  # by kind: figure of trends → field
    "check": {FAILED_CHECKS: "held"},
    "rate": {"metric-rate": "held"},
    "trend": {"metric-avg": "mean", "metric-p95": "p95"},
    "gauge": {"metric-avg": "mean"},
    "counter": {"metric-per-s": "per_s"},
}

Line = TypeVar("Line", bound=HistoryRecord | IndexRow)


def record_of(bundle: Bundle, launch: Launch | None = None) -> HistoryRecord:
    """Returns the history record of a judged run, without credentials, in at most MOST_BYTES_OF_HISTORY bytes."""
    plan, summary, comparison = bundle.plan, bundle.summary, bundle.verdict.comparison
    compared = (*(plan.earlier.labels if plan.earlier else ()), *(plan.duet.labels if plan.duet else ()))
    labels = sorted(
        ((label, figures) for label, figures in summary.labels.items() if label not in ("", JOURNEY_START)),
        key=lambda item: (item[0] not in compared, -item[1].samples, item[0]),
    )
    kept = HistoryRecord(
        run_id=plan.run_id,
        suite=plan.suite,
        kind="duet" if comparison is not None else kind_of(plan),
        on=plan.on,
        started_at=_started_at(plan, summary, launch),
        duration_s=_rounded(summary.duration_s),
        outcome=bundle.verdict.outcome,
        reasons=tuple(dict.fromkeys(reason.code for reason in bundle.verdict.reasons))[:MOST_REASONS],
        tags=bundle.tags,
        branch=_branch(bundle.tags),
        adjusted=any(change.cause == "user" for change in summary.rates or ()),
        workers=len(plan.shares),
        total=_kept(summary.total),
        labels={label: _kept(figures) for label, figures in labels[:MOST_LABELS_KEPT]},
        locations={location: _kept(part.total) for location, part in summary.locations.items()},
        metrics=dict(_kept_metrics(summary)),
        fingerprint=fingerprint_of(plan, launch),
        cost_usd=None if bundle.cost_usd is None else round(bundle.cost_usd, 6),
        duet=None if comparison is None else _kept_duet(comparison),
    )
    hidden = replace(HistoryRecord.from_dict(masked(kept.to_dict())))  # without the plain data that it was read from
    cuts = (("metrics", ()), ("labels", ()), ("locations", ()), ("tags", KEPT_LONGEST), ("reasons", ()), ("tags", ()))
    record = _fitting(_shorter(hidden, *cuts), MOST_BYTES_OF_HISTORY)
    parts = (
        {location: part.labels for location, part in summary.locations.items()} if len(summary.locations) > 1 else {}
    )
    longer = (_with_parts(record, parts, count) for count in range(len(record.labels) if parts else 0, 0, -1))
    return _fitting(chain(longer, (record,)), MOST_BYTES_OF_HISTORY)


def row_of(record: HistoryRecord) -> IndexRow:
    """Returns the index row of a history record, in at most MOST_BYTES_OF_ROW bytes."""
    from toril.regression.earlier import is_measured  # imports much, for lists

    p95 = record.total.percentiles.get("p95")
    row = IndexRow(
        **{name: getattr(record, name) for name in OF_BOTH},
        locations=tuple(record.locations),
        samples=record.total.samples,
        failures=record.total.failures,
        p95_us=p95.value_us if p95 else None,
        p95_low_us=p95.low_us if p95 else None,
        p95_high_us=p95.high_us if p95 else None,
        rps=record.total.rps,
        left_out=None if is_measured(record) else True,
    )
    cuts = (("tags", KEPT_LONGEST), ("reasons", ()), ("locations", ()), ("tags", ()))
    shorter = list(_shorter(row, *cuts))
    return _fitting([*shorter, replace(shorter[-1], p95_low_us=None, p95_high_us=None, branch="")], MOST_BYTES_OF_ROW)


def remember(store: Store, record: HistoryRecord, check: Callable[[], object] = lambda: None) -> HistoryRecord:
    """Writes a run's record and index row, unless they exist with the same content. Returns the stored record.

    The row is written first: a run with a record has a row, and a run without a record is written again. `check` is
    called before each write, and raises an error to prevent it.
    """
    while True:
        latest = _latest(store, record)
        if latest is not None:
            if replace(latest, revision=record.revision) == record:
                return latest
            record = replace(record, revision=latest.revision + 1)
        row = row_of(record)
        check()
        store.put(row.key, row.to_json())
        check()
        if store.put_once(record.key, record.to_json()):
            return record


def history(store: Store, suite: str, limit: int) -> list[HistoryRecord]:
    """Returns the records of a suite's last runs, newest first; of each run the highest revision."""
    return list(islice(histories(store, suite, limit), limit))


def histories(store: Reader, suite: str, at_once: int = AT_ONCE, before: str = "") -> Iterator[HistoryRecord]:
    """Yields the records of all runs as `history` returns them; of those before the run with the stem `before`.

    It reads `at_once` records with one call.
    """
    runs = groupby(store.keys(f"{HISTORY}{suite}/"), key=lambda key: name_of(key)[0])
    latest = (max(keys, key=lambda key: name_of(key)[1]) for stem, keys in runs if stem > before)
    while keys := list(islice(latest, at_once)):
        files = store.find_many(keys)
        yield from (_parsed(files[key], key) for key in keys if key in files)


@lru_cache(maxsize=2_000)  # a console shows the same records again; one takes about 20 kB
def _parsed(data: bytes, key: str) -> HistoryRecord:
    return HistoryRecord.from_json(data, key)


def name_of(key: str) -> tuple[str, int]:
    """Returns the stem and the revision in the key of a record or row."""
    stem, _, revision = key.rpartition("/")[2].removesuffix(".json").rpartition(".")
    return stem, int(revision) if revision.isdecimal() else 0


def kind_of(plan: Plan) -> Kind:
    if plan.tried:
        return "try"
    if plan.duet is not None:
        return "duet"
    if plan.functional:
        return "functional"
    return "smoke" if "smoke-run" in plan.warning_codes else "part" if plan.part else "run"


def time_in(run_id: str) -> float | None:
    """Returns the time in a run's id, in seconds since the epoch."""
    match = ID_TIME.match(run_id)
    try:
        return None if match is None else datetime.strptime(match[1], "%Y%m%dT%H%M%S%z").timestamp()
    except ValueError:
        return None


def _latest(store: Store, record: HistoryRecord) -> HistoryRecord | None:
    prefix = f"{HISTORY}{record.suite}/{record.stem}."
    keys = [key for key in store.keys(prefix) if name_of(key)[0] == record.stem]
    return find_record(store, HistoryRecord, max(keys, key=lambda key: name_of(key)[1])) if keys else None


def _started_at(plan: Plan, summary: Summary, launch: Launch | None) -> float:
    if summary.started_at:
        return datetime.fromisoformat(summary.started_at).timestamp()
    named = time_in(plan.run_id)
    return named if named is not None else round(launch.at, 3) if launch else 0.0


def _branch(tags: dict[str, str]) -> str:
    pull = next((tags[name] for name in PULL_REQUEST if tags.get(name)), "")
    branch = "" if tags.get("branch") in MAIN else tags.get("branch", "")
    return f"pull/{pull}" if pull else "fork" if tags.get("fork") else branch


def _kept(figures: LabelFigures) -> KeptFigures:
    times, percentiles = figures.response_us, dict[str, KeptPercentile]()
    for name in PERCENTILES if times else ():
        value, (low, high) = getattr(times, name), (times and times.interval.get(name)) or (None, None)
        if value is not None:
            percentiles[name] = KeptPercentile(value_us=value, low_us=low, high_us=high)
    return KeptFigures(
        samples=figures.samples,
        failures=figures.failures,
        rps=_rounded(figures.rps),
        mean_us=times.mean if times else None,
        percentiles=percentiles,
        resolution_us=figures.resolution_us if (figures.resolution_us or 0) > 1 else None,
    )


def _kept_metrics(summary: Summary) -> Iterator[tuple[str, dict[str, float]]]:
    """Yields the first checks and own metrics, each with its figures of trends."""
    for name, own in islice(sorted(summary.metrics.items()), MOST_METRICS_KEPT):
        values = {metric: getattr(own, field) for metric, field in OF_METRICS[own.kind].items()}
        if own.held is not None:
            values = {metric: 1 - own.held if metric == FAILED_CHECKS else own.held for metric in values}
        yield name, {metric: round(value, 6) for metric, value in values.items() if value is not None}


def _with_parts(record: HistoryRecord, parts: Mapping[str, Mapping[str, LabelFigures]], count: int) -> HistoryRecord:
    """Returns the record with its first labels in each location, without their intervals."""

    def brief(figures: LabelFigures) -> KeptFigures:
        kept = _kept(figures)
        shown = {
            name: KeptPercentile(value_us=own.value_us) for name, own in kept.percentiles.items() if name in OF_PARTS
        }
        return replace(kept, mean_us=None, percentiles=shown)

    labels = list(record.labels)[:count]
    parts_kept = {
        location: {label: brief(figures[label]) for label in labels if label in figures}
        for location, figures in parts.items()
        if location in record.locations
    }
    return replace(record, parts=parts_kept)


def _kept_duet(comparison: Comparison) -> KeptDuet:
    pairs = comparison.blocks or 0
    changes = (
        KeptChange(pairs=metric.blocks or 0, **{name: getattr(metric, name) for name in OF_CHANGES})
        for metric in comparison.metrics[:MOST_CHANGES]
    )
    return KeptDuet(
        aa=comparison.aa,
        margin=comparison.margin or 0.0,
        most=comparison.most or pairs,
        pairs=comparison.look or pairs,
        block_s=comparison.block_s or 0.0,
        voided=comparison.voided,
        changes=tuple(changes),
    )


def fingerprint_of(plan: Plan, launch: Launch | None) -> Fingerprint:
    """Returns what makes two runs comparable. Criteria, the shares of workers and the run's folder do not matter."""
    in_duet, scenarios = any(execution.arm for execution in plan.executions), mapping_at(plan.common, "scenarios")
    executions = [
        load.model_dump(
            mode="json",
            include=LOAD if in_duet else None,
            exclude={"journey"} if load.model == "arrivals" else {"journey", "model"},  # set by other fields
        )
        for load in plan.executions
    ]
    named = plan.files if plan.named_files is None else plan.named_files
    scripts = {file: plan.files[file] for file in plan.files if file in named and not file.endswith(SUITE_FILE)}
    if in_duet:  # which has the suite's load, but times and addresses of its own
        scenarios = {load.scenario: scenarios.get(name_in_arm(load.scenario, HEAD)) for load in plan.executions}
    of_engine = [{**mapping_at(plan.common, "modules", alias)} for alias in OWN]
    changed = [(key, own[key]) for own in of_engine for key in ENGINE if key in own and own[key] != ENGINE[key]]
    asked = json.dumps([executions, scenarios, scripts, *changed], sort_keys=True)
    for scenario in scenarios.values() if in_duet else ():
        asked = asked.replace(mapping_at(scenario).get("default-address") or "\0", "")
    task, workers = plan.task, len(plan.shares)
    each = "" if task is None else f" × {task.cpu} CPU units, {task.memory_mib} MiB, {task.architecture}"
    digests = sorted(launch.digests) if launch else []
    locations = Counter(share.location for share in plan.shares)
    return Fingerprint(
        suite=hashlib.sha256(asked.encode("utf-8", "backslashreplace")).hexdigest()[:16],
        image=_short(", ".join(digests) or f"toril {plan.toril_version}"),
        size=f"{workers} {plan.on}{each}",
        locations=_short(", ".join(f"{name}={count}" for name, count in sorted(locations.items()))),
        stage=plan.stage,
    )


def _short(text: str) -> str:
    """Returns a long text's hash in its place."""
    return text if len(text) <= 100 else hashlib.sha256(text.encode("utf-8", "backslashreplace")).hexdigest()


def _rounded(number: float | None) -> float | None:
    return None if number is None else round(number, 3)


# ── records and rows that fit into their bytes


def _fitting(versions: Iterable[Line], most: int) -> Line:
    """Returns the first version that fits, or the last one."""
    for version in versions:
        if len(version.to_json()) <= most:
            break
    return version


def _shorter(version: Line, *fields: tuple[str, Sequence[str]]) -> Iterator[Line]:
    """Yields the version, then shorter ones: each lacks one more entry of these fields, except the kept entries."""
    yield version
    for name, kept in fields:
        for entry in reversed([*getattr(version, name)]):
            if entry not in kept:
                left: Any = getattr(version, name)
                left = {key: value for key, value in left.items() if key != entry} if type(left) is dict else left[:-1]
                version = replace(version, **{name: left})
                yield version

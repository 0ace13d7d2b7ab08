"""The search for the commit that made a suite worse: starts commits by a hook, and compares them by duets.

Each duet has the good commit as base. The first one has the bad commit as head, and decides which figure is searched
for. The search is stored after each duet, so an interrupted one continues.
"""

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from toril.clock import Clock
from toril.errors import OptionError
from toril.plan.options import new_run_id
from toril.programs import run_hook
from toril.records import ComparedMetric, Verdict, run_key
from toril.records.bisect import Bisect, BisectDuet
from toril.regression.bisect import MOST_COMMITS, evaluated, half_change, scaled
from toril.regression.verdict import BROKEN, INVALID
from toril.store import Reader, Store
from toril.store.records import find_record, get_record
from toril.suite.git import checked_out
from toril.text import plain

HOOK_S = 900.0  # the longest start of two deployments
FOLDERS = ("TORIL_BASE_DIR", "TORIL_HEAD_DIR")  # variables of the hook
HOOK_FAILED = "hook-failed"

Say = Callable[[str], None]
Duet = Callable[[BisectDuet, str, str, Sequence[str]], None]  # addresses of base and head, overrides of the suite


def begun(store: Reader, new: Bisect, *, restart: bool) -> Bisect:
    """Returns the stored search between the same commits, or the new one.

    OptionError `other-search` if the stored one has other options.
    """
    if len(new.commits) > MOST_COMMITS:
        text = (
            f"{len(new.commits):,} commits are too many. Name commits that have at most {MOST_COMMITS:,} between them."
        )
        raise OptionError(text, code="too-many-commits")
    old = None if restart else find_record(store, Bisect, new.key)
    if old is None:
        return new
    if any(getattr(old, name) != getattr(new, name) for name in ("good", "commits", "options", "error")):
        text = f"{new.key}: this search has other options. Repeat its command, or add --restart."
        raise OptionError(text, code="other-search")
    return old


@dataclass(frozen=True, slots=True)
class Searching:
    """The programs and places of a search."""

    store: Store
    clock: Clock
    repository: Path
    hook: str
    duet: Duet
    say: Say

    def run(self, search: Bisect) -> Bisect:
        """Returns the ended search, and stores it after each duet."""
        with checked_out(self.repository, search.good) as good:
            while search.outcome is None:
                search, commit = evaluated(search) if search.metric else (search, search.bad)
                if search.outcome is None:
                    search = self._after(search, commit, good)
                self.store.put(search.key, search.to_json())
        return search

    def _after(self, search: Bisect, commit: str, good: Path) -> Bisect:
        """Returns the search after the duet of one more commit, which may be skipped."""
        measured, ready = BisectDuet(commit=commit, run_id=new_run_id(search.suite, self.clock.now())), False
        self.say(f"duet {len(search.duets) + 1}: {commit[:12]} against {search.good[:12]}")
        try:
            with checked_out(self.repository, commit) as other:
                folders = dict(zip(FOLDERS, map(str, (good, other)), strict=True))
                with served(self.hook, (search.good, commit), folders, self.say) as (base, head):
                    ready = True
                    self.duet(measured, base, head, _overrides(search))
        except OptionError as error:
            if error.code != HOOK_FAILED or ready or commit == search.bad:
                raise
            self.say(f"skipped: {plain(str(error), 1000)}")
            skipped = BisectDuet(commit=commit, skipped=HOOK_FAILED)
            return search.model_copy(update={"duets": (*search.duets, skipped)})
        return _judged(search, measured, get_record(self.store, Verdict, run_key(measured.run_id, "verdict.json")))


@contextmanager
def served(hook: str, commits: Sequence[str], folders: Mapping[str, str], say: Say) -> Iterator[tuple[str, str]]:
    """Starts two commits, and returns the addresses of base and head; stops both at the end.

    `hook start BASE HEAD` prints `base=URL` and `head=URL`. `folders` are variables for it. Other lines go to `say`.
    """
    try:
        lines = run_hook(hook, ["start", *commits], folders, HOOK_S).splitlines()
        addresses = dict(line.split("=", 1) for line in lines if line.startswith(("base=", "head=")))
        for line in lines:
            if not line.startswith(("base=", "head=")):
                say(line)
        if addresses.keys() != {"base", "head"}:
            raise OptionError(f"{hook} start: it did not print base=URL and head=URL.", code=HOOK_FAILED)
        yield addresses["base"], addresses["head"]
    finally:
        run_hook(hook, ["stop"], folders, HOOK_S)


def _overrides(search: Bisect) -> tuple[str, ...]:
    """Returns the overrides of the next duet: after the first one, its figure, and half of the change as margin."""
    if not search.metric:
        return ()
    name = "failures" if search.metric == "failures" else "margin"
    return tuple(
        f"toril.regression.{key}={value}"
        for key, value in (
            ("labels", json.dumps([*filter(None, [search.label])], ensure_ascii=False)),
            ("metrics", json.dumps([search.metric])),
            (name, f"{100 * half_change(search):.4f}%"),
        )
    )


def _judged(search: Bisect, measured: BisectDuet, verdict: Verdict) -> Bisect:
    """Returns the search with the result of a duet. The first one decides the figure, or ends the search."""
    metrics = verdict.comparison.metrics if verdict.comparison else ()
    facts: dict[str, object] = {}
    if search.metric:
        metric = next((one for one in metrics if (one.label, one.metric) == (search.label, search.metric)), None)
    else:
        metric = max((one for one in metrics if one.outcome == "failed"), key=_distance, default=None)
        if metric is not None:
            facts = {"label": metric.label, "metric": metric.metric, "margin": metric.margin}
    excuses = INVALID if metric is not None and metric.metric == "failures" else INVALID | BROKEN
    why = next((reason.code for reason in verdict.reasons if reason.code in excuses), "")
    if why and measured.commit == search.bad:
        what = f"{measured.run_id}: the duet of {search.bad[:12]} measured nothing ({plain(why)})"
        raise OptionError(f"{what}. Correct the cause, and repeat the command.", code="unmeasured-commit")
    if metric is not None and metric.change is not None and metric.spread is not None and metric.blocks and not why:
        known = {"change": metric.change, "spread": metric.spread, "pairs": metric.blocks}
        measured = measured.model_copy(update=known)
    elif search.metric:
        measured = measured.model_copy(update={"skipped": why or "too-few-samples"})
    else:
        facts = {"outcome": "none" if metrics and all(one.outcome == "passed" for one in metrics) else "undecided"}
    return search.model_copy(update={"duets": (*search.duets, measured), **facts})


def _distance(metric: ComparedMetric) -> float:
    """Returns how many errors a change is away from none."""
    error = (metric.spread or 0.0) / math.sqrt(metric.blocks or 1)
    return scaled(metric.metric, metric.change or 0.0) / error if error else math.inf

"""Finds the run of a request, in whichever state it is: requested, going on, or over."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

from fastapi import Query
from pydantic import BaseModel

from toril.clock import Clock, SystemClock
from toril.console.identity import Person
from toril.errors import NoSuchRunError, StoreError
from toril.records import Plan, run_key
from toril.records.console import Baseline, RunRequest
from toril.records.schedule import SuiteSchedule
from toril.records.trend import Trend
from toril.runs import suites
from toril.runs.find import checked_id
from toril.runs.live import RunState, state_of
from toril.runs.notes import baseline_of
from toril.runs.requests import DELETED, keep_failure, request_of
from toril.secrets.masking import HIDDEN, masked_settings
from toril.store import Reader, Store
from toril.store.records import find_record
from toril.suite.reader import mapping_at

if TYPE_CHECKING:
    from toril.console.app import Setup

Days = Annotated[int | None, Query(ge=1, le=3_660, description="Age of the oldest run.")]
STARTS_WITHIN_S = 20.0  # of a coordinator; later, AWS is asked whether it has ended
# Some disks ignore case.
WITH_VALUES = re.compile(r"(?i)runs/[^/]+/plan\.json|requests/(?:keys/)?[^/]+(?<!\.failed)\.json")
OF_ENV = re.compile(r"settings(?:\.env(?:\..*)?)?|.*\*.*", re.DOTALL)  # an override that may set `settings.env`
SHORTEST = 6  # characters of a value that is hidden elsewhere, too
NAMES = frozenset({"run_id", "suite", "name"})  # of a record, by which it is found


WithValues = TypeVar("WithValues", Plan, RunRequest, SuiteSchedule)


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """What each page of a run shows at its top."""

    run_id: str
    suite: str
    current: RunState
    plan: Plan | None = None
    request: RunRequest | None = None  # if the run was requested, so that it can be requested again
    kept: Baseline | None = None  # the suite's baseline, or a cleared one
    notes: int = 0

    @property
    def baseline(self) -> str:
        """Returns the run that is the suite's baseline."""
        return "" if self.kept is None else self.kept.run_id

    @property
    def is_baseline(self) -> bool:
        return self.baseline == self.run_id

    @property
    def leads_on(self) -> bool:
        """Returns whether this is a try that leads to the load of its suite; a draft has none."""
        tried = self.plan is not None and self.plan.tried and self.request is not None
        return tried and not suites.is_draft(self.suite, ())

    @property
    def tags(self) -> dict[str, str]:
        """Returns the tags of the run, without credentials."""
        return {} if self.plan is None else dict(sorted(masked_settings(self.plan.tags).items()))


def seen(store: Reader, run_id: str, now: float) -> RunState:
    """Returns the run at this moment; NoSuchRunError if there is none."""
    try:
        current = state_of(store, checked_id(run_id), now)
    except StoreError as error:
        if error.code != "no-such-key":
            raise
        raise _missing(run_id) from error
    if current.failure is not None and current.failure.code == DELETED:
        raise _missing(run_id)
    return current


def present(setup: "Setup", run_id: str) -> RunState:
    """Returns the run at this moment. If it has not begun in time, its coordinator's task may have ended: keeps why."""
    now = setup.clock.now()
    current = seen(setup.store, run_id, now)
    if current.name != "starting" or current.request is None or now < current.request.at + STARTS_WITHIN_S:
        return current
    why = setup.starter.why_ended(current.request)
    if why is None:
        return current
    keep_failure(setup.store, run_id, now, "coordinator-ended", f"{why}; its log is in CloudWatch")
    return seen(setup.store, run_id, now)


def head_of(store: Reader, run_id: str, current: RunState | None = None, plan: Plan | None = None) -> Head:
    """Returns the top of a run's page; NoSuchRunError if there is no such run. `current`: its state, if it is known."""
    plan = plan or find_record(store, Plan, run_key(checked_id(run_id), "plan.json"))
    if current is None and store.find(run_key(run_id, "verdict.json"), 0) is not None:
        current = RunState(name="judged")
    current = current or seen(store, run_id, SystemClock().now())
    if plan is None:
        if current.request is None:
            raise _missing(run_id)
        return Head(run_id=run_id, suite=current.request.suite, current=current, request=current.request)
    head = Head(run_id=run_id, suite=plan.suite, current=current, plan=plan)
    if current.name != "judged":
        return head
    kept, notes = baseline_of(store, plan.suite, cleared=True), sum(1 for _ in store.keys(f"notes/{run_id}/"))
    return replace(head, request=request_of(store, run_id), kept=kept, notes=notes)


def shown_to(person: Person, record: WithValues) -> WithValues:
    """Returns a record as this person may see it: viewers see the names of `--env`, and not its values.

    The values are hidden wherever they stand, as in labels and criteria. So are those of `settings.env`, which may come
    from `--override`. An operator could read them anyway, by a run of another suite with the same values.
    """
    if person.may("operator"):
        return record
    texts = _values(record.environment, getattr(record, "overrides", ()), getattr(record, "common", {}))
    hidden = {name: _hidden(getattr(record, name), texts) for name in type(record).model_fields if name not in NAMES}
    return record.model_copy(update=hidden | {"environment": dict.fromkeys(record.environment, HIDDEN)})


def _values(environment: Mapping[str, str], overrides: Sequence[str], common: Mapping[str, Any]) -> re.Pattern[str]:
    pairs = (override.partition("=") for override in overrides)
    written = [value.strip("'\" ") for name, _, value in pairs if OF_ENV.fullmatch(name)]
    written += map(str, mapping_at(common, "settings", "env").values())
    values = {*environment.values(), *(value for value in written if "://" not in value or value[0] == "{")}
    long = sorted((value for value in values if len(value) >= SHORTEST), key=len, reverse=True)
    return re.compile("|".join(map(re.escape, long)) or r"(?!)")


def _hidden(value: Any, texts: re.Pattern[str]) -> Any:
    """Returns a value of a record with `***` in place of these texts."""
    if isinstance(value, str):
        return texts.sub(HIDDEN, value)
    if isinstance(value, BaseModel):
        return value.model_copy(update={name: _hidden(item, texts) for name, item in value})
    if isinstance(value, dict):
        return {_hidden(name, texts): _hidden(item, texts) for name, item in value.items()}
    return type(value)(_hidden(item, texts) for item in value) if isinstance(value, (list, tuple)) else value


def without_values(store: Store, key: str, person: Person) -> bytes | None:
    """Returns the record at `key` as `shown_to` does; None if this person may read the value itself."""
    data = store.find(key) if not person.may("operator") and WITH_VALUES.fullmatch(key) else None
    if data is None:
        return None
    if key.startswith("runs/"):
        return shown_to(person, Plan.from_json(data, key)).to_json()
    return shown_to(person, RunRequest.from_json(data, key)).to_json()


def _missing(run_id: str) -> NoSuchRunError:
    text = f"no run {run_id} in this store; it was deleted, or its folder has expired"
    return NoSuchRunError(text, code="no-such-run")


def trend_of(store: Reader, clock: Clock, suite: str, days: int | None, **wanted: Any) -> Trend:
    """Returns the trend of a suite; `wanted` are other fields of the query."""
    from toril.regression.acknowledged import FILE, read_acknowledged
    from toril.regression.trend import TrendQuery
    from toril.runs.earlier import read_trend

    since_s = None if days is None else 86_400.0 * days
    query = TrendQuery(since_s=since_s, **wanted)
    return read_trend(store, suite, query, read_acknowledged(FILE), clock.now())  # a console on AWS has no such file

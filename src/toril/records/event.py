"""An event of a run, `toril.event/1`: what EventBridge and webhooks get, and the store keeps under `events/`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from toril.records.document import Count, JsonObject, Number, StoredObject, Text, Word
from toril.records.verdict import Reason

MOST_BYTES_OF_EVENT = 32 << 10  # EventBridge takes 256 KiB; a chat shows far less
EVENTS = "events/"
PENDING = "pending"  # the status of a delivery without a result yet
NOTIFY_SECRET = "TORIL_NOTIFY_SECRET"  # noqa: S105 - the coordinator's variable with the key for webhooks of `--notify`

NoticeFormat = Literal["toril", "slack", "teams", "pagerduty"]
NoticeEvent = Literal["started", "finished", "passed", "failed", "inconclusive", "regression", "schedule-failed"]
# Hosts that take only their own format
FORMATS: Mapping[str, NoticeFormat] = {
    "hooks.slack.com": "slack", "events.pagerduty.com": "pagerduty", "events.eu.pagerduty.com": "pagerduty"
}  # fmt: skip
EventKind = Literal["run-started", "run-finished", "schedule-failed", "regression-confirmed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class EventCriterion(JsonObject):
    """A criterion that did not pass."""

    criterion: Text
    outcome: Word
    observed: Number | None = None
    threshold: Number | None = None
    unit: Word = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class EventFigures(JsonObject):
    """The figures of all requests."""

    samples: Count = 0
    failures_share: Number | None = None
    p95_us: Count | None = None
    rps: Number | None = None
    duration_s: Number | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery(JsonObject):
    """The result of sending an event to one receiver."""

    to: Text  # `EventBridge`, or the host of a webhook
    status: Word  # delivered, refused, unreachable; `PENDING` until then
    attempts: Count = 0
    at: Number | None = None
    message: Text = ""


Trying = Callable[[Delivery], None]  # called before each attempt, with a delivery that has no result yet


def untold(delivery: Delivery) -> None:
    """Does nothing, for callers who need the result alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event(StoredObject):
    """`events/<yyyy-mm>/<inverse second>-<run id>-<kind>.json`."""

    MOST_BYTES: ClassVar[int | None] = MOST_BYTES_OF_EVENT

    schema: Literal["toril.event/1"] = "toril.event/1"
    id: Text  # `<run id>:<kind>`: the same for each delivery, so that receivers drop repeats
    kind: EventKind
    at: Number  # seconds since the epoch
    run_id: Text = ""  # "" if a schedule failed before it had one
    suite: Text = ""
    on: Word = ""  # local or fargate
    schedule: Text = ""
    outcome: Word = ""
    headline: Text = ""
    reasons: Annotated[tuple[Reason, ...], Field(max_length=20)] = ()
    criteria: Annotated[tuple[EventCriterion, ...], Field(max_length=20)] = ()
    standouts: Annotated[tuple[Reason, ...], Field(max_length=20)] = ()
    figures: EventFigures = EventFigures()
    tags: Annotated[dict[Text, Text], Field(max_length=50)] = field(default_factory=dict)
    links: Annotated[dict[Word, Text], Field(max_length=10)] = field(default_factory=dict)  # run, report
    deliveries: Annotated[tuple[Delivery, ...], Field(max_length=20)] = ()  # stored alone, never sent

    def to_send(self) -> dict[str, Any]:
        """Returns what receivers get, as plain data."""
        content = self.to_dict()
        del content["deliveries"]
        return content

"""Events of runs, `toril.event/1`: made from a run, sent to webhooks and EventBridge, and kept under `events/`.

Each delivery has a thread of its own. A slow or missing receiver delays neither the run nor another receiver.
"""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Protocol

from toril.clock import Clock
from toril.errors import Note, StoreError
from toril.notify.events import key_of
from toril.records import Plan, run_key
from toril.records.document import document
from toril.records.event import (
    EVENTS,
    MOST_BYTES_OF_EVENT,
    PENDING,
    Delivery,
    Event,
    EventCriterion,
    EventFigures,
    Trying,
    untold,
)
from toril.records.progress import Progress
from toril.records.verdict import Reason
from toril.reports import Bundle
from toril.secrets.masking import masked_settings
from toril.store import BUCKETS, Store
from toril.text import plain
from toril.timeline import Timeline

MOST = 20  # reasons, criteria and standouts of an event
LENGTHS = (300, 100, 30)  # of its texts in characters: the first that fits
UNANSWERED = "no answer in time"
UNSENT = "not sent in time"
REGRESSION = "regression"  # code of a reason
AS_JUDGED = ("outcome", "observed", "threshold", "unit")  # of a criterion


class Receiver(Protocol):
    """Receives events."""

    @property
    def name(self) -> str: ...

    def wants(self, event: Event) -> bool: ...

    def send(self, event: Event, trying: Trying = untold) -> Delivery:
        """Sends an event, which may take seconds. Raises nothing that a user can correct.

        `trying` is called before each attempt with a delivery that has no result yet.
        """
        ...


class Notifier:
    """Sends the events of one run. An observer of its coordinator."""

    def __init__(
        self,
        store: Store,
        receivers: Sequence[Receiver],
        clock: Clock,
        *,
        schedule: str = "",
        console: str = "",
        listener: Callable[[Event], None] = lambda event: None,
    ) -> None:
        """`console`: the address of the console, for links; `listener` also gets each event, at once."""
        self._store, self._receivers, self._clock = store, receivers, clock
        self._schedule, self._console, self._listener = schedule, console, listener
        self._threads: list[threading.Thread] = []
        self._deliveries: dict[tuple[str, int], Delivery] = {}  # by event and receiver
        self._kept: list[tuple[Event, list[tuple[str, int]]]] = []  # events in the store, with their deliveries
        self._unwritten: list[Note] = []
        self._closed = False

    def begun(self, plan: Plan, start_at: float, attempts: Mapping[str, str]) -> None:
        about = self._about(plan)
        self.send(Event(id=f"{plan.run_id}:run-started", kind="run-started", at=start_at, headline="Started", **about))

    def advanced(self, timeline: Timeline, complete_to: int | None, progress: Progress) -> None:
        pass

    def judged(self, bundle: Bundle) -> None:
        run_id, at, about = bundle.plan.run_id, self._clock.now(), self._about(bundle.plan)
        finished = Event(id=f"{run_id}:run-finished", kind="run-finished", at=at, **about, **_result(bundle))
        self.send(finished)
        reasons = tuple(reason for reason in finished.reasons if reason.code == REGRESSION)
        if reasons:
            confirmed = f"{run_id}:regression-confirmed"
            self.send(replace(finished, id=confirmed, kind="regression-confirmed", reasons=reasons))

    def send(self, event: Event) -> None:
        """Keeps the event and sends it, unless an earlier coordinator of the run has done so."""
        self._listener(event)
        thread = threading.Thread(target=self._send, args=(event,), name=f"toril-{event.kind}", daemon=True)
        self._threads.append(thread)
        thread.start()

    @property
    def has_sent(self) -> bool:
        return bool(self._threads)

    def close(self, within_s: float) -> tuple[Note, ...]:
        """Waits for the deliveries. Returns those that failed; one without an answer until then is unreachable."""
        until = time.monotonic() + within_s
        for thread in self._threads:
            thread.join(max(0.0, until - time.monotonic()))
        self._closed = True
        for place, delivery in [*self._deliveries.items()]:
            if delivery.status == PENDING:
                why = UNANSWERED if delivery.attempts else UNSENT
                self._deliveries[place] = replace(delivery, status="unreachable", message=why, at=time.time())
        if any(thread.is_alive() for thread in self._threads):
            for event, wanted in [*self._kept]:
                self._keep(event, wanted)
        failed = [delivery for delivery in self._deliveries.values() if delivery.status != "delivered"]
        texts = dict.fromkeys(f"{one.to}: {one.status}{f' ({one.message})' if one.message else ''}" for one in failed)
        return (*self._unwritten, *(Note("undelivered", f"notification not delivered to {text}") for text in texts))

    def _send(self, event: Event) -> None:
        wanted = [(event.id, number) for number, receiver in enumerate(self._receivers) if receiver.wants(event)]
        for place in wanted:
            self._deliveries[place] = Delivery(to=self._receivers[place[1]].name, status=PENDING)
        written = True
        try:
            if not self._store.put_once(key_of(event), self._document(event, wanted)):
                for place in wanted:
                    del self._deliveries[place]
                return
        except StoreError as error:
            written = False
            self._unwritten.append(Note("event-unwritten", f"an event of the run is not in the store: {error}"))
        if written and wanted:
            self._kept.append((event, wanted))
        threads = [threading.Thread(target=self._deliver, args=(event, place), daemon=True) for place in wanted]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if written and wanted:
            self._keep(event, wanted)

    def _keep(self, event: Event, wanted: Sequence[tuple[str, int]]) -> None:
        try:
            self._store.put(key_of(event), self._document(event, wanted))
        except StoreError as error:
            self._unwritten.append(Note("event-unwritten", f"the deliveries are not in the store: {error}"))

    def _deliver(self, event: Event, place: tuple[str, int]) -> None:
        receiver = self._receivers[place[1]]
        try:
            self._deliveries[place] = receiver.send(event, partial(self._try, place))
        except Exception as error:  # a bug must not print a traceback into the run's view
            failed = Delivery(to=receiver.name, status="refused", message=type(error).__name__)
            self._deliveries[place] = failed

    def _try(self, place: tuple[str, int], delivery: Delivery) -> None:
        if not self._closed:
            self._deliveries[place] = delivery

    def _document(self, event: Event, places: Sequence[tuple[str, int]]) -> bytes:
        return document(replace(event, deliveries=tuple(self._deliveries[place] for place in places)))

    def _about(self, plan: Plan) -> dict[str, Any]:
        tags, links = masked_settings(dict(plan.tags)), links_of(self._store, run_key(plan.run_id, "report.html"))
        if self._console:
            links["run"] = f"{self._console}/runs/{plan.run_id}"
        return {
            "run_id": plan.run_id,
            "suite": plan.suite,
            "on": plan.on,
            "schedule": self._schedule,
            "tags": {plain(name, 100): plain(value, 100) for name, value in [*tags.items()][:MOST]},
            "links": links,
        }


def links_of(store: Store, report: str = "") -> dict[str, str]:
    """Returns the addresses of a bucket and of a report in it; none for a folder, which is on one machine only."""
    key = report or EVENTS.removesuffix("/")
    address = store.address(key)
    if not address.startswith(BUCKETS):
        return {}
    return {"store": address.removesuffix(f"/{key}"), **({"report": address} if report else {})}


def failed_schedule(store: Store, schedule: str, at: float, code: str, message: str) -> Event:
    """Returns the event of a schedule whose run did not begin."""
    return Event(
        id=f"{schedule}-{int(at)}:schedule-failed",
        kind="schedule-failed",
        at=at,
        on="fargate",
        schedule=schedule,
        headline=f"Schedule {schedule} did not start a run",
        reasons=(Reason(code=code, message=plain(message)),),
        links=links_of(store),
    )


def _result(bundle: Bundle) -> dict[str, Any]:
    """Returns the fields that a verdict fills: without credentials, and short enough for an event."""
    for longest in LENGTHS:
        texts = _texts(bundle, longest)
        if len(document(Event(id="", kind="run-finished", at=0, **texts))) < MOST_BYTES_OF_EVENT // 2:
            break
    return texts


def _texts(bundle: Bundle, longest: int) -> dict[str, Any]:
    from toril.reports.run_blocks import headline  # a run begins before it needs reports

    verdict, total = bundle.verdict, bundle.summary.total
    words = headline(bundle)
    if verdict.outcome == "inconclusive" and verdict.reasons:  # no reason is below it
        words = f"Inconclusive: {verdict.reasons[0].message}"
    breached = [criterion for criterion in verdict.criteria if criterion.outcome != "passed"]
    return {
        "outcome": verdict.outcome,
        "headline": plain(words, longest),
        "reasons": tuple(Reason(code=one.code, message=plain(one.message, longest)) for one in verdict.reasons[:MOST]),
        "criteria": tuple(
            EventCriterion(
                criterion=plain(rule.criterion, longest), **{name: getattr(rule, name) for name in AS_JUDGED}
            )
            for rule in breached[:MOST]
        ),
        "standouts": tuple(
            Reason(code=hit.code, message=plain(hit.message, longest)) for hit in bundle.summary.standouts[:MOST]
        ),
        "figures": EventFigures(
            samples=total.samples,
            failures_share=total.failures_share,
            p95_us=total.response_us.p95 if total.response_us else None,
            rps=total.rps,
            duration_s=bundle.summary.duration_s,
        ),
    }

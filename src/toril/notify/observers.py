"""The observers of a run, as its plan, its options and the environment ask for them."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from types import MappingProxyType, TracebackType
from typing import TYPE_CHECKING

from toril.aws.coordinators import CONSOLE, SCHEDULE
from toril.clock import Clock
from toril.errors import Note, OptionError, UserError
from toril.notify.notices import Notifier, Receiver, failed_schedule
from toril.notify.otel import ENDPOINTS
from toril.notify.webhooks import webhook_of
from toril.records import Notice, Plan
from toril.runs.coordination import Observer
from toril.store import Store

if TYPE_CHECKING:
    from toril.notify.otel.exporter import Exporter

ON_AWS = "ECS_CONTAINER_METADATA_URI_V4"  # ECS sets it in each task
CLOSE_S = 5.0  # for all observers together; a person or a pipeline waits for the command's end
CLOSE_ON_AWS_S = 20.0  # of a task, which has no such person


class Observing:
    """The observers of a command's run: made for its plan, closed at its end. It prints what they could not do.

    If a schedule's command fails before a run began, that becomes an event too.
    """

    def __init__(self, store: Store, clock: Clock, environment: Mapping[str, str], say: Callable[[Note], None]) -> None:
        self._store, self._clock, self._environment, self._say = store, clock, environment, say
        self._observers: list[Observer] = []
        self._webhooks: Sequence[Receiver] = ()
        self._notifier: Notifier | None = None

    def __enter__(self) -> "Observing":
        return self

    def of(
        self,
        plan: Plan,
        otlp: str | None = None,
        notices: Sequence[Notice] = (),
        given: Mapping[str, str] = MappingProxyType({}),
    ) -> Sequence[Observer]:
        """Returns the observers of a run. `otlp`: a collector's address; `notices`: besides those of the plan.

        `given`: variables of the suite (`--env`); only addresses of webhooks are read there.

        OptionError if the extra `otel` is missing.
        """
        if plan.tried:
            return ()
        addresses = {notice.variable for notice in (*plan.notices, *notices)} & given.keys()
        known = {**self._environment, **{name: given[name] for name in addresses}}
        self._webhooks = [webhook_of(notice, plan, known) for notice in (*plan.notices, *notices)]
        exporter = self._exporter(plan, otlp)
        self._notifier = self._notifier_to(exporter)
        self._observers = [self._notifier, *([] if exporter is None else [exporter])]
        return self._observers

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        schedule = self._environment.get(SCHEDULE, "")
        if schedule and isinstance(error, UserError) and not (self._notifier and self._notifier.has_sent):
            notifier = self._notifier_to(None)
            notifier.send(failed_schedule(self._store, schedule, self._clock.now(), error.code, str(error)))
            self._observers.append(notifier)
        within_s = CLOSE_ON_AWS_S if ON_AWS in self._environment else CLOSE_S
        if self._observers:
            with ThreadPoolExecutor(len(self._observers)) as pool:  # all at once, so that they share the time
                for notes in pool.map(lambda exporter: closed(exporter, within_s), self._observers):
                    for note in notes:
                        self._say(note)

    def _notifier_to(self, exporter: "Exporter | None") -> Notifier:
        receivers: list[Receiver] = [*self._webhooks]
        if ON_AWS in self._environment:
            from toril.aws.events import EventSender

            receivers.append(EventSender.of(self._environment.get("AWS_REGION", "")))
        return Notifier(
            self._store,
            receivers,
            self._clock,
            schedule=self._environment.get(SCHEDULE, ""),
            console=self._environment.get(CONSOLE, ""),
            listener=(lambda event: None) if exporter is None else exporter.send,
        )

    def _exporter(self, plan: Plan, otlp: str | None) -> "Exporter | None":
        asked = "--otlp" if otlp else next((name for name in ENDPOINTS if self._environment.get(name)), None)
        if asked is None:
            return None
        try:
            from toril.notify.otel.exporter import Exporter
        except ModuleNotFoundError as error:
            if not (error.name or "").startswith("opentelemetry"):
                raise
            fix = "install toril with the extra `otel`, or remove the setting"
            raise OptionError(f"{asked} needs OpenTelemetry's SDK; {fix}", code="no-otel") from error
        return Exporter(plan, otlp, self._environment)


def closed(observer: Observer, within_s: float) -> tuple[Note, ...]:
    """Closes an observer; returns what it could not do."""
    try:
        return observer.close(within_s)
    except Exception as failure:  # the command has its result
        return (Note("observer-failed", f"{type(observer).__name__} did not end: {failure!r}"),)

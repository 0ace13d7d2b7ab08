"""A console in this process over a store of made-up runs, with a person of a chosen role."""

import math
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from inspect import isfunction
from typing import Any, Literal

import uvicorn
from fastapi import APIRouter, Request
from lxml.html import document_fromstring
from starlette.testclient import TestClient

from tests.clocks import SteppedClock
from tests.reports import examples
from toril.console.app import Setup, create_app
from toril.console.identity import Person, Role, SignIn
from toril.coordinator.progress import packed
from toril.records import Lease, Plan, PlannedExecution, run_key
from toril.records.console import RunRequest
from toril.records.document import document
from toril.records.progress import (
    CriterionNow,
    FiguresNow,
    GeneratorsNow,
    LabelNow,
    LocationNow,
    Progress,
    ProgressNote,
    RateNow,
    Recent,
    WorkersNow,
    progress_key,
)
from toril.reports import Bundle
from toril.store import Store

ADDRESS = "http://console.test"
NOW = 1_790_000_000.0
LIVE = "20261127T100000Z-shop-live"
TOKEN = "token-of-the-session"


@dataclass
class Known:
    """The identity of one person, who is always signed in."""

    role: Role
    by: Literal["session", "token"] = "session"
    can_sign_out: bool = False
    sign_in: SignIn | None = None
    away: bool = False  # the session has expired

    @property
    def routes(self) -> APIRouter:
        return APIRouter()

    def person(self, request: Request) -> Person | None:
        return None if self.away else Person(subject="ada", name="Ada", role=self.role, by=self.by)

    def csrf(self, request: Request) -> str:
        return TOKEN

    def end_sessions(self, subject: str) -> None:
        pass


@dataclass
class Started:
    """A starter that only remembers the requests."""

    requests: list[RunRequest] = field(default_factory=list)
    ended: str | None = None
    taken_over: list[str] = field(default_factory=list)

    def take_over(self, run_id: str, at: float) -> None:
        self.taken_over.append(run_id)

    def start(self, request: RunRequest) -> None:
        self.requests.append(request)

    def why_ended(self, request: RunRequest) -> str | None:
        return self.ended


def setup(
    store: Store, role: Role = "admin", *, by: Any = "session", clock: Any = None, address: str = ADDRESS, **more: Any
) -> Setup:
    return Setup(
        store=store,
        identity=more.pop("identity", None) or Known(role, by),
        clock=clock or SteppedClock(NOW),
        examine=lambda _: (),
        address=address,
        starter=more.pop("starter", Started()),
        **more,
    )


def client(store: Store, role: Role = "admin", **more: Any) -> TestClient:
    """Returns a browser without script; it sends the session's CSRF token with each form."""
    app = create_app(setup(store, role, **more))
    return TestClient(app, base_url=ADDRESS, headers={"x-csrf-token": TOKEN}, follow_redirects=False)


def stored(store: Store, bundle: Bundle, **changes: Any) -> str:
    """Stores a judged run. Returns its id."""
    plan = bundle.plan.model_copy(update=changes)
    store.put(run_key(plan.run_id, "plan.json"), plan.to_json())
    store.put(run_key(plan.run_id, "summary.json"), document(replace(bundle.summary, run_id=plan.run_id)))
    store.put(run_key(plan.run_id, "verdict.json"), bundle.verdict.to_json())
    if bundle.evidence is not None:
        store.put(run_key(plan.run_id, "evidence.json"), document(bundle.evidence))
    return plan.run_id


def live_plan(**changes: Any) -> Plan:
    """Returns the plan of a running run, whose rate can be adjusted."""
    execution = PlannedExecution(
        name="buy", index=0, executor="vegeta", scenario="buy", concurrency=0, throughput_rps=100, ramp_up_s=0,
        hold_for_s=300, adjustable=True,
    )  # fmt: skip
    return examples.plan(**{"run_id": LIVE, "executions": (execution,)} | changes)


def fargate_plan() -> Plan:
    """Returns the same plan in a region, where hours have a price."""
    plan = live_plan(on="fargate")
    shares = tuple(share.model_copy(update={"location": "eu-west-1"}) for share in plan.shares)
    return plan.model_copy(update={"shares": shares})


def progress(
    seconds: int = 90, *, at: float = NOW, run_id: str = LIVE, label: str = "checkout", **changes: Any
) -> Progress:
    """Returns the progress of a run that started that long ago."""
    shown = range(max(0, seconds - 120), seconds)
    wave = [100 + 8 * math.sin(second / 7) for second in shown]
    figures = FiguresNow(virtual_users=12, rps=wave[-1] if wave else 0, p50_us=18_400, p95_us=51_200, p99_us=88_700,
                         samples=100 * seconds, failures=seconds // 20)  # fmt: skip
    made = Progress(
        run_id=run_id,
        number=seconds + 1,
        at=at,
        phase="running" if seconds else "preparing",
        phase_since=at - seconds,
        started_at=at - seconds,
        elapsed_s=seconds,
        planned_s=300,
        figures=figures,
        recent=Recent(
            from_s=shown.start,
            rps=tuple(round(rps) for rps in wave),
            failures=tuple(int(second % 20 == 0) for second in shown),
            p50_us=tuple(18_000 + 40 * second for second in shown),
            p95_us=tuple(round(48_000 + 9000 * math.sin(second / 5)) for second in shown),
            p99_us=tuple(round(82_000 + 16_000 * math.sin(second / 5)) for second in shown),
            virtual_users=tuple(10 + second % 4 for second in shown),
            planned_users=(None,) * len(shown),
            planned_rps=(100.0,) * len(shown),
        ),
        locations=tuple(
            LocationNow(
                location=name,
                figures=replace(figures, rps=figures.rps / 2),
                workers_planned=1,
                workers_ready=1,
                workers_running=1,
            )
            for name in ("madrid", "sevilla")
        ),
        labels=tuple(LabelNow(label=name, figures=figures) for name in (label, "cart", "search")),
        workers=WorkersNow(planned=2, ready=2),
        generators=GeneratorsNow(cpu=0.31, busiest_core=0.44),
        criteria=(
            CriterionNow(outcome="failed", message="p99 of checkout is 88.7 ms, above 80 ms"),
            CriterionNow(outcome="passed", message="p95 is 51.2 ms, below 250 ms"),
        ),
        notes=(ProgressNote(code="no-capacity", message="eu-west-1: AWS has no Fargate capacity; trying again"),),
        rates=(RateNow(execution="buy", rps=100, achieved_rps=99),),
    )
    return replace(made, **changes)


def running(store: Store, shown: Progress | None, *, plan: Plan | None = None, renewed_at: float = NOW) -> str:
    """Stores a running run with its progress. Returns its id."""
    plan = plan or live_plan()
    store.put(run_key(plan.run_id, "plan.json"), plan.to_json())
    lease = Lease(owner="one", pid=1, host="here", renewed_at=renewed_at)
    store.put(run_key(plan.run_id, "lease.json"), lease.to_json())
    if shown is not None:
        store.put(progress_key(plan.run_id), packed(shown))
    return plan.run_id


@contextmanager
def serving(store: Store, role: Role = "admin", *, clock: Any = None, **more: Any) -> Iterator[str]:
    """Serves the console on loopback. Yields its address."""
    with loopback(lambda address: create_app(setup(store, role, clock=clock, address=address, **more))) as address:
        yield address


@contextmanager
def loopback(app: Any) -> Iterator[str]:
    """Serves an application on loopback. Yields its address. A function makes the application of its address."""
    listener = socket.create_server(("127.0.0.1", 0))  # clients wait from now on, and are never refused
    address = f"http://127.0.0.1:{listener.getsockname()[1]}"
    made = app(address) if isfunction(app) else app
    server = uvicorn.Server(uvicorn.Config(made, log_level="error", access_log=False))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    try:
        yield address
    finally:
        server.should_exit = True
        thread.join(10)
        listener.close()


def parsed(page: bytes) -> Any:
    """Returns the page as an element tree."""
    return document_fromstring(page)

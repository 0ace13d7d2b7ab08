"""Ten minutes of a shop as workers record them: a ramp-up, an incident, one slow worker."""

from typing import Any

import numpy as np

from tests.measured import START, counted, left, plan_of
from toril.records import Plan, PlannedExecution
from toril.reports import Bundle
from toril.summary import Completeness, summarise
from toril.timeline import Timeline
from toril.timeline.intervals import Recorder, decode
from toril.verdict import judge

LOCATIONS = ("eu-west-1", "us-east-1", "ap-southeast-2", "sa-east-1")
LABELS = (
    "GET /", "GET /products", "GET /products/{id}", "GET /search", "POST /cart", "GET /cart", "DELETE /cart/{item}",
    "POST /login", "POST /logout", "GET /account", "GET /account/orders", "GET /account/orders/{id}",
    "POST /checkout", "POST /checkout/payment", "GET /checkout/confirmation", "GET /recommendations", "GET /reviews",
    "POST /reviews", "GET /static/app.js",
    "GET /api/v2/tenants/{tenant}/catalogues/{catalogue}/products/{product}/availability",
)  # fmt: skip
USERS, RAMP_S, INCIDENT, CALM = 200, 60, range(300, 345), range(0)
CRITERIA: tuple[str | dict[str, Any], ...] = (
    "p95>400ms",
    "p95 of POST /checkout/payment>900ms for 10s, stop as failed",
    "fail>5% for 10s",
    "p99 of GET />250ms",
    "avg-rt of GET /search>200ms",
    "p99.9>4s",
    "concurrency<150 for 30s",
)


def plan(
    seconds: int = 600, criteria: tuple[str | dict[str, Any], ...] = CRITERIA, locations: tuple[str, ...] = LOCATIONS
) -> Plan:
    buy = PlannedExecution(
        name="buy",
        index=0,
        executor="jmeter",
        scenario="buy",
        concurrency=USERS,
        throughput_rps=240,
        ramp_up_s=min(RAMP_S, seconds - 1),
        hold_for_s=seconds - min(RAMP_S, seconds - 1),
    )
    made = plan_of(*criteria, executions=(buy,), workers=2, locations=locations, ramp_up_exclude=True)
    tags = {"commit": "4e5f6a7", "pull_request": "812", "branch": "faster-checkout"}
    return made.model_copy(update={"tags": tags, "toril_version": "0.1.0"})


def bundle(
    *,
    seconds: int = 600,
    labels: tuple[str, ...] = LABELS,
    criteria: tuple[str | dict[str, Any], ...] = CRITERIA,
    locations: tuple[str, ...] = LOCATIONS,
    incident: range = INCIDENT,
    slower: float = 1.0,
    busy: float = 0.55,
    seed: int = 1,
) -> Bundle:
    """Returns the judged run; `busy` is the CPU of its slow worker, `slower` scales all times."""
    planned = plan(seconds, criteria, locations)
    timeline = timeline_of(planned, seconds, labels, incident=incident, slower=slower, busy=busy, seed=seed)
    workers = tuple(share.worker for share in planned.shares)
    completeness = Completeness(
        planned=workers,
        reported=workers,
        exits=counted({worker: left(worker) for worker in workers}, timeline),
        started_at=START,
    )
    summary = summarise(planned, timeline, completeness, START)
    verdict = judge(planned, timeline, completeness, summary)
    return Bundle(plan=planned, summary=summary, verdict=verdict, timeline=timeline, completeness=completeness)


def timeline_of(
    planned: Plan, seconds: int, labels: tuple[str, ...], *, incident: range, slower: float, busy: float, seed: int
) -> Timeline:
    random = np.random.default_rng(seed)
    timeline = Timeline()
    for number, share in enumerate(planned.shares):
        recorder = Recorder(share.worker, share.location)
        recorder.resolution("buy", 1000)
        recorder.add_many("buy", _samples(random, number, share.location, seconds, labels, incident, slower))
        for second in range(seconds):
            height = min(1.0, (second + 1) / RAMP_S)
            recorder.virtual_users(second, "buy", round(USERS / len(planned.shares) * height))
            cpu = (busy if number == 3 else 0.3) * (0.4 + 0.6 * height) + 0.04 * random.random()
            waiting = max(0.0, cpu - 0.3) * 0.1
            recorder.health(
                second,
                min(1.0, cpu),
                min(1.0, cpu * 1.3),
                (300 << 20) + (second << 16),
                0.0,
                waiting=waiting,
                sockets=60,
            )
        while data := recorder.flush():  # a file has a size limit
            timeline.add(decode(data, share.worker))
    return timeline


def _samples(
    random: np.random.Generator,
    number: int,
    location: str,
    seconds: int,
    labels: tuple[str, ...],
    incident: range,
    slower: float,
) -> dict[str, Any]:
    """Yields about 30 requests per second of one worker; times depend on label, location and second."""
    size = 30 * seconds
    at = random.uniform(0, seconds, size)
    at = at[random.uniform(0, 1, size) < np.minimum(1, at / RAMP_S + 0.05)]
    weight = 1 / (1 + np.arange(len(labels)))
    label = random.choice(len(labels), at.size, p=weight / weight.sum())
    far = 1 + 0.35 * LOCATIONS.index(location) if location in LOCATIONS else 1.0
    usual_ms = 18 + 9 * (label % 20) + 12 * np.sin(at / 40)
    times_ms = np.maximum(0.2, slower * far * usual_ms * random.lognormal(0, 0.45, at.size))
    during = (at >= incident.start) & (at < incident.stop)
    times_ms[during & (label % 20 >= 12)] *= 6
    odds = np.where(during, 0.16, 0.0004)
    ok = random.uniform(0, 1, at.size) >= odds
    kind = random.integers(0, 10, at.size)
    rc = np.where(ok, "200", np.where(kind < 6, "503", np.where(kind < 9, "504", "")))
    message = np.where(
        kind < 6, "Service Unavailable", np.where(kind < 9, "Gateway Timeout", "Connection reset by peer")
    )
    return {
        "completed_s": at,
        "response_us": (times_ms * 1000).astype(np.int64),
        "label": np.array(labels)[label],
        "ok": ok,
        "steady": at >= RAMP_S,
        "rc": rc,
        "message": np.where(ok, "", message),
        "bytes": random.integers(300, 20_000, at.size),
        "ttfb_us": (times_ms * 800).astype(np.int64),
    }

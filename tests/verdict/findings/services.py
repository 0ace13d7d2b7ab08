"""Simulated services whose faults are known, and the runs that measured them.

A closed loop: each user sends a request, waits for the response, thinks, and starts again. The mean response time of a
second, its capacity and its users give the requests of that second (Little's law).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.measured import START, counted, left, plan_of
from toril.records import Plan, PlannedExecution
from toril.records.summary import Summary
from toril.summary import Completeness, summarise
from toril.timeline import Timeline
from toril.timeline.intervals import Recorder, decode

Floats = NDArray[np.float64]
LABELS = MappingProxyType({"GET /": (0.5, 1.0), "GET /search": (0.3, 1.2), "POST /checkout": (0.2, 0.9)})
IN_STEP_S = 10  # from one common request of users in step to the next
PACE_S = 0.5  # seconds by which a service's stalls come early or late, at most


@dataclass(frozen=True, kw_only=True)
class Service:
    """A service and its load. All defaults together are a clean service."""

    seconds: int = 120
    ramp_s: int = 20
    steps: int = 0
    users: int = 20
    think_s: float = 0.1
    rate: bool = False  # open model: `users` / 0.15 requests a second whatever the responses do
    base_s: float = 0.05
    spread: float = 0.5  # sigma of log-normal times
    heavy: float = 0.0  # share of requests that wait for a Pareto time
    labels: Mapping[str, tuple[float, float]] = field(default_factory=lambda: LABELS)  # share, and factor of its times
    locations: tuple[str, ...] = ("local",)
    noise: float = 0.08  # of the mean response time from second to second
    correlation: float = 0.3  # of this noise
    mix: str = "constant"  # or users in step, who send the last label together; or a journey, which ends with it
    cap: float | None = None  # requests a second that the load must not exceed
    cold_s: float = 0.0  # time until its caches are warm; the first requests take five times as long
    failing: float = 0.0  # share of failures
    fails_by: str = "500"  # the failures' code
    bursts: float = 0.0  # variance of that share from second to second, as a part of it
    fails_from_s: float | None = None  # a fault that fails 4 % more
    fails_from_rate: float | None = None  # the same above this rate
    capacity: float | None = None  # requests a second
    thrash: float = 0.0  # capacity lost when twice as many users as needed wait
    leak: float = 0.0  # growth of times over the hold
    stall_every_s: float | None = None
    stall_s: float = 0.4
    slow: Mapping[str, float] = field(default_factory=dict)  # location → factor of its times
    far_s: Mapping[str, float] = field(default_factory=dict)  # location → offset


def run_of(service: Service, seed: int) -> tuple[Plan, Summary, Timeline]:
    """Returns a finished run of the service. The same seed gives the same run."""
    random = np.random.default_rng(seed)
    plan = plan_of(executions=(_execution(service),), locations=service.locations)
    timeline = Timeline()
    for share in plan.shares:
        recorder = Recorder(share.worker, share.location)
        users = _users(service) / len(plan.shares)
        recorder.add_many("shop", _samples(service, random, share.location, users))
        for second, count in enumerate(users):
            recorder.virtual_users(second, "shop", round(count))
        while data := recorder.flush():
            timeline.add(decode(data, share.worker))
    workers = tuple(share.worker for share in plan.shares)
    exits = counted({worker: left(worker) for worker in workers}, timeline)
    completeness = Completeness(planned=workers, reported=workers, exits=exits, started_at=START)
    return plan, summarise(plan, timeline, completeness, START), timeline


def _execution(service: Service) -> PlannedExecution:
    return PlannedExecution(
        name="shop", index=0, executor="vegeta" if service.rate else "locust", scenario="shop",
        concurrency=None if service.rate else service.users, steps=service.steps or None,
        throughput_rps=service.users / 0.15 if service.rate else service.cap,
        ramp_up_s=service.ramp_s, hold_for_s=service.seconds - service.ramp_s,
    )  # fmt: skip


def _users(service: Service) -> Floats:
    height = np.minimum(1.0, (np.arange(service.seconds) + 0.5) / max(service.ramp_s, 0.5))
    if service.steps:
        height = np.minimum(1.0, np.ceil(height * service.steps) / service.steps)
    return np.asarray(np.maximum(1.0, service.users * height), np.float64)


def _samples(service: Service, random: np.random.Generator, location: str, users: Floats) -> dict[str, Any]:
    mean_s = _means(service, random, location)
    cycle_s = np.full(service.seconds, 0.15) if service.rate else mean_s + service.think_s
    rate = users / cycle_s
    if service.capacity is not None:
        capacity = service.capacity / len(service.locations)
        crowd = np.clip(rate / capacity - 1, 0, 1)
        limit = capacity * (1 - service.thrash * crowd) * np.exp(random.normal(0, 0.02, service.seconds))
        queue_s = np.maximum(0, users / limit - cycle_s)
        rate, mean_s = np.minimum(rate, limit), mean_s + queue_s
    each = random.poisson(rate if service.cap is None else np.minimum(rate, service.cap))
    second = np.repeat(np.arange(service.seconds), each)
    at = second + random.uniform(0, 1, second.size)
    names, shares, factors = list(service.labels), *np.array(list(service.labels.values())).T
    label = random.choice(len(names), second.size, p=shares / shares.sum())
    if service.mix != "constant":
        in_step = at % IN_STEP_S < 1
        later = random.uniform(0, service.seconds, second.size) < at
        label = np.where(in_step if service.mix == "in step" else later, len(names) - 1, label % (len(names) - 1))
    times = mean_s[second] * factors[label] * random.lognormal(-(service.spread**2) / 2, service.spread, second.size)
    times += (random.uniform(0, 1, second.size) < service.heavy) * mean_s[second] * 3 * random.pareto(1.5, second.size)
    times += service.far_s.get(location, 0.0)
    odds = np.full(service.seconds, service.failing)
    if service.bursts:
        odds = odds * random.gamma(1 / service.bursts, service.bursts, service.seconds)
    if service.fails_from_s is not None:
        odds[round(service.fails_from_s) :] += 0.04
    if service.fails_from_rate is not None:
        odds[rate > service.fails_from_rate / len(service.locations)] += 0.04
    ok = random.uniform(0, 1, second.size) >= odds[second]
    at, times, kept = _stalled(service, random, at, times, users)
    return {
        "completed_s": at[kept],
        "response_us": (np.clip(times[kept], 1e-4, 60) * 1e6).astype(np.int64),
        "label": np.array(names)[label[kept]],
        "ok": ok[kept],
        "steady": at[kept] >= service.ramp_s,
        "rc": np.where(ok[kept], "200", service.fails_by),
        "message": "Internal Server Error",
    }


def _means(service: Service, random: np.random.Generator, location: str) -> Floats:
    """Returns the mean response time of each second, in seconds: autoregressive noise around the service's course."""
    steps, level = random.normal(0, service.noise, service.seconds), 0.0
    noise = np.empty(service.seconds)
    for second, step in enumerate(steps):
        noise[second] = level = service.correlation * level + step
    at = np.arange(service.seconds)
    held = np.clip((at - service.ramp_s) / max(1, service.seconds - service.ramp_s), 0, 1)
    cold = 1 + 4 * np.exp(-at / service.cold_s) if service.cold_s else 1.0
    factor = service.base_s * service.slow.get(location, 1.0)
    return np.asarray(factor * np.exp(noise) * (1 + service.leak * held) * cold, np.float64)


def _stalled(
    service: Service, random: np.random.Generator, at: Floats, times: Floats, users: Floats
) -> tuple[Floats, Floats, NDArray[np.bool_]]:
    """Returns the samples with the waits for stalls; while the service stalls, each user sends one request only."""
    kept = at < service.seconds
    if service.stall_every_s is None:
        return at, times, kept
    starts = np.arange(service.stall_every_s / 2, service.seconds, service.stall_every_s)
    for start in starts + random.uniform(-PACE_S, PACE_S, starts.size):
        during = np.flatnonzero((at >= start) & (at < start + service.stall_s))
        during = during[np.argsort(at[during])]
        most = during.size if service.rate else round(users[min(int(start), users.size - 1)])
        kept[during[most:]] = False
        times[during] += start + service.stall_s - at[during]
        at[during] = start + service.stall_s + random.uniform(0, 0.05, during.size)
    return at, times, kept & (at < service.seconds)


UNEQUAL = MappingProxyType({"GET /": (0.6, 1.0), "GET /search": (0.3, 1.2), "POST /checkout": (0.1, 8.0)})

CLEAN: Mapping[str, Service] = {
    "plain": Service(),
    "long": Service(seconds=300),
    "1 % errors": Service(failing=0.01),
    "1 % errors in bursts": Service(failing=0.01, bursts=2.0),
    "heavy tails": Service(heavy=0.03),
    "think times": Service(users=60, think_s=2.0),
    "no think times": Service(users=10, think_s=0.0),
    "cold caches": Service(cold_s=8.0),
    "steps": Service(ramp_s=80, steps=4),
    "ramp": Service(ramp_s=100, users=60),
    "ramp, open model": Service(ramp_s=90, rate=True, users=60),
    "capped rate": Service(ramp_s=60, users=60, cap=60.0),
    "two equal regions": Service(locations=("eu", "us"), users=40),
    "three noisy regions": Service(locations=("eu", "us", "ap"), users=30, noise=0.15),
    "two users": Service(users=2, think_s=1.0),
    "one user, 30 s": Service(seconds=30, ramp_s=0, users=1, think_s=1.0),
    "noisy": Service(noise=0.3),
    "slow noise": Service(noise=0.07, correlation=0.9),
    "slow noise, ramp": Service(noise=0.07, correlation=0.9, ramp_s=80),
    "slow noise, regions": Service(noise=0.07, correlation=0.9, locations=("eu", "us")),
    "journey": Service(mix="journey", ramp_s=60, labels={**LABELS, "POST /pay": (0.1, 1.8)}),
}
FAULTY: Mapping[str, tuple[str, Service]] = {  # with the code of its standout
    "throughput is flat": ("service-saturated", Service(users=100, ramp_s=60, capacity=200.0)),
    "throughput falls": ("service-saturated", Service(users=60, thrash=0.4, ramp_s=60, capacity=200.0)),
    "throughput is flat, in steps": ("service-saturated", Service(users=100, steps=5, ramp_s=80, capacity=250.0)),
    "throughput is flat, one minute": ("service-saturated", Service(users=50, ramp_s=20, seconds=60, capacity=120.0)),
    "4 % errors from second 70": ("errors-began", Service(failing=0.002, fails_from_s=70.0)),
    "closed idle connections": ("idle-connections", Service(failing=0.001, fails_by="IdleConnectionClosed")),
    "4 % errors, five users": ("errors-began", Service(users=5, fails_from_s=50.0)),
    "4 % errors from 250/s": ("errors-began", Service(ramp_s=100, users=60, fails_from_rate=250.0)),
    "4 % errors from 250/s, open": ("errors-began", Service(rate=True, ramp_s=100, users=60, fails_from_rate=250.0)),
    "a tenth is slow": ("dominant-label", Service(labels=UNEQUAL)),
    "half is slow": ("dominant-label", Service(labels={"GET /": (0.5, 1.0), "POST /checkout": (0.5, 6.0)})),
    "users in step": ("dominant-label", Service(mix="in step", labels=UNEQUAL)),  # and no stalls
    "stalls": ("periodic-stall", Service(stall_every_s=10.0)),
    "stalls, one minute": ("periodic-stall", Service(stall_every_s=10.0, seconds=70, ramp_s=5)),
    "stalls, no think times": ("periodic-stall", Service(stall_every_s=10.0, users=10, think_s=0.0)),
    "stalls, heavy tails": ("periodic-stall", Service(stall_every_s=10.0, heavy=0.03)),
    "stalls, open model": ("periodic-stall", Service(stall_every_s=10.0, rate=True)),
    "stalls each 20 s": ("periodic-stall", Service(stall_every_s=20.0, seconds=300)),
    "slow region": ("slow-location", Service(locations=("eu", "us"), users=40, slow={"us": 1.4})),
    "far region": ("slow-location", Service(locations=("eu", "us", "ap"), users=40, far_s={"ap": 0.04})),
    "leak": ("drift", Service(leak=0.6)),
    "slow leak": ("drift", Service(seconds=300, leak=0.4)),
    "leak, three users": ("drift", Service(seconds=300, users=3, leak=1.0)),
}

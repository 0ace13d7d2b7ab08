"""`toril agent`: takes shares of runs for one private location from the store, and runs a worker for each.

An agent is to its workers what the container is on Fargate: they end with it. The module imports no bzt: only the
workers need it.
"""

import contextlib
import logging
import math
import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

import psutil

from toril.clock import Clock
from toril.errors import InfrastructureError, StoreError
from toril.programs import hide_process
from toril.records import Plan, run_key
from toril.records.agent import (
    ANNOUNCED_EVERY_S,
    Announcement,
    Claim,
    Ended,
    Offer,
    Offers,
    RunningShare,
    announcement_key,
    claim_key,
    ended_key,
    offers_key,
)
from toril.secrets.environment import for_worker
from toril.signals import caught_interrupts
from toril.store import Store
from toril.store.records import get_record
from toril.text import plural, visible
from toril.worker.processes import lead_a_group_and_die_with_parent

TAKEN_AFTER_S = ANNOUNCED_EVERY_S + 2  # without a new announcement, the name is free
STOP_S = 120.0  # for workers to end after SIGTERM, as on Fargate
STARTS_S = 1_200.0  # until all workers of a run are ready
CLAIM_TRIES = 3  # a malformed offer then comes last
LOG_TAIL = 600  # bytes

log = logging.getLogger("toril.agent")


class Process(Protocol):
    """The process of a worker."""

    def exit_code(self) -> int | None:
        """Returns None while it runs."""

    def terminate(self) -> None: ...

    def kill(self) -> None: ...

    def last_lines(self) -> str:
        """Returns the end of its log."""


@dataclass(slots=True)
class RunningWorker:
    """A worker of this agent."""

    share: RunningShare
    process: Process
    over_at: float  # the limit of the agent; infinite without one
    kill_at: float | None = None  # None: it has not been stopped


class Agent:
    """Takes offers of its location while it has free slots. The caller repeats `step`.

    `about`: its first announcement. `refusal`: returns why its limits exclude a plan, or "". `stop_s`: time for workers
    to end after SIGTERM.
    """

    def __init__(
        self,
        store: Store,
        about: Announcement,
        clock: Clock,
        start: Callable[[RunningShare], Process],
        *,
        refusal: Callable[[Plan], str] = lambda plan: "",
        stop_s: float = STOP_S,
    ) -> None:
        self._store, self._about, self._clock, self._start, self._stop_s = store, about, clock, start, stop_s
        self._refusal, self._limited = refusal, bool(about.targets) or about.max_duration_s is not None
        self._key = announcement_key(about.location, about.agent)
        self._version: str | None = None  # of the announcement
        self._announced: Announcement | None = None
        self._running: list[RunningWorker] = []
        self._unreported: list[tuple[str, Ended]] = []  # ends of workers that are not in the store yet
        self._answered: set[tuple[str, str, str]] = set()  # offers that this agent or another one has taken
        self._failures: Counter[tuple[str, str, str]] = Counter()  # by offer, of its claim
        self._leaves, self._trouble, self._lived_at = False, "", 0.0

    @property
    def has_left(self) -> bool:
        """Whether the agent has announced that it leaves, and its workers have ended."""
        return self._announced is not None and self._announced.leaving and not (self._running or self._unreported)

    def begin(self) -> None:
        """Announces the agent; InfrastructureError if another one of its name is live.

        An agent that was killed left an announcement behind, which does not change any more.
        """
        version = self._store.find_version(self._key)
        if version is not None:
            free_at = self._clock.now() + TAKEN_AFTER_S
            while self._clock.now() < free_at:
                self._clock.sleep(1.0)
                again = self._store.find_version(self._key)
                if again is not None and again[1] != version[1]:
                    raise self._name_taken()
            self._version = version[1]
        self._lived_at = self._clock.now()
        self._announce()

    def step(self) -> None:
        """Does all work that is due. A failing store delays it.

        InfrastructureError if another agent took the name while this one could not announce itself.
        """
        for worker in self._running:
            if worker.kill_at is not None and self._clock.now() > worker.kill_at:
                worker.process.kill()
        self._stop(worker for worker in self._running if self._clock.now() > worker.over_at)
        try:
            self._report_ends()
            self._announce()
            self._lived_at = self._clock.now()
            if not self._leaves:
                offers = self._offers()
                self._stop_unwanted({_identity(offer) for offer in offers})
                self._take(offers)
            self._announce()
            self._trouble = ""
        except StoreError as error:
            if str(error) != self._trouble:
                log.warning("%s", error)
            self._trouble = str(error)

    def leave(self) -> None:
        """Stops the workers; `step` then takes no more offers. Further calls do nothing."""
        self._leaves = True
        self._stop_unwanted(set())

    def kill(self) -> None:
        for worker in self._running:
            worker.process.kill()

    def _stop_unwanted(self, wanted: set[tuple[str, str, str]]) -> None:
        self._stop(worker for worker in self._running if _identity(worker.share) not in wanted)

    def _stop(self, unwanted: Iterable[RunningWorker]) -> None:
        for worker in unwanted:
            if worker.kill_at is None:
                worker.kill_at = self._clock.now() + self._stop_s
                worker.process.terminate()

    def _announce(self) -> None:
        """Writes the announcement every 10 s, and after changes."""
        last, now = self._announced, self._clock.now()
        running = tuple(worker.share for worker in self._running)
        changes = {"running": running, "free": self._about.slots - len(running), "leaving": self._leaves}
        new = self._about.model_copy(update={"at": now, **changes})
        if last is not None and new == last.model_copy(update={"at": now}) and now < last.at + ANNOUNCED_EVERY_S:
            return
        version = self._store.swap(self._key, new.to_json(), self._version)
        if version is not None:
            self._version, self._announced = version, new
            return
        current = self._store.find_version(self._key)
        self._version = None if current is None else current[1]
        if current is None or f'"{self._about.instance}"'.encode() in current[0]:
            return  # it was deleted, or the answer to an earlier write was lost; the next step writes again
        if now > self._lived_at + TAKEN_AFTER_S:
            raise self._name_taken()
        # The name was not free: this announcement is false, and must not end the workers. The next step replaces it.
        log.warning("another program announced itself as %s", self._about.agent)

    def _name_taken(self) -> InfrastructureError:
        text = f"another agent of {self._about.location} has the name {self._about.agent}; choose another --agent-name"
        return InfrastructureError(text, code="agent-name-taken")

    def _offers(self) -> tuple[Offer, ...]:
        key = offers_key(self._about.location)
        data = self._store.find(key, Offers.MOST_BYTES)
        if data is None and self._running:  # a folder that is not mounted; workers end by the run's lease
            raise StoreError(f"{self._store.address(key)} is missing", code="no-such-key")
        return () if data is None else Offers.from_json(data, key).offers

    def _take(self, offers: tuple[Offer, ...]) -> None:
        """Takes one offer at most, so that the agents of a location share the work evenly."""
        there = {_identity(offer) for offer in offers}
        claim = Claim(agent=self._about.agent, instance=self._about.instance)
        self._answered &= there
        self._failures = Counter({offer: times for offer, times in self._failures.items() if offer in there})
        for offer in sorted(offers, key=lambda share: self._failures[_identity(share)] >= CLAIM_TRIES):
            if len(self._running) >= self._about.slots:
                return
            if offer.expires_at < self._clock.now() or _identity(offer) in self._answered:
                continue
            try:
                key = run_key(offer.run_id, "plan.json")
                why = self._refusal(get_record(self._store, Plan, key)) if self._limited else ""
                mine = self._store.put_once(claim_key(*_identity(offer)), claim.to_json())
            except StoreError:  # the next step repeats the claim
                self._failures[_identity(offer)] += 1
                raise
            self._answered.add(_identity(offer))
            if mine:
                share = RunningShare(run_id=offer.run_id, worker=offer.worker, attempt=offer.attempt)
                if why:
                    self._end(share, f"agent {self._about.agent} refuses it: {why}", None)
                else:
                    self._run(share)
                return

    def _run(self, share: RunningShare) -> None:
        log.info("%s of %s: starting", share.worker, share.run_id)
        try:
            over_at = self._clock.now() + STARTS_S + (self._about.max_duration_s or math.inf)
            self._running.append(RunningWorker(share, self._start(share), over_at))
        except OSError as error:
            self._end(share, f"it could not be started: {error}", None, again=True)

    def _report_ends(self) -> None:
        for worker in [*self._running]:
            code = worker.process.exit_code()
            if code is not None:
                self._running.remove(worker)
                why = "its agent was stopped; " if self._leaves else ""
                tail = worker.process.last_lines() if code else ""
                how = f"its process ended with exit code {code}" + (f"; last log lines: {tail}" if tail else "")
                self._end(worker.share, why + how, code, again=self._leaves)
        while self._unreported:
            key, ended = self._unreported[0]
            self._store.put_once(key, ended.to_json())
            self._unreported.pop(0)

    def _end(self, share: RunningShare, reason: str, code: int | None, *, again: bool = False) -> None:
        log.info("%s of %s: %s", share.worker, share.run_id, reason)
        ended = Ended(
            agent=self._about.agent,
            instance=self._about.instance,
            at=self._clock.now(),
            reason=reason,
            exit_code=code,
            again=again,
        )
        self._unreported.append((ended_key(*_identity(share)), ended))


def _identity(share: RunningShare) -> tuple[str, str, str]:
    return share.run_id, share.worker, share.attempt


class WorkerProcess:
    """A worker under its guard, which ends with the agent (Linux)."""

    def __init__(self, store_address: str, share: RunningShare) -> None:
        python = [sys.executable, "-P", "-m"]  # -P: ignores a user's own yaml.py
        guard = [*python, "toril.worker.pid1"] if sys.platform == "linux" else []
        command = [*guard, *python, "toril.worker", "--watch-parent", "--store", store_address]
        command += ["--run", share.run_id, "--worker", share.worker, "--attempt", share.attempt]
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - closed with this object
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=subprocess.STDOUT,
            env=for_worker(os.environ),
            preexec_fn=lead_a_group_and_die_with_parent,
        )

    def exit_code(self) -> int | None:
        return self._process.poll()

    def terminate(self) -> None:
        self._process.terminate()

    def kill(self) -> None:
        with contextlib.suppress(psutil.Error):
            guard = psutil.Process(self._process.pid)
            for process in (*guard.children(recursive=True), guard):
                with contextlib.suppress(psutil.Error):
                    process.kill()

    def last_lines(self) -> str:
        self._log.seek(max(0, self._log.seek(0, os.SEEK_END) - LOG_TAIL))
        return self._log.read().decode(errors="replace").strip()


class _Visible(logging.Formatter):
    """Escapes the invisible characters of texts from the store."""

    def format(self, record: logging.LogRecord) -> str:
        return visible(super().format(record))


def run_agent(
    store: Store,
    store_address: str,
    about: Announcement,
    clock: Clock,
    poll_s: float,
    refusal: Callable[[Plan], str],
) -> None:
    """Serves the location until SIGTERM or Ctrl-C; InfrastructureError if another agent has the name."""
    hide_process()
    output = logging.StreamHandler()
    output.setFormatter(_Visible("%(asctime)s %(message)s"))
    logging.basicConfig(handlers=[output])
    log.setLevel(logging.INFO)
    agent = Agent(store, about, clock, lambda share: WorkerProcess(store_address, share), refusal=refusal)
    agent.begin()
    log.info("agent %s of %s: %s; store %s", about.agent, about.location, plural(about.slots, "slot"), store_address)
    with caught_interrupts() as interrupts:
        try:
            while not agent.has_left and len(interrupts.names) < 2:  # a second signal ends it at once
                agent.step()
                clock.sleep(poll_s)
                if interrupts:
                    agent.leave()
        finally:
            agent.kill()

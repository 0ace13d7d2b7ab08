"""Launchers start, watch and stop workers; the worker is the same program wherever it runs."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from toril.records import Launch, Plan, RanTask


@dataclass(frozen=True, slots=True)
class Gone:
    """A worker whose process or task is no more."""

    reason: str
    again: bool = False  # it never began, for a reason that may pass: another attempt is worth a try


class Launcher(Protocol):
    """Where workers come from. Every call returns at once; what takes time goes on beside the coordinator."""

    @property
    def longest_s(self) -> float | None:
        """The most seconds of load that the places of the workers allow; None: any."""
        ...

    @property
    def digests(self) -> tuple[str, ...]:
        """Of the images that its workers may be of; empty: any."""
        ...

    def launch(self, plan: Plan, launch: Launch) -> None:
        """Start the first attempt of every share; InfrastructureError when that is impossible."""
        ...

    def attach(self, plan: Plan, launch: Launch, attempts: Mapping[str, str]) -> None:
        """Find the workers of a run that is under way, one attempt each; start nothing.

        Who is not there is gone, and may be tried again.
        """
        ...

    def relaunch(self, worker: str, attempt: str) -> None:
        """Start another attempt at a share whose last one is gone."""
        ...

    def ended(self) -> Mapping[str, Gone]:
        """The workers whose latest attempt is gone, with what is known of the reason."""
        ...

    def tasks(self) -> Mapping[str, RanTask]:
        """What the workers run, or ran, in; nothing where they are processes of this machine."""
        ...

    def notes(self) -> tuple[str, ...]:
        """What a person should know now: what is waited for, and since when."""
        ...

    def terminate(self, worker: str) -> None: ...

    def kill(self, worker: str) -> None: ...

    def release(self) -> None:
        """Let go of the workers without ending them: somebody else owns the run, or may."""
        ...

    def close(self) -> tuple[str, ...]:
        """Leave nothing running; what could not be ended, and why."""
        ...

    def settle(self) -> tuple[str, ...]:
        """After `close`, once the verdict is kept: nobody need come back to this run; what says otherwise, and why."""
        ...

"""Launchers start, watch and stop workers; the worker is the same program wherever it runs."""

from collections.abc import Mapping
from typing import Protocol

from toril.records import Plan


class Launcher(Protocol):
    """Where workers come from."""

    def launch(self, plan: Plan, attempts: Mapping[str, str]) -> None:
        """Start one worker per share; InfrastructureError when that is impossible."""
        ...

    def ended(self) -> Mapping[str, str]:
        """Workers whose process is gone, with what is known of the reason."""
        ...

    def terminate(self, worker: str) -> None: ...

    def kill(self, worker: str) -> None: ...

    def close(self) -> None:
        """Leave nothing running."""
        ...

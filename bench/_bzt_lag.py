"""A bzt module that records the age of the newest second that bzt knows: the peer of bench/lag.py."""

# mypy: ignore-errors
# ruff: noqa: TID251 - a module of bzt, the peer

import json
import time
from pathlib import Path

from bzt.engine import Reporter
from bzt.modules.aggregator import AggregatorListener, DataPoint


class Lag(Reporter, AggregatorListener):
    """Checks as often as bzt's console does, and appends ages in seconds to the file in its settings."""

    def prepare(self) -> None:
        self.newest = None
        self.lags_s: list[float] = []
        self.engine.aggregator.add_listener(self)

    def aggregated_second(self, data) -> None:
        self.newest = data[DataPoint.TIMESTAMP]

    def check(self) -> bool:
        if self.newest is not None:
            self.lags_s.append(time.time() - (self.newest + 1))
        return False

    def shutdown(self) -> None:
        Path(self.parameters["file"]).write_text(json.dumps(self.lags_s))

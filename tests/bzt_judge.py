"""bzt's own passfail module on made-up samples: the oracle of criteria."""

import copy
import logging
from collections.abc import Mapping, Sequence

from bzt import AutomatedShutdown  # noqa: TID251 — the oracle
from bzt.modules.aggregator import DataPoint, KPISet  # noqa: TID251
from bzt.modules.passfail import CriteriaProcessor  # noqa: TID251

from tests.measured import Sample

QUIET = logging.Logger("bzt", logging.ERROR)
PERCENTILES = (0.0, 50.0, 90.0, 95.0, 99.0, 99.9, 100.0)


class Bzt:
    """bzt's criteria on the data points that its aggregator would make from the samples."""

    def __init__(self, *criteria: str | Mapping[str, object], users: Mapping[int, int] | None = None) -> None:
        self._users = users or {}
        self.processor = CriteriaProcessor([copy.copy(criterion) for criterion in criteria], None)
        self.processor.log = QUIET
        self.stopped_at: int | None = None
        self._total = DataPoint(0)

    def run(self, samples: Sequence[Sample], *, checked_to: int = 1 << 30) -> "Bzt":
        """Processes every second. Seconds after `checked_to` belong to the final flush, which does not call `check`."""
        for second in sorted({sample.second for sample in samples}):
            point = DataPoint(second)
            for sample in samples:
                if sample.second == second:
                    for label in ("", sample.label):
                        self._set(point[DataPoint.CURRENT], label, sample)
                        self._set(self._total[DataPoint.CUMULATIVE], label, sample)
            point[DataPoint.CUMULATIVE] = self._total[DataPoint.CUMULATIVE]
            for kpis in (*point[DataPoint.CURRENT].values(), *point[DataPoint.CUMULATIVE].values()):
                kpis.recalculate()
            self.processor.aggregated_second(point)
            if second <= checked_to:
                try:
                    if self.processor.check():
                        self.stopped_at = second
                        return self
                except AutomatedShutdown:
                    self.stopped_at = second
                    raise
        return self

    def _set(self, labels: dict[str, KPISet], label: str, sample: Sample) -> None:
        users = self._users.get(sample.second, 1)
        kpis = labels.setdefault(label, KPISet(PERCENTILES))
        error = None if sample.ok else "it broke"
        connect, first_byte = max(0, sample.connect_us) / 1e6, max(0, sample.ttfb_us) / 1e6
        kpis.add_sample((users, sample.us / 1e6, connect, first_byte, sample.rc, error, "", sample.bytes))

    def exit_code(self, samples: Sequence[Sample], *, checked_to: int = 1 << 30) -> int:
        """Returns bzt's exit code, which is 3 for a noticed breach."""
        try:
            self.run(samples, checked_to=checked_to)
            self.processor.post_process()
        except AutomatedShutdown:
            return 3
        return 0


def bzt_fires(criterion: str, samples: Sequence[Sample], users: Mapping[int, int] | None = None) -> bool:
    """Whether the criterion is true of the samples according to bzt, which checks all of them."""
    exploring = Bzt(f"{criterion}, continue as failed", users=users).run(samples)
    (found,) = exploring.processor.criteria
    if found.selector == DataPoint.CUMULATIVE:
        found.aggregated_second(exploring.processor.last_datapoint)
    return bool(found.is_triggered)

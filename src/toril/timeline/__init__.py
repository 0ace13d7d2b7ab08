"""The merged measurements of a run: Timeline takes intervals in, a Slice of it answers questions with Stats."""

from toril.timeline.health import HealthSeries, WorkerHealth, longest_run
from toril.timeline.merge import Timeline
from toril.timeline.view import Slice, Stats, Worst

__all__ = ["HealthSeries", "Slice", "Stats", "Timeline", "WorkerHealth", "Worst", "longest_run"]

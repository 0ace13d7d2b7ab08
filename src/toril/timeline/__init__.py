"""The merged measurements of a run: Timeline takes intervals in, a Slice of it answers questions with Stats."""

from toril.timeline.merge import Timeline
from toril.timeline.view import Slice, Stats
from toril.timeline.workers import WorkerHealth

__all__ = ["Slice", "Stats", "Timeline", "WorkerHealth"]

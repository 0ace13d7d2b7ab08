"""The merged measurements of a run: Timeline takes intervals in, a Slice of it answers questions with Stats."""

from toril.timeline.health import HealthSeries, longest_run
from toril.timeline.samples import SUMS, Stats, Worst
from toril.timeline.timeline import Slice, Timeline

"""The merged measurements of a run: `Timeline` merges intervals, and its `Slice`s return `Stats`."""

from toril.timeline.health import HealthSeries, longest_run
from toril.timeline.samples import SUMS, Stats, Worst
from toril.timeline.timeline import Slice, Timeline

"""Base against head: what the blocks of a duet prove, and the verdict that follows."""

from toril.regression.compare import Gated, compare, gated
from toril.regression.comparison import Comparison, Metric

__all__ = ["Comparison", "Gated", "Metric", "compare", "gated"]

"""Base against head: what the blocks of a duet prove, and the verdict that follows."""

from toril.regression.compare import Gated, compare, gated
from toril.regression.verdict import JudgedDuet, judge_duet

__all__ = ["Gated", "JudgedDuet", "compare", "gated", "judge_duet"]

"""Base against head: what the blocks of a duet prove, and the verdict that follows."""

from toril.regression.comparison import compare
from toril.regression.verdict import JudgedDuet, judge_duet

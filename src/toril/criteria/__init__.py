"""Judges criteria on the merged timeline: each by itself, every breach reported.

evaluation  one criterion, on the whole run or through all its windows
live        the stop criteria, while the run goes on
windows     a criterion with a timeframe, second by second
measure     what a subject reads off samples, and the value of some seconds together
absence     what was planned and never measured, for the breaches that stand all the same
result      what became of a criterion, as data and in words
"""

from toril.criteria.absence import Absence, Gap
from toril.criteria.evaluation import evaluate
from toril.criteria.live import LiveCriteria
from toril.criteria.result import CriterionResult, shown, subject_of

__all__ = ["Absence", "CriterionResult", "Gap", "LiveCriteria", "evaluate", "shown", "subject_of"]

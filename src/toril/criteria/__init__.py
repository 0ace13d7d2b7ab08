"""Judges criteria on the merged timeline: each by itself, every breach reported.

evaluation  one criterion, by what it is about:
samples       samples, on the whole run or through all windows
load          achieved load against requested load
capacity      what a search for it found
generators    the health of the load generators
servers       what CloudWatch measured of the system under test; `queries` says what has to be fetched for it
live        the stop criteria, while the run goes on
windows     a criterion with a timeframe, second by second
series      the same for figures of several workers or executions, of which the worst counts
measure     what a subject reads off samples, and the value of some seconds together
scope       which samples and which time a criterion judges
absence     what was planned and never measured, for the results that stand all the same
result      what became of a criterion, as data and in words
"""

from toril.criteria.absence import Absence, Gap
from toril.criteria.evaluation import evaluate
from toril.criteria.live import LiveCriteria
from toril.criteria.result import CriterionResult, shown, subject_of
from toril.criteria.servers import queries

__all__ = ["Absence", "CriterionResult", "Gap", "LiveCriteria", "evaluate", "queries", "shown", "subject_of"]

"""From the merged timeline to the summary of a run, `toril.summary/1`."""

from toril.summary.build import PERCENTILES, summarise
from toril.summary.cases import nothing_tested, tests_of, unsound_tests
from toril.summary.completeness import Completeness, lasted_s, planned_s
from toril.summary.generators import (
    LIMITS,
    OTHERS,
    Advice,
    advise,
    check_generators,
    dropped_between,
    generators,
    saturated_between,
    saturated_now,
)
from toril.summary.load import SteadyLoad, planned_by_second, planned_users, rate_of, sent_of, steady_load

__all__ = [
    "LIMITS",
    "OTHERS",
    "PERCENTILES",
    "Advice",
    "Completeness",
    "SteadyLoad",
    "advise",
    "check_generators",
    "dropped_between",
    "generators",
    "lasted_s",
    "nothing_tested",
    "planned_by_second",
    "planned_s",
    "planned_users",
    "rate_of",
    "saturated_between",
    "saturated_now",
    "sent_of",
    "steady_load",
    "summarise",
    "tests_of",
    "unsound_tests",
]

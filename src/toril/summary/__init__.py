"""What every report shows, as plain data: `toril.summary/1`."""

from toril.summary.build import PERCENTILES, SCHEMA, summarise
from toril.summary.cases import nothing_tested, tests_of, unsound_tests
from toril.summary.completeness import Completeness, lasted_s, planned_s
from toril.summary.generators import (
    LIMITS,
    OTHERS,
    dropped_between,
    generators,
    saturated_between,
    strained,
)
from toril.summary.load import SteadyLoad, planned_by_second, planned_users, rate_of, sent_of, steady_load
from toril.summary.saturation import Limits, Saturation, saturations

__all__ = [
    "LIMITS",
    "OTHERS",
    "PERCENTILES",
    "SCHEMA",
    "Completeness",
    "Limits",
    "Saturation",
    "SteadyLoad",
    "dropped_between",
    "generators",
    "lasted_s",
    "nothing_tested",
    "planned_by_second",
    "planned_s",
    "planned_users",
    "rate_of",
    "saturated_between",
    "saturations",
    "sent_of",
    "steady_load",
    "strained",
    "summarise",
    "tests_of",
    "unsound_tests",
]

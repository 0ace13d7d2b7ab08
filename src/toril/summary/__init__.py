"""What every report shows, as plain data: `toril.summary/1`."""

from toril.summary.build import PERCENTILES, SATURATED_FOR_S, SCHEMA, summarise
from toril.summary.completeness import Completeness
from toril.summary.load import SteadyLoad, planned_rps, planned_users, steady_load

__all__ = [
    "PERCENTILES",
    "SATURATED_FOR_S",
    "SCHEMA",
    "Completeness",
    "SteadyLoad",
    "planned_rps",
    "planned_users",
    "steady_load",
    "summarise",
]

"""Builds the summary of a run, `toril.summary/1`, from the merged timeline."""

from toril.summary.build import PERCENTILES, figures_between, summarise, tests_of
from toril.summary.completeness import Completeness, judged_window, lasted_s, planned_s, planned_spans
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
from toril.summary.load import (
    SteadyLoad,
    due_by_second,
    planned_by_second,
    planned_users,
    sends_of,
    sent_of,
    starts_of,
    steady_load,
)
from toril.summary.phases import cut, phase_span
from toril.summary.plan_forms import adjusted_plan, describe_rates, judged_plan, queued_plan, with_scripts_criteria

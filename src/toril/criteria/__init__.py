"""Taurus' small languages: one pass/fail criterion, and quantities such as `1m30s`.

criterion   one criterion, from any of its forms
text        the string form, taken apart
subjects    what a criterion can be about, and its threshold
server      criteria on CloudWatch's metrics
quantities  durations, sizes, rates, numbers
doubts      what is probably a slip, and would pass every run
evidence    how many samples it takes
wrong       what is refused: what, and the fix
"""

from toril.criteria.criterion import Criterion, Operator, parse_criterion
from toril.criteria.doubts import doubts_about
from toril.criteria.evidence import samples_needed
from toril.criteria.quantities import duration_s, number, rate_per_s
from toril.criteria.server import SHORTCUTS, ServerMetric, server_text
from toril.criteria.subjects import GENERATOR, OWN_SUBJECTS, SERVER_SUBJECTS, Language

__all__ = [
    "GENERATOR",
    "OWN_SUBJECTS",
    "SERVER_SUBJECTS",
    "SHORTCUTS",
    "Criterion",
    "Language",
    "Operator",
    "ServerMetric",
    "doubts_about",
    "duration_s",
    "number",
    "parse_criterion",
    "rate_per_s",
    "samples_needed",
    "server_text",
]

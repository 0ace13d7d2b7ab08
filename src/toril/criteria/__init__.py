"""The language of criteria: Taurus' pass/fail criteria, toril's additions, and quantities such as `1m30s`.

- criterion: one criterion, from any of its forms; a plan's criteria as values
- subjects: METRICS, the one table of what criteria judge; subjects and thresholds
- server: criteria on CloudWatch's metrics
- quantities: durations, sizes, rates, numbers
- lint: likely mistakes, and the samples that a criterion needs
"""

from toril.criteria.criterion import Criterion, Operator, Phase, conditions_of, criteria_of, parse_criterion
from toril.criteria.lint import Mistake, lint, load_for_samples, samples_needed
from toril.criteria.quantities import duration_s, number, rate_per_s
from toril.criteria.server import SHORTCUTS, ServerMetric, server_text
from toril.criteria.subjects import (
    METRICS,
    OWN_SUBJECTS,
    SERVER_SUBJECTS,
    STABLE_S,
    WINDOW_S,
    Language,
    Source,
    WindowKind,
)

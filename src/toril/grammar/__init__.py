"""Taurus' small languages: one pass/fail criterion, and quantities such as `1m30s`."""

from toril.grammar.criterion import Criterion, parse_criterion
from toril.grammar.quantities import duration_s, number

__all__ = ["Criterion", "duration_s", "number", "parse_criterion"]

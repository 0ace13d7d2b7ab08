"""Executors whose requests are sent by schedule, and what Taurus' load keys make of a rate over time for them."""

from fractions import Fraction

from toril.load import shapes
from toril.load.curve import Curve

OPEN_MODEL = frozenset({"vegeta"})  # they have a rate, and no virtual users


def curve_of(throughput_rps: Fraction | float, ramp_up_s: float, hold_for_s: float, steps: int | None = None) -> Curve:
    """From 0 to the throughput within the ramp-up, evenly or in so many stairs, and then that rate.

    >>> curve_of(30, 10, 5).points
    ((0.0, 0.0), (10.0, 30.0), (15.0, 30.0))
    """
    rps, parts = float(throughput_rps), []
    if ramp_up_s and steps:
        parts.append(shapes.stairs(rps / steps, rps, steps, ramp_up_s / steps))
    elif ramp_up_s:
        parts.append(shapes.line(0.0, rps, ramp_up_s))
    if hold_for_s:
        parts.append(shapes.line(rps, rps, hold_for_s))
    return shapes.joined(parts)

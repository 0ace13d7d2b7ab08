"""Shapes of load as points of a curve: lists of (seconds since its start, requests per second), the first at 0.

A jump is two points at one time. A sine consists of straight lines, which differ from it by at most 0.06 % of its
amplitude; the number of requests differs no more than that.
"""

import math
from collections.abc import Iterable, Sequence
from fractions import Fraction

from toril.load.curve import Curve

Points = Sequence[tuple[float, float]]

PIECES = 96  # lines in a period of a sine: a chord differs by at most (2 π / 96)² / 8 of the amplitude
FLAT = 1e-9  # of the higher rate: points closer to the line between their neighbours are removed


def line(from_rps: float, to_rps: float, lasts_s: float) -> Points:
    """Returns a constant rate, or a ramp."""
    return ((0.0, from_rps), (lasts_s, to_rps))


def stairs(from_rps: float, to_rps: float, steps: int, every_s: float) -> Points:
    """Returns steps of equal length, from the first rate to the last.

    >>> stairs(100, 300, 3, 60)
    [(0, 100.0), (60, 100.0), (60, 200.0), (120, 200.0), (120, 300.0), (180, 300.0)]
    """
    rates = [from_rps + (to_rps - from_rps) * step / max(1, steps - 1) for step in range(steps)]
    return [*held((step * every_s, rps) for step, rps in enumerate(rates)), (steps * every_s, rates[-1])]


def spikes(base_rps: float, peak_rps: float, every_s: float, spike_s: float, lasts_s: float) -> Points:
    """Returns the base rate with a spike in the middle of each period, cut off at the end.

    >>> spikes(10, 90, 60, 20, 60)
    [(0.0, 10), (20.0, 10), (20.0, 90), (40.0, 90), (40.0, 10), (60, 10)]
    """
    points: list[tuple[float, float]] = [(0.0, base_rps)]
    for period in range(math.ceil(lasts_s / every_s)):
        begins_s = period * every_s + (every_s - spike_s) / 2
        ends_s = begins_s + spike_s
        if begins_s >= lasts_s:
            break
        points += [(begins_s, base_rps), (begins_s, peak_rps)]
        if ends_s >= lasts_s:
            return [*points, (lasts_s, peak_rps)]
        points += [(ends_s, peak_rps), (ends_s, base_rps)]
    return [*points, (lasts_s, base_rps)]


def sine(low_rps: float, high_rps: float, period_s: float, low_at_s: float, lasts_s: float) -> Points:
    """Returns a wave between both rates: lowest at `low_at_s`, highest half a period later."""
    middle, amplitude, piece_s = (low_rps + high_rps) / 2, (high_rps - low_rps) / 2, period_s / PIECES
    begins_s = low_at_s % piece_s  # so that the lowest and the highest moment are points
    between = (begins_s + number * piece_s for number in range(math.ceil(lasts_s / piece_s) + 1))
    times = [0.0, *(at_s for at_s in between if 0 < at_s < lasts_s), lasts_s]
    return [(at_s, middle - amplitude * math.cos(2 * math.pi * (at_s - low_at_s) / period_s)) for at_s in times]


def held(changes: Iterable[tuple[float, float]]) -> list[tuple[float, float]]:
    """Returns points that hold each rate until the next one; the caller adds the end.

    >>> held([(0, 5), (60, 7)])
    [(0, 5), (60, 5), (60, 7)]
    """
    points: list[tuple[float, float]] = []
    for at_s, rps in changes:
        if points:
            points.append((at_s, points[-1][1]))
        points.append((at_s, rps))
    return points


def joined(shapes: Iterable[Points]) -> Curve:
    """Returns consecutive shapes as one curve without redundant points; raises ValueError if they make no curve."""
    points: list[tuple[float, float]] = []
    begins_s = 0.0
    for shape in shapes:
        for at_s, rps in shape:
            _append(points, (begins_s + at_s, rps))
        begins_s += shape[-1][0]
    return Curve(tuple(points))


def curve_of(throughput_rps: Fraction | float, ramp_up_s: float, hold_for_s: float, steps: int | None = None) -> Curve:
    """Returns a ramp-up from 0 to the throughput, evenly or in `steps` stairs, and the hold at the throughput.

    >>> curve_of(30, 10, 5).points
    ((0.0, 0.0), (10.0, 30.0), (15.0, 30.0))
    """
    rps, parts = float(throughput_rps), []
    if ramp_up_s and steps:
        parts.append(stairs(rps / steps, rps, steps, ramp_up_s / steps))
    elif ramp_up_s:
        parts.append(line(0.0, rps, ramp_up_s))
    if hold_for_s:
        parts.append(line(rps, rps, hold_for_s))
    return joined(parts)


def _append(points: list[tuple[float, float]], point: tuple[float, float]) -> None:
    """Adds a point; drops the one before if it lies on the line to the new one."""
    while points and points[-1] == point and len(points) > 1:
        points.pop()
    if len(points) > 1 and _on_the_way(points[-2], points[-1], point):
        points.pop()
    points.append(point)


def _on_the_way(first: tuple[float, float], middle: tuple[float, float], last: tuple[float, float]) -> bool:
    if not first[0] < middle[0] < last[0]:
        return False
    there = first[1] + (last[1] - first[1]) * (middle[0] - first[0]) / (last[0] - first[0])
    return abs(there - middle[1]) <= FLAT * max(first[1], middle[1], last[1])

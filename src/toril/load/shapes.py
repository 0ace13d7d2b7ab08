"""Shapes of load as points of a curve: each a list of (seconds since it begins, requests per second), the first at 0.

Jumps are two points at one time. A sine is made of straight pieces, which are never further from it than 0.06 % of its
amplitude, and ask for as many requests but for that.
"""

import math
from collections.abc import Iterable, Sequence
from fractions import Fraction

from toril.load.curve import Curve

OPEN_MODEL = frozenset({"vegeta"})  # executors that send by schedule: they have a rate, and no virtual users

Points = Sequence[tuple[float, float]]

PIECES = 96  # of a sine's period: (2 π / 96)² / 8 of its amplitude is how far a chord is from its arc at most
FLAT = 1e-9  # of the higher rate: points that are so near to the line through their neighbours are left out


def line(from_rps: float, to_rps: float, lasts_s: float) -> Points:
    """A constant rate, or a ramp."""
    return ((0.0, from_rps), (lasts_s, to_rps))


def stairs(from_rps: float, to_rps: float, steps: int, every_s: float) -> Points:
    """Steps of equal length, from the first rate to the last.

    >>> stairs(100, 300, 3, 60)
    [(0, 100.0), (60, 100.0), (60, 200.0), (120, 200.0), (120, 300.0), (180, 300.0)]
    """
    rates = [from_rps + (to_rps - from_rps) * step / max(1, steps - 1) for step in range(steps)]
    return [*held((step * every_s, rps) for step, rps in enumerate(rates)), (steps * every_s, rates[-1])]


def spikes(base_rps: float, peak_rps: float, every_s: float, spike_s: float, lasts_s: float) -> Points:
    """The base rate with a spike in the middle of each period, cut off where it ends.

    >>> spikes(10, 90, 60, 20, 60)
    [(0.0, 10), (20.0, 10), (20.0, 90), (40.0, 90), (40.0, 10), (60, 10)]
    """
    found: list[tuple[float, float]] = [(0.0, base_rps)]
    for period in range(math.ceil(lasts_s / every_s)):
        begins_s = period * every_s + (every_s - spike_s) / 2
        ends_s = begins_s + spike_s
        if begins_s >= lasts_s:
            break
        found += [(begins_s, base_rps), (begins_s, peak_rps)]
        if ends_s >= lasts_s:
            return [*found, (lasts_s, peak_rps)]
        found += [(ends_s, peak_rps), (ends_s, base_rps)]
    return [*found, (lasts_s, base_rps)]


def sine(low_rps: float, high_rps: float, period_s: float, low_at_s: float, lasts_s: float) -> Points:
    """A wave between both rates, lowest at `low_at_s` and half a period from there highest."""
    middle, amplitude, piece_s = (low_rps + high_rps) / 2, (high_rps - low_rps) / 2, period_s / PIECES
    begins_s = low_at_s % piece_s  # so that the lowest and the highest moment are points of their own
    between = (begins_s + number * piece_s for number in range(math.ceil(lasts_s / piece_s) + 1))
    times = [0.0, *(at_s for at_s in between if 0 < at_s < lasts_s), lasts_s]
    return [(at_s, middle - amplitude * math.cos(2 * math.pi * (at_s - low_at_s) / period_s)) for at_s in times]


def held(changes: Iterable[tuple[float, float]]) -> list[tuple[float, float]]:
    """From each moment on its rate, up to the next: what is left is the end.

    >>> held([(0, 5), (60, 7)])
    [(0, 5), (60, 5), (60, 7)]
    """
    found: list[tuple[float, float]] = []
    for at_s, rps in changes:
        if found:
            found.append((at_s, found[-1][1]))
        found.append((at_s, rps))
    return found


def joined(shapes: Iterable[Points]) -> Curve:
    """One after another; points that change nothing are left out. ValueError for what is no curve."""
    found: list[tuple[float, float]] = []
    begins_s = 0.0
    for shape in shapes:
        for at_s, rps in shape:
            _append(found, (begins_s + at_s, rps))
        begins_s += shape[-1][0]
    return Curve(tuple(found))


def curve_of(throughput_rps: Fraction | float, ramp_up_s: float, hold_for_s: float, steps: int | None = None) -> Curve:
    """From 0 to the throughput within the ramp-up, evenly or in `steps` stairs, and then that rate.

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
    """Add a point; drop the one before if it lies on the line to the new one."""
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

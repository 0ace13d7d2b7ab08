"""Tests of several hypotheses at one level: Holm (1979); with looks, Ye et al. (2013)."""

from collections.abc import Callable, Sequence


def rejected(p: Sequence[float], level_of: Callable[[int], float]) -> tuple[bool, ...]:
    """Returns whether each hypothesis is rejected, in the order of its p-value in `p`.

    `level_of` returns the nominal level for a number of hypotheses that are left; for one look, alpha divided by it.
    """
    found = [False] * len(p)
    for done, place in enumerate(sorted(range(len(p)), key=p.__getitem__)):
        if p[place] > level_of(len(p) - done):
            break
        found[place] = True
    return tuple(found)

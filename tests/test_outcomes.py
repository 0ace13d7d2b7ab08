"""A crowded machine excuses only the outcomes that it causes."""

import pytest

from tests.outcomes import fails, passes


def verdict(outcome, *codes):
    return {"outcome": outcome, "reasons": [{"code": code} for code in codes]}


@pytest.mark.parametrize(
    ("found", "passing", "failing"),
    [
        (verdict("passed", "kept"), True, False),
        (verdict("failed", "breach"), False, True),
        (verdict("failed", "breach", "saturated"), False, True),
        (verdict("inconclusive", "saturated"), True, False),
        (verdict("inconclusive", "late-start", "unreached-load"), True, False),
        (verdict("inconclusive", "saturated", "excused-breach"), False, True),
        (verdict("inconclusive", "saturated", "unsure-arms"), True, True),  # of a duet; see its comparison
        (verdict("inconclusive", "unreached-load"), False, False),
        (verdict("inconclusive", "saturated", "lost-worker"), False, False),
        (verdict("inconclusive"), False, False),
    ],
)
def test_only_outcomes_of_a_crowded_machine_are_excused(found, passing, failing):
    assert (passes(found), fails(found)) == (passing, failing)

from hypothesis import given
from hypothesis import strategies as st

from toril.stats.holm import rejected

P = st.lists(st.floats(0, 1), min_size=1, max_size=12)


def at_once(left: int) -> float:
    return 0.05 / left


def test_a_published_example() -> None:
    """Wikipedia, Holm-Bonferroni method: of four hypotheses at 5 %, the first and the last are rejected."""
    assert rejected([0.01, 0.04, 0.03, 0.005], at_once) == (True, False, False, True)


@given(P)
def test_it_rejects_what_bonferroni_rejects_and_nothing_above_the_level(p: list[float]) -> None:
    found = rejected(p, at_once)
    for one, is_rejected in zip(p, found, strict=True):
        assert is_rejected or one > 0.05 / len(p)
        assert not is_rejected or one <= 0.05


@given(P, st.randoms())
def test_the_order_changes_nothing(p: list[float], chance) -> None:
    found = dict(zip(p, rejected(p, at_once), strict=True))
    chance.shuffle(p)
    assert dict(zip(p, rejected(p, at_once), strict=True)) == found

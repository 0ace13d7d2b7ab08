"""The token of forms in its disguise."""

from hypothesis import given
from hypothesis import strategies as st

from toril.console.identity import disguised, revealed


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_a_disguised_token_is_revealed(token: str) -> None:
    assert revealed(disguised(token)) == token


def test_a_token_has_another_disguise_each_time() -> None:
    assert disguised("token") != disguised("token")

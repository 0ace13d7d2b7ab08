"""The generated pages of docs/reference are those that `make docs` writes."""

from tools.reference.__main__ import stale


def test_the_generated_pages_are_up_to_date():
    assert not stale(), "run `make docs`"

"""is_linear distinguishes quadratic from linear growth."""

from tests.growth import is_linear


def test_work_on_each_character_is_linear_and_work_on_each_pair_is_not():
    assert is_linear(lambda text: [ord(character) for character in text * 20], "ab")
    assert not is_linear(lambda text: [text[: len(text) - n].count("b") for n in range(0, len(text), 8)], "ab")

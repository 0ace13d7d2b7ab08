"""Texts and numbers for people."""

import doctest

from toril import text
from toril.text import close_matches, nearest, one_line, shortened


def test_the_doctest_examples_are_correct():
    assert doctest.testmod(text).failed == 0


def test_a_misspelt_word_is_recognised_in_any_case():
    assert nearest("CONCURENCY", ["concurrency", "throughput"]) == "concurrency"
    assert nearest("seconds", ["Seconds", "Percent"]) == "Seconds"
    assert nearest(17, ["concurrency"]) is None


def test_only_words_with_the_same_first_letter_are_compared():
    names = [f"label {number}" for number in range(5_000)]
    assert nearest("xheckout", [*names, "checkout"]) is None
    assert nearest("checkuot", [*names, "checkout"]) == "checkout"
    assert close_matches("label 1", names, most=2)[0] == "label 1"


def test_a_foreign_text_becomes_one_short_line():
    assert one_line("two\n  lines", 20) == "two lines"
    assert len(one_line("x" * 1000, 80)) == 80
    assert shortened("a" * 50 + "b", 20) != shortened("a" * 50 + "c", 20)

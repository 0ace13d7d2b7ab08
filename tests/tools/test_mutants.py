"""The list of planted mistakes fits the code. `make mutants` proves that the tests find them."""

from tools.mutants import ROOT, listed_mutants


def test_each_planted_mistake_has_its_place_and_its_tests():
    mutants = listed_mutants()
    assert len({mutant.id for mutant in mutants}) == len(mutants)
    assert [one.id for one in mutants if (ROOT / one.file).read_text().count(one.old) != 1] == []
    assert [test for one in mutants for test in one.tests if not (ROOT / test.partition("::")[0]).exists()] == []

"""The list of planted mistakes fits the code. `make mutants` proves that the tests find them."""

from tools.mutants import ROOT, listed_mutants


def test_each_planted_mistake_has_its_place_and_its_tests():
    mutants = listed_mutants()
    assert len({mutant.id for mutant in mutants}) == len(mutants)
    assert [one.id for one in mutants if (ROOT / one.file).read_text().count(one.old) != 1] == []
    named = [test.partition("[")[0].partition("::") for one in mutants for test in one.tests]
    assert [file for file, _, _ in named if not (ROOT / file).exists()] == []
    assert [name for file, _, name in named if name and f"def {name}(" not in (ROOT / file).read_text()] == []

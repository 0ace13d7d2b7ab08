"""README.md: suite, text, pictures and comment are of one run; the figures of its claims are those of bench/."""

import re
from pathlib import Path
from zipfile import ZipFile

import pytest

from tools import pictures

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()


@pytest.fixture(scope="module")
def run():
    with pictures.kept_run() as folder:
        yield folder


def test_the_kept_run_is_of_the_suite_on_the_first_screen():
    with ZipFile(pictures.RUN) as archive:
        [suite] = [name for name in archive.namelist() if name.endswith("/suite/suite.yml")]
        assert archive.read(suite).decode() == pictures.suite()


def test_the_text_is_what_the_terminal_shows_of_the_kept_run(run):
    assert pictures.TEXT.findall(README)[0] == pictures.text(run)


@pytest.mark.parametrize(("picture", "source"), [("comment", pictures.comment), ("report", pictures.verdict)])
def test_comment_and_page_on_the_pictures_are_of_the_kept_run(run, picture, source):
    shown = pictures.digest(source(run))
    assert [pictures.signed(picture, scheme) for scheme in pictures.SCHEMES] == [shown] * len(pictures.SCHEMES)


def test_the_first_screen_is_short():
    assert len(README.splitlines()) <= 150


def test_shares_of_duets_without_a_change_are_those_of_the_benchmark():
    bench = (ROOT / "bench" / "README.md").read_text()
    shares = re.findall(r"(\d+(?:\.\d+)?) %", README.partition("Without a change")[2].partition("\n\n")[0])
    assert len(shares) >= 4
    assert not [share for share in shares if not re.search(rf"\b{re.escape(share)}\b", bench)]

"""What a release publishes, and its notes from the changelog."""

import re
import shutil
from pathlib import Path

import pytest

from tools import release

ROOT = Path(__file__).parents[2]
CHANGELOG = """# Changelog

## [Unreleased]

## [0.2.0] - 2027-02-01

### Fixed

- Two.

## [0.1.0] - unreleased

- One.

<!-- unpublished -->
"""


def test_the_notes_of_a_release_are_its_section_of_the_changelog():
    assert release.notes(CHANGELOG, "v0.2.0") == "### Fixed\n\n- Two."


@pytest.mark.parametrize("tag", ["v0.1.0", "v0.3.0", "vUnreleased"])
def test_a_version_without_a_dated_section_is_not_released(tag):
    with pytest.raises(SystemExit):
        release.notes(CHANGELOG, tag)


def test_the_changelog_describes_the_version_of_the_source():
    (version,) = re.findall(r'^__version__ = "(.*)"$', (ROOT / "src/toril/__init__.py").read_text(), re.MULTILINE)
    assert release.section((ROOT / "CHANGELOG.md").read_text(), version)[1]


@pytest.fixture
def tree(tmp_path):
    """A tree that can be released as version 0.2.0."""
    for name, text in {
        "CHANGELOG.md": CHANGELOG,
        "src/toril/__init__.py": '__version__ = "0.2.0"\n',
        "src/toril/explain/__init__.py": 'OWNER = "Acme"\n',
        "dist/toril-0.2.0-py3-none-any.whl": "",
        "dist/toril-0.2.0.tar.gz": "",
        "dist/toril-0.1.0.tar.gz": "",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def test_a_rehearsal_lists_what_a_release_publishes(tree, capsys):
    assert release.main([], tree) == 0
    assert capsys.readouterr().out.split("\n") == [
        "package  toril-0.2.0-py3-none-any.whl",
        "package  toril-0.2.0.tar.gz",
        "image    ghcr.io/acme/toril:slim-v0.2.0",
        "image    ghcr.io/acme/toril:full-v0.2.0",
        "action   Acme/toril@v0.2.0, and Acme/toril@v0",
        "site     https://Acme.github.io/toril/",
        "release  https://github.com/Acme/toril/releases/tag/v0.2.0",
        "",
    ]


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("CHANGELOG.md", CHANGELOG.replace("2027-02-01", "unreleased")),
        ("src/toril/explain/__init__.py", 'OWNER = ""\n'),
        ("dist", None),
    ],
    ids=["date", "owner", "packages"],
)
def test_a_rehearsal_fails_if_something_is_missing(tree, capsys, file, text):
    if text is None:
        shutil.rmtree(tree / file)
    else:
        (tree / file).write_text(text)
    assert release.main([], tree) == 1
    assert capsys.readouterr().out.count("missing") == 1

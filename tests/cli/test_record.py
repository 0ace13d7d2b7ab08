"""`toril record`: what it refuses before a browser starts."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from toril import cli
from toril.errors import UserError


def refused(*arguments: str) -> str:
    """Returns the code of the error; a browser that starts would not answer in time."""
    error = CliRunner().invoke(cli.app, ["record", *arguments]).exception
    assert isinstance(error, UserError), error
    return error.code


def test_options_that_no_recording_could_fulfil_are_refused_before_a_person_clicks(tmp_path: Path) -> None:
    assert refused("shop.example.com") == "not-an-address"
    assert refused("https://shop.example.com/", "--twice") == "option-value"
    (tmp_path / "loadtests/shop").mkdir(parents=True)
    (tmp_path / "loadtests/shop/suite.yml").write_text("{}")
    assert refused("https://shop.example.com/#/login", "--into", str(tmp_path)) == "file-exists"


def test_a_machine_without_chromium_is_no_fault_of_the_suite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORIL_CHROMIUM", str(tmp_path / "missing"))
    assert refused("https://shop.example.com/", "--into", str(tmp_path)) == "no-chromium"

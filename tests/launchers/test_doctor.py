"""What doctor finds, and what it makes of what it doesn't."""

from pathlib import Path

import pytest

from tests.refusals import refused
from toril.errors import OptionError, StoreError
from toril.launchers import doctor
from toril.launchers.findings import render
from toril.store import FolderStore


def test_everything_is_looked_for_and_each_finding_says_something(tmp_path: Path) -> None:
    findings = doctor.examine(str(tmp_path / "store"))

    names = {"python", "machine", "store", "bzt", "locust", "apiritif", "java", "jmeter", "vegeta"}
    names |= {"chromium", "playwright", "selenium", "open files"}
    assert {finding.name for finding in findings} == names
    assert all(finding.detail for finding in findings)
    assert not [finding for finding in findings if finding.state == "missing"]
    assert render(findings).count("\n") == len(findings)


def test_it_leaves_nothing_in_the_store(tmp_path: Path) -> None:
    doctor.examine(str(tmp_path))

    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_a_store_that_cannot_be_written_is_missing(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("")

    (store,) = [finding for finding in doctor.examine(str(tmp_path)) if finding.name == "store"]

    assert (store.state, store.code) == ("missing", "unwritable-store")
    assert str(tmp_path) in store.detail


def test_an_address_that_is_no_stores_is_refused() -> None:
    with refused("bad-store", "https://bucket", error=OptionError):
        doctor.examine("https://bucket")


class NobodyDeletes(FolderStore):
    """A store as those find it who run loads."""

    def delete(self, prefix: str) -> None:
        raise StoreError(f"{prefix}: access denied", code="trouble")


def test_a_store_in_which_nothing_may_be_deleted_will_do(tmp_path: Path) -> None:
    found = doctor.store_finding(NobodyDeletes(tmp_path), "s3://bucket")
    assert (found.state, found.code) == ("ok", "")
    assert "access denied" in found.detail


def test_a_machine_without_a_home_for_jmeter_is_told_where_it_was_looked_for_and_what_it_takes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORIL_JMETER_HOME", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))

    (jmeter,) = [finding for finding in doctor.examine(str(tmp_path)) if finding.name == "jmeter"]

    assert (jmeter.state, jmeter.code) == ("optional", "no-jmeter")
    assert str(tmp_path) in jmeter.detail
    assert "Maven" in jmeter.detail


def test_a_program_that_is_named_and_not_there_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORIL_VEGETA", str(tmp_path / "none"))
    (found,) = [finding for finding in doctor.examine(str(tmp_path)) if finding.name == "vegeta"]
    assert (found.state, found.code) == ("optional", "no-vegeta")
    assert f"TORIL_VEGETA names {tmp_path / 'none'}" in found.detail


def test_what_browsers_need_and_is_not_there_is_named_with_its_fix(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("TORIL_CHROMIUM", "TORIL_CHROMEDRIVER"):
        monkeypatch.setenv(name, str(tmp_path / "nowhere"))
    found = {finding.name: finding for finding in doctor.examine(str(tmp_path))}

    assert (found["chromium"].state, found["chromium"].code) == ("optional", "no-chromium")
    assert (found["selenium"].state, found["selenium"].code) == ("optional", "no-chromedriver")
    assert "TORIL_CHROMIUM" in found["chromium"].detail
    assert "`chromium-driver`" in found["selenium"].detail
    assert found["playwright"].state == "ok"

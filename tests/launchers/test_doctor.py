"""The findings of `toril doctor` on this machine."""

from pathlib import Path

import pytest

from tests.refusals import refused
from toril.errors import OptionError, StoreError
from toril.launchers import doctor
from toril.launchers.findings import render
from toril.store import FolderStore


def test_doctor_checks_everything_and_explains_each_finding(tmp_path: Path) -> None:
    findings = doctor.examine(str(tmp_path / "store"))

    names = {"python", "machine", "store", "bzt", "locust", "apiritif", "java", "jmeter", "engine"}
    names |= {"chromium", "playwright", "selenium", "open files"}
    assert {finding.name for finding in findings} == names
    assert all(finding.detail for finding in findings)
    assert not [finding for finding in findings if finding.state == "missing"]
    assert render(findings).count("\n") == len(findings)


def test_doctor_leaves_nothing_in_the_store(tmp_path: Path) -> None:
    doctor.examine(str(tmp_path))

    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_an_unwritable_store_is_missing(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("")

    (store,) = [finding for finding in doctor.examine(str(tmp_path)) if finding.name == "store"]

    assert (store.state, store.code) == ("missing", "unwritable-store")
    assert str(tmp_path) in store.detail


def test_an_invalid_store_address_is_refused() -> None:
    with refused("bad-store", "ftp://bucket", error=OptionError):
        doctor.examine("ftp://bucket")


class WithoutDelete(FolderStore):
    """A store whose user has no right to delete, like the role of load tests."""

    def delete(self, prefix: str) -> None:
        raise StoreError(f"{prefix}: access denied", code="trouble")


def test_a_store_without_the_right_to_delete_is_ok(tmp_path: Path) -> None:
    found = doctor.store_finding(WithoutDelete(tmp_path), "s3://bucket")
    assert (found.state, found.code) == ("ok", "")
    assert "access denied" in found.detail


def test_a_missing_jmeter_is_reported_with_the_folder_and_the_need_for_maven(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORIL_JMETER_HOME", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))

    (jmeter,) = [finding for finding in doctor.examine(str(tmp_path)) if finding.name == "jmeter"]

    assert (jmeter.state, jmeter.code) == ("optional", "no-jmeter")
    assert str(tmp_path) in jmeter.detail
    assert "Maven" in jmeter.detail


def test_a_missing_program_is_reported_with_its_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORIL_ENGINE", str(tmp_path / "none"))
    (found,) = [finding for finding in doctor.examine(str(tmp_path)) if finding.name == "engine"]
    assert (found.state, found.code) == ("optional", "engine-not-built")
    assert f"TORIL_ENGINE={tmp_path / 'none'}" in found.detail


def test_missing_browser_programs_are_reported_with_the_fix(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TORIL_CHROMIUM", "TORIL_CHROMEDRIVER"):
        monkeypatch.setenv(name, str(tmp_path / "nowhere"))
    found = {finding.name: finding for finding in doctor.examine(str(tmp_path))}

    assert (found["chromium"].state, found["chromium"].code) == ("optional", "no-chromium")
    assert (found["selenium"].state, found["selenium"].code) == ("optional", "no-chromedriver")
    assert "TORIL_CHROMIUM" in found["chromium"].detail
    assert "`chromium-driver`" in found["selenium"].detail
    assert found["playwright"].state == "ok"

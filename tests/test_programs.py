"""Worker, doctor and Makefile use the same JMeter home."""

import subprocess
import sys
from pathlib import Path

import pytest

from toril.launchers import doctor
from toril.programs import is_jmeter, jmeter_home

ROOT = Path(__file__).parent.parent
PRINT_HOME = "where: ; @echo $(JMETER_HOME)"


@pytest.mark.parametrize("cache", ["", "elsewhere"])
def test_make_and_the_worker_use_the_same_folder(tmp_path, monkeypatch, cache):
    monkeypatch.delenv("TORIL_JMETER_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / cache) if cache else "")
    command = ["make", "--no-print-directory", "-f", "Makefile", "--eval", PRINT_HOME, "where"]
    assert subprocess.check_output(command, cwd=ROOT, text=True).strip() == str(jmeter_home())


def test_a_variable_sets_another_home(tmp_path, monkeypatch):
    monkeypatch.setenv("TORIL_JMETER_HOME", str(tmp_path))
    assert jmeter_home() == tmp_path
    assert not is_jmeter(tmp_path)
    for name in ("jmeter", "ApacheJMeter.jar"):
        (tmp_path / "bin").mkdir(exist_ok=True)
        (tmp_path / "bin" / name).touch()
    assert is_jmeter(tmp_path)
    (found,) = [one for one in doctor.examine(str(tmp_path / "store")) if one.name == "jmeter"]
    assert (found.state, found.detail) == ("ok", str(tmp_path))


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux hides processes")
def test_a_hidden_process_cannot_be_read_by_others_of_its_user():
    get = "import ctypes; from toril.programs import hide_process; hide_process(); print(ctypes.CDLL(None).prctl(3))"
    done = subprocess.run([sys.executable, "-c", get], capture_output=True, text=True, check=True)
    assert done.stdout == "0\n"  # PR_GET_DUMPABLE

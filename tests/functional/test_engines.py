"""Real engines run test cases through `toril run`: each is recorded once, with its outcome and reason."""

import json
import shutil
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.running import LIMIT_S, Finished, run, toril
from tests.targets import target
from toril.programs import junit_home

pytestmark = pytest.mark.live

REQUESTS: list[Any] = [
    {"url": "/home", "label": "home"},
    {"url": "/status/404", "label": "missing"},
    {"url": "/home", "label": "wrong body", "assert": ["no such text"]},
    {"transaction": "both", "do": [{"url": "/a", "label": "first"}, {"url": "/b", "label": "second"}]},
    {"url": "/drop", "label": "dropped"},
]
GENERATED = {"home": "passed", "missing": "failed", "wrong body": "failed", "first": "passed", "second": "passed",
             "dropped": "broken"}  # fmt: skip

SCRIPT = """
import unittest
import apiritif

class TestCart(unittest.TestCase):
    def test_1_adds(self):
        apiritif.http.get("{url}/a").assert_ok()

    def test_2_pays(self):
        self.assertEqual(apiritif.http.get("{url}/pay").status_code, 201, "token=abcdef123456")

    def test_3_ships(self):
        raise KeyError("nothing")

    @unittest.skip("later")
    def test_4_returns(self):
        pass

    def test_5_smart(self):
        with apiritif.smart_transaction("buy"):
            apiritif.http.get("{url}/status/500").assert_ok()

    @unittest.expectedFailure
    def test_6_known(self):
        self.fail("as expected")

    @unittest.expectedFailure
    def test_7_mended(self):
        pass

    def test_8_parts_hold(self):
        for part in "ab":
            with self.subTest(part=part):
                self.assertTrue(part)

    def test_9_a_part_does_not(self):
        for part in "ab":
            with self.subTest(part=part):
                self.assertEqual(part, "b")

    def test_looks_at_no_status(self):
        apiritif.http.get("{url}/status/500").assert_in_body("")

    def test_looks_at_the_status(self):
        self.assertEqual(apiritif.http.get("{url}/status/404").status_code, 404)

class TestNever(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        raise RuntimeError("no cart")

    def test_never(self):
        pass

def test_function():
    apiritif.http.get("{url}/b").assert_ok()
"""
OF_SCRIPT = {
    "test_1_adds": "passed", "test_2_pays": "failed", "test_3_ships": "broken", "test_4_returns": "skipped",
    "test_5_smart": "failed", "test_6_known": "passed", "test_7_mended": "failed", "setUpClass": "broken",
    "test_function": "passed", "test_8_parts_hold": "passed", "test_9_a_part_does_not": "failed",
    "test_looks_at_no_status": "failed", "test_looks_at_the_status": "passed",
}  # fmt: skip

CHECKS = """
import os
import pytest

class TestPrice:
    @pytest.mark.parametrize("cents", [1, 2])
    def test_is_one(self, cents):
        assert cents == 1, "too much"

    def test_breaks(self):
        raise KeyError("x")

    @pytest.mark.skip(reason="later")
    def test_later(self):
        pass

    @pytest.mark.xfail(reason="known")
    def test_known(self):
        assert False

@pytest.fixture
def database():
    raise OSError("no database")

def test_needs_a_database(database):
    pass

def test_knows_its_place():
    assert os.environ["TORIL_WORKER_COUNT"] == "1"
    import beside
    assert beside.NAME == "beside"
"""
OF_CHECKS = {
    "test_is_one[1]": "passed", "test_is_one[2]": "failed", "test_breaks": "broken", "test_later": "skipped",
    "test_needs_a_database": "broken", "test_knows_its_place": "passed", "test_known": "passed",
}  # fmt: skip


def functional(folder: Path, executor: str, scenario: dict[str, Any], files: dict[str, str] | None = None) -> Path:
    suite = {
        "execution": [{"executor": executor, "scenario": "shop"}],
        "scenarios": {"shop": scenario},
        "settings": {"aggregator": "functional-consolidator"},
    }
    for name, text in {"suite.yml": json.dumps(suite), **(files or {})}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def outcomes_of(done: Finished) -> dict[str, str]:
    """Returns name → outcome, after checking that every test case is recorded once."""
    cases = done.json("summary.json")["tests"]["cases"]
    assert set(Counter(case["name"] for case in cases).values()) == {1}
    return {case["name"]: case["outcome"] for case in cases}


def case_of(done: Finished, name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(one for one in done.json("summary.json")["tests"]["cases"] if one["name"] == name)
    return found


@pytest.mark.parametrize("engine", ["apiritif", pytest.param("jmeter", marks=pytest.mark.nightly)])
def test_each_generated_request_is_a_test_case(tmp_path: Path, engine: str) -> None:
    with target() as service:
        scenario = {"default-address": service.url, "requests": REQUESTS}
        done = run(tmp_path / "store", functional(tmp_path / "shop", engine, scenario))
    assert done.code == 1, done.stdout + done.stderr
    assert outcomes_of(done) == GENERATED
    assert done.reasons() == {"failed-test"}
    assert "no such text" in case_of(done, "wrong body")["message"]
    assert service.answered == 5  # each once; the last one gets no response
    assert service.started == 6


@pytest.mark.parametrize("engine", ["apiritif", pytest.param("jmeter", marks=pytest.mark.nightly)])
def test_a_suite_whose_test_cases_all_pass_passes(tmp_path: Path, engine: str) -> None:
    with target() as service:
        scenario = {"default-address": service.url, "requests": [REQUESTS[0], REQUESTS[3]]}
        done = run(tmp_path / "store", functional(tmp_path / "shop", engine, scenario), "--workers", "1")
    assert done.code == 0, done.stdout + done.stderr
    assert "All 3 test cases passed" in done.stdout
    assert done.reasons() == {"tests-passed"}


@pytest.mark.nightly
def test_a_run_without_its_verdict_is_judged_again_from_the_workers_files(tmp_path: Path) -> None:
    with target() as service:
        scenario = {"default-address": service.url, "requests": REQUESTS}
        done = run(tmp_path / "store", functional(tmp_path / "shop", "apiritif", scenario))
    before = done.json("summary.json")["tests"]
    for name in ("summary.json", "verdict.json"):
        (done.folder / name).unlink()
    again = subprocess.run(toril("report", done.folder), capture_output=True, text=True, timeout=LIMIT_S, check=True)
    assert "3 of 6 test cases failed" in again.stdout
    assert done.json("summary.json")["tests"] == before
    assert done.reasons() == {"failed-test"}
    comment = subprocess.run(
        toril("github", "comment", done.folder, "--dry-run"),
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=True,
    )
    assert "3 of 6 test cases failed" in comment.stdout
    assert "wrong body" in comment.stdout
    next(done.folder.glob("workers/*/*/tests-000001")).unlink()
    (done.folder / "verdict.json").unlink()
    lacking = subprocess.run(toril("report", done.folder), capture_output=True, text=True, timeout=LIMIT_S, check=True)
    assert "INCONCLUSIVE" in lacking.stdout
    assert done.reasons() == {"damaged-file", "no-tests"}


def test_each_test_of_an_apiritif_script_is_a_test_case(tmp_path: Path) -> None:
    with target() as service:
        files = {"test_api.py": SCRIPT.replace("{url}", service.url)}
        done = run(tmp_path / "store", functional(tmp_path / "shop", "apiritif", {"script": "test_api.py"}, files))
    assert done.code == 1, done.stdout + done.stderr
    assert outcomes_of(done) == OF_SCRIPT
    pays = case_of(done, "test_2_pays")
    assert pays["suite"] == "test_api.TestCart"
    assert "200 != 201" in pays["message"]
    assert "abcdef123456" not in json.dumps(pays)
    assert 'raise KeyError("nothing")' in case_of(done, "test_3_ships")["trace"]
    assert case_of(done, "setUpClass")["message"] == "RuntimeError: no cart"


def test_each_test_of_pytest_is_a_test_case(tmp_path: Path) -> None:
    files = {"tests/test_price.py": CHECKS, "tests/beside.py": 'NAME = "beside"\n'}
    files["tests/test_damaged.py"] = "import no_such_module\n"
    done = run(tmp_path / "store", functional(tmp_path / "shop", "pytest", {"script": "tests"}, files))
    assert done.code == 1, done.stdout + done.stderr
    assert outcomes_of(done) == {**OF_CHECKS, "tests/test_damaged.py": "broken"}
    assert "too much" in case_of(done, "test_is_one[2]")["message"]
    assert case_of(done, "test_is_one[2]")["suite"] == "tests/test_price.py::TestPrice"
    assert "no database" in case_of(done, "test_needs_a_database")["message"]
    assert "no_such_module" in case_of(done, "tests/test_damaged.py")["message"]


ROBOT = """
*** Settings ***
Library    Shop.py
Test Tags    smoke
*** Test Cases ***
Adds
    ${price}=    Price Of    lamp
    Should Be Equal    ${price}    ${LAMP}
Differs
    Should Be Equal    a    b    too dear
Needs a database
    [Setup]    Fail    no database
    Log    never
Later
    Skip    not today
Left out
    [Tags]    -smoke    slow
    Log    never
"""
OF_ROBOT = {"Adds": "passed", "Differs": "failed", "Needs a database": "broken", "Later": "skipped"}


@pytest.mark.nightly
def test_each_test_of_robot_framework_is_a_test_case(tmp_path: Path) -> None:
    scenario = {"script": "tests", "tags": "smoke", "variables": {"LAMP": "500"}}
    suite = {"execution": {"executor": "selenium", "runner": "robot", "scenario": scenario}}  # as Taurus' own example
    files = {"tests/prices.robot": ROBOT, "tests/Shop.py": "def price_of(product):\n    return '500'\n"}
    shop = functional(tmp_path / "shop", "robot", {}, {**files, "suite.yml": json.dumps(suite)})
    done = run(tmp_path / "store", shop)
    assert done.code == 1, done.stdout + done.stderr
    assert outcomes_of(done) == OF_ROBOT
    assert case_of(done, "Differs")["message"] == "too dear: a != b"
    assert case_of(done, "Differs")["suite"] == "Tests.Prices"
    assert "no database" in case_of(done, "Needs a database")["message"]
    assert case_of(done, "Later")["message"] == "not today"


def test_a_failed_teardown_of_a_suite_of_robot_framework_is_a_broken_test_case(tmp_path: Path) -> None:
    text = "*** Settings ***\nSuite Teardown    Fail    not clean\n*** Test Cases ***\nAdds\n    Log    1\n"
    done = run(tmp_path / "store", functional(tmp_path / "shop", "robot", {"script": "a.robot"}, {"a.robot": text}))
    assert (done.code, outcomes_of(done)) == (1, {"Adds": "passed", "Suite Teardown": "broken"})
    assert case_of(done, "Suite Teardown")["message"] == "not clean"


JUNIT_5 = """
package shop;
import static org.junit.jupiter.api.Assertions.assertEquals;
import org.junit.jupiter.api.*;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

@Tag("fast")
class CartTest {
    @Test void adds() { assertEquals("http://shop", System.getProperty("shop.url")); }
    @Test void differs() { assertEquals(1, Cart.items(), "too many"); }
    @Test void breaks() { throw new IllegalStateException("no cart"); }
    @Test @Disabled("later") void later() { }
    @Test @Tag("slow") void leftOut() { }
    @ParameterizedTest @ValueSource(ints = {1, 2}) void counts(int number) { assertEquals(1, number); }
}
"""
JUNIT_4 = """
package shop;
import org.junit.*;
import org.junit.experimental.categories.Category;

public class OldTest {
    @Test @Category(Fast.class) public void stillRuns() { Assert.assertEquals(2, Cart.items()); }
    @Test public void leftOutToo() { }
}
"""
OF_JUNIT = {
    "adds": "passed", "differs": "failed", "breaks": "broken", "later": "skipped", "counts(int)[1]": "passed",
    "counts(int)[2]": "failed", "stillRuns": "passed",
}  # fmt: skip


@pytest.mark.nightly
@pytest.mark.skipif(shutil.which("java") is None or not junit_home().is_dir(), reason="`make junit` first")
def test_each_test_of_junit_is_a_test_case(tmp_path: Path) -> None:
    names = {"CartTest": JUNIT_5, "OldTest": JUNIT_4, "Fast": "package shop;\ninterface Fast { }\n"}
    names["Cart"] = "package shop;\nclass Cart { static int items() { return 2; } }\n"
    categories = {"include-categories": ["fast", "shop.Fast"], "exclude-categories": "slow"}
    scenario = {"script": "tests", "properties": {"shop.url": "http://shop"}, **categories}
    files = {f"tests/shop/{name}.java": text for name, text in names.items()}
    done = run(tmp_path / "store", functional(tmp_path / "shop", "junit", scenario, files))
    assert done.code == 1, done.stdout + done.stderr
    assert outcomes_of(done) == OF_JUNIT
    assert "too many" in case_of(done, "differs")["message"]
    assert case_of(done, "breaks")["message"] == "no cart"
    assert case_of(done, "later")["message"] == "later"
    assert case_of(done, "adds")["suite"] == "shop.CartTest"


@pytest.mark.nightly
@pytest.mark.skipif(shutil.which("java") is None or not junit_home().is_dir(), reason="`make junit` first")
def test_selected_tests_of_junit_run_alone(tmp_path: Path) -> None:
    files = {"OldTest.java": JUNIT_4.replace("@Category(Fast.class)", "").replace("Cart.items()", "2")}
    shop = functional(
        tmp_path / "shop", "junit", {"script": "OldTest.java", "run-items": "shop.OldTest#stillRuns"}, files
    )
    done = run(tmp_path / "store", shop)
    assert (done.code, outcomes_of(done)) == (0, {"stillRuns": "passed"}), done.stdout


@pytest.mark.nightly
@pytest.mark.skipif(shutil.which("java") is None or not junit_home().is_dir(), reason="`make junit` first")
def test_the_reason_names_a_test_that_junit_does_not_find(tmp_path: Path) -> None:
    files = {"NewTest.java": "class NewTest { @org.junit.jupiter.api.Test void adds() { } }\n"}
    shop = functional(tmp_path / "shop", "junit", {"script": "NewTest.java", "run-items": "NewTest#ads"}, files)
    done = run(tmp_path / "store", shop)
    assert (done.code, "Could not find method with name [ads]" in " ".join(done.stdout.split())) == (3, True)


@pytest.mark.nightly
@pytest.mark.skipif(shutil.which("java") is None or not junit_home().is_dir(), reason="`make junit` first")
def test_a_test_that_ends_junit_makes_the_run_inconclusive(tmp_path: Path) -> None:
    text = "public class EndTest { @org.junit.Test public void ends() { System.exit(0); } }\n"
    done = run(tmp_path / "store", functional(tmp_path / "shop", "junit", {"script": "."}, {"EndTest.java": text}))
    assert done.code == 3, done.stdout
    assert "lost-worker" in done.reasons()


@pytest.mark.nightly
@pytest.mark.skipif(shutil.which("java") is None or not junit_home().is_dir(), reason="`make junit` first")
def test_a_failed_teardown_of_a_class_of_junit_is_no_pass(tmp_path: Path) -> None:
    text = "import org.junit.jupiter.api.*;\nclass EndTest {\n@Test void adds() { }\n"
    text += '@AfterAll static void cleans() { throw new IllegalStateException("not clean"); }\n}\n'
    done = run(tmp_path / "store", functional(tmp_path / "shop", "junit", {"script": "."}, {"EndTest.java": text}))
    assert done.code in (1, 3), done.stdout
    assert done.reasons() <= {"script-failed", "failed-test"}


@pytest.mark.nightly
@pytest.mark.skipif(shutil.which("java") is None or not junit_home().is_dir(), reason="`make junit` first")
def test_an_exception_in_a_thread_of_junit_is_no_pass(tmp_path: Path) -> None:
    text = "class EndTest { @org.junit.jupiter.api.Test void adds() throws Exception {\n"
    text += 'Thread thread = new Thread(() -> { throw new IllegalStateException("gone"); });\n'
    text += "thread.start(); thread.join();\n} }\n"
    done = run(tmp_path / "store", functional(tmp_path / "shop", "junit", {"script": "."}, {"EndTest.java": text}))
    assert (done.code, done.reasons()) == (3, {"script-failed"}), done.stdout


@pytest.mark.nightly
def test_an_exit_code_that_no_test_explains_is_inconclusive(tmp_path: Path) -> None:
    files = {"test_a.py": "def test_a(): pass\n"}
    files["conftest.py"] = "def pytest_sessionfinish(session):\n    session.exitstatus = 1  # as for coverage\n"
    done = run(tmp_path / "store", functional(tmp_path / "shop", "pytest", {"script": "test_a.py"}, files))
    assert (done.code, done.reasons()) == (3, {"script-failed"}), done.stdout
    assert outcomes_of(done) == {"test_a": "passed"}


@pytest.mark.nightly
def test_an_exception_in_a_thread_fails_its_test(tmp_path: Path) -> None:
    text = "import threading\ndef fails(): raise ValueError('gone')\ndef test_a():\n"
    text += "    thread = threading.Thread(target=fails)\n    thread.start()\n    thread.join()\n"
    done = run(
        tmp_path / "store", functional(tmp_path / "shop", "pytest", {"script": "test_a.py"}, {"test_a.py": text})
    )
    assert (done.code, set(outcomes_of(done).values())) == (1, {"broken"}), done.stdout
    shop = functional(tmp_path / "other", "apiritif", {"script": "test_a.py"}, {"test_a.py": text})
    done = run(tmp_path / "others", shop)
    assert (done.code, done.reasons()) == (3, {"script-errors"}), done.stdout


@pytest.mark.nightly
def test_a_script_of_jmeter_that_throws_is_no_pass(tmp_path: Path) -> None:
    throws = {"language": "groovy", "execute": "before", "script-text": "throw new RuntimeException('boom')"}
    with target() as service:
        scenario = {"default-address": service.url, "requests": [{"url": "/", "label": "home", "jsr223": throws}]}
        done = run(tmp_path / "store", functional(tmp_path / "shop", "jmeter", scenario))
    assert (done.code, done.reasons()) == (3, {"script-errors"}), done.stdout
    assert outcomes_of(done) == {"home": "passed"}


@pytest.mark.nightly
def test_a_file_without_tests_is_inconclusive(tmp_path: Path) -> None:
    files = {"test_nothing.py": "NOTHING = 1\n"}
    done = run(tmp_path / "store", functional(tmp_path / "shop", "pytest", {"script": "test_nothing.py"}, files))
    assert done.code == 3, done.stdout + done.stderr
    assert done.reasons() == {"no-tests"}


@pytest.mark.nightly
def test_tests_that_pytest_does_not_run_are_broken(tmp_path: Path) -> None:
    text = "import pytest\ndef test_a(): pass\ndef test_b(): pytest.exit('bye', returncode=0)\ndef test_c(): pass\n"
    shop = functional(tmp_path / "shop", "pytest", {"script": "test_end.py"}, {"test_end.py": text})
    done = run(tmp_path / "store", shop)
    assert outcomes_of(done) == {"test_a": "passed", "test_b": "broken", "test_c": "broken"}
    assert done.code == 1


@pytest.mark.parametrize("executor", [pytest.param("pytest", marks=pytest.mark.nightly), "apiritif"])
def test_a_test_that_ends_its_process_makes_the_run_inconclusive(tmp_path: Path, executor: str) -> None:
    text = "import os\ndef test_a(): pass\ndef test_b(): os._exit(0)\ndef test_c(): pass\n"
    shop = functional(tmp_path / "shop", executor, {"script": "test_end.py"}, {"test_end.py": text})
    done = run(tmp_path / "store", shop)
    assert done.code == 3, done.stdout
    assert "lost-worker" in done.reasons()

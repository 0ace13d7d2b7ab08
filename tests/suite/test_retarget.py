from pathlib import Path
from typing import Any

import pytest

from tests.refusals import refused
from toril.errors import OptionError
from toril.suite import Suite, read_suite
from toril.suite.retarget import checked_address

URL = "https://head.example:8443/shop"
REQUESTS = "requests: [/, {url: /cart}]"


def read(folder: Path, scenario: str, *, executor: str = "locust", more: str = "", **options: Any) -> Suite:
    """Returns a suite with one scenario, read with URL as its address."""
    (folder / "load.jmx").write_text("<jmeterTestPlan/>")
    (folder / "own.py").write_text("from locust import HttpUser\n")
    file = folder / "suite.yml"
    file.write_text(
        f"execution: {{scenario: shop, executor: {executor}, hold-for: 5s}}\nscenarios:\n  shop: {{{scenario}}}\n{more}"
    )
    return read_suite([file], against=URL, system={}, **options)


def address(suite: Suite) -> Any:
    return suite.common["scenarios"][suite.executions[0].scenario].get("default-address")


@pytest.mark.parametrize(
    "written",
    ["default-address: 'http://127.0.0.1:8000', ", "default-address: '${SHOP}', ", "default-address: '', ", ""],
)
def test_requests_of_a_named_scenario_go_to_the_address(tmp_path: Path, written: str) -> None:
    assert address(read(tmp_path, written + REQUESTS)) == URL


@pytest.mark.parametrize("inline", ["{requests: [/]}", "{default-address: 'http://x', requests: [/]}"])
def test_requests_of_an_inline_scenario_go_to_the_address(tmp_path: Path, inline: str) -> None:
    file = tmp_path / "suite.yml"
    file.write_text(f"execution: {{executor: apiritif, hold-for: 5s, scenario: {inline}}}\n")
    assert address(read_suite([file], against=URL)) == URL


def test_the_variable_of_the_address_gets_the_new_address(tmp_path: Path) -> None:
    suite = read(tmp_path, "default-address: '${SHOP}', script: load.jmx", executor="jmeter", env={"SHOP": "http://x"})
    assert (suite.variable, suite.common["settings"]["env"]) == ("SHOP", {"SHOP": URL})


def test_other_variables_stay_as_they_are(tmp_path: Path) -> None:
    more = "settings: {env: {SHOP: http://x, OTHER: thing}}\n"
    suite = read(tmp_path, f"default-address: '${{SHOP}}', {REQUESTS}", more=more, env={"USER": "joe"})
    assert suite.common["settings"]["env"] == {"SHOP": URL, "OTHER": "thing", "USER": "${USER}"}


@pytest.mark.parametrize("own", ["", "default-address: 'http://127.0.0.1:8000', "])
def test_the_address_is_the_host_of_a_locustfile(tmp_path: Path, own: str) -> None:
    suite = read(tmp_path, f"{own}script: own.py")
    assert (address(suite), suite.variable) == (URL, None)


def test_the_address_is_the_host_of_a_bare_locustfile(tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text("from locust import HttpUser\n")
    file = tmp_path / "suite.yml"
    file.write_text("execution: {executor: locust, hold-for: 5s, scenario: own.py}\n")
    assert address(read_suite([file], against=URL)) == URL


@pytest.mark.parametrize(
    ("executor", "scenario"),
    [
        ("jmeter", "script: load.jmx"),
        ("jmeter", "default-address: 'http://127.0.0.1:8000', script: load.jmx"),
    ],
)
def test_a_script_without_a_variable_is_rejected(tmp_path: Path, executor: str, scenario: str) -> None:
    with refused("unreached-address", "scenarios.shop"):
        read(tmp_path, scenario, executor=executor)


def test_requests_that_all_contain_their_address_are_rejected(tmp_path: Path) -> None:
    with refused("unreached-address", "scenarios.shop.requests", "http://a/x"):
        read(tmp_path, "requests: ['http://a/x', {transaction: t, do: [{url: 'http://a/y'}]}]")


def test_a_request_to_another_host_keeps_its_address(tmp_path: Path) -> None:
    suite = read(tmp_path, "requests: ['https://pay.example/', /cart]")
    assert suite.common["scenarios"]["shop"]["requests"][0] == "https://pay.example/"


def test_requests_with_the_addresss_variable_have_labels_without_the_address(
    tmp_path: Path,
) -> None:
    written = "requests: ['${SHOP}/a', {url: '${SHOP}/b', label: b}, {transaction: t, do: ['${SHOP}']}]"
    suite = read(tmp_path, written)
    assert (suite.variable, suite.common["settings"]["env"]) == ("SHOP", {"SHOP": URL})
    assert suite.executions[0].labels == ("/a", "b", "t", "/")


def test_a_suite_with_two_addresses_is_rejected(tmp_path: Path) -> None:
    more = "  auth: {default-address: '${AUTH}', requests: [/]}\nmodules: {}\n"
    file = tmp_path / "suite.yml"
    file.write_text(
        "execution: [{scenario: shop, hold-for: 5s}, {scenario: auth, hold-for: 5s}]\n"
        "scenarios:\n  shop: {default-address: '${SHOP}', requests: [/]}\n" + more
    )
    with refused("several-addresses", "${SHOP}", "${AUTH}"):
        read_suite([file], against=URL)


def test_a_slash_at_the_end_makes_no_second_address(tmp_path: Path) -> None:
    file = tmp_path / "suite.yml"
    file.write_text(
        "execution: [{scenario: shop, hold-for: 5s}, {scenario: auth, hold-for: 5s}]\n"
        "settings: {default-executor: locust}\n"
        "scenarios:\n  shop: {default-address: 'http://a', requests: [/]}\n"
        "  auth: {default-address: 'http://a/', requests: [/]}\n"
    )
    suite = read_suite([file], against=URL)
    assert {one["default-address"] for one in suite.common["scenarios"].values()} == {URL}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "shop.example",
        "ftp://x",
        "http://",
        "http://a b",
        "http://x?q=1",
        "http://x#y",
        "http://x:99999",
        "http://${X}",
    ],
)
def test_an_invalid_address_is_rejected(text: str) -> None:
    with refused("not-an-address", "--against", error=OptionError):
        checked_address("--against", text)


def test_a_rejected_address_hides_its_password() -> None:
    with pytest.raises(OptionError) as refused:
        checked_address("--head", "ftp://joe:hunter2@shop.example")
    assert "hunter2" not in str(refused.value)


def test_an_address_loses_its_final_slash() -> None:
    assert checked_address("--base", "http://[::1]:8000/shop/") == "http://[::1]:8000/shop"


@pytest.mark.parametrize("address", ["http://new.example/prefix", "http://joe:secret@new.example"])
def test_an_address_that_jmeter_would_shorten_is_rejected(tmp_path: Path, address: str) -> None:
    file = tmp_path / "suite.yml"
    file.write_text(
        "execution: [{executor: jmeter, scenario: shop, hold-for: 5s}]\n"
        "scenarios: {shop: {default-address: 'http://a', requests: [/cart]}}\n"
    )
    with refused("unreached-address", "scenarios.shop", "new.example"):
        read_suite([file], against=address)


@pytest.mark.parametrize("executor", ["toril", "{shop: toril}"])
def test_the_engine_for_toril_uses_the_whole_address(tmp_path: Path, executor: str) -> None:
    suite = read(tmp_path, REQUESTS, executor="jmeter", more=f"toril: {{executor: {executor}, arrivals: 5/s}}\n")
    assert address(suite) == URL

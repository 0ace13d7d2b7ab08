"""Price files of users: valid prices replace list prices, and invalid files are refused with the place."""

import json
import re
from pathlib import Path

import pytest

from tests.refusals import refused
from toril.errors import OptionError
from toril.launchers.pricing import list_prices, read_prices

HERE = "TORIL_PRICES"


def given(folder, text):
    file = folder / "prices.json"
    file.write_text(text if isinstance(text, str) else json.dumps(text))
    return {HERE: str(file)}


def test_the_default_prices_are_the_included_ones():
    assert read_prices({}) is list_prices()
    assert list_prices().of("us-east-1").vcpu_hour["x86-64"] == 0.04048


def test_an_unlisted_processor_has_a_bound_and_an_unlisted_region_has_no_price():
    found = list_prices().of("eu-central-1")
    assert found.task_hour("x86-64", 1, 2) == pytest.approx(0.04656 + 2 * 0.00511)
    assert found.task_hour("arm64", 1, 2) == found.task_hour("x86-64", 1, 2)
    assert list_prices().of("ap-southeast-7").task_hour("x86-64", 1, 2) is None
    assert list_prices().of("ap-southeast-7").egress_gb == list_prices().of("us-east-1").egress_gb


def test_every_price_of_tasks_has_a_date_and_a_source():
    for region, tariff in list_prices().regions.items():
        assert re.fullmatch(r"20\d\d-\d\d-\d\d", tariff.as_of), region
        assert tariff.source, region


def test_own_prices_override_single_list_prices(tmp_path):
    own = {"as_of": "2027-01-01", "regions": {"us-east-1": {"egress_gb": 0.05}, "eu-north-1": {"nat_gb": 0.01}}}
    found = read_prices(given(tmp_path, own))
    assert (found.as_of, found.own) == ("2027-01-01", "prices.json")
    assert found.of("us-east-1").egress_gb == 0.05
    assert found.of("eu-north-1").nat_gb == 0.01
    assert found.of("eu-north-1").egress_gb == 0.05
    assert found.of("us-east-1").vcpu_hour["arm64"] == 0.03238
    assert found.of("us-east-1").as_of == list_prices().of("us-east-1").as_of


def test_own_prices_of_tasks_have_the_date_of_their_file(tmp_path):
    own = {"as_of": "2027-01-01", "regions": {"eu-north-1": {"vcpu_hour": {"x86-64": 0.03}}}}
    found = read_prices(given(tmp_path, own))
    assert (found.of("eu-north-1").as_of or found.as_of) == "2027-01-01"
    assert found.of("eu-west-3").as_of == list_prices().of("eu-west-3").as_of


@pytest.mark.parametrize(
    ("text", "code", "place"),
    [
        ("no", "not-json", ""),
        ("[]", "not-json", ""),
        ('{"regions": {"us-east-1": {"egres_gb": 1}}}', "bad-prices", "regions.us-east-1.egres_gb"),
        ('{"regions": {"us-east-1": {"egress_gb": -1}}}', "bad-prices", "regions.us-east-1.egress_gb"),
        ('{"regions": {"us-east-1": {"egress_gb": null}}}', "bad-prices", "regions.us-east-1.egress_gb"),
        ('{"regions": {"us-east-1": {"vcpu_hour": {"risc": 1}}}}', "bad-prices", "vcpu_hour"),
        ('{"regions": {"us-east-1": null}}', "bad-prices", "us-east-1"),
        ('{"spot": 2}', "bad-prices", "spot"),
    ],
)
def test_an_invalid_price_file_is_refused_with_the_place(tmp_path, text, code, place):
    with refused(code, f"TORIL_PRICES={tmp_path}", place, error=OptionError):
        read_prices(given(tmp_path, text))


def test_a_missing_price_file_is_named(tmp_path):
    with refused("unreadable-file", "none.json", error=OptionError):
        read_prices({HERE: str(tmp_path / "none.json")})


def test_the_example_in_the_docs_is_valid(tmp_path):
    manual = Path(__file__).parents[3] / "docs/how-to/estimate-and-limit-cost.md"
    (example,) = [one for one in re.findall(r"```json\n(.*?)```", manual.read_text(), re.DOTALL) if "egress_gb" in one]
    found = read_prices(given(tmp_path, example))
    assert found.of("eu-north-1").task_hour("arm64", 1, 0) == 0.034
    assert found.assumed.sent_bytes_per_request == 4000

"""Compatible versions and environments of hub and region."""

import pytest

from infra.settings import SettingError
from infra.settings.compatibility import check_pair


def check(hub: str, region: str, environments: tuple[str, str] = ("main", "main")) -> None:
    check_pair(hub_version=hub, version=region, hub_environment=environments[0], environment=environments[1])


@pytest.mark.parametrize(
    ("hub", "region"), [("1.4.0", "1.4.9"), ("1.4.0", "1.5.0"), ("1.5.2", "1.4.0"), ("0.1.0", "0.2.0")]
)
def test_the_same_and_neighbouring_minor_versions_are_compatible(hub, region):
    check(hub, region)


@pytest.mark.parametrize(
    ("hub", "region", "older"),
    [("1.4.0", "1.6.0", "the hub"), ("2.0.0", "1.9.0", "this stack"), ("0.9.0", "1.0.0", "the hub")],
)
def test_for_other_versions_the_error_asks_to_upgrade_the_older_stack(hub, region, older):
    with pytest.raises(SettingError, match=f"Upgrade {older} first"):
        check(hub, region)


def test_a_hub_of_another_environment_is_an_error():
    with pytest.raises(SettingError, match=r"toril:hub: .* prod, this stack to main"):
        check("0.1.0", "0.1.0", ("prod", "main"))


def test_an_invalid_hub_version_is_an_error():
    with pytest.raises(SettingError, match=r"toril:hub: .*`soon`"):
        check("soon", "0.1.0")

"""Which hub and which region stack fit together."""

import re

from infra.settings import SettingError

_VERSION = re.compile(r"(\d+)\.(\d+)\.")


def check_pair(*, hub_version: str, version: str, hub_environment: str, environment: str) -> None:
    """SettingError unless both are of one environment and at most one minor version apart."""
    if hub_environment != environment:
        raise SettingError(
            f"toril:hub: that hub is of environment {hub_environment}, this stack of {environment}; name the hub of "
            f"{environment}, or rename this stack"
        )
    (hub_major, hub_minor), (major, minor) = _parts(hub_version), _parts(version)
    if hub_major == major and abs(hub_minor - minor) <= 1:
        return
    older = "the hub" if (hub_major, hub_minor) < (major, minor) else "this stack"
    raise SettingError(
        f"the hub was deployed with toril {hub_version}, this is {version}; they may be one minor version apart. "
        f"Upgrade {older} first"
    )


def _parts(version: str) -> tuple[int, int]:
    found = _VERSION.match(version)
    if not found:
        raise SettingError(
            f"toril:hub: its version is {version!r}, which is none of toril's; `pulumi up` the hub again"
        )
    return int(found[1]), int(found[2])

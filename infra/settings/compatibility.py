"""Compatibility of a hub and a region stack."""

import re

from infra.settings import SettingError

_VERSION = re.compile(r"(\d+)\.(\d+)\.")


def check_pair(*, hub_version: str, version: str, hub_environment: str, environment: str) -> None:
    """Raises SettingError unless both have the same environment and are at most one minor version apart."""
    if hub_environment != environment:
        raise SettingError(
            f"toril:hub: The hub belongs to environment {hub_environment}, this stack to {environment}. Use the hub of "
            f"{environment}, or rename this stack."
        )
    (hub_major, hub_minor), (major, minor) = _parts(hub_version), _parts(version)
    if hub_major == major and abs(hub_minor - minor) <= 1:
        return
    older = "the hub" if (hub_major, hub_minor) < (major, minor) else "this stack"
    raise SettingError(
        f"toril:hub: The hub was deployed with toril {hub_version}, this stack is {version}. They may be at most one "
        f"minor version apart. Upgrade {older} first."
    )


def _parts(version: str) -> tuple[int, int]:
    found = _VERSION.match(version)
    if not found:
        raise SettingError(
            f"toril:hub: The hub's version `{version}` is not a toril version. Run `pulumi up` for the hub again."
        )
    return int(found[1]), int(found[2])

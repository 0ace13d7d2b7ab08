"""The workers' availability zones, and the addresses of each zone."""

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass

from infra.settings import SettingError

# Regions where Fargate lacks some zones, or Graviton in them. Amazon ECS developer guide, "Supported Regions for
# Amazon ECS on AWS Fargate", November 2026.
ONLY = {
    "ap-northeast-1": {"apne1-az1", "apne1-az2", "apne1-az4"},
    "ca-central-1": {"cac1-az1", "cac1-az2", "cac1-az4"},
    "cn-north-1": {"cnn1-az1", "cnn1-az2"},
    "us-west-1": {"usw1-az1", "usw1-az3"},
}
WITHOUT_ARM64 = {"use1-az3"}
BLOCKS_BITS = 3  # always eight blocks in a network: a new zone does not move the addresses of others


@dataclass(frozen=True, slots=True, order=True)
class Zone:
    """An availability zone. Its name differs between accounts, its id does not."""

    id: str
    name: str


def choose_zones(region: str, found: Iterable[Zone], architectures: Iterable[str], count: int) -> list[Zone]:
    """Returns the first `count` zones, by id, in which Fargate runs all `architectures`. Raises SettingError."""
    only = ONLY.get(region)
    left_out = WITHOUT_ARM64 if "arm64" in set(architectures) else set()
    usable = [zone for zone in sorted(found) if (only is None or zone.id in only) and zone.id not in left_out]
    if len(usable) < count:
        raise SettingError(
            f"toril:network.zones: `{count}` zones are too many: in {len(usable)} of this account's zones in {region}, "
            f"Fargate runs {' and '.join(sorted(architectures))}. Lower `zones` to {max(1, len(usable))}."
        )
    return usable[:count]


@dataclass(frozen=True, slots=True, kw_only=True)
class Addresses:
    """The blocks of a network: one for each zone, and one for the NAT gateway beside private workers."""

    zones: tuple[str, ...]
    gateway: str


def divide(cidr: str, zones: int) -> Addresses:
    """Returns the blocks of `cidr` in eight equal parts: zones take the first ones, the gateway the last."""
    blocks = [str(block) for block in ipaddress.ip_network(cidr).subnets(prefixlen_diff=BLOCKS_BITS)]
    return Addresses(zones=tuple(blocks[:zones]), gateway=blocks[-1])

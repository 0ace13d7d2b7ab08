"""In which availability zones workers run, and which addresses each zone gets."""

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass

from infra.settings import SettingError

# Where Fargate is in some zones of a region only, and where it has no Graviton. Amazon ECS developer guide, "Supported
# Regions for Amazon ECS on AWS Fargate", November 2026.
ONLY = {
    "ap-northeast-1": {"apne1-az1", "apne1-az2", "apne1-az4"},
    "ca-central-1": {"cac1-az1", "cac1-az2", "cac1-az4"},
    "cn-north-1": {"cnn1-az1", "cnn1-az2"},
    "us-west-1": {"usw1-az1", "usw1-az3"},
}
WITHOUT_ARM64 = {"use1-az3"}
BLOCKS_BITS = 3  # eight blocks in a network, whatever `zones` is: adding a zone moves no other one's addresses


@dataclass(frozen=True, slots=True, order=True)
class Zone:
    """An availability zone; names differ between accounts, ids don't."""

    id: str
    name: str


def choose_zones(region: str, found: Iterable[Zone], architectures: Iterable[str], count: int) -> list[Zone]:
    """The first `count` zones, by id, in which Fargate runs all `architectures`."""
    only = ONLY.get(region)
    left_out = WITHOUT_ARM64 if "arm64" in set(architectures) else set()
    usable = [zone for zone in sorted(found) if (only is None or zone.id in only) and zone.id not in left_out]
    if len(usable) < count:
        raise SettingError(
            f"toril:network.zones is {count}, but this account has {len(usable)} in {region} in which Fargate runs "
            f"{' and '.join(sorted(architectures))}; lower it to {max(1, len(usable))}"
        )
    return usable[:count]


@dataclass(frozen=True, slots=True, kw_only=True)
class Addresses:
    """The blocks of a network: one for each zone, and one for what has to be public beside private workers."""

    zones: tuple[str, ...]
    gateway: str


def divide(cidr: str, zones: int) -> Addresses:
    """`cidr` in eight equal blocks, of which zones take the first and the gateway the last."""
    blocks = [str(block) for block in ipaddress.ip_network(cidr).subnets(prefixlen_diff=BLOCKS_BITS)]
    return Addresses(zones=tuple(blocks[:zones]), gateway=blocks[-1])

"""Hosts of private registries in ECR, and ARNs of their repositories."""

import re
from dataclasses import dataclass

from infra.network import fips
from infra.place import partition_of

_PLAIN = re.compile(r"(\d{12})\.dkr[.-]ecr(-fips)?\.([a-z0-9-]+)\.(amazonaws\.com(\.cn)?|on\.aws)")


@dataclass(frozen=True, slots=True)
class PrivateRegistry:
    """ECR in one region of one account."""

    account: str
    region: str

    def host(self, *, over_fips: bool = False) -> str:
        if over_fips:
            return fips.registry_host(self.account, self.region)
        suffix = "amazonaws.com.cn" if self.region.startswith("cn-") else "amazonaws.com"
        return f"{self.account}.dkr.ecr.{self.region}.{suffix}"

    def repository_arn(self, repository: str) -> str:
        return f"arn:{partition_of(self.region)}:ecr:{self.region}:{self.account}:repository/{repository}"


def parse_host(host: str) -> PrivateRegistry | None:
    """Returns the private registry of an ECR host in any of its forms, or None for another host."""
    found = _PLAIN.fullmatch(host)
    return PrivateRegistry(found[1], found[3]) if found else None

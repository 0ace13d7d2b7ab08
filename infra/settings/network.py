"""The settings of the workers' network, targets and limits."""

import ipaddress
import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from infra.settings.common import Setting

HOST = re.compile(r"(\*\.)?([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9-]{2,63}")


def _block(text: str) -> str:
    try:
        network = ipaddress.ip_network(text)
    except ValueError:
        raise ValueError("Use a CIDR block, as in 203.0.113.0/24.") from None
    return str(network)


Cidr = Annotated[str, AfterValidator(_block)]


class NetworkSettings(Setting):
    """The network of a region's workers."""

    mode: Literal["public", "private", "existing"] = Field(
        default="public",
        description="`public`: own VPC, public addresses, no inbound traffic. `private`: own VPC without public "
        "addresses. `existing`: your subnets.",
    )
    cidr: Cidr = Field(default="10.40.0.0/16", description="IPv4 block of the own VPC, /16 to /24.")
    zones: int = Field(default=2, ge=1, le=6, description="Availability zones of the own VPC.")
    nat: bool | None = Field(
        default=None,
        description="`private`: a NAT gateway ($33 a month), for pull-through caches and targets outside the VPC. "
        "Default: none.",
    )
    vpc: str | None = Field(default=None, pattern=r"^vpc-[0-9a-f]{8,17}$", description="`existing`: id of the VPC.")
    subnets: tuple[Annotated[str, Field(pattern=r"^subnet-[0-9a-f]{8,17}$")], ...] = Field(
        default=(), max_length=16, description="`existing`: subnets of the workers."
    )
    public_addresses: bool = Field(default=False, description="`existing`: workers get public addresses.")
    dns_firewall: bool = Field(
        default=False,
        description="Own VPC: resolve only the names of targets and AWS ($0.60 for a million queries). "
        "Webhooks of coordinators need their hosts in `targets.hosts`.",
    )

    @model_validator(mode="after")
    def _check(self) -> "NetworkSettings":
        existing = self.mode == "existing"
        if existing and not (self.vpc and self.subnets):
            raise ValueError("vpc, subnets: Mode existing requires both.")
        if not existing and (self.vpc or self.subnets or self.public_addresses):
            raise ValueError(
                "vpc, subnets, publicAddresses: Only mode existing has them. Set the mode, or remove them."
            )
        if self.nat and self.mode != "private":
            raise ValueError("nat: Only mode private uses it. Remove it.")
        if self.dns_firewall and existing:
            raise ValueError("dnsFirewall: It would affect your whole VPC. Remove it, and attach a firewall yourself.")
        network = ipaddress.ip_network(self.cidr)
        if network.version != 4 or not 16 <= network.prefixlen <= 24:
            raise ValueError("cidr: Use an IPv4 block from /16 to /24.")
        return self

    @property
    def internet(self) -> bool | None:
        """Whether tasks reach the internet; None: unknown, because the subnets are the user's own."""
        return None if self.mode == "existing" else self.mode == "public" or bool(self.nat)


class Targets(Setting):
    """The systems that runs may load. Empty: any, which every run reports."""

    hosts: tuple[str, ...] = Field(default=(), description="Host names; `*.example.com` includes all names below.")
    cidrs: tuple[Cidr, ...] = Field(default=(), description="Blocks of addresses.")

    @model_validator(mode="after")
    def _are_hosts(self) -> "Targets":
        for host in self.hosts:
            if len(host) > 253 or not HOST.fullmatch(host):
                raise ValueError(f"hosts: `{host}`: Use a host name in lower case, without scheme, port or path.")
        return self

    @property
    def anything(self) -> bool:
        return not (self.hosts or self.cidrs)


class Limits(Setting):
    """The most that one run may use in this region. Launchers read it in the region's record and check it first."""

    vcpus: int = Field(default=256, ge=1, le=100_000, description="vCPU of all workers.")
    cost_usd: float = Field(default=50, gt=0, le=100_000, description="List price in US dollars.")
    duration_s: int = Field(default=4 * 3600, ge=60, le=14 * 86_400, description="Duration in seconds.")

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
        description="`public`: an own VPC whose workers have public addresses and no way in. `private`: an own VPC "
        "without public addresses. `existing`: subnets of yours.",
    )
    cidr: Cidr = Field(default="10.40.0.0/16", description="Of the own VPC; IPv4, /16 to /24.")
    zones: int = Field(default=2, ge=1, le=6, description="Availability zones of the own VPC.")
    nat: bool | None = Field(
        default=None,
        description="`private`: a NAT gateway (about $33 a month). By default there is none; it is needed where a "
        "pull-through cache is (its first pull goes out), and to reach targets outside of the VPC.",
    )
    vpc: str | None = Field(default=None, pattern=r"^vpc-[0-9a-f]{8,17}$", description="`existing`: its id.")
    subnets: tuple[Annotated[str, Field(pattern=r"^subnet-[0-9a-f]{8,17}$")], ...] = Field(
        default=(), max_length=16, description="`existing`: in which workers are put."
    )
    public_addresses: bool = Field(
        default=False, description="`existing`: workers get public addresses, for subnets whose way out is a gateway."
    )
    dns_firewall: bool = Field(
        default=False,
        description="Route 53 DNS Firewall: workers resolve only the targets' names and AWS' own; $0.60 for a "
        "million queries. Of an own VPC only.",
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


class Targets(Setting):
    """The systems that runs may load. Empty: any, which every run reports."""

    hosts: tuple[str, ...] = Field(default=(), description="Host names; `*.example.com` covers all names below.")
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

    vcpus: int = Field(default=256, ge=1, le=100_000, description="vCPU of all workers of a run together.")
    cost_usd: float = Field(default=50, gt=0, le=100_000, description="List price of a run, in US dollars.")
    duration_s: int = Field(default=4 * 3600, ge=60, le=14 * 86_400, description="Seconds that a run may last.")

"""The workers' VPC: an own one with public addresses, an own private one with endpoints, or an existing one."""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from infra.network.egress import Bucket, enforced
from infra.network.endpoints import Endpoints
from infra.network.firewall import DnsFirewall
from infra.network.zones import Zone, choose_zones, divide
from infra.place import Place
from infra.registry.images import Image
from infra.settings import RegionSettings
from toril.records.deployment import DeployedTargets

ANYWHERE = "0.0.0.0/0"


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkArgs:
    """The network's inputs. `images` influence its egress."""

    settings: RegionSettings
    place: Place
    bucket: Bucket
    images: tuple[Image, ...]
    zones: Sequence[Zone]


def find_zones(settings: RegionSettings, place: Place, options: pulumi.InvokeOptions) -> list[Zone]:
    """Returns the zones of the own VPC, or none for an existing one. Raises SettingError if there are too few."""
    if settings.network.mode == "existing":
        return []
    found = aws.get_availability_zones(
        region=place.region,
        state="available",
        filters=[{"name": "zone-type", "values": ["availability-zone"]}],
        opts=options,
    )
    zones = [Zone(*pair) for pair in zip(found.zone_ids, found.names, strict=True)]
    built = {one for flavour in settings.flavours.values() for one in flavour.architectures or ()}
    return choose_zones(place.region, zones, built | set(settings.architectures), settings.network.zones)


class Network(pulumi.ComponentResource):
    """Subnets and a security group without ingress. `targets` says which targets the network enforces."""

    subnets: list[pulumi.Output[str]]
    security_group: pulumi.Output[str]
    public_addresses: bool
    targets: DeployedTargets

    def __init__(self, name: str, args: NetworkArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("toril:region:Network", name, {}, opts)
        self._name, self._args, self._region = name, args, args.place.region
        self._child = pulumi.ResourceOptions(parent=self)
        network = args.settings.network
        self.targets = DeployedTargets(
            hosts=tuple(sorted(args.settings.targets.hosts)),
            cidrs=tuple(sorted(args.settings.targets.cidrs)),
            enforced=enforced(args.settings, args.place, args.bucket, args.images),
        )
        self.public_addresses = network.mode == "public" or network.public_addresses
        if network.mode == "existing":
            self.subnets = [pulumi.Output.from_input(subnet) for subnet in network.subnets]
            self.security_group = self._security_group(pulumi.Output.from_input(str(network.vpc)), open_egress=True).id
        else:
            self._own_network()
        self.register_outputs({"subnets": self.subnets, "securityGroup": self.security_group})

    def _own_network(self) -> None:
        args, network = self._args, self._args.settings.network
        private = network.mode == "private"
        vpc = aws.ec2.Vpc(
            self._name,
            region=self._region,
            cidr_block=network.cidr,
            enable_dns_support=True,
            enable_dns_hostnames=True,
            tags=self._named(self._name),
            opts=self._child,
        )
        # AWS's default group allows traffic between its members; no resource of the stack uses it
        aws.ec2.DefaultSecurityGroup(
            self._name, region=self._region, vpc_id=vpc.id, ingress=[], egress=[], opts=self._child
        )
        table = self._route_table(self._name, vpc)
        zones, addresses = args.zones, divide(network.cidr, network.zones)
        subnets = [
            self._subnet(f"{self._name}-{index}", vpc, table, zone, block)
            for index, (zone, block) in enumerate(zip(zones, addresses.zones, strict=True))
        ]
        self.subnets = [subnet.id for subnet in subnets]
        if not private:
            self._route_out(self._name, table, gateway_id=self._internet_gateway(vpc).id)
        elif network.nat:
            self._nat(vpc, table, zones[0], addresses.gateway)
        group = self._security_group(vpc.id, open_egress="addresses" not in self.targets.enforced)
        self.security_group = group.id
        endpoints = Endpoints(
            self._name,
            args.settings,
            args.place,
            args.bucket,
            vpc=vpc.id,
            subnets=self.subnets,
            route_table=table.id,
            workers=group.id,
            opts=self._child,
        )
        if "addresses" in self.targets.enforced:
            self._narrow_egress(group, endpoints)
        if network.dns_firewall:
            DnsFirewall(self._name, args.settings, args.place, args.bucket, args.images, vpc=vpc.id, opts=self._child)

    def _subnet(self, name: str, vpc: aws.ec2.Vpc, table: aws.ec2.RouteTable, zone: Zone, block: str) -> aws.ec2.Subnet:
        subnet = aws.ec2.Subnet(
            name,
            region=self._region,
            vpc_id=vpc.id,
            cidr_block=block,
            availability_zone=zone.name,
            map_public_ip_on_launch=False,  # RunTask requests addresses; no other resource gets one
            tags=self._named(name),
            opts=self._child,
        )
        aws.ec2.RouteTableAssociation(
            name,
            region=self._region,
            subnet_id=subnet.id,
            route_table_id=table.id,
            opts=pulumi.ResourceOptions(parent=subnet),
        )
        return subnet

    def _route_table(self, name: str, vpc: aws.ec2.Vpc) -> aws.ec2.RouteTable:
        return aws.ec2.RouteTable(name, region=self._region, vpc_id=vpc.id, tags=self._named(name), opts=self._child)

    def _route_out(self, name: str, table: aws.ec2.RouteTable, **through: pulumi.Input[str]) -> aws.ec2.Route:
        return aws.ec2.Route(
            name,
            region=self._region,
            route_table_id=table.id,
            destination_cidr_block=ANYWHERE,
            opts=pulumi.ResourceOptions(parent=table),
            **through,
        )

    def _internet_gateway(self, vpc: aws.ec2.Vpc) -> aws.ec2.InternetGateway:
        return aws.ec2.InternetGateway(
            self._name, region=self._region, vpc_id=vpc.id, tags=self._named(self._name), opts=self._child
        )

    def _nat(self, vpc: aws.ec2.Vpc, workers: aws.ec2.RouteTable, zone: Zone, block: str) -> None:
        """Makes one gateway for all zones: a load test can be repeated, and a second gateway doubles the cost."""
        name = f"{self._name}-nat"
        table = self._route_table(name, vpc)
        out = self._route_out(name, table, gateway_id=self._internet_gateway(vpc).id)
        subnet = self._subnet(name, vpc, table, zone, block)
        address = aws.ec2.Eip(name, region=self._region, domain="vpc", tags=self._named(name), opts=self._child)
        gateway = aws.ec2.NatGateway(
            name,
            region=self._region,
            subnet_id=subnet.id,
            allocation_id=address.id,
            tags=self._named(name),
            opts=pulumi.ResourceOptions(parent=self, depends_on=[out]),
        )
        self._route_out(f"{name}-workers", workers, nat_gateway_id=gateway.id)

    def _security_group(self, vpc: pulumi.Input[str], *, open_egress: bool) -> aws.ec2.SecurityGroup:
        group = aws.ec2.SecurityGroup(
            f"{self._name}-workers",
            region=self._region,
            name=f"{self._args.place.names.base}-workers",
            description="Load generators: nothing comes in",
            vpc_id=vpc,
            revoke_rules_on_delete=False,
            opts=self._child,
        )
        if open_egress:
            self._egress(group, "all", cidr_ipv4=ANYWHERE)
        return group

    def _narrow_egress(self, group: aws.ec2.SecurityGroup, endpoints: Endpoints) -> None:
        """Allows egress to targets, endpoints and S3. Security groups do not affect the VPC's own DNS."""
        for block in self.targets.cidrs:
            six = ":" in block
            self._egress(group, block, cidr_ipv4=None if six else block, cidr_ipv6=block if six else None)
        self._egress(group, "endpoints", tls=True, group_id=endpoints.security_group)
        self._egress(group, "s3", tls=True, prefix_list=endpoints.s3_prefix_list)

    def _egress(
        self,
        group: aws.ec2.SecurityGroup,
        label: str,
        *,
        tls: bool = False,
        cidr_ipv4: str | None = None,
        cidr_ipv6: str | None = None,
        group_id: pulumi.Input[str] | None = None,
        prefix_list: pulumi.Input[str] | None = None,
    ) -> None:
        port = 443 if tls else None
        aws.vpc.SecurityGroupEgressRule(
            f"{self._name}-out-{label}",
            region=self._region,
            security_group_id=group.id,
            ip_protocol="tcp" if tls else "-1",
            from_port=port,
            to_port=port,
            cidr_ipv4=cidr_ipv4,
            cidr_ipv6=cidr_ipv6,
            referenced_security_group_id=group_id,
            prefix_list_id=prefix_list,
            opts=pulumi.ResourceOptions(parent=group),
        )

    def _named(self, name: str) -> dict[str, str]:
        return {"Name": f"{self._args.place.names.base}-{name}"}

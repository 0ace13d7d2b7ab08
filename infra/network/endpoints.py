"""VPC endpoints, by which an own VPC reaches AWS without the internet."""

from collections.abc import Sequence

import pulumi
import pulumi_aws as aws

from infra.network.egress import Bucket, gateway_policy, interface_services, results_policy, service_name
from infra.permissions.statements import render
from infra.place import Place
from infra.settings import RegionSettings


class Endpoints(pulumi.ComponentResource):
    """The S3 gateway, which is free, and in private mode interface endpoints for every service that a worker calls.

    In public mode the gateway allows everything, since a suite may download from S3. In private mode it allows only
    image layers and the results bucket. A gateway serves only its own region: private workers reach a bucket in another
    region by an interface endpoint or NAT.
    """

    s3_prefix_list: pulumi.Output[str]
    security_group: pulumi.Output[str]

    def __init__(
        self,
        name: str,
        settings: RegionSettings,
        place: Place,
        bucket: Bucket,
        *,
        vpc: pulumi.Input[str],
        subnets: Sequence[pulumi.Input[str]],
        route_table: pulumi.Input[str],
        workers: pulumi.Input[str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("toril:region:Endpoints", name, {}, opts)
        child, network = pulumi.ResourceOptions(parent=self), settings.network
        private = network.mode == "private"
        gateway = aws.ec2.VpcEndpoint(
            f"{name}-s3",
            region=place.region,
            vpc_id=vpc,
            service_name=service_name(place.region, "s3"),
            vpc_endpoint_type="Gateway",
            route_table_ids=[route_table],
            policy=render(gateway_policy(place, bucket, home=settings.home)) if private else None,
            tags={"Name": f"{place.names.base}-{name}-s3"},
            opts=child,
        )
        self.s3_prefix_list = gateway.prefix_list_id
        if private:
            group = self._security_group(name, place, vpc, workers)
            self.security_group = group.id
            for service in interface_services(settings):
                here = service_name(place.region, service)
                self._interface(f"{name}-{service}", place, here, vpc, subnets, group)
            if bucket.region != place.region and not network.nat:
                self._interface(
                    f"{name}-results",
                    place,
                    service_name(bucket.region, "s3"),
                    vpc,
                    subnets,
                    group,
                    service_region=bucket.region,
                    # AWS' default leaves the names to a gateway, which the VPC has for its own region only
                    dns_options={"private_dns_only_for_inbound_resolver_endpoint": False},
                    policy=render(results_policy(place, bucket)),
                )
        self.register_outputs({})

    def _security_group(
        self, name: str, place: Place, vpc: pulumi.Input[str], workers: pulumi.Input[str]
    ) -> aws.ec2.SecurityGroup:
        group = aws.ec2.SecurityGroup(
            f"{name}-endpoints",
            region=place.region,
            name=f"{place.names.base}-endpoints",
            description="Endpoints of AWS: workers come in over TLS",
            vpc_id=vpc,
            opts=pulumi.ResourceOptions(parent=self),
        )
        aws.vpc.SecurityGroupIngressRule(
            f"{name}-endpoints",
            region=place.region,
            security_group_id=group.id,
            ip_protocol="tcp",
            from_port=443,
            to_port=443,
            referenced_security_group_id=workers,
            opts=pulumi.ResourceOptions(parent=group),
        )
        return group

    def _interface(
        self,
        name: str,
        place: Place,
        service: str,
        vpc: pulumi.Input[str],
        subnets: Sequence[pulumi.Input[str]],
        group: aws.ec2.SecurityGroup,
        *,
        service_region: str | None = None,
        dns_options: aws.ec2.VpcEndpointDnsOptionsArgsDict | None = None,
        policy: str | None = None,
    ) -> None:
        aws.ec2.VpcEndpoint(
            name,
            region=place.region,
            vpc_id=vpc,
            service_name=service,
            service_region=service_region,
            vpc_endpoint_type="Interface",
            private_dns_enabled=True,
            dns_options=dns_options,
            subnet_ids=subnets,
            security_group_ids=[group.id],
            policy=policy,
            tags={"Name": f"{place.names.base}-{name}"},
            opts=pulumi.ResourceOptions(parent=self),
        )

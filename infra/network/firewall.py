"""Route 53 DNS Firewall: tasks resolve only the targets' names and the AWS names that they need."""

from collections.abc import Iterable

import pulumi
import pulumi_aws as aws

from infra.network.egress import Bucket, qualified, resolvable
from infra.place import Place
from infra.registry.images import Image
from infra.settings import RegionSettings


class DnsFirewall(pulumi.ComponentResource):
    """Rules for the whole VPC, which is always the stack's own."""

    def __init__(
        self,
        name: str,
        settings: RegionSettings,
        place: Place,
        bucket: Bucket,
        images: Iterable[Image],
        *,
        vpc: pulumi.Input[str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("toril:region:DnsFirewall", name, {}, opts)
        self._region, self._base, self._name = place.region, place.names.base, name
        self._child = pulumi.ResourceOptions(parent=self)
        group = aws.route53.ResolverFirewallRuleGroup(
            name, region=self._region, name=f"{self._base}-targets", opts=self._child
        )
        regions = aws.get_regions(opts=pulumi.InvokeOptions(parent=self)).names if settings.home else ()
        allowed = resolvable(place, settings, bucket, images, regions)
        # an allowed name may be an alias of any other name: its owner decides
        self._rule(group, "allowed", allowed, 100, action="ALLOW", redirection="TRUST_REDIRECTION_DOMAIN")
        self._rule(group, "others", qualified(["*"]), 200, action="BLOCK", redirection=None)
        aws.route53.ResolverFirewallRuleGroupAssociation(
            name,
            region=self._region,
            name=f"{self._base}-targets",
            firewall_rule_group_id=group.id,
            vpc_id=vpc,
            priority=101,
            opts=self._child,
        )
        self.register_outputs({})

    def _rule(
        self,
        group: aws.route53.ResolverFirewallRuleGroup,
        label: str,
        domains: list[str],
        priority: int,
        *,
        action: str,
        redirection: str | None,
    ) -> None:
        listed = aws.route53.ResolverFirewallDomainList(
            f"{self._name}-{label}",
            region=self._region,
            name=f"{self._base}-{label}",
            domains=domains,
            opts=self._child,
        )
        aws.route53.ResolverFirewallRule(
            f"{self._name}-{label}",
            region=self._region,
            name=f"{self._base}-{label}",
            firewall_rule_group_id=group.id,
            firewall_domain_list_id=listed.id,
            firewall_domain_redirection_action=redirection,
            priority=priority,
            action=action,
            block_response="NXDOMAIN" if action == "BLOCK" else None,
            opts=pulumi.ResourceOptions(parent=group),
        )

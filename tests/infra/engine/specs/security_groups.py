"""Security groups, their rules (separate resources), and the resolver's firewall."""

from typing import Any

from tests.infra.engine.kinds import ARN, ID, TAGS, Kind, Tagging, View, call, has, look, part
from tests.infra.engine.specs.network import TAGGING, arn_of, ids, tags_of

RULE = "ipProtocol fromPort toPort cidrIpv4 prefixListId referencedSecurityGroupId"
EVERYTHING = [{"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}]


def _permissions(view: View) -> list[dict[str, Any]]:
    """Returns a rule as one permission."""
    sides = {
        "IpRanges": ("CidrIp", "cidrIpv4"),
        "PrefixListIds": ("PrefixListId", "prefixListId"),
        "UserIdGroupPairs": ("GroupId", "referencedSecurityGroupId"),
    }
    ports = {member: view[name] for member, name in (("FromPort", "fromPort"), ("ToPort", "toPort")) if has(name)(view)}
    others = {list_: [{member: view[name]}] for list_, (member, name) in sides.items() if has(name)(view)}
    return [{"IpProtocol": view["ipProtocol"]} | ports | others]


def _as_request(view: View) -> dict[str, Any]:
    names = {"referencedSecurityGroupId": "ReferencedGroupId"}
    return {names.get(name, name): view[name] for name in RULE.split() if has(name)(view)}


def _default_of_vpc(view: View) -> list[dict[str, Any]]:
    return [{"Name": "vpc-id", "Values": [view["vpcId"]]}, {"Name": "group-name", "Values": ["default"]}]


def _from_itself(view: View) -> list[dict[str, Any]]:
    return [{"IpProtocol": "-1", "UserIdGroupPairs": [{"GroupId": view.id}]}]


def _rule(direction: str) -> Kind:
    return Kind(
        service="ec2",
        create=(
            call(
                f"AuthorizeSecurityGroup{direction}",
                "securityGroupId:GroupId",
                IpPermissions=_permissions,
                TagSpecifications=tags_of("security-group-rule"),
            ),
        ),
        id="SecurityGroupRules[0].SecurityGroupRuleId",
        read=(look("DescribeSecurityGroupRules", "SecurityGroupRules[0]", SecurityGroupRuleIds=ids),),
        delete=(call(f"RevokeSecurityGroup{direction}", "securityGroupId:GroupId", SecurityGroupRuleIds=ids),),
        replaces="securityGroupId",
        updates={
            RULE: (
                call(
                    "ModifySecurityGroupRules",
                    "securityGroupId:GroupId",
                    SecurityGroupRules=lambda view: [
                        {"SecurityGroupRuleId": view.id, "SecurityGroupRule": _as_request(view)}
                    ],
                ),
            )
        },
        outputs={"arn": arn_of("security-group-rule"), "securityGroupRuleId": "SecurityGroupRuleId"},
        seen_as={"referencedSecurityGroupId": "ReferencedGroupInfo.GroupId"},
        tagging=TAGGING,
    )


FIREWALL_TAGGING = Tagging(
    add=call("TagResource", ResourceArn=ARN, Tags=TAGS),
    remove=call("UntagResource", ResourceArn=ARN, TagKeys=lambda view: sorted(view.tags)),
    look=look("ListTagsForResource", "Tags", ResourceArn=ARN),
    at="@",
)
FIREWALL_RULE = "priority action name blockResponse firewallDomainRedirectionAction"
ONCE = {"CreatorRequestId": lambda view: f"toril-{view['name']}"}
DOMAINS = call(
    "UpdateFirewallDomains", "domains", FirewallDomainListId=ID, Operation="REPLACE", when=lambda view: view["domains"]
)
RULE_IDS = {"FirewallRuleGroupId": part(0, ":"), "FirewallDomainListId": part(1, ":")}

KINDS = {
    "aws:ec2/securityGroup:SecurityGroup": Kind(
        service="ec2",
        create=(
            call(
                "CreateSecurityGroup", "name:GroupName description vpcId", TagSpecifications=tags_of("security-group")
            ),
            # AWS allows all egress from a new group; the provider revokes it.
            call("RevokeSecurityGroupEgress", GroupId=ID, IpPermissions=EVERYTHING, when=has("vpcId")),
        ),
        id="GroupId",
        read=(look("DescribeSecurityGroups", "SecurityGroups[0]", GroupIds=ids),),
        delete=(call("DeleteSecurityGroup", GroupId=ID),),
        replaces="name description vpcId",
        local="revokeRulesOnDelete",
        outputs={"arn": arn_of("security-group"), "ownerId": "OwnerId"},
        auto_name="name",
        tagging=TAGGING,
        defaults={"description": "Managed by Pulumi"},
    ),
    "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup": Kind(  # adopts the group; only without rules
        service="ec2",
        create=(
            call("DescribeSecurityGroups", Filters=_default_of_vpc),
            call("RevokeSecurityGroupIngress", GroupId=ID, IpPermissions=_from_itself),
            call("RevokeSecurityGroupEgress", GroupId=ID, IpPermissions=EVERYTHING),
            call("CreateTags", Resources=ids, Tags=TAGS, when=lambda view: bool(view.tags)),
        ),
        id="SecurityGroups[0].GroupId",
        read=(look("DescribeSecurityGroups", "SecurityGroups[0]", GroupIds=ids),),
        replaces="vpcId",
        local="ingress egress",
        outputs={"arn": arn_of("security-group")},
        tagging=TAGGING,
    ),
    "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule": _rule("Ingress"),
    "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule": _rule("Egress"),
    "aws:route53/resolverFirewallDomainList:ResolverFirewallDomainList": Kind(
        service="route53resolver",
        create=(call("CreateFirewallDomainList", "name", **ONCE, Tags=TAGS), DOMAINS),
        id="FirewallDomainList.Id",
        read=(
            look("GetFirewallDomainList", "FirewallDomainList", FirewallDomainListId=ID),
            look("ListFirewallDomains", "{domains: Domains}", FirewallDomainListId=ID, MaxResults=5000),
        ),
        delete=(call("DeleteFirewallDomainList", FirewallDomainListId=ID),),
        replaces="name",
        updates={"domains": (DOMAINS,)},
        outputs={"arn": "Arn"},
        alive="Status != 'DELETING'",
        auto_name="name",
        tagging=FIREWALL_TAGGING,
    ),
    "aws:route53/resolverFirewallRuleGroup:ResolverFirewallRuleGroup": Kind(
        service="route53resolver",
        create=(call("CreateFirewallRuleGroup", "name", **ONCE, Tags=TAGS),),
        id="FirewallRuleGroup.Id",
        read=(look("GetFirewallRuleGroup", "FirewallRuleGroup", FirewallRuleGroupId=ID),),
        delete=(call("DeleteFirewallRuleGroup", FirewallRuleGroupId=ID),),
        replaces="name",
        outputs={"arn": "Arn", "ownerId": "OwnerId", "shareStatus": "ShareStatus"},
        alive="Status != 'DELETING'",
        auto_name="name",
        tagging=FIREWALL_TAGGING,
    ),
    "aws:route53/resolverFirewallRule:ResolverFirewallRule": Kind(
        service="route53resolver",
        create=(call("CreateFirewallRule", f"firewallRuleGroupId firewallDomainListId {FIREWALL_RULE}", **ONCE),),
        id=lambda view: f"{view['firewallRuleGroupId']}:{view['firewallDomainListId']}",
        read=(
            look(
                "ListFirewallRules",
                lambda view: f"FirewallRules[?FirewallDomainListId=='{view.id.split(':')[1]}'] | [0]",
                FirewallRuleGroupId=part(0, ":"),
            ),
        ),
        delete=(call("DeleteFirewallRule", **RULE_IDS),),
        replaces="firewallRuleGroupId firewallDomainListId",
        updates={FIREWALL_RULE: (call("UpdateFirewallRule", FIREWALL_RULE, **RULE_IDS),)},
        auto_name="name",
    ),
    "aws:route53/resolverFirewallRuleGroupAssociation:ResolverFirewallRuleGroupAssociation": Kind(
        service="route53resolver",
        create=(
            call(
                "AssociateFirewallRuleGroup",
                "firewallRuleGroupId vpcId priority name",
                **ONCE,
                Tags=TAGS,
            ),
        ),
        id="FirewallRuleGroupAssociation.Id",
        read=(
            look(
                "GetFirewallRuleGroupAssociation",
                "FirewallRuleGroupAssociation",
                FirewallRuleGroupAssociationId=ID,
            ),
        ),
        delete=(call("DisassociateFirewallRuleGroup", FirewallRuleGroupAssociationId=ID),),
        replaces="firewallRuleGroupId vpcId",
        updates={
            "priority name": (
                call(
                    "UpdateFirewallRuleGroupAssociation",
                    "priority name",
                    FirewallRuleGroupAssociationId=ID,
                ),
            )
        },
        outputs={"arn": "Arn"},
        alive="Status != 'DELETING'",
        auto_name="name",
        tagging=FIREWALL_TAGGING,
    ),
}

"""Route 53 Resolver: DNS Firewall's domain lists, rule groups, rules and associations."""

import time
import uuid
from typing import Any

from ministack.core.responses import get_account_id, get_region
from ministack.services import ec2

from tests.cloud.server.errors import Refusal
from tests.cloud.server.gateway import Service
from tests.cloud.server.paging import page
from tests.cloud.server.state import Regional

Record = dict[str, Any]
PREFIXES = {"firewall-domain-list": "rslvr-fdl", "firewall-rule-group": "rslvr-frg"}
PREFIXES["firewall-rule-group-association"] = "rslvr-frgassoc"


class Firewall:
    """DNS Firewall in one region."""

    def __init__(self) -> None:
        self.lists: dict[str, Record] = {}
        self.domains: dict[str, list[str]] = {}
        self.groups: dict[str, Record] = {}
        self.rules: dict[str, list[Record]] = {}
        self.associations: dict[str, Record] = {}
        self.tags: dict[str, dict[str, str]] = {}


HERE: Regional[Firewall] = Regional(Firewall)


def _made(kind: str, request: Record, **more: Any) -> Record:
    found = f"{PREFIXES[kind]}-{uuid.uuid4().hex[:16]}"
    arn = f"arn:aws:route53resolver:{get_region()}:{get_account_id()}:{kind}/{found}"
    HERE.here().tags[arn] = {tag["Key"]: tag["Value"] for tag in request.get("Tags", ())}
    now = _now()
    times = {"CreationTime": now, "ModificationTime": now}
    named = {"Name": request["Name"], "CreatorRequestId": request["CreatorRequestId"]}
    return {"Id": found, "Arn": arn, **named, **times, **more}


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def _named(records: dict[str, Record], request: Record, name: str) -> Record:
    if request[name] not in records:
        raise Refusal("ResourceNotFoundException", f"{name} '{request[name]}' does not exist")
    return records[request[name]]


def _listed(found: list[Any], request: Record, name: str) -> Record:
    shown, more = page(found, {"nextToken": request.get("NextToken"), "maxResults": request.get("MaxResults")})
    return {name: list(shown), **({"NextToken": more["nextToken"]} if more else {})}


def create_list(request: Record) -> Record:
    made = _made("firewall-domain-list", request, DomainCount=0, Status="COMPLETE")
    HERE.here().lists[made["Id"]], HERE.here().domains[made["Id"]] = made, []
    return {"FirewallDomainList": made}


def get_list(request: Record) -> Record:
    return {"FirewallDomainList": _named(HERE.here().lists, request, "FirewallDomainListId")}


def lists(request: Record) -> Record:
    shown = ("Id", "Arn", "Name", "CreatorRequestId")
    found = [{name: one[name] for name in shown} for one in HERE.here().lists.values()]
    return _listed(found, request, "FirewallDomainLists")


def update_domains(request: Record) -> Record:
    found = _named(HERE.here().lists, request, "FirewallDomainListId")
    asked = [domain.rstrip(".") + "." for domain in request["Domains"]]
    before = HERE.here().domains[found["Id"]]
    kept = {"ADD": before, "REPLACE": [], "REMOVE": [one for one in before if one not in asked]}[request["Operation"]]
    after = list(dict.fromkeys(kept if request["Operation"] == "REMOVE" else [*kept, *asked]))
    HERE.here().domains[found["Id"]] = after
    found.update(DomainCount=len(after), ModificationTime=_now())
    return {name: found[name] for name in ("Id", "Name", "Status")}


def domains(request: Record) -> Record:
    found = _named(HERE.here().lists, request, "FirewallDomainListId")
    return _listed(HERE.here().domains[found["Id"]], request, "Domains")


def delete_list(request: Record) -> Record:
    found = _named(HERE.here().lists, request, "FirewallDomainListId")
    if any(rule["FirewallDomainListId"] == found["Id"] for rules in HERE.here().rules.values() for rule in rules):
        raise Refusal("ConflictException", "The domain list is used by a rule")
    del HERE.here().lists[found["Id"]]
    return {"FirewallDomainList": found}


def create_group(request: Record) -> Record:
    more = {"RuleCount": 0, "Status": "COMPLETE", "OwnerId": get_account_id(), "ShareStatus": "NOT_SHARED"}
    made = _made("firewall-rule-group", request, **more)
    HERE.here().groups[made["Id"]], HERE.here().rules[made["Id"]] = made, []
    return {"FirewallRuleGroup": made}


def get_group(request: Record) -> Record:
    return {"FirewallRuleGroup": _named(HERE.here().groups, request, "FirewallRuleGroupId")}


def delete_group(request: Record) -> Record:
    found = _named(HERE.here().groups, request, "FirewallRuleGroupId")
    if HERE.here().rules[found["Id"]]:
        raise Refusal("ConflictException", "The rule group has rules")
    if any(one["FirewallRuleGroupId"] == found["Id"] for one in HERE.here().associations.values()):
        raise Refusal("ConflictException", "The rule group is associated with a VPC")
    del HERE.here().groups[found["Id"]]
    return {"FirewallRuleGroup": found}


def create_rule(request: Record) -> Record:
    group = _named(HERE.here().groups, request, "FirewallRuleGroupId")
    _named(HERE.here().lists, request, "FirewallDomainListId") if "FirewallDomainListId" in request else _no_list()
    _check_rule(request)
    rules = HERE.here().rules[group["Id"]]
    if any(rule["FirewallDomainListId"] == request["FirewallDomainListId"] for rule in rules):
        raise Refusal("ConflictException", "The rule group has a rule of this domain list")
    _check_priority(rules, request["Priority"])
    now = _now()
    rules.append({**request, "CreationTime": now, "ModificationTime": now})
    group["RuleCount"] = len(rules)
    return {"FirewallRule": rules[-1]}


def update_rule(request: Record) -> Record:
    rule = _rule(request)
    changed = {**rule, **request, "ModificationTime": _now()}
    _check_rule(changed)
    others = [one for one in HERE.here().rules[request["FirewallRuleGroupId"]] if one is not rule]
    _check_priority(others, changed["Priority"])
    rule.update(changed)
    return {"FirewallRule": rule}


def delete_rule(request: Record) -> Record:
    rule = _rule(request)
    rules = HERE.here().rules[request["FirewallRuleGroupId"]]
    rules.remove(rule)
    HERE.here().groups[request["FirewallRuleGroupId"]]["RuleCount"] = len(rules)
    return {"FirewallRule": rule}


def rules(request: Record) -> Record:
    group = _named(HERE.here().groups, request, "FirewallRuleGroupId")
    found = sorted(HERE.here().rules[group["Id"]], key=lambda rule: rule["Priority"])
    return _listed(found, request, "FirewallRules")


def associate(request: Record) -> Record:
    _named(HERE.here().groups, request, "FirewallRuleGroupId")
    if request["VpcId"] not in ec2._vpcs:
        raise Refusal("ResourceNotFoundException", f"The VPC '{request['VpcId']}' does not exist")
    same = [one for one in HERE.here().associations.values() if one["VpcId"] == request["VpcId"]]
    if any(one["FirewallRuleGroupId"] == request["FirewallRuleGroupId"] for one in same):
        raise Refusal("ConflictException", "The rule group is associated with this VPC")
    _check_priority(same, request["Priority"])
    more = {name: request[name] for name in ("FirewallRuleGroupId", "VpcId", "Priority")}
    protection = request.get("MutationProtection", "DISABLED")
    made = _made("firewall-rule-group-association", request, Status="COMPLETE", MutationProtection=protection, **more)
    HERE.here().associations[made["Id"]] = made
    return {"FirewallRuleGroupAssociation": made}


def get_association(request: Record) -> Record:
    found = _named(HERE.here().associations, request, "FirewallRuleGroupAssociationId")
    return {"FirewallRuleGroupAssociation": found}


def update_association(request: Record) -> Record:
    found = _named(HERE.here().associations, request, "FirewallRuleGroupAssociationId")
    found.update({name: request[name] for name in ("Priority", "MutationProtection", "Name") if name in request})
    return {"FirewallRuleGroupAssociation": found}


def disassociate(request: Record) -> Record:
    found = _named(HERE.here().associations, request, "FirewallRuleGroupAssociationId")
    if found["MutationProtection"] == "ENABLED":
        raise Refusal("ConflictException", "The association is protected from mutation")
    del HERE.here().associations[found["Id"]]
    return {"FirewallRuleGroupAssociation": {**found, "Status": "DELETING"}}


def tags(request: Record) -> Record:
    return {"Tags": [{"Key": key, "Value": value} for key, value in _tags(request).items()]}


def tag(request: Record) -> Record:
    _tags(request).update({item["Key"]: item["Value"] for item in request["Tags"]})
    return {}


def untag(request: Record) -> Record:
    for key in request["TagKeys"]:
        _tags(request).pop(key, None)
    return {}


def _tags(request: Record) -> dict[str, str]:
    if request["ResourceArn"] not in HERE.here().tags:
        raise Refusal("ResourceNotFoundException", f"There is no resource '{request['ResourceArn']}'")
    return HERE.here().tags[request["ResourceArn"]]


def _rule(request: Record) -> Record:
    _named(HERE.here().groups, request, "FirewallRuleGroupId")
    for rule in HERE.here().rules[request["FirewallRuleGroupId"]]:
        if rule["FirewallDomainListId"] == request.get("FirewallDomainListId"):
            return rule
    raise Refusal("ResourceNotFoundException", "The rule does not exist")


def _no_list() -> None:
    raise Refusal("ValidationException", "The embedded cloud's rules have a domain list")


def _check_rule(rule: Record) -> None:
    if (rule["Action"] == "BLOCK") != ("BlockResponse" in rule):
        raise Refusal("ValidationException", "A rule that blocks says how, and others don't")
    if rule.get("BlockResponse") == "OVERRIDE" and "BlockOverrideDomain" not in rule:
        raise Refusal("ValidationException", "An override has a domain")


def _check_priority(others: list[Record], priority: int) -> None:
    if any(one["Priority"] == priority for one in others):
        raise Refusal("ConflictException", f"The priority {priority} is taken")


SERVICE = Service(
    name="route53resolver",
    model="route53resolver",
    operations={
        "CreateFirewallDomainList": create_list,
        "GetFirewallDomainList": get_list,
        "ListFirewallDomainLists": lists,
        "UpdateFirewallDomains": update_domains,
        "ListFirewallDomains": domains,
        "DeleteFirewallDomainList": delete_list,
        "CreateFirewallRuleGroup": create_group,
        "GetFirewallRuleGroup": get_group,
        "DeleteFirewallRuleGroup": delete_group,
        "CreateFirewallRule": create_rule,
        "UpdateFirewallRule": update_rule,
        "DeleteFirewallRule": delete_rule,
        "ListFirewallRules": rules,
        "AssociateFirewallRuleGroup": associate,
        "GetFirewallRuleGroupAssociation": get_association,
        "UpdateFirewallRuleGroupAssociation": update_association,
        "DisassociateFirewallRuleGroup": disassociate,
        "ListTagsForResource": tags,
        "TagResource": tag,
        "UntagResource": untag,
    },
)

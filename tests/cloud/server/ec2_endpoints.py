"""VPC endpoints of existing services, with their DNS names and interfaces."""

import uuid
from typing import Any

from ministack.core.responses import get_account_id, get_region
from ministack.services import ec2

from tests.cloud.server.errors import Refusal

GATEWAYS = {"s3", "dynamodb"}
INBOUND_ONLY = "PrivateDnsOnlyForInboundResolverEndpoint"  # true unless the request says otherwise
INTERFACES = {
    "autoscaling", "cloudformation", "dynamodb", "ec2", "ec2messages", "ecr.api", "ecr.dkr", "ecs", "ecs-agent",
    "ecs-telemetry", "elasticfilesystem", "elasticloadbalancing", "events", "execute-api", "kinesis-streams", "kms",
    "lambda", "logs", "monitoring", "s3", "scheduler", "secretsmanager", "servicequotas", "sns", "sqs", "ssm",
    "ssmmessages", "states", "sts",
}  # fmt: skip
WITH_FIPS = ("us-", "ca-")  # regions with FIPS endpoints of most services
FIPS_INTERFACES = {
    "dynamodb-fips",
    "ec2-fips",
    "events-fips",
    "sqs-fips",
    "sts-fips",
}  # others have no endpoint service
ECR_FIPS_INTERFACES = {"ecr-fips.api", "ecr-fips.dkr"}
ECR_FIPS_REGIONS = {"us-east-1", "us-east-2", "us-west-1", "us-west-2", "us-gov-east-1", "us-gov-west-1"}
ELSEWHERE = {"dynamodb", "ecr.api", "ecr.dkr", "kms", "lambda", "s3"}  # some services with cross-region endpoints
DEFAULT_POLICY = '{"Statement":[{"Action":"*","Effect":"Allow","Principal":"*","Resource":"*"}]}'
UNDERSTOOD = {
    "VpcEndpointType", "VpcId", "ServiceName", "PolicyDocument", "RouteTableIds", "SubnetIds", "SecurityGroupIds",
    "IpAddressType", "PrivateDnsEnabled", "TagSpecifications", "ClientToken", "DryRun", "ServiceRegion", "DnsOptions",
}  # fmt: skip
Record = dict[str, Any]


def services(region: str) -> set[str]:
    """Returns the services, without their prefix, that interface endpoints in this region can reach."""
    fips = FIPS_INTERFACES if region.startswith(WITH_FIPS) else set()
    return INTERFACES | {"kms-fips"} | fips | (ECR_FIPS_INTERFACES if region in ECR_FIPS_REGIONS else set())


def create(request: Record) -> Record:
    unknown = sorted(request.keys() - UNDERSTOOD)
    if unknown:
        raise Refusal("UnsupportedOperation", f"The embedded cloud's VPC endpoints have no {', '.join(unknown)}")
    kind = request.get("VpcEndpointType", "Gateway")
    region = request.get("ServiceRegion") or get_region()
    prefix, name = f"com.amazonaws.{region}.", request.get("ServiceName", "")
    short = name.removeprefix(prefix)
    there = {"Gateway": GATEWAYS, "Interface": services(region)}.get(kind, set())
    if region != get_region():
        there = ELSEWHERE if kind == "Interface" else set()
    if not name.startswith(prefix) or short not in there:
        raise Refusal("InvalidServiceName", f"The Vpc Endpoint Service '{name}' does not exist")
    vpc = ec2._vpcs.get(request["VpcId"])
    if vpc is None:
        raise Refusal("InvalidVpcId.NotFound", f"The Vpc Id {request['VpcId']} does not exist")
    found = f"vpce-{uuid.uuid4().hex[:17]}"
    subnets, groups = request.get("SubnetIds", []), request.get("SecurityGroupIds", [])
    _check_references(request.get("RouteTableIds", []), subnets, groups)
    private = request.get("PrivateDnsEnabled", kind == "Interface")
    options = {"DnsRecordIpType": "ipv4", **request.get("DnsOptions", {})}
    if kind == "Interface" and short in GATEWAYS:
        options.setdefault(INBOUND_ONLY, True)
    if private and kind == "Interface":
        _check_private_dns(vpc, name)
        _check_inbound_only(options, vpc, name)
    record = {
        "VpcEndpointId": found,
        "VpcEndpointType": kind,
        "VpcId": request["VpcId"],
        "ServiceName": name,
        "ServiceRegion": region,
        "State": "available",
        "PolicyDocument": request.get("PolicyDocument") or DEFAULT_POLICY,
        "RouteTableIds": request.get("RouteTableIds", []),
        "SubnetIds": subnets,
        "Groups": [_group(group) for group in groups or _default_groups(request["VpcId"], kind)],
        "IpAddressType": request.get("IpAddressType", "ipv4"),
        "PrivateDnsEnabled": private and kind == "Interface",
        "RequesterManaged": False,
        "OwnerId": get_account_id(),
        "CreationTimestamp": ec2._now_ts(),
    }
    if kind == "Interface":
        record["DnsOptions"] = options
        _set_interfaces(record)
    ec2._vpc_endpoints[found] = record
    for tags in request.get("TagSpecifications", ()):
        ec2._tags[found] = list(tags["Tags"])
    return {"VpcEndpoint": _shown(record)}


def describe(request: Record) -> Record:
    ids = request.get("VpcEndpointIds", [])
    for one in ids:
        _endpoint(one)
    found = [one for key, one in ec2._vpc_endpoints.items() if not ids or key in ids]
    for asked in request.get("Filters", ()):
        found = [one for one in found if _field(one, asked["Name"]) in asked["Values"]]
    return {"VpcEndpoints": [_shown(one) for one in found]}


def modify(request: Record) -> Record:
    record = _endpoint(request["VpcEndpointId"])
    _check_references(
        request.get("AddRouteTableIds", []), request.get("AddSubnetIds", []), request.get("AddSecurityGroupIds", [])
    )
    for key, ids in (("RouteTableIds", "RouteTableIds"), ("SubnetIds", "SubnetIds")):
        gone = request.get(f"Remove{ids}", [])
        record[key] = [one for one in [*record[key], *request.get(f"Add{ids}", [])] if one not in gone]
    gone = request.get("RemoveSecurityGroupIds", [])
    kept = [group for group in record["Groups"] if group["GroupId"] not in gone]
    record["Groups"] = [*kept, *(_group(group) for group in request.get("AddSecurityGroupIds", []))]
    if request.get("ResetPolicy"):
        record["PolicyDocument"] = DEFAULT_POLICY
    if "PolicyDocument" in request:
        record["PolicyDocument"] = request["PolicyDocument"]
    if "DnsOptions" in request:
        record["DnsOptions"] |= request["DnsOptions"]
    if "PrivateDnsEnabled" in request:
        record["PrivateDnsEnabled"] = request["PrivateDnsEnabled"]
    if record["VpcEndpointType"] == "Interface":
        _set_interfaces(record)
    return {"Return": True}


def delete(request: Record) -> Record:
    failed = []
    for one in request["VpcEndpointIds"]:
        if ec2._vpc_endpoints.pop(one, None) is None:
            error = {"Code": "InvalidVpcEndpoint.NotFound", "Message": f"The Vpc Endpoint Id '{one}' does not exist"}
            failed.append({"ResourceId": one, "Error": error})
        ec2._tags.pop(one, None)
    return {"Unsuccessful": failed}


def _endpoint(found: str) -> Record:
    if found not in ec2._vpc_endpoints:
        raise Refusal("InvalidVpcEndpointId.NotFound", f"The Vpc Endpoint Id '{found}' does not exist")
    record: Record = ec2._vpc_endpoints[found]
    return record


def _check_references(tables: list[str], subnets: list[str], groups: list[str]) -> None:
    for ids, known, code in (
        (tables, ec2._route_tables, "InvalidRouteTableId.NotFound"),
        (subnets, ec2._subnets, "InvalidSubnetId.NotFound"),
        (groups, ec2._security_groups, "InvalidSecurityGroupId.NotFound"),
    ):
        for one in ids:
            if one not in known:
                raise Refusal(code, f"'{one}' does not exist")
    zones = [ec2._subnets[one]["AvailabilityZone"] for one in subnets]
    if len(set(zones)) != len(zones):
        raise Refusal("DuplicateSubnetsInSameZone", "Found another VPC endpoint subnet in the availability zone")


def _check_private_dns(vpc: Record, name: str) -> None:
    if not (vpc.get("EnableDnsSupport", True) and vpc.get("EnableDnsHostnames")):
        raise Refusal(
            "InvalidParameter",
            "Enabling private DNS requires both enableDnsSupport and enableDnsHostnames VPC attributes set to true",
        )
    others = [one for one in ec2._vpc_endpoints.values() if one["VpcId"] == vpc["VpcId"] and one["PrivateDnsEnabled"]]
    if any(one["ServiceName"] == name for one in others):
        raise Refusal("InvalidParameter", f"private-dns-enabled cannot be set: a conflicting DNS domain for {name}")


def _check_inbound_only(options: Record, vpc: Record, name: str) -> None:
    """Only a gateway endpoint of the same service can serve the VPC itself in place of the interface's names."""
    there = [one for one in ec2._vpc_endpoints.values() if one["VpcId"] == vpc["VpcId"] and one["ServiceName"] == name]
    if options.get(INBOUND_ONLY) and not any(one["VpcEndpointType"] == "Gateway" for one in there):
        raise Refusal(
            "InvalidParameter",
            f"To set {INBOUND_ONLY} to true, the VPC {vpc['VpcId']} must have a Gateway endpoint for the service.",
        )


def _set_interfaces(record: Record) -> None:
    record["NetworkInterfaceIds"] = [f"eni-{uuid.uuid5(uuid.NAMESPACE_OID, record['VpcEndpointId'] + one).hex[:17]}"
                                     for one in record["SubnetIds"]]  # fmt: skip
    region = get_region()
    service = ".".join(reversed(record["ServiceName"].removeprefix(f"com.amazonaws.{region}.").split(".")))
    names = [f"{record['VpcEndpointId']}.{service}.{region}.vpce.amazonaws.com"]
    if record["PrivateDnsEnabled"]:
        names.append(f"{service}.{region}.amazonaws.com")
    record["DnsEntries"] = [{"DnsName": one, "HostedZoneId": "Z7HUB22UULQXV"} for one in names]


def _default_groups(vpc_id: str, kind: str) -> list[str]:
    if kind != "Interface":
        return []
    return [
        one["GroupId"]
        for one in ec2._security_groups.values()
        if one["VpcId"] == vpc_id and one["GroupName"] == "default"
    ]


def _group(group_id: str) -> Record:
    return {"GroupId": group_id, "GroupName": ec2._security_groups[group_id]["GroupName"]}


def _shown(record: Record) -> Record:
    return {**record, "Tags": list(ec2._tags.get(record["VpcEndpointId"], []))}


def _field(record: Record, name: str) -> str:
    fields = {
        "vpc-id": "VpcId",
        "service-name": "ServiceName",
        "vpc-endpoint-id": "VpcEndpointId",
        "vpc-endpoint-state": "State",
        "vpc-endpoint-type": "VpcEndpointType",
    }
    if name.startswith("tag:"):
        tags = {tag["Key"]: tag.get("Value", "") for tag in ec2._tags.get(record["VpcEndpointId"], [])}
        return str(tags.get(name.removeprefix("tag:"), ""))
    if name not in fields:
        raise Refusal("InvalidParameterValue", f"The embedded cloud has no filter '{name}' for VPC endpoints")
    return str(record[fields[name]])

"""The functions (invokes) that a program may call. None returns a secret's value."""

from collections.abc import Callable, Mapping
from typing import Any

from tests.infra.engine.provider import Provider, Unsupported, partition_of
from tests.infra.engine.shapes import Props

Function = Callable[[Provider, str, Props], dict[str, Any]]


def invoke(provider: Provider, token: str, args: Props) -> dict[str, Any]:
    if token not in FUNCTIONS:
        raise Unsupported(f"{token} is not in tests/infra/engine/functions.py")
    region = str(args.get("region") or provider.region)
    answer = FUNCTIONS[token](provider, region, args)
    return {"region": region, "id": region, **args, **answer}


def _identity(provider: Provider, region: str, args: Props) -> dict[str, Any]:
    who = provider.account.call("sts", "GetCallerIdentity", region, {})
    return {"accountId": who["Account"], "arn": who["Arn"], "userId": who["UserId"], "id": who["Account"]}


def _partition(provider: Provider, region: str, args: Props) -> dict[str, Any]:
    partition = partition_of(provider.region)
    suffix = "amazonaws.com.cn" if partition == "aws-cn" else "amazonaws.com"
    reverse = ".".join(reversed(suffix.split(".")))
    return {"partition": partition, "dnsSuffix": suffix, "reverseDnsPrefix": reverse, "id": partition}


def _region(provider: Provider, region: str, args: Props) -> dict[str, Any]:
    return {"name": region, "endpoint": f"ec2.{region}.amazonaws.com", "description": region}


def _regions(provider: Provider, region: str, args: Props) -> dict[str, Any]:
    found = provider.account.call("ec2", "DescribeRegions", region, {"AllRegions": bool(args.get("allRegions"))})
    return {"names": sorted(each["RegionName"] for each in found["Regions"]), "id": partition_of(region)}


def _filters(args: Props, members: Mapping[str, str]) -> list[dict[str, Any]]:
    """Returns EC2's filters from a function's arguments: `filters`, tags and named members."""
    own = [{"Name": each["name"], "Values": each["values"]} for each in args.get("filters") or []]
    tags = [{"Name": f"tag:{key}", "Values": [value]} for key, value in (args.get("tags") or {}).items()]
    named = [{"Name": name, "Values": [_text(args[key])]} for key, name in members.items() if args.get(key) is not None]
    return [*own, *tags, *named]


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _zones(provider: Provider, region: str, args: Props) -> dict[str, Any]:
    request = {"Filters": _filters(args, {"state": "state"})}
    zones = provider.account.call("ec2", "DescribeAvailabilityZones", region, request)["AvailabilityZones"]
    out = {*(args.get("excludeNames") or []), *(args.get("excludeZoneIds") or [])}
    kept = [zone for zone in zones if not out & {zone["ZoneName"], zone["ZoneId"]}]
    kept.sort(key=lambda zone: zone["ZoneName"])
    groups = sorted({zone.get("GroupName", region) for zone in kept})
    return {
        "names": [zone["ZoneName"] for zone in kept],
        "zoneIds": [zone["ZoneId"] for zone in kept],
        "groupNames": groups,
    }


def _only(found: list[dict[str, Any]], what: str) -> dict[str, Any]:
    if len(found) != 1:
        raise LookupError(f"{len(found)} {what} match instead of one")
    return found[0]


VPC = {"cidrBlock": "cidr-block-association.cidr-block", "default": "is-default", "state": "state"}
SUBNET = {
    "availabilityZone": "availability-zone",
    "availabilityZoneId": "availability-zone-id",
    "cidrBlock": "cidr-block",
    "defaultForAz": "default-for-az",
    "state": "state",
    "vpcId": "vpc-id",
}


def _request(args: Props, members: Mapping[str, str], ids: str) -> dict[str, Any]:
    """Returns a request without an empty list of filters, which services reject or treat as no match."""
    filters = _filters(args, members)
    named = {ids: [args["id"]]} if args.get("id") else {}
    return named | ({"Filters": filters} if filters else {})


def _tags(found: Mapping[str, Any]) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in found.get("Tags", [])}


def _vpc(provider: Provider, region: str, args: Props) -> dict[str, Any]:
    vpc = _only(provider.account.call("ec2", "DescribeVpcs", region, _request(args, VPC, "VpcIds"))["Vpcs"], "VPCs")
    tables = provider.account.call(
        "ec2", "DescribeRouteTables", region, {"Filters": [{"Name": "vpc-id", "Values": [vpc["VpcId"]]}]}
    )["RouteTables"]
    main = [table for table in tables if any(link.get("Main") for link in table.get("Associations", []))]
    return {
        "id": vpc["VpcId"],
        "arn": f"arn:{partition_of(region)}:ec2:{region}:{provider.number}:vpc/{vpc['VpcId']}",
        "cidrBlock": vpc["CidrBlock"],
        "default": vpc.get("IsDefault", False),
        "mainRouteTableId": main[0]["RouteTableId"] if main else None,
        "state": vpc.get("State"),
        "tags": _tags(vpc),
    }


def _subnet(provider: Provider, region: str, args: Props) -> dict[str, Any]:
    request = _request(args, SUBNET, "SubnetIds")
    subnet = _only(provider.account.call("ec2", "DescribeSubnets", region, request)["Subnets"], "subnets")
    return {
        "id": subnet["SubnetId"],
        "arn": subnet.get("SubnetArn"),
        "vpcId": subnet["VpcId"],
        "cidrBlock": subnet["CidrBlock"],
        "availabilityZone": subnet["AvailabilityZone"],
        "availabilityZoneId": subnet.get("AvailabilityZoneId"),
        "mapPublicIpOnLaunch": subnet.get("MapPublicIpOnLaunch", False),
        "state": subnet.get("State"),
        "tags": _tags(subnet),
    }


def _subnets(provider: Provider, region: str, args: Props) -> dict[str, Any]:
    found = provider.account.call("ec2", "DescribeSubnets", region, _request(args, {}, ""))["Subnets"]
    return {"ids": sorted(subnet["SubnetId"] for subnet in found), "tags": args.get("tags") or {}}


def _secrets(provider: Provider, region: str, args: Props) -> dict[str, Any]:
    filters = [{"Key": each["name"], "Values": each["values"]} for each in args.get("filters") or []]
    found = provider.account.call("secretsmanager", "ListSecrets", region, {"Filters": filters})["SecretList"]
    return {"arns": [each["ARN"] for each in found], "names": [each["Name"] for each in found]}


def _secret_versions(provider: Provider, region: str, args: Props) -> dict[str, Any]:
    request = {"SecretId": args["secretId"], "IncludeDeprecated": bool(args.get("includeDeprecated"))}
    found = provider.account.call("secretsmanager", "ListSecretVersionIds", region, request)
    versions = [
        {
            "versionId": each["VersionId"],
            "versionStages": each.get("VersionStages", []),
            "createdTime": str(each.get("CreatedDate", "")),
            "lastAccessedDate": str(each.get("LastAccessedDate", "")),
        }
        for each in found.get("Versions", [])
    ]
    names = {"arn": found["ARN"], "secretArn": found["ARN"], "name": found["Name"], "secretName": found["Name"]}
    return {**names, "id": args["secretId"], "versions": versions}


def _objects(provider: Provider, region: str, args: Props) -> dict[str, Any]:
    members = {"prefix": "Prefix", "delimiter": "Delimiter", "startAfter": "StartAfter"}
    request = {member: args[key] for key, member in members.items() if args.get(key)}
    most = int(args.get("maxKeys") or 1000)
    keys: list[str] = []
    prefixes: list[str] = []
    following: dict[str, str] = {}
    while len(keys) < most:
        page = provider.account.call("s3", "ListObjectsV2", region, {"Bucket": args["bucket"], **request, **following})
        keys += [each["Key"] for each in page.get("Contents", [])]
        prefixes += [each["Prefix"] for each in page.get("CommonPrefixes", [])]
        if not page.get("IsTruncated"):
            break
        following = {"ContinuationToken": page["NextContinuationToken"]}
    return {"id": args["bucket"], "keys": keys[:most], "commonPrefixes": prefixes, "owners": [], "requestCharged": ""}


def _repositories(provider: Provider, region: str, args: Props) -> dict[str, Any]:
    found = provider.account.call("ecr", "DescribeRepositories", region, {})["repositories"]
    return {"names": sorted(each["repositoryName"] for each in found)}


FUNCTIONS: Mapping[str, Function] = {
    "aws:index/getCallerIdentity:getCallerIdentity": _identity,
    "aws:index/getPartition:getPartition": _partition,
    "aws:index/getRegion:getRegion": _region,
    "aws:index/getRegions:getRegions": _regions,
    "aws:index/getAvailabilityZones:getAvailabilityZones": _zones,
    "aws:ec2/getVpc:getVpc": _vpc,
    "aws:ec2/getSubnet:getSubnet": _subnet,
    "aws:ec2/getSubnets:getSubnets": _subnets,
    "aws:secretsmanager/getSecrets:getSecrets": _secrets,
    "aws:secretsmanager/getSecretVersions:getSecretVersions": _secret_versions,
    "aws:s3/getObjects:getObjects": _objects,
    "aws:ecr/getRepositories:getRepositories": _repositories,
}

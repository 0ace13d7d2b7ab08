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


def _regions(provider: Provider, region: str, args: Props) -> dict[str, Any]:
    found = provider.account.call("ec2", "DescribeRegions", region, {"AllRegions": bool(args.get("allRegions"))})
    return {"names": sorted(each["RegionName"] for each in found["Regions"]), "id": partition_of(region)}


def _zones(provider: Provider, region: str, args: Props) -> dict[str, Any]:
    filters = [{"name": "state", "values": [args["state"]]}, *(args.get("filters") or [])]
    request = {"Filters": [{"Name": each["name"], "Values": each["values"]} for each in filters]}
    zones = provider.account.call("ec2", "DescribeAvailabilityZones", region, request)["AvailabilityZones"]
    zones.sort(key=lambda zone: zone["ZoneName"])
    return {"names": [zone["ZoneName"] for zone in zones], "zoneIds": [zone["ZoneId"] for zone in zones]}


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


FUNCTIONS: Mapping[str, Function] = {
    "aws:index/getCallerIdentity:getCallerIdentity": _identity,
    "aws:index/getRegions:getRegions": _regions,
    "aws:index/getAvailabilityZones:getAvailabilityZones": _zones,
    "aws:secretsmanager/getSecrets:getSecrets": _secrets,
    "aws:secretsmanager/getSecretVersions:getSecretVersions": _secret_versions,
    "aws:s3/getObjects:getObjects": _objects,
}

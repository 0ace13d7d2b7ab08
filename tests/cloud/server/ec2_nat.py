"""NAT gateways and their elastic addresses."""

import ipaddress
import uuid
from typing import Any

from ministack.services import ec2

from tests.cloud.server.errors import Refusal

Record = dict[str, Any]


def create(request: Record) -> Record:
    subnet = ec2._subnets.get(request["SubnetId"])
    if subnet is None:
        raise Refusal("InvalidSubnetID.NotFound", f"The subnet ID '{request['SubnetId']}' does not exist")
    kind = request.get("ConnectivityType", "public")
    found = f"nat-{uuid.uuid4().hex[:17]}"
    private = str(ipaddress.ip_network(subnet["CidrBlock"])[10 + len(ec2._nat_gateways) % 200])
    interface = f"eni-{uuid.uuid4().hex[:17]}"
    address = {"PrivateIp": private, "NetworkInterfaceId": interface, "IsPrimary": True, "Status": "succeeded"}
    if (kind == "public") != ("AllocationId" in request):
        raise Refusal("MissingParameter", "A public NAT gateway has an AllocationId, a private one has none")
    if kind == "public":
        elastic = _elastic(request["AllocationId"])
        if elastic["AssociationId"]:
            raise Refusal("Resource.AlreadyAssociated", f"{request['AllocationId']} is already associated")
        association = f"eipassoc-{uuid.uuid4().hex[:17]}"
        elastic.update(AssociationId=association, NetworkInterfaceId=interface, PrivateIpAddress=private)
        address |= {
            "AllocationId": request["AllocationId"],
            "PublicIp": elastic["PublicIp"],
            "AssociationId": association,
        }
    ec2._nat_gateways[found] = {
        "NatGatewayId": found,
        "SubnetId": request["SubnetId"],
        "VpcId": subnet["VpcId"],
        "AllocationId": request.get("AllocationId"),
        "ConnectivityType": kind,
        "State": "available",
        "CreateTime": ec2._now_ts(),
        "Addresses": [address],
    }
    for tags in request.get("TagSpecifications", ()):
        ec2._tags[found] = list(tags["Tags"])
    return {"NatGateway": _shown(ec2._nat_gateways[found])}


def describe(request: Record) -> Record:
    ids = request.get("NatGatewayIds", [])
    found = [_gateway(one) for one in ids] if ids else list(ec2._nat_gateways.values())
    fields = {"vpc-id": "VpcId", "subnet-id": "SubnetId", "state": "State", "nat-gateway-id": "NatGatewayId"}
    for asked in request.get("Filter", ()):
        if asked["Name"] not in fields:
            raise Refusal("InvalidParameterValue", f"The embedded cloud has no filter '{asked['Name']}' here")
        found = [one for one in found if one[fields[asked["Name"]]] in asked["Values"]]
    return {"NatGateways": [_shown(one) for one in found]}


def delete(request: Record) -> Record:
    record = _gateway(request["NatGatewayId"])
    record["State"] = "deleted"
    for address in record["Addresses"]:
        if "AllocationId" in address:
            _elastic(address["AllocationId"]).update(AssociationId=None, NetworkInterfaceId=None, PrivateIpAddress=None)
    return {"NatGatewayId": record["NatGatewayId"]}


def check_release(request: Record) -> None:
    if _elastic(request["AllocationId"])["AssociationId"]:
        raise Refusal("InvalidIPAddress.InUse", f"Address {request['AllocationId']} is in use.")


def describe_addresses(request: Record) -> Record:
    ids = request.get("AllocationIds", [])
    found = [_elastic(one) for one in ids] if ids else list(ec2._addresses.values())
    fields = {
        "allocation-id": "AllocationId",
        "association-id": "AssociationId",
        "public-ip": "PublicIp",
        "domain": "Domain",
    }
    for asked in request.get("Filters", ()):
        if asked["Name"] not in fields:
            raise Refusal("InvalidParameterValue", f"The embedded cloud has no filter '{asked['Name']}' for addresses")
        found = [one for one in found if one[fields[asked["Name"]]] in asked["Values"]]
    shown = [{**one, "Tags": list(ec2._tags.get(one["AllocationId"], []))} for one in found]
    return {"Addresses": shown}


def _elastic(allocation: str) -> Record:
    if allocation not in ec2._addresses:
        raise Refusal("InvalidAllocationID.NotFound", f"The allocation ID '{allocation}' does not exist")
    record: Record = ec2._addresses[allocation]
    return record


def _gateway(found: str) -> Record:
    if found not in ec2._nat_gateways:
        raise Refusal("NatGatewayNotFound", f"The Nat Gateway {found} was not found")
    record: Record = ec2._nat_gateways[found]
    return record


def _shown(record: Record) -> Record:
    shown = {name: value for name, value in record.items() if name not in ("AllocationId", "Addresses")}
    tags = list(ec2._tags.get(record["NatGatewayId"], []))
    return {**shown, "NatGatewayAddresses": record["Addresses"], "Tags": tags}

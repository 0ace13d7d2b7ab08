"""Networks, firewalls and clusters."""

import json

from tests.infra.engine.examples.common import (
    CLUSTER,
    CONTAINER,
    DOMAINS,
    FIREWALL,
    GATEWAY,
    GROUP,
    RETAGGED,
    ROLE,
    SUBNET,
    TABLE,
    TAGS,
    TASK,
    VPC,
    Example,
    Of,
    policy,
)

CONTAINERS = {
    CLUSTER: Example(
        inputs={"name": "toril", "settings": [{"name": "containerInsights", "value": "disabled"}], **TAGS},
        change={"settings": [{"name": "containerInsights", "value": "enabled"}], **RETAGGED},
    ),
    "aws:ecs/clusterCapacityProviders:ClusterCapacityProviders": Example(
        inputs={
            "clusterName": Of(CLUSTER, "name"),
            "capacityProviders": ["FARGATE", "FARGATE_SPOT"],
            "defaultCapacityProviderStrategies": [{"capacityProvider": "FARGATE", "weight": 1, "base": 0}],
        },
        change={"capacityProviders": ["FARGATE"]},
    ),
    TASK: Example(
        inputs={
            "family": "toril-locust-arm64",
            "cpu": "256",
            "memory": "512",
            "networkMode": "awsvpc",
            "requiresCompatibilities": ["FARGATE"],
            "executionRoleArn": Of(ROLE, "arn"),
            "runtimePlatform": {"cpuArchitecture": "ARM64", "operatingSystemFamily": "LINUX"},
            "volumes": [{"name": "scratch"}],
            "containerDefinitions": json.dumps([CONTAINER]),
            **TAGS,
        },
        change=RETAGGED,
    ),
    "aws:ecs/accountSettingDefault:AccountSettingDefault": Example(
        inputs={"name": "containerInsights", "value": "enabled"}, change={"value": "disabled"}, outlives=True
    ),
}
NETWORK = {
    VPC: Example(
        inputs={"cidrBlock": "10.20.0.0/16", "enableDnsHostnames": True, **TAGS},
        change={"enableDnsHostnames": False, **RETAGGED},
    ),
    SUBNET: Example(
        inputs={"vpcId": Of(VPC), "cidrBlock": "10.20.1.0/24", "availabilityZone": "eu-west-1a", **TAGS},
        change={"mapPublicIpOnLaunch": True, **RETAGGED},
    ),
    GATEWAY: Example(inputs={"vpcId": Of(VPC), **TAGS}, change=RETAGGED),
    TABLE: Example(inputs={"vpcId": Of(VPC), **TAGS}, change=RETAGGED),
    "aws:ec2/route:Route": Example(
        inputs={"routeTableId": Of(TABLE), "destinationCidrBlock": "0.0.0.0/0", "gatewayId": Of(GATEWAY)},
    ),
    "aws:ec2/routeTableAssociation:RouteTableAssociation": Example(
        inputs={"routeTableId": Of(TABLE), "subnetId": Of(SUBNET)}
    ),
    "aws:ec2/eip:Eip": Example(inputs={"domain": "vpc", **TAGS}, change=RETAGGED),
    "aws:ec2/natGateway:NatGateway": Example(
        inputs={"allocationId": Of("aws:ec2/eip:Eip", "allocationId"), "subnetId": Of(SUBNET), **TAGS},
        change=RETAGGED,
        after=(GATEWAY,),
    ),
    "aws:ec2/vpcEndpoint:VpcEndpoint": Example(
        inputs={
            "vpcId": Of(VPC),
            "serviceName": "com.amazonaws.eu-west-1.ecr.api",
            "vpcEndpointType": "Interface",
            "subnetIds": [Of(SUBNET)],
            "securityGroupIds": [Of(GROUP)],
            "privateDnsEnabled": True,
            **TAGS,
        },
        change={"policy": policy("*"), **RETAGGED},
    ),
    GROUP: Example(inputs={"name": "workers", "vpcId": Of(VPC), **TAGS}, change=RETAGGED),
    "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule": Example(
        inputs={
            "securityGroupId": Of(GROUP),
            "ipProtocol": "tcp",
            "fromPort": 443,
            "toPort": 443,
            "cidrIpv4": "0.0.0.0/0",
            **TAGS,
        },
        change={"description": "to the service", **RETAGGED},
    ),
    "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule": Example(
        inputs={
            "securityGroupId": Of(GROUP),
            "ipProtocol": "tcp",
            "fromPort": 443,
            "toPort": 443,
            "referencedSecurityGroupId": Of(GROUP),
        }
    ),
    DOMAINS: Example(
        inputs={"name": "allowed", "domains": ["*.amazonaws.com."], **TAGS},
        change={"domains": ["*.amazonaws.com.", "example.org."]},
    ),
    FIREWALL: Example(inputs={"name": "toril", **TAGS}, change=RETAGGED),
    "aws:route53/resolverFirewallRule:ResolverFirewallRule": Example(
        inputs={
            "name": "allow",
            "action": "ALLOW",
            "priority": 100,
            "firewallRuleGroupId": Of(FIREWALL),
            "firewallDomainListId": Of(DOMAINS),
        },
        change={"priority": 200},
    ),
    "aws:route53/resolverFirewallRuleGroupAssociation:ResolverFirewallRuleGroupAssociation": Example(
        inputs={"name": "toril", "priority": 200, "firewallRuleGroupId": Of(FIREWALL), "vpcId": Of(VPC)},
        change={"priority": 300},
    ),
}

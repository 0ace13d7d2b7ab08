"""Settings of a hub and its home region that use every key."""

import json
from typing import Any

ACCOUNT, OTHER = "123456789012", "210987654321"
REPOSITORY = {"name": "acme/shop", "ownerId": "11", "repositoryId": "22"}
FURTHER = {"name": "acme/cart", "ownerId": "11", "repositoryId": "33"}
TOKEN = "dckr_pat_nobody_may_read_this"
BOUNDARY = f"arn:aws:iam::{ACCOUNT}:policy/boundary"
BOUNDARY_DOCUMENT = json.dumps(
    {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
)
HUB: dict[str, Any] = {
    "encryption": "KMS",
    "publicRepository": {"about": "# Worker", "usage": "docker run", "pushers": [OTHER]},
    "agents": ["office"],
    "github": {"home": REPOSITORY, "repositories": [FURTHER]},
    "access": [
        {"roles": ["run"], "principals": [f"arn:aws:iam::{ACCOUNT}:role/jenkins"]},
        {
            "roles": ["deploy", "run"],
            "issuer": "https://gitlab.com",
            "audiences": ["sts.amazonaws.com"],
            "subjects": ["project_path:acme/shop:ref_type:branch:ref:main"],
        },
    ],
    "faults": True,
    "service": True,
    "serviceLogs": ["/ecs/shop", "/aws/lambda/orders"],
    "stateBucket": "acme-state",
    "budget": {"monthlyUsd": 50, "emails": ["costs@acme.example"]},
    "emails": ["ops@acme.example"],
    "permissionsBoundary": BOUNDARY,
    "tags": {"team": "shop"},
}
HOME: dict[str, Any] = {
    "home": True,
    "encryption": "KMS",
    "caches": ["ecr-public", "docker-hub", {"upstream": "ecr", "account": OTHER}],
    "credentials": {"docker-hub": {"username": "acme", "accessToken": TOKEN}},
    "repositories": [{"name": "acme/tools", "grants": [{"principal": OTHER}]}],
    "registry": {"scanning": "BASIC", "policy": [{"principal": OTHER}], "replicateTo": ["eu-west-1"]},
    "network": {"mode": "private", "nat": True, "dnsFirewall": True},
    "targets": {"hosts": ["shop.example.com"]},
    "schedules": [{"name": "nightly", "suite": "shop", "cron": "cron(17 2 * * ? *)", "timezone": "Europe/Madrid"}],
    "permissionsBoundary": BOUNDARY,
    "tags": {"team": "shop"},
}

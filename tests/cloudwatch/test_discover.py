"""Finding a service's resources: the calls and answers have the shapes of botocore's models."""

from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from toril.aws.errors import AwsError
from toril.cloudwatch.discover import RIGHTS, discover
from toril.criteria.service import service_queries

REGION, OWNER = "eu-west-1", "111122223333"
BALANCER = f"arn:aws:elasticloadbalancing:{REGION}:{OWNER}:loadbalancer/app/shop/50dc6c495c0c9188"
GROUP = f"arn:aws:elasticloadbalancing:{REGION}:{OWNER}:targetgroup/web/6d0ecf831eec9f09"
LAMBDAS = f"arn:aws:elasticloadbalancing:{REGION}:{OWNER}:targetgroup/fn/7d0ecf831eec9f09"
FUNCTION = f"arn:aws:lambda:{REGION}:{OWNER}:function:orders"
WEB, OTHER = (f"arn:aws:ecs:{REGION}:{OWNER}:service/shop/{name}" for name in ("web", "other"))
ASG = f"arn:aws:autoscaling:{REGION}:{OWNER}:autoScalingGroup:5e5e:autoScalingGroupName/web"
QUEUE = f"arn:aws:sqs:{REGION}:{OWNER}:orders"
TABLE = f"arn:aws:dynamodb:{REGION}:{OWNER}:table/carts"
DATABASE = f"arn:aws:rds:{REGION}:{OWNER}:db:shop-1"
CACHE = f"arn:aws:elasticache:{REGION}:{OWNER}:cluster:carts-001"
SERVICES = (
    "resourcegroupstaggingapi", "elbv2", "ecs", "autoscaling", "lambda", "rds", "elasticache", "dynamodb",
)  # fmt: skip
SHOP = "shop-123.eu-west-1.elb.amazonaws.com"
ENVIRONMENT = [
    {"name": "DB", "value": "postgres://shop.abc.eu-west-1.rds.amazonaws.com:5432/shop"},
    {"name": "ORDERS", "value": f"https://sqs.{REGION}.amazonaws.com/{OWNER}/orders"},
    {"name": "CACHE", "value": "master.carts.abc.euw1.cache.amazonaws.com"},
]


class Account:
    """Clients whose answers are added with `account(service, method, **response)`, in order."""

    def __init__(self) -> None:
        session: Any = boto3.session.Session(aws_access_key_id="AKIAEXAMPLE", aws_secret_access_key="AKIAEXAMPLE")
        self.made = {name: session.client(name, region_name=REGION) for name in SERVICES}
        self.stubs = {name: Stubber(client) for name, client in self.made.items()}
        for stub in self.stubs.values():
            stub.activate()

    def __call__(self, service: str, method: str, **response: Any) -> None:
        self.stubs[service].add_response(method, response)

    def clients(self, service: str, region: str) -> Any:
        return self.made[service]


@pytest.fixture
def account():
    return Account()


def publish(answer):
    """A load balancer before a service, an Auto Scaling group and a function; with what their settings name."""
    balancer = {"LoadBalancerArn": BALANCER, "DNSName": SHOP}
    other = {"LoadBalancerArn": BALANCER.replace("shop", "other"), "DNSName": "other.example.com"}
    answer("elbv2", "describe_load_balancers", LoadBalancers=[balancer, other])
    groups = [{"TargetGroupArn": GROUP, "TargetType": "ip"}, {"TargetGroupArn": LAMBDAS, "TargetType": "lambda"}]
    answer("elbv2", "describe_target_groups", TargetGroups=groups)
    answer("elbv2", "describe_target_health", TargetHealthDescriptions=[{"Target": {"Id": f"{FUNCTION}:live"}}])
    answer("ecs", "list_clusters", clusterArns=["shop"])
    answer("ecs", "list_services", serviceArns=[WEB, OTHER])
    services = [
        {"serviceArn": WEB, "taskDefinition": "web:1", "desiredCount": 2, "loadBalancers": [{"targetGroupArn": GROUP}]},
        {"serviceArn": OTHER, "taskDefinition": "other:1", "desiredCount": 1},
    ]
    answer("ecs", "describe_services", services=services)
    task = {
        "cpu": "512", "memory": "1024", "runtimePlatform": {"cpuArchitecture": "ARM64"},
        "containerDefinitions": [{"environment": ENVIRONMENT}],
    }  # fmt: skip
    answer("ecs", "describe_task_definition", taskDefinition=task)
    group = {
        "AutoScalingGroupName": "web", "AutoScalingGroupARN": ASG, "MinSize": 1, "MaxSize": 4, "DesiredCapacity": 3,
        "DefaultCooldown": 300, "AvailabilityZones": ["eu-west-1a"], "HealthCheckType": "ELB",
        "CreatedTime": "2026-11-01T00:00:00Z", "TargetGroupARNs": [GROUP],
    }  # fmt: skip
    answer("autoscaling", "describe_auto_scaling_groups", AutoScalingGroups=[group])
    settings = {"Variables": {"CARTS": "carts"}}
    answer(
        "lambda", "get_function_configuration", MemorySize=512, Architectures=["x86_64"], Environment=settings
    )  # fmt: skip
    answer("rds", "describe_db_clusters", DBClusters=[])
    database = {
        "DBInstanceArn": DATABASE, "DBInstanceClass": "db.r6g.large", "Engine": "postgres", "AllocatedStorage": 20,
        "Endpoint": {"Address": "shop.abc.eu-west-1.rds.amazonaws.com"},
    }  # fmt: skip
    strange = database | {"DBInstanceArn": f"{DATABASE}0", "Endpoint": {"Address": "x.rds.amazonaws.com"}}
    answer("rds", "describe_db_instances", DBInstances=[database, strange])
    shard = {"PrimaryEndpoint": {"Address": "master.carts.abc.euw1.cache.amazonaws.com"}}
    replicated = {"NodeGroups": [shard], "MemberClusters": ["carts-001"], "ARN": "arn:aws:elasticache:carts"}
    answer("elasticache", "describe_replication_groups", ReplicationGroups=[replicated])
    cache = {
        "CacheClusterId": "carts-001", "ARN": CACHE, "CacheNodeType": "cache.t4g.small", "Engine": "valkey",
        "NumCacheNodes": 1,
    }  # fmt: skip
    answer("elasticache", "describe_cache_clusters", CacheClusters=[cache])
    answer("dynamodb", "list_tables", TableNames=["carts", "others"])
    billing = {"BillingMode": "PAY_PER_REQUEST"}
    answer("dynamodb", "describe_table", Table={"TableArn": TABLE, "BillingModeSummary": billing})


def test_an_address_leads_to_all_resources_behind_it_with_their_sizes(account):
    publish(account)
    found = {one.id: one for one in discover(REGION, [SHOP], {}, account.clients)}
    assert {arn: one.kind for arn, one in found.items()} == {
        BALANCER: "load-balancer",
        GROUP: "target-group",
        LAMBDAS: "target-group",
        WEB: "ecs-service",
        FUNCTION: "lambda",
        ASG: "auto-scaling-group",
        DATABASE: "database",
        CACHE: "cache",
        QUEUE: "queue",
        TABLE: "table",
    }
    assert found[WEB].size == {"tasks": 2.0, "vcpu": 0.5, "memory_mib": 1024.0, "arch": "arm64"}
    assert found[GROUP].size == {"load_balancer": "app/shop/50dc6c495c0c9188"}
    assert found[FUNCTION].size == {"memory_mib": 512.0, "arch": "x86-64"}
    assert found[DATABASE].size["class"] == "db.r6g.large"
    assert found[TABLE].size == {"billing": "PAY_PER_REQUEST"}
    for stub in account.stubs.values():
        stub.assert_no_pending_responses()


def test_an_unknown_address_leads_to_nothing_and_ends_the_search(account):
    account("elbv2", "describe_load_balancers", LoadBalancers=[{"LoadBalancerArn": BALANCER, "DNSName": SHOP}])
    assert discover(REGION, ["shop.example.com"], {}, account.clients) == ()


def test_a_name_of_its_own_leads_to_the_load_balancer_with_its_addresses(account):
    publish(account)
    known = {"shop.example.com": ["192.0.2.7"], SHOP: ["192.0.2.7", "192.0.2.8"]}
    found = discover(REGION, ["shop.example.com"], {}, account.clients, lambda host: known.get(host, ()))
    assert found[0].id == BALANCER
    assert len(found) == 10


def test_a_missing_right_is_named(account):
    account.stubs["elbv2"].add_client_error("describe_load_balancers", "AccessDenied", http_status_code=403)
    with pytest.raises(AwsError) as error:
        discover(REGION, [SHOP], {}, account.clients)
    assert "elasticloadbalancing:DescribeLoadBalancers" in str(error.value)
    assert "elasticloadbalancing:DescribeLoadBalancers" in RIGHTS


MANAGED = f"arn:aws:secretsmanager:{REGION}:{OWNER}:secret:rds!db-5e5e-AbCdEf"


def test_a_target_group_of_a_tag_has_the_load_balancer_before_it_and_a_managed_secret_leads_to_its_database(account):
    account("resourcegroupstaggingapi", "get_resources", ResourceTagMappingList=[{"ResourceARN": GROUP}])
    account("elbv2", "describe_load_balancers", LoadBalancers=[])
    group = {"TargetGroupArn": GROUP, "LoadBalancerArns": [BALANCER]}
    account("elbv2", "describe_target_groups", TargetGroups=[group])
    account("ecs", "list_clusters", clusterArns=["shop"])
    account("ecs", "list_services", serviceArns=[WEB])
    web = {
        "serviceArn": WEB,
        "taskDefinition": "web:1",
        "desiredCount": 2,
        "loadBalancers": [{"targetGroupArn": GROUP}],
    }
    account("ecs", "describe_services", services=[web])
    secrets = [{"name": "DB", "valueFrom": f"{MANAGED}:password::"}, {"name": "KEY", "valueFrom": "/shop/key"}]
    account("ecs", "describe_task_definition", taskDefinition={"containerDefinitions": [{"secrets": secrets}]})
    account("autoscaling", "describe_auto_scaling_groups", AutoScalingGroups=[])
    account("rds", "describe_db_clusters", DBClusters=[])
    database = {
        "DBInstanceArn": DATABASE, "DBInstanceClass": "db.r6g.large", "Engine": "postgres",
        "MasterUserSecret": {"SecretArn": MANAGED},
    }  # fmt: skip
    other = database | {"DBInstanceArn": f"{DATABASE}0", "MasterUserSecret": {"SecretArn": f"{MANAGED}0"}}
    account("rds", "describe_db_instances", DBInstances=[database, other])
    account("elasticache", "describe_replication_groups", ReplicationGroups=[])
    account("elasticache", "describe_cache_clusters", CacheClusters=[])
    account("dynamodb", "list_tables", TableNames=["/shop/key"])
    unread: list[str] = []
    found = discover(REGION, [], {"app": "shop"}, account.clients, unread=unread.append)
    assert [one.id for one in found] == [GROUP, WEB, DATABASE]
    assert found[0].size == {"load_balancer": "app/shop/50dc6c495c0c9188"}
    assert len(service_queries(found[:1])) == 4
    assert unread == ["/shop/key"]

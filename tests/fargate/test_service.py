"""A service on AWS, from its discovery with the rights of a workflow to the figures of a run in report and export."""

import csv
import re
import time

import pytest
import yaml

from tests.cloud.pages import zipped
from tests.cloud.tasks import role
from tests.fargate.stage import suite
from tests.fargate.test_roles import refused
from tests.outcomes import passes

pytestmark = pytest.mark.xdist_group("guarded")
REGION = "eu-central-1"  # has no stack of toril
MEASURED = {  # kind of resource → namespace, metric and value of each minute
    "load-balancer": ("AWS/ApplicationELB", "RequestCount", 1200),
    "target-group": ("AWS/ApplicationELB", "HealthyHostCount", 3),
    "ecs-service": ("AWS/ECS", "CPUUtilization", 71.5),
    "lambda": ("AWS/Lambda", "Throttles", 4),
    "database": ("AWS/RDS", "DatabaseConnections", 17),
    "cache": ("AWS/ElastiCache", "CurrConnections", 5),
    "queue": ("AWS/SQS", "ApproximateNumberOfMessagesVisible", 240),
    "table": ("AWS/DynamoDB", "ReadThrottleEvents", 6),
}


class Shop:
    """A load balancer before an ECS service and a function; their variables name a database, a cache, and more."""

    def __init__(self, cloud):
        self.cloud = cloud
        balancing = self.aws("elbv2")
        self.balancer = balancing.create_load_balancer(Name="shop")["LoadBalancers"][0]
        self.web, self.fn = self.group(80, "web", TargetType="ip"), self.group(81, "orders", TargetType="lambda")
        self.ids = [self.balancer["LoadBalancerArn"], self.web, self.fn]
        self.stores()
        function = self.aws("lambda").create_function(
            FunctionName="orders", Runtime="python3.12", Handler="app.handler", MemorySize=512,
            Role=role(cloud, "shop-orders", [], {"Service": "lambda.amazonaws.com"}),
            Code={"ZipFile": zipped({"app.py": ""})}, Environment={"Variables": {"TABLE": "carts"}},
        )["FunctionArn"]  # fmt: skip
        balancing.register_targets(TargetGroupArn=self.fn, Targets=[{"Id": function}])
        self.ids += [function, self.service("web", self.web)]
        self.service("other", None)

    def aws(self, name):
        return self.cloud.client(name, REGION)

    def group(self, port, name, **more):
        """Makes a target group behind a port of the load balancer."""
        web = {} if more["TargetType"] == "lambda" else {"Protocol": "HTTP", "Port": 80, "VpcId": "vpc-1"}
        (made,) = self.aws("elbv2").create_target_group(Name=name, **web, **more)["TargetGroups"]
        forward = [{"Type": "forward", "TargetGroupArn": made["TargetGroupArn"]}]
        listener = {"Protocol": "HTTP", "Port": port, "DefaultActions": forward}
        self.aws("elbv2").create_listener(LoadBalancerArn=self.balancer["LoadBalancerArn"], **listener)
        return made["TargetGroupArn"]

    def stores(self):
        """Makes what the service uses, and the same that it does not use."""
        for name in ("carts", "other"):
            database = {"DBInstanceClass": "db.t4g.micro", "Engine": "postgres", "AllocatedStorage": 20}
            made = self.aws("rds").create_db_instance(DBInstanceIdentifier=name, **database, MasterUsername="shop")
            node = {"Engine": "valkey", "CacheNodeType": "cache.t4g.micro", "NumCacheNodes": 1}
            cache = self.aws("elasticache").create_cache_cluster(CacheClusterId=name, **node)["CacheCluster"]
            table = self.aws("dynamodb").create_table(
                TableName=name, BillingMode="PAY_PER_REQUEST",
                AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
                KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            )["TableDescription"]  # fmt: skip
            self.aws("sqs").create_queue(QueueName=name)
            queue = f"arn:aws:sqs:{REGION}:{self.cloud.account}:{name}"
            if name == "carts":
                self.ids += [made["DBInstance"]["DBInstanceArn"], cache["ARN"], table["TableArn"], queue]

    def service(self, name, group):
        """Makes a service without tasks, whose variables name stores by ARN and address."""
        ecs = self.aws("ecs")
        ecs.create_cluster(clusterName="shop")
        used = "carts" if group else "none"
        place = f"{REGION}:{self.cloud.account}"
        variables = {
            "DATABASE": f"arn:aws:rds:{place}:db:{used}",
            "CACHE": f"arn:aws:elasticache:{place}:cluster:{used}",
            "QUEUE": f"https://sqs.{REGION}.amazonaws.com/{self.cloud.account}/{used}",
        }
        container = {"name": "web", "image": "nginx", "essential": True}
        container["environment"] = [{"name": key, "value": value} for key, value in variables.items()]
        ecs.register_task_definition(
            family=name, networkMode="awsvpc", requiresCompatibilities=["FARGATE"], cpu="512", memory="1024",
            containerDefinitions=[container],
        )  # fmt: skip
        balanced = [{"targetGroupArn": group, "containerName": "web", "containerPort": 80}] if group else []
        made = ecs.create_service(
            cluster="shop", serviceName=name, taskDefinition=name, desiredCount=0, launchType="FARGATE",
            loadBalancers=balanced, networkConfiguration={"awsvpcConfiguration": {"subnets": ["subnet-1"]}},
        )  # fmt: skip
        return made["service"]["serviceArn"]

    def measure(self):
        """Publishes a value of each resource for this minute and the next two."""
        balancer = self.balancer["LoadBalancerArn"].partition("loadbalancer/")[2]
        groups = [{"TargetGroup": one.rpartition(":")[2], "LoadBalancer": balancer} for one in (self.web, self.fn)]
        dimensions = {
            "load-balancer": [{"LoadBalancer": balancer}],
            "target-group": groups,
            "ecs-service": [{"ClusterName": "shop", "ServiceName": "web"}],
            "lambda": [{"FunctionName": "orders"}],
            "database": [{"DBInstanceIdentifier": "carts"}],
            "cache": [{"CacheClusterId": "carts"}],
            "queue": [{"QueueName": "carts"}],
            "table": [{"TableName": "carts"}],
        }
        minute = time.time() // 60 * 60
        for kind, (namespace, metric, value) in MEASURED.items():
            data = [
                {
                    "MetricName": metric, "Value": value, "Timestamp": minute + 60 * after,
                    "Dimensions": [{"Name": key, "Value": named} for key, named in one.items()],
                }
                for one in dimensions[kind] for after in range(3)
            ]  # fmt: skip
            self.aws("cloudwatch").put_metric_data(Namespace=namespace, MetricData=data)


def test_a_service_is_found_with_the_rights_of_its_setting_and_its_metrics_are_reported(guarded, tmp_path, service):
    shop, who = Shop(guarded.cloud), guarded.runner()
    folder = suite(tmp_path / "shop", service.url, {"hold-for": "2s", "concurrency": 2})
    address = ("--address", shop.balancer["DNSName"], "--region", REGION)
    done = guarded.toril("service", folder, *address, "--yes", who=who)
    assert done.code == 0, done.output
    written = yaml.safe_load((folder / "suite.yml").read_text())["toril"]["service"]
    kinds = {one["id"]: one["kind"] for one in written}
    assert set(kinds) == set(shop.ids)
    shop.measure()
    words = ("--suite", folder, "--plan", '{"metrics_wait_s": 20}')  # for those without values
    verdict = guarded.drive("run", "watched", *words, who=who).verdict()
    assert passes(verdict), verdict
    out = tmp_path / "out"
    done = guarded.toril("report", "watched", "--format", "csv", "--table", "service", "--out", out, who=who)
    assert done.code == 0, done.output
    rows = list(csv.DictReader(out.read_text().splitlines()))
    shown = {(row["resource"], row["namespace"], row["metric"], float(row["value"])) for row in rows}
    assert {(id, *MEASURED[kind]) for id, kind in kinds.items()} <= shown
    assert {row["time"].partition("Z")[0][-6:] for row in rows} == {"00.000"}  # periods are minutes
    page = guarded.toril("report", "watched", "--format", "html", who=who)
    for _, metric, value in MEASURED.values():
        assert re.search(rf'<td>{metric} \w+</td><td data-value="{value:.1f}">', page.out), metric
    used = {sid for one in guarded.cloud.decisions() if one.role == "toril-run" for sid in one.statements}
    assert {"FindService", "ReadService", "ReadMetrics"} <= used
    assert refused(guarded) == []

"""Hypothesis strategies of whole stacks: the settings of their files, and their worlds.

`hubs` and `regions` are valid by construction and use every setting. `anything` pairs settings that may contradict.
"""

from collections.abc import Callable
from typing import Any

from hypothesis import Phase, settings
from hypothesis import strategies as st

from infra.network.fips import GOVCLOUD, US
from infra.settings.caches import UPSTREAMS
from tests import tiers
from tests.infra.cases import Case
from tests.infra.engine.provider import partition_of
from tests.infra.invented import ACCOUNT, World, suffix_of, zone_ids
from tests.infra.packages import package

OTHER = "210987654321"
MARK = "S3CR3T"  # part of every credential, and of no other text
COMMERCIAL = ("us-east-1", "us-east-2", "us-west-1", "us-west-2", "ca-central-1", "eu-west-1", "eu-central-1")
FAR = ("ap-northeast-1", "ap-southeast-2", "sa-east-1", "af-south-1", "il-central-1")
REGIONS = (*COMMERCIAL, *FAR)  # twelve
GOVERNMENT = tuple(sorted(GOVCLOUD))
CHINA = ("cn-north-1", "cn-northwest-1")
ENVIRONMENTS = ("", "prod.", "production12.", "a.", "us-east-1.")


def examples(count: int) -> settings:
    """Returns settings for this many examples under the profile `night`, without shrinking, which takes minutes."""
    return tiers.examples(count // 2, phases=[Phase.explicit, Phase.generate])


Config = dict[str, Any]
Draw = Callable[[st.SearchStrategy[Any]], Any]


# ---- parts --------------------------------------------------------------------------------------------------------


def maybe(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | strategy


def group(**parts: st.SearchStrategy[Any]) -> st.SearchStrategy[Config]:
    """Returns a strategy of objects with any subset of the parts."""
    return st.fixed_dictionaries({}, optional=parts)


def key_arn(region: str) -> str:
    return f"arn:{partition_of(region)}:kms:{region}:{ACCOUNT}:key/1234abcd-12ab-34cd-56ef-1234567890ab"


def secret_arn(region: str, name: str = "team/token-AbCdEf") -> str:
    return f"arn:{partition_of(region)}:secretsmanager:{region}:{ACCOUNT}:secret:{name}"


def boundary(region: str) -> str:
    return f"arn:{partition_of(region)}:iam::{ACCOUNT}:policy/boundaries/toril"


def encryptions(region: str) -> st.SearchStrategy[str]:
    return st.sampled_from(["AES256", "KMS", key_arn(region)])


TAGS = st.dictionaries(st.sampled_from(["owner", "cost-centre", "data:class", "Über Team"]), st.just("a-1"))
HOSTS = st.lists(st.sampled_from(["shop.example.com", "*.example.org", "a.b.c.example.net"]), unique=True)
CIDRS = st.lists(st.sampled_from(["203.0.113.0/24", "198.51.100.7/32", "2001:db8::/32"]), unique=True)


@st.composite
def caches(draw: Draw, region: str) -> tuple[list[Any], Config, frozenset[str]]:
    """Draws rules of any upstreams, their logins, and the secrets that an operator has filled."""
    elsewhere = _others(region)[0]
    found: list[Any] = []
    logins: Config = {}
    filled: set[str] = set()
    for name in draw(st.lists(st.sampled_from(sorted(UPSTREAMS)), unique=True, max_size=len(UPSTREAMS))):
        upstream = UPSTREAMS[name]
        prefix = draw(st.sampled_from(["", "", f"mirror/{name}"]))
        one: Config = {"upstream": name, **({"prefix": prefix} if prefix else {})}
        if name == "acr":
            one["registry"] = "acmeregistry.azurecr.io"
        if name == "ecr":
            one |= draw(
                st.sampled_from(
                    [
                        {"region": elsewhere},
                        {"account": OTHER},
                        {"account": OTHER, "region": elsewhere},
                        {"account": OTHER, "role": f"arn:{partition_of(region)}:iam::{ACCOUNT}:role/puller"},
                    ]
                )
            )
        if draw(st.booleans()):
            one["upstreamPrefix"] = "team-a"
        if upstream.keyed:
            match draw(st.sampled_from(["login", "later", "filled", "existing"])):
                case "login":
                    logins[prefix or upstream.prefix] = {"username": f"u-{MARK}", "accessToken": f't"{MARK}\n✓'}
                case "existing":
                    one["secret"] = secret_arn(region, f"ecr-pullthroughcache/{name}-AbCdEf")
                case later:
                    one["secret"] = "later"
                    if later == "filled":
                        filled.add(prefix or upstream.prefix)
        found.append(name if one == {"upstream": name} else one)
    if found and draw(st.integers(0, 4)) == 0:
        found.append({"upstream": "quay", "prefix": "ROOT"})
    return found, logins, frozenset(filled)


@st.composite
def images(draw: Draw, region: str, given: list[Any], *, fips: bool, closed: bool) -> Config:
    """Draws a flavour: the stack's own image, a cached one, one in another ECR registry, or one with a login."""
    host = f"{OTHER}.dkr.ecr.{region}.{suffix_of(region)}"
    choices: list[Config] = [{}, {"digest": f"sha256:{'a1' * 32}"}, {"image": f"{host}/team/worker:1.2"}]
    if not closed:
        choices.append({"image": "registry.example.com/worker:1", "credentials": secret_arn(region, "login-AbCdEf")})
    if not (fips or closed):
        choices.append({"image": f"{OTHER}.dkr.ecr.{_neighbour(region)}.{suffix_of(region)}/team/worker:1"})
    if "ecr-public" in given:
        choices.append({"image": "public.ecr.aws/toril/worker:1.0"})
        choices.append({"image": "ecr-public/toril/worker:1.0", "architectures": ["arm64"]})
    return dict(draw(st.sampled_from(choices)))


@st.composite
def networks(draw: Draw, region: str, *, nat: bool) -> Config:
    """Draws a network. `nat`: a private network needs a NAT gateway."""
    mode = draw(st.sampled_from(["public", "private", "existing"]))
    if mode == "existing":
        subnets = [f"subnet-0123456789abcdef{one}" for one in range(draw(st.integers(1, 3)))]
        return {
            "mode": mode,
            "vpc": "vpc-0123456789abcdef0",
            "subnets": subnets,
            **draw(group(publicAddresses=st.booleans())),
        }
    most = min(3, len(zone_ids(region)))
    found = draw(
        group(
            cidr=st.sampled_from(["10.0.0.0/16", "192.168.128.0/20", "172.16.5.0/24"]),
            zones=st.integers(1, most),
            dnsFirewall=st.booleans(),
        )
    )
    if mode == "private":
        found |= {"nat": True} if nat else draw(group(nat=st.booleans()))
    return {"mode": mode, **found}


def repositories(region: str) -> st.SearchStrategy[list[Config]]:
    grants = st.lists(grant(region), max_size=3)
    one = st.fixed_dictionaries(
        {"name": st.sampled_from(["tools/jmeter", "suites", "team-a/worker_image.x"])},
        optional={"grants": grants, "keep": st.integers(1, 10_000), "keepUntaggedDays": st.integers(1, 365)},
    )
    return st.lists(one, unique_by=lambda found: str(found["name"]), max_size=3)


def grant(region: str) -> st.SearchStrategy[Config]:
    partition = partition_of(region)
    who = [OTHER, f"arn:{partition}:iam::{OTHER}:role/ci/build", f"arn:{partition}:iam::{OTHER}:root", "o-a1b2c3d4e5"]
    rights = st.lists(st.sampled_from(["pull", "push"]), min_size=1, unique=True)
    return st.fixed_dictionaries({"principal": st.sampled_from(who)}, optional={"rights": rights})


SCHEDULES = st.lists(
    st.fixed_dictionaries(
        {
            "name": st.sampled_from(["nightly", "weekly", "s" * 63, "once"]),
            "suite": st.sampled_from(["checkout", "search-2"]),
            "cron": st.sampled_from(["cron(17 2 * * ? *)", "rate(12 hours)", "at(2027-01-31T02:00:00)"]),
        },
        optional={"timezone": st.sampled_from(["Europe/Madrid", "UTC"]), "enabled": st.booleans()},
    ),
    unique_by=lambda one: str(one["name"]),
    max_size=3,
)


# ---- stacks -------------------------------------------------------------------------------------------------------


def _repository(number: int) -> st.SearchStrategy[Config]:
    return st.fixed_dictionaries(
        {
            "name": st.just(f"acme/{'shop' * 10}-{number}"),
            "ownerId": st.just("1000"),
            "repositoryId": st.just(str(2000 + number)),
        },
        optional={"run": st.sampled_from(["load-test", "other", None])} if number else {"run": st.just("load-test")},
    )


def consoles() -> st.SearchStrategy[Config]:
    """Returns a strategy of consoles, with a user pool or an issuer of their own."""
    certificate = f"arn:aws:acm:us-east-1:{ACCOUNT}:certificate/0a1b2c3d-1111-2222-3333-444455556666"
    common = {
        "domain": st.just({"name": "load.example.com", "certificate": certificate}),
        "roles": st.sampled_from([{"sre": "admin"}, {"a": "admin", "b": "admin", "Team\u00dc": "viewer"}]),
        "machines": st.sampled_from(
            [[], [{"repositoryId": "22", "environment": "load-test"}, {"repositoryId": "23", "ref": "refs/heads/main"}]]
        ),
        "maxCost": st.sampled_from([0.5, 100]),
    }
    own = {"url": st.just("https://id.example.com/realms/main"), "clientId": st.just("toril")}
    optional = {
        "confidential": st.booleans(),
        "groupsClaim": st.just("roles"),
        "loginClientId": st.just("toril-cli"),
        "audience": st.just("load-tests"),
    }
    issuers: tuple[dict[str, st.SearchStrategy[Any]], ...] = (
        {"admin": st.just("ada@example.com")},
        {"issuer": st.fixed_dictionaries(own, optional=optional)},
    )
    return st.sampled_from(["arm64", "x86-64"]).flatmap(
        lambda processor: st.one_of(
            *(
                st.fixed_dictionaries(
                    {**issuer, "architecture": st.just(processor), "package": st.just(package(processor))},
                    optional=common,
                )
                for issuer in issuers
            )
        )
    )


def accesses(region: str) -> st.SearchStrategy[list[dict[str, Any]]]:
    """Draws people of one account, and jobs of one project of a CI."""
    root = f"arn:{partition_of(region)}:iam::{ACCOUNT}"
    names = [f"{root}:user/ada", f"{root}:role/aws-reserved/sso.amazonaws.com/{region}/AWSReservedSSO_Developers_*"]
    roles = st.lists(st.sampled_from(["deploy", "drift", "preview", "publish", "run"]), min_size=1, unique=True)
    people = st.fixed_dictionaries({"roles": roles, "principals": st.just(names)})
    jobs = st.fixed_dictionaries(
        {
            "roles": roles,
            "issuer": st.sampled_from(["https://gitlab.com", "https://gitlab.acme.example"]),
            "audiences": st.just(["sts.amazonaws.com"]),
            "subjects": st.just(["project_path:acme/shop:ref_type:branch:ref:*"]),
        },
        optional={"existing": st.booleans()},
    )
    return st.lists(st.one_of(people, jobs), min_size=1, max_size=2)


@st.composite
def hubs(draw: Draw) -> Case:
    """Draws a valid hub."""
    region = draw(st.sampled_from([*REGIONS, *GOVERNMENT, *CHINA]))
    environment = draw(st.sampled_from(ENVIRONMENTS))
    commercial = partition_of(region) == "aws"
    provider = f"arn:{partition_of(region)}:iam::{ACCOUNT}:oidc-provider/token.actions.githubusercontent.com"
    more = draw(st.integers(0, 20))
    github = st.fixed_dictionaries(
        {"home": _repository(0)},
        optional={
            "providerArn": st.just(provider),
            "preview": st.just("preview"),
            "branch": st.sampled_from(["main", "release/1.x"]),
            "deploy": st.just("prod.deploy"),
            "publish": st.just("images"),
            "repositories": st.tuples(*[_repository(one) for one in range(1, more + 1)]).map(list),
        },
    )
    config = draw(
        group(
            account=st.just(ACCOUNT),
            bucket=st.just("acme-load-test-results"),
            retention=group(
                runs=st.integers(1, 3650), history=st.integers(1, 3650), interruptedUploads=st.integers(1, 30)
            ),
            encryption=encryptions(region),
            protect=st.booleans(),
            faults=st.booleans(),
            service=st.booleans(),
            serviceLogs=st.lists(st.sampled_from(["/ecs/shop", "/aws/lambda/orders"]), unique=True),
            github=github,
            access=accesses(region),
            stateBucket=st.just("acme-pulumi-state"),
            stateKey=st.just(key_arn(region)),
            permissionsBoundary=st.just(boundary(region)),
            emails=st.lists(st.sampled_from(["a@example.com", "b+c@example.org"]), unique=True),
            tags=TAGS,
            **(
                {
                    "console": consoles(),
                    "publicRepository": group(
                        name=st.just("load-test-worker"),
                        about=st.just("# What\nÜber"),
                        usage=st.just("`toril`"),
                        pushers=st.just([OTHER, f"arn:aws:iam::{OTHER}:role/ci/push"]),
                    ),
                }
                if commercial
                else {}
            ),
            **(
                {
                    "budget": st.fixed_dictionaries(
                        {"monthlyUsd": st.sampled_from([0.01, 25, 999_999.5]), "emails": st.just(["a@example.com"])}
                    )
                }
                if not region.startswith("us-gov-")
                else {}
            ),
        )
    )
    return Case(stack=f"{environment}hub", config={"region": region, **config})


def _others(region: str) -> list[str]:
    """Returns the other regions of the partition."""
    known = (*REGIONS, *GOVERNMENT, *CHINA)
    return [one for one in known if one != region and partition_of(one) == partition_of(region)]


def _neighbour(region: str) -> str:
    """Returns a possible region for the hub: one of the same partition."""
    partition = partition_of(region)
    return "us-gov-west-1" if partition == "aws-us-gov" else "cn-north-1" if partition == "aws-cn" else "us-east-1"


@st.composite
def regions(draw: Draw, within: tuple[str, ...] | None = None) -> Case:
    """Draws a valid region, and a hub for it."""
    region = draw(st.sampled_from(within or (*REGIONS, *GOVERNMENT, *CHINA)))
    environment = draw(st.sampled_from(ENVIRONMENTS))
    fips = region in US | GOVCLOUD and draw(st.booleans())
    home = draw(st.booleans())
    given, logins, filled = ([], {}, frozenset[str]()) if fips or region in CHINA else draw(caches(region))
    near = _neighbour(region)
    network = draw(networks(region, nat=bool(home or (fips and near != region))))
    closed = network["mode"] == "private" and not network.get("nat")
    names = draw(st.sampled_from([None, ["slim"], ["full", "slim"], ["gpu-1", "a"]]))
    flavours = {one: draw(images(region, given, fips=fips, closed=closed)) for one in names or ()}
    config = draw(
        group(
            account=st.just(ACCOUNT),
            repositories=repositories(region),
            registry=group(
                scanning=st.sampled_from(["BASIC", "ENHANCED"]),
                policy=st.lists(grant(region), max_size=2),
                replicateTo=st.lists(st.sampled_from(_others(region)), unique=True),
            ),
            architectures=st.sampled_from([["x86-64"], ["arm64"], ["arm64", "x86-64"]]),
            worker=st.sampled_from([{}, {"cpu": 256, "memory": 512}, {"cpu": 32768, "memory": 249856, "storage": 200}]),
            targets=group(hosts=HOSTS, cidrs=CIDRS),
            limits=group(
                vcpus=st.integers(1, 100_000),
                costUsd=st.sampled_from([0.5, 100]),
                durationS=st.sampled_from([60, 86_400, 14 * 86_400]),
            ),
            secrets=st.lists(
                st.sampled_from([secret_arn(region), secret_arn(region, "b-AbCdEf")]), unique=True, max_size=2
            ),
            secretKeys=st.just([key_arn(region)]),
            encryption=encryptions(region),
            protect=st.booleans(),
            logs=group(days=st.sampled_from([1, 1827]), blocking=st.booleans(), encryption=st.just(key_arn(region))),
            idleAlarm=st.booleans(),
            permissionsBoundary=st.just(boundary(region)),
            tags=TAGS,
        )
    )
    if config.get("limits", {}).get("durationS", 0) > 86_400:
        config["idleAlarm"] = False  # CloudWatch evaluates at most one week
    config |= {"network": network} | ({"flavours": flavours} if flavours else {})
    config |= {"fips": True} if fips else {}
    if fips and region in GOVCLOUD:
        config["architectures"] = ["x86-64"]  # Fargate's FIPS mode has no other
    config |= {"caches": given} if given else {}
    config |= {"credentials": logins} if logins else {}
    config |= {"home": True, "schedules": draw(SCHEDULES)} if home else {}
    hub = draw(st.sampled_from([{}, {"encryption": "KMS", "tags": {"of": "the-hub"}}]))
    base = "toril" if not environment else f"toril-{environment.rstrip('.')}"
    secrets = frozenset(f"ecr-pullthroughcache/{base}/{prefix}" for prefix in filled)
    return Case(
        stack=f"{environment}{region}", config=config, hub={"region": near, **hub}, world=World(filled_secrets=secrets)
    )

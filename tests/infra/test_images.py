"""Every image comes from ECR or from a registry with a login; any other is an error."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.registry.hosts import PrivateRegistry, parse_host
from infra.registry.images import Image, OwnRegistry, parse, resolve, upstream_host, upstream_path
from infra.settings import CacheSettings, SettingError
from infra.settings.caches import ROOT, UPSTREAMS
from infra.settings.region import Flavour
from tests.infra.regions import ACCOUNT, OTHER, secret

HOME = PrivateRegistry(ACCOUNT, "us-east-1")
HOST = f"{ACCOUNT}.dkr.ecr.us-east-1.amazonaws.com"
DIGEST = "sha256:" + "ab" * 32


def cache(upstream: str, **more: str) -> CacheSettings:
    return CacheSettings.model_validate({"upstream": upstream, **more})


ALL = (
    cache("docker-hub"),
    cache("ghcr"),
    cache("acr", registry="acmeload.azurecr.io"),
    cache("gitlab"),
    cache("chainguard"),
    cache("ecr-public"),
    cache("k8s"),
    cache("quay"),
    cache("ecr", account=OTHER, region="eu-west-1"),
)


def own(*caches: CacheSettings, repositories: tuple[str, ...] = (), fips: bool = False) -> OwnRegistry:
    return OwnRegistry(
        home=HOME,
        worker_repository="toril/worker",
        repositories=frozenset(repositories),
        caches=caches,
        fips=fips,
    )


def pulled(image: str, *caches: CacheSettings, **more: bool | tuple[str, ...]) -> str:
    return resolve("x", Flavour(image=image), own(*caches, **more)).uri  # type: ignore[arg-type]


def test_a_flavour_without_an_image_uses_its_tag_or_digest_in_the_workers_repository():
    assert resolve("slim", Flavour(), own()).uri == f"{HOST}/toril/worker:slim"
    built = resolve("slim", Flavour(digest=DIGEST), own())
    assert (built.uri, built.digest) == (f"{HOST}/toril/worker@{DIGEST}", DIGEST)


@pytest.mark.parametrize(
    ("written", "becomes"),
    [
        ("docker-hub/library/nginx:1.27", "docker-hub/library/nginx:1.27"),
        ("docker.io/library/nginx:1.27", "docker-hub/library/nginx:1.27"),
        ("docker.io/nginx:1.27", "docker-hub/library/nginx:1.27"),
        ("index.docker.io/grafana/k6:1.3.0", "docker-hub/grafana/k6:1.3.0"),
        ("registry-1.docker.io/grafana/k6:1.3.0", "docker-hub/grafana/k6:1.3.0"),
        ("ghcr.io/acme/worker:2", "github/acme/worker:2"),
        ("acmeload.azurecr.io/load/worker:2", "azure/load/worker:2"),
        ("registry.gitlab.com/acme/load/worker:2", "gitlab/acme/load/worker:2"),
        ("cgr.dev/chainguard/python:latest", "chainguard/chainguard/python:latest"),
        ("public.ecr.aws/docker/library/python:3.13", "ecr-public/docker/library/python:3.13"),
        ("registry.k8s.io/pause:3.10", "kubernetes/pause:3.10"),
        ("quay.io/prometheus/busybox:1", "quay/prometheus/busybox:1"),
        (f"{OTHER}.dkr.ecr.eu-west-1.amazonaws.com/team/worker:7", "ecr/team/worker:7"),
        (f"ghcr.io/acme/worker:2@{DIGEST}", f"github/acme/worker@{DIGEST}"),
    ],
)
def test_an_image_of_a_cached_upstream_comes_through_its_cache(written, becomes):
    assert pulled(written, *ALL) == f"{HOST}/{becomes}"


def test_only_an_image_of_a_cache_keeps_its_tag_beside_its_digest():
    flavour = Flavour(image="ghcr.io/acme/worker:2", digest=DIGEST)
    image = resolve("x", flavour, own(*ALL))
    assert (image.uri, image.tag) == (f"{HOST}/github/acme/worker@{DIGEST}", "2")
    assert resolve("x", Flavour(image=f"ghcr.io/acme/worker@{DIGEST}"), own(*ALL)).tag is None
    assert resolve("x", Flavour(image=f"{HOST}/made/by/hand:1"), own(*ALL)).tag is None


@pytest.mark.parametrize(
    ("prefix", "upstream_prefix", "written", "becomes"),
    [
        ("hub", None, "docker.io/acme/app:1", "hub/acme/app:1"),
        ("team", "acme", "docker.io/acme/app:1", "team/app:1"),
        ("acme", "acme", "docker.io/acme/app:1", "acme/app:1"),
        ("team", "acme", "team/app:1", "team/app:1"),
        (ROOT, None, "docker.io/acme/app:1", "acme/app:1"),
        (ROOT, "ROOT", "acme/app:1", "acme/app:1"),
        ("library", "library", "docker.io/nginx:1", "library/nginx:1"),
        ("a/b", None, "docker.io/acme/app:1", "a/b/acme/app:1"),
    ],
)
def test_the_caches_prefix_replaces_the_upstreams(prefix, upstream_prefix, written, becomes):
    more = {"upstreamPrefix": upstream_prefix} if upstream_prefix else {}
    assert pulled(written, cache("docker-hub", prefix=prefix, **more)) == f"{HOST}/{becomes}"


def test_the_most_specific_cache_of_an_upstream_is_used():
    wide, narrow = cache("ghcr"), cache("ghcr", prefix="acme", upstreamPrefix="acme/load")
    assert pulled("ghcr.io/acme/load/app:1", wide, narrow) == f"{HOST}/acme/app:1"
    assert pulled("ghcr.io/acme/other:1", wide, narrow) == f"{HOST}/github/acme/other:1"


def test_an_image_whose_path_matches_another_caches_prefix_is_an_error():
    root, special = cache("docker-hub", prefix=ROOT), cache("quay")
    with pytest.raises(SettingError, match=r"`docker\.io/quay/app:1`"):
        pulled("docker.io/quay/app:1", root, special)


def test_the_stacks_own_repositories_do_not_belong_to_a_cache_with_prefix_root():
    image = resolve("x", Flavour(image="team/app:1"), own(cache("quay", prefix=ROOT), repositories=("team/app",)))
    assert (image.uri, image.cache) == (f"{HOST}/team/app:1", None)


def test_images_in_private_registries_stay_unchanged():
    elsewhere = f"{OTHER}.dkr.ecr.ap-south-1.amazonaws.com/team/app:1"
    assert pulled(elsewhere) == elsewhere
    assert pulled(f"{HOST}/made/by/hand:1") == f"{HOST}/made/by/hand:1"


def test_a_flavour_with_credentials_may_use_any_registry():
    login = secret()
    image = resolve("x", Flavour(image="registry.acme.com:5000/app:1", credentials=login), own())
    assert (image.uri, image.credentials, image.repository_arn) == ("registry.acme.com:5000/app:1", login, None)


def test_with_fips_registries_have_their_fips_hosts():
    assert pulled("toril/worker:1", fips=True) == f"{ACCOUNT}.dkr.ecr-fips.us-east-1.amazonaws.com/toril/worker:1"


@pytest.mark.parametrize(
    ("flavour", "fix"),
    [
        ({"image": "nginx:1.27"}, "as in docker.io/library/nginx:1.27"),
        ({"image": "grafana/k6:1"}, "as in docker.io/grafana/k6:1"),
        ({"image": "docker.io/nginx:1.27"}, "toril:caches, as in `- {upstream: docker-hub}`"),
        ({"image": "acmeload.azurecr.io/app:1"}, "upstream: acr"),
        ({"image": "mcr.microsoft.com/app:1"}, "`credentials`"),
        ({"image": "nginx"}, "Add a tag or, better, a digest"),
        ({"image": "https://ghcr.io/acme/app:1"}, "without https://"),
        ({"image": "ghcr.io/Acme/app:1"}, "in lower case"),
        ({"image": f"ghcr.io/acme/app@{DIGEST}", "digest": "sha256:" + "cd" * 32}, "Remove one of them"),
        ({"credentials": secret()}, "Remove them"),
        ({"image": "acme/app:1", "credentials": secret()}, "registry.example.com/acme/app:1"),
        ({"image": f"{HOST}/app:1", "credentials": secret()}, "ECR accepts none"),
    ],
)
def test_an_error_about_an_image_says_how_to_fix_it(flavour, fix):
    with pytest.raises(SettingError) as refused:
        resolve("x", Flavour.model_validate(flavour), own())
    assert "toril:flavours.x" in str(refused.value)
    assert fix in str(refused.value)


def test_dockers_official_images_need_library_below_a_prefix():
    with pytest.raises(SettingError, match="Use `docker-hub/library/nginx:1`"):
        pulled("docker-hub/nginx:1", *ALL)


def test_with_fips_images_are_in_ecr_or_have_a_login():
    private = resolve("x", Flavour(image="registry.acme.com/app:1", credentials=secret()), own(fips=True))
    assert (private.uri, private.credentials) == ("registry.acme.com/app:1", secret())
    with pytest.raises(SettingError, match="copy it into a repository of this stack"):
        pulled("ghcr.io/acme/app:1", fips=True)


part = st.sampled_from(["library", "acme", "load", "app", "quay", "a-b", "x.y"])  # few values, so that they collide
paths = st.lists(part, min_size=1, max_size=4).map("/".join)
prefixes = st.one_of(st.just(ROOT), st.lists(part, min_size=1, max_size=2).map("/".join))
shapes = st.sampled_from(["docker-hub", "ghcr", "quay", "ecr-public", "k8s"])


@st.composite
def rules(draw: st.DrawFn) -> tuple[CacheSettings, ...]:
    found = {}
    for prefix in draw(st.lists(prefixes, max_size=4, unique=True)):
        more = {} if prefix == ROOT else {"upstreamPrefix": draw(st.none() | paths)}
        found[prefix] = CacheSettings.model_validate({"upstream": draw(shapes), "prefix": prefix, **more})
    return tuple(found.values())


hosts = st.sampled_from(
    [None, "docker.io", "ghcr.io", "quay.io", "public.ecr.aws", "registry.k8s.io", "mcr.microsoft.com", HOST, "x.io:80"]
)


@given(rules(), hosts, paths, st.sampled_from([":1", f"@{DIGEST}", f":1@{DIGEST}"]), st.booleans())
def test_a_task_pulls_from_outside_only_with_a_login(caches, host, path, version, login):
    flavour = Flavour(image=(f"{host}/" if host else "") + path + version, credentials=secret() if login else None)
    try:
        image = resolve("x", flavour, own(*caches))
    except SettingError:
        return
    outside = parse_host(image.uri.split("/")[0]) is None
    assert outside == (image.credentials is not None)
    assert image.digest == (DIGEST if "@" in version else None)


@given(rules(), hosts, paths)
def test_ecr_fetches_the_written_image_for_a_rewritten_one(caches, host, path):
    registry = own(*caches)
    if host in (None, HOST):
        return
    try:
        image = resolve("x", Flavour(image=f"{host}/{path}:1"), registry)
    except SettingError:
        return
    rule = registry.cache_at(str(image.repository))
    assert rule is not None and rule.prefix == image.cache
    fetched = upstream_path(rule, str(image.repository))
    assert host in (upstream_host(rule, HOME), *UPSTREAMS[rule.upstream].hosts)
    assert fetched == (f"library/{path}" if rule.upstream == "docker-hub" and "/" not in path else path)


@given(rules(), st.permutations(range(4)), paths)
def test_the_order_of_caches_makes_no_difference(caches, order, path):
    def outcome(found: tuple[CacheSettings, ...]) -> Image | str:
        try:
            return resolve("x", Flavour(image=f"ghcr.io/{path}:1"), own(*found))
        except SettingError as refused:
            return str(refused)

    assert outcome(caches) == outcome(tuple(caches[index] for index in order if index < len(caches)))


def test_parse_returns_all_parts_of_a_reference():
    found = parse(f"registry.acme.com:5000/team/app:v1_2@{DIGEST}", "here")
    assert (found.host, found.path, found.tag, found.digest) == ("registry.acme.com:5000", "team/app", "v1_2", DIGEST)


def test_in_an_environment_an_image_may_have_the_usual_prefix_or_the_caches_own():
    caches = (cache("docker-hub", prefix="prod/docker-hub"), cache("quay", prefix="prod/quay"))
    wanted = f"{HOST}/prod/docker-hub/grafana/k6:1.3.0"
    assert pulled("docker-hub/grafana/k6:1.3.0", *caches) == wanted
    assert pulled("prod/docker-hub/grafana/k6:1.3.0", *caches) == wanted
    assert pulled("docker.io/grafana/k6:1.3.0", *caches) == wanted
    assert pulled(f"{HOST}/docker-hub/grafana/k6:1.3.0", *caches) == f"{HOST}/docker-hub/grafana/k6:1.3.0"
    assert pulled("quay/a/b:1", *caches, repositories=("quay/a/b",)) == f"{HOST}/quay/a/b:1"
    with pytest.raises(SettingError, match="Use `prod/docker-hub/library/nginx:1`"):
        pulled("docker-hub/nginx:1", *caches)

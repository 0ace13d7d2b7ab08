"""`tools/digests.py` chooses the pinned digest, else the given one, else the deployed one."""

import pytest

from tools.digests import checked, deployed, pinned

DIGEST = f"sha256:{'0a' * 32}"


@pytest.mark.parametrize("handed", ['{"slim": "latest"}', f'{{"../x": "{DIGEST}"}}', "[]", '{"slim": 1}'])
def test_only_digests_by_flavour_are_accepted(handed):
    with pytest.raises(SystemExit, match="--handed: "):
        checked(handed)


def test_an_empty_option_gives_no_digests():
    assert checked("") == {}
    assert checked(f'{{"slim": "{DIGEST}"}}') == {"slim": DIGEST}


def test_an_image_deployed_by_tag_has_no_digest():
    outputs = {"images": {"slim": f"registry/toril/worker@{DIGEST}", "full": "registry/toril/worker:full"}}
    state = {"deployment": {"resources": [{"type": "pulumi:pulumi:Stack", "outputs": outputs}]}}
    assert deployed(state) == {"slim": DIGEST}
    assert deployed({"deployment": {}}) == {}


def test_a_digest_in_the_stacks_file_is_pinned():
    flavours = {"slim": {"digest": DIGEST}, "full": {"image": "x"}}
    assert pinned({"config": {"toril:flavours": flavours}}) == {"slim"}
    assert pinned({}) == set()

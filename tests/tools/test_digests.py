"""`tools/digests.py`: which image workers run is what a file pins, what is handed over, or what is deployed."""

import pytest

from tools.digests import checked, deployed, pinned

DIGEST = f"sha256:{'0a' * 32}"


@pytest.mark.parametrize("handed", ['{"slim": "latest"}', f'{{"../x": "{DIGEST}"}}', "[]", '{"slim": 1}'])
def test_only_digests_of_flavours_are_taken_over(handed):
    with pytest.raises(SystemExit, match="expected"):
        checked(handed)


def test_nothing_handed_over_is_nothing():
    assert checked("") == {}
    assert checked(f'{{"slim": "{DIGEST}"}}') == {"slim": DIGEST}


def test_images_by_tag_alone_are_not_what_is_deployed():
    outputs = {"images": {"slim": f"registry/toril/worker@{DIGEST}", "full": "registry/toril/worker:full"}}
    state = {"deployment": {"resources": [{"type": "pulumi:pulumi:Stack", "outputs": outputs}]}}
    assert deployed(state) == {"slim": DIGEST}
    assert deployed({"deployment": {}}) == {}


def test_what_the_file_of_a_stack_pins_stays():
    flavours = {"slim": {"digest": DIGEST}, "full": {"image": "x"}}
    assert pinned({"config": {"toril:flavours": flavours}}) == {"slim"}
    assert pinned({}) == set()

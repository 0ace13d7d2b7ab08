"""First failures in the page: embedded pictures, links, and harmless texts of foreign pages."""

import re
from dataclasses import replace

from tests.reports.examples import passed, with_summary
from toril.reports import render
from toril.reports.html import LARGEST_PICTURE
from toril.runs.conclude import with_pictures
from toril.store import FolderStore

HOSTILE = '"><script>alert(1)</script>'
FOLDER = "workers/local-1/ab12/failures/"
JPEG = b"\xff\xd8\xff\xe0picture"


def failure(*files, label="Pay", message="no button"):
    kept = {"worker": "local-1", "execution": "buying", "label": label, "message": message, "at_s": 7.25}
    return {**kept, "files": list(files)}


def page_of(*failures, pictures=None):
    bundle = with_summary(passed(), first_failures=list(failures))
    return render("html", replace(bundle, pictures=pictures or {})).decode()


def test_a_run_without_failures_allows_no_pictures():
    page = page_of()
    assert "First failures" not in page and "img-src" not in page


def test_the_page_embeds_pictures_and_links_other_files():
    files = [f"{FOLDER}0-1{ending}" for ending in (".jpg", ".source.txt", ".console.txt", ".trace.zip")]
    page = page_of(failure(*files), pictures={files[0]: JPEG})
    assert "img-src data:" in page
    assert 'src="data:image/jpeg;base64,/9j/4HBpY3R1cmU="' in page
    links = dict(re.findall(r'<a href="(workers/[^"]+)">([a-z]+)</a>', page))
    assert links == dict(zip(files, ("screenshot", "source", "console", "trace"), strict=True))


def test_hostile_texts_and_addresses_are_only_text():
    page = page_of(failure("javascript:alert(1)", f"workers/{HOSTILE}", label=HOSTILE, message=HOSTILE))
    assert HOSTILE not in page
    assert "javascript:alert" not in page


def test_a_large_picture_is_linked():
    file = f"{FOLDER}0-1.jpg"
    page = page_of(failure(file), pictures={file: JPEG + bytes(LARGEST_PICTURE)})
    assert "data:image" not in page and f'href="{file}"' in page


def test_pictures_come_from_the_run_folder_and_may_be_missing(tmp_path):
    bundle = passed()
    kept, lost = f"{FOLDER}0-1.jpg", f"{FOLDER}0-2.jpg"
    store = FolderStore(tmp_path)
    store.put(f"runs/{bundle.plan.run_id}/{kept}", JPEG)
    found = with_summary(bundle, first_failures=[failure(kept, f"{FOLDER}x.zip"), failure(lost)])
    assert with_pictures(store, found).pictures == {kept: JPEG}

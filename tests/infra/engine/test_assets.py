"""Pulumi's archives as packages."""

import io
import zipfile

from tests.infra.engine.assets import packed
from tests.infra.engine.wire import ARCHIVE, ASSET, SIGNATURE


def members(data):
    with zipfile.ZipFile(io.BytesIO(data)) as file:
        return {name: file.read(name).decode() for name in file.namelist()}


def test_an_archive_is_a_zip_file_a_folder_or_named_assets_and_always_the_same(tmp_path):
    (tmp_path / "app/inner").mkdir(parents=True)
    (tmp_path / "app/inner/a.py").write_text("a = 1")
    folder = {SIGNATURE: ARCHIVE, "hash": "1", "path": str(tmp_path / "app")}
    assert members(packed(folder)) == {"inner/a.py": "a = 1"}
    assert packed(folder) == packed(folder)
    named = {
        SIGNATURE: ARCHIVE,
        "hash": "2",
        "assets": {"b.py": {SIGNATURE: ASSET, "hash": "b", "text": "b = 2"}, "below": folder},
    }
    assert members(packed(named)) == {"b.py": "b = 2", "below/inner/a.py": "a = 1"}
    (tmp_path / "app.zip").write_bytes(packed(named))
    file = {SIGNATURE: ARCHIVE, "hash": "3", "path": str(tmp_path / "app.zip")}
    assert packed(file) == (tmp_path / "app.zip").read_bytes()

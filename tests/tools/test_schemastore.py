"""The entry of suites has the form of SchemaStore's catalogue."""

from pathlib import Path

from jsonschema import validate

from tools.schemastore import entry, main
from toril import explain

CATALOGUE = {  # an entry of the catalogue, as SchemaStore's own schema has it
    "type": "object",
    "required": ["name", "url", "description"],
    "additionalProperties": False,
    "properties": {
        "name": {"type": "string", "maxLength": 80},
        "description": {"type": "string", "minLength": 1},
        "fileMatch": {"type": "array", "uniqueItems": True, "minItems": 1, "items": {"type": "string"}},
        "url": {"type": "string", "pattern": "^https://.*\\.json$"},
        "versions": {"type": "object"},
    },
}


def test_the_entry_names_the_schema_on_the_site(monkeypatch):
    monkeypatch.setattr(explain, "SITE", "https://docs.example.com/toril")
    found = entry()
    validate(found, CATALOGUE)
    assert found["url"] == "https://docs.example.com/toril/reference/schemas/suite.schema.json"
    assert Path("docs/reference/schemas/suite.schema.json").is_file()


def test_there_is_no_entry_without_a_site(monkeypatch, capsys):
    monkeypatch.setattr(explain, "SITE", "")
    assert main() == 1
    assert "make owner" in capsys.readouterr().err

"""The JSON Schema of what verify-dns prints, kept beside the code that prints it."""

from importlib.resources import files

FILE = "verify-dns.schema.json"


def schema_text() -> str:
    """Return the schema as a JSON document (draft 2020-12), ending with a line feed."""
    return files("dkimctl.output").joinpath(FILE).read_text("utf-8")

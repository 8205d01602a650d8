"""The tags of a key record that was made beside its key: opendkim-genkey's `.txt` file."""

from pathlib import Path

from dkimctl.errors import DkimctlError
from dkimctl.files import read_regular
from dkimctl.keys.metadata import Tags
from dkimctl.record.model import KeyRecord
from dkimctl.record.parse import parse_record
from dkimctl.record.presentation import strings_in


def record_tags(private: Path, otherwise: Tags) -> Tags:
    """The tags in the `.txt` file beside a private key; `otherwise` when there is none that can be read."""
    try:
        content = read_regular(private.with_suffix(".txt")) or b""
    except DkimctlError:
        return otherwise
    record = parse_record(strings_in(content.decode("latin-1")))
    if not isinstance(record, KeyRecord):
        return otherwise
    return Tags(record.get("h"), record.get("s"), record.get("t"), record.get("n"))

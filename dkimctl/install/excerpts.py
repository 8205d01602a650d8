"""The rows that change as tables of their own: a check, or a dry run, need not read a million others that stay.

What one domain's rows can do wrong, they do in such a table as well: the daemon looks each domain up by its own name.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from dkimctl.files import scratch_directory, write_file
from dkimctl.signers.rendered import Rendering

Files = Mapping[str, Path]
"""System path → the file to read in its stead."""


@contextmanager
def excerpts(rendering: Rendering) -> Iterator[tuple[Files, Files]]:
    """Yield the changing rows of each table, as they are and as they will be; nothing where all rows were rendered."""
    parts = {file.path: file.excerpt for file in rendering.files if file.excerpt}
    if not parts:
        yield {}, {}
        return
    with scratch_directory("rows", mode=0o711) as directory:
        before: dict[str, Path] = {}
        after: dict[str, Path] = {}
        for number, (path, rows) in enumerate(parts.items()):
            before[path], after[path] = directory / f"{number}-before", directory / f"{number}-after"
            write_file(before[path], rows.before, durable=False)
            write_file(after[path], rows.after, durable=False)
        yield before, after

"""A large change set written by as many processes as there are cores, each with domains of its own."""

from collections.abc import Iterable, Iterator

from dkimctl.fleet.changes import FleetKey, OpenKey
from dkimctl.fleet.local import LocalCopy, Written, together
from dkimctl.fleet.stored_changes import Bounds, StoredKeys
from dkimctl.programs.cores import cores


def put_keys(copy: LocalCopy, keys: Iterable[FleetKey], open_key: OpenKey) -> Written:
    """Write keys as `LocalCopy.put`. Raises the same, and Unavailable when one of the processes dies.

    Each part is whole and durable before it is in place; after a death it is as after a kill, and the next run finishes
    it. Until all processes have ended the lock of this pass is held: they share it.
    """
    if not isinstance(keys, StoredKeys) or cores() == 1:
        return copy.put(keys, open_key)
    from dkimctl.programs.workers import results_of

    def work(bounds: Iterator[Bounds]) -> Iterator[Written]:
        return (copy.put(part, open_key) for part in keys.parts(bounds))

    copy.make()
    return together(results_of(keys.bounds(cores()), work, cores(), portion=1))

"""The tasks in which the API shows its background work."""

import time
from typing import Any


def new_task(task_id: int, function: str, status: str) -> dict[str, Any]:
    """Return the object of `GET task/{id}`."""
    now = timestamp()
    return {
        "id": task_id,
        "function": function,
        "status": status,
        "comment": None,
        "creationDate": now,
        "todoDate": now,
        "doneDate": now if status == "done" else None,
        "lastUpdate": now,
        "canAccelerate": False,
        "canCancel": False,
        "canRelaunch": False,
    }


def finish_task(task: dict[str, Any]) -> None:
    """Mark a task as done now."""
    task.update(status="done", doneDate=timestamp(), lastUpdate=timestamp())


def timestamp() -> str:
    """Return the current time in the API's form."""
    return time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime())

"""Publications for people: each as it comes, then a line that sums up; and the document for programs."""

from dkimctl.lifecycle.publication import Event, Progress, Publication
from dkimctl.output.terminal import Terminal


class Show:
    """Shows what happens while it happens."""

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal
        self._final: dict[str, Publication] = {}

    def event(self, event: Event) -> None:
        """One step, or the end of one name."""
        if isinstance(event, Progress):
            self._terminal.note(f"{event.subject}: {event.text}")
            return
        self._final[event.name] = event
        if event.error:
            self._terminal.failure(event.error)
        else:
            self._terminal.result(f"{event.name}: {event.outcome}")

    def end(self) -> int:
        """The document, and the exit code: the worst of all."""
        return max((p.exit_code for p in self._final.values()), default=0)

"""The table of API calls: method and path, the IAM action needed, and the function that carries it out."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from dkimctl.sandbox.answers import ErrorAnswer, Request
from dkimctl.sandbox.zones import Zone

ZoneRoute = Callable[[Zone, Request, Mapping[str, str]], object]


@dataclass(slots=True)
class Routes:
    """Calls below `/domain/zone/{zone}`; functions register themselves with `add`."""

    _routes: list[tuple[str, re.Pattern[str], str, ZoneRoute]] = field(default_factory=list)

    def add(self, method: str, path: str, action: str) -> Callable[[ZoneRoute], ZoneRoute]:
        """Register a function for a method and a path such as `/record/{id}`, relative to the zone's."""
        pattern = re.compile(r"/domain/zone/(?P<zone>[^/]+)" + re.sub(r"{(\w+)}", r"(?P<\1>[^/]+)", path))

        def register(function: ZoneRoute) -> ZoneRoute:
            self._routes.append((method, pattern, f"dnsZone:apiovh:{action}", function))
            return function

        return register

    @property
    def actions(self) -> set[str]:
        """The IAM actions that the calls need."""
        return {action for _, _, action, _ in self._routes}

    def find(self, request: Request) -> tuple[ZoneRoute, str, dict[str, str]]:
        """Return the function, the IAM action and the parts of the path. Raises ErrorAnswer 404 or 405."""
        known_path = False
        for method, pattern, action, function in self._routes:
            if match := pattern.fullmatch(request.path):
                if method == request.method:
                    return function, action, match.groupdict()
                known_path = True
        if known_path:
            raise ErrorAnswer(405, "Method not allowed", "METHOD_NOT_ALLOWED")
        raise ErrorAnswer(404, "Got an invalid (or empty) URL", "INVALID_URL")

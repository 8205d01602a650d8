"""The API without its transport: maps a request to an answer.

The order of the checks: application key, consumer key, clock, signature, validation, rights, zone, expiry. Error texts
in `routes` and `checks` without a recorded answer of the real service are this sandbox's own.
"""

from collections.abc import Mapping
from dataclasses import replace

from dkimctl.sandbox import record_routes, service_routes, zone_routes
from dkimctl.sandbox.access import Access
from dkimctl.sandbox.answers import ErrorAnswer, HttpAnswer, Request, value_answer
from dkimctl.sandbox.auth_routes import answer_auth, validation_page
from dkimctl.sandbox.routes import Routes
from dkimctl.sandbox.zonefile import text_of
from dkimctl.sandbox.zones import Zone

PREFIXES = ("/1.0", "/v1")
"""Two prefixes of the same API."""


class Api:
    """All endpoints: the zones, `/auth`, the token endpoint and the validation page."""

    def __init__(self, zones: Mapping[str, Zone], access: Access) -> None:
        self._zones = zones
        self._access = access
        self._routes = _all_routes()

    def answer(self, request: Request, *, versioned: bool) -> HttpAnswer:
        """Return the answer to a request; `versioned`: its path had one of the prefixes."""
        switches = self._access.switches
        try:
            if not versioned:
                return self._unversioned(request)
            if request.path.startswith("/auth/"):
                return value_answer(answer_auth(self._access, request), switches)
            return value_answer(self._zone_value(request), switches)
        except ErrorAnswer as error:
            return error.answer(switches)
        except Exception as error:
            return ErrorAnswer(500, f"the sandbox failed: {error!r}").answer(switches)

    def _unversioned(self, request: Request) -> HttpAnswer:
        if (request.method, request.path) == ("POST", "/auth/oauth2/token"):
            return self._access.accounts.token_answer(request)
        if (request.method, request.path) == ("GET", "/auth"):
            return validation_page(self._access, request)
        if request.method == "GET" and request.path.startswith("/zonefile/"):
            return self._version(request.path.removeprefix("/zonefile/"))
        raise ErrorAnswer(404, "Got an invalid (or empty) URL", "INVALID_URL")

    def _version(self, token: str) -> HttpAnswer:
        """Return the text of an earlier version; its URL cannot be guessed, and needs no key."""
        for zone in self._zones.values():
            for version in zone.history.versions:
                if version.token == token:
                    return HttpAnswer(200, text_of(zone, version.records).encode(), "text/plain; charset=utf-8")
        raise ErrorAnswer(404, "Got an invalid (or empty) URL", "INVALID_URL")

    def _zone_value(self, request: Request) -> object:
        if (request.method, request.path) == ("GET", "/domain/zone"):
            self._access.check(request, "dnsZone:apiovh:get")
            return sorted(self._zones)
        route, action, parts = self._routes.find(request)
        self._access.check(request, action)
        zone = self._zones.get(parts["zone"])
        if zone is None:
            raise ErrorAnswer(404, "This service does not exist", "NOT_FOUND")
        if zone.expired:
            raise ErrorAnswer(460, "This service is expired", "EXPIRED")
        return route(zone, replace(request, origin=self._access.origin(request)), parts)


def every_action() -> list[str]:
    """Return the IAM actions that the calls need, sorted."""
    return sorted(_all_routes().actions)


def _all_routes() -> Routes:
    routes = Routes()
    record_routes.register(routes)
    zone_routes.register(routes)
    service_routes.register(routes)
    return routes

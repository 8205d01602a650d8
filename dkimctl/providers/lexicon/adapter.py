"""The adapter to dns-lexicon: one session for a zone and a ttl, calls that end in time, and its exceptions as ours."""

import logging
import re
import sys
import threading
from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote

from dkimctl.deadline import within
from dkimctl.errors import RUN_AGAIN, ApiError, ConfigError, DkimctlError
from dkimctl.names import printable
from dkimctl.providers.lexicon.options import ServiceOptions
from dkimctl.providers.limit import RateLimit

TIMEOUT = 120.0  # seconds for one operation, which may be several requests; the library has no timeout of its own
INSTALL = "install it with dkimctl: pip install 'dkimctl[lexicon]'"
_QUERY = re.compile(r"\?\S*")  # some services take the password in the address


def known_services() -> list[str]:
    """Return the names of the services, from the library's list of files. Raises ConfigError if it is not installed."""
    from importlib.metadata import PackageNotFoundError, files

    try:
        found = files("dns-lexicon") or []
    except PackageNotFoundError:
        raise ConfigError("the provider lexicon needs the library dns-lexicon", hint=INSTALL) from None
    return sorted(f.stem for f in found if f.parent.name == "providers" and f.suffix == ".py" and f.stem[0] != "_")


class Session:
    """One zone at one service, authenticated. Calls from several threads wait for each other."""

    def __init__(self, options: ServiceOptions, zone: str, ttl: int, limit: RateLimit) -> None:
        """Log in. Raises ApiError when the service refuses the credentials or has no such zone.

        `limit`: that of the account. An operation counts as one request: what a service needs for it is the library's.
        """
        self._options = options
        self._limit = limit
        self._zone = zone
        self._lock = threading.Lock()
        self._operations = self._call(lambda: _client(options, zone, ttl).__enter__())

    def records(self, kind: str, name: str) -> list[Mapping[str, Any]]:
        """Return the records that the service lists for this type and name; some services list more."""
        found = self._call(lambda: self._operations.list_records(kind, name))
        return [record for record in found or () if isinstance(record, Mapping)]

    def create(self, name: str, content: str) -> None:
        """Create a TXT record; at most services nothing happens if the same record exists."""
        self._call(lambda: self._operations.create_record("TXT", name, content))

    def update(self, identifier: str, name: str, content: str) -> None:
        """Change a TXT record."""
        self._call(lambda: self._operations.update_record(identifier, "TXT", name, content))

    def delete(self, identifier: str, kind: str, name: str) -> None:
        """Remove a record.

        The library's code for some services builds identifiers of the form `TYPE/NAME=CONTENT` and splits them at each
        `/`, which base64 contains: it would then match and remove nothing.
        """
        content = _content_in(identifier, kind)
        if content is None:
            self._call(lambda: self._operations.delete_record(identifier, kind, name))
        else:
            self._call(lambda: self._operations.delete_record(None, kind, name, content))

    def _call(self, function: Callable[[], Any]) -> Any:
        try:
            with self._lock, self._limit.turn():
                return _in_time(lambda: self._translated(function), self._options.service)
        except ApiError as error:
            if error.status == 429:
                self._limit.slow_down(None)
            raise

    def _translated(self, function: Callable[[], Any]) -> Any:
        try:
            return function()
        except Exception as error:  # the code for each service raises exceptions of its own
            raise _explained(error, self._options, self._zone) from None


def _content_in(identifier: str, kind: str) -> str | None:
    """Return the content in an identifier of the form `TYPE/NAME=CONTENT`, None in any other."""
    found = re.fullmatch(rf"{kind}/[^/=]+=(.+)", identifier, re.DOTALL)
    return found[1] if found else None


def _client(options: ServiceOptions, zone: str, ttl: int) -> Any:
    try:
        import lexicon.client
        import lexicon.config
        from lexicon.exceptions import ProviderNotAvailableError
    except ImportError as error:
        raise ConfigError(f"dns-lexicon cannot be loaded: {error}", hint=INSTALL) from error
    logging.getLogger("lexicon").addHandler(logging.NullHandler())
    logging.getLogger("lexicon").propagate = False  # it would log the services' answers
    # The library guesses the zone from the public suffix list, which it downloads; here the zone is known.
    setattr(lexicon.client, "tldextract", SimpleNamespace(TLDExtract=lambda **_: _split))  # noqa: B010
    values = {"provider_name": options.service, "domain": zone, "delegated": zone, options.service: options.values}
    config: Any = lexicon.config  # typed in part
    resolver = config.ConfigResolver().with_dict({"ttl": ttl} if ttl else {}).with_env().with_dict(values)
    try:
        client = lexicon.client.Client(resolver)
    except ProviderNotAvailableError:
        raise ConfigError(
            f"the service {options.service} needs more than dns-lexicon itself",
            hint=f"pip install 'dns-lexicon[{options.service}]'",
        ) from None
    _limit_requests(client.provider_class)
    return client


def _limit_requests(provider: type) -> None:
    """Bound the size and the redirects of the service's HTTP answers.

    The library's code for a service calls `requests` itself; services with a kit of their own (route53, azure) do not.
    """
    from dkimctl.providers.limited_http import bound_module

    for module in {one.__module__ for one in provider.__mro__}:
        if module.startswith("lexicon."):
            bound_module(sys.modules[module])


def _split(domain: str) -> SimpleNamespace:
    first, _, rest = domain.partition(".")
    return SimpleNamespace(domain=first, suffix=rest)


def _in_time(function: Callable[[], Any], service: str) -> Any:
    """Return the function's result. Raises ApiError when it takes too long; its thread then runs on."""
    try:
        return within(TIMEOUT, function, f"lexicon:{service}")
    except TimeoutError as error:
        raise ApiError(f"the service {service} gave no answer within {TIMEOUT:g} s", hint=RUN_AGAIN) from error


def _explained(error: Exception, options: ServiceOptions, zone: str) -> DkimctlError:
    """Return our error for any exception of the library, without secrets."""
    from dkimctl.providers.limited_http import UnusableAnswer

    if isinstance(error, DkimctlError):
        return error
    service = options.service
    status = getattr(getattr(error, "response", None), "status_code", None)
    said = _QUERY.sub("?…", str(error) or type(error).__name__)
    for secret in options.secrets:
        said = said.replace(secret, "***").replace(quote(secret, safe=""), "***")
    said = printable(said, 200)
    if status in (401, 403) or type(error).__name__ == "AuthenticationError":
        return ApiError(
            f"the service {service} refuses access to the zone {zone}: {said}",
            hint=f"check zone and credentials (LEXICON_{service.upper()}_…; lexicon {service} --help lists them)",
            status=status,
        )
    if isinstance(error, UnusableAnswer):
        return ApiError(f"the service {service} {said}", hint="look for a proxy or a portal on the way to it")
    if isinstance(error, OSError) and status is None:
        return ApiError(f"the service {service} cannot be reached: {_cause(error) or said}", hint=RUN_AGAIN)
    return ApiError(f"the service {service} failed: {said}", hint=RUN_AGAIN, status=status)


def _cause(error: BaseException) -> str:
    """Return the operating system's message at the root of a chain of exceptions, such as `connection refused`."""
    words = ""
    cause: BaseException | None = error
    while cause is not None:
        words = (cause.strerror or words) if isinstance(cause, OSError) else words
        cause = cause.__cause__ or cause.__context__
    return words.lower()

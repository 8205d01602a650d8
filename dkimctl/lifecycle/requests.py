"""Which keys are wanted: from arguments or from a file, every name checked before the first key is made."""

from collections.abc import Iterable, Sequence

from dkimctl.config.settings import Settings
from dkimctl.errors import ConfigError, UsageError
from dkimctl.keys.store import KeyReader
from dkimctl.lifecycle.generation import KeyRequest
from dkimctl.names import SLOTS, domain_name, owner_name, printable, selector_name


def requests_for(domains: Iterable[str], selector: str, *, any_selector: bool) -> list[KeyRequest]:
    """Return one request for each domain, without repeats. Raises UsageError for a malformed name."""
    checked = selector_name(selector)
    return list(dict.fromkeys(_request(domain_name(name), checked, any_selector) for name in domains))


def requests_from_lines(lines: Iterable[str], source: str, selector: str, *, any_selector: bool) -> list[KeyRequest]:
    """Return one request for each line `domain` or `domain selector`; empty lines and `#` comments are passed over.

    Raises ConfigError with every malformed line.
    """
    found: dict[KeyRequest, None] = {}
    problems: list[str] = []
    for number, line in enumerate(lines, 1):
        words = line.partition("#")[0].split()
        if not words:
            continue
        try:
            found[_from_words(words, selector, any_selector)] = None
        except UsageError as error:
            problems.append(f"{source} line {number}: {error.message}")
    if problems:
        raise ConfigError(
            f"{source}: {len(problems)} line{'s' if len(problems) > 1 else ''} cannot be used; no key was made",
            hint="a line is `domain` or `domain selector`",
            problems=problems,
        )
    return list(found)


def in_slots(requests: Iterable[KeyRequest], settings: Settings, store: KeyReader) -> list[KeyRequest]:
    """Return the requests, with a free slot as the selector of each delegated domain without a named one."""
    return [
        request._replace(selector=_slot(request.domain, store), in_slot=True)
        if request.any_selector and settings.domain(request.domain).delegate
        else request
        for request in requests
    ]


def _slot(domain: str, store: KeyReader) -> str:
    """Return the first slot without a key; when all have one, the first, which `create` then refuses to overwrite."""
    taken = {key.selector for key in store.keys(domain)}
    return next((slot for slot in SLOTS if slot not in taken), SLOTS[0])


def _from_words(words: Sequence[str], selector: str, any_selector: bool) -> KeyRequest:
    if len(words) > 2:
        raise UsageError(f"more than two words: {printable(' '.join(words))}")
    if len(words) == 2:
        return _request(domain_name(words[0]), selector_name(words[1]), any_selector=False)
    return _request(domain_name(words[0]), selector_name(selector), any_selector)


def _request(domain: str, selector: str, any_selector: bool) -> KeyRequest:
    owner_name(selector, domain)  # refuses a name that DNS could not hold
    return KeyRequest(domain, selector, any_selector)

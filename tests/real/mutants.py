"""Workers with a mistake: the judge of the history test must catch each."""

from dataclasses import replace

from dkimctl.fleet import on_relays
from dkimctl.keys.store import Key
from dkimctl.lifecycle import retiring, succession
from dkimctl.lifecycle.effects import Effects
from dkimctl.names import owner_name
from dkimctl.providers.base import Replace


def _switches_too_early() -> None:
    succession._missing = lambda key: []
    succession._is_ready = lambda *_: True
    succession._is_wanted = lambda *_: True
    on_relays._LACKING = "SELECT '' WHERE %s <> 0 AND %s = %s AND false"


def _removes_too_early() -> None:
    retiring._is_mail_through = lambda *_: True


def _uses_a_selector_again() -> None:
    note_written = Effects._note_written

    def publish_in_place(effects: Effects, key: Key) -> None:
        note_written(effects, key)
        account, domain = effects._provider(key.domain), key.domain
        old, new = (owner_name(one.selector, domain) for one in (effects.store.keys(domain)[0], key))
        found = account.find(domain, [old, new])
        account.apply(domain, [Replace(found[old][0], replace(found[old][0], text=found[new][0].text))])
        account.activate(domain)

    Effects._note_written = publish_in_place  # type: ignore[method-assign, assignment]


MUTANTS = {
    "switches too early": (_switches_too_early, "became active before"),
    "removes too early": (_removes_too_early, "does not verify"),
    "uses a selector again": (_uses_a_selector_again, " keys"),
}
"""Each with words of what the judge says of it."""


def apply(name: str) -> None:
    """Make this mistake from now on."""
    if name:
        MUTANTS[name][0]()

"""What the shell is offered for an argument or an option: domains, selectors, providers, codes of findings."""

from itertools import islice
from typing import TYPE_CHECKING

import click

from dkimctl.cli.app import App

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

_MOST = 500
"""Domains whose keys are read for their selectors where none is on the line yet: an answer takes a moment at most."""
_PROVIDERS = {
    "ovh": "the API of OVH",
    "rfc2136:": "rfc2136:HOST, dynamic updates of a name server",
    "lexicon:": "lexicon:NAME, a service of dns-lexicon",
    "zonefile:": "zonefile:PATH, a zone file on this machine",
    "manual": "prints what to enter by hand",
}


def _app(context: click.Context) -> App:
    """Return the App of the line that is being typed."""
    app = App()
    app.root, app.config_file = context.params.get("root"), context.params.get("config_file")
    return app


def complete_domains(context: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
    """Return the managed domains; none where they cannot be read."""
    from dkimctl.errors import DkimctlError

    try:
        return [name for name in _app(context).store.domains() if name.startswith(incomplete)]
    except DkimctlError:
        return []


def complete_selectors(context: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
    """Return the selectors of the domains on the line, or of all; none where they cannot be read."""
    from dkimctl.errors import DkimctlError

    try:
        store = _app(context).store
        named = context.params.get("domains") or context.params.get("domain") or ()
        domains = [named] if isinstance(named, str) else named or islice(store.domains(), _MOST)
        found = {key.selector for domain in domains for key in store.keys(domain)}
    except DkimctlError:
        return []
    return sorted(name for name in found if name.startswith(incomplete))


def complete_providers(_: click.Context, __: click.Parameter, incomplete: str) -> "list[CompletionItem]":
    """Return the providers, each in the form in which it is written, those of other packages included."""
    from click.shell_completion import CompletionItem

    from dkimctl.providers.registry import provider_names

    known = dict(_PROVIDERS)
    for name in provider_names():
        if f"{name}:" not in known:
            known.setdefault(name, "a provider of another package")
    return [CompletionItem(form, help=text) for form, text in known.items() if form.startswith(incomplete)]


def complete_codes(incomplete: str) -> "list[CompletionItem]":
    """Return the codes of findings, each with its title."""
    from click.shell_completion import CompletionItem

    from dkimctl.catalogue import CATALOGUE

    wanted = incomplete.upper()
    return [CompletionItem(code, help=entry.title) for code, entry in CATALOGUE.items() if code.startswith(wanted)]

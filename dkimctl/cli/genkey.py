"""`dkimctl genkey`: key pairs with the right owner and modes, with the options of opendkim-genkey."""

import sys
from typing import TYPE_CHECKING, Any

import click

from dkimctl.cli.app import App
from dkimctl.cli.domains import domains_argument
from dkimctl.cli.frame import command as make_command
from dkimctl.cli.layout import DIRECTORY, FILE

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dkimctl.files import Owner
    from dkimctl.keys.ahead import Ahead, Make
    from dkimctl.keys.store import KeyStore
    from dkimctl.lifecycle.generation import GenerationOutcome, KeyRequest


@make_command(
    "genkey",
    example="sudo dkimctl genkey example.com\n"
    "sudo dkimctl genkey -s mail -r --if-missing example.com example.org\n"
    "sudo dkimctl genkey --from-file domains.txt --jobs 4",
    public=True,
)
@domains_argument()
@click.option("-d", "--domain", "more_domains", multiple=True, metavar="DOMAIN", help="Same as the argument.")
@click.option("-s", "--selector", metavar="NAME", help="Selector; default from the configured pattern, dk%Y%m.")
@click.option("-b", "--bits", type=int, metavar="N", help="Size of an RSA key: 2048 (default), 3072 or 4096.")
@click.option("--algorithm", type=click.Choice(["rsa", "ed25519"]), help="Kind of key (default rsa).")
@click.option(
    "-D",
    "--directory",
    type=DIRECTORY,
    help="Write keys below DIR; one domain flat, like opendkim-genkey.",
)
@click.option("-r", "--restrict", "email_only", is_flag=True, help="The key is for e-mail only (s=email).")
@click.option(
    "-S/", "--nosubdomains/--subdomains", "strict", help="Forbid use of the key by sub-domains (t=s); default: allow."
)
@click.option("-t", "--testmode", "testing", is_flag=True, help="Tell verifiers that DKIM is being tested (t=y).")
@click.option("-n", "--note", default="", metavar="TEXT", help="A note in the record for people (n=).")
@click.option("-a", "--append-domain", is_flag=True, help="Write the full owner name in the .txt file.")
@click.option("--hash-algorithms", default="sha256", metavar="LIST", help="Hashes (h=; default sha256).")
@click.option("--owner", metavar="USER:GROUP", help="Owner of the files (as root: opendkim:opendkim).")
@click.option("--from-file", type=FILE, help="Read lines `domain` or `domain selector`; - is stdin.")
@click.option("--jobs", type=click.IntRange(1, 64), metavar="N", help="Keys made in parallel (default: two per core).")
@click.option("--if-missing", is_flag=True, help="Keep an existing key.")
@click.option("--allow-weak", is_flag=True, help="Allow RSA keys of 1024 to 2047 bits.")
def command(
    app: App,
    domains: tuple[str, ...],
    more_domains: tuple[str, ...],
    selector: str | None,
    from_file: str | None,
    directory: str | None,
    algorithm: str | None,
    bits: int | None,
    allow_weak: bool,
    append_domain: bool,
    owner: str | None,
    jobs: int | None,
    if_missing: bool,
    **tags: Any,
) -> int:
    """Make a key pair for each DOMAIN.

    Each domain gets a directory (0700) with the private key (0600), its record and its metadata, owned by
    the daemon's user. A private key is never overwritten.
    """
    from dkimctl.keys.ahead import Ahead

    # the search for primes runs while the imports below do, and takes most of the time of one key
    usual = algorithm in (None, "rsa") and bits in (None, Ahead.bits)
    ahead = Ahead() if usual and not if_missing else None
    make = _generator(app, algorithm, bits, ahead, allow_weak=allow_weak)
    from pathlib import Path

    from dkimctl.lifecycle.generation import KeyStyle, generate_flat, generate_keys, key_owner, tags_for

    style = KeyStyle(make, tags_for(**tags), append_domain)
    requests = _requests(app, (*domains, *more_domains), selector, from_file)
    choice = key_owner(app.settings, owner)
    if choice.warning:
        app.terminal.warning(choice.warning, choice.hint)
    now = app.clock.now()
    if directory and len(requests) == 1:
        made = generate_flat(requests[0], style, Path(directory), choice.owner, if_missing=if_missing)
        return _show(app, [made])
    store = _store(app, directory, choice.owner)
    workers = min(jobs or _usual_jobs(), len(requests))
    outcomes = generate_keys(requests, style, store, now=now, if_missing=if_missing, jobs=workers)
    return _show(app, outcomes, len(requests))


def _generator(app: App, algorithm: str | None, bits: int | None, ahead: "Ahead | None", *, allow_weak: bool) -> "Make":
    from dkimctl.keys.ahead import generator
    from dkimctl.keys.pair import Algorithm, check_size

    kind = Algorithm(algorithm or app.settings.keys.algorithm)
    size = app.settings.keys.bits if bits is None else bits
    check_size(kind, size, allow_weak=allow_weak)
    return generator(kind, size, ahead)


def _requests(app: App, names: tuple[str, ...], selector: str | None, from_file: str | None) -> "list[KeyRequest]":
    from dkimctl.errors import UsageError
    from dkimctl.lifecycle.requests import in_slots, requests_for, requests_from_lines
    from dkimctl.names import selector_from_template

    chosen = selector or selector_from_template(app.settings.keys.selector, app.clock.now())
    requests = requests_for(names, chosen, any_selector=selector is None)
    if from_file:
        lines = _lines(from_file)
        requests += requests_from_lines(lines, from_file, chosen, any_selector=selector is None)
    if not requests:
        raise UsageError("no domain given", hint="name one: dkimctl genkey example.com")
    return in_slots(dict.fromkeys(requests), app.settings, app.life_store)


def _lines(file: str) -> list[str]:
    from dkimctl.errors import disk_errors
    from dkimctl.files import read_named

    if file != "-":
        return read_named(file, hint="check the name after --from-file").decode("utf-8", "replace").splitlines()
    with disk_errors("read stdin"):
        return sys.stdin.read().splitlines()


def _store(app: App, directory: str | None, owner: "Owner") -> "KeyStore":
    if not directory:
        return app.life_store_of(owner)
    from pathlib import Path

    from dkimctl.keys.directory import KeyDirectory

    return KeyDirectory(Path(directory), owner=owner)


def _usual_jobs() -> int:
    import os

    return 2 * len(os.sched_getaffinity(0))  # while one writes, another searches for primes


def _show(app: App, outcomes: "Iterable[GenerationOutcome]", total: int = 1) -> int:
    from dkimctl.output.generation import show_outcomes

    return show_outcomes(outcomes, app.terminal, total)

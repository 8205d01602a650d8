"""The settings of main.cf that bring mail to the signer."""

from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path

from dkimctl.config.settings import Settings
from dkimctl.errors import ConfigError, shell_word
from dkimctl.opendkim.sockets import MilterSocket
from dkimctl.postfix import postconf
from dkimctl.postfix.actions import known_actions
from dkimctl.postfix.milters import milter_socket, names_opendkim, postfix_spelling, split_milters, with_milter_last
from dkimctl.signers.rendered import Notice

LISTS = ("smtpd_milters", "non_smtpd_milters")
_READ = (*LISTS, "milter_default_action", "mail_version", "queue_directory")
_ALSO_SMTPD = "$smtpd_milters"


def postfix_settings(
    settings: Settings, sockets: tuple[MilterSocket, ...]
) -> tuple[dict[str, str], tuple[Notice, ...]]:
    """The settings and what is to be said about them; none where Postfix is not configured.

    `sockets`: where the signer will listen, then where it, or one that gives its place up, listened so far. Other
    milters stay and ours is put last, after those that may change the mail. Raises Unavailable when postconf
    fails, ConfigError for an action that this Postfix does not know.
    """
    directory = settings.at(settings.paths.postfix_directory)
    if not postconf.is_configured(directory):
        hint = "install and configure Postfix, then run this command again"
        return {}, (Notice(f"no Postfix is configured in {directory}, so only the signer is set up", hint),)
    now = postconf.read_settings(directory, _READ)
    action = _action(settings.signing.milter_default_action, now)
    queue = now["queue_directory"]
    ours = postfix_spelling(sockets[0], queue)

    @cache
    def macro(name: str) -> str:
        return postconf.expand(directory, name)

    def is_ours(milter: str) -> bool:
        return names_opendkim(milter, queue, sockets)

    wanted = {
        "smtpd_milters": with_milter_last(now["smtpd_milters"], ours, is_ours, macro),
        "non_smtpd_milters": _local_milters(now["non_smtpd_milters"], ours, is_ours),
        "milter_default_action": action,
    }
    return wanted, (
        *_policy(now["milter_default_action"], action, settings.signing.signer),
        *_unreachable(sockets[0], queue),
        *_overridden(directory, ours, queue),
    )


def _action(wanted: str, now: Mapping[str, str]) -> str:
    """Return the action to set. A `shutdown` stays where mail is to wait: with it, mail waits as well.

    It is the default of newer versions of Postfix, and ends the connection, so that a client that keeps one open for
    long meets the signer again once it is up (postconf(5)).
    """
    known = known_actions(now["mail_version"])
    if wanted not in known:  # every mail would get a 451 while the signer is down
        raise ConfigError(
            f"Postfix {now['mail_version']} does not know milter_default_action = {wanted}",
            hint="with tempfail mail waits as well: --milter-default-action tempfail",
        )
    stays = wanted == "tempfail" and now["milter_default_action"] == "shutdown" and "shutdown" in known
    return "shutdown" if stays else wanted


def _policy(now: str, wanted: str, signer: str) -> Iterator[Notice]:
    if now != wanted and wanted == "tempfail":
        yield Notice(
            f"milter_default_action: {now} becomes tempfail; while {signer} is down mail waits, none leaves unsigned",
            f"to keep it: --milter-default-action {now}",
        )
    if wanted == "accept":
        yield Notice(
            f"milter_default_action = accept: while {signer} is down mail leaves unsigned, and nothing reports it",
            "tempfail lets it wait in the sender's queue instead",
        )


def _local_milters(existing: str, ours: str, is_ours: Callable[[str], bool]) -> str:
    """Mail from sendmail(1) and cron: the same milters as mail from SMTP, unless it has milters of its own."""
    milters = split_milters(existing)
    others = [m for m in milters if not is_ours(m)]
    if not others:
        return _ALSO_SMTPD
    if any(m.strip("${}()") == "smtpd_milters" for m in others):
        return existing if others == list(milters) else ", ".join(others)
    return with_milter_last(existing, ours, is_ours)


def _unreachable(socket: MilterSocket, queue: str) -> Iterator[Notice]:
    if socket.is_unix and not socket.path.startswith(queue.rstrip("/") + "/"):
        yield Notice(
            f"{socket.path} lies outside {queue}, where a chrooted smtpd cannot reach it (Debian's is chrooted)",
            f"keep the default socket, or choose another below {queue}",
        )


def _overridden(directory: Path, ours: str, queue: str) -> Iterator[Notice]:
    wanted = milter_socket(ours, queue)
    for override in postconf.service_overrides(directory, LISTS):
        if not any(milter_socket(m, queue) == wanted for m in split_milters(override.value)):
            yield Notice(
                f"master.cf overrides {override.name} for {override.service}, so mail that arrives there is not signed",
                f"if that is not meant: postconf -c {shell_word(directory)} -PX "
                f"{shell_word(f'{override.service}/{override.name}')}",
            )

"""Whether opendkim signs for a client at all: peers, exempt domains, internal hosts, logins and daemon names."""

from dkimctl.host.daemonnames import listed_names, names_sent, signing_macro
from dkimctl.host.installation import where
from dkimctl.host.internal_hosts import HostList
from dkimctl.host.sent_macros import is_ever_sent
from dkimctl.host.world import World
from dkimctl.opendkim.conf import Setting
from dkimctl.why.answer import Decided, Mail, MailOutcome, WhyStep
from dkimctl.why.on_settings import verified


def check_peer(world: World, mail: Mail) -> None:
    """Raise Decided for a client whose mail is ignored."""
    peers = world.data_sets.get("PeerList")
    fit = HostList(peers).fit(mail.client, mail.name) if peers else None
    if peers and fit and not fit.negated:
        raise Decided(
            MailOutcome.UNSIGNED,
            f"{mail.client} is in PeerList ({peers.at(fit.row)}): its mail is neither signed nor verified",
        )


def check_exempt(world: World, domain: str) -> None:
    """Raise Decided for a domain whose mail is ignored."""
    exempt = world.data_sets.get("ExemptDomains")
    row = next((r for r in exempt.rows if r.key.lower() == domain.lower()), None) if exempt else None
    if exempt and row:
        raise Decided(MailOutcome.UNSIGNED, f"{domain} is in ExemptDomains ({exempt.at(row)})")


def origin(world: World, mail: Mail, steps: list[WhyStep]) -> str:
    """Decide whether the client is internal or authenticated; return what could not be decided, if anything.

    Raises Decided when it is neither.
    """
    hosts = world.internal_hosts
    fit = HostList(hosts).fit(mail.client, mail.name)
    if fit and not fit.negated:
        steps.append(WhyStep("client", f"{mail.client} is internal: {hosts.at(fit.row)}: {fit.row.key}"))
    elif mail.login:
        steps.append(WhyStep("client", f"authenticated as {mail.login}: signed from any address"))
    elif setting := _listed_everywhere(world):
        names = ", ".join(dict.fromkeys(name for _, name in names_sent(world.postfix)))
        what = f"{names}, the daemon name" if setting == "MTA" else "a macro"
        steps.append(WhyStep("client", f"{setting} lists {what} that every service of Postfix sends"))
    elif (macros := _doubtful_macros(world) or _doubtful_mta(world)) is not None:
        steps.append(WhyStep("client", f"{mail.client} is not internal, not authenticated"))
        return f"{where(macros)}: {macros.name} {macros.value}: {_by_macro(world)}"
    elif fit:
        raise verified(world, f"{mail.client} is excluded by {hosts.at(fit.row)}: {fit.row.key}{_no_name(world)}")
    else:
        listed = hosts.place if hosts.kind in ("file", "refile") else f"{where(hosts.setting)}: {hosts.place}"
        reason = f"{mail.client} is not internal (nothing in {listed} fits), not authenticated{_no_name(world)}"
        raise verified(world, reason)
    return ""


def _listed_everywhere(world: World) -> str:
    """Return the setting that lists a macro which every service of Postfix sends; empty for none."""
    found = [signing_macro(world, i, service) for i in world.postfix for service in i.services_of("smtpd")]
    return found[0] if found and all(found) else ""


def _doubtful_macros(world: World) -> Setting | None:
    """Return the setting MacroList where a macro that Postfix sends may decide."""
    macros = world.data_sets.get("MacroList")
    rows = macros.rows if macros and macros.is_known else ()
    is_dead = bool(rows) and not any(is_ever_sent(row, world) for row in rows)
    return None if is_dead else world.opendkim.find("MacroList")


def _doubtful_mta(world: World) -> Setting | None:
    """Return the setting MTA where it depends on the service whether mail is signed, or Postfix is not known."""
    sent = {name for _, name in names_sent(world.postfix)}
    return world.opendkim.find("MTA") if not sent or sent & listed_names(world) else None


def _no_name(world: World) -> str:
    """Return that MTA helps no mail; empty without MTA."""
    setting = world.opendkim.find("MTA")
    sent = ", ".join(dict.fromkeys(name for _, name in names_sent(world.postfix)))
    return f"; Postfix sends the daemon name {sent}, which MTA ({where(setting)}) does not list" if setting else ""


def _by_macro(world: World) -> str:
    """Return the decision about services by the daemon name that Postfix sends (`MTA`)."""
    listed = listed_names(world)
    signed = [place for place, name in names_sent(world.postfix) if name in listed]
    if signed:
        return f"it is signed when it comes in by {', '.join(signed)}, whose milter_macro_daemon_name is listed"
    return "whether it is signed depends on the macros of the service that takes it, such as milter_macro_daemon_name"

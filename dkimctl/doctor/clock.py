"""Check of the system clock: some verifiers refuse a signature dated in the future."""

import os
from collections.abc import Iterator
from dataclasses import replace

from dkimctl.catalogue import machine as c
from dkimctl.clock import SYSTEM_CLOCK
from dkimctl.doctor.base import Diagnosis, diagnosis
from dkimctl.errors import ConfigError, DkimctlError, Unavailable
from dkimctl.host.clockstate import ClockState, ahead_of, read_clock_state
from dkimctl.host.world import World
from dkimctl.programs import has_systemd
from dkimctl.providers.ovh.credentials import DEFAULT_ENDPOINT, find_credentials
from dkimctl.providers.ovh.endpoint import is_url, loopback_url, web_host

TOLERATED = 5.0
"""Seconds that receivers tolerate; the Date of an answer is cut to the second."""


def check_clock(world: World) -> Iterator[Diagnosis]:
    """Check the clock without asking another host."""
    if world.is_live:
        yield from judge_clock(read_clock_state())


def check_clock_with_api(world: World) -> Iterator[Diagnosis]:
    """Check the clock against that of OVH's API, where it is used. Makes one HTTP request."""
    if not world.is_live:
        return
    state = read_clock_state()
    try:
        url = time_url(world)
        if url:
            state = replace(state, remote=ahead_of(url, SYSTEM_CLOCK), remote_name=url)
    except (Unavailable, ConfigError) as error:
        yield diagnosis(c.CLOCK_UNKNOWN, "the OVH API's clock", error.message, error.hint)
    yield from judge_clock(state)


def time_url(world: World) -> str:
    """Return the URL of the OVH API's time; empty when OVH is neither configured nor has a credential here.

    Raises ConfigError.
    """
    settings = world.settings
    options = settings.providers.get("ovh", {})
    is_named = "ovh" in (settings.provider, *(domain.provider for domain in settings.domains.values()))
    endpoint = str(os.environ.get("OVH_ENDPOINT") or options.get("endpoint") or "")
    try:
        found = find_credentials(options, settings, os.environ)
    except DkimctlError:
        found = None  # `ovh whoami` reports what is wrong with it
    if not (is_named or found):
        return ""
    endpoint = endpoint or (found.endpoint if found else DEFAULT_ENDPOINT)
    base = loopback_url(endpoint).removesuffix("/1.0") if is_url(endpoint) else f"https://{web_host(endpoint)}"
    return f"{base}/1.0/auth/time"


def judge_clock(state: ClockState) -> Iterator[Diagnosis]:
    """Yield the findings for a state of the clock."""
    offset, source = state.remote, state.remote_name
    fix = None if has_systemd() else "apt-get install chrony"
    if offset is None and state.chrony is not None:
        offset, source = state.chrony, "chrony"
    if offset is not None and abs(offset) > TOLERATED:
        direction = "fast" if offset > 0 else "slow"
        yield diagnosis(c.CLOCK_WRONG, "clock", f"{abs(offset):.0f} seconds {direction}, compared with {source}", fix)
    elif state.kernel is None and not state.is_synchronised:
        if offset is None:  # a container's clock is its host's: the comparison is all that can be checked there
            seen = "adjtimex(2) is not allowed here, and neither chrony nor timesyncd runs"
            yield diagnosis(c.CLOCK_UNKNOWN, "clock", seen)
    elif not state.is_synchronised:
        agrees = f"; it agrees with {source} within {TOLERATED:.0f} seconds" if offset is not None else ""
        seen = f"adjtimex(2) says unsynchronised, no chrony or timesyncd{agrees}"
        yield diagnosis(c.UNSYNCHRONISED, "clock", seen, fix)

"""Which key signs for which domain, and what is said about the rest."""

from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import pytest

from dkimctl.config.settings import DomainSettings, Settings
from dkimctl.errors import UsageError
from dkimctl.keys.metadata import Phase
from tests.rendering import manage, rendering_for, said, settings_for, text_of

SIGNING_TABLE = "/etc/opendkim/SigningTable"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """An empty tree."""
    return settings_for(tmp_path)


def signers(settings: Settings) -> dict[str, str]:
    """Domain → selector of the key that signs."""
    return {key.domain: key.selector for key in rendering_for(settings).keys}


def test_the_active_key_signs_whatever_else_there_is(settings: Settings) -> None:
    """A newer key that is still waiting, or an older one that is retiring, never takes over by itself."""
    manage(settings, "example.com", selector="old", phase=Phase.RETIRING)
    manage(settings, "example.com", selector="now", phase=Phase.ACTIVE)
    manage(settings, "example.com", selector="zz-next", phase=Phase.VERIFIED)
    assert signers(settings) == {"example.com": "now"}
    assert said(rendering_for(settings)).count("DNS") == 0


@pytest.mark.parametrize("phase", [Phase.GENERATED, Phase.PUBLISHED])
def test_a_key_that_dns_was_not_seen_to_serve_is_told(settings: Settings, phase: Phase) -> None:
    """It signs while nothing better is there, with the command that proves it."""
    manage(settings, "example.com", phase=phase)
    assert signers(settings) == {"example.com": "mail"}
    assert "DNS has not been seen to serve the key of example.com yet" in said(rendering_for(settings))
    assert "dkimctl publish example.com --provider ovh" in said(rendering_for(settings))


def test_a_domain_whose_keys_are_all_going_is_told(settings: Settings) -> None:
    """A retiring key signs no more; that nobody signs is said, with the command for a new key."""
    manage(settings, "example.com")
    manage(settings, "example.org", phase=Phase.RETIRING)
    assert signers(settings) == {"example.com": "mail"}
    assert "no key signs for example.org" in said(rendering_for(settings))


def test_without_any_key_there_is_nothing_to_render(settings: Settings) -> None:
    """An empty key directory (or one that is not mounted) never empties the tables."""
    with pytest.raises(UsageError, match="no managed domain") as caught:
        rendering_for(settings)
    assert "dkimctl genkey" in caught.value.hint


def test_a_configured_domain_without_a_key_is_told(settings: Settings) -> None:
    """A `[domains]` table alone signs nothing: the missing key is named."""
    manage(settings, "example.com")
    domains = MappingProxyType({"example.org": DomainSettings()})
    assert "no key yet for example.org" in said(rendering_for(replace(settings, domains=domains)))


def test_one_opendkim_signs_with_one_algorithm(settings: Settings) -> None:
    """Beside RSA keys an Ed25519 key would make opendkim defer the mail: it is left out, and that is said."""
    manage(settings, "both.example", selector="ed", algorithm="ed25519")
    manage(settings, "both.example", selector="rsa")
    manage(settings, "only.example", selector="ed", algorithm="ed25519")
    rendering = rendering_for(settings)
    assert {key.domain: key.selector for key in rendering.keys} == {"both.example": "rsa"}
    assert "SignatureAlgorithm  rsa-sha256" in text_of(rendering, "/etc/opendkim.conf")
    assert "mail stays unsigned for only.example" in said(rendering)
    assert "the Ed25519 key is not used for both.example" in said(rendering)


def test_ed25519_alone_is_rendered_as_such(settings: Settings) -> None:
    """With Ed25519 keys only the daemon is told so; that many receivers cannot verify it is said."""
    manage(settings, "example.com", algorithm="ed25519")
    rendering = rendering_for(settings)
    assert "SignatureAlgorithm  ed25519-sha256" in text_of(rendering, "/etc/opendkim.conf")
    assert "many receivers cannot verify" in said(rendering)


def test_a_working_ed25519_key_is_not_given_up_for_an_unproven_rsa_key(settings: Settings) -> None:
    """No transition leaves a domain without a working key: the RSA key signs once it is active."""
    manage(settings, "example.com", selector="ed", algorithm="ed25519")
    manage(settings, "example.com", selector="rsa", phase=Phase.GENERATED)
    assert signers(settings) == {"example.com": "ed"}


def test_subdomains_follow_the_option_the_domain_and_the_key(settings: Settings) -> None:
    """`--no-subdomains`, `subdomains` of a domain's table, and `t=s` in the key's record (RFC 6376 §3.6.1)."""
    manage(settings, "example.com", "example.org")
    manage(settings, "strict.example", flags="s")
    own = replace(settings, domains=MappingProxyType({"example.org": DomainSettings(subdomains=False)}))
    assert table_keys(own) == ["example.com", ".example.com", "example.org", "strict.example"]
    none = replace(settings, signing=settings.signing._replace(subdomains=False))
    assert table_keys(none) == ["example.com", "example.org", "strict.example"]


def table_keys(settings: Settings) -> list[str]:
    """The first column of the rendered SigningTable."""
    lines = text_of(rendering_for(settings), SIGNING_TABLE).splitlines()
    return [line.split()[0] for line in lines if not line.startswith("#")]


def test_names_that_opendkim_cannot_take_are_left_out(settings: Settings) -> None:
    """A directory with capitals or Unicode in its name would break a table or the daemon: it is left out."""
    manage(settings, "example.com")
    for name in ("bücher.example", "büro.example", "Upper.example", "OTHER.example"):
        place = settings.key_directory / name
        place.mkdir()
        for file in (settings.key_directory / "example.com").iterdir():
            (place / file.name).write_bytes(file.read_bytes())
    assert signers(settings) == {"example.com": "mail"}
    assert "opendkim cannot take their names" in said(rendering_for(settings))
    assert "and 1 more" in said(rendering_for(settings))

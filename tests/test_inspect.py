"""inspect: every code of a finding is explained from the one catalogue."""

from dkimctl.host.catalogue import CATALOGUE as OF_HOSTS
from dkimctl.verify.catalogue import CATALOGUE as OF_RECORDS
from tests.conftest import Dkimctl


def test_every_code_is_explained(dkimctl_inside: Dkimctl) -> None:
    """Each code alone, in any case, and all together, within 80 columns; and as JSON."""
    everything = dkimctl_inside("inspect")
    assert everything.code == 0
    assert max(map(len, everything.out.splitlines())) <= 80
    for code, entry in (OF_RECORDS | OF_HOSTS).items():
        assert f"{code}  {entry.title}" in everything.out.replace("\n  ", " ")
    run = dkimctl_inside("inspect", "dkim203")
    assert run.out.startswith("DKIM203  the key record is truncated (error)")
    assert "OVH" in run.out
    assert dkimctl_inside("inspect", "DKIM203", "--json").json["findings"][0]["code"] == "DKIM203"


def test_an_unknown_code_is_refused(dkimctl_inside: Dkimctl) -> None:
    """A code that does not exist is a usage error with a way out."""
    run = dkimctl_inside("inspect", "DKIM999")
    assert run.code == 2
    assert "dkimctl inspect" in run.err

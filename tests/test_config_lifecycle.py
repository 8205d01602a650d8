"""`[lifecycle]`: durations, hours and days, the rules of one domain, and rules that cannot work."""

from pathlib import Path

import pytest

from dkimctl.config.settings import Lifecycle, Settings
from dkimctl.errors import ConfigError
from dkimctl.lifecycle.policy import DAY, HOUR, Policy, in_window, jitter, policy_for, window_opens
from dkimctl.signers.desired import desired
from tests.rendering import manage, store_for
from tests.test_config import load

MONDAY = 4 * DAY
"""1970-01-05 00:00 UTC."""


def problem_of(tmp_path: Path, text: str) -> str:
    """The one mistake that is reported."""
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, text)
    (line,) = caught.value.problems
    assert line.startswith(str(tmp_path / "dkimctl.toml"))
    return line


def test_defaults_are_those_of_the_core() -> None:
    """What an empty file gives and what the pure core takes for granted are the same."""
    policy = policy_for(Settings(), "example.com")
    own = Policy(rotate_after=jitter("example.com", Policy().rotate_after), overdue_spread=policy.overdue_spread)
    assert policy == own
    assert 0 <= policy.overdue_spread <= 90 * DAY


def test_every_rule_is_read(tmp_path: Path) -> None:
    """Durations have units; what a domain's table leaves out is taken from [lifecycle]."""
    settings = load(
        tmp_path,
        """
        [lifecycle]
        rotate_after = "90d"
        publication_margin = "90m"
        keep_after = "8d"
        revoked_for = "240h"
        private_key_for = "0"
        standby = false
        automation = "until-switch"
        hours = "22:00-02:30"
        days = ["sun", "mon"]
        canary = false
        most_new_keys = 7
        signature_ttl = "172800s"
        publish_retired = "/var/www/keys"
        [domains."example.com"]
        rotate_after = "30d"
        standby = true
        publish_retired = "off"
        [domains."example.net"]
        selector = "mail"
        """,
    )
    common = settings.lifecycle
    assert common == Lifecycle(
        *(90 * DAY, 90 * 60, 8 * DAY, 10 * DAY, 0, False, "until-switch", (22 * HOUR, 2 * HOUR + 1800), (0, 6)),
        *(False, 7, 2 * DAY, "/var/www/keys"),
    )
    assert settings.lifecycle_for("example.com") == common._replace(
        rotate_after=30 * DAY, standby=True, publish_retired=""
    )
    assert settings.lifecycle_for("example.net") is common


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("rotate_after = 180", 'rotate_after: write the unit: "180d" for days'),
        ("keep_after = 1.5", 'keep_after: write the unit: "1.5d"'),
        ('keep_after = "14"', 'keep_after: must be a duration such as "180d", "12h", "90m" or "30s"'),
        ('keep_after = "two weeks"', "a duration such as"),
        ('revoked_for = "99999d"', "a duration from 0 to"),
        ('automation = "on"', "automation: must be one of full, until-switch, off"),
        ('hours = "2-5"', "hours: two different times such as"),
        ('hours = "25:00-05:00"', "hours: two different times such as"),
        ('hours = "05:00-05:00"', "hours: two different times such as"),
        ('days = ["monday"]', "days: must be a list of mon, tue, wed"),
        ("days = []", "days: must be a list of mon, tue, wed"),
        ("canary = 1", "canary: must be true or false"),
        ("most_new_keys = 0", "most_new_keys: must be a number from 1"),
        ("rotate = 1", "rotate: unknown; known here: automation, canary"),
    ],
)
def test_mistakes_name_the_key(tmp_path: Path, line: str, said: str) -> None:
    """Each mistake is one line with file, table and key."""
    found = problem_of(tmp_path, f"[lifecycle]\n{line}\n")
    assert "[lifecycle]" in found
    assert said in found


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ('[lifecycle]\nrotate_after = "10d"\n', "[lifecycle] rotate_after: 10d is shorter than one rotation takes"),
        (
            '[domains."example.com"]\nkeep_after = "170d"\n',
            '[domains."example.com"] rotate_after: 180d is shorter than one rotation takes',
        ),
        (
            '[domains."customer.example"]\ndelegate = "dkim.example.net"\nrevoked_for = "200d"\n',
            '[domains."customer.example"] rotate_after: 180d is shorter than a slot takes to be free again',
        ),
    ],
)
def test_rules_that_cannot_work(tmp_path: Path, text: str, place: str) -> None:
    """A key that would be replaced before its predecessor is out of the way is a mistake of the file."""
    found = problem_of(tmp_path, text)
    assert place in found
    would_do = found.rsplit("; ", 1)[1].split()[0]
    table, _, rest = text.partition("\n")
    lines = [line for line in rest.splitlines() if not line.startswith("rotate_after")]
    load(tmp_path, "\n".join([table, *lines, f'rotate_after = "{would_do}"']))


def test_rules_count_only_where_something_happens(tmp_path: Path) -> None:
    """With automation off nothing is replaced by itself, so no time is too short."""
    settings = load(tmp_path, '[lifecycle]\nautomation = "off"\nrotate_after = "1d"\n')
    assert (settings.lifecycle.automation, settings.lifecycle.rotate_after) == ("off", DAY)


def test_keys_taken_over_are_not_touched_until_their_domain_says_otherwise(tmp_path: Path) -> None:
    """Another host may sign with them, so `automation` of [lifecycle] does not count for them."""
    settings = load(tmp_path, '[lifecycle]\nautomation = "full"\n[domains."example.com"]\nautomation = "full"\n')
    assert policy_for(settings, "example.com", is_adopted=True).automation == "full"
    assert policy_for(settings, "example.net", is_adopted=True).automation == "off"
    assert policy_for(settings, "example.net").automation == "full"


def test_records_outlive_the_queue(tmp_path: Path) -> None:
    """A short keep_after never ends before mail that Postfix still tries to deliver; its signature may."""
    short = '[lifecycle]\nkeep_after = "1d"\n'
    assert policy_for(load(tmp_path, short), "example.com").keep_after == 7 * DAY
    assert policy_for(load(tmp_path, short), "example.com", queue_lifetime=20 * DAY).keep_after == 22 * DAY
    ending = short + 'signature_ttl = "2d"\n'
    assert policy_for(load(tmp_path, ending), "example.com").keep_after == 2 * DAY + HOUR
    other = ending + '[signing]\nsigner = "rspamd"\n'
    assert policy_for(load(tmp_path, other), "example.com").keep_after == 7 * DAY


def test_window_over_midnight_and_the_end_of_the_week(tmp_path: Path) -> None:
    """The hours belong to the day on which they begin, also from Sunday to Monday."""
    policy = policy_for(load(tmp_path, '[lifecycle]\nhours = "22:00-02:00"\ndays = ["sun", "wed"]\n'), "example.com")
    within = [at for at in range(0, 7 * 24) if in_window(policy, MONDAY + at * HOUR)]
    assert within == [0, 1, 2 * 24 + 22, 2 * 24 + 23, 3 * 24, 3 * 24 + 1, 6 * 24 + 22, 6 * 24 + 23]
    assert window_opens(policy, MONDAY + 2 * HOUR) == MONDAY + 2 * DAY + 22 * HOUR


def test_whole_days_of_the_week(tmp_path: Path) -> None:
    """Days without hours are open from midnight to midnight."""
    policy = policy_for(load(tmp_path, '[lifecycle]\ndays = ["tue"]\n'), "example.com")
    assert policy.window == ((DAY, 2 * DAY),)


def test_signature_ttl_is_rendered(tmp_path: Path) -> None:
    """opendkim is told when its signatures end; a signer that cannot do it says so; nothing is said without it."""
    settings = Settings(root=tmp_path)
    manage(settings, "example.com")
    assert b"SignatureTTL" not in conf_of(settings)
    ending = Settings(root=tmp_path, lifecycle=Lifecycle(signature_ttl=2 * DAY))
    assert b"\nSignatureTTL        172800\n" in conf_of(ending)
    for signer in ("rspamd", "dkimpy-milter"):
        notices = desired(ending.signed_by(signer), store_for(settings)).notices
        assert any("signature_ttl has no effect" in notice.message for notice in notices)


def conf_of(settings: Settings) -> bytes:
    """The opendkim.conf that would be installed."""
    files = desired(settings, store_for(settings)).files
    return b"".join(next(file.content for file in files if file.path == "/etc/opendkim.conf"))

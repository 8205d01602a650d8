"""Every parameter of Postfix and opendkim that decides about signing is read, or named as one that is not."""

import re
import subprocess

from dkimctl.host.postfix import NAMES, NOT_READ
from dkimctl.opendkim.parameters import KNOWN, MAY_REFUSE
from tests.conftest import REPOSITORY, needs

PACKAGE = REPOSITORY / "dkimctl"
DECIDING = re.compile(
    r".*milter.*|content_filter|receive_override_options|smtpd_proxy_filter|smtp_generic_maps|smtp_.*_checks"
    r"|internal_mail_filter_classes|smtpd_(client|helo|sender|recipient|relay)_restrictions|mynetworks"
)
NOT_LOOKED_AT = """
    ATPSDomains ATPSHashAlgorithm AllowSHA1Only AlwaysAddARHeader AuthservID AuthservIDWithJobID Background
    BodyLengthDB BogusKey CaptureUnknownErrors ClockDrift DNSConnect DNSTimeout DiagnosticDirectory Diagnostics
    DisableCryptoInit DomainKeysCompat EnableCoredumps FixCRLF IgnoreMalformedMail KeepAuthResults
    KeepTemporaryFiles LDAPAuthMechanism LDAPAuthName LDAPAuthRealm LDAPAuthUser LDAPBindPassword LDAPBindUser
    LDAPDisableCache LDAPKeepaliveIdle LDAPKeepaliveInterval LDAPKeepaliveProbes LDAPTimeout LDAPUseTLS LogResults
    MTACommand MaximumSignaturesToVerify MaximumSignedBytes MilterDebug Minimum MustBeSigned Nameservers
    NoHeaderB On-BadSignature On-DNSError On-KeyNotFound On-Security QueryCache RedirectFailuresTo RemoveARAll
    RemoveARFrom RemoveOldSignatures ReplaceRules
    ReportAddress ReportBccAddress RequestReports ResolverConfiguration ResolverTracing
    SelectCanonicalizationHeader SendReports SoftStart SoftwareHeader Statistics StatisticsName
    StatisticsPrefix StrictTestMode SyslogFacility SyslogName TemporaryDirectory TestDNSData TestPublicKeys
    TrustAnchorFile TrustSignaturesFrom UnprotectedKey VBR-Certifiers VBR-PurgeFields VBR-TrustedCertifiers
    VBR-TrustedCertifiersOnly VBR-Type WeakSyntaxChecks X-Header
"""
"""Of opendkim: they are about verifying, logging or the form of a signature."""


@needs("postconf")
def test_postfix_parameters() -> None:
    """Postfix's own list of parameters has none about milters, filters or rewriting that nobody thought of."""
    listed = subprocess.run(["postconf", "-d"], capture_output=True, text=True, check=True).stdout
    names = {line.partition(" =")[0] for line in listed.splitlines()}
    deciding = {name for name in names if DECIDING.fullmatch(name)}
    assert deciding - set(NAMES) - set(NOT_READ) == set()
    assert set(NOT_READ) <= names
    assert set(NOT_READ).isdisjoint(NAMES)


def test_opendkim_parameters() -> None:
    """Each parameter that opendkim knows is looked at somewhere, or listed as one that does not decide."""
    rooms = ("host", "doctor", "why", "install", "signers", "adopt", "opendkim")
    code = "".join(
        path.read_text() for room in rooms for path in (PACKAGE / room).rglob("*.py") if path.name != "parameters.py"
    ).lower()
    looked_at = {name for name in KNOWN if f'"{name}"' in code}
    not_looked_at = {name.lower() for name in NOT_LOOKED_AT.split()} | set(MAY_REFUSE)
    assert set(KNOWN) - looked_at == not_looked_at - looked_at
    assert not_looked_at <= set(KNOWN)

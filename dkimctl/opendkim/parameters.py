"""The parameters that opendkim.conf may have (opendkim.conf(5), `opendkim-config.h`), as Debian 12 compiles them."""

from dkimctl.opendkim.conf import Setting


def _names(text: str) -> dict[str, str]:
    """Name in lower case → as the manual page spells it."""
    return {name.lower(): name for name in text.split()}


BOOLEANS = _names(
    """
    AllowSHA1Only AlwaysAddARHeader AuthservIDWithJobID AutoRestart Background CaptureUnknownErrors DNSConnect
    Diagnostics DisableCryptoInit DomainKeysCompat EnableCoredumps FixCRLF IgnoreMalformedMail KeepAuthResults
    KeepTemporaryFiles LDAPDisableCache LDAPUseTLS LogResults LogWhy MultipleSignatures NoHeaderB Quarantine
    QueryCache RemoveARAll RemoveOldSignatures RequestReports RequireSafeKeys RequiredHeaders ResolverTracing
    SendReports SoftStart SoftwareHeader StrictHeaders StrictTestMode SubDomains Syslog SyslogSuccess
    VBR-PurgeFields VBR-TrustedCertifiersOnly WeakSyntaxChecks X-Header
    """
)
"""Read by their first letter: t, y, 1 or f, n, 0."""
NUMBERS = _names(
    """
    AutoRestartCount ClockDrift DNSTimeout MaximumHeaders MaximumSignaturesToVerify MaximumSignedBytes MilterDebug
    MinimumKeyBits SignatureTTL UMask
    """
)
"""Whole numbers in base 0: 0x for hexadecimal, a leading 0 for octal."""
TEXTS = _names(
    """
    ATPSDomains ATPSHashAlgorithm AuthservID AutoRestartRate BaseDirectory BodyLengthDB BogusKey Canonicalization
    ChangeRootDirectory DiagnosticDirectory Domain DontSignMailTo ExemptDomains ExternalIgnoreList
    FinalPolicyScript InternalHosts KeyFile KeyTable LDAPAuthMechanism LDAPAuthName LDAPAuthRealm LDAPAuthUser
    LDAPBindPassword LDAPBindUser LDAPKeepaliveIdle LDAPKeepaliveInterval LDAPKeepaliveProbes LDAPTimeout MTA
    MTACommand MacroList Minimum Mode MustBeSigned Nameservers OmitHeaders On-BadSignature On-DNSError On-Default
    On-InternalError On-KeyNotFound On-NoSignature On-Security On-SignatureError OverSignHeaders PeerList PidFile
    RedirectFailuresTo RemoveARFrom ReplaceRules ReportAddress ReportBccAddress ResolverConfiguration
    ScreenPolicyScript SelectCanonicalizationHeader Selector SenderHeaders SenderMacro SetupPolicyScript
    SignHeaders SignatureAlgorithm SigningTable Socket Statistics StatisticsName StatisticsPrefix SyslogFacility
    SyslogName TemporaryDirectory TestDNSData TestPublicKeys TrustAnchorFile TrustSignaturesFrom UnprotectedKey
    UserID VBR-Certifiers VBR-TrustedCertifiers VBR-Type
    """
)
"""Everything else."""
OTHER_BUILDS = _names(
    """
    ConditionalSignatures DefaultSender FlowData FlowDataFactor FlowDataTTL IdentityHeader IdentityHeaderRemove
    LuaOnlySigning On-ReputationError POPDBFile RateLimits ReputationCache ReputationCacheTTL ReputationDuplicates
    ReputationLimitModifiers ReputationLimits ReputationLowTime ReputationMinimum ReputationRRDHashDepth
    ReputationRRDRoot ReputationRatios ReputationSpamCheck ReputationTest ReputationTimeFactor ReputationTimeout
    ReputationVerbose ResignAll ResignMailTo SMTPURI StatisticsPolicyScript CheckSigningTable
    """
)
"""Known to a newer opendkim, or to one compiled with other features."""

MAY_REFUSE = _names("FinalPolicyScript MaximumHeaders RequiredHeaders ScreenPolicyScript SenderMacro StrictHeaders")
"""What can keep a message unsigned, by its content or by a script: named by `why`, and not read."""

KNOWN = {**BOOLEANS, **NUMBERS, **TEXTS, "include": "Include"}
ALGORITHMS = ("rsa-sha1", "rsa-sha256", "ed25519-sha256")


def is_boolean(value: str) -> bool:
    """Return True when the daemon reads it as a Boolean."""
    return value[:1] in tuple("tTyY1fFnN0")


def is_number(value: str) -> bool:
    """Return True when strtol(3) in base 0 reads all of it."""
    digits = value.removeprefix("-").removeprefix("+").lower()
    if digits.startswith("0x"):
        return bool(digits[2:]) and all(c in "0123456789abcdef" for c in digits[2:])
    if len(digits) > 1 and digits.startswith("0"):
        return all(c in "01234567" for c in digits)
    return digits.isdecimal()


def value_problem(setting: Setting) -> str:
    """Return why the daemon does not start with this value; empty when it does."""
    value = setting.value
    if setting.key in BOOLEANS:
        return "" if is_boolean(value) else "must be yes or no"
    if setting.key in NUMBERS:
        return "" if is_number(value) else "must be a whole number; a leading 0 makes it octal"
    if setting.key == "mode" and (not value or set(value) - set("sv")):
        return "must be s, v or sv, in small letters"
    return _word_problem(setting.key, value.lower())


def _word_problem(key: str, value: str) -> str:
    if key == "canonicalization" and any(part not in ("simple", "relaxed") for part in value.split("/")):
        return "must be simple or relaxed, or two of them such as relaxed/simple"
    if key == "signaturealgorithm" and value not in ALGORITHMS:
        return f"must be one of {', '.join(ALGORITHMS)}"
    return ""

"""dkimctl: from nothing to "every mail of my domains is signed and proven to verify".

What Python programs may use is what `__all__` names; everything else may change without notice. Nothing is imported
before it is used, so `import dkimctl` costs nothing.

    import dkimctl

    pair = dkimctl.generate_key(dkimctl.Algorithm.RSA, 2048)
    print(dkimctl.record_for(pair.public, pair.algorithm, dkimctl.Tags()).text)

    target = dkimctl.Target("mail", "example.com", expected=pair.public)
    for report in dkimctl.check([target], dkimctl.load_settings().lookup):
        print(report.verdict, [finding.code for finding in report.findings])

Every error that it raises on purpose is a `DkimctlError` with a message and a hint.

`api.publish`, `api.install`, `api.selftest` and `api.status` do what the commands of these names do (`install`:
`render-config --install`), with `load_settings()` and any domains. `sandbox.Sandbox` is a DNS account to try it with.
"""

TYPE_CHECKING = False  # `typing` would have to be imported first
if TYPE_CHECKING:
    from dkimctl import api, sandbox
    from dkimctl.config.load import load_settings
    from dkimctl.config.settings import Lookup, Settings
    from dkimctl.errors import (
        ApiError,
        CheckFailed,
        ConfigError,
        DiskError,
        DkimctlError,
        Refused,
        Unavailable,
        UsageError,
    )
    from dkimctl.findings import Finding, Severity
    from dkimctl.install.install import Proven
    from dkimctl.keys.directory import KeyDirectory
    from dkimctl.keys.metadata import Metadata, Phase, Tags
    from dkimctl.keys.pair import Algorithm, KeyPair
    from dkimctl.keys.pair import generate as generate_key
    from dkimctl.keys.pair import load as load_key
    from dkimctl.keys.public import PublicKey
    from dkimctl.keys.store import Key, KeyStore
    from dkimctl.lifecycle.status import Status
    from dkimctl.names import domain_name, owner_name, selector_name
    from dkimctl.providers.base import (
        Capabilities,
        Change,
        Create,
        Delete,
        Provider,
        ProviderRecord,
        ProviderSetup,
        Replace,
    )
    from dkimctl.publish.publication import Choices, Publication, PublishOutcome
    from dkimctl.record.model import KeyRecord, record_for
    from dkimctl.record.parse import RecordFault, UnreadableRecord, parse_record
    from dkimctl.selftest.probing import Selftest
    from dkimctl.verify.check import check
    from dkimctl.verify.polling import await_key
    from dkimctl.verify.report import Report, Target, Verdict
    from dkimctl.version import VERSION as __version__

__all__ = [
    "Algorithm",
    "ApiError",
    "Capabilities",
    "Change",
    "CheckFailed",
    "Choices",
    "ConfigError",
    "Create",
    "Delete",
    "DiskError",
    "DkimctlError",
    "Finding",
    "Key",
    "KeyDirectory",
    "KeyPair",
    "KeyRecord",
    "KeyStore",
    "Lookup",
    "Metadata",
    "Phase",
    "Proven",
    "Provider",
    "ProviderRecord",
    "ProviderSetup",
    "PublicKey",
    "Publication",
    "PublishOutcome",
    "RecordFault",
    "Refused",
    "Replace",
    "Report",
    "Selftest",
    "Settings",
    "Severity",
    "Status",
    "Tags",
    "Target",
    "Unavailable",
    "UnreadableRecord",
    "UsageError",
    "Verdict",
    "__version__",
    "api",
    "await_key",
    "check",
    "domain_name",
    "generate_key",
    "load_key",
    "load_settings",
    "owner_name",
    "parse_record",
    "record_for",
    "sandbox",
    "selector_name",
]

_HOMES = {
    "config.load": "load_settings",
    "config.settings": "Lookup Settings",
    "errors": "ApiError CheckFailed ConfigError DiskError DkimctlError Refused Unavailable UsageError",
    "findings": "Finding Severity",
    "install.install": "Proven",
    "keys.directory": "KeyDirectory",
    "keys.metadata": "Metadata Phase Tags",
    "keys.pair": "Algorithm KeyPair generate_key=generate load_key=load",
    "keys.public": "PublicKey",
    "keys.store": "Key KeyStore",
    "lifecycle.status": "Status",
    "names": "domain_name owner_name selector_name",
    "providers.base": "Capabilities Change Create Delete Provider ProviderRecord ProviderSetup Replace",
    "publish.publication": "Choices Publication PublishOutcome",
    "record.model": "KeyRecord record_for",
    "record.parse": "RecordFault UnreadableRecord parse_record",
    "selftest.probing": "Selftest",
    "verify.check": "check",
    "verify.polling": "await_key",
    "verify.report": "Report Target Verdict",
    "version": "__version__=VERSION",
}
"""Module → what it offers to the public, as `name` or `public name=its own name`."""


def __getattr__(name: str) -> object:
    """Import what is asked for."""
    from importlib import import_module

    if name in ("api", "sandbox"):
        return import_module(f"dkimctl.{name}")
    for module, words in _HOMES.items():
        for word in words.split():
            public, _, own = word.partition("=")
            if public == name:
                value: object = getattr(import_module(f"dkimctl.{module}"), own or public)
                globals()[name] = value
                return value
    raise AttributeError(f"module 'dkimctl' has no attribute {name!r}")


def __dir__() -> list[str]:
    """Return what `dir(dkimctl)` shows."""
    return sorted({*globals(), *__all__})

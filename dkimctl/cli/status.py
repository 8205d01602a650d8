"""`dkimctl status`: every key, how far it has come, and what is next."""

from dkimctl.cli.frame import App, domains_argument, managed_domains
from dkimctl.cli.frame import command as make_command


@make_command("status", example="dkimctl status\ndkimctl status example.com --json")
@domains_argument()
def command(app: App, domains: tuple[str, ...]) -> int:
    """Show how every key stands: phase, kind, provider, age.

    It reads what is remembered beside the keys and asks no name server: verify-dns does. OVH is asked, in one call, how
    long the credential lasts with which keys were published. Exit code: 0 right, 1 a finding is an error, 3 something
    could not be read or asked.
    """
    from dkimctl.errors import UsageError
    from dkimctl.findings import Finding, exit_code
    from dkimctl.lifecycle.credential import credential_findings
    from dkimctl.lifecycle.status import Keyless, KeyStatus, status
    from dkimctl.output.findings import finding_text
    from dkimctl.output.status import next_lines, status_text

    lines = list(status(app.store, managed_domains(app, domains), app.clock))
    keys = [line for line in lines if not isinstance(line, Finding)]
    for line in keys if domains else ():
        if isinstance(line, Keyless) and line.domain not in app.settings.domains:
            raise UsageError(f"{line.domain} has no key", hint=f"make one: {line.next}")
    found = [line for line in lines if isinstance(line, Finding)]
    found += credential_findings(app.settings, app.store, app.clock)
    app.terminal.result(status_text(keys) + "".join(map(finding_text, found)))
    for text in next_lines(keys):
        app.terminal.note(text)
    app.terminal.document(
        "status",
        {
            "keys": [line for line in keys if isinstance(line, KeyStatus)],
            "keyless": [line for line in keys if isinstance(line, Keyless)],
            "findings": found,
        },
    )
    return exit_code(found)

"""What `hold` and `resume` share."""

from dkimctl.cli.app import App
from dkimctl.cli.domains import managed_domains


def set_held(app: App, domains: tuple[str, ...], *, is_held: bool) -> int:
    """Note of each domain whether its rotation is held. Raises UsageError for a domain without a key."""
    from dkimctl.lifecycle.generation import key_owner
    from dkimctl.lifecycle.hold import hold

    store = app.life_store_of(key_owner(app.settings).owner)
    named = managed_domains(app, domains, store)
    changed = hold(store, named, is_held=is_held)
    for domain in named:
        what = "is held: dkimctl resume ends it" if is_held else "goes on"
        app.terminal.message_step(f"{domain}: the rotation of its keys {what}")
    value = {"domains": named, "held": is_held, "changed": changed}
    app.terminal.document("hold", value, changed=bool(changed))
    return 0

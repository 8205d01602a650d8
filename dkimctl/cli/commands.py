"""Every command with its short help. A test compares the table with the commands themselves."""

COMMANDS: dict[str, str] = {
    "setup": "Do everything for new domains: key, record, proof, signing.",
    "genkey": "Make key pairs with the right owner and modes.",
    "record": "Print the key record to publish.",
    "render-config": "Show or write opendkim's and Postfix's configuration.",
    "publish": "Publish key records through a DNS provider.",
    "verify-dns": "Check key records in DNS against the keys.",
    "status": "Show how every key stands: phase, kind, provider, age.",
    "inspect": "Explain a message, a signature, a key record, or a code.",
    "doctor": "Check this host: keys, opendkim, Postfix, sockets, clock.",
    "ovh": "Get an OVH consumer key; see what a credential may do.",
    "why": "Say whether mail from a sender would be signed, or why not.",
    "adopt": "Take over an opendkim installation made by hand.",
    "selftest": "Send messages and verify their signatures.",
    "sandbox": "Run an OVH-compatible API and a DNS server on loopback.",
    "demo": "Show the whole loop on the sandbox; no root, no account.",
}

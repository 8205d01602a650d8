"""Every command with its short help. A test compares the table with the commands themselves."""

COMMANDS: dict[str, str] = {
    "setup": "Do everything for new domains: key, record, proof, signing.",
    "genkey": "Make key pairs with the right owner and modes.",
    "record": "Print the key record to publish.",
    "render-config": "Show or write opendkim's and Postfix's configuration.",
    "publish": "Publish key records through a DNS provider.",
    "verify-dns": "Check key records in DNS against the private keys.",
    "status": "Show the state of every key: phase, kind, provider, age.",
    "rotate": "Make, publish, switch and retire keys: what is due.",
    "revoke": "Take a leaked key out of use, then out of DNS.",
    "delete": "Delete an unused key: its record, then its private key.",
    "hold": "Stop the rotation of domains.",
    "resume": "Let the keys of domains be rotated again.",
    "inspect": "Explain a message, a signature, a key record, or a code.",
    "doctor": "Check this host: keys, opendkim, Postfix, sockets, clock.",
    "ovh": "Request an OVH consumer key; show what one may do.",
    "why": "Predict whether mail from a sender is signed, and why.",
    "adopt": "Take over an opendkim installation configured by hand.",
    "selftest": "Send messages and verify their signatures.",
    "sandbox": "Run an OVH-compatible API and a DNS server on loopback.",
    "demo": "Show the whole loop on the sandbox; no root, no account.",
}

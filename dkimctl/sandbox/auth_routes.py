"""`/auth`: the clock, consumer keys, and the page on which a person validates one."""

import re
from typing import Any

from dkimctl.sandbox.access import Access
from dkimctl.sandbox.answers import VOID, ErrorAnswer, HttpAnswer, Request
from dkimctl.sandbox.credentials import METHODS, Credential

AUTH_ACTION = "account:apiovh:auth"


def answer_auth(access: Access, request: Request) -> object:
    """Return the value of a call below `/auth`. Raises ErrorAnswer."""
    match request.method, request.path:
        case "GET", "/auth/time":
            return int(access.now())
        case "POST", "/auth/credential":
            return request_credential(access, request)
        case "GET", "/auth/currentCredential":
            return _credential(access, request).as_json()
        case "GET", "/auth/details":
            return _details(_credential(access, request))
        case "POST", "/auth/logout":
            access.credentials.revoke(_credential(access, request).consumer_key)
            return VOID
    raise ErrorAnswer(404, "Got an invalid (or empty) URL", "INVALID_URL")


def request_credential(access: Access, request: Request) -> dict[str, str]:
    """Issue a consumer key that a person must validate; needs only the application key."""
    access.check_application(request)
    body = request.json()
    rules = body.get("accessRules") if isinstance(body, dict) else None
    if not isinstance(rules, list) or not rules or not all(_is_rule(rule) for rule in rules):
        raise ErrorAnswer(400, "Invalid accessRules")
    redirection, ips = body.get("redirection"), body.get("allowedIPs")
    if redirection is not None and not _is_web_address(redirection):
        raise ErrorAnswer(400, "Invalid redirection")
    if ips is not None and not (isinstance(ips, list) and all(isinstance(ip, str) for ip in ips)):
        raise ErrorAnswer(400, "Invalid allowedIPs")
    credential = access.credentials.request(
        [(rule["method"], rule["path"]) for rule in rules],
        redirection=redirection,
        allowed_ips=tuple(ips) if ips else None,
    )
    return {
        "validationUrl": f"{request.origin}/auth/?credentialToken={credential.token}",
        "consumerKey": credential.consumer_key,
        "state": credential.state,
    }


def validation_page(access: Access, request: Request) -> HttpAnswer:
    """Validate the consumer key when its URL is opened; then redirect, if requested."""
    credential = access.credentials.find_token(request.parameter("credentialToken") or "")
    if credential is None:
        return HttpAnswer(404, b"no such token\n", "text/plain; charset=utf-8")
    access.credentials.validate(credential.consumer_key)
    if credential.redirection:
        return HttpAnswer(302, b"", "text/plain; charset=utf-8", {"Location": credential.redirection})
    return HttpAnswer(200, b"the consumer key is validated\n", "text/plain; charset=utf-8")


def _is_web_address(value: object) -> bool:
    """Return whether a URL can be sent as `Location`: it contains nothing that ends a header or starts another."""
    return isinstance(value, str) and re.fullmatch(r"https?://[!-~]{1,2000}", value) is not None


def _is_rule(rule: object) -> bool:
    return isinstance(rule, dict) and isinstance(rule.get("path"), str) and rule.get("method") in METHODS


def _credential(access: Access, request: Request) -> Credential:
    caller = access.check(request, AUTH_ACTION)
    if isinstance(caller, Credential):
        return caller
    raise ErrorAnswer(403, "This call is not available with this authentication method", "FORBIDDEN")


def _details(credential: Credential) -> dict[str, Any]:
    return {
        "account": "sandbox-ovh",
        "method": "account",
        "user": None,
        "description": None,
        "identities": ["urn:v1:eu:identity:account:sandbox-ovh"],
        "roles": [],
        "allowedRoutes": [{"method": rule.method, "path": rule.path} for rule in credential.rules],
    }

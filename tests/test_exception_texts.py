"""What a library says of an error reaches nobody as it is: `<urlopen error [Errno 111] …>` is no sentence."""

import ast
import ssl
import urllib.error
from collections.abc import Iterator
from pathlib import Path

from dkimctl.clock import SYSTEM_CLOCK
from dkimctl.errors import Unavailable, reason
from dkimctl.host.clockstate import ahead_of
from tests.conftest import REPOSITORY
from tests.ports import free_port_everywhere

_OF_SYSTEM = {"OSError", "URLError", "TimeoutError", "ConnectionError", "SSLError", "HTTPException", "gaierror"}
"""Exceptions whose own text has numbers and brackets; `errors.reason` words them."""


def _names(kind: ast.expr | None) -> set[str]:
    return {node.id if isinstance(node, ast.Name) else node.attr for node in _named(kind)}


def _named(kind: ast.expr | None) -> "Iterator[ast.Name | ast.Attribute]":
    nodes = kind.elts if isinstance(kind, ast.Tuple) else [kind]
    yield from (node for node in nodes if isinstance(node, ast.Name | ast.Attribute))


def _shown_as_is(handler: ast.ExceptHandler) -> Iterator[int]:
    """The lines on which the caught exception is put into a text: `{error}` or `str(error)`."""
    for node in ast.walk(handler):
        if isinstance(node, ast.FormattedValue) and _is(node.value, handler.name):
            yield node.lineno
        if isinstance(node, ast.Call) and _is(node.func, "str") and node.args and _is(node.args[0], handler.name):
            yield node.lineno


def _is(node: ast.expr, name: str | None) -> bool:
    return isinstance(node, ast.Name) and node.id == name


def _raw_texts(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ExceptHandler) and node.name and _names(node.type) & _OF_SYSTEM:
            yield from (f"{path.relative_to(REPOSITORY)}:{line}" for line in _shown_as_is(node))


def test_no_exception_of_the_system_is_shown_as_it_is() -> None:
    """Everywhere such an exception is caught, its words come from `errors.reason`."""
    assert [place for path in sorted((REPOSITORY / "dkimctl").rglob("*.py")) for place in _raw_texts(path)] == []


def test_the_words_are_those_of_the_cause() -> None:
    """What urllib and ssl wrap is unwrapped; a text of our own stays."""
    refused = ConnectionRefusedError(111, "Connection refused")
    assert reason(urllib.error.URLError(refused)) == "connection refused"
    assert reason(urllib.error.URLError("unknown url type: x")) == "unknown url type: x"
    assert reason(TimeoutError("timed out")) == "timed out"
    certificate = ssl.SSLCertVerificationError(1, "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed")
    certificate.verify_message = "self-signed certificate"
    assert reason(urllib.error.URLError(certificate)) == "its certificate does not verify: self-signed certificate"


def test_a_clock_that_cannot_be_asked_is_a_sentence() -> None:
    """Nothing listens there: the message has no brackets, no number and no class name."""
    url = f"http://127.0.0.1:{free_port_everywhere('127.0.0.1')}/time"
    try:
        ahead_of(url, SYSTEM_CLOCK)
    except Unavailable as error:
        assert error.message == f"{url} does not answer: connection refused"
    else:
        raise AssertionError("something answered")

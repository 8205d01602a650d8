r"""Characters that must not reach an output as they are, wherever they came from: DNS, a file, an API.

Control characters (C0, DEL, C1) steer a terminal; U+0085, U+2028 and U+2029 end a line for some readers, so that one
record of JSON lines becomes two; bidirectional controls make a text read otherwise than it is. Each is written as JSON
escapes it, `\u0085`, in JSON and in text alike.
"""

_BIDI = (0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A))
_SEPARATORS = (0x2028, 0x2029)
STEERING = frozenset((*range(9), *range(11, 32), *range(127, 160), *_SEPARATORS, *_BIDI))
"""Code points that are always escaped. Tab and line feed are not among them: a result may have many lines."""

OF_RESULTS = {code: f"\\u{code:04x}" for code in STEERING}
"""For `str.translate`: results, and whole documents of JSON, in which these characters only occur inside strings."""
OF_MESSAGES = {**OF_RESULTS, ord("\t"): "\\t", ord("\n"): "\\n"}
"""For messages and fields that have one line."""
OF_LABELS = {
    **{code: f"\\\\u{code:04x}" for code in STEERING},
    ord("\\"): "\\\\",
    ord("\n"): "\\n",
    ord('"'): '\\"',
}
"""For the values of Prometheus labels, which know three escapes only: the backslash of all others is doubled."""

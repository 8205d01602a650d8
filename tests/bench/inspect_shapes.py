"""`inspect` on the worst input that a search over shapes finds: time and memory for 10 MB, and for 20 signatures.

A shape is a few fragments, each repeated, in the body, in a header field, in the signature's tags or as the whole
input. The search changes the slowest ones at random, on small inputs; the worst of them are measured at full size, each
in a process of its own.
"""

import json
import random
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from dkimctl.dkim.explain import explain
from dkimctl.errors import DkimctlError
from dkimctl.keys.metadata import Tags
from dkimctl.keys.pair import Algorithm, KeyPair, generate
from dkimctl.output.inspection import inspection_blocks
from dkimctl.output.plain import plain_lines
from dkimctl.record.model import record_for
from tests.bench.measure import Claim, report
from tests.signatures import MESSAGE, signed_by_hand

SIZE = 10_000_000
SMALL = 200_000
ROUNDS = 120
SIGNATURES = 20
PLACES = ("body", "subject", "to", "fields", "tags", "z", "h", "whole", "record", "mailbox")
FRAGMENTS = (
    *(
        "a",
        "x" * 899,
        "x" * 950,
        " ",
        "\t",
        "\n",
        "\r\n",
        "\r",
        "\n ",
        ".",
        "..",
        "\n.",
        "\n>From ",
        "\nFrom a\nA: b\n\n",
    ),
    *(
        "=",
        "=41",
        "=\n",
        "=?utf-8?q?x?=",
        "=?",
        "?=",
        "QUFB",
        "--",
        "--x\n\n",
        "\n--x\n",
        "(",
        ")",
        "<",
        ">",
        "<a@b>",
        ",",
    ),
    *(";", "; ", "x=1;", "a=", "b=", "p=", "v=DKIM1; ", '"', "\\", "\\034", ":", "|", "subject:x|", "[", "]", "{", "}"),
    *("from:", "to:", "subject: y\r\n", "to: y\r\n", "x TXT ", "a CNAME b.\n", "text = ", " IN TXT ( ", "é", "\x00"),
)


@dataclass(frozen=True)
class Shape:
    """An input: where the fragments are, and how often each is repeated before the next one follows."""

    place: str
    parts: tuple[tuple[str, int], ...]
    canonicalization: str
    algorithm: str
    signatures: int

    def text(self, size: int) -> bytes:
        """The fragments, until they have this size."""
        once = "".join(part * count for part, count in self.parts).encode("utf-8")
        return (once * (size // len(once) + 1))[:size]


def random_shape(chance: random.Random) -> Shape:
    """Any shape."""
    parts = tuple((chance.choice(FRAGMENTS), chance.choice((1, 1, 2, 30, 5000))) for _ in range(chance.randint(1, 4)))
    canonicalization = "/".join(chance.choice(("simple", "relaxed")) for _ in range(2))
    algorithm = chance.choice(("rsa", "rsa", "ed25519"))
    return Shape(chance.choice(PLACES), parts, canonicalization, algorithm, chance.choice((1, SIGNATURES)))


def changed(shape: Shape, chance: random.Random) -> Shape:
    """A shape like this one."""
    other = random_shape(chance)
    kind = chance.randrange(4)
    if kind == 0:
        return replace(shape, parts=(*shape.parts, *other.parts[:1])[-5:])
    if kind == 1:
        return replace(shape, parts=other.parts)
    if kind == 2:
        return replace(shape, place=other.place)
    return replace(
        shape, canonicalization=other.canonicalization, signatures=other.signatures, algorithm=other.algorithm
    )


def build(shape: Shape, size: int, pair: KeyPair) -> bytes:
    """The input of this shape, of about this size; its signatures do not fit any more."""
    text = shape.text(size)
    if shape.place == "whole":
        return text
    if shape.place == "record":
        return b"v=DKIM1; p=" + text
    if shape.place == "mailbox":
        return b"From a\nFrom: a\n\nb\n\n" + text
    plain = {"z": "z=" + text.decode("latin-1").replace(";", ""), "tags": "x1=1; " + text.decode("latin-1")}
    names = "from:to:subject:date" + (":" + text.decode("latin-1").replace(";", "") if shape.place == "h" else "")
    tags = f"a={shape.algorithm}-sha256; c={shape.canonicalization}; h={names}; {plain.get(shape.place, 't=1')}"
    each = min(shape.signatures, 4) if shape.place in plain or shape.place == "h" else shape.signatures
    message = MESSAGE
    if shape.place == "fields":
        message = text + b"\r\n" + message
    elif shape.place in ("subject", "to"):
        name = shape.place.capitalize().encode() + b": "
        message = message.replace(name, name + text.replace(b"\n", b"\n "))
    try:
        one = signed_by_hand(MESSAGE, pair, tags).partition(b"\r\nFrom:")[0] + b"\r\n"
    except (ValueError, KeyError):
        one = b"DKIM-Signature: " + tags.encode("latin-1", "replace") + b"\r\n"
    signatures = b"".join(one.replace(b"v=1;", b"v=1; n=%d;" % number) for number in range(each))
    return signatures + message.replace(b"minutes", b"hours") + (text if shape.place == "body" else b"")


def inspected(content: bytes, record: str) -> float:
    """Seconds of this process that it takes to explain and print it."""
    start = time.process_time()
    with suppress(DkimctlError):
        "".join(plain_lines(inspection_blocks(explain(content, lambda _: (record,), datetime.now(UTC)))))
    return time.process_time() - start


def measure(path: str, record: str) -> None:
    """Print the seconds and the MiB that this process needs for the input in a file."""
    seconds = inspected(Path(path).read_bytes(), record)
    peak = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    print(json.dumps([seconds, int(peak.split()[1]) / 1024]))


def measured(shape: Shape, directory: Path) -> tuple[float, float]:
    """Seconds and MiB of a process of its own that inspects the shape at full size."""
    pair, record = keys()[shape.algorithm]
    size = SIZE if shape.place in ("body", "whole", "mailbox") else 3_900_000 if shape.place != "record" else 1_000_000
    if shape.place in ("z", "tags", "h"):
        size //= min(shape.signatures, 4)
    if shape.place in ("subject", "to"):
        size //= 2  # folding adds a blank to each line
    path = directory / "input"
    path.write_bytes(build(shape, size, pair))
    ended = subprocess.run([sys.executable, __file__, str(path), record], capture_output=True, text=True, check=True)
    seconds, mebibytes = json.loads(ended.stdout)
    return seconds, mebibytes


def keys() -> dict[str, tuple[KeyPair, str]]:
    """A key of each algorithm with its record."""
    pairs = {"rsa": generate(Algorithm.RSA, 2048), "ed25519": generate(Algorithm.ED25519)}
    return {name: (pair, record_for(pair.public, name, Tags("")).text) for name, pair in pairs.items()}


def worst(seed: int) -> list[Shape]:
    """The slowest shapes that the search finds, the worst first, each of another place."""
    chance, made = random.Random(seed), keys()
    ranked: list[tuple[float, Shape]] = []
    for number in range(ROUNDS):
        shape = random_shape(chance) if number % 3 == 0 or not ranked else changed(chance.choice(ranked)[1], chance)
        pair, record = made[shape.algorithm]
        ranked.append((inspected(build(shape, SMALL, pair), record), shape))
        ranked = sorted(ranked, key=lambda entry: -entry[0])[:20]
    by_place: dict[str, Shape] = {}
    for _, shape in ranked:
        by_place.setdefault(shape.place, shape)
    return list(by_place.values())[:5]


def main() -> int:
    """The exit code: 0 when every budget is kept."""
    if len(sys.argv) > 1:
        measure(*sys.argv[1:])
        return 0
    seed = random.randrange(1 << 30)
    shapes = worst(seed)
    plain = Shape(
        "body", (("A line of text, as mail has them, with some words in it.\r\n", 1),), "relaxed/relaxed", "rsa", 20
    )
    print(f"seed {seed}")
    claims = []
    for shape in [*shapes, plain]:
        with TemporaryDirectory() as directory:
            seconds, mebibytes = measured(shape, Path(directory))
        what = f"{shape.signatures} signatures, {shape.place} of {[(part[:12], count) for part, count in shape.parts]}"
        claims += [Claim(what, 2, seconds, "s"), Claim(what, 200, mebibytes, "MiB")]
    return report("inspect: the worst shapes found, 10 MB of body or 3.9 MB of header", claims)


if __name__ == "__main__":
    sys.exit(main())

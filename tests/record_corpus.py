"""A corpus of key records, right, odd and broken, each with the findings that it must lead to.

Written from RFC 6376, 8301 and 8463 and from what people really publish.
"""

import base64
import json
import textwrap
from dataclasses import dataclass
from urllib.parse import quote

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_der_public_key,
    load_pem_private_key,
)

from dkimctl.keys.pair import Algorithm, KeyPair, generate


@dataclass(frozen=True)
class Keys:
    """The pairs that the corpus is made with."""

    usual: KeyPair
    short: KeyPair
    long: KeyPair
    edwards: KeyPair


@dataclass(frozen=True)
class Case:
    """One record: `codes` without those that only say it is right. `pair` signs the mail that it should verify."""

    name: str
    text: str
    codes: frozenset[str]
    pair: KeyPair | None


def make_keys() -> Keys:
    """Fresh keys; the usual one has a plus sign and a slash in its text, as all but one in a hundred have."""
    usual = next(pair for _ in range(20) if {"+", "/"} <= {*(pair := generate(Algorithm.RSA)).public.base64})
    return Keys(usual, *(generate(Algorithm.RSA, bits) for bits in (1024, 4096)), generate(Algorithm.ED25519))


def corpus(keys: Keys) -> list[Case]:
    """Every case; names are unique and fit for a DNS label."""
    cases = [*_right(keys), *_form(keys), *_keys(keys), *_tags(keys), *_encoded(keys), *_elsewhere(keys)]
    return [
        Case(f"{n:03}-{name}", text, frozenset(f"DKIM{code}" for code in codes.split()), pair)
        for n, (name, text, codes, pair) in enumerate(cases)
    ]


Row = tuple[str, str, str, KeyPair | None]


def _with(pair: KeyPair, *rows: tuple[str, str, str]) -> list[Row]:
    return [(name, text, codes, pair) for name, text, codes in rows]


def _right(keys: Keys) -> list[Row]:
    p = keys.usual.public.base64
    return _with(
        keys.usual,
        ("plain", f"v=DKIM1; k=rsa; p={p}", ""),
        ("no-version", f"k=rsa; p={p}", ""),
        ("only-p", f"p={p}", ""),
        ("no-k", f"v=DKIM1; p={p}", ""),
        ("final-semicolon", f"v=DKIM1; p={p};", ""),
        ("final-semicolon-space", f"v=DKIM1; p={p}; ", ""),
        ("leading-space", f"  v=DKIM1; p={p}", ""),
        ("no-spaces", f"v=DKIM1;k=rsa;p={p}", ""),
        ("spaces-everywhere", f" v = DKIM1 ; k = rsa ; p = {p} ", ""),
        ("tabs", f"v=DKIM1;\tk=rsa;\tp={p}", ""),
        ("folded", f"v=DKIM1;\r\n k=rsa;\r\n\tp={p}", ""),
        ("bare-line-feed", f"v=DKIM1;\n p={p}", ""),
        ("space-in-key", f"v=DKIM1; p={p[:100]} {p[100:]}", ""),
        ("tab-in-key", f"v=DKIM1; p={p[:100]}\t{p[100:]}", ""),
        ("fold-in-key", f"v=DKIM1; p={p[:100]}\r\n {p[100:]}", ""),
        ("spaces-in-key", f"v=DKIM1; p={p[:30]}   {p[30:60]} \t {p[60:]}", ""),
        ("other-order", f"v=DKIM1; p={p}; k=rsa; h=sha256", ""),
        ("key-first", f"p={p}; k=rsa; h=sha256", ""),
        ("h-sha256", f"v=DKIM1; h=sha256; p={p}", ""),
        ("h-both", f"v=DKIM1; h=sha1:sha256; p={p}", ""),
        ("h-both-spaces", f"v=DKIM1; h=sha1 : sha256; p={p}", ""),
        ("s-email", f"v=DKIM1; s=email; p={p}", ""),
        ("s-star", f"v=DKIM1; s=*; p={p}", ""),
        ("s-spaces", f"v=DKIM1; s= email ; p={p}", ""),
        ("t-s", f"v=DKIM1; t=s; p={p}", ""),
        ("k-spaces", f"v=DKIM1; k= rsa ; p={p}", ""),
        ("note", f"v=DKIM1; n=a note; p={p}", ""),
        ("note-quoted-printable", f"v=DKIM1; n=a=3Bb; p={p}", ""),
        ("note-empty", f"v=DKIM1; n=; p={p}", ""),
        ("note-with-quotes", f'v=DKIM1; n="x"; p={p}', ""),
        ("g-star", f"v=DKIM1; g=*; p={p}", ""),
        ("as-genkey", f"v=DKIM1; h=sha256; k=rsa; s=email; p={p}", ""),
        ("as-google", f"v=DKIM1; k=rsa; p={p}", ""),
        ("as-microsoft", f"v=DKIM1; k=rsa; p={p};", ""),
        ("1023-octets", _padded(p, 1023), ""),
    )


def _padded(p: str, length: int) -> str:
    return f"v=DKIM1; n={'x' * (length - len(p) - 15)}; p={p}"


def _form(keys: Keys) -> list[Row]:
    p = keys.usual.public.base64
    return _with(
        keys.usual,
        ("two-semicolons-end", f"v=DKIM1; p={p};;", "202"),
        ("two-semicolons", f"v=DKIM1;; p={p}", "202"),
        ("semicolon-first", f"; v=DKIM1; p={p}", "202"),
        ("no-equals", f"v=DKIM1; k; p={p}", "202"),
        ("no-tag-name", f"v=DKIM1; =x; p={p}", "202"),
        ("p-forgotten", f"v=DKIM1; k=rsa; {p.rstrip('=')}", "202 210"),
        ("colons", f"v:DKIM1; p={p}", "202"),
        ("digit-tag", f"v=DKIM1; 1a=1; p={p}", "202"),
        ("hyphen-tag", f"v=DKIM1; a-b=1; p={p}", "202"),
        ("dot-tag", f"v=DKIM1; a.b=1; p={p}", "202"),
        ("type-pasted", f"TXT v=DKIM1; p={p}", "202"),
        ("parentheses", f"( v=DKIM1; p={p} )", "202 204"),
        ("quoted-whole", f'"v=DKIM1; p={p}"', "207"),
        ("quoted-strings", f'"v=DKIM1; " "p={p}"', "207"),
        ("single-quoted", f"'v=DKIM1; p={p}'", "202 204"),
        ("quotes-in-key", f'v=DKIM1; p={p[:100]}" "{p[100:]}', "207"),
        ("quoted-key", f'v=DKIM1; p="{p}"', "207"),
        ("backslash-semicolon", f"v=DKIM1\\; k=rsa\\; p={p}", "207"),
        ("one-backslash", f"v=DKIM1\\; p={p}", "207"),
        ("backslash-in-key", f"v=DKIM1; p={p[:100]}\\{p[100:]}", "207"),
        ("backslash-end", f"v=DKIM1; p={p}\\", "207"),
        ("p-twice", f"v=DKIM1; p={p}; p={p}", "208"),
        ("p-then-empty", f"v=DKIM1; p={p}; p=", "208 302"),
        ("k-twice", f"v=DKIM1; k=rsa; k=rsa; p={p}", "208"),
        ("v-twice", f"v=DKIM1; v=DKIM1; p={p}", "208"),
        ("n-twice", f"v=DKIM1; n=a; n=b; p={p}", "208"),
        ("unknown-twice", f"v=DKIM1; x=a; x=b; p={p}", "208"),
        ("record-twice", f"v=DKIM1; k=rsa; p={p}; v=DKIM1; k=rsa; p={p}", "208"),
        ("version-lower", f"v=dkim1; p={p}", "209"),
        ("version-2", f"v=DKIM2; p={p}", "209"),
        ("version-1.0", f"v=DKIM1.0; p={p}", "209"),
        ("version-empty", f"v=; p={p}", "209"),
        ("version-space", f"v=DKIM 1; p={p}", "209"),
        ("no-semicolons", f"v=DKIM1 k=rsa p={p}", "209"),
        ("commas", f"v=DKIM1, k=rsa, p={p}", "209"),
        ("version-missing-semicolon", f"v=DKIM1 k=rsa; p={p}", "209"),
        ("no-p", "v=DKIM1; k=rsa", "210"),
        ("p-capital", f"v=DKIM1; P={p}", "210"),
        ("only-version", "v=DKIM1", "210"),
        ("note-latin-1", f"v=DKIM1; n=Sch\xfctz; p={p}", "211"),
        ("note-utf-8", f"v=DKIM1; n=Sch\xc3\xbctz; p={p}", "211"),
        ("control", f"v=DKIM1; n=\x01; p={p}", "211"),
        ("delete", f"v=DKIM1; n=\x7f; p={p}", "211"),
        ("nul", f"v=DKIM1; p={p}\x00", "211"),
        ("vertical-tab", f"v=DKIM1;\x0b p={p}", "202 211"),
        ("no-break-space", f"v=DKIM1;\xa0p={p}", "202 211"),
        ("byte-order-mark", f"\xef\xbb\xbfv=DKIM1; p={p}", "202 211"),
        ("1030-octets", _padded(p, 1030), "212"),
        ("1400-octets", _padded(p, 1400), "212"),
        ("2000-octets", _padded(p, 2000), "212"),
        ("version-last", f"k=rsa; p={p}; v=DKIM1", "213"),
        ("version-second", f"k=rsa; v=DKIM1; p={p}", "213"),
    )


def _keys(keys: Keys) -> list[Row]:
    p = keys.usual.public.base64
    text = f"v=DKIM1; k=rsa; p={p}"
    public = load_der_public_key(keys.usual.public.data)
    pkcs1 = base64.b64encode(public.public_bytes(Encoding.DER, PublicFormat.PKCS1)).decode()
    ed = keys.edwards.public.base64
    private = load_pem_private_key(keys.edwards.private_pem, None)
    ed_spki = base64.b64encode(
        private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    ).decode()
    extra = base64.b64encode(keys.usual.public.data + b"\0\0\0").decode()
    rows = _with(
        keys.usual,
        ("revoked", "v=DKIM1; p=", "302"),
        ("revoked-spaces", "v=DKIM1; p=  ", "302"),
        ("revoked-only-p", "p=", "302"),
        ("revoked-semicolon", "v=DKIM1; k=rsa; p=;", "302"),
        *((f"cut-{length}", text[:length], "203") for length in (64, 100, 127, 128, 200, 250, 252, 253, 254, 255)),
        ("cut-by-one", f"v=DKIM1; p={p[:-1]}", "203" if not p.endswith("=") else "214"),
        ("cut-by-ten", f"v=DKIM1; p={p[:-10]}", "203"),
        ("blank-for-plus", f"v=DKIM1; p={p.replace('+', ' ')}", "215"),
        ("character-lost", f"v=DKIM1; p={p[:57]}{p[58:]}", "215"),
        ("line-lost", f"v=DKIM1; p={p[:64]}{p[128:]}", "215"),
        ("first-string-lost", text[255:], "201"),
        ("unpadded", f"v=DKIM1; p={p.rstrip('=')}", "214" if p.endswith("=") else ""),
        ("exclamation-in-key", f"v=DKIM1; p={p[:50]}!{p[50:]}", "204"),
        ("hyphen-in-key", f"v=DKIM1; p={p[:50]}-{p[50:]}", "204"),
        ("dot-after-key", f"v=DKIM1; p={p}.", "204"),
        ("comment-after-key", f"v=DKIM1; p={p} # new", "204 206"),
        ("html-space", f"v=DKIM1; p={p}&nbsp", "204 206"),
        ("p-p", f"v=DKIM1; p=p={p}", "204 206"),
        ("equals-inside", f"v=DKIM1; p={p[:80]}={p[80:]}", "204"),
        ("too-much-padding", f"v=DKIM1; p={p}====", "204"),
        ("pem-lines", f"v=DKIM1; p=-----BEGIN PUBLIC KEY-----{p}-----END PUBLIC KEY-----", "204 206"),
        ("placeholder", "v=DKIM1; p=yourkeyhere1", "206"),
        ("placeholder-2", "v=DKIM1; k=rsa; p=<public key>", "204 206"),
        ("pkcs1", f"v=DKIM1; p={pkcs1}", "205"),
        ("rubbish-after-key", f"v=DKIM1; p={extra}", "206"),
        ("k-capitals", f"v=DKIM1; k=RSA; p={p}", "306"),
        ("k-unknown", f"v=DKIM1; k=foo; p={p}", "306"),
        ("k-empty", f"v=DKIM1; k=; p={p}", "306"),
        ("k-algorithm", f"v=DKIM1; k=rsa-sha256; p={p}", "306"),
        ("k-missing-semicolon", f"v=DKIM1; k=rsa p={p}", "210"),
        ("rsa-as-ed25519", f"v=DKIM1; k=ed25519; p={p}", "206"),
    )
    rows += _with(
        keys.edwards,
        ("ed25519", f"v=DKIM1; k=ed25519; p={ed}", "308"),
        ("ed25519-h", f"v=DKIM1; h=sha256; k=ed25519; p={ed}", "308"),
        ("ed25519-unpadded", f"v=DKIM1; k=ed25519; p={ed.rstrip('=')}", "214 308"),
        ("ed25519-spki", f"v=DKIM1; k=ed25519; p={ed_spki}", "307"),
        ("ed25519-without-k", f"v=DKIM1; p={ed}", "206"),
        ("ed25519-spki-as-rsa", f"v=DKIM1; k=rsa; p={ed_spki}", "206"),
        ("ed25519-capital", f"v=DKIM1; k=Ed25519; p={ed}", "306"),
        ("ed25519-algorithm", f"v=DKIM1; k=ed25519-sha256; p={ed}", "306"),
        ("ed25519-cut", f"v=DKIM1; k=ed25519; p={ed[:30]}", "206 214"),
    )
    rows += [
        ("1024", f"v=DKIM1; p={keys.short.public.base64}", "304", keys.short),
        ("4096", f"v=DKIM1; p={keys.long.public.base64}", "", keys.long),
        ("4096-unpadded", f"v=DKIM1; p={keys.long.public.base64.rstrip('=')}", "214", keys.long),
        ("4096-cut", f"v=DKIM1; k=rsa; p={keys.long.public.base64}"[:510], "203", keys.long),
        ("url-safe-letters", f"v=DKIM1; p={p[:50]}-{p[51:90]}_{p[91:]}", "204", None),  # of no pair in all likelihood
        ("512", f"v=DKIM1; p={_public(512)}", "303", None),
        ("768", f"v=DKIM1; p={_public(768)}", "303", None),
        ("1023", f"v=DKIM1; p={_public(1023)}", "303", None),
        ("1536", f"v=DKIM1; p={_public(1536)}", "304", None),
        ("3072", f"v=DKIM1; p={_public(3072)}", "", None),
        ("4104", f"v=DKIM1; p={_public(4104)}", "305", None),
        ("8192", f"v=DKIM1; p={_public(8192)}", "212 305", None),
    ]
    return rows


def _public(bits: int) -> str:
    """The p= of an RSA key of this size that nobody has the private part of."""
    numbers = rsa.RSAPublicNumbers(65537, (1 << bits - 1) + 1)
    data = numbers.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return base64.b64encode(data).decode()


def _tags(keys: Keys) -> list[Row]:
    p = keys.usual.public.base64
    return _with(
        keys.usual,
        ("testing", f"v=DKIM1; t=y; p={p}", "401"),
        ("testing-strict", f"v=DKIM1; t=y:s; p={p}", "401"),
        ("testing-spaces", f"v=DKIM1; t=y : s; p={p}", "401"),
        ("t-unknown", f"v=DKIM1; t=foo; p={p}", "406"),
        ("t-empty", f"v=DKIM1; t=; p={p}", "406"),
        ("t-capital", f"v=DKIM1; t=Y; p={p}", "406"),
        ("t-no", f"v=DKIM1; t=n; p={p}", "406"),
        ("t-y-unknown", f"v=DKIM1; t=y:z; p={p}", "401 406"),
        ("h-sha1", f"v=DKIM1; h=sha1; p={p}", "403"),
        ("h-algorithm", f"v=DKIM1; h=rsa-sha256; p={p}", "403"),
        ("h-empty", f"v=DKIM1; h=; p={p}", "403"),
        ("h-star", f"v=DKIM1; h=*; p={p}", "403"),
        ("h-comma", f"v=DKIM1; h=sha1,sha256; p={p}", "403"),
        ("h-md5", f"v=DKIM1; h=md5; p={p}", "403"),
        ("h-sha512", f"v=DKIM1; h=sha512; p={p}", "403"),
        ("h-hyphen", f"v=DKIM1; h=sha-256; p={p}", "403"),
        ("h-and-unknown", f"v=DKIM1; h=sha256:foo; p={p}", "404"),
        ("h-and-algorithm", f"v=DKIM1; h=rsa-sha256:sha256; p={p}", "404"),
        ("h-capitals", f"v=DKIM1; h=SHA256; p={p}", "403"),
        ("h-capitals-too", f"v=DKIM1; h=SHA256:sha256; p={p}", "404"),
        ("h-final-colon", f"v=DKIM1; h=sha256:; p={p}", "404"),
        ("h-first-colon", f"v=DKIM1; h=:sha256; p={p}", "404"),
        ("s-tlsrpt", f"v=DKIM1; s=tlsrpt; p={p}", "405"),
        ("s-empty", f"v=DKIM1; s=; p={p}", "405"),
        ("s-unknown", f"v=DKIM1; s=foo; p={p}", "405"),
        ("s-mail", f"v=DKIM1; s=mail; p={p}", "405"),
        ("s-capitals", f"v=DKIM1; s=EMAIL; p={p}", "405"),
        ("s-comma", f"v=DKIM1; s=email,tlsrpt; p={p}", "405"),
        ("s-list", f"v=DKIM1; s=tlsrpt:email; p={p}", "410"),
        ("g-empty", f"v=DKIM1; g=; p={p}", "407"),
        ("g-name", f"v=DKIM1; g=joe; p={p}", "407"),
        ("g-empty-no-version", f"g=; k=rsa; p={p}", "407"),
        ("unknown", f"v=DKIM1; x=1; p={p}", "408"),
        ("unknown-underscore", f"v=DKIM1; a_b=1; p={p}", "408"),
        ("unknown-long", f"v=DKIM1; hello=world; p={p}", "408"),
        ("version-capital", f"V=DKIM1; p={p}", "409"),
        ("k-capital", f"v=DKIM1; K=rsa; p={p}", "409"),
        ("both-cases", f"v=DKIM1; k=rsa; K=rsa; p={p}", "408"),
        ("everything", f"v=DKIM1; h=sha1:sha256; k=rsa; s=email; t=y:s; n=x; p={p}", "401"),
        ("many-mistakes", f"k=rsa; v=DKIM1; h=sha1; s=foo; t=y; p={p}", "213 401 403 405"),
    )


def _encoded(keys: Keys) -> list[Row]:
    p = keys.usual.public.base64
    text = f"v=DKIM1; k=rsa; p={p}"
    quoted = text.replace("=", "=3D")
    return _with(
        keys.usual,
        ("encoded-url-plus", f"v=DKIM1; k=rsa; p={p.replace('+', '%2B')}", "204 206"),
        ("encoded-url-key", f"v=DKIM1; k=rsa; p={quote(p, safe='')}", "204 206"),
        ("encoded-url-twice", f"v=DKIM1; k=rsa; p={quote(quote(p, safe=''))}", "204 206"),
        ("encoded-url-whole", quote(text), "201"),
        ("encoded-html-number", f"v=DKIM1; k=rsa; p={p.replace('+', '&#43;')}", "202 204"),
        ("encoded-html-hexadecimal", f"v=DKIM1; k=rsa; p={p.replace('+', '&#x2B;')}", "202 204"),
        ("encoded-html-name", f"v=DKIM1; k=rsa; p={p.replace('+', '&plus;')}", "202 204"),
        ("encoded-html-twice", f"v=DKIM1; k=rsa; p={p.replace('+', '&amp;#43;')}", "202 204"),
        ("encoded-html-breaks", f"v=DKIM1; k=rsa; p={'<br>'.join(textwrap.wrap(p, 64))}", "204 206"),
        ("encoded-html-paragraph", f"<p>{text}</p>", "202 204 206"),
        ("encoded-json-plus", f"v=DKIM1; k=rsa; p={p.replace('+', chr(92) + 'u002b')}", "206 207"),
        ("encoded-json-slash", f"v=DKIM1; k=rsa; p={p.replace('/', chr(92) + '/')}", "207"),
        ("encoded-json-whole", json.dumps(f"v=DKIM1; k=rsa; p={p[:64]}\n{p[64:]}"), "207"),
        ("encoded-zone-decimal", f"v=DKIM1; k=rsa; p={p.replace('+', chr(92) + '043')}", "206 207"),
        ("encoded-quoted-printable", quoted, "209 306"),
        ("encoded-quoted-printable-lines", quoted[:76] + "=\r\n" + quoted[76:150] + "=\r\n" + quoted[150:], "209 306"),
        ("encoded-quoted-printable-blank", f"v=DKIM1; k=rsa; p={p[:57]}= {p[57:]}", "204"),
        ("encoded-program", f"'v=DKIM1; k=rsa; p={p[:100]}' + '{p[100:]}'", "202 204 206"),
        ("encoded-program-dots", f'"v=DKIM1; k=rsa; p={p[:100]}" . "{p[100:]}"', "207"),
    )


def _elsewhere(keys: Keys) -> list[Row]:
    return _with(
        keys.usual,
        ("empty", "", "201"),
        ("space", " ", "201"),
        ("words", "hello world", "201"),
        ("spf", "v=spf1 include:example.org -all", "201"),
        ("dmarc", "v=DMARC1; p=none; rua=mailto:a@example.com", "201"),
        ("token", "google-site-verification=abcdef", "201"),
        ("domainkeys-policy", "o=~; r=postmaster@example.com", "201"),
        ("zone-line", f"mail._domainkey IN TXT ( {keys.usual.public.base64} )", "201"),
        ("tlsrpt", "v=TLSRPTv1; rua=mailto:a@example.com", "201"),
        ("bimi", "v=BIMI1; l=https://example.com/logo.svg", "201"),
        ("private-key", "-----BEGIN PRIVATE KEY-----", "201"),
    )

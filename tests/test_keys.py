"""Key pairs and the directory they live in."""

import base64
import contextlib
import json
import os
import shutil
import stat
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from hypothesis import given
from hypothesis import strategies as st

from dkimctl.config.settings import KeyDefaults
from dkimctl.errors import CheckFailed, DiskError, Refused
from dkimctl.files import as_place, open_folder, read_untrusted
from dkimctl.keys import metadata as meta
from dkimctl.keys.ahead import Ahead, generator
from dkimctl.keys.directory import KeyDirectory
from dkimctl.keys.metadata import Metadata, Phase, Tags, new_metadata
from dkimctl.keys.pair import Algorithm, KeyPair, check_size, generate, load, parse_private_key, parse_public
from dkimctl.keys.public import PublicKey, PublicKeyFault, decode_public_key
from dkimctl.keys.store import Key, KeyName, current_key, signing_key
from tests.conftest import needs

NOW = datetime(2026, 11, 23, 10, 4, 2, tzinfo=UTC)
ED25519 = generate(Algorithm.ED25519)
RSA = generate(Algorithm.RSA, 1024)


def create(store: KeyDirectory, domain: str, selector: str, pair: KeyPair = ED25519, now: datetime = NOW) -> Key:
    """A key in the store."""
    return store.create(domain, selector, pair, b"record\n", new_metadata(pair.algorithm, pair.bits, Tags(), now))


# --- pairs ---


@pytest.mark.parametrize("pair", [ED25519, RSA], ids=["ed25519", "rsa"])
def test_pair_loads_back_from_its_own_pem(pair: KeyPair) -> None:
    """What is written is what is read, and the public half comes with it."""
    assert parse_private_key(pair.private_pem, "test") == pair


@pytest.mark.parametrize("pair", [ED25519, RSA], ids=["ed25519", "rsa"])
def test_private_key_is_in_no_repr(pair: KeyPair) -> None:
    """A pair that ends up in a log or a traceback shows only its public half."""
    assert "PRIVATE" not in repr(pair)
    assert "private_pem" not in repr(pair)


@pytest.mark.parametrize("bits", [1024, 1025, 1032, 2048])
def test_new_rsa_key_is_written_as_the_library_would(bits: int) -> None:
    """The structures written here are the library's own, octet for octet, and pass its full check of the numbers."""
    pair = generate(Algorithm.RSA, bits)
    key = load_pem_private_key(pair.private_pem, password=None)
    assert pair.private_pem == key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    assert pair.public.data == key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    assert pair == parse_private_key(pair.private_pem, "test")


def test_search_ahead_gives_each_pair_once() -> None:
    """The pair that was begun early goes to one caller; all others, in whatever thread, get their own."""
    make = generator(Algorithm.RSA, KeyDefaults().bits, Ahead())
    with ThreadPoolExecutor(4) as pool:
        pairs = list(pool.map(lambda _: make(), range(6)))
    assert len({pair.public.data for pair in pairs}) == 6


@pytest.mark.parametrize(("algorithm", "bits"), [(Algorithm.RSA, 1024), (Algorithm.ED25519, 256)])
def test_search_ahead_is_dropped_where_another_key_is_wanted(algorithm: Algorithm, bits: int) -> None:
    """The configuration may want another kind or size than what was begun."""
    pair = generator(algorithm, bits, Ahead())()
    assert (pair.algorithm, pair.bits) == (algorithm, bits)


def test_public_key_decodes_to_itself() -> None:
    """The bytes of `p=` give the same key back."""
    for pair in (ED25519, RSA):
        assert decode_public_key(pair.algorithm, pair.public.data) == pair.public


def test_every_cut_of_a_public_key_is_seen_as_cut_off() -> None:
    """A truncated key is distinguished from junk wherever it was cut."""
    data = RSA.public.data
    for length in range(6, len(data)):
        assert decode_public_key("rsa", data[:length]) is PublicKeyFault.CUT_OFF


@given(st.binary(max_size=300))
def test_any_bytes_are_a_key_or_a_fault(data: bytes) -> None:
    """No bytes in a `p=` tag raise anything."""
    for algorithm in ("rsa", "ed25519"):
        assert isinstance(decode_public_key(algorithm, data), PublicKey | PublicKeyFault)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"not a key",
        RSA.private_pem[:500],
        b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
        bytes(range(256)),
    ],
)
def test_file_that_is_no_key_is_refused_in_words(tmp_path: Path, content: bytes) -> None:
    """A key file with anything else in it is named, with a hint, and no traceback."""
    path = tmp_path / "mail.private"
    path.write_bytes(content)
    with pytest.raises(CheckFailed, match="not a private key") as caught:
        load(path)
    assert str(path) in caught.value.message
    assert caught.value.hint


def test_damaged_rsa_key_is_noticed() -> None:
    """A key whose numbers do not belong together would sign rubbish: it is refused when it is loaded."""
    from cryptography.hazmat.primitives.asymmetric import rsa
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key

    key = load_pem_private_key(RSA.private_pem, None)
    assert isinstance(key, rsa.RSAPrivateKey)
    numbers = key.private_numbers()
    wrong = rsa.RSAPrivateNumbers(
        p=numbers.p,
        q=numbers.q,
        d=numbers.d,
        dmp1=numbers.dmp1 + 2,
        dmq1=numbers.dmq1,
        iqmp=numbers.iqmp,
        public_numbers=numbers.public_numbers,
    )
    damaged = wrong.private_key(unsafe_skip_rsa_key_validation=True)
    pem = damaged.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    with pytest.raises(CheckFailed, match="damaged"):
        parse_private_key(pem, "test")


def test_an_ed25519_key_is_not_taken_for_half_an_rsa_key() -> None:
    """Without its k= it is no RSA key, also where it begins as one does; what is left of a real one is cut off."""
    assert decode_public_key("rsa", b"\x30" + bytes(31)) is PublicKeyFault.NOT_A_KEY
    assert decode_public_key("rsa", b"\x30\x82" + b"\xff" * 30) is PublicKeyFault.NOT_A_KEY
    assert decode_public_key("rsa", RSA.public.data[:32]) is PublicKeyFault.CUT_OFF


@pytest.mark.parametrize("bits", [1024, 1032, 1535, 2048, 3072, 4096])
def test_public_half_of_a_new_key(bits: int) -> None:
    """What is written here of a key of any size is what the library reads again."""
    pair = generate(Algorithm.RSA, bits)
    assert parse_public(pair.private_pem, "test") == pair.public


@needs("openssl")
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"], "neither RSA nor Ed25519"),
        (["genrsa", "-aes128", "-passout", "pass:x", "1024"], "encrypted"),
    ],
)
def test_key_that_opendkim_cannot_use_is_refused(arguments: list[str], words: str) -> None:
    """Elliptic-curve and encrypted keys are distinguished from damage."""
    pem = subprocess.run(["openssl", *arguments], capture_output=True, check=True).stdout
    with pytest.raises(CheckFailed, match=words):
        parse_private_key(pem, "test")


@needs("openssl")
def test_pkcs1_key_of_an_older_tool_is_read() -> None:
    """Keys in the traditional form are as good as ours."""
    pem = subprocess.run(["openssl", "genrsa", "-traditional", "1024"], capture_output=True, check=True).stdout
    assert b"BEGIN RSA PRIVATE KEY" in pem
    assert parse_private_key(pem, "test").bits == 1024


@pytest.mark.parametrize(("bits", "allow_weak"), [(512, True), (768, True), (1024, False), (2047, False), (4097, True)])
def test_size_that_verifiers_reject_is_refused(bits: int, allow_weak: bool) -> None:
    """RFC 8301: under 1024 never, under 2048 only when asked for, over 4096 never."""
    with pytest.raises(Refused, match="RFC 8301"):
        check_size(Algorithm.RSA, bits, allow_weak=allow_weak)


def test_sizes_that_verifiers_accept_pass() -> None:
    """2048, 3072 and 4096 need no switch."""
    for bits in (2048, 3072, 4096):
        check_size(Algorithm.RSA, bits)
    check_size(Algorithm.RSA, 1024, allow_weak=True)
    check_size(Algorithm.ED25519, 0)


# --- metadata ---

times = st.datetimes(datetime(1999, 1, 1), datetime(2100, 1, 1)).map(lambda t: t.strftime("%Y-%m-%dT%H:%M:%SZ"))
texts = st.text() | times
tags = st.builds(Tags, st.sampled_from(["", "sha256"]), st.sampled_from(["", "email"]), texts, texts)
metadatas = st.builds(
    Metadata,
    algorithm=st.sampled_from(["rsa", "ed25519"]),
    bits=st.integers(256, 4096),
    created=times,
    tags=tags,
    phase=st.sampled_from(Phase),
    provider=st.none() | texts,
    history=st.lists(st.builds(meta.Change, st.sampled_from(Phase), times | st.text(), texts), max_size=3).map(tuple),
    public=st.just("") | st.binary(min_size=1, max_size=9).map(lambda data: base64.b64encode(data).decode()),
    source_digest=st.binary(min_size=32, max_size=32).map(bytes.hex),
    facts=st.dictionaries(texts, st.none() | st.booleans() | st.integers() | texts | st.lists(texts), max_size=3),
).map(lambda made: made if made.public else made._replace(source_digest=""))


@given(metadatas, st.lists(times, min_size=4, max_size=4))
def test_metadata_reads_back_as_written(metadata: Metadata, later: list[str]) -> None:
    """Every metadata that can be, in every phase, survives its file; so does one that differs in its times alone."""
    history = tuple(change._replace(at=at) for change, at in zip(metadata.history, later, strict=False))
    for one in (metadata, metadata._replace(created=later[-1], history=history)):
        assert meta.from_json(meta.to_json(one), "test") == one


@given(metadatas, st.data())
def test_changed_metadata_is_read_or_refused_in_words(metadata: Metadata, data: st.DataObject) -> None:
    """A file of which a few octets were changed is still metadata, or is refused; it never ends in a traceback."""
    content = meta.to_json(metadata)
    at = data.draw(st.integers(0, len(content) - 1))
    put = data.draw(st.binary(max_size=2) | st.sampled_from([b'"', b"\\", b"9", b'Z"', b"\n", b"\\ud800"]))
    changed = content[:at] + put + content[at + data.draw(st.integers(0, 2)) :]
    with contextlib.suppress(CheckFailed):
        assert isinstance(meta.from_json(changed, "test"), Metadata)


@given(st.binary(max_size=60) | st.sampled_from([b"[]", b"null", b"{}", b'{"schema": 1}', b'{"schema": 2}', b'"x"']))
def test_damaged_metadata_is_an_error_in_words(content: bytes) -> None:
    """Damaged metadata never ends in a traceback."""
    with pytest.raises(CheckFailed):
        meta.from_json(content, "test")


@pytest.mark.parametrize("value", [5, [1], {"a": "b"}, True])
@pytest.mark.parametrize(
    "name", ["algorithm", "bits", "created", "tags.n", "phase", "provider", "history.0.at", "path"]
)
def test_a_value_of_another_kind_is_damage(name: str, value: object) -> None:
    """JSON that is no metadata is refused where it is read, whatever is done with it later."""
    document = json.loads(meta.to_json(new_metadata("rsa", 2048, Tags(), NOW)))
    if (name, value) == ("bits", 5):
        value = "5"
    *way, last = name.split(".")
    place = document
    for step in way:
        place = place[int(step) if step.isdecimal() else step]
    place[last] = value
    with pytest.raises(CheckFailed):
        meta.from_json(json.dumps(document).encode(), "test")


# --- the directory ---


def test_key_is_kept_with_the_modes_that_the_daemon_wants(tmp_path: Path) -> None:
    """Directory 0700, every file 0600, three files, whatever the umask."""
    before = os.umask(0)
    try:
        create(KeyDirectory(tmp_path / "keys"), "example.com", "mail", RSA)
    finally:
        os.umask(before)
    directory = tmp_path / "keys/example.com"
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    files = {path.name: stat.S_IMODE(path.stat().st_mode) for path in directory.glob("mail.*")}
    assert files == {"mail.private": 0o600, "mail.txt": 0o600, "mail.json": 0o600}


def test_existing_key_survives_every_attempt_to_make_it_again(tmp_path: Path) -> None:
    """A private key is never overwritten, not even by way of a dangling link."""
    store = KeyDirectory(tmp_path)
    create(store, "example.com", "mail", RSA)
    content = (tmp_path / "example.com/mail.private").read_bytes()
    with pytest.raises(Refused, match="never overwritten"):
        create(store, "example.com", "mail", ED25519)
    assert (tmp_path / "example.com/mail.private").read_bytes() == content
    (tmp_path / "example.com/link.private").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(Refused, match="never overwritten"):
        create(store, "example.com", "link", ED25519)
    assert not (tmp_path / "elsewhere").exists()


def test_a_key_is_found_by_its_name(tmp_path: Path) -> None:
    """One key is found whatever the others are like; what is no key of this store is None; an adopted key is one."""
    store = KeyDirectory(tmp_path)
    made = create(store, "example.com", "mail", ED25519)
    assert store.find(made.name) == made == current_key(store, made.name)
    directory = tmp_path / "example.com"
    (directory / "broken.json").write_text("{")
    adopted = made.metadata._replace(path="/etc/dkimkeys/old.private")
    (directory / "old.json").write_bytes(meta.to_json(adopted))
    (directory / "left.json").write_bytes(meta.to_json(made.metadata))
    assert store.find(made.name) == made
    found = store.find(KeyName("example.com", "old"))
    assert found is not None and found.path == "/etc/dkimkeys/old.private"
    for domain, selector in (("example.com", "left"), ("example.com", "none"), ("none.example", "mail")):
        assert store.find(KeyName(domain, selector)) is None
        with pytest.raises(DiskError, match="does not exist any more"):
            current_key(store, KeyName(domain, selector))
    with pytest.raises(CheckFailed):
        store.find(KeyName("example.com", "broken"))


def test_metadata_of_an_older_version_is_read() -> None:
    """The digest of the private key file had another name; what it vouches for is still not parsed again."""
    metadata = meta.new_metadata("rsa", RSA.bits, Tags(), NOW)
    metadata = metadata.with_public(RSA.public, RSA.private_pem)
    old = meta.to_json(metadata).replace(b'"source_digest"', b'"seal"')
    assert meta.from_json(old, "old") == metadata
    assert meta.from_json(old, "old").public_of(RSA.private_pem) == RSA.public


def test_public_half_is_that_of_the_file_whatever_was_noted(tmp_path: Path) -> None:
    """The noted public half counts for the very file it was noted for; where either is changed, the file is read."""
    store = KeyDirectory(tmp_path)
    private = tmp_path / "example.com/mail.private"
    key = create(store, "example.com", "mail", RSA)
    assert store.public(key) == store.public(store.keys("example.com")[0]) == RSA.public
    assert key.metadata.public == RSA.public.base64
    [advanced] = [store.advance(key, Phase.PUBLISHED, NOW)]
    assert store.public(advanced) == RSA.public
    private.write_bytes(ED25519.private_pem)
    assert store.public(store.keys("example.com")[0]) == ED25519.public
    place = private.with_suffix(".json")
    whole = place.read_bytes()
    for old, new in ((b'"public": "MI', b'"public": "MX'), (b"1024", b"1025"), (b'"rsa"', b'"ed25519"')):
        private.write_bytes(RSA.private_pem)
        place.write_bytes(whole.replace(old, new))
        assert store.public(store.keys("example.com")[0]) == RSA.public
    for at in range(40, len(RSA.private_pem) - 40, 37):
        octet = b"A" if RSA.private_pem[at : at + 1] != b"A" else b"B"
        private.write_bytes(RSA.private_pem[:at] + octet + RSA.private_pem[at + 1 :])
        with pytest.raises(CheckFailed):
            store.public(store.keys("example.com")[0])
    private.unlink()
    with pytest.raises(DiskError):
        store.public(key)


def test_odd_notes_do_not_hinder(tmp_path: Path) -> None:
    """A note that is no key, for the right file, is passed over; metadata of an older version has none."""
    store = KeyDirectory(tmp_path)
    key = create(store, "example.com", "mail", RSA)
    place = tmp_path / "example.com/mail.json"
    for odd in ("!", 7, ""):
        place.write_bytes(json.dumps({**json.loads(place.read_bytes()), "public": odd}).encode())
        assert store.public(store.keys("example.com")[0]) == RSA.public
    old = key.metadata._replace(public="", source_digest="")
    place.write_bytes(meta.to_json(old))
    assert b"public" not in place.read_bytes()
    assert store.keys("example.com") == (key._replace(metadata=old),)
    assert store.public(store.keys("example.com")[0]) == RSA.public


@needs("opendkim-genkey")
def test_flat_layout_of_opendkim_genkey_is_read(tmp_path: Path) -> None:
    """Keys made by opendkim-genkey are managed where they lie; the domain comes from the record's comment."""
    subprocess.run(["opendkim-genkey", "-d", "example.com", "-D", tmp_path, "-s", "mail", "-b", "1024"], check=True)
    store = KeyDirectory(tmp_path, shown="/etc/opendkim/keys")
    assert list(store.domains()) == ["example.com"]
    (key,) = store.keys("example.com")
    assert (key.selector, key.path) == ("mail", "/etc/opendkim/keys/mail.private")
    assert store.load(key).bits == 1024
    assert key.metadata.algorithm == "rsa"
    assert store.public(key) == store.load(key).public
    (tmp_path / "mail.private").write_bytes(RSA.private_pem)  # what was read with the key counts for that file only
    assert store.public(key) == RSA.public


def test_names_and_flat_keys_take_one_listing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before a long list is shared out, its directory is listed once; what lies flat in it is still found."""
    domains = [f"d{n}.example" for n in range(20)]
    for domain in domains:
        create(KeyDirectory(tmp_path), domain, "s")
    (tmp_path / "mail.private").write_bytes(ED25519.private_pem)
    (tmp_path / "mail.txt").write_text("mail._domainkey IN TXT ( ) ; ----- DKIM key mail for flat.example\n")
    listed: list[object] = []

    def counting(real: Callable[[int], object]) -> Callable[[int], object]:
        def look(descriptor: int) -> object:
            listed.append(descriptor)
            return real(descriptor)

        return look

    monkeypatch.setattr(os, "listdir", counting(os.listdir))
    monkeypatch.setattr(os, "scandir", counting(os.scandir))
    store = KeyDirectory(tmp_path)
    assert store.names() == sorted([*domains, "flat.example"])
    assert [key.selector for key in store.keys("flat.example")] == ["mail"]
    assert len(listed) == 1


def test_each_directory_is_read_for_itself(tmp_path: Path) -> None:
    """Domains with files of the same names, and of others, after each other: each has its own keys."""
    store = KeyDirectory(tmp_path)
    for number, selectors in enumerate([("a",), ("a",), ("b", "a"), ("a",), ()] * 2):
        domain = f"d{number}.example"
        (tmp_path / domain).mkdir()
        for selector in selectors:
            create(store, domain, selector)
        assert {key.selector for key in store.keys(domain)} == set(selectors)
    (tmp_path / "d0.example" / "a.private").unlink()
    assert [store.keys(f"d{number}.example") != () for number in (0, 1)] == [False, True]


@needs(root=True)
def test_key_directory_that_may_not_be_read_is_no_empty_directory(tmp_path: Path) -> None:
    """An ordinary user is told that the keys cannot be read, not that there are none."""
    store = KeyDirectory(tmp_path / "keys")
    create(store, "example.com", "mail")
    tmp_path.chmod(0o755)
    os.chmod(tmp_path / "keys", 0o700)
    os.seteuid(65534)
    try:
        with pytest.raises(DiskError, match="permission denied") as caught:
            list(store.domains())
        with pytest.raises(DiskError, match="permission denied"):
            store.find(KeyName("example.com", "mail"))
    finally:
        os.seteuid(0)
    assert "sudo" in caught.value.hint


def test_a_domain_that_had_a_proven_key_never_goes_back_to_an_unproven_one() -> None:
    """The installed key stays before a newer proven one; what nobody has seen in DNS signs only at the very first."""

    def key(selector: str, phase: Phase) -> Key:
        return Key(
            "a.example",
            selector,
            "",
            new_metadata("rsa", 2048, Tags(), datetime(2026, 11, 1, tzinfo=UTC))._replace(phase=phase),
        )

    old, new = key("old", Phase.VERIFIED), key("new", Phase.VERIFIED)
    assert signing_key((old, new)) == new
    assert signing_key((old, new), lambda: {("a.example", "old")}) == old
    assert signing_key((old, key("made", Phase.GENERATED))) == old
    assert signing_key((key("gone", Phase.REVOKED), key("made", Phase.GENERATED))) is None
    assert signing_key((key("made", Phase.GENERATED),)) is not None


def test_store_that_was_missing_is_seen_as_soon_as_it_is_there(tmp_path: Path) -> None:
    """It is told missing for each name of a list, and found once it is made, removed, made elsewhere through a link."""
    place, name = as_place(tmp_path, "/etc/opendkim/keys"), KeyName("example.com", "s1")
    store = KeyDirectory(place)
    assert store.find(name) is store.find(name) is None
    (tmp_path / "etc").mkdir()
    assert store.find(name) is None
    create(KeyDirectory(place), *name)
    assert store.find(name)
    shutil.rmtree(tmp_path / "etc")
    assert store.find(name) is store.find(name) is None
    create(KeyDirectory(tmp_path / "elsewhere"), *name)
    place.parent.mkdir(parents=True)
    place.symlink_to("/elsewhere")  # within the tree
    assert store.find(name)


def test_what_is_read_in_one_visit_is_what_is_read_piece_by_piece(tmp_path: Path) -> None:
    """Long lists read a domain at once; keys with metadata, without, and taken over come out the same as one by one."""
    store = KeyDirectory(tmp_path / "keys")
    create(store, "example.com", "noted", RSA)
    (tmp_path / "keys/example.com/foreign.private").write_bytes(ED25519.private_pem)
    (tmp_path / "elsewhere.private").write_bytes(RSA.private_pem)
    taken_over = Metadata("rsa", 1024, "2026-01-01T00:00:00Z", path=str(tmp_path / "elsewhere.private"))
    (tmp_path / "keys/example.com/old.json").write_bytes(meta.to_json(taken_over))
    store.note_domain("example.com", held=True)
    keys = store.keys("example.com")
    assert {key.selector for key in keys} == {"noted", "foreign", "old"}
    assert store.keys_with_public("example.com", lambda keys: keys) == [(key, store.public(key)) for key in keys]
    assert store.life("example.com") == (keys, store.lost("example.com"), store.domain_notes("example.com"))
    assert [k.selector for k, _ in store.keys_with_public("example.com", lambda keys: keys[:1])] == ["old"]
    assert store.keys_with_public("nothing.example", lambda keys: keys) == []
    assert store.life("nothing.example") == ((), (), {})


@pytest.mark.parametrize("damage", [b"\xff", b"*", b"=", b"\0"])
def test_a_key_file_with_what_is_no_base64_is_refused_as_opendkim_refuses_it(damage: bytes) -> None:
    """No reader passes over what does not belong there: the daemon, which does not either, could not sign."""
    text = RSA.private_pem
    middle = text.index(b"\n", 200) - 20
    with pytest.raises(CheckFailed, match="is not a private key in PEM form"):
        parse_private_key(text[:middle] + damage + text[middle:], "test")


def test_key_files_are_read_whole_whatever_their_status_says(tmp_path: Path) -> None:
    """A file of the size that its status gives is read at once; files of /proc say 0 and are read to their end."""
    with open_folder("/proc/self") as folder:
        assert b"VmRSS" in (read_untrusted(folder, "status", frozenset()) or b"")
    (tmp_path / "empty").touch()
    with open_folder(tmp_path) as folder:
        assert read_untrusted(folder, "empty", frozenset()) == b""

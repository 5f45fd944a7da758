"""UserSig: the published vectors, the order of the checks, and that no input makes it raise."""

from __future__ import annotations

import base64
import json
import zlib
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homing.model.problems import (
    USERSIG_EMPTY,
    USERSIG_EXPIRED,
    USERSIG_MALFORMED,
    USERSIG_OTHER_APP,
    USERSIG_OTHER_USER,
    USERSIG_WRONG_KEY,
    Problem,
)
from homing.rules.usersig import MAX_JSON_BYTES, MAX_USERSIG_CHARS, UserSig, sign, verify

KEY = "0123456789abcdef" * 4
APP = 1400000000
USER = "administrator"
TIME = 1700000000
EXPIRE = 15552000

PYTHON_VECTOR = (
    "eJyrVgrxCdYrSy1SslJQMtIzUNJRAItkpqTmlWSmZUIkElNyM-Myi0uKEkvyi2BKilOyEwsKMlOACgxNDKAAKpdaUZBZlAqSMTU1NUKIl2TmgkXN0dQXZ6aD7AnQ"
    "rzRwMw-P9k33DE6J9LbIy0k0900Kt-RL9HRxzgjOy6*KKtE3z6vUD0i2VaoFAMDTNd0_"
)
NODE_VECTOR = (
    "eJyrVgrxCdYrSy1SslIy0jNQ0gHzM1NS80oy0zLBwokpuZl5mcUlRYkl*UVQBcUp2YkFBZkpSlaGJgZQAJEpycxNVbIyNEcVTa0oyCwCiZuamhrBRYsz05WslAL0"
    "Kw3czMOzfdM9g1MivS3ychLNfZPCLf0SPV2cM4Lz8quiSvTN8yr1A5JtlWoBLss0fQ__"
)
USERBUF_SIG = "ycj63Otu8bEPHJXJ6OxSGhJQyrlXtwl8WDcd551zyr8="


def pack(document: object) -> str:
    return pack_bytes(json.dumps(document).encode())


def pack_bytes(plain: bytes) -> str:
    return base64.b64encode(zlib.compress(plain)).decode().translate(str.maketrans("+/=", "*-_"))


def unpack(usersig: str) -> dict[str, object]:
    document = json.loads(zlib.decompress(base64.b64decode(usersig.translate(str.maketrans("*-_", "+/=")))))
    assert isinstance(document, dict)
    return document


def changed(**fields: object) -> str:
    document = unpack(PYTHON_VECTOR)
    for name, value in fields.items():
        document["TLS." + name] = value
    return pack(document)


def check(usersig: str, now: int = TIME) -> UserSig | Problem:
    return verify(usersig, APP, USER, KEY, now)


def test_signing_gives_the_published_python_text():
    assert sign(APP, USER, KEY, TIME) == PYTHON_VECTOR


@pytest.mark.parametrize("vector", [PYTHON_VECTOR, NODE_VECTOR])
def test_both_published_layouts_verify(vector: str):
    assert check(vector) == UserSig(APP, USER, TIME, EXPIRE)


def test_userbuf_is_signed_as_published_and_comes_back():
    usersig = sign(APP, USER, KEY, TIME, userbuf=b"abc")
    assert unpack(usersig)["TLS.sig"] == USERBUF_SIG
    assert unpack(usersig)["TLS.userbuf"] == "YWJj"
    assert check(usersig) == UserSig(APP, USER, TIME, EXPIRE, b"abc")


def test_a_userbuf_that_was_taken_out_breaks_the_signature():
    document = unpack(sign(APP, USER, KEY, TIME, userbuf=b"abc"))
    del document["TLS.userbuf"]
    assert check(pack(document)) is USERSIG_WRONG_KEY


@pytest.mark.parametrize("encode", [lambda text: quote(text, safe=""), lambda text: text.replace("*", "%2A"), lambda text: f" {text}\n"])
def test_url_encoded_or_padded_with_blanks_it_still_verifies(encode):
    assert isinstance(check(encode(NODE_VECTOR)), UserSig)


def test_numbers_written_as_strings_are_accepted():
    assert check(changed(sdkappid=str(APP), time=str(TIME), expire=str(EXPIRE))) == UserSig(APP, USER, TIME, EXPIRE)


def test_an_empty_usersig_has_its_own_problem():
    assert check("") is USERSIG_EMPTY


@pytest.mark.parametrize(
    "usersig",
    [
        "x",
        "你好",
        "\ud800",
        PYTHON_VECTOR[:-4],
        PYTHON_VECTOR[:-1],
        PYTHON_VECTOR + "AAAA",
        base64.b64encode(zlib.compress(b"{}") + b"tail").decode().translate(str.maketrans("+/=", "*-_")),
        pack_bytes(b"not json"),
        pack_bytes(b"[]"),
        pack_bytes(b"\xff\xfe"),
        pack_bytes(b"[" * 10_000),
        pack({}),
        pack({name: value for name, value in unpack(PYTHON_VECTOR).items() if name != "TLS.sig"}),
        changed(sdkappid="14e8"),
        changed(sdkappid="１４"),
        changed(time="1_700"),
        changed(time=-1),
        changed(expire=10**300),
        changed(expire=1.5),
        changed(expire=True),
        changed(sig="not base64!"),
        changed(sig="签名"),
        changed(userbuf="?"),
        "A" * (MAX_USERSIG_CHARS + 1),
        "%" * (MAX_USERSIG_CHARS - 1),
    ],
)
def test_what_cannot_be_read_is_malformed(usersig: str):
    assert check(usersig) is USERSIG_MALFORMED


def test_a_decompression_bomb_is_refused():
    bomb = pack_bytes(b"{" + b" " * (64 * MAX_JSON_BYTES) + b"}")
    assert len(bomb) < MAX_USERSIG_CHARS
    assert check(bomb) is USERSIG_MALFORMED


def test_the_checks_come_in_the_order_of_the_sheet():
    late = TIME + EXPIRE + 1
    assert verify(PYTHON_VECTOR, 1, "other", "wrong", late) is USERSIG_OTHER_APP
    assert verify(PYTHON_VECTOR, APP, "other", "wrong", late) is USERSIG_OTHER_USER
    assert verify(PYTHON_VECTOR, APP, USER, "wrong", late) is USERSIG_WRONG_KEY
    assert verify(PYTHON_VECTOR, APP, USER, KEY, late) is USERSIG_EXPIRED


def test_it_is_valid_through_its_last_second():
    assert isinstance(check(PYTHON_VECTOR, TIME + EXPIRE), UserSig)
    assert check(PYTHON_VECTOR, TIME + EXPIRE + 1) is USERSIG_EXPIRED


def test_a_longer_validity_cannot_be_written_in_afterwards():
    assert check(changed(expire=EXPIRE + 1)) is USERSIG_WRONG_KEY


def test_an_app_without_a_key_accepts_nothing():
    assert verify(sign(APP, USER, "", TIME), APP, USER, "", TIME) is USERSIG_WRONG_KEY


@given(st.text(min_size=1, max_size=40), st.text(min_size=1), st.none() | st.binary(max_size=64), st.integers(0, 2**32))
def test_what_was_signed_verifies_for_its_user_and_no_other(user: str, key: str, userbuf: bytes | None, now: int):
    usersig = sign(APP, user, key, now, 100, userbuf)
    assert verify(usersig, APP, user, key, now) == UserSig(APP, user, now, 100, userbuf)
    assert verify(usersig, APP, user + "x", key, now) is USERSIG_OTHER_USER
    assert verify(usersig, APP, user, key + "x", now) is USERSIG_WRONG_KEY


ANY_TEXT = st.text(st.characters())
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(), lambda inner: st.lists(inner, max_size=3), max_leaves=5
)
FIELDS = st.sampled_from(["TLS.ver", "TLS.identifier", "TLS.sdkappid", "TLS.time", "TLS.expire", "TLS.userbuf", "TLS.sig"])


@given(ANY_TEXT, ANY_TEXT, ANY_TEXT, st.integers(), st.integers())
def test_no_text_makes_it_raise(usersig: str, user: str, key: str, app: int, now: int):
    assert isinstance(verify(usersig, app, user, key, now), Problem)


@given(st.binary(max_size=200))
def test_no_packed_bytes_make_it_raise(plain: bytes):
    assert isinstance(check(pack_bytes(plain)), Problem)


@given(st.dictionaries(FIELDS, JSON))
def test_no_value_in_a_field_makes_it_raise(fields: dict[str, object]):
    result = check(pack({**unpack(PYTHON_VECTOR), **fields}))
    assert isinstance(result, Problem | UserSig)


@given(st.integers(0, len(PYTHON_VECTOR) - 1), st.sampled_from("AZaz09*-_%+/=é"))
def test_a_changed_character_never_passes_as_another_statement(place: int, character: str):
    result = check(PYTHON_VECTOR[:place] + character + PYTHON_VECTOR[place + 1 :])
    assert isinstance(result, Problem) or result == UserSig(APP, USER, TIME, EXPIRE)

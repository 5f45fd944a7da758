"""Secrets never show."""

from __future__ import annotations

import json
from urllib.parse import quote, quote_plus, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homing.rules.masking import ELLIPSIS, mask, mask_all, mask_headers

PEM = "-----BEGIN PRIVATE KEY-----\nMIGT+/=\n-----END PRIVATE KEY-----\n"


@pytest.mark.parametrize(
    ("secret", "shown"), [("abcdefghijklmnopqrstuvwxyz", "ab…yz"), ("abcdefghijkl", "ab…kl"), ("abcdefghijk", "…"), ("", "…")]
)
def test_a_long_secret_can_be_recognised_and_a_short_one_not(secret: str, shown: str):
    assert mask(secret) == shown


def test_a_secret_is_masked_in_every_form_it_travels_in():
    text = "\n".join([PEM, json.dumps({"key": PEM}), quote(PEM, safe=""), urlencode({"key": PEM})])
    masked = mask_all(text, [PEM])
    assert "MIGT" not in masked
    assert masked.count(ELLIPSIS) == 4


def test_a_secret_inside_another_is_masked_with_it():
    assert mask_all("abcdefghijklmnop", ["ghi", "abcdefghijklmnop"]) == "ab…op"


def test_an_empty_secret_masks_nothing():
    assert mask_all("text", ["", "zz"]) == "text"


def test_what_authorises_a_request_is_masked_whether_named_or_not():
    headers = (("Authorization", "Bearer abcdefghijklmnop"), ("Cookie", "abcdefghijklmnop"), ("X-Key", "the-secret-of-mine"), ("A", "b"))
    assert mask_headers(headers, ["the-secret-of-mine"]) == (
        ("Authorization", "Bearer ab…op"),
        ("Cookie", "ab…op"),
        ("X-Key", "th…ne"),
        ("A", "b"),
    )


@given(
    st.lists(st.text(st.characters(codec="utf-8", exclude_characters=ELLIPSIS), min_size=6, max_size=40), min_size=1, max_size=4),
    st.text(max_size=20),
)
def test_no_secret_is_left_in_a_masked_text(secrets: list[str], around: str):
    text = around.join([*secrets, *(json.dumps(secret) for secret in secrets), *(quote_plus(secret) for secret in secrets)])
    masked = mask_all(text, secrets)
    assert not [secret for secret in secrets if secret in masked]


@given(st.text(st.characters()), st.lists(st.text(st.characters())))
def test_no_text_makes_it_raise(text: str, secrets: list[str]):
    mask_all(text, secrets)
    mask_headers([(text, text)], secrets)

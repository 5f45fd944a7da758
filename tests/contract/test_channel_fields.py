"""Certificate fields: descriptions, typed values out of text, and storage, for every channel there is."""

from __future__ import annotations

import json
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from hypothesis import given
from hypothesis import strategies as st

from homing.channels.base import Channel, FieldProblem
from homing.channels.fields import (
    MAX_VALUE_BYTES,
    build,
    describe,
    dump_credentials,
    dump_options,
    load_credentials,
    load_options,
    shown,
)
from homing.channels.registry import CHANNELS, channel
from homing.channels.xiaomi import XiaomiCredentials, XiaomiOptions


def _pem(key: Any) -> str:
    encoded = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return str(encoded.decode())


ACCOUNT = json.dumps(
    {
        "type": "service_account",
        "project_id": "im-demo",
        "private_key": _pem(rsa.generate_private_key(public_exponent=65537, key_size=2048)),
        "client_email": "push@im-demo.iam.gserviceaccount.com",
    }
)
HARMONY_ACCOUNT = json.dumps(
    {
        "project_id": "388421841222",
        "key_id": "9a1c5f7e",
        "private_key": _pem(rsa.generate_private_key(public_exponent=65537, key_size=2048)),
        "sub_account": "103456789",
    }
)
GOOD: dict[str, dict[str, str]] = {
    "fcm": {"service_account": ACCOUNT},
    "apns": {
        "key_id": "ABCDE12345",
        "team_id": "TEAM123456",
        "private_key": _pem(ec.generate_private_key(ec.SECP256R1())),
        "topic": "com.example.im",
        "environment": "sandbox",
    },
    "harmony": {"project_id": "388421841222", "service_account": HARMONY_ACCOUNT},
    "huawei": {"app_id": "100123", "client_secret": "s3cret", "category": "IM"},
    "oppo": {"app_key": "key", "master_secret": "s3cret", "region": "overseas", "category": "IM", "notify_level": "2"},
    "webpush": {"vapid_private_key": _pem(ec.generate_private_key(ec.SECP256R1())), "subject": "mailto:push@example.com"},
    "vivo": {"app_id": "10004", "app_key": "key", "app_secret": "s3cret", "category": "IM", "classification": "1"},
    "xiaomi": {
        "app_secret": "s3cret",
        "package_name": "com.example.im",
        "region": "india",
        "template_id": "P1",
        "template_param": '{"nick":"{title}"}',
    },
}
COMMON = [
    "click_action",
    "click_value",
    "channel_id",
    "sound",
    "notification_class",
    "package_name",
    "base_url",
    "auth_url",
    "ca_file",
    "callback_base_url",
]


def known(name: str) -> Channel:
    found = channel(name)
    assert found is not None
    return found


def problems(name: str, values: dict[str, Any]) -> list[FieldProblem]:
    built = build(known(name), values)
    assert isinstance(built, list)
    return built


def test_every_channel_is_found_by_its_name():
    assert set(GOOD) <= set(CHANNELS)
    assert all(name == found.name for name, found in CHANNELS.items())
    assert channel("pigeon") is None


def test_push_platform_numbers_are_those_of_the_original_product():
    numbers = {"apns": 1, "xiaomi": 2, "huawei": 3, "fcm": 4, "oppo": 6, "vivo": 7}
    assert {name: known(name).push_platform for name in numbers} == numbers


@pytest.mark.parametrize("name", list(CHANNELS))
def test_every_field_has_a_label_in_both_languages_and_a_unique_name(name):
    described = describe(CHANNELS[name])
    names = [field.name for field in described]
    assert len(names) == len(set(names))
    assert set(COMMON) <= set(names)
    assert all(field.label_en and field.label_zh for field in described)
    assert all(field.label_en != field.name for field in described)


@pytest.mark.parametrize("name", list(GOOD))
def test_the_contracts_names_are_there(name):
    assert set(GOOD[name]) <= {field.name for field in describe(known(name))}


@pytest.mark.parametrize(
    ("name", "secrets"),
    [
        ("fcm", {"service_account"}),
        ("apns", {"private_key", "client_certificate", "passphrase"}),
        ("harmony", {"service_account", "callback_key"}),
        ("huawei", {"client_secret", "callback_key"}),
        ("oppo", {"master_secret"}),
        ("webpush", {"vapid_private_key"}),
        ("vivo", {"app_secret"}),
        ("xiaomi", {"app_secret"}),
    ],
)
def test_secrets_are_marked_and_live_in_the_credentials(name, secrets):
    marked = [field for field in describe(known(name)) if field.secret]
    assert {field.name for field in marked} == secrets
    assert all(field.credential for field in marked)


@pytest.mark.parametrize("name", list(GOOD))
def test_good_values_are_built_stored_and_loaded_again(name):
    found = known(name)
    built = build(found, GOOD[name])
    assert isinstance(built, tuple)
    credentials, options = built
    assert load_credentials(found, dump_credentials(found, credentials)) == credentials
    assert load_options(found, dump_options(found, options)) == options


@pytest.mark.parametrize("name", list(GOOD))
def test_secrets_are_never_shown_again(name):
    built = build(known(name), GOOD[name])
    assert isinstance(built, tuple)
    visible = str(shown(*built)) + repr(built[0])
    assert "s3cret" not in visible
    assert "PRIVATE" not in visible


@pytest.mark.parametrize(
    ("name", "field"), [("fcm", "service_account"), ("huawei", "client_secret"), ("huawei", "app_id"), ("xiaomi", "app_secret")]
)
def test_each_missing_field_is_named_with_how_to_pass_it(name, field):
    found = problems(name, {key: value for key, value in GOOD[name].items() if key != field})
    assert [(p.field, p.sentence) for p in found] == [(field, f"{field} is missing")]
    assert field in found[0].cure


def test_an_unknown_field_is_named_with_the_nearest_known_one():
    (found,) = problems("xiaomi", GOOD["xiaomi"] | {"package-name": "x"})
    assert found.field == "package-name"
    assert "package_name" in found.cure


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("max_in_flight", "many"),
        ("max_in_flight", "-1"),
        ("requests_per_second", "fast"),
        ("notify_type", "9"),
        ("notify_type", "1.5"),
        ("click_action", "fly"),
        ("region", "moon"),
        ("base_url", "ftp://x"),
        ("base_url", "http://example.com"),
        ("channel_id", "a\nb"),
        ("template_param", "[1]"),
        ("app_secret", "x" * (MAX_VALUE_BYTES + 1)),
        ("app_secret", b"\xff\xfe"),
    ],
)
def test_each_wrong_value_gives_one_problem_that_names_its_field(field, value):
    found = problems("xiaomi", GOOD["xiaomi"] | {field: value})
    assert [p.field for p in found] == [field]
    assert found[0].sentence
    assert found[0].cure
    assert "\n" not in found[0].sentence


@pytest.mark.parametrize(
    ("name", "field", "value"),
    [
        ("fcm", "service_account", "{broken"),
        ("fcm", "service_account", "[]"),
        ("apns", "private_key", "-----BEGIN PRIVATE KEY-----\nnope\n-----END PRIVATE KEY-----"),
    ],
)
def test_a_broken_file_gives_one_sentence_that_names_its_field(name, field, value):
    (found,) = problems(name, GOOD[name] | {field: value})
    assert found.field == field


def test_a_broken_p12_is_named():
    (found,) = problems("apns", {"client_certificate": b"\x30\x82garbage", "passphrase": "x", "topic": "a.b"})
    assert found.field == "client_certificate"


def test_text_becomes_numbers_and_booleans():
    built = build(known("apns"), GOOD["apns"] | {"mutable_content": "true", "max_in_flight": "7", "requests_per_second": "1.5"})
    assert isinstance(built, tuple)
    assert (built[1].mutable_content, built[1].max_in_flight, built[1].requests_per_second) == (True, 7, 1.5)


def test_values_are_trimmed_as_files_end_with_a_line_break():
    built = build(known("xiaomi"), GOOD["xiaomi"] | {"app_secret": b"s3cret\n"})
    assert isinstance(built, tuple)
    assert built[0].app_secret == "s3cret"


def test_an_edit_keeps_what_is_not_passed_and_resets_what_is_empty():
    current = (XiaomiCredentials(app_secret="old"), XiaomiOptions(package_name="com.example.im", channel_id="1", sound="ring"))
    built = build(known("xiaomi"), {"channel_id": "2", "sound": ""}, current=current)
    assert isinstance(built, tuple)
    assert (built[0].app_secret, built[1].package_name, built[1].channel_id, built[1].sound) == ("old", "com.example.im", "2", "")


def test_an_edit_cannot_empty_a_required_field():
    current = (XiaomiCredentials(app_secret="old"), XiaomiOptions(package_name="com.example.im"))
    built = build(known("xiaomi"), {"app_secret": " "}, current=current)
    assert isinstance(built, list)
    assert [p.field for p in built] == ["app_secret"]


def test_the_certificates_own_name_is_taken_and_left_to_the_caller():
    assert isinstance(build(known("xiaomi"), GOOD["xiaomi"] | {"name": "Mi"}), tuple)


@given(
    name=st.sampled_from(sorted(CHANNELS)),
    data=st.data(),
)
def test_no_value_is_too_strange(name, data):
    names = [field.name for field in describe(CHANNELS[name])]
    values = data.draw(
        st.dictionaries(st.sampled_from(names) | st.text(max_size=8), st.text(max_size=40) | st.binary(max_size=40), max_size=6)
    )
    built = build(CHANNELS[name], values)
    assert built
    if isinstance(built, list):
        assert all(problem.sentence and problem.cure for problem in built)

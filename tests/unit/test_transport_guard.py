"""The address guard: what the server may call, judged by text and by address."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homing.transport.guard import check_peer, check_url, judge_origin, origin_of

PRIVATE = [
    "10.0.0.1",
    "172.16.5.5",
    "192.168.1.1",
    "100.64.0.1",
    "169.254.169.254",
    "100.100.100.200",
    "168.63.129.16",
    "0.0.0.0",
    "224.0.0.1",
    "255.255.255.255",
    "192.0.2.1",
    "240.0.0.1",
    "fe80::1",
    "fc00::1",
    "fd00:ec2::254",
    "ff02::1",
    "::",
    "::ffff:10.0.0.1",
    "::ffff:169.254.169.254",
    "64:ff9b::a00:1",
    "2002:a00:1::1",
    "2001:db8::1",
]


@pytest.mark.parametrize(
    "url",
    [
        "https://fcm.googleapis.com/v1/projects/p/messages:send",
        "https://api.push.apple.com:443/3/device/abc",
        "https://[2606:4700:4700::1111]/x",
        "https://8.8.8.8/",
        "http://127.0.0.1:8080/x",
        "http://localhost:8080",
        "http://[::1]:8080/x?y#z",
        "https://127.0.0.1:8443/x",
    ],
)
def test_public_https_and_loopback_are_allowed(url: str) -> None:
    assert check_url(url) is None


@pytest.mark.parametrize(
    "url",
    [
        "http://fcm.googleapis.com/",
        "ftp://127.0.0.1/",
        "file:///etc/passwd",
        "gopher://127.0.0.1/",
        "//host/x",
        "https://",
        "https://user:secret@example.com/",
        "https://example.com\\@127.0.0.1/",
        "https://exa mple.com/",
        "https://example.com/\r\nX: y",
        "https://example.com:99999/",
        "https://[::1/",
        "https://bücher.example/",
        "",
    ],
)
def test_other_schemes_credentials_and_ambiguous_urls_are_refused_with_a_sentence(url: str) -> None:
    refusal = check_url(url)
    assert refusal
    assert refusal[0].isupper()
    assert "secret" not in refusal


@pytest.mark.parametrize("address", PRIVATE)
def test_private_and_special_addresses_are_refused_as_host_and_as_peer(address: str) -> None:
    host = f"[{address}]" if ":" in address else address
    assert check_url(f"https://{host}/")
    assert check_peer(address)


@pytest.mark.parametrize("address", ["10.0.0.1", "192.168.1.1", "fd12::1", "127.0.0.1"])
def test_private_addresses_are_allowed_when_asked_for(address: str) -> None:
    host = f"[{address}]" if ":" in address else address
    assert check_url(f"http://{host}:8080/", allow_private=True) is None
    assert check_peer(address, allow_private=True) is None


def test_multicast_is_refused_even_when_private_networks_are_allowed() -> None:
    assert check_peer("224.0.0.1", allow_private=True)


def test_a_name_that_points_to_this_machine_is_refused_but_localhost_is_not() -> None:
    assert not judge_origin("https://vendor.example").loopback
    assert check_peer("127.0.0.1")
    assert check_peer("::ffff:127.0.0.1")
    assert judge_origin("http://localhost:80").loopback
    assert judge_origin("http://LOCALHOST.").loopback
    assert check_peer("127.0.0.1", allow_loopback=True) is None
    assert check_peer("10.0.0.1", allow_loopback=True)


def test_a_scoped_address_is_judged_without_its_scope() -> None:
    assert check_peer("fe80::1%eth0")


def test_what_is_not_an_address_is_refused() -> None:
    assert check_peer("example.com")
    assert check_peer("")


@given(st.ip_addresses())
def test_every_address_that_is_not_global_is_refused(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> None:
    # What carries an IPv4 address is judged by that one; Python's own verdict on such addresses differs between its releases.
    inside = None if isinstance(address, ipaddress.IPv4Address) else address.sixtofour or address.ipv4_mapped
    judged = inside or address
    if not judged.is_global or judged.is_multicast:
        assert check_peer(str(address), allow_loopback=True) or judged.is_loopback


@given(st.text(max_size=60))
def test_no_text_makes_the_guard_fail(text: str) -> None:
    check_url(text)
    check_url("https://" + text)


@given(st.sampled_from(["/", "?", "#", "/a?b#c", "?x=/y"]))
def test_the_origin_ends_where_the_path_the_query_or_the_fragment_begins(rest: str) -> None:
    assert origin_of("https://example.com:8443" + rest) == "https://example.com:8443"

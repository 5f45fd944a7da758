"""Signed URLs, by the example that Amazon publishes."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

from homing.rules.sigv4 import AccessKey, presign

# Amazon S3 API Reference, "Authenticating Requests: Using Query Parameters", the example.
KEY = AccessKey("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
AT = 1_369_353_600  # 2013-05-24T00:00:00Z
URL = "https://examplebucket.s3.amazonaws.com/test.txt"
PUBLISHED = (
    URL + "?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request"
    "&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host"
    "&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"
)


def test_the_published_example_is_signed_as_published() -> None:
    assert presign("GET", URL, KEY, "us-east-1", AT, 86_400) == PUBLISHED


def test_method_headers_query_and_path_are_all_under_the_signature() -> None:
    variants = [
        presign("GET", URL, KEY, "us-east-1", AT, 60),
        presign("PUT", URL, KEY, "us-east-1", AT, 60),
        presign("PUT", URL, KEY, "us-east-1", AT, 60, headers={"Content-Type": "image/png"}),
        presign("PUT", URL, KEY, "us-east-1", AT, 60, headers={"Content-Type": "image/gif"}),
        presign("GET", URL + "x", KEY, "us-east-1", AT, 60),
        presign("GET", URL, KEY, "eu-west-1", AT, 60),
        presign("GET", URL, KEY, "us-east-1", AT, 60, query={"response-content-type": "image/png"}),
        presign("GET", "https://examplebucket.s3.amazonaws.com", KEY, "us-east-1", AT, 60),
    ]
    assert len({url.rpartition("=")[2] for url in variants}) == len(variants)
    fields = parse_qs(urlsplit(variants[2]).query)
    assert fields["X-Amz-SignedHeaders"] == ["content-type;host"]


def test_no_url_is_good_for_more_than_a_week_and_no_key_is_shown() -> None:
    assert "X-Amz-Expires=604800&" in presign("GET", URL, KEY, "us-east-1", AT, 10**7)
    assert KEY.secret not in repr(KEY)

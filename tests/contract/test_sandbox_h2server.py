"""The sandbox's HTTP/2 server on the wire: limits, flow control, GOAWAY, resets, TLS with client certificates."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pycurl
import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from homing.sandbox import tls
from homing.sandbox.h2server import H2Connection, H2Limits, H2Server
from homing.sandbox.h2values import REFUSED_STREAM, Abort, Answer, Goaway, Reply, ResetStream, Stall, StreamRequest

Serve = Callable[..., Awaitable[H2Server]]


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    servers: list[H2Server] = []

    async def start(handler: Any, **arguments: Any) -> H2Server:
        server = H2Server(handler, **arguments)
        servers.append(server)
        await server.start("127.0.0.1", 0)
        return server

    yield start
    for server in servers:
        await server.aclose()


async def echo(request: StreamRequest, connection: H2Connection) -> Reply:
    return Answer(200, (("x-path", request.path), ("x-length", str(len(request.body)))), request.body)


async def empty(request: StreamRequest, connection: H2Connection) -> Reply:
    return Answer(200)


class Gate:
    """A handler that answers when the test lets it, and counts what runs."""

    def __init__(self) -> None:
        self.open = asyncio.Event()
        self.running: list[str] = []

    async def __call__(self, request: StreamRequest, connection: H2Connection) -> Reply:
        if request.path == "/goaway":
            return Goaway({"reason": "Shutdown"})
        self.running.append(request.path)
        await self.open.wait()
        return Answer(200)


async def test_an_answer_without_a_body_ends_with_its_headers(serve, raw_h2):
    server = await serve(empty)
    client = await raw_h2(server.port)
    response = await client.ask("/x")
    assert (response.status, response.body, response.ended_with_headers) == (200, b"", True)


async def test_many_streams_share_one_connection(serve, raw_h2):
    server = await serve(echo, limits=H2Limits(initial_max_streams=500))
    client = await raw_h2(server.port)
    streams = [client.request(f"/{n}", body=b"b%d" % n) for n in range(300)]
    for n, stream in enumerate(streams):
        response = await client.response(stream)
        assert (response.headers["x-path"], response.body) == (f"/{n}", b"b%d" % n)
    assert server.connections_seen == 1


async def test_repeated_headers_reach_the_handler_twice(serve, raw_h2):
    seen: list[StreamRequest] = []

    async def handler(request: StreamRequest, connection: H2Connection) -> Reply:
        seen.append(request)
        return Answer(200)

    client = await raw_h2((await serve(handler)).port)
    await client.ask("/3/device/ab", [("apns-topic", "a"), ("apns-topic", "b")])
    assert [value for name, value in seen[0].headers if name == "apns-topic"] == ["a", "b"]
    assert (seen[0].method, seen[0].authority, seen[0].header("apns-topic")) == ("POST", "127.0.0.1", "a")


async def test_a_large_body_is_read_through_a_small_window_and_kept_up_to_the_bound(serve, curl):
    server = await serve(echo, limits=H2Limits(max_body_bytes=1000))
    options = {pycurl.HTTP_VERSION: pycurl.CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE}
    answer = await curl(f"http://127.0.0.1:{server.port}/big", b"z" * 900_000, [], options)
    assert (answer.status, answer.headers["x-length"], answer.http_version) == (200, "1001", pycurl.CURL_HTTP_VERSION_2_0)


async def test_a_large_answer_waits_for_the_clients_window(serve, raw_h2):
    async def handler(request: StreamRequest, connection: H2Connection) -> Reply:
        return Answer(200, (), b"a" * 200_000)

    server = await serve(handler)
    client = await raw_h2(server.port, window=1000)
    stream = client.request("/x")
    response = client.responses[stream]
    await client.until(lambda: len(response.body) >= 1000)
    await client.settled()
    assert len(response.body) == 1000
    client.conn.increment_flow_control_window(500, stream)
    client.flush()
    await client.until(lambda: len(response.body) >= 1500)
    await client.settled()
    assert len(response.body) == 1500
    client.conn.increment_flow_control_window(300_000, stream)
    client.conn.increment_flow_control_window(300_000)
    client.flush()
    await client.response(stream)
    assert len(response.body) == 200_000


async def test_one_stream_over_the_acknowledged_limit_is_refused_and_the_others_live(serve, raw_h2):
    gate = Gate()
    server = await serve(gate, limits=H2Limits(initial_max_streams=2))
    client = await raw_h2(server.port)
    await client.settled()  # the limit is acknowledged now
    client.conn.remote_settings[3] = 100  # a client that does not count
    client.conn.remote_settings.acknowledge()
    streams = [client.request(f"/{n}") for n in range(3)]
    refused = await client.response(streams[2])
    assert refused.reset_code == REFUSED_STREAM
    gate.open.set()
    assert [(await client.response(s)).status for s in streams[:2]] == [200, 200]
    assert (await client.ask("/again")).status == 200


async def test_streams_sent_before_the_first_settings_are_seen_are_served(serve, raw_h2):
    server = await serve(empty, limits=H2Limits(initial_max_streams=1))
    client = await raw_h2(server.port)
    streams = [client.request(f"/{n}") for n in range(20)]
    assert [(await client.response(s)).status for s in streams] == [200] * 20
    assert client.max_streams == [1]


async def test_a_handler_may_raise_the_limit(serve, raw_h2):
    async def handler(request: StreamRequest, connection: H2Connection) -> Reply:
        connection.set_max_concurrent_streams(1000)
        return Answer(200)

    client = await raw_h2((await serve(handler, limits=H2Limits(initial_max_streams=1))).port)
    await client.ask("/x")
    await client.until(lambda: client.max_streams[-1:] == [1000])
    assert client.max_streams == [1, 1000]


async def test_a_lowered_limit_holds_only_after_it_was_acknowledged(serve, raw_h2):
    gate = Gate()
    server = await serve(gate, limits=H2Limits(initial_max_streams=10))
    client = await raw_h2(server.port)
    await client.settled()
    server.set_max_concurrent_streams(1)
    streams = [client.request(f"/{n}") for n in range(3)]  # the client has not read the new limit yet
    await client.settled()
    assert gate.running == ["/0", "/1", "/2"]
    await client.settled()
    client.conn.remote_settings[3] = 100
    client.conn.remote_settings.acknowledge()
    assert (await client.response(client.request("/late"))).reset_code == REFUSED_STREAM
    gate.open.set()
    assert [(await client.response(s)).status for s in streams] == [200] * 3


async def test_goaway_names_the_last_stream_that_was_processed_and_finishes_what_runs(serve, raw_h2):
    gate = Gate()
    client = await raw_h2((await serve(gate)).port)
    first = client.request("/first")
    await client.settled()
    sent_away = client.request("/goaway")
    later = client.request("/later")
    await client.until(lambda: bool(client.goaways))
    goaway = client.goaways[0]
    assert (goaway.last_stream_id, int(goaway.error_code or 0)) == (first, 0)
    assert json.loads(goaway.additional_data or b"") == {"reason": "Shutdown"}
    gate.open.set()
    await client.until(lambda: client.closed)
    assert client.responses[first].status == 200
    assert not client.responses[sent_away].ended
    assert not client.responses[later].ended
    assert gate.running == ["/first"]


async def test_goaway_with_nothing_processed_says_stream_zero(serve, raw_h2):
    client = await raw_h2((await serve(Gate())).port)
    client.request("/goaway")
    await client.until(lambda: bool(client.goaways))
    assert client.goaways[0].last_stream_id == 0
    await client.until(lambda: client.closed)
    assert client.closed


async def test_goaway_below_a_processed_stream_refuses_its_own(serve, raw_h2):
    waiting = asyncio.Event()

    async def handler(request: StreamRequest, connection: H2Connection) -> Reply:
        if request.path == "/slow":
            await waiting.wait()
            return Goaway({"reason": "Shutdown"})
        return Answer(200)

    client = await raw_h2((await serve(handler)).port)
    slow = client.request("/slow")
    quick = client.request("/quick")
    assert (await client.response(quick)).status == 200
    waiting.set()
    assert (await client.response(slow)).reset_code == REFUSED_STREAM
    await client.until(lambda: bool(client.goaways))
    assert client.goaways[0].last_stream_id == quick


async def test_a_reset_stream_leaves_the_connection_usable(serve, raw_h2):
    async def handler(request: StreamRequest, connection: H2Connection) -> Reply:
        return ResetStream(0x2) if request.path == "/bad" else Answer(200)

    client = await raw_h2((await serve(handler)).port)
    assert (await client.ask("/bad")).reset_code == 2
    assert (await client.ask("/good")).status == 200


async def test_abort_cuts_the_tcp_connection(serve, raw_h2):
    async def handler(request: StreamRequest, connection: H2Connection) -> Reply:
        return Abort()

    client = await raw_h2((await serve(handler)).port)
    client.request("/x")
    await client.until(lambda: False)
    assert client.closed
    assert not client.goaways


async def test_a_stall_answers_nothing_while_others_are_answered(serve, raw_h2):
    async def handler(request: StreamRequest, connection: H2Connection) -> Reply:
        return Stall() if request.path == "/stall" else Answer(200)

    server = await serve(handler)
    client = await raw_h2(server.port)
    stalled = client.request("/stall")
    assert (await client.ask("/x")).status == 200
    assert not client.responses[stalled].ended
    client.conn.reset_stream(stalled)
    await client.settled()
    assert [connection.open_streams for connection in server.connections] == [0]


async def test_a_failing_handler_is_a_500_and_not_the_end_of_the_connection(serve, raw_h2):
    async def handler(request: StreamRequest, connection: H2Connection) -> Reply:
        if request.path == "/bad":
            raise RuntimeError("broken")
        return Answer(200)

    client = await raw_h2((await serve(handler)).port)
    assert (await client.ask("/bad")).status == 500
    assert (await client.ask("/good")).status == 200


async def test_a_client_that_resets_its_stream_cancels_the_work(serve, raw_h2):
    gate = Gate()
    client = await raw_h2((await serve(gate)).port)
    stream = client.request("/x")
    await client.settled()
    client.conn.reset_stream(stream, 8)
    await client.settled()
    gate.open.set()
    assert (await client.ask("/y")).status == 200


async def test_what_is_not_http2_is_closed(serve):
    server = await serve(echo)
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(b"POST / HTTP/1.1\r\nHost: x\r\n\r\n")
    await reader.read()
    assert reader.at_eof()
    writer.close()
    await writer.wait_closed()


@given(noise=st.binary(min_size=1, max_size=300))
def test_noise_after_the_preface_never_breaks_the_server(noise):
    async def scenario() -> None:
        server = H2Server(empty)
        await server.start("127.0.0.1", 0)
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + noise)
        writer.write_eof()
        await reader.read()
        writer.close()
        await server.aclose()

    asyncio.run(scenario())


async def test_too_many_pings_without_a_request_are_answered_with_goaway(serve, raw_h2):
    client = await raw_h2((await serve(empty, limits=H2Limits(max_pings_between_requests=3))).port)
    await client.settled()
    await client.settled()
    await client.ask("/x")
    for _ in range(3):
        await client.settled()
    await client.until(lambda: bool(client.goaways))
    assert int(client.goaways[0].error_code) == 0xB


async def test_an_idle_connection_is_sent_away(serve, raw_h2):
    client = await raw_h2((await serve(empty, limits=H2Limits(idle_seconds=0.05))).port)
    assert (await client.ask("/x")).status == 200
    await client.until(lambda: client.closed)
    assert [g.last_stream_id for g in client.goaways] == [1]


async def test_connections_over_the_bound_are_dropped(serve, raw_h2):
    server = await serve(empty, limits=H2Limits(max_connections=1))
    first = await raw_h2(server.port)
    assert (await first.ask("/x")).status == 200
    second = await raw_h2(server.port)
    await second.until(lambda: False)
    assert second.closed
    assert (await first.ask("/x")).status == 200


async def test_closing_the_server_says_goaway(serve, raw_h2):
    server = await serve(empty)
    client = await raw_h2(server.port)
    await client.ask("/x")
    await server.aclose()
    await client.until(lambda: client.closed)
    assert [g.last_stream_id for g in client.goaways] == [1]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "tls"


async def test_tls_speaks_h2_under_the_written_ca(serve, curl, folder):
    ca_file = tls.write_files(tls.CertificateAuthority(), folder)
    server = await serve(echo, ssl_context=tls.server_context(folder))
    options = {pycurl.CAINFO: str(ca_file), pycurl.HTTP_VERSION: pycurl.CURL_HTTP_VERSION_2TLS}
    for host in ("127.0.0.1", "localhost"):
        answer = await curl(f"https://{host}:{server.port}/x", b"hello", [], options)
        assert (answer.status, answer.body, answer.http_version) == (200, b"hello", pycurl.CURL_HTTP_VERSION_2_0)
    assert (folder / "server.key").stat().st_mode & 0o777 == 0o600


async def test_tls_of_another_authority_is_not_trusted(serve, curl, folder, tmp_path):
    tls.write_files(tls.CertificateAuthority(), folder)
    other = tls.write_files(tls.CertificateAuthority(), tmp_path / "other")
    server = await serve(echo, ssl_context=tls.server_context(folder))
    with pytest.raises(pycurl.error):
        await curl(f"https://127.0.0.1:{server.port}/x", b"", [], {pycurl.CAINFO: str(other)})


def _client_context(ca_file: Path, pair: Path | None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(ca_file))
    context.set_alpn_protocols(["h2"])
    if pair is not None:
        context.load_cert_chain(pair)
    return context


async def test_a_client_certificate_is_optional_and_reaches_the_handler(serve, raw_h2, folder):
    authority = tls.CertificateAuthority()
    ca_file = tls.write_files(authority, folder)
    seen: list[bytes | None] = []

    async def handler(request: StreamRequest, connection: H2Connection) -> Reply:
        seen.append(connection.peer_certificate)
        return Answer(200)

    server = await serve(handler, ssl_context=tls.server_context(folder, client_certificates=True))
    pair = folder / "client.pem"
    pair.write_bytes(authority.push_client("com.example.im").pem)
    for chosen in (None, pair):
        client = await raw_h2(server.port, ssl=_client_context(ca_file, chosen))
        assert (await client.ask("/x")).status == 200
    assert seen[0] is None
    certificate = x509.load_der_x509_certificate(seen[1] or b"")
    assert certificate.subject.get_attributes_for_oid(NameOID.USER_ID)[0].value == "com.example.im"


async def test_an_expired_client_certificate_fails_the_handshake(serve, raw_h2, folder):
    then = dt.datetime.now(dt.UTC) - dt.timedelta(days=500)
    authority = tls.CertificateAuthority(now=then)
    ca_file = tls.write_files(tls.CertificateAuthority(), folder)
    (folder / "ca.pem").write_bytes(ca_file.read_bytes() + authority.certificate_pem)
    server = await serve(empty, ssl_context=tls.server_context(folder, client_certificates=True))
    pair = folder / "client.pem"
    pair.write_bytes(authority.push_client("com.example.im", days=30).pem)
    client = await raw_h2(server.port, ssl=_client_context(ca_file, pair))
    client.request("/x")
    await client.until(lambda: False)  # TLS 1.3: the client learns of it when it reads
    assert client.closed
    assert not client.max_streams


def test_a_push_certificate_opens_as_pkcs12_with_its_passphrase():
    from cryptography.hazmat.primitives.serialization import pkcs12

    issued = tls.CertificateAuthority().push_client("com.example.im", topics=("com.example.im", "com.example.im.voip"))
    key, certificate, _ = pkcs12.load_key_and_certificates(issued.pkcs12("secret"), b"secret")
    assert key is not None
    assert certificate is not None
    oids = {extension.oid.dotted_string for extension in certificate.extensions}
    assert {tls.DEVELOPMENT_OID, tls.PRODUCTION_OID, tls.TOPICS_OID} <= oids
    with pytest.raises(ValueError, match=r"."):
        pkcs12.load_key_and_certificates(issued.pkcs12("secret"), b"wrong")

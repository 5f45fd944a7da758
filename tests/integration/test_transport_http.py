"""The outbound transport against real local servers: HTTP/1.1 and HTTP/2, with and without TLS."""

from __future__ import annotations

import asyncio
import datetime
import ipaddress
import json
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h2.config
import h2.connection
import h2.events
import h2.settings
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from homing.model.outcome import FailureKind, TransportFailure, VendorRequest, VendorResponse
from homing.transport.bench import drive
from homing.transport.client import HttpTransport
from homing.transport.easy import TransportOptions

# --- certificates --------------------------------------------------------------------------------


class Authority:
    """A private certificate authority in a folder."""

    def __init__(self, folder: Path, name: str) -> None:
        self.folder, self.name = folder, name
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.certificate = self._sign(name, self.key.public_key(), authority=True)
        self.file = folder / f"{name}.pem"
        self.file.write_bytes(self.certificate.public_bytes(serialization.Encoding.PEM))

    def _sign(self, name: str, public_key: Any, *, authority: bool = False) -> x509.Certificate:
        issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, self.name)])
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        now = datetime.datetime.now(datetime.UTC)
        names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1")), x509.IPAddress(ipaddress.ip_address("::1"))]
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer)
            .public_key(public_key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
        )
        return builder.sign(self.key, hashes.SHA256())

    def issue(self, name: str) -> Path:
        """A file with a certificate and its key."""
        key = ec.generate_private_key(ec.SECP256R1())
        pem = self._sign(name, key.public_key()).public_bytes(serialization.Encoding.PEM)
        pem += key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        path = self.folder / f"{name}-{self.name}.pem"
        path.write_bytes(pem)
        return path


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("ca"), "authority")


@pytest.fixture(scope="module")
def other_authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("other"), "other")


# --- the vendor's server -------------------------------------------------------------------------


@dataclass
class Seen:
    connection: int
    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    version: str
    team: str = ""  # common name of the client's certificate


def team_of(transport: Any) -> str:
    certificate = transport.get_extra_info("peercert") or {}
    return next((value for part in certificate.get("subject", ()) for key, value in part if key == "commonName"), "")


@dataclass
class Vendor:
    """A server whose paths say how it behaves."""

    goaway_every: int = 0  # h2: leave the connection after so many requests, refusing the later streams
    max_streams: int = 1000
    port: int = 0
    requests: list[Seen] = field(default_factory=list)
    connections: int = 0
    open: set[asyncio.Transport] = field(default_factory=set)
    gate: asyncio.Event = field(default_factory=asyncio.Event)  # answers of /gate wait for it
    arrived: asyncio.Condition = field(default_factory=asyncio.Condition)
    tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def note(self, seen: Seen) -> None:
        self.requests.append(seen)
        self.spawn(self._notify())

    def spawn(self, work: Any) -> None:
        task = asyncio.ensure_future(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def _notify(self) -> None:
        async with self.arrived:
            self.arrived.notify_all()

    async def until(self, count: int, path: str = "") -> None:
        """Wait until so many requests (for the path) have come."""
        async with self.arrived:
            enough = self.arrived.wait_for(lambda: sum(path in seen.path for seen in self.requests) >= count)
            await asyncio.wait_for(enough, 10)

    def used_connections(self, path: str = "") -> set[int]:
        return {seen.connection for seen in self.requests if path in seen.path}


def answer_for(seen: Seen) -> tuple[int, list[tuple[str, str]], bytes]:
    path = seen.path.split("?")[0]
    if path == "/html":
        return 502, [("content-type", "text/html")], b"<html><body>Bad gateway</body></html>"
    if path == "/empty":
        return 200, [], b""
    if path == "/large":
        return 200, [], b"x" * 300_000
    if path == "/fits":
        return 200, [], b"x" * 262_144
    if path == "/redirect":
        return 302, [("location", "/elsewhere")], b""
    if path == "/retry":
        return 503, [("Retry-After", "7"), ("X-Latin", "a: b")], b"{}"
    text = {"method": seen.method, "path": seen.path, "headers": seen.headers, "body": seen.body.decode(), "version": seen.version}
    return 200, [("content-type", "application/json")], json.dumps(text).encode()


class Http2(asyncio.Protocol):
    """One HTTP/2 connection of the vendor."""

    def __init__(self, vendor: Vendor) -> None:
        self.vendor = vendor
        self.h2 = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False, header_encoding="utf-8"))
        self.streams: dict[int, tuple[dict[str, str], bytearray]] = {}
        self.served = 0
        self.unsent: dict[int, bytes] = {}

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.vendor.connections += 1
        self.number = self.vendor.connections
        self.vendor.open.add(transport)
        self.h2.local_settings = h2.settings.Settings(
            client=False, initial_values={h2.settings.SettingCodes.MAX_CONCURRENT_STREAMS: self.vendor.max_streams}
        )
        self.h2.initiate_connection()
        self.flush()

    def connection_lost(self, _error: Exception | None) -> None:
        self.vendor.open.discard(self.transport)

    def flush(self) -> None:
        data = self.h2.data_to_send()
        if data and not self.transport.is_closing():
            self.transport.write(data)

    def data_received(self, data: bytes) -> None:
        for event in self.h2.receive_data(data):
            if isinstance(event, h2.events.RequestReceived):
                self.streams[event.stream_id] = ({str(k): str(v) for k, v in event.headers}, bytearray())
            elif isinstance(event, h2.events.DataReceived):
                if event.stream_id in self.streams:
                    self.streams[event.stream_id][1].extend(event.data)
                self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            elif isinstance(event, h2.events.StreamEnded):
                self.serve(event.stream_id)
            elif isinstance(event, h2.events.StreamReset):
                self.streams.pop(event.stream_id, None)
            elif isinstance(event, h2.events.WindowUpdated):
                for stream_id in list(self.unsent):
                    self.push_out(stream_id)
        self.flush()

    def serve(self, stream_id: int) -> None:
        if stream_id not in self.streams or self.transport.is_closing():
            return
        limit = self.vendor.goaway_every
        if limit and self.served >= limit:
            return  # beyond the last stream that GOAWAY names: never looked at
        self.served += 1
        headers, body = self.streams.pop(stream_id)
        path = headers[":path"]
        plain = {k: v for k, v in headers.items() if not k.startswith(":")}
        seen = Seen(self.number, headers[":method"], path, plain, bytes(body), "2", team_of(self.transport))
        self.vendor.note(seen)
        if path == "/never":
            return
        if path == "/gate":
            self.vendor.spawn(self.later(stream_id, seen))
            return
        if path == "/reset":
            self.h2.send_headers(stream_id, [(":status", "200"), ("content-length", "100")])
            self.h2.send_data(stream_id, b"half")
            self.h2.reset_stream(stream_id, 2)
        elif path == "/cut":
            self.h2.send_headers(stream_id, [(":status", "200"), ("content-length", "100")])
            self.h2.send_data(stream_id, b"half")
            self.flush()
            self.transport.abort()
        elif path == "/truncated":
            self.h2.send_headers(stream_id, [(":status", "200"), ("content-length", "100")])
            self.h2.send_data(stream_id, b"half", end_stream=True)
        else:
            self.answer(stream_id, seen)
        if limit and self.served == limit:
            self.h2.close_connection(last_stream_id=stream_id)
            self.flush()
            self.transport.close()

    async def later(self, stream_id: int, seen: Seen) -> None:
        await self.vendor.gate.wait()
        with suppress(h2.exceptions.ProtocolError):
            self.answer(stream_id, seen)
            self.flush()

    def answer(self, stream_id: int, seen: Seen) -> None:
        status, headers, body = answer_for(seen)
        self.h2.send_headers(stream_id, [(":status", str(status)), *[(k.lower(), v) for k, v in headers]], end_stream=not body)
        if body:
            self.unsent[stream_id] = body
            self.push_out(stream_id)

    def push_out(self, stream_id: int) -> None:
        body = self.unsent.pop(stream_id)
        try:
            window = min(self.h2.local_flow_control_window(stream_id), self.h2.max_outbound_frame_size, len(body))
            while body and window:
                self.h2.send_data(stream_id, body[:window], end_stream=window == len(body))
                body = body[window:]
                window = min(self.h2.local_flow_control_window(stream_id), self.h2.max_outbound_frame_size, len(body))
        except h2.exceptions.StreamClosedError:
            return
        if body:
            self.unsent[stream_id] = body


class Http1(asyncio.Protocol):
    """One HTTP/1.1 connection of the vendor."""

    def __init__(self, vendor: Vendor) -> None:
        self.vendor = vendor
        self.buffer = b""

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.vendor.connections += 1
        self.number = self.vendor.connections
        self.vendor.open.add(transport)

    def connection_lost(self, _error: Exception | None) -> None:
        self.vendor.open.discard(self.transport)

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        if self.buffer.startswith(b"PRI * HTTP/2.0"):
            self.transport.close()
            return
        head, blank, rest = self.buffer.partition(b"\r\n\r\n")
        if not blank:
            return
        first, *lines = head.decode().split("\r\n")
        headers = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in lines)}
        length = int(headers.get("content-length", 0))
        if len(rest) < length:
            return
        self.buffer = rest[length:]
        method, path, _ = first.split(" ")
        seen = Seen(self.number, method, path, headers, rest[:length], "1.1", team_of(self.transport))
        self.vendor.note(seen)
        self.respond(seen)

    def respond(self, seen: Seen) -> None:
        if seen.path == "/never":
            return
        if seen.path == "/gate":
            self.vendor.spawn(self.later(seen))
        elif seen.path in ("/reset", "/cut", "/truncated"):
            self.transport.write(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf")
            self.transport.close()
        elif seen.path == "/garbage":
            self.transport.write(b"220 mail.example ESMTP\r\n")
            self.transport.close()
        elif seen.path == "/close":
            self.transport.close()
        else:
            self.answer(seen)

    async def later(self, seen: Seen) -> None:
        await self.vendor.gate.wait()
        self.answer(seen)

    def answer(self, seen: Seen) -> None:
        if self.transport.is_closing():
            return
        status, headers, body = answer_for(seen)
        lines = [f"HTTP/1.1 {status} X", *[f"{k}: {v}" for k, v in headers], f"content-length: {len(body)}"]
        self.transport.write("\r\n".join(lines).encode() + b"\r\n\r\n" + body)


class Either(asyncio.Protocol):
    """Takes the protocol that the handshake settled."""

    def __init__(self, vendor: Vendor) -> None:
        self.vendor = vendor

    def connection_made(self, transport: Any) -> None:
        chosen = transport.get_extra_info("ssl_object").selected_alpn_protocol()
        protocol = Http2(self.vendor) if chosen == "h2" else Http1(self.vendor)
        transport.set_protocol(protocol)
        protocol.connection_made(transport)


class Servers:
    """Starts vendors and stops them at the end."""

    def __init__(self, authority: Authority) -> None:
        self.authority = authority
        self.started: list[tuple[asyncio.Server, Vendor]] = []

    async def tls(self, *, alpn: tuple[str, ...] = ("h2", "http/1.1"), client_ca: Path | None = None, **options: Any) -> Vendor:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.authority.issue("server"))
        context.set_alpn_protocols(list(alpn))
        if client_ca is not None:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(client_ca)
        return await self._start(Either, Vendor(**options), context)

    async def plain(self, protocol: type[Http1] | type[Http2], *, host: str = "127.0.0.1", **options: Any) -> Vendor:
        return await self._start(protocol, Vendor(**options), None, host)

    async def _start(self, protocol: Any, vendor: Vendor, context: ssl.SSLContext | None, host: str = "127.0.0.1") -> Vendor:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: protocol(vendor), host, 0, ssl=context, backlog=512)
        vendor.port = server.sockets[0].getsockname()[1]
        self.started.append((server, vendor))
        return vendor

    async def stop(self) -> None:
        for server, vendor in self.started:
            server.close()
            for task in list(vendor.tasks):
                task.cancel()
            for transport in list(vendor.open):
                transport.abort()
        await asyncio.sleep(0)


@pytest.fixture
async def servers(authority: Authority) -> AsyncIterator[Servers]:
    made = Servers(authority)
    yield made
    await made.stop()


@pytest.fixture
async def transport() -> AsyncIterator[HttpTransport]:
    made = HttpTransport()
    yield made
    await made.aclose(grace_seconds=0)


@pytest.fixture
def ask(authority: Authority) -> Any:
    """Makes a request for a vendor of this test."""

    def make(vendor: Vendor, path: str = "/echo", *, scheme: str = "https", host: str = "127.0.0.1", **changes: Any) -> VendorRequest:
        values: dict[str, Any] = {
            "method": "POST",
            "url": f"{scheme}://{host}:{vendor.port}{path}",
            "headers": (("content-type", "application/json"), ("authorization", "bearer x")),
            "body": b'{"a":1}',
            "timeout_seconds": 10.0,
            "ca_file": str(authority.file),
            **changes,
        }
        return VendorRequest(**values)

    return make


def ok(answer: VendorResponse | TransportFailure) -> VendorResponse:
    assert isinstance(answer, VendorResponse), answer
    return answer


def failed(answer: VendorResponse | TransportFailure) -> FailureKind:
    assert isinstance(answer, TransportFailure), answer
    assert answer.detail
    return answer.kind


async def gather(transport: HttpTransport, request: VendorRequest, count: int, pool: str = "p") -> list[VendorResponse]:
    return [ok(answer) for answer in await asyncio.gather(*(transport.send(request, pool=pool) for _ in range(count)))]


# --- answers -------------------------------------------------------------------------------------

KINDS = ["h2", "h1", "h2c", "h1c"]


async def vendor_of(servers: Servers, kind: str, **options: Any) -> tuple[Vendor, dict[str, Any]]:
    """A vendor that speaks one protocol, and how a request must ask for it."""
    if kind == "h2":
        return await servers.tls(**options), {"http2": True}
    if kind == "h1":
        return await servers.tls(alpn=("http/1.1",), **options), {}
    if kind == "h2c":
        return await servers.plain(Http2, **options), {"scheme": "http", "http2": True}
    return await servers.plain(Http1, **options), {"scheme": "http"}


@pytest.mark.parametrize("kind", KINDS)
async def test_request_and_answer_arrive_whole(servers: Servers, transport: HttpTransport, ask: Any, kind: str) -> None:
    vendor, how = await vendor_of(servers, kind)
    answer = ok(await transport.send(ask(vendor, "/echo?q=1", body='{"t":"你好"}'.encode(), **how), pool="p"))
    got = json.loads(answer.body)
    assert answer.status == 200
    assert answer.headers["content-type"] == "application/json"
    assert (got["method"], got["path"], got["body"]) == ("POST", "/echo?q=1", '{"t":"你好"}')
    assert got["headers"]["authorization"] == "bearer x"
    assert got["headers"]["content-type"] == "application/json"
    assert "expect" not in got["headers"]
    assert got["version"] == ("2" if kind.startswith("h2") else "1.1")


@pytest.mark.parametrize("kind", KINDS)
async def test_methods_and_bodies_do_not_leak_into_the_next_request(
    servers: Servers, transport: HttpTransport, ask: Any, kind: str
) -> None:
    vendor, how = await vendor_of(servers, kind)
    plan = [
        ("POST", b"one"),
        ("GET", b""),
        ("DELETE", b""),
        ("POST", b""),
        ("PUT", b"two"),
        ("GET", b""),
        ("DELETE", b"three"),
        ("POST", b"4"),
    ]
    for method, body in plan:
        got = json.loads(ok(await transport.send(ask(vendor, method=method, body=body, **how), pool="p")).body)
        assert (got["method"], got["body"]) == (method, body.decode())
    assert len(vendor.used_connections()) == 1


async def test_a_body_without_a_content_type_is_not_called_a_form(servers: Servers, transport: HttpTransport, ask: Any) -> None:
    vendor, how = await vendor_of(servers, "h1c")
    got = json.loads(ok(await transport.send(ask(vendor, headers=(("x-empty", ""),), **how), pool="p")).body)
    assert "content-type" not in got["headers"]
    assert got["headers"]["x-empty"] == ""


async def test_alpn_settles_on_http2_when_the_vendor_offers_it(servers: Servers, transport: HttpTransport, ask: Any) -> None:
    vendor = await servers.tls()
    assert json.loads(ok(await transport.send(ask(vendor), pool="p")).body)["version"] == "2"


@pytest.mark.parametrize("alpn", [("http/1.1",), ()])
async def test_http2_is_required_where_the_request_asks_for_it(
    servers: Servers, transport: HttpTransport, ask: Any, alpn: tuple[str, ...]
) -> None:
    vendor = await servers.tls(alpn=alpn)
    assert failed(await transport.send(ask(vendor, http2=True, timeout_seconds=2.0), pool="p")) in (FailureKind.TLS, FailureKind.CLOSED)
    assert "POST" not in {seen.method for seen in vendor.requests}  # the HTTP/2 preface is all that it may have seen


@pytest.mark.parametrize("kind", KINDS)
async def test_html_and_empty_answers_are_answers(servers: Servers, transport: HttpTransport, ask: Any, kind: str) -> None:
    vendor, how = await vendor_of(servers, kind)
    html = ok(await transport.send(ask(vendor, "/html", **how), pool="p"))
    assert (html.status, html.body[:6]) == (502, b"<html>")
    empty = ok(await transport.send(ask(vendor, "/empty", **how), pool="p"))
    assert (empty.status, empty.body) == (200, b"")


@pytest.mark.parametrize("kind", KINDS)
async def test_header_names_are_lower_case_and_values_keep_colons(servers: Servers, transport: HttpTransport, ask: Any, kind: str) -> None:
    vendor, how = await vendor_of(servers, kind)
    answer = ok(await transport.send(ask(vendor, "/retry", **how), pool="p"))
    assert (answer.status, answer.headers["retry-after"], answer.headers["x-latin"]) == (503, "7", "a: b")


@pytest.mark.parametrize("kind", KINDS)
async def test_a_redirect_is_an_answer_and_is_not_followed(servers: Servers, transport: HttpTransport, ask: Any, kind: str) -> None:
    vendor, how = await vendor_of(servers, kind)
    answer = ok(await transport.send(ask(vendor, "/redirect", **how), pool="p"))
    assert (answer.status, answer.headers["location"]) == (302, "/elsewhere")
    assert [seen.path for seen in vendor.requests] == ["/redirect"]


# --- failures ------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("path", ["/reset", "/cut", "/truncated"])
async def test_a_loss_in_mid_body_is_closed_and_the_next_request_works(
    servers: Servers, transport: HttpTransport, ask: Any, kind: str, path: str
) -> None:
    vendor, how = await vendor_of(servers, kind)
    assert failed(await transport.send(ask(vendor, path, **how), pool="p")) is FailureKind.CLOSED
    assert len(vendor.requests) == 1  # the vendor may have taken it: it is not repeated here
    ok(await transport.send(ask(vendor, **how), pool="p"))


@pytest.mark.parametrize("path", ["/garbage", "/close"])
async def test_what_is_not_http_is_closed(servers: Servers, transport: HttpTransport, ask: Any, path: str) -> None:
    vendor, how = await vendor_of(servers, "h1c")
    assert failed(await transport.send(ask(vendor, path, **how), pool="p")) is FailureKind.CLOSED


@pytest.mark.parametrize("kind", KINDS)
async def test_a_vendor_that_never_answers_is_a_timeout(servers: Servers, transport: HttpTransport, ask: Any, kind: str) -> None:
    vendor, how = await vendor_of(servers, kind)
    assert failed(await transport.send(ask(vendor, "/never", timeout_seconds=0.2, **how), pool="p")) is FailureKind.TIMEOUT


async def test_after_a_connection_fell_silent_the_next_request_uses_a_new_one(servers: Servers, transport: HttpTransport, ask: Any) -> None:
    vendor, how = await vendor_of(servers, "h2")
    ok(await transport.send(ask(vendor, "/echo", **how), pool="p"))
    assert failed(await transport.send(ask(vendor, "/never", timeout_seconds=0.2, **how), pool="p")) is FailureKind.TIMEOUT
    ok(await transport.send(ask(vendor, "/after", **how), pool="p"))
    assert vendor.used_connections("/after").isdisjoint(vendor.used_connections("/echo"))


async def test_a_slow_answer_among_others_does_not_cost_the_connection(servers: Servers, transport: HttpTransport, ask: Any) -> None:
    vendor, how = await vendor_of(servers, "h2")
    ok(await transport.send(ask(vendor, "/first", **how), pool="p"))
    slow = asyncio.ensure_future(transport.send(ask(vendor, "/never", timeout_seconds=0.3, **how), pool="p"))
    await vendor.until(1, "/never")
    await gather(transport, ask(vendor, "/echo", **how), 3)
    assert failed(await slow) is FailureKind.TIMEOUT
    ok(await transport.send(ask(vendor, "/after", **how), pool="p"))
    assert len(vendor.used_connections()) == 1


async def test_requests_that_wait_for_a_stream_time_out_too(servers: Servers, ask: Any) -> None:
    transport = HttpTransport(TransportOptions(max_connections=1))
    vendor, how = await vendor_of(servers, "h2", max_streams=1)
    ok(await transport.send(ask(vendor, **how), pool="p"))
    requests = [ask(vendor, "/never", timeout_seconds=0.3, **how) for _ in range(5)]
    answers = await asyncio.wait_for(asyncio.gather(*(transport.send(request, pool="p") for request in requests)), 5)
    assert {failed(answer) for answer in answers} == {FailureKind.TIMEOUT}
    await transport.aclose(grace_seconds=0)


@pytest.mark.parametrize("kind", KINDS)
async def test_an_answer_over_the_limit_is_too_large(servers: Servers, transport: HttpTransport, ask: Any, kind: str) -> None:
    vendor, how = await vendor_of(servers, kind)
    assert failed(await transport.send(ask(vendor, "/large", **how), pool="p")) is FailureKind.TOO_LARGE
    assert len(ok(await transport.send(ask(vendor, "/fits", **how), pool="p")).body) == 262_144


async def test_an_unknown_authority_is_a_tls_failure(
    servers: Servers, transport: HttpTransport, ask: Any, other_authority: Authority, tmp_path: Path
) -> None:
    vendor = await servers.tls()
    broken = tmp_path / "broken.pem"
    broken.write_text("no certificate")
    for ca_file in ("", str(other_authority.file), str(tmp_path / "missing.pem"), str(broken)):
        assert failed(await transport.send(ask(vendor, ca_file=ca_file), pool="p")) is FailureKind.TLS
    assert vendor.requests == []


async def test_a_connection_made_with_one_authority_is_not_used_under_another(
    servers: Servers, transport: HttpTransport, ask: Any, other_authority: Authority
) -> None:
    vendor = await servers.tls()
    ok(await transport.send(ask(vendor), pool="p"))
    assert failed(await transport.send(ask(vendor, ca_file=str(other_authority.file)), pool="p")) is FailureKind.TLS
    ok(await transport.send(ask(vendor), pool="p"))


async def test_a_refused_connection_is_connect(transport: HttpTransport, ask: Any) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        vendor = Vendor(port=taken.getsockname()[1])
        assert failed(await transport.send(ask(vendor), pool="p")) is FailureKind.CONNECT


async def test_an_unknown_name_is_dns(transport: HttpTransport, ask: Any) -> None:
    assert failed(await transport.send(ask(Vendor(port=443), host="no-such-host.invalid"), pool="p")) is FailureKind.DNS


async def test_mutual_tls_presents_the_certificate_of_the_request(
    servers: Servers, transport: HttpTransport, ask: Any, authority: Authority, other_authority: Authority
) -> None:
    vendor = await servers.tls(client_ca=authority.file)
    good, bad = authority.issue("team").read_bytes(), other_authority.issue("team").read_bytes()
    ok(await transport.send(ask(vendor, http2=True, client_pem=good), pool="p"))
    for pem in (b"", bad, b"no certificate"):
        answer = await transport.send(ask(vendor, http2=True, client_pem=pem, timeout_seconds=3.0), pool="p")
        assert failed(answer) in (FailureKind.TLS, FailureKind.CLOSED)
    assert len(vendor.requests) == 1


@pytest.mark.parametrize("alpn", [("h2",), ("http/1.1",)])
async def test_a_tls_session_of_one_team_is_never_resumed_for_another(
    servers: Servers, transport: HttpTransport, ask: Any, authority: Authority, alpn: tuple[str, ...]
) -> None:
    vendor = await servers.tls(client_ca=authority.file, alpn=alpn)
    for turn in range(3):
        for team in ("red", "blue"):
            request = ask(vendor, f"/{team}", client_pem=authority.issue(team).read_bytes())
            ok(await transport.send(request, pool=team, reconnect=turn > 0))
            ok(await transport.send(request, pool="shared", reconnect=turn > 0))
    assert {(seen.path, seen.team) for seen in vendor.requests} == {("/red", "red"), ("/blue", "blue")}


@pytest.mark.parametrize(
    "changes",
    [
        {"path": "/naïve"},
        {"path": "/\ud800"},
        {"path": "/a b"},
        {"path": "/a\0b"},
        {"headers": (("x", "\ud800"),)},
        {"method": "PÖST"},
        {"timeout_seconds": float("nan")},
    ],
)
async def test_a_request_that_is_not_valid_http_is_a_failure_and_harms_nobody(
    servers: Servers, transport: HttpTransport, ask: Any, changes: dict[str, Any]
) -> None:
    vendor, how = await vendor_of(servers, "h1c")
    answer = await transport.send(ask(vendor, **how, **changes), pool="p")
    assert isinstance(answer, VendorResponse | TransportFailure)
    ok(await transport.send(ask(vendor, **how), pool="p"))


async def test_a_header_value_cannot_break_out_of_its_line(servers: Servers, transport: HttpTransport, ask: Any) -> None:
    vendor, how = await vendor_of(servers, "h1c")
    answer = await transport.send(ask(vendor, headers=(("x", "a\r\ny: b"),), **how), pool="p")
    assert failed(answer) is FailureKind.BLOCKED
    assert vendor.connections == 0


# --- the address guard ---------------------------------------------------------------------------


async def test_a_private_address_is_blocked(transport: HttpTransport, ask: Any) -> None:
    for host in ("10.0.0.1", "169.254.169.254", "[fd00::1]"):
        assert failed(await transport.send(ask(Vendor(port=443), host=host), pool="p")) is FailureKind.BLOCKED


async def test_a_name_that_resolves_to_a_refused_address_is_blocked_before_anything_is_sent(
    servers: Servers, transport: HttpTransport, ask: Any
) -> None:
    vendor = await servers.tls()
    # libcurl reads these spellings as 127.0.0.1, as a resolver would answer for a hostile name.
    for host in ("2130706433", "0x7f000001"):
        answer = await transport.send(ask(vendor, host=host), pool="p")
        assert failed(answer) is FailureKind.BLOCKED
    assert vendor.connections == 0


async def test_a_dns_name_of_a_private_address_is_blocked(ask: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import pycurl

    from homing.transport import easy

    class Resolving(easy.Easy):
        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments)
            self.curl.setopt(pycurl.RESOLVE, ["vendor.example:443:10.11.12.13"])

    monkeypatch.setattr("homing.transport.client.Easy", Resolving)
    transport = HttpTransport()
    answer = await transport.send(ask(Vendor(port=443), host="vendor.example", timeout_seconds=3.0), pool="p")
    assert failed(answer) is FailureKind.BLOCKED
    assert isinstance(answer, TransportFailure)
    assert "10.11.12.13" in answer.detail
    await transport.aclose()


async def test_proxies_of_the_environment_are_ignored(servers: Servers, ask: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    transport = HttpTransport()
    vendor, how = await vendor_of(servers, "h1c")
    ok(await transport.send(ask(vendor, **how), pool="p"))
    await transport.aclose()


async def test_a_configured_proxy_is_used(servers: Servers, ask: Any) -> None:
    proxy = await servers.plain(Http1)
    transport = HttpTransport(TransportOptions(proxy=f"http://127.0.0.1:{proxy.port}"))
    ok(await transport.send(ask(Vendor(port=9), scheme="http"), pool="p"))
    assert proxy.requests[0].path == "http://127.0.0.1:9/echo"
    await transport.aclose()


async def test_ipv6_works(servers: Servers, transport: HttpTransport, ask: Any) -> None:
    vendor = await servers.plain(Http1, host="::1")
    ok(await transport.send(ask(vendor, scheme="http", host="[::1]"), pool="p"))


# --- connections ---------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["h2", "h2c"])
async def test_200_requests_share_one_http2_connection(servers: Servers, transport: HttpTransport, ask: Any, kind: str) -> None:
    vendor, how = await vendor_of(servers, kind)
    ok(await transport.send(ask(vendor, **how), pool="p"))
    waiting = asyncio.ensure_future(gather(transport, ask(vendor, "/gate", **how), 200))
    await vendor.until(200, "/gate")
    assert transport.in_flight == 200
    vendor.gate.set()
    await waiting
    assert vendor.connections == 1


@pytest.mark.parametrize("kind", ["h2", "h2c"])
async def test_goaway_after_every_seven_requests_loses_nothing(servers: Servers, transport: HttpTransport, ask: Any, kind: str) -> None:
    vendor, how = await vendor_of(servers, kind, goaway_every=7)
    await gather(transport, ask(vendor, **how), 100)
    assert len(vendor.requests) == 100
    assert vendor.connections >= 15


async def test_few_streams_do_not_open_many_connections_where_http2_is_required(
    servers: Servers, transport: HttpTransport, ask: Any
) -> None:
    vendor, how = await vendor_of(servers, "h2", max_streams=2)  # resets a connection with more streams
    await gather(transport, ask(vendor, **how), 60)
    assert vendor.connections == 1
    assert len(vendor.requests) == 60


async def test_the_first_http2_request_of_a_connection_travels_alone_until_it_is_answered(
    servers: Servers, transport: HttpTransport, ask: Any
) -> None:
    vendor, how = await vendor_of(servers, "h2")
    waiting = asyncio.ensure_future(gather(transport, ask(vendor, "/gate", **how), 100))
    await vendor.until(1)
    await asyncio.sleep(0.05)
    assert len(vendor.requests) == 1
    vendor.gate.set()
    await waiting
    assert vendor.connections == 1


async def test_http1_connections_are_reused_and_bounded(servers: Servers, ask: Any) -> None:
    transport = HttpTransport(TransportOptions(max_connections=4))
    vendor, how = await vendor_of(servers, "h1c")
    await gather(transport, ask(vendor, **how), 50)
    assert vendor.connections <= 4
    await transport.aclose()


@pytest.mark.parametrize("kind", ["h1", "h1c"])
async def test_http1_requests_run_beside_one_another(servers: Servers, transport: HttpTransport, ask: Any, kind: str) -> None:
    vendor, how = await vendor_of(servers, kind)
    ok(await transport.send(ask(vendor, **how), pool="p"))  # the first answer says that it is HTTP/1.1
    waiting = asyncio.ensure_future(gather(transport, ask(vendor, "/gate", **how), 20))
    await vendor.until(20, "/gate")
    vendor.gate.set()
    await waiting


async def test_a_reconnect_leaves_the_old_connection_to_what_is_on_it(servers: Servers, transport: HttpTransport, ask: Any) -> None:
    vendor, how = await vendor_of(servers, "h2")
    ok(await transport.send(ask(vendor, "/first", **how), pool="p"))
    slow = asyncio.ensure_future(transport.send(ask(vendor, "/gate", **how), pool="p"))
    await vendor.until(1, "/gate")
    ok(await transport.send(ask(vendor, "/again", **how), pool="p", reconnect=True))
    ok(await transport.send(ask(vendor, "/later", **how), pool="p"))
    vendor.gate.set()
    ok(await slow)
    assert vendor.used_connections("/first") == vendor.used_connections("/gate") == {1}
    assert vendor.used_connections("/again") == vendor.used_connections("/later") == {2}


async def test_many_reconnects_at_once_open_one_connection(servers: Servers, transport: HttpTransport, ask: Any) -> None:
    vendor, how = await vendor_of(servers, "h2")
    ok(await transport.send(ask(vendor, **how), pool="p"))
    await asyncio.gather(*(transport.send(ask(vendor, **how), pool="p", reconnect=True) for _ in range(100)))
    assert vendor.connections == 2


async def test_two_pools_do_not_share_a_connection(servers: Servers, transport: HttpTransport, ask: Any) -> None:
    vendor, how = await vendor_of(servers, "h2")
    for _ in range(3):
        ok(await transport.send(ask(vendor, "/one", **how), pool="one"))
        ok(await transport.send(ask(vendor, "/two", **how), pool="two"))
    assert vendor.used_connections("/one").isdisjoint(vendor.used_connections("/two"))
    assert vendor.connections == 2


async def test_a_stalled_pool_does_not_delay_another(servers: Servers, transport: HttpTransport, ask: Any) -> None:
    stalled, how = await vendor_of(servers, "h1c")
    healthy, how_healthy = await vendor_of(servers, "h2")
    stuck = [asyncio.ensure_future(transport.send(ask(stalled, "/gate", **how), pool="stalled")) for _ in range(500)]
    await stalled.until(64)
    await asyncio.wait_for(gather(transport, ask(healthy, **how_healthy), 200, "healthy"), 5)
    assert not any(task.done() for task in stuck)
    stalled.gate.set()
    assert all(ok(answer) for answer in await asyncio.gather(*stuck))


async def test_a_cancelled_caller_does_not_disturb_the_others(servers: Servers, transport: HttpTransport, ask: Any) -> None:
    for kind in KINDS:
        vendor, how = await vendor_of(servers, kind)
        ok(await transport.send(ask(vendor, **how), pool=kind))
        tasks = [asyncio.ensure_future(transport.send(ask(vendor, "/gate", **how), pool=kind)) for _ in range(20)]
        await vendor.until(20, "/gate")
        for task in tasks[::2]:
            task.cancel()
        await asyncio.sleep(0)
        vendor.gate.set()
        answers = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(isinstance(answer, asyncio.CancelledError) for answer in answers[::2])
        assert all(isinstance(answer, VendorResponse) for answer in answers[1::2])
        ok(await transport.send(ask(vendor, **how), pool=kind))
    assert transport.in_flight == 0


async def test_withdrawing_after_the_answer_leaves_the_next_user_of_the_handle_alone(
    servers: Servers, transport: HttpTransport, ask: Any
) -> None:
    vendor, how = await vendor_of(servers, "h2")
    answers: asyncio.Queue[object] = asyncio.Queue()
    first = transport.submit(ask(vendor, **how), "p", answers.put_nowait)
    await asyncio.wait_for(answers.get(), 5)
    second = transport.submit(ask(vendor, "/gate", **how), "p", answers.put_nowait)
    assert first is not None
    assert second is not None
    first()
    await vendor.until(1, "/gate")
    vendor.gate.set()
    assert isinstance(await asyncio.wait_for(answers.get(), 5), VendorResponse)
    second()


async def test_a_receiver_that_raises_does_not_stop_the_others(servers: Servers, transport: HttpTransport, ask: Any) -> None:
    vendor, how = await vendor_of(servers, "h2")
    ok(await transport.send(ask(vendor, "/first", **how), pool="p"))

    def bad(_: object) -> None:
        raise ValueError("a mistake")

    for _ in range(10):
        transport.submit(ask(vendor, "/gate", **how), "p", bad)
    good = asyncio.ensure_future(transport.send(ask(vendor, "/gate", **how), pool="p"))
    await vendor.until(11, "/gate")
    vendor.gate.set()
    ok(await good)


async def test_closing_finishes_what_is_under_way_and_takes_nothing_new(servers: Servers, ask: Any) -> None:
    transport = HttpTransport()
    vendor, how = await vendor_of(servers, "h2")
    ok(await transport.send(ask(vendor, "/first", **how), pool="p"))
    waiting = [asyncio.ensure_future(transport.send(ask(vendor, "/gate", **how), pool="p")) for _ in range(10)]
    await vendor.until(10, "/gate")
    closing = asyncio.ensure_future(transport.aclose(grace_seconds=10))
    await asyncio.sleep(0)
    assert failed(await transport.send(ask(vendor, **how), pool="p")) is FailureKind.CONNECT
    vendor.gate.set()
    await closing
    assert all(ok(answer) for answer in await asyncio.gather(*waiting))
    assert failed(await transport.send(ask(vendor, **how), pool="p")) is FailureKind.CONNECT


async def test_closing_ends_what_does_not_finish_in_time(servers: Servers, ask: Any) -> None:
    transport = HttpTransport()
    vendor, how = await vendor_of(servers, "h2")
    ok(await transport.send(ask(vendor, "/first", **how), pool="p"))
    waiting = [asyncio.ensure_future(transport.send(ask(vendor, "/never", **how), pool="p")) for _ in range(10)]
    await vendor.until(10, "/never")
    await transport.aclose(grace_seconds=0.05)
    assert {failed(answer) for answer in await asyncio.gather(*waiting)} == {FailureKind.CLOSED}


async def test_the_number_of_pools_is_bounded_and_idle_ones_make_room(servers: Servers, ask: Any) -> None:
    transport = HttpTransport(TransportOptions(max_pools=2))
    vendor, how = await vendor_of(servers, "h1c")
    for number in range(5):
        ok(await transport.send(ask(vendor, **how), pool=str(number)))
    busy = [asyncio.ensure_future(transport.send(ask(vendor, "/gate", **how), pool=name)) for name in ("a", "b")]
    await vendor.until(2, "/gate")
    assert failed(await transport.send(ask(vendor, **how), pool="c")) is FailureKind.CONNECT
    vendor.gate.set()
    await asyncio.gather(*busy)
    ok(await transport.send(ask(vendor, **how), pool="c"))
    await transport.aclose()


async def test_the_driver_of_the_benchmark_sends_every_request(servers: Servers, transport: HttpTransport, ask: Any) -> None:
    vendor, how = await vendor_of(servers, "h2")
    assert await drive(transport, ask(vendor, **how), 250, 20) > 0
    assert len(vendor.requests) == 250


async def test_a_request_that_libcurl_forgot_is_ended_by_the_second_time_limit(servers: Servers, ask: Any) -> None:
    import pycurl

    from homing.transport.easy import Easy, Origin, system_ca
    from homing.transport.engine import Engine
    from homing.transport.guard import Verdict

    vendor, how = await vendor_of(servers, "h2")
    loop, answers = asyncio.get_running_loop(), list[Any]()
    easy = Easy(TransportOptions(), system_ca(), pycurl.CurlShare())
    engine = Engine(loop, TransportOptions(), lambda easy, _reusable: easy.close())
    assert easy.prepare(ask(vendor, "/never", timeout_seconds=3600.0, **how), Origin(Verdict("", True))) is None
    easy.done, easy.deadline = answers.append, loop.time() + 3605
    engine.start(easy)
    await vendor.until(1)
    engine.fail_overdue(loop.time() + 3600)
    assert answers == []
    engine.fail_overdue(loop.time() + 3606)
    assert [failed(answer) for answer in answers] == [FailureKind.TIMEOUT]
    assert engine.active == {}
    engine.close()


def test_everything_works_on_uvloop_too(authority: Authority) -> None:
    import uvloop

    async def scenario() -> None:
        servers, transport = Servers(authority), HttpTransport()
        vendor = await servers.tls(goaway_every=20)
        url = f"https://127.0.0.1:{vendor.port}/echo"
        request = VendorRequest("POST", url, (), b"{}", ca_file=str(authority.file), http2=True)
        await gather(transport, request, 200)
        assert len(vendor.requests) == 200
        await transport.aclose()
        await servers.stop()

    uvloop.run(scenario())

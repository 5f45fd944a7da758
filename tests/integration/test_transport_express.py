"""The fast lane of the transport, against a scripted HTTP/2 server: what travels on it, and what becomes of it when things break."""

from __future__ import annotations

import asyncio
import datetime
import ipaddress
import ssl
import struct
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import hpack
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from homing.model.outcome import FailureKind, TransportFailure, VendorRequest, VendorResponse
from homing.transport.client import HttpTransport
from homing.transport.easy import TransportOptions
from homing.transport.http2 import frame

DATA, HEADERS, RST, SETTINGS, PUSH, PING, GOAWAY, WINDOW, CONTINUATION = 0, 1, 3, 4, 5, 6, 7, 8, 9
OK = hpack.Encoder().encode([(":status", "200")])


@pytest.fixture(scope="module")
def pem(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate that is its own authority, with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "vendor")])
    now = datetime.datetime.now(datetime.UTC)
    names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(now - datetime.timedelta(days=1)).not_valid_after(now + datetime.timedelta(days=1))
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True).add_extension(names, critical=False)
    file = tmp_path_factory.mktemp("pem") / "vendor.pem"
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    file.write_bytes(builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM) + private)
    return file


class Peer(asyncio.Protocol):
    """One connection of the vendor. libcurl's own is told by its header table; the fast lane offers none."""

    def __init__(self, vendor: Vendor) -> None:
        self.vendor = vendor
        self.buffer = b""
        self.express = False
        self.held: list[int] = []
        self.decoder = hpack.Decoder()

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.vendor.peers.append(self)
        self.send(SETTINGS, 0, 0, struct.pack(">HLHL", 3, self.vendor.max_streams, 4, self.vendor.window))

    def send(self, kind: int, flags: int, stream: int, payload: bytes = b"") -> None:
        self.transport.write(frame(kind, flags, stream, payload))

    def data_received(self, data: bytes) -> None:
        self.buffer = (self.buffer + data).removeprefix(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        while len(self.buffer) >= 9:
            length = int.from_bytes(self.buffer[:3], "big")
            if len(self.buffer) < 9 + length:
                return
            kind, flags, stream = self.buffer[3], self.buffer[4], int.from_bytes(self.buffer[5:9], "big")
            payload, self.buffer = self.buffer[9 : 9 + length], self.buffer[9 + length :]
            if kind == SETTINGS and not flags & 1:
                self.express = struct.pack(">HL", 1, 0) == payload[:6]
                self.send(SETTINGS, 1, 0)
            elif kind == HEADERS:
                if flags & 0x20:
                    payload = payload[5:]
                self.vendor.fields.append({str(name): str(value) for name, value in self.decoder.decode(payload)})
                self.vendor.on_express.append(self.express)
            elif kind == RST:
                self.vendor.resets += 1
            elif kind == PING and flags & 1:
                self.vendor.pongs.append(payload)
            if kind in (DATA, HEADERS) and flags & 1:
                self.vendor.serve(self, stream)

    def answer(self, stream: int, body: bytes = b"{}") -> None:
        self.send(HEADERS, 4, stream, OK)
        self.send(DATA, 1, stream, body)


class Vendor:
    """Answers everything, but for ``script``: what the fast lane's connections do instead."""

    def __init__(self) -> None:
        self.peers: list[Peer] = []
        self.fields: list[dict[str, str]] = []
        self.on_express: list[bool] = []
        self.max_streams, self.window = 1000, 65_535
        self.resets = 0
        self.pongs: list[bytes] = []
        self.script: Any = None
        self.arrived = asyncio.Event()

    def serve(self, peer: Peer, stream: int) -> None:
        if peer.express and self.script is not None:
            self.script(peer, stream)
        else:
            peer.answer(stream)
        self.arrived.set()


@pytest.fixture
async def vendor(pem: Path) -> AsyncIterator[Vendor]:
    made = Vendor()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    context.set_alpn_protocols(["h2"])
    server = await asyncio.get_running_loop().create_server(lambda: Peer(made), "127.0.0.1", 0, ssl=context)
    made.port = server.sockets[0].getsockname()[1]  # type: ignore[attr-defined]
    yield made
    server.close()
    for peer in made.peers:
        peer.transport.abort()


@pytest.fixture
async def transport() -> AsyncIterator[HttpTransport]:
    made = HttpTransport(TransportOptions(max_body_bytes=1000))
    yield made
    await made.aclose(grace_seconds=0)


class Asker:
    """Sends requests, and warms the fast lane up."""

    def __init__(self, transport: HttpTransport, vendor: Vendor, pem: Path) -> None:
        self.transport, self.vendor, self.pem = transport, vendor, pem

    def request(self, **changes: Any) -> VendorRequest:
        url = f"https://127.0.0.1:{self.vendor.port}/send?a=1"  # type: ignore[attr-defined]
        values = {"headers": (("authorization", "bearer x"),), "body": b'{"a":1}', "ca_file": str(self.pem), "timeout_seconds": 10.0}
        return VendorRequest("POST", url, **(values | changes))  # type: ignore[arg-type]

    async def send(self, count: int = 1, **changes: Any) -> list[VendorResponse | TransportFailure]:
        return await asyncio.gather(*(self.transport.send(self.request(**changes), pool="p") for _ in range(count)))

    async def warm(self) -> None:
        """Until requests travel on the fast lane."""
        await self.send()
        async with asyncio.timeout(10):
            while not (self.vendor.on_express and self.vendor.on_express[-1]):
                await self.send(8)
        self.vendor.on_express.clear()
        self.vendor.fields.clear()
        self.vendor.arrived.clear()


@pytest.fixture
def asker(transport: HttpTransport, vendor: Vendor, pem: Path) -> Asker:
    return Asker(transport, vendor, pem)


def kinds(answers: list[VendorResponse | TransportFailure]) -> set[FailureKind | int]:
    return {answer.kind if isinstance(answer, TransportFailure) else answer.status for answer in answers}


async def test_a_single_request_now_and_then_needs_no_fast_lane(asker: Asker) -> None:
    for _ in range(20):
        assert kinds(await asker.send()) == {200}
    assert len(asker.vendor.peers) == 1
    assert not any(asker.vendor.on_express)


async def test_many_small_requests_take_the_fast_lane_and_arrive_whole(asker: Asker) -> None:
    await asker.warm()
    answers = await asker.send(50)
    assert kinds(answers) == {200}
    assert {answer.body for answer in answers if isinstance(answer, VendorResponse)} == {b"{}"}
    assert all(asker.vendor.on_express)
    fields = asker.vendor.fields[0]
    assert (fields[":method"], fields[":path"], fields[":authority"]) == ("POST", "/send?a=1", f"127.0.0.1:{asker.vendor.port}")  # type: ignore[attr-defined]
    assert (fields["authorization"], fields["content-length"], fields["user-agent"]) == ("bearer x", "7", "homing")
    assert kinds(await asker.send(body=b"")) == {200}


async def test_a_long_body_goes_by_libcurl(asker: Asker) -> None:
    await asker.warm()
    answers = asyncio.ensure_future(asker.send(body=b"x" * 20_000))
    await asyncio.sleep(0)
    for peer in asker.vendor.peers:  # room for it
        peer.send(WINDOW, 0, 0, struct.pack(">L", 100_000))
    assert kinds(await answers) == {200}
    assert asker.vendor.on_express == [False]


async def test_a_header_value_cannot_break_out_of_its_field(asker: Asker) -> None:
    await asker.warm()
    assert kinds(await asker.send(headers=(("x", "a\r\ny: b"),))) == {FailureKind.BLOCKED}


async def test_requests_that_a_goaway_left_out_are_sent_again(asker: Asker) -> None:
    await asker.warm()
    seen: list[int] = []

    def leave(peer: Peer, stream: int) -> None:
        seen.append(stream)
        if len(seen) == 5:
            for number in seen:
                peer.answer(number)
            peer.send(GOAWAY, 0, 0, struct.pack(">LL", stream, 0))

    asker.vendor.script = leave
    assert kinds(await asker.send(20)) == {200}
    assert len(seen) >= 5


async def test_a_refused_stream_is_sent_again(asker: Asker) -> None:
    await asker.warm()
    asker.vendor.script = lambda peer, stream: peer.send(RST, 0, stream, struct.pack(">L", 7))
    assert kinds(await asker.send(5)) == {200}


async def test_a_reset_stream_is_closed_and_the_others_go_on(asker: Asker) -> None:
    await asker.warm()
    asker.vendor.script = lambda peer, stream: peer.send(RST, 0, stream, struct.pack(">L", 2))
    assert kinds(await asker.send(3)) == {FailureKind.CLOSED}
    asker.vendor.script = None
    assert kinds(await asker.send(3)) == {200}
    assert asker.vendor.on_express[-1]


async def test_a_lost_connection_is_closed_and_libcurl_goes_on(asker: Asker) -> None:
    await asker.warm()
    asker.vendor.script = lambda peer, _stream: peer.transport.abort()
    assert kinds(await asker.send(3)) == {FailureKind.CLOSED}
    assert kinds(await asker.send(3)) == {200}


@pytest.mark.parametrize(
    ("kind", "payload"),
    [(HEADERS, b"\xbe"), (CONTINUATION, OK), (PUSH, b"\0\0\0\2" + OK), (DATA, b"x" * 17_000), (SETTINGS, b"\0\1")],
    ids=["headers from a table", "a continuation of nothing", "a push", "a frame too long", "broken settings"],
)
async def test_what_is_not_http2_ends_the_connection_and_nothing_else(asker: Asker, kind: int, payload: bytes) -> None:
    await asker.warm()
    asker.vendor.script = lambda peer, stream: peer.send(kind, 4, stream, payload)
    assert kinds(await asker.send(3)) == {FailureKind.CLOSED}
    assert kinds(await asker.send(3)) == {200}


async def test_an_answer_in_pieces_is_put_together(asker: Asker) -> None:
    await asker.warm()

    def pieces(peer: Peer, stream: int) -> None:
        peer.send(HEADERS, 4, stream, hpack.Encoder().encode([(":status", "103")]))
        peer.send(HEADERS, 8 | 0x20, stream, b"\2" + b"\0\0\0\0\0" + OK[:1] + b"\0\0")
        peer.send(CONTINUATION, 4, stream, hpack.Encoder().encode([("x-note", "here")]).replace(b"\x40", b"\x00", 1))
        peer.send(PING, 0, 0, b"12345678")
        peer.send(DATA, 8, stream, b"\3ab\0\0\0")
        peer.send(DATA, 0, stream, b"cd")
        peer.send(HEADERS, 5, stream, b"\x00\x01t\x01v")

    asker.vendor.script = pieces
    answers = await asker.send(3)
    assert kinds(answers) == {200}
    first = answers[0]
    assert isinstance(first, VendorResponse)
    assert (first.body, first.headers) == (b"abcd", {"x-note": "here"})
    await asker.send()
    assert asker.vendor.pongs[0] == b"12345678"


async def test_an_answer_that_is_too_large_or_cut_is_a_failure(asker: Asker) -> None:
    await asker.warm()
    asker.vendor.script = lambda peer, stream: peer.answer(stream, b"x" * 2000)
    assert kinds(await asker.send(2)) == {FailureKind.TOO_LARGE}
    cut = b"\x88\x0f\x0d\x03100"

    def truncated(peer: Peer, stream: int) -> None:
        peer.send(HEADERS, 4, stream, cut)
        peer.send(DATA, 1, stream, b"half")

    asker.vendor.script = truncated
    assert kinds(await asker.send(2)) == {FailureKind.CLOSED}


async def test_silence_is_a_timeout_and_the_connection_is_left(asker: Asker) -> None:
    await asker.warm()
    silent: list[Peer] = []
    asker.vendor.script = lambda peer, _stream: silent.append(peer)
    assert kinds(await asker.send(3, timeout_seconds=0.2)) == {FailureKind.TIMEOUT}
    assert asker.vendor.resets == 3 or silent[0].transport.is_closing()
    asker.vendor.script = None
    assert kinds(await asker.send(5)) == {200}


async def test_withdrawing_resets_the_stream(asker: Asker) -> None:
    await asker.warm()
    asker.vendor.script = lambda peer, stream: peer.held.append(stream)
    task = asyncio.ensure_future(asker.send())
    await asker.vendor.arrived.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    asker.vendor.script = None
    assert kinds(await asker.send(3)) == {200}
    assert asker.vendor.resets == 1
    assert asker.transport.in_flight == 0


async def test_streams_beyond_the_vendors_limit_go_by_libcurl(asker: Asker) -> None:
    asker.vendor.max_streams = 8
    await asker.warm()
    held: list[tuple[Peer, int]] = []
    asker.vendor.script = lambda peer, stream: held.append((peer, stream))
    task = asyncio.ensure_future(asker.send(20, http2=True))
    while asker.vendor.on_express.count(False) < 12 or len(held) < 8:
        asker.vendor.arrived.clear()
        await asyncio.wait_for(asker.vendor.arrived.wait(), 10)
    assert len(held) == 8
    for peer, stream in held:
        peer.answer(stream)
    assert kinds(await task) == {200}


async def test_a_reconnect_leaves_the_fast_lane_too(asker: Asker) -> None:
    await asker.warm()
    before = len(asker.vendor.peers)
    answer = await asker.transport.send(asker.request(), pool="p", reconnect=True)
    assert isinstance(answer, VendorResponse)
    assert asker.vendor.on_express == [False]
    assert len(asker.vendor.peers) == before + 1


async def test_closing_tells_what_is_under_way(asker: Asker) -> None:
    await asker.warm()
    asker.vendor.script = lambda _peer, _stream: None
    task = asyncio.ensure_future(asker.send(3))
    await asker.vendor.arrived.wait()
    await asker.transport.aclose(grace_seconds=0)
    assert kinds(await task) == {FailureKind.CLOSED}


async def test_another_authority_never_uses_a_connection_made_under_the_first(asker: Asker, tmp_path: Path) -> None:
    await asker.warm()
    stranger = tmp_path / "stranger.pem"
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "stranger")])
    now = datetime.datetime.now(datetime.UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(2)
    builder = builder.not_valid_before(now).not_valid_after(now + datetime.timedelta(days=1))
    stranger.write_bytes(builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    assert kinds(await asker.send(6, ca_file=str(stranger))) == {FailureKind.TLS}

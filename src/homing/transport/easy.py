"""One reusable libcurl easy handle: options are set only when they differ from the last request's."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pycurl

from homing.model.outcome import FailureKind, TransportFailure, VendorRequest, VendorResponse

from .failures import failure_of
from .guard import Verdict, check_peer

Answer = VendorResponse | TransportFailure

_CA_FILES = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/ca-bundle.pem", "/etc/ssl/cert.pem")
_MAX_CACHED_LINES = 2048


class TransportOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Limits and habits of the transport. Times in seconds."""

    allow_private: bool = False  # vendors may be called on private networks (a relay inside the company)
    proxy: str = ""  # "": none; the environment's proxy variables are never read
    connect_timeout_seconds: float = 10.0
    max_body_bytes: int = 256 * 1024
    max_streams: int = 1000  # on one HTTP/2 connection; the server's own limit counts too
    max_connections: int = 64  # per pool
    max_http2_connections: int = 1  # per pool whose requests are HTTP/2 only
    max_pools: int = 1024
    max_free_handles: int = 128  # per pool
    pool_idle_seconds: float = 300.0
    connection_idle_seconds: int = 240
    connection_life_seconds: int = 3600  # so that a changed DNS answer is noticed
    user_agent: str = "homing"


def system_ca() -> tuple[str | None, str | None]:
    """File and folder of the machine's certificate authorities; the wheel's own default fits no distribution."""
    paths = ssl.get_default_verify_paths()
    found = next((path for path in (paths.cafile, *_CA_FILES) if path and Path(path).is_file()), None)
    folder = paths.capath if paths.capath and Path(paths.capath).is_dir() else None
    return found, folder


class Origin:
    """What is known of a scheme, host and port."""

    __slots__ = ("authority", "length", "loopback", "multiplexed", "name", "one_at_a_time", "refusal")

    def __init__(self, verdict: Verdict, name: str = "") -> None:
        self.name = name
        self.length = len(name)
        self.authority = name.removeprefix("https://").removesuffix(":443")
        self.refusal = verdict.refusal
        self.loopback = verdict.loopback
        self.multiplexed = False  # has answered in HTTP/2, over TLS
        self.one_at_a_time = False  # answers in HTTP/1.1: a connection carries one request


class _Lent(socket.socket):
    """A socket for pycurl, which keeps a duplicate and lets go of this object: closed then, not merely forgotten."""

    def __del__(self) -> None:
        self.close()


class Easy:
    """A handle with what was set on it. Belongs to one pool; used by one request at a time."""

    __slots__ = (
        "_applied",
        "_body",
        "_ca",
        "_header_lines",
        "_headers",
        "_method",
        "_options",
        "_timeout",
        "_url",
        "curl",
        "deadline",
        "done",
        "origin",
        "refusal",
        "restarts",
        "serial",
        "started",
    )

    def __init__(self, options: TransportOptions, ca: tuple[str | None, str | None], share: pycurl.CurlShare) -> None:
        self._options = options
        self._ca = ca
        self._url = self._method = ""
        self._headers: tuple[tuple[str, str], ...] | None = None
        self._timeout = -1.0
        self._applied: tuple[str, bytes, bool, bool, bool] | None = None
        self._body: list[bytes] = []
        self._header_lines: list[bytes] = []
        self.refusal = ""  # of the address guard, set while connecting
        self.done: Callable[[Answer], object] | None = None
        self.started = self.deadline = 0.0
        self.restarts = 0
        self.serial = 0  # tells one use of the handle from the next
        self.origin: Origin | None = None
        self.curl = pycurl.Curl()
        self._set_constants(share)

    def _set_constants(self, share: pycurl.CurlShare) -> None:
        options, put = self._options, self.curl.setopt
        put(pycurl.NOSIGNAL, 1)
        put(pycurl.SHARE, share)
        put(pycurl.PROTOCOLS, pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS)
        put(pycurl.FOLLOWLOCATION, 0)
        put(pycurl.PROXY, options.proxy)
        put(pycurl.NOPROXY, "")
        put(pycurl.CONNECTTIMEOUT_MS, int(options.connect_timeout_seconds * 1000))
        put(pycurl.MAXFILESIZE_LARGE, options.max_body_bytes)
        put(pycurl.MAXAGE_CONN, options.connection_idle_seconds)
        put(pycurl.MAXLIFETIME_CONN, options.connection_life_seconds)
        put(pycurl.TCP_KEEPALIVE, 1)
        put(pycurl.TCP_KEEPIDLE, 30)
        put(pycurl.TCP_KEEPINTVL, 10)
        put(pycurl.USERAGENT, options.user_agent)
        # Builtin methods as callbacks: no Python frame for each header line.
        put(pycurl.WRITEFUNCTION, self._body.append)
        put(pycurl.HEADERFUNCTION, self._header_lines.append)
        if not options.proxy:
            put(pycurl.OPENSOCKETFUNCTION, self._open_socket)

    def prepare(self, request: VendorRequest, origin: Origin) -> TransportFailure | None:
        """Set what differs from the last request. Returns a failure when the request cannot be sent at all."""
        try:
            return self._prepare(request, origin)
        except (pycurl.error, UnicodeError, TypeError, ValueError, OverflowError) as error:
            return TransportFailure(FailureKind.BLOCKED, f"the request is not valid HTTP: {type(error).__name__}")

    def _prepare(self, request: VendorRequest, origin: Origin) -> TransportFailure | None:
        put = self.curl.setopt
        self.origin = origin
        self.refusal = ""
        self.restarts = 0
        self._body.clear()
        self._header_lines.clear()
        if request.url != self._url:
            put(pycurl.URL, request.url)
            self._url = request.url
        if request.headers is not self._headers and request.headers != self._headers:
            lines = _header_lines(request.headers)
            if lines is None:
                return TransportFailure(FailureKind.BLOCKED, "a request header contains a line break")
            put(pycurl.HTTPHEADER, lines)
            self._headers = request.headers
        if request.timeout_seconds != self._timeout:
            put(pycurl.TIMEOUT_MS, max(1, int(request.timeout_seconds * 1000)))
            self._timeout = request.timeout_seconds
        wanted = (request.ca_file, request.client_pem, request.http2, request.url.startswith("https:"), origin.one_at_a_time)
        if wanted != self._applied:
            self._set_connection(request, encrypted=wanted[3], one_at_a_time=origin.one_at_a_time)
            self._applied = wanted
        self._set_method(request)
        return None

    def restart(self, seconds_left: float) -> None:
        """Make ready to send the same request once more, within what is left of its time."""
        self.restarts += 1
        self._body.clear()
        self._header_lines.clear()
        self._timeout = seconds_left
        self.curl.setopt(pycurl.TIMEOUT_MS, max(1, int(seconds_left * 1000)))

    def _set_connection(self, request: VendorRequest, *, encrypted: bool, one_at_a_time: bool) -> None:
        put = self.curl.setopt
        if request.http2:
            # Prior knowledge: no upgrade on http://, and nothing but h2 offered in the handshake on https://.
            put(pycurl.HTTP_VERSION, pycurl.CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE)
        else:
            put(pycurl.HTTP_VERSION, pycurl.CURL_HTTP_VERSION_2TLS if encrypted else pycurl.CURL_HTTP_VERSION_1_1)
        # Wait for a connection that may turn out to carry many requests. libcurl (8.23) waits until its first answer,
        # not only until the handshake, so where HTTP/1.1 is known it must not wait at all.
        put(pycurl.PIPEWAIT, int(request.http2 or (encrypted and not one_at_a_time)))
        file, folder = self._ca
        ca_file = request.ca_file or file
        if ca_file:
            put(pycurl.CAINFO, ca_file)
        if folder:
            put(pycurl.CAPATH, folder)  # keeps the public authorities beside a private one
        for option in (pycurl.SSLCERT_BLOB, pycurl.SSLKEY_BLOB):
            if request.client_pem:
                put(option, request.client_pem)
            else:
                self.curl.unsetopt(option)

    def _set_method(self, request: VendorRequest) -> None:
        put = self.curl.setopt
        if request.method == "POST":
            if self._method != "POST":
                put(pycurl.CUSTOMREQUEST, "POST")
            put(pycurl.POSTFIELDS, request.body)
        elif request.body:
            put(pycurl.CUSTOMREQUEST, request.method)
            put(pycurl.POSTFIELDS, request.body)
        else:
            put(pycurl.HTTPGET, 1)
            put(pycurl.NOBODY, request.method == "HEAD")
            put(pycurl.CUSTOMREQUEST, request.method)
        self._method = request.method

    def _open_socket(self, _purpose: int, address: Any) -> socket.socket | int:
        """The guard's second check, on the address itself. Must not raise: libcurl is our caller."""
        try:
            loopback = self.origin is not None and self.origin.loopback
            refusal = check_peer(address.addr[0], allow_private=self._options.allow_private, allow_loopback=loopback)
            if refusal is None:
                return _Lent(address.family, address.socktype, address.protocol)
            self.refusal = refusal
        except (OSError, AttributeError, TypeError, ValueError, IndexError) as error:
            self.refusal = self.refusal or f"no socket: {error}"
        return int(pycurl.SOCKET_BAD)

    def response(self) -> VendorResponse:
        """The answer that has just arrived."""
        body, origin = self._body, self.origin
        if origin is not None and not origin.one_at_a_time:
            origin.one_at_a_time = self.curl.getinfo(pycurl.INFO_HTTP_VERSION) < pycurl.CURL_HTTP_VERSION_2_0
            origin.multiplexed = not origin.one_at_a_time and origin.name.startswith("https:") and not self._options.proxy
        return VendorResponse(
            self.curl.getinfo(pycurl.RESPONSE_CODE),
            _parse_headers(self._header_lines),
            body[0] if len(body) == 1 else b"".join(body),
        )

    def failure(self, code: int, text: str) -> TransportFailure:
        """Why no answer came."""
        if self.refusal and code == pycurl.E_COULDNT_CONNECT:
            return TransportFailure(FailureKind.BLOCKED, self.refusal)
        return failure_of(code, text)

    def close(self) -> None:
        """Give the handle back to libcurl."""
        self.done = None
        self.curl.close()


def _header_lines(headers: tuple[tuple[str, str], ...]) -> list[bytes] | None:
    """The lines for libcurl, or None when a value would break out of its line."""
    lines = [b"Expect:"]
    content_type = False
    for name, value in headers:
        text = f"{name}: {value}" if value else f"{name};"
        if "\r" in text or "\n" in text or "\0" in text:
            return None
        content_type = content_type or name.lower() == "content-type"
        lines.append(text.encode())
    if not content_type:
        lines.append(b"Content-Type:")  # libcurl would call a body a form
    return lines


_known_lines: dict[bytes, tuple[str, str]] = {}


def _parse_headers(lines: list[bytes]) -> dict[str, str]:
    """The last block of header lines (an interim answer has one of its own), names in lower case."""
    headers: dict[str, str] = {}
    for line in lines:
        pair = _known_lines.get(line)
        if pair is None:
            if line.startswith(b"HTTP/"):
                headers.clear()
                continue
            name, colon, value = line.partition(b":")
            if not colon:
                continue
            pair = (name.strip().lower().decode("latin-1"), value.strip().decode("latin-1"))
            if len(_known_lines) >= _MAX_CACHED_LINES:
                _known_lines.clear()  # dates and ids fill it up; the frequent lines come back at once
            if len(line) <= 80:
                _known_lines[line] = pair
        headers[pair[0]] = pair[1]
    return headers

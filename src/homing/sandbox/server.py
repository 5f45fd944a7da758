"""The sandbox as a server: every simulator and the control API on one address, HTTP/2 for those that need it on another."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import inspect
import pkgutil
import signal
import ssl
from pathlib import Path
from typing import Any, Self

from . import vendors
from .base import SandboxClock, VendorSimulator
from .control import Control
from .front import Front
from .h2bridge import bridge
from .h2server import H2Limits, H2Server
from .http1 import Http1Server
from .receipts import ReceiptPoster
from .tls import set_up
from .world import World


class Sandbox:
    """Simulators and phones on this machine.

    ``async with Sandbox() as sandbox``: listens on a free port; ``base_url`` has the vendors and the control API, ``apns_url`` HTTP/2 only
    (with TLS when ``apns_ssl`` is given, or ``apns_tls_folder``, where a CA and a server certificate are then written; clients may show a
    certificate of that CA). ``world`` is the state behind it, for tests in the same process.
    """

    def __init__(
        self,
        listen: tuple[str, int] = ("127.0.0.1", 0),
        apns_listen: tuple[str, int] | None = None,
        receipts_to: str = "",
        *,
        clock: SandboxClock | None = None,
        apns_ssl: ssl.SSLContext | None = None,
        apns_ca_pem: str = "",
        apns_tls_folder: Path | None = None,
    ) -> None:
        self.world = World(receipts_to=receipts_to.rstrip("/"), apns_ca_pem=apns_ca_pem)
        if apns_tls_folder is not None:
            apns_ssl = self._make_tls(apns_tls_folder)
        if clock is not None:
            self.world.clock = clock
        self._listen = listen
        self._apns_listen = apns_listen
        self._apns_scheme = "https" if apns_ssl is not None else "http"
        self.poster = ReceiptPoster()
        self.world.post_receipt = self.poster.add
        for simulator in simulators(self.world):
            self.world.add_vendor(simulator)
        self._front = Front(self.world, Control(self.world).handle)
        limits = H2Limits(max_body_bytes=4 * 1024 * 1024)
        self._shared_h2 = H2Server(bridge(self._front.handle), limits=limits)  # prior knowledge on the first address
        self._h1 = Http1Server(self._front.handle, self._shared_h2.connection)
        apns_limits = H2Limits(initial_max_streams=1)  # until the first valid token, as Apple does
        self._h2 = H2Server(bridge(self._front.handle), limits=apns_limits, ssl_context=apns_ssl) if apns_listen is not None else None

    def _make_tls(self, folder: Path) -> ssl.SSLContext:
        setup = set_up(folder)
        self.world.authority = setup.authority
        self.world.apns_ca_pem = setup.authority.certificate_pem.decode()
        self.world.apns_ca_file = str(setup.ca_file)
        return setup.context

    @property
    def base_url(self) -> str:
        """Where the vendors and the control API answer."""
        return self.world.base_url

    @property
    def apns_url(self) -> str:
        """Where HTTP/2 is spoken without asking; the base URL when no other address was wanted."""
        return self.world.apns_url

    async def start(self) -> None:
        """Listen. Raises OSError when an address is taken."""
        await self._h1.start(*self._listen)
        self.world.base_url = f"http://{_shown(self._listen[0])}:{self._h1.port}"
        self.world.apns_url = self.world.base_url
        if self._h2 is not None and self._apns_listen is not None:
            try:
                await self._h2.start(*self._apns_listen)
            except OSError:
                await self._h1.aclose()
                raise
            self.world.apns_url = f"{self._apns_scheme}://{_shown(self._apns_listen[0])}:{self._h2.port}"
        self.poster.start()
        for vendor in self.world.vendors.values():
            await _call_if_there(vendor, "start")

    async def aclose(self) -> None:
        """Stop listening, close every connection, drop receipts that were not posted yet."""
        for vendor in self.world.vendors.values():
            await _call_if_there(vendor, "aclose")
        await self.poster.aclose()
        if self._h2 is not None:
            await self._h2.aclose()
        for connection in list(self._shared_h2.connections):
            connection.close()
        await self._h1.aclose()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()


def simulators(world: World) -> list[VendorSimulator]:
    """One of each simulator class in ``sandbox/vendors/``; a new vendor is a new file there and nothing else."""
    found: list[VendorSimulator] = []
    for info in sorted(pkgutil.iter_modules(vendors.__path__), key=lambda i: i.name):
        module = importlib.import_module(f"{vendors.__name__}.{info.name}")
        for name, value in vars(module).items():
            if inspect.isclass(value) and value.__module__ == module.__name__ and name.endswith("Simulator"):
                make: Any = value
                found.append(make(world))
    return found


async def run_sandbox(
    listen: tuple[str, int],
    apns_listen: tuple[str, int] | None = None,
    receipts_to: str = "",
    *,
    apns_ssl: ssl.SSLContext | None = None,
    apns_ca_pem: str = "",
    apns_tls_folder: Path | None = None,
    stop: asyncio.Event | None = None,
) -> None:
    """Run until SIGINT or SIGTERM (or ``stop``). Prints one line when it can serve. Raises OSError when an address is taken."""
    stop = stop or asyncio.Event()
    loop = asyncio.get_running_loop()
    sandbox = Sandbox(listen, apns_listen, receipts_to, apns_ssl=apns_ssl, apns_ca_pem=apns_ca_pem, apns_tls_folder=apns_tls_folder)
    async with sandbox:
        for number in (signal.SIGINT, signal.SIGTERM):
            with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):  # not the main thread
                loop.add_signal_handler(number, stop.set)
        print(f"listening on {sandbox.base_url}", flush=True)
        if sandbox.apns_url != sandbox.base_url:
            print(f"http/2 on {sandbox.apns_url}", flush=True)
        await stop.wait()


def _shown(host: str) -> str:
    """An address to call: a wildcard is reached through loopback, IPv6 needs brackets."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(host, host)  # noqa: S104
    return f"[{host}]" if ":" in host else host


async def _call_if_there(vendor: Any, name: str) -> None:
    method = getattr(vendor, name, None)
    if method is not None:
        await method()

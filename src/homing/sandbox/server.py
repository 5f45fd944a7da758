"""The sandbox as a server: every simulator and the control API on one address, HTTP/2 for those that need it on another."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import inspect
import pkgutil
import signal
import tempfile
from pathlib import Path
from typing import Any, Self

from . import vendors
from .base import SandboxClock, VendorSimulator
from .control import Control
from .either import EitherListener
from .front import Front
from .h2bridge import bridge
from .h2server import H2Limits, H2Server
from .http1 import Http1Server
from .receipts import ReceiptPoster
from .tls import set_up
from .world import World


class Sandbox:
    """Simulators and phones on this machine.

    ``async with Sandbox() as sandbox``: listens on a free port; ``base_url`` has the vendors and the control API. On ``apns_listen``
    HTTP/2 and HTTP/1.1 are spoken, with TLS or without, as the client begins; clients may show a certificate of the sandbox's CA.
    The CA is at GET /ca.pem, and as a file in ``apns_tls_folder``; naming a folder makes the TLS address the one that is handed out.
    ``world`` is the state behind it, for tests in the same process.
    """

    def __init__(
        self,
        listen: tuple[str, int] = ("127.0.0.1", 0),
        apns_listen: tuple[str, int] | None = None,
        receipts_to: str = "",
        *,
        clock: SandboxClock | None = None,
        apns_tls_folder: Path | None = None,
    ) -> None:
        self.world = World(receipts_to=receipts_to.rstrip("/"))
        if clock is not None:
            self.world.clock = clock
        self._listen = listen
        self._apns_listen = apns_listen
        self._tls_folder = apns_tls_folder
        self._temporary: tempfile.TemporaryDirectory[str] | None = None
        self._apns: EitherListener | None = None
        self.poster = ReceiptPoster()
        self.world.post_receipt = self.poster.add
        for simulator in simulators(self.world):
            self.world.add_vendor(simulator)
        self._front = Front(self.world, Control(self.world).handle)
        limits = H2Limits(max_body_bytes=4 * 1024 * 1024)
        self._shared_h2 = H2Server(bridge(self._front.handle), limits=limits)  # prior knowledge on the first address
        self._h1 = Http1Server(self._front.handle, self._shared_h2.connection)
        apns_limits = H2Limits(initial_max_streams=1)  # until the first valid token, as Apple does
        self._h2 = H2Server(bridge(self._front.handle), limits=apns_limits)
        self._second_h1 = Http1Server(self._front.handle, self._h2.connection)  # for clients without HTTP/2; Apple turns them away

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
        if self._apns_listen is not None:
            try:
                await self._listen_for_apns(*self._apns_listen)
            except OSError:
                await self._h1.aclose()
                self._remove_files()
                raise
        self.poster.start()
        for vendor in self.world.vendors.values():
            await _call_if_there(vendor, "start")

    async def _listen_for_apns(self, host: str, port: int) -> None:
        folder = self._tls_folder
        if folder is None:
            self._temporary = tempfile.TemporaryDirectory(prefix="homing-sandbox-")
            folder = Path(self._temporary.name)
        setup = await asyncio.to_thread(set_up, folder)
        world = self.world
        world.authority, world.apns_ca_file = setup.authority, str(setup.ca_file)
        world.apns_ca_pem = setup.authority.certificate_pem.decode()
        self._apns = EitherListener(self._second_h1.connection, setup.context)
        await self._apns.start(host, port)
        world.apns_tls_url = f"https://{_shown(host)}:{self._apns.port}"
        world.apns_url = world.apns_tls_url if self._tls_folder is not None else f"http://{_shown(host)}:{self._apns.port}"

    async def aclose(self) -> None:
        """Stop listening, close every connection, drop receipts that were not posted yet."""
        for vendor in self.world.vendors.values():
            await _call_if_there(vendor, "aclose")
        await self.poster.aclose()
        if self._apns is not None:
            await self._apns.aclose()
        await self._second_h1.aclose()
        for connection in [*self._shared_h2.connections, *self._h2.connections]:
            connection.close()
        await self._h1.aclose()
        self._remove_files()

    def _remove_files(self) -> None:
        if self._temporary is not None:
            self._temporary.cleanup()

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
    apns_tls_folder: Path | None = None,
    stop: asyncio.Event | None = None,
) -> None:
    """Run until SIGINT or SIGTERM (or ``stop``). Prints one line when it can serve. Raises OSError when an address is taken."""
    stop = stop or asyncio.Event()
    loop = asyncio.get_running_loop()
    async with Sandbox(listen, apns_listen, receipts_to, apns_tls_folder=apns_tls_folder) as sandbox:
        for number in (signal.SIGINT, signal.SIGTERM):
            with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):  # not the main thread
                loop.add_signal_handler(number, stop.set)
        print(f"listening on {sandbox.base_url}", flush=True)
        if sandbox.apns_url != sandbox.base_url:
            print(f"HTTP/2 on {sandbox.apns_url}, with TLS on {sandbox.world.apns_tls_url} (CA: {sandbox.base_url}/ca.pem)", flush=True)
        await stop.wait()


def _shown(host: str) -> str:
    """An address to call: a wildcard is reached through loopback, IPv6 needs brackets."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(host, host)  # noqa: S104
    return f"[{host}]" if ":" in host else host


async def _call_if_there(vendor: Any, name: str) -> None:
    method = getattr(vendor, name, None)
    if method is not None:
        await method()

"""nginx as the mock vendor of a sender alone, where it is installed with its echo module: one worker, fast enough not to be measured.

It answers every channel's path well, at once on one port and after 50 ms on another. It records nothing: the whole-server
benchmarks, which count what arrived, use ``mock_vendor``.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import socket
from pathlib import Path

from .processes import LOAD_CORE, START_SECONDS, pin

SLOW_MS = 50
_MODULES = ("/usr/lib/nginx/modules", "/usr/lib64/nginx/modules", "/usr/share/nginx/modules", "/usr/local/lib/nginx/modules")
_ECHO = "ngx_http_echo_module.so"
_CONFIGURATION = """
load_module {echo};
worker_processes 1;
daemon off;
pid {folder}/nginx.pid;
error_log stderr warn;
events {{ worker_connections 8192; }}
http {{
  access_log off;
  server_tokens off;
  keepalive_requests 1000000000;
  keepalive_timeout 300s;
  http2_max_concurrent_streams 1000;
  http2_recv_buffer_size 512k;
  client_body_buffer_size 64k;
  client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f;
  uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  ssl_certificate {folder}/server.pem;
  ssl_certificate_key {folder}/server.key;
  ssl_session_cache shared:S:1m;
  default_type application/json;
  tcp_nodelay on;
{servers}
}}
"""
_SERVER = """
  server {{
    listen 127.0.0.1:{port} ssl http2 backlog=4096;
    location = /token {{ return 200 '{{"access_token":"bench-grant","expires_in":3599,"token_type":"Bearer"}}'; }}
    location ^~ /v1/projects/ {{ echo_read_request_body; {sleep} echo '{{"name":"projects/bench/messages/0:1700000000%25a"}}'; }}
    location ^~ /3/device/ {{ echo_read_request_body; {sleep} echo_exec @accepted; }}
    location @accepted {{ add_header apns-id $http_apns_id; return 200 ''; }}
    location ~ messages:send$ {{ echo_read_request_body; {sleep} echo '{{"code":"80000000","msg":"Success","requestId":"1"}}'; }}
    location / {{ echo_read_request_body; {sleep} echo '{{"result":"ok","code":0,"description":"ok","data":{{"id":"x1"}},"info":"ok"}}'; }}
  }}
"""


def echo_module() -> str:
    """The path of nginx's echo module, "" where nginx or the module is not installed."""
    found = next((folder for folder in _MODULES if (Path(folder) / _ECHO).is_file()), "")
    return f"{found}/{_ECHO}" if found and _binary() else ""


def _binary() -> str | None:
    return shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class NginxVendor:
    """The process. ``slow`` is the same vendor, which takes 50 ms."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "nginx"
        self._ports = (_free_port(), _free_port())
        self._process: asyncio.subprocess.Process | None = None
        self.name = "nginx"

    @property
    def ca_file(self) -> str:
        """What a certificate names as its ca_file."""
        return str((self.folder / "ca.pem").resolve())

    def url(self, channel: str = "", *, slow: bool = False) -> str:  # noqa: ARG002  (the same for every channel)
        """Where all channels and log-ins are served, with TLS and HTTP/2."""
        return f"https://127.0.0.1:{self._ports[slow]}"

    async def start(self) -> None:
        """Start it and wait until it answers. Raises ``RuntimeError``."""
        from homing.sandbox.tls import CertificateAuthority, write_files

        write_files(CertificateAuthority("Homing benchmark CA"), self.folder)
        servers = _SERVER.format(port=self._ports[0], sleep="") + _SERVER.format(port=self._ports[1], sleep=f"echo_sleep {SLOW_MS / 1000};")
        file = self.folder / "nginx.conf"
        file.write_text(_CONFIGURATION.format(echo=echo_module(), folder=self.folder.resolve(), servers=servers))
        binary = _binary()
        assert binary is not None
        with (self.folder / "errors.log").open("wb") as log:
            # The worker inherits the core from the master, which inherits it from us.
            self._process = await asyncio.create_subprocess_exec(
                binary, "-c", str(file.resolve()), "-p", str(self.folder.resolve()), stderr=log, preexec_fn=lambda: pin(LOAD_CORE)
            )
        try:
            async with asyncio.timeout(START_SECONDS):
                await self._until_listening()
        except TimeoutError:
            raise RuntimeError("nginx did not begin to listen") from None

    async def _until_listening(self) -> None:
        while True:
            if self._process is not None and self._process.returncode is not None:
                raise RuntimeError(f"nginx did not start: {(self.folder / 'errors.log').read_text('utf-8', 'replace')[-500:]}")
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", self._ports[1])
                writer.close()
                return
            await asyncio.sleep(0.02)

    async def stop(self) -> None:
        """End it."""
        if self._process is not None and self._process.returncode is None:
            self._process.terminate()
            await self._process.wait()

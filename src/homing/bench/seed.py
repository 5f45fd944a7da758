"""What a benchmark needs in the store: an app, certificates that point at the mock vendor, accounts with tokens."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

import msgspec
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from homing.channels import fields
from homing.channels.registry import CHANNELS
from homing.model.certificates import Certificate
from homing.model.clock import Ids, SystemClock
from homing.rules.usersig import sign
from homing.services.apps import Apps
from homing.services.certificates import Certificates
from homing.services.token_import import BATCH, TokenLine, store_batch
from homing.store.nodes import MAX_NODES
from homing.store.open import open_database
from homing.store.sealing import open_sealer

from .processes import MockVendor

APP = 1_400_000_001
ADMIN = "administrator"
SECRET_KEY = "benchmark-secret-key-of-a-throw-away-app"
BUSINESS_ID = 15_518


class Binding(msgspec.Struct, frozen=True):
    """A certificate and how many users have a token of it. Users are numbered from ``first_user``."""

    channel: str = "fcm"
    users: int = 1000
    business_id: int = BUSINESS_ID
    first_user: int = 0
    base_url: str = ""  # "": the mock vendor, with TLS and HTTP/2
    options: dict[str, str] = {}


def user_of(number: int) -> str:
    """The UserID with this number."""
    return f"bench_u{number}"


def token_of(number: int) -> str:
    """Its push token."""
    return f"hbtok-{number}"


def admin_sig() -> str:
    """A UserSig of the administrator."""
    return user_sig(ADMIN)


def user_sig(user_id: str) -> str:
    """A UserSig of a day."""
    return sign(APP, user_id, SECRET_KEY, int(time.time()), 86_400)


class Vendor(Protocol):
    """Where a certificate's requests go."""

    @property
    def ca_file(self) -> str:
        """The authority that signed its certificate."""
        ...

    def url(self, channel: str = "") -> str:
        """Where a channel is served; without a channel, where log-ins are."""
        ...


def certificate_values(vendor: Vendor, channel: str, base_url: str = "") -> dict[str, str | bytes]:
    """Fields of a certificate of this channel with throw-away credentials, served by the mock vendor."""
    url = base_url or vendor.url(channel)
    values: dict[str, str | bytes] = {"base_url": url, "ca_file": vendor.ca_file, **_CREDENTIALS[channel]()}
    if CHANNELS[channel].capabilities.login_token_seconds and channel != "apns":
        values["auth_url"] = f"{vendor.url()}/token"
    return values


def certificate(vendor: Vendor, channel: str, base_url: str = "") -> Certificate:
    """The same as a certificate that needs no store. Raises ``RuntimeError`` when the fields no longer fit the channel."""
    built = fields.build(CHANNELS[channel], certificate_values(vendor, channel, base_url))
    if isinstance(built, list):
        raise RuntimeError(f"the benchmark's certificate is refused: {built[0].sentence}")
    return Certificate(APP, BUSINESS_ID, channel, "bench", *built)


async def seed(database_url: str, key_file: Path, vendor: MockVendor, bindings: Sequence[Binding]) -> None:
    """Make the app with its certificates and users in a fresh store. Raises ``StoreRefused``, ``Refused``."""
    clock = SystemClock()
    ids = Ids(clock, MAX_NODES + os.getpid() % (1024 - MAX_NODES))
    database = await open_database(database_url)
    try:
        sealer = await open_sealer(database, key_file)
        await Apps(database, sealer, clock).create(APP, SECRET_KEY, name="benchmark", admins=(ADMIN,))
        certificates = Certificates(database, sealer, clock)
        for binding in bindings:
            values = certificate_values(vendor, binding.channel, binding.base_url) | binding.options
            added = await certificates.add(APP, binding.channel, values, business_id=binding.business_id, name="bench")
            if isinstance(added, list):
                raise RuntimeError(f"the benchmark's certificate is refused: {added[0].sentence}")
            for start in range(0, binding.users, BATCH):
                await store_batch(database, APP, _lines(binding, start, min(binding.users, start + BATCH)), ids, clock)
    finally:
        await database.close()


def _lines(binding: Binding, start: int, end: int) -> list[TokenLine]:
    platform = "ios" if binding.channel == "apns" else "android"
    numbers = range(binding.first_user + start, binding.first_user + end)
    return [TokenLine(user_of(i), platform, binding.business_id, token_of(i)) for i in numbers]


def _pem(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> str:
    encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    return key.private_bytes(encoding, form, serialization.NoEncryption()).decode()


def _service_account() -> dict[str, str | bytes]:
    account = {
        "type": "service_account",
        "project_id": "bench",
        "private_key_id": "1",
        "private_key": _pem(rsa.generate_private_key(public_exponent=65_537, key_size=2048)),
        "client_email": "bench@bench.iam.example",
    }
    return {"service_account": json.dumps(account)}


def _provider_key() -> dict[str, str | bytes]:
    key = _pem(ec.generate_private_key(ec.SECP256R1()))
    return {"private_key": key, "key_id": "BENCHKEY01", "team_id": "BENCHTEAM1", "topic": "com.example.bench"}


_CREDENTIALS: dict[str, Callable[[], dict[str, str | bytes]]] = {
    "fcm": _service_account,
    "apns": _provider_key,
    "huawei": lambda: {"app_id": "100000001", "client_secret": "bench"},
    "xiaomi": lambda: {"app_secret": "bench", "package_name": "com.example.bench"},
}

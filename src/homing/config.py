"""Configuration: one struct. Flags go over ``HOMING_<NAME>``, that over the TOML file, that over the defaults below.

Each field carries its help, so that ``--help``, the sample file and the reference page are made from this one place.
"""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit, urlunsplit

import msgspec

ENV_PREFIX = "HOMING_"
DEFAULT_FILE = "homing.toml"
ROLES = ("api", "gateway", "push")
LOG_LEVELS = ("debug", "info", "warning", "error")
LOG_FORMATS = ("console", "json")

#: Environment variables with the prefix that are no options.
_OTHER_ENV = frozenset({"CONFIG"})


class ConfigError(Exception):
    """The configuration cannot be used. ``str()`` is one sentence that names the key and what to do."""


def _key(text: str, **constraints: Any) -> msgspec.Meta:
    return msgspec.Meta(description=text, **constraints)


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Everything that an installation can choose."""

    listen: Annotated[str, _key("address of the server, HOST:PORT; port 0 takes a free one")] = "127.0.0.1:8080"
    database: Annotated[str, _key("sqlite:///path/homing.db or postgresql://user@host:port/db")] = "sqlite:///./data/homing.db"
    bus: Annotated[str, _key("local for one process, or nats://host:port[,host:port]")] = "local"
    roles: Annotated[tuple[str, ...], _key("what this process does: any of api, gateway, push")] = ROLES
    master_key_file: Annotated[str, _key("key that seals stored secrets; default homing.key beside the SQLite file")] = ""
    log_level: Annotated[str, _key("debug, info, warning or error")] = "info"
    log_format: Annotated[str, _key("console for people, json for machines")] = "console"
    tls_certificate_file: Annotated[str, _key("PEM chain to serve HTTPS; needs tls_key_file")] = ""
    tls_key_file: Annotated[str, _key("private key of tls_certificate_file")] = ""
    postgres_connections: Annotated[int, _key("connections to PostgreSQL a process holds at most", ge=1, le=200)] = 8
    keep_messages_days: Annotated[int, _key("how long messages can be synchronised", ge=1, le=3650)] = 7
    keep_pushes_days: Annotated[int, _key("how long pushes, attempts and receipts can be explained", ge=1, le=3650)] = 30
    media_dir: Annotated[str, _key("folder for uploads, the same for all processes; default media beside the SQLite file")] = ""
    media_s3_url: Annotated[str, _key("https:// address of a bucket that speaks S3, for uploads instead of media_dir")] = ""
    media_s3_region: Annotated[str, _key("region that the bucket's signatures name")] = "us-east-1"
    media_s3_key_file: Annotated[str, _key("file with the bucket's access key id and its secret, a line each")] = ""
    media_max_mb: Annotated[int, _key("MiB that one upload may have", ge=1, le=4096)] = 100
    media_daily_mb: Annotated[int, _key("MiB that one account may upload in 24 hours", ge=1, le=1_000_000)] = 1000
    keep_media_days: Annotated[int, _key("how long uploads can be downloaded", ge=1, le=3650)] = 30
    public_url: Annotated[str, _key("https://im.example.com, for the links to uploads; default links without scheme and host")] = ""
    webhooks_to_private_addresses: Annotated[bool, _key("apps' webhooks may call this machine, private networks and plain http")] = False
    drain_seconds: Annotated[float, _key("how long a stopping server finishes what is in flight", ge=0, le=9)] = 7.0
    node_lease_seconds: Annotated[float, _key("after how long without a sign of life a node's work is taken over", ge=2, le=600)] = 15.0

    @property
    def host(self) -> str:
        """The host of ``listen``."""
        return split_address(self.listen)[0]

    @property
    def port(self) -> int:
        """The port of ``listen``."""
        return split_address(self.listen)[1]


KEYS: dict[str, Any] = {field.name: field.type for field in msgspec.structs.fields(Config)}
DEFAULTS = Config()


class Sources(msgspec.Struct, frozen=True):
    """A configuration, with where each value came from and what was strange on the way."""

    config: Config
    origin: dict[str, str]  # key -> "default", "homing.toml", "HOMING_LISTEN", "--listen"
    warnings: tuple[str, ...] = ()


def load(flags: Mapping[str, Any], environment: Mapping[str, str] | None = None, *, config_file: str | None = None) -> Sources:
    """The effective configuration. ``flags`` holds what was given on the command line (None: not given).

    Raises ``ConfigError`` for a file that cannot be read, an unknown key, a wrong value or half of a pair.
    """
    environment = os.environ if environment is None else environment
    values: dict[str, Any] = {}
    origin = dict.fromkeys(KEYS, "default")
    for key, value in _from_file(config_file or environment.get(ENV_PREFIX + "CONFIG") or None, origin).items():
        values[key] = value
    warnings = _from_environment(environment, values, origin)
    for key, value in flags.items():
        if value is not None:
            values[key] = value
            origin[key] = "--" + key.replace("_", "-")
    config = Config(**{key: _typed(key, value, origin[key]) for key, value in values.items()})
    _check(config, origin)
    return Sources(config, origin, tuple(warnings))


def shown(config: Config) -> dict[str, Any]:
    """The values as they may be printed: passwords in URLs are masked."""
    values = msgspec.structs.asdict(config)
    values["roles"] = list(config.roles)
    for key in ("database", "bus"):
        values[key] = mask_url(values[key])
    return values


def mask_url(url: str) -> str:
    """A URL without its password."""
    parts = urlsplit(url)
    if "@" not in parts.netloc or ":" not in parts.netloc.rpartition("@")[0]:
        return url
    login, _, host = parts.netloc.rpartition("@")
    return urlunsplit(parts._replace(netloc=f"{login.partition(':')[0]}:…@{host}"))


def split_address(address: str) -> tuple[str, int]:
    """Host and port of ``HOST:PORT`` or ``[IPV6]:PORT``. Raises ``ConfigError``."""
    host, colon, port = address.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not colon or not host or not (port.isascii() and port.isdigit()) or int(port) > 65_535:
        raise ConfigError(f"{address!r} is not an address: write HOST:PORT, for example 127.0.0.1:8080")
    return host, int(port)


def sample() -> str:
    """The documented sample file."""
    lines = [
        "# Homing's configuration. Every key may also be given as --key-name or as HOMING_KEY_NAME;",
        "# flags go over the environment, that over this file, that over the defaults shown here.",
        "# Used when it is called homing.toml in the working directory, or named with --config or HOMING_CONFIG.",
    ]
    for field in msgspec.structs.fields(Config):
        value = list(field.default) if isinstance(field.default, tuple) else field.default
        lines += ["", f"# {description(field.name)}", f"# {field.name} = {msgspec.json.encode(value).decode()}"]
    return "\n".join(lines) + "\n"


def description(key: str) -> str:
    """The help text of a key."""
    return next(str(extra.description) for extra in KEYS[key].__metadata__ if isinstance(extra, msgspec.Meta))


def _from_file(named: str | None, origin: dict[str, str]) -> dict[str, Any]:
    path = Path(named or DEFAULT_FILE)
    if named is None and not path.exists():
        return {}
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"The configuration file {path} cannot be read: {getattr(error, 'strerror', None) or error}") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"The configuration file {path} is not valid TOML: {error}") from error
    for key in values:
        if key not in KEYS:
            raise ConfigError(f"The configuration file {path} has an unknown key {key!r}{nearest(key, KEYS)}")
        origin[key] = str(path)
    return values


def _from_environment(environment: Mapping[str, str], values: dict[str, Any], origin: dict[str, str]) -> list[str]:
    warnings = []
    for name, value in environment.items():
        if not name.startswith(ENV_PREFIX):
            continue
        key = name.removeprefix(ENV_PREFIX)
        if key.lower() in KEYS and key.isupper():
            if value:
                values[key.lower()], origin[key.lower()] = value, name
        elif key not in _OTHER_ENV:
            warnings.append(f"The environment variable {name} is not an option of Homing{nearest(key.lower(), KEYS)}")
    return warnings


def nearest(word: str, known: Mapping[str, Any]) -> str:
    """``: did you mean X?`` where something is near enough, else an empty string."""
    near = difflib.get_close_matches(word, known, n=1)
    return f": did you mean {near[0]}?" if near else ""


def _typed(key: str, value: Any, origin: str) -> Any:
    if key == "roles" and isinstance(value, str):
        value = [role.strip() for role in value.split(",") if role.strip()]
    try:
        # A file has types of its own; flags and the environment are text.
        return msgspec.convert(value, KEYS[key], strict=not isinstance(value, str))
    except msgspec.ValidationError as error:
        raise ConfigError(f"{origin} is wrong for {key}: {str(error)[0].lower()}{str(error)[1:]}") from None


def _check(config: Config, origin: dict[str, str]) -> None:
    split_address(config.listen)
    _one_of("log_level", config.log_level, LOG_LEVELS, origin)
    _one_of("log_format", config.log_format, LOG_FORMATS, origin)
    if not config.roles:
        raise ConfigError(f"{origin['roles']} names no role: give at least one of {', '.join(ROLES)}")
    for role in config.roles:
        _one_of("roles", role, ROLES, origin)
    if bool(config.tls_certificate_file) != bool(config.tls_key_file):
        raise ConfigError("tls_certificate_file and tls_key_file belong together: give both, or neither")
    if not config.database.startswith(("sqlite:///", "postgresql://", "postgres://")) or config.database == "sqlite:///":
        raise ConfigError(
            f"{origin['database']} is not a database that Homing knows: use sqlite:///path/homing.db or postgresql://user@host:port/db"
        )
    if config.public_url and (urlsplit(config.public_url).scheme not in ("http", "https") or not urlsplit(config.public_url).hostname):
        raise ConfigError(f"{origin['public_url']} has no address of a server for public_url: write https://host[:port]")
    if bool(config.media_s3_url) != bool(config.media_s3_key_file):
        raise ConfigError("media_s3_url and media_s3_key_file belong together: give both, or neither")
    bucket = urlsplit(config.media_s3_url)
    if config.media_s3_url and (bucket.scheme not in ("http", "https") or not bucket.hostname or bucket.query):
        raise ConfigError(f"{origin['media_s3_url']} has no address of a bucket for media_s3_url: write https://host/bucket")
    if config.bus != "local" and not config.bus.startswith("nats://"):
        raise ConfigError(f"{origin['bus']} is not a bus that Homing knows: use local or nats://host:port")
    if not config.database.startswith("sqlite"):
        return
    if set(config.roles) != set(ROLES):
        raise ConfigError("SQLite serves one process, which must have all roles: leave --roles out, or name a PostgreSQL database")
    if config.bus != "local":
        raise ConfigError("SQLite serves one process: with --bus nats:// name a PostgreSQL database with --database postgresql://…")


def _one_of(key: str, value: str, allowed: tuple[str, ...], origin: dict[str, str]) -> None:
    if value not in allowed:
        raise ConfigError(f"{origin[key]} has {value!r} for {key}: use one of {', '.join(allowed)}")

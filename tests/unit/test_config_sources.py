"""Where configuration values come from, and how wrong ones are told."""

from __future__ import annotations

from pathlib import Path

import pytest

from homing.config import DEFAULTS, KEYS, ConfigError, description, load, mask_url, sample, shown, split_address


@pytest.fixture(autouse=True)
def _empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_defaults_hold_when_nothing_is_given() -> None:
    sources = load({}, {})
    assert sources.config == DEFAULTS
    assert sources.config.database == "sqlite:///./data/homing.db"
    assert set(sources.origin.values()) == {"default"}


def test_flags_go_over_the_environment_and_that_over_the_file(tmp_path: Path) -> None:
    (tmp_path / "homing.toml").write_text('listen = "127.0.0.1:1"\nlog_level = "error"\nkeep_pushes_days = 5\n')
    environment = {"HOMING_LISTEN": "127.0.0.1:2", "HOMING_LOG_LEVEL": "warning"}
    sources = load({"listen": "127.0.0.1:3", "log_level": None}, environment)
    assert (sources.config.listen, sources.config.log_level, sources.config.keep_pushes_days) == ("127.0.0.1:3", "warning", 5)
    assert sources.origin["listen"] == "--listen"
    assert sources.origin["log_level"] == "HOMING_LOG_LEVEL"
    assert sources.origin["keep_pushes_days"] == "homing.toml"


def test_the_environment_names_another_file(tmp_path: Path) -> None:
    (tmp_path / "other.toml").write_text("drain_seconds = 3\n")
    assert load({}, {"HOMING_CONFIG": "other.toml"}).config.drain_seconds == 3


def test_an_unknown_key_is_reported_with_the_nearest_known_one(tmp_path: Path) -> None:
    (tmp_path / "homing.toml").write_text('lisen = "127.0.0.1:1"\n')
    with pytest.raises(ConfigError, match=r"unknown key 'lisen': did you mean listen\?"):
        load({}, {})


def test_an_unknown_environment_variable_is_a_warning() -> None:
    warnings = load({}, {"HOMING_DATABSE": "x", "HOME": "y"}).warnings
    assert len(warnings) == 1
    assert "HOMING_DATABSE" in warnings[0]
    assert "database" in warnings[0]


def test_an_empty_environment_variable_counts_as_not_given() -> None:
    assert load({}, {"HOMING_LISTEN": ""}).config.listen == DEFAULTS.listen


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        ({"listen": "8080"}, "is not an address"),
        ({"listen": "localhost:99999"}, "is not an address"),
        ({"log_level": "loud"}, "use one of debug"),
        ({"roles": "api,paint"}, "use one of api, gateway, push"),
        ({"roles": ","}, "names no role"),
        ({"roles": "push"}, "SQLite serves one process"),
        ({"tls_key_file": "key.pem"}, "belong together"),
        ({"tls_certificate_file": "cert.pem"}, "belong together"),
        ({"database": "mysql://x"}, "is not a database"),
        ({"bus": "kafka://x"}, "is not a bus"),
        ({"bus": "nats://localhost:4222"}, "SQLite serves one process"),
        ({"keep_pushes_days": "many"}, "keep_pushes_days"),
        ({"keep_pushes_days": "0"}, "keep_pushes_days"),
    ],
)
def test_a_wrong_value_is_refused_with_one_sentence(flags: dict[str, str], sentence: str) -> None:
    with pytest.raises(ConfigError) as refusal:
        load(flags, {})
    assert sentence in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_a_file_with_a_wrong_type_names_the_file_and_the_key(tmp_path: Path) -> None:
    (tmp_path / "homing.toml").write_text("listen = 8080\n")
    with pytest.raises(ConfigError, match=r"homing.toml is wrong for listen"):
        load({}, {})


@pytest.mark.parametrize("content", [b"listen = ", b"\xff\xfe", b"[listen]\nx = 1\n"])
def test_a_broken_file_is_told_in_words(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "homing.toml").write_bytes(content)
    with pytest.raises(ConfigError, match=r"homing.toml"):
        load({}, {})


def test_a_named_file_that_is_missing_is_told() -> None:
    with pytest.raises(ConfigError, match=r"nowhere\.toml cannot be read"):
        load({}, {}, config_file="nowhere.toml")


def test_roles_apart_are_allowed_on_postgresql() -> None:
    config = load({"roles": "push", "database": "postgresql://homing@db/homing"}, {}).config
    assert config.roles == ("push",)


def test_passwords_are_masked() -> None:
    config = load({"database": "postgresql://homing:secret@db:5432/homing"}, {}).config
    assert shown(config)["database"] == "postgresql://homing:…@db:5432/homing"
    assert mask_url("postgresql://homing@db/homing") == "postgresql://homing@db/homing"
    assert mask_url("sqlite:///./data/homing.db") == "sqlite:///./data/homing.db"


def test_addresses_are_split() -> None:
    assert split_address("127.0.0.1:0") == ("127.0.0.1", 0)
    assert split_address("[::1]:8080") == ("::1", 8080)


def test_every_key_is_described_and_in_the_sample() -> None:
    text = sample()
    for key in KEYS:
        assert description(key)
        assert f"# {key} = " in text


def test_the_sample_is_a_valid_file_with_the_defaults(tmp_path: Path) -> None:
    lines = [line.removeprefix("# ") if " = " in line else line for line in sample().splitlines()]
    (tmp_path / "homing.toml").write_text("\n".join(lines))
    assert load({}, {}).config == DEFAULTS


def test_the_documented_sample_is_up_to_date() -> None:
    documented = Path(__file__).parents[2] / "docs" / "reference" / "homing.toml"
    assert documented.read_text(encoding="utf-8") == sample(), "run `homing config --sample > docs/reference/homing.toml`"

"""The command line as an operator and a script use it: exit status, one sentence, JSON."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from homing.cli.command import WrongUse
from homing.cli.main import GROUPS, commands, run

APP = ["--sdkappid", "1400000001"]
KEY = "bench-secret-key-0123456789abcdef"
MESSAGE = {
    "From_Account": "alice",
    "To_Account": "bob",
    "MsgRandom": 1,
    "MsgBody": [{"MsgType": "TIMTextElem", "MsgContent": {"Text": "hello"}}],
}


class Result(NamedTuple):
    """What a command left behind."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Homing = Callable[..., Result]


@pytest.fixture
def homing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Homing:
    """Runs a command line in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def call(*argv: str) -> Result:
        status = run(argv)
        captured = capsys.readouterr()
        return Result(status, captured.out, captured.err)

    return call


@pytest.fixture
def app(homing: Homing) -> Homing:
    """The same, with an app."""
    assert homing("app", "create", *APP, "--secret-key", KEY).status == 0
    return homing


@pytest.fixture(scope="module")
def service_account(tmp_path_factory: pytest.TempPathFactory) -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    account = {
        "type": "service_account",
        "project_id": "demo",
        "private_key_id": "1",
        "private_key": pem.decode(),
        "client_email": "push@demo.iam.gserviceaccount.com",
        "token_uri": "https://oauth2.googleapis.com/token",
    }
    path = tmp_path_factory.mktemp("keys") / "sa.json"
    path.write_text(json.dumps(account))
    return str(path)


def one_sentence(result: Result, status: int) -> str:
    """The single line on stderr of a command that failed."""
    assert result.status == status, result
    assert result.err.count("\n") == 1, result.err
    assert "Traceback" not in result.err
    return result.err


def _every_command() -> list[str]:
    names = []
    for group in GROUPS:
        with contextlib.suppress(WrongUse):  # not part of this build
            names += [command.name for command in commands(group)]
    return names


@pytest.mark.parametrize("name", _every_command())
def test_every_command_has_help(homing: Homing, name: str) -> None:
    result = homing(*name.split(), "--help")
    assert result.status == 0
    assert f"homing {name}" in result.out
    assert "--json" in result.out


def test_the_overview_lists_every_group(homing: Homing) -> None:
    out = homing("--help").out
    assert all(f"  {group} " in out for group in GROUPS)
    assert homing().status == 2
    assert homing("--version").out.startswith("homing ")
    assert "homing cert add" in homing("cert", "--help").out


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["srve"], "did you mean 'serve'?"),
        (["cert"], "needs one of: add"),
        (["cert", "ad"], "did you mean 'add'?"),
        (["app", "create"], "--sdkappid"),
        (["app", "create", "--sdkappid", "x", "--secret-key", KEY], "not a positive whole number"),
        (["app", "create", *APP, "--secret-key", "short"], "secret key"),
        (["app", "create", *APP, "--secret-key", KEY, "--nme", "x"], "--nme"),
        (["app", "create", *APP, "--secret-key", KEY, "--database", "mysql://x"], "--database"),
        (["explain", *APP], "--msg-key"),
        (["config", "--listen", "nowhere"], "HOST:PORT"),
    ],
)
def test_wrong_use_is_status_2_and_one_sentence(homing: Homing, argv: list[str], words: str) -> None:
    assert words in one_sentence(homing(*argv), 2)


def test_an_app_is_made_once(app: Homing) -> None:
    assert "exists already" in one_sentence(app("app", "create", *APP, "--secret-key", KEY), 1)
    [listed] = app("app", "list", "--json").json
    assert listed["sdkappid"] == 1400000001
    assert listed["admins"] == ["administrator"]
    assert KEY not in app("app", "show", *APP, "--json").out


def test_app_settings_change(app: Homing) -> None:
    assert app("app", "set", *APP, "--set", "keep_days=9", "--json").json["settings"]["keep_days"] == 9
    assert "keep_days" in one_sentence(app("app", "set", *APP, "--set", "keep_days=x"), 2)
    assert "keep_days" in one_sentence(app("app", "set", *APP, "--set", "keep_dayz=1"), 2)
    one_sentence(app("app", "set", *APP), 2)


def test_a_command_on_a_missing_database_does_not_make_an_empty_one(homing: Homing, tmp_path: Path) -> None:
    assert "homing app create" in one_sentence(homing("app", "list"), 1)
    assert not (tmp_path / "data").exists()


def test_the_environment_names_database_and_key(homing: Homing, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOMING_DATABASE", f"sqlite:///{tmp_path}/elsewhere/x.db")
    monkeypatch.setenv("HOMING_MASTER_KEY_FILE", f"{tmp_path}/keys/x.key")
    assert homing("app", "create", *APP, "--secret-key", KEY).status == 0
    assert (tmp_path / "elsewhere" / "x.db").exists()
    assert (tmp_path / "keys" / "x.key").stat().st_mode & 0o777 == 0o600


def test_a_lost_master_key_is_told_in_words(app: Homing, tmp_path: Path, service_account: str) -> None:
    assert app("cert", "add", "fcm", *APP, "--file", f"service_account={service_account}").status == 0
    (tmp_path / "data" / "homing.key").unlink()
    assert "restore the key file" in one_sentence(app("cert", "list", *APP), 1)
    assert "restore the key file" in one_sentence(app("usersig", *APP, "--user-id", "a"), 1)
    assert app("app", "set", *APP, "--secret-key", KEY).status == 0
    assert "PAUSED: secrets_unreadable" in app("cert", "list", *APP).out
    one_sentence(app("cert", "resume", *APP, "--business-id", "15501"), 1)
    assert app("cert", "set", *APP, "--business-id", "15501", "--file", f"service_account={service_account}").status == 0
    assert "in use" in app("cert", "list", *APP).out


def test_a_usersig_is_one_line_that_verifies(app: Homing) -> None:
    from homing.rules.usersig import UserSig, verify

    document = app("usersig", *APP, "--user-id", "alice", "--expire", "60", "--json").json
    verified = verify(document["usersig"], 1400000001, "alice", KEY, document["issued_at"] + 60)
    assert isinstance(verified, UserSig)
    plain = app("usersig", *APP, "--user-id", "alice")
    assert plain.out.count("\n") == 1
    assert isinstance(verify(plain.out.strip(), 1400000001, "alice", KEY, document["issued_at"]), UserSig)
    one_sentence(app("usersig", *APP, "--user-id", "x" * 33), 2)
    one_sentence(app("usersig", "--sdkappid", "7", "--user-id", "x"), 1)


def test_a_certificate_is_added_shown_and_removed(app: Homing, service_account: str) -> None:
    added = app(
        "cert", "add", "fcm", "--json", *APP, "--business-id", "15518", "--name", "live", "--file", f"service_account={service_account}"
    )
    assert added.json["business_id"] == 15518
    assert app("cert", "add", "fcm", *APP, "--file", f"service_account={service_account}").out == "15519\n"
    assert "PRIVATE KEY" not in added.out
    assert "PRIVATE KEY" not in app("cert", "show", *APP, "--business-id", "15518").out
    assert [c["business_id"] for c in app("cert", "list", *APP, "--json").json] == [15518, 15519]
    assert app("cert", "remove", *APP, "--business-id", "15519").status == 0
    one_sentence(app("cert", "remove", *APP, "--business-id", "15519"), 1)
    assert app("cert", "pause", *APP, "--business-id", "15518").status == 0
    assert app("cert", "resume", *APP, "--business-id", "15518").status == 0


def test_a_wrong_certificate_is_status_2_names_the_field_and_stores_nothing(app: Homing, tmp_path: Path, service_account: str) -> None:
    (tmp_path / "broken.json").write_text("{")
    broken_key = json.loads(Path(service_account).read_text()) | {
        "private_key": "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"
    }
    (tmp_path / "key.json").write_text(json.dumps(broken_key))
    good = ["--file", f"service_account={service_account}"]
    for arguments, field in (
        (["--file", "service_account=broken.json"], "service_account"),
        (["--file", "service_account=key.json"], "service_account"),
        (["--file", "service_account=nowhere.json"], "service_account"),
        ([], "service_account"),
        ([*good, "--set", "click_acton=page"], "click_acton"),
        ([*good, "--set", "click_action=fly"], "click_action"),
        ([*good, "--set", "base_url=http://example.com"], "base_url"),
        ([*good, "--set", "max_in_flight=many"], "max_in_flight"),
        ([*good, "--set", "sound"], "key=value"),
        ([*good, *good], "given twice"),
    ):
        assert field in one_sentence(app("cert", "add", "fcm", *APP, *arguments), 2)
    assert "did you mean" in one_sentence(app("cert", "add", "fcmm", *APP, *good), 2)
    assert app("cert", "list", *APP, "--json").json == []


def test_certificate_fields_are_listed_in_both_languages(homing: Homing) -> None:
    fields = homing("cert", "fields", "fcm", "--json").json
    account = next(field for field in fields if field["name"] == "service_account")
    assert account["required"]
    assert account["secret"]
    assert {"base_url", "auth_url", "ca_file", "click_action", "callback_base_url"} <= {field["name"] for field in fields}
    assert homing("cert", "fields", "fcm").out != homing("cert", "fields", "fcm", "--lang", "zh").out
    one_sentence(homing("cert", "fields", "pigeon"), 2)


def test_a_check_of_unreachable_credentials_fails_with_a_cure(app: Homing, service_account: str) -> None:
    nobody = ["--set", "auth_url=http://127.0.0.1:1/token", "--set", "base_url=http://127.0.0.1:1"]
    assert app("cert", "add", "fcm", *APP, *nobody, "--file", f"service_account={service_account}").status == 0
    checked = app("cert", "check", *APP, "--business-id", "15501", "--json")
    assert checked.status == 1
    assert checked.json["vendor"]["verdict"] == "unreachable"
    assert checked.json["vendor"]["cure"]


def test_render_shows_the_vendor_request_and_masks_secrets(app: Homing, tmp_path: Path, service_account: str) -> None:
    app("cert", "add", "fcm", *APP, "--file", f"service_account={service_account}")
    (tmp_path / "message.json").write_text(json.dumps(MESSAGE))
    arguments = ["render", *APP, "--business-id", "15501", "--token", "the-token", "--json-message"]
    rendered = app(*arguments, "message.json")
    [request] = rendered.json
    assert set(request) == {"method", "url", "headers", "body"}
    assert request["url"].endswith("/v1/projects/demo/messages:send")
    assert request["body"]["message"]["token"] == "the-token"
    assert request["body"]["message"]["notification"] == {"title": "alice", "body": "hello"}
    assert "***" not in rendered.out
    assert rendered.err == ""
    (tmp_path / "custom.json").write_text(json.dumps(MESSAGE | {"MsgBody": [{"MsgType": "TIMCustomElem", "MsgContent": {"Data": "x"}}]}))
    assert "would not be pushed" in app(*arguments, "custom.json").err
    for broken in ("{", '{"MsgBody": 3}', '{"MsgBody": [{"MsgType": "X", "MsgContent": {}}]}', "{}"):
        (tmp_path / "broken.json").write_text(broken)
        one_sentence(app(*arguments, "broken.json"), 2)
    one_sentence(app(*arguments, "nowhere.json"), 2)


def test_explain_tells_of_an_account_and_of_what_is_not_recorded(app: Homing) -> None:
    told = app("explain", *APP, "--user-id", "administrator", "--json").json
    assert told["devices"] == []
    one_sentence(app("explain", *APP, "--msg-key", "1_2_3"), 1)
    one_sentence(app("explain", *APP, "--push-id", "1"), 1)
    one_sentence(app("explain", *APP, "--msg-key", "nonsense"), 2)


def test_tokens_are_imported_and_bad_lines_listed(app: Homing, tmp_path: Path, service_account: str) -> None:
    app("cert", "add", "fcm", *APP, "--file", f"service_account={service_account}")
    lines = [json.dumps({"user_id": f"u{i}", "platform": "android", "business_id": 15501, "token": f"t{i}"}) for i in range(3)]
    (tmp_path / "good.jsonl").write_text("\n".join(lines))
    assert app("tokens", "import", "good.jsonl", *APP).out.startswith("3 tokens imported, 3 accounts made")
    (tmp_path / "mixed.jsonl").write_text("\n".join([lines[0], "{", lines[1].replace("15501", "7")]))
    mixed = app("tokens", "import", "mixed.jsonl", *APP)
    assert mixed.status == 1
    assert mixed.err.splitlines()[0].startswith("line 2: it is not JSON")
    assert mixed.err.splitlines()[1] == "line 3: business_id: this app has no certificate 7"
    listed = app("tokens", "import", "mixed.jsonl", *APP, "--json").json
    assert (listed["imported"], listed["bad"]) == (1, 2)
    assert [line["line"] for line in listed["bad_lines"]] == [2, 3]
    assert app("explain", *APP, "--user-id", "u2", "--json").json["devices"][0]["can_get_push"]
    one_sentence(app("tokens", "import", "nowhere.jsonl", *APP), 2)
    one_sentence(app("tokens", "import", "good.jsonl", "--sdkappid", "7"), 1)


def test_doctor_says_what_to_do(app: Homing, tmp_path: Path) -> None:
    assert app("doctor", "--offline").status == 0
    (tmp_path / "data" / "homing.key").unlink()
    lost = app("doctor", "--offline", "--json")
    assert lost.status == 1
    assert any(finding["check"] == "master key" and finding["status"] == "error" for finding in lost.json["findings"])
    assert app("doctor", "--database", f"sqlite:///{tmp_path}/none.db").status == 1


def test_config_prints_values_with_their_source_and_masks_passwords(homing: Homing) -> None:
    shown = homing("config", "--database", "postgresql://homing:secret@db/homing", "--json")
    assert shown.json["database"] == {"value": "postgresql://homing:…@db/homing", "from": "--database"}
    assert "secret" not in shown.out


def test_with_postgresql_the_master_key_must_be_named(homing: Homing, postgres_url: str, tmp_path: Path) -> None:
    create = ["app", "create", *APP, "--secret-key", KEY, "--database", postgres_url]
    assert "--master-key-file" in one_sentence(homing(*create), 1)
    assert homing(*create, "--master-key-file", f"{tmp_path}/x.key").status == 0


def test_a_database_that_cannot_be_used_is_told_in_words(homing: Homing, tmp_path: Path) -> None:
    (tmp_path / "file.db").write_text("this is no database, but a text of some length that says so" * 20)
    assert "not a Homing database" in one_sentence(homing("app", "list", "--database", f"sqlite:///{tmp_path}/file.db"), 1)
    away = "postgresql://homing@127.0.0.1:1/homing"
    assert "cannot be reached" in one_sentence(homing("app", "list", "--database", away, "--master-key-file", f"{tmp_path}/k"), 1)


def test_help_does_not_load_the_server() -> None:
    code = "import sys; from homing.cli.main import run; run(['--help']); print(len(sys.modules), 'sqlalchemy' in sys.modules)"
    environment = {name: value for name, value in os.environ.items() if name != "COVERAGE_PROCESS_START"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    modules, sqlalchemy = done.stdout.splitlines()[-1].split()
    assert sqlalchemy == "False"
    assert int(modules) < 200

"""``homing doctor``: check this installation from the configuration to the vendors, and say what to do."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .command import FAILURE, OK, Call, Command, config_options

if TYPE_CHECKING:
    from homing.store.engine import Database


def _configure(parser: argparse.ArgumentParser) -> None:
    from homing.config import KEYS

    parser.add_argument("--offline", action="store_true", help="do not talk to vendors")
    config_options(parser, tuple(KEYS))


class _Findings:
    """What was found, in order."""

    def __init__(self) -> None:
        self.found: list[dict[str, Any]] = []

    def ok(self, what: str, sentence: str) -> None:
        self.found.append({"check": what, "status": "ok", "sentence": sentence, "cure": ""})

    def warning(self, what: str, sentence: str, cure: str) -> None:
        self.found.append({"check": what, "status": "warning", "sentence": sentence, "cure": cure})

    def error(self, what: str, sentence: str, cure: str = "") -> None:
        self.found.append({"check": what, "status": "error", "sentence": sentence, "cure": cure})

    @property
    def healthy(self) -> bool:
        return all(finding["status"] != "error" for finding in self.found)

    def text(self) -> str:
        marks = {"ok": "  ok     ", "warning": "  WARNING", "error": "  ERROR  "}
        lines = []
        for finding in self.found:
            lines.append(f"{marks[finding['status']]} {finding['check']}: {finding['sentence']}")
            if finding["cure"]:
                lines.append(f"            {finding['cure']}")
        return "\n".join([*lines, "", "Everything is in order." if self.healthy else "Something has to be done: see the lines with ERROR."])


async def _run(call: Call) -> int:
    from homing.store.engine import StoreRefused

    from .command import Failure

    findings = _Findings()
    for warning in call.sources.warnings:
        findings.warning("configuration", warning, "Correct its name, or remove it")
    findings.ok("configuration", "it can be used (`homing config` prints it)")
    try:
        async with call.database() as database:
            findings.ok("database", f"{database.dialect} is open and its schema is current")
            await _key_and_certificates(call, database, findings)
    except (StoreRefused, Failure) as error:
        findings.error("database", str(error))
    call.show({"healthy": findings.healthy, "findings": findings.found}, findings.text())
    return OK if findings.healthy else FAILURE


async def _key_and_certificates(call: Call, database: Database, findings: _Findings) -> None:
    from homing.model.clock import SystemClock
    from homing.services.apps import Apps
    from homing.services.certificates import Certificates
    from homing.store.engine import StoreRefused
    from homing.store.sealing import is_exposed, key_path

    try:
        sealer = await call.sealer(database)
    except StoreRefused as error:
        findings.error("master key", str(error))
        return
    path = key_path(call.config.database, call.config.master_key_file)
    if is_exposed(path):
        findings.warning("master key", f"other users of this machine can read {path}", f"chmod 600 {path}")
    else:
        findings.ok("master key", f"{path} opens the stored secrets; keep a copy of it elsewhere")
    apps = await Apps(database, sealer, SystemClock()).list()
    if not apps:
        findings.warning("apps", "there is none yet", "Make one with `homing app create`")
    certificates = Certificates(database, sealer, SystemClock())
    for app in apps:
        await _certificates(call, certificates, app.sdkappid, findings)


async def _certificates(call: Call, certificates: Any, sdkappid: int, findings: _Findings) -> None:
    from .cert_check import check_all

    chosen = await certificates.of_app(sdkappid)
    what = f"app {sdkappid}"
    if not chosen:
        findings.warning(what, "it has no push certificate, so nobody gets an offline push", "Add one with `homing cert add`")
    for certificate in chosen:
        for name in ("ca_file",):
            path = getattr(certificate.options, name, "")
            if path and not _readable(path):
                findings.error(
                    what, f"certificate {certificate.business_id}: {name} {path} cannot be read", "Correct it with `homing cert set`"
                )
    if call.args.offline:
        for certificate in chosen:
            _stored(certificate, certificates, what, findings)
        return
    for result in await check_all(certificates, chosen):
        _checked(result, what, findings)


def _stored(certificate: Any, certificates: Any, what: str, findings: _Findings) -> None:
    name = f"certificate {certificate.business_id} ({certificate.channel})"
    if certificate.paused_reason:
        findings.error(what, f"{name} is paused: {certificate.paused_reason}", "`homing cert check` tells what is wrong")
        return
    for problem in certificates.problems(certificate):
        report = findings.warning if problem.warning else findings.error
        report(what, f"{name}: {problem.sentence}", problem.cure)
    findings.ok(what, f"{name} is well-formed")


def _checked(result: dict[str, Any], what: str, findings: _Findings) -> None:
    from homing.services.vendor_check import MAX_CLOCK_SECONDS

    name = f"certificate {result['business_id']} ({result['channel']})"
    for problem in result["problems"]:
        report = findings.warning if problem["warning"] else findings.error
        report(what, f"{name}: {problem['sentence']}", problem["cure"])
    vendor = result["vendor"]
    if result["paused_reason"]:
        findings.error(what, f"{name} is paused: {result['paused_reason']}", "Correct it with `homing cert set`, or `homing cert resume`")
    if vendor is not None:
        if vendor["verdict"] in ("works", "not_asked"):
            findings.ok(what, f"{name}: {vendor['sentence']}")
        else:
            findings.error(what, f"{name}: {vendor['sentence']}", vendor["cure"])
        off = vendor["clock_off_seconds"]
        if off is not None and abs(off) > MAX_CLOCK_SECONDS:
            findings.error("clock", f"it is {abs(off)} seconds off, and vendors refuse what is signed at a wrong time", "Synchronise it")


def _readable(path: str) -> bool:
    try:
        Path(path).open("rb").close()
    except OSError:
        return False
    return True


COMMANDS = (
    Command(
        "doctor",
        "check this installation and say what to do",
        _configure,
        _run,
        details="Looks at the configuration, the database, the master key, the clock, and every certificate by logging in with its vendor.",
    ),
)

"""``homing cert check``: what would fail or bite later, and whether the vendor takes the credentials."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from .cert_database import certificates_of
from .command import FAILURE, OK, Call, sdkappid_option, store_options, whole_number

if TYPE_CHECKING:
    from homing.model.certificates import Certificate
    from homing.services.certificates import Certificates
    from homing.services.vendor_check import VendorCheck


def configure_check(parser: argparse.ArgumentParser) -> None:
    """The options of ``homing cert check``."""
    sdkappid_option(parser)
    parser.add_argument("--business-id", type=whole_number, metavar="N", help="the certificate's number; default all of the app")
    store_options(parser)


async def run_check(call: Call) -> int:
    """Check one certificate, or all of an app."""
    args = call.args
    async with certificates_of(call) as certificates:
        if args.business_id is None:
            chosen = await certificates.of_known_app(args.sdkappid)
        else:
            chosen = [await certificates.require(args.sdkappid, args.business_id)]
        results = await check_all(certificates, chosen)
    text = "\n".join(line for result in results for line in lines_of(result)) or "no certificate yet: add one with `homing cert add`"
    call.show(results[0] if args.business_id is not None else results, text)
    return OK if all(result["ok"] for result in results) else FAILURE


async def check_all(certificates: Certificates, chosen: list[Certificate]) -> list[dict[str, Any]]:
    """Check certificates one after the other. Each result has ``ok``, ``problems`` and ``vendor``."""
    from homing.channels.registry import CHANNELS
    from homing.model.clock import SystemClock
    from homing.services.certificates import sorted_problems
    from homing.services.vendor_check import check_credentials
    from homing.transport.client import HttpTransport

    transport = HttpTransport()
    results = []
    try:
        for certificate in chosen:
            problems = sorted_problems(certificates.problems(certificate))
            vendor = None
            if all(problem.warning for problem in problems):
                vendor = await check_credentials(CHANNELS[certificate.channel], certificate, transport, SystemClock())
            results.append(_result(certificate, problems, vendor))
    finally:
        await transport.aclose()
    return results


def _result(certificate: Certificate, problems: list[Any], vendor: VendorCheck | None) -> dict[str, Any]:
    import msgspec

    works = vendor is not None and vendor.verdict in ("works", "not_asked")
    return {
        "sdkappid": certificate.sdkappid,
        "business_id": certificate.business_id,
        "channel": certificate.channel,
        "ok": works and not certificate.paused_reason,
        "paused_reason": certificate.paused_reason,
        "problems": [msgspec.structs.asdict(problem) for problem in problems],
        "vendor": None if vendor is None else msgspec.structs.asdict(vendor),
    }


def lines_of(result: dict[str, Any]) -> list[str]:
    """A result in words."""
    lines = [f"certificate {result['business_id']} ({result['channel']}): {'OK' if result['ok'] else 'NOT OK'}"]
    for problem in result["problems"]:
        kind = "warning" if problem["warning"] else "error"
        lines.append(f"  {kind}: {problem['sentence']}. {problem['cure']}")
    vendor = result["vendor"]
    if vendor is not None:
        lines.append(f"  {vendor['sentence']}" + (f" in {vendor['latency_ms']} ms" if vendor["verdict"] == "works" else ""))
        if vendor["cure"]:
            lines.append(f"  {vendor['cure']}")
    if result["paused_reason"]:
        lines.append(
            f"  paused: {result['paused_reason']}. `homing cert resume` ends the pause, `homing cert set` stores other credentials"
        )
    return lines

"""Taking notifications off HarmonyOS phones: the vendor's recall call (its reference page "messages:revoke", 消息撤回).

A notification is found by its notifyId and the phone's token. One that was tapped stays as it is. The call has the app's
Client ID in its address, which sending does not need: what is wrong with it never stops the messages.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from homing.channels import harmony_answers, push_kit
from homing.channels.answers import json_object, text
from homing.model.notification import Target
from homing.model.outcome import Outcome, OutcomeKind, VendorRequest, VendorResponse

#: The context of such a request.
RECALL: Final = "recall"
_REFUSED: Final = OutcomeKind.MESSAGE_REFUSED
#: The codes that sending does not have, or that mean something else there. No token is condemned for a recall.
BY_CODE: Final = {
    "80000001": OutcomeKind.VENDOR_DOWN,
    "80100020": _REFUSED,
    "80300007": _REFUSED,
    "80300017": _REFUSED,
    "80300028": _REFUSED,
    "80300032": _REFUSED,
}
_NOT_THE_APPS: Final = "is client_id the app's Client ID, and of this project?"
_CURES: Final = {
    "80100020": "the vendor does not say for which tokens",
    "80300002": _NOT_THE_APPS,
    "80300007": "the tokens are of another app, or from before the phone was upgraded",
    "80300028": _NOT_THE_APPS,
}


def requests(notify_id: int, targets: Sequence[Target], like: VendorRequest) -> list[VendorRequest]:
    """One request for up to 1000 targets, as ``like`` but for what it says and whom it covers."""
    found = []
    for start in range(0, len(targets), push_kit.BATCH):
        batch = tuple(targets[start : start + push_kit.BATCH])
        body: dict[str, Any] = {"notifyId": notify_id & 0x7FFFFFFF, "token": list(dict.fromkeys(target.token for target in batch))}
        found.append(msgspec.structs.replace(like, body=msgspec.json.encode(body), targets=batch, context=RECALL))
    return found


def interpret(request: VendorRequest, response: VendorResponse, now_ms: int) -> list[Outcome]:
    """The same outcome for each target: the vendor answers for all of them."""
    answer = json_object(response.body)
    code, words = text(answer.get("code")), text(answer.get("msg"))
    if code == harmony_answers.ACCEPTED:
        outcome = Outcome(OutcomeKind.ACCEPTED, code, vendor_message_id=text(answer.get("requestId"))[:256])
    else:
        told = "; ".join(part for part in (words, _CURES.get(code, "")) if part)
        codes = {**harmony_answers.BY_CODE, **BY_CODE}
        outcome = harmony_answers.refused(code, told, request, response, now_ms, codes)
        if outcome.kind is OutcomeKind.CREDENTIALS_REFUSED:
            outcome = msgspec.structs.replace(outcome, kind=_REFUSED)
    return [outcome] * len(request.targets)

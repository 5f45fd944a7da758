"""Writes the reference pages that are made from the code; ``--check`` only says whether they are current.

What the program knows about itself is not written down a second time by hand.
"""

from __future__ import annotations

import enum
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec

from homing import config
from homing.channels.base import Channel
from homing.channels.fields import FieldDescription, describe
from homing.channels.matrix import rows
from homing.channels.registry import CHANNELS
from homing.model import problems
from homing.model.apps import AppSettings
from homing.model.outcome import OutcomeKind, ReceiptKind
from homing.model.problems import Problem
from homing.model.push import Action, PushState, Reason
from homing.rules.decision import TABLE
from homing.rules.explanations import OUTCOMES, REASONS, RECEIPTS, STATES, Words
from homing.server.health import HubCollector
from homing.server.openapi.document import document as openapi
from homing.services.counters import Counters

REFERENCE = Path(__file__).parent.parent / "docs" / "reference"
MARK = "<!-- Made from the code by `make generate`; do not edit. -->"

ACTIONS = {
    Action.SYNC: "socket, to keep the account's devices in step; never a push",
    Action.SUPPRESS: "no push",
    Action.SOCKET: "socket only",
    Action.SOCKET_AND_PUSH: "socket and push",
    Action.PUSH: "push",
}
NEXT_STEPS = {
    OutcomeKind.ACCEPTED: "done; receipts may follow",
    OutcomeKind.TOKEN_DEAD: "failed; the token is removed if the vendor named it and it was not replaced meanwhile",
    OutcomeKind.MESSAGE_REFUSED: "failed",
    OutcomeKind.CLASS_REFUSED: "failed",
    OutcomeKind.CREDENTIALS_REFUSED: "the certificate is paused; the push waits until it is repaired or its time is over",
    OutcomeKind.AUTH_EXPIRED: "log in anew once, send again at once",
    OutcomeKind.THROTTLED: "again after the vendor's Retry-After, else after the back-off",
    OutcomeKind.QUOTA_APP: "this lane rests until the vendor's midnight",
    OutcomeKind.QUOTA_DEVICE: "failed",
    OutcomeKind.VENDOR_DOWN: "again after the back-off, until the push expires",
    OutcomeKind.UNKNOWN: "again after the back-off, twelve times at most",
}


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    lines += ["| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in row) + " |" for row in rows]
    return "\n".join(lines)


def decision_table() -> str:
    """What happens on one device, row by row."""
    rows = ((str(n), row.state_en, row.state_zh, ACTIONS[row.result], f"`{row.reason}`") for n, row in enumerate(TABLE, 1))
    return f"""# The decision table

When a message is accepted, this is decided for each device of each recipient, in the same transaction, and recorded with
the state of the device at that moment. `homing explain` shows the record. One function decides (`homing.rules.decision`);
this page is made from its table, and every row has its test.

{table(["", "the device, or the message", "终端或消息", "what happens", "reason"], rows)}

The rows are asked in this order, but for one thing: a device that is connected in the foreground gets the message on its
socket whatever the message says about pushing, and is decided again by the later rows only when no acknowledgement comes
within the app's `ack_timeout_ms` (3 seconds unless changed).

Three more things end a push before it reaches the vendor, each looked at when it is sent: its time to live is over (`ttl_over`),
a newer notification took its place (`superseded`), and a vendor that would accept it and have the phone show nothing, because
neither certificate nor message names a notification channel (`no_channel_id`). An ext that is not JSON where a vendor needs
JSON is wrapped, and pushed.

The words for each reason, and the cure, are in [States, reasons and outcomes](outcomes.md).
"""


def errors_page() -> str:
    """Every error with its anchor."""
    groups: dict[str, list[str]] = {}
    for problem in _problems():
        groups.setdefault(_group(problem.rest_code), []).append(_problem(problem))
    body = "\n\n".join(f"## {title}\n\n" + "\n\n".join(entries) for title, entries in groups.items())
    return f"""# Errors

Every refusal has a stable name, a code, one sentence and a cure.

- The server REST API always answers HTTP 200 with `ActionStatus`, `ErrorCode` (the REST code below) and `ErrorInfo`, as
  clients of the original product expect.
- The device API answers the HTTP status below with `{{"code": NAME, "message": SENTENCE, "help": LINK}}`; the link leads here.
- The command line prints the sentence and exits with 1, or with 2 when it was called wrongly.

A request that was refused changed nothing. A request that failed with `too_fast` or `internal` may be repeated with the same
`MsgSeq` and `MsgRandom`: it is stored once.

{body}
"""


def _problems() -> list[Problem]:
    found = {value.name: value for value in vars(problems).values() if isinstance(value, Problem)}
    return sorted(found.values(), key=lambda problem: (_GROUPS.index(_group(problem.rest_code)), problem.rest_code))


_GROUPS = ("The REST gate", "Accounts and UserSig", "Messages", "The device API")


def _group(rest_code: int) -> str:
    known = {
        60: "The REST gate",
        70: "Accounts and UserSig",
        20: "Messages",
        80: "Messages",
        90: "Messages",
        91: "Messages",
        93: "Messages",
    }
    return known.get(rest_code // 1000, "The device API")


def _problem(problem: Problem) -> str:
    facts = f"`{problem.name}` · REST code {problem.rest_code} · HTTP {problem.http_status}"
    return f"### {problem.name.replace('_', '-')}\n\n{facts}\n\n{problem.sentence}. {problem.cure}."


def outcomes_page() -> str:
    """States of a push, reasons, what a vendor's answer means, receipts."""
    states = ((f"`{state.name.lower()}`", STATES[state].en, STATES[state].zh) for state in PushState)
    reasons = ((f"`{reason}`", REASONS[reason].en, _cure(REASONS[reason])) for reason in Reason)
    outcomes = ((f"`{kind}`", OUTCOMES[kind].en, NEXT_STEPS[kind]) for kind in OutcomeKind)
    receipts = ((f"`{kind}`", RECEIPTS[kind].en, _cure(RECEIPTS[kind])) for kind in ReceiptKind)
    return f"""# States, reasons and outcomes

These words are stable: the API, `homing explain --json`, the metrics and the documents use the same ones.

## States of a push

{table(["state", "meaning", "含义"], states)}

## Reasons

Why a device got a push, or why it got none; or why a push failed.

{table(["reason", "meaning", "cure"], reasons)}

## Outcomes: what a vendor's answer means

Each vendor's codes are translated into this closed set. Each outcome has one action.

{table(["outcome", "meaning", "what happens next"], outcomes)}

## Receipts

What is heard of a push after the vendor accepted it, from the vendor or from the app itself.
Accepted, delivered and clicked are three different words.

{table(["receipt", "meaning", "cure"], receipts)}
"""


def _cure(words: Words) -> str:
    return words.cure_en.removesuffix(".") + "." if words.cure_en else ""


def channels_page() -> str:
    """What each vendor can do, and the fields of its certificates."""
    channels = list(CHANNELS.values())
    sections = "\n\n".join(_channel(channel) for channel in channels)
    return f"""# Channels

A channel speaks one vendor's push protocol. This page is made from what the channels say about themselves;
`homing cert fields CHANNEL` prints the same fields.

## What each vendor can do

{table(["", *(f"`{channel.name}`" for channel in channels)], rows(channels))}

`homing channels` prints it, `homing channels --json` gives it to programs.

"–" means that the vendor documents no such limit, or has no such thing. Content over a limit is cut at a boundary between
user-visible characters, never refused. Daily limits are those of the smallest app; they grow with its users. Where the app
has a daily quota, a vendor that refuses stops that certificate's class until the vendor's midnight; `homing quota` shows it.

## The same in Chinese

{table(["", *(f"`{channel.name}`" for channel in channels)], rows(channels, "zh"))}

{sections}
"""


def _channel(channel: Channel) -> str:
    fields = describe(channel)
    return f"""## {channel.title_en} · `{channel.name}`

Credentials:

{_fields(field for field in fields if field.credential)}

Options:

{_fields(field for field in fields if not field.credential)}"""


def _fields(fields: Iterable[FieldDescription]) -> str:
    rows = ((f"`{field.name}`", field.label_en, field.label_zh, _notes(field), field.help_en) for field in fields)
    return table(["field", "label", "标签", "", "help"], rows)


def _notes(field: FieldDescription) -> str:
    marks = [word for word, wanted in (("required", field.required), ("secret", field.secret), ("`--file`", field.file)) if wanted]
    choices = [f"`{choice}`" for choice in field.choices if choice]
    marks += [" or ".join(choices)] if choices else []
    marks += [f"default `{field.default}`"] if field.default else []
    return "; ".join(marks)


def configuration_page() -> str:
    """Every key of the configuration, and the settings of an app."""
    keys = (
        (
            f"`{key}`",
            f"`--{key.replace('_', '-')}`",
            f"`HOMING_{key.upper()}`",
            _default(getattr(config.DEFAULTS, key)),
            config.description(key),
        )
        for key in config.KEYS
    )
    settings = ((f"`{field.name}`", _default(field.default), _values(field.type)) for field in msgspec.structs.fields(AppSettings))
    return f"""# Configuration

Every key can be given in three ways. A flag goes over the environment variable, that over the file, that over the default.
The file is `homing.toml` in the working directory, or the one named with `--config` or `HOMING_CONFIG`.
`homing config` prints the values in force and where each came from. Unknown keys are refused, with the nearest known one.

{table(["key", "flag", "environment", "default", "meaning"], keys)}

SQLite serves one process with all roles and the local bus. Several processes need PostgreSQL.

A sample file with every key: [homing.toml](homing.toml).

## Settings of an app

Stored with the app, changed with `homing app set --sdkappid N --set key=value`; a running server follows within two seconds.

{table(["setting", "default", "values"], settings)}
"""


def _default(value: Any) -> str:
    if isinstance(value, tuple):
        return f"`{','.join(value)}`"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`" if value != "" else ""


def _values(kind: Any) -> str:
    if isinstance(kind, enum.EnumMeta):
        members: dict[str, enum.Enum] = dict(kind.__members__)
        return ", ".join(f"`{member.value}`" for member in members.values())
    return {bool: "`true` or `false`", int: "a whole number", str: "text"}.get(kind, "")


def metrics_page() -> str:
    """Every metric of the server."""
    return f"""# Health and metrics

| address | answers |
| --- | --- |
| `GET /healthz` | 200 while the process lives; restart it when this fails |
| `GET /readyz` | 200 when the database answers and the schema is current, else 503; send it no traffic then |
| `GET /metrics` | Prometheus text |

None of them needs a login, and none shows an account, a token or a text. Keep `/metrics` inside your network all the same.

## Metrics

{table(["metric", "kind", "labels", "meaning"], sorted(_metrics()))}

The usual process and Python collectors are there too (`process_resident_memory_bytes`, `process_cpu_seconds_total`,
`process_open_fds` …). They count since the process started.

## What to watch

- `homing_lane_queued` that stays high while `homing_lane_in_flight` is low: the vendor is down, throttles, or the
  certificate is paused. `homing cert check` tells which.
- `homing_lane_stopped_until_seconds > time()`: the app's daily quota at that vendor is used up, and that certificate's class
  rests until then. `homing quota` shows the counts.
- `rate(homing_vendor_outcomes_total{{outcome="credentials_refused"}}[5m]) > 0`: a certificate needs a person.
- `rate(homing_vendor_outcomes_total{{outcome="token_dead"}}[1h])` far above its usual share: the tokens and the certificate
  belong to different apps, or the app was re-signed.
- `rate(homing_decisions_total{{reason="no_token"}}[1h])` after an app release: the new version does not report its token.
"""


def _metrics() -> Iterable[tuple[str, str, str, str]]:
    counters = SimpleNamespace(delivered=0, dropped=0)
    hub: Any = SimpleNamespace(dispatch=SimpleNamespace(lanes=dict), bus=SimpleNamespace(counters=counters))
    for metric in HubCollector(hub, Counters()).collect():
        labels: tuple[str, ...] = getattr(metric, "_labelnames", ())
        name = metric.name + ("_total" if metric.type == "counter" else "")
        yield f"`{name}`", metric.type, ", ".join(f"`{label}`" for label in labels), metric.documentation


def command_line_page() -> str:
    """Every command with its options."""
    from homing.cli.reference import reference

    return reference()


def openapi_document() -> str:
    """The document that the server has at /openapi.json, so that a change of the API is seen in the history."""
    return msgspec.json.format(openapi(), indent=1).decode() + "\n"


PAGES: dict[str, Callable[[], str]] = {
    "decision-table.md": decision_table,
    "errors.md": errors_page,
    "outcomes.md": outcomes_page,
    "channels.md": channels_page,
    "configuration.md": configuration_page,
    "cli.md": command_line_page,
    "metrics.md": metrics_page,
    "openapi.json": openapi_document,
}


def rendered(name: str) -> str:
    """The page as it should be."""
    text = PAGES[name]()
    if not name.endswith(".md"):
        return text
    title, _, rest = text.partition("\n")
    return f"{title}\n\n{MARK}\n{rest}"


def main(arguments: Sequence[str]) -> int:
    """Write the pages, or with ``--check`` name those that are not current."""
    stale = [name for name in PAGES if not (REFERENCE / name).exists() or (REFERENCE / name).read_text(encoding="utf-8") != rendered(name)]
    if "--check" not in arguments:
        REFERENCE.mkdir(parents=True, exist_ok=True)
        for name in stale:
            (REFERENCE / name).write_text(rendered(name), encoding="utf-8")
    elif stale:
        print("\n".join(f"docs/reference/{name} is not current: run `make generate` and commit it" for name in stale))
        return 1
    print(f"reference pages: {len(PAGES)} current" if not stale else f"written: {', '.join(stale)}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

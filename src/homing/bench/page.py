"""The table of the performance page, made from what was measured: one row a command, with the day, the machine and the versions.

``homing bench … --write-docs docs/reference/performance.md`` replaces the row of the same command, or adds one.
"""

from __future__ import annotations

import datetime
import os
import platform
import sqlite3
from pathlib import Path
from typing import Any

from homing import __version__

from .figures import Figures

BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"
_HEAD = ["| command | figures | measured |", "| --- | --- | --- |"]


def write(page: Path, command: str, figures: Figures) -> None:
    """Put the figures of a command into the page's table. Raises ``RuntimeError`` when the page has no place for it."""
    text = page.read_text(encoding="utf-8")
    start, end = text.find(BEGIN), text.find(END)
    if start < 0 or end < start:
        raise RuntimeError(f"{page} has no lines {BEGIN} and {END} for the table")
    rows = {row.split("|")[1].strip(): row for row in text[start:end].splitlines() if row.startswith("| `")}
    key = f"`{command}`"
    rows[key] = f"| {key} | {sentence(figures)} | {datetime.date.today().isoformat()}, {machine()} |"
    table = "\n".join([BEGIN, "", *_HEAD, *(rows[name] for name in sorted(rows)), "", ""])
    page.write_text(text[:start] + table + text[end:], encoding="utf-8")


def machine() -> str:
    """What ran it: cores, processor, kernel, versions."""
    import pycurl

    curl = pycurl.version_info()[1]
    versions = f"Homing {__version__}, Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}, libcurl {curl}"
    return f"{os.cpu_count()} cores of {_processor()}, {platform.system()} {platform.release().split('-')[0]}; {versions}"


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def sentence(figures: Figures) -> str:
    """The figures that count, in words."""
    parts = [_rate(figures)]
    for key, words in _WORDS.items():
        value = figures.get(key)
        if value is not None:
            parts.append(f"{words} {_shown(value)}")
    for name, value in figures.items():
        if isinstance(value, dict) and "per_s" in value:
            parts.append(f"**{name.replace('_', ' ')}**: {sentence(value)}")
    return "; ".join(part for part in parts if part)


def _rate(figures: Figures) -> str:
    if "per_s" not in figures:
        return ""
    text = f"{figures['per_s']:,.0f}/s"
    if figures.get("cpu_s_per_1000"):
        text += f", {figures['cpu_s_per_1000']:.4f} CPU s per 1,000"
    if figures.get("ceiling_per_s"):
        text += f"; {figures['ratio_to_ceiling']:.2f} of the ceiling ({figures['ceiling_per_s']:,.0f}/s)"
    if figures.get("go_per_s"):
        text += f"; Go's net/http {figures['go_per_s']:,.0f}/s, {figures['go_cpu_s_per_1000']:.4f}"
        text += f" (we take {figures['cpu_ratio_to_go']:.2f} of its CPU time)"
    return text


_WORDS = {
    "ceiling": "ceiling:",
    "in_flight": "in flight",
    "accepted_per_s": "accepted a second",
    "receivers_accepted_per_s": "receivers accepted a second",
    "lost": "lost",
    "doubled": "doubled",
    "send_to_vendor_ms": "from planned send to vendor, ms:",
    "send_to_answer_ms": "from planned send to the vendor's answer, ms:",
    "vendor_requests": "vendor requests",
    "backlog": "pending",
    "listening_s": "listening after s",
    "first_push_s": "first push after s",
    "sockets": "sockets",
    "kib_per_socket": "KiB a socket",
    "idle_cpu_percent": "idle, % of a core",
    "peak_rss_mib": "peak memory MiB",
    "rss_mib": "memory MiB",
    "latency_ms": "vendor takes ms",
    "in_flight_per_process": "in flight a process",
    "ratio": "ratio",
    "ratio_to_sqlite": "ratio to SQLite",
    "bytes_per_message": "bytes a message",
    "log_bytes_per_message": "bytes of log a message",
}


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_shown(one)}" for name, one in value.items())
    return f"{value:,}" if isinstance(value, int | float) and not isinstance(value, bool) else str(value)

"""Every benchmark runs, loses nothing, and ends with one JSON object."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from homing.bench.figures import against, rated, table

RATED = {"per_s", "cpu_s_per_1000"}
CEILING = {"ceiling_per_s", "ratio_to_ceiling"}


def bench(*argv: str) -> tuple[str, Any]:
    """The table and the object of one benchmark, run as a command: it keeps its processes on cores of their own."""
    command = [sys.executable, "-c", "from homing.cli.main import main; main()", "bench", *argv, "--json"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert ended.returncode == 0, ended.stderr
    *lines, last = ended.stdout.rstrip("\n").split("\n")
    return "\n".join(lines), json.loads(last)


@pytest.mark.parametrize("channel", ["fcm", "apns", "huawei", "xiaomi"])
def test_the_send_stage_is_measured_beside_the_bare_transport(channel: str) -> None:
    shown, figures = bench("send", "--channel", channel, "--count", "300")
    assert figures.keys() >= RATED | CEILING
    assert figures["per_s"] > 0
    assert "ratio to the ceiling" in shown


def test_a_server_is_measured_and_loses_nothing() -> None:
    _, figures = bench("server", "--count", "400", "--users", "50", "--connections", "8", "--half-load-seconds", "1")
    assert figures.keys() >= RATED | CEILING
    half = figures["at_half_load_vendor_50_ms"]
    assert (half["lost"], half["doubled"]) == (0, 0)
    assert half["send_to_answer_ms"]["p50"] >= 50
    assert (figures["accepted"], figures["arrived"], figures["lost"], figures["doubled"]) == (400, 400, 0, 0)


def test_a_message_to_many_receivers_is_measured() -> None:
    _, figures = bench("fanout", "--requests", "4", "--targets", "50")
    assert figures.keys() >= RATED | CEILING
    assert (figures["pushes"], figures["lost"], figures["doubled"]) == (200, 0, 0)


def test_a_push_to_all_is_measured() -> None:
    _, figures = bench("fanout", "--job", "2500")
    assert figures.keys() >= RATED | {"rss_mib"}
    assert (figures["finished"], figures["vendor_requests"], figures["lost"], figures["doubled"]) == (2500, 3, 0, 0)


def test_idle_sockets_are_measured() -> None:
    _, figures = bench("sockets", "--count", "60", "--hold-seconds", "1")
    assert figures.keys() >= RATED | {"kib_per_socket", "idle_cpu_percent"}
    assert figures["alive"] == 60


def test_a_start_with_a_backlog_is_measured() -> None:
    _, figures = bench("restart", "--count", "600", "--users", "50")
    assert figures.keys() >= RATED | CEILING
    assert (figures["sent"], figures["doubled"]) == (600, 0)
    assert 0 < figures["first_push_s"] < 30


def test_accepting_is_measured_on_both_engines() -> None:
    _, figures = bench("accept", "--count", "300", "--users", "50", "--connections", "8")
    assert figures.keys() >= RATED | {"ratio_to_sqlite"}
    assert (figures["refused"], figures["sqlite"]["refused"]) == (0, 0)


def test_several_push_processes_are_measured_against_one() -> None:
    _, figures = bench("cluster", "--count", "600", "--users", "50")
    assert figures["limit_per_process_per_s"] == 2000
    assert all(figures[name]["lost"] == figures[name]["doubled"] == 0 for name in ("one_process", "2_processes"))


def test_the_bulk_import_is_measured_and_written_into_a_page(tmp_path: Path) -> None:
    page = tmp_path / "performance.md"
    page.write_text("# Figures\n\n<!-- measured: begin -->\n<!-- measured: end -->\n\nThe end.\n", encoding="utf-8")
    for count in ("300", "400", "300"):
        _, figures = bench("tokens", "--count", count, "--write-docs", str(page))
        assert figures["lines"] == int(count)
    text = page.read_text(encoding="utf-8")
    assert [text.count(f"| `homing bench tokens --count {count}` |") for count in (300, 400)] == [1, 1]
    assert text.endswith("<!-- measured: end -->\n\nThe end.\n")
    assert "Python" in text


def test_figures_are_ratios_of_one_run() -> None:
    figures = against(rated(1000, 2.0, 0.5), rated(1000, 1.0, 0.25))
    assert (figures["per_s"], figures["cpu_s_per_1000"]) == (500.0, 0.5)
    assert (figures["ratio_to_ceiling"], figures["cpu_ratio_to_ceiling"]) == (0.5, 0.5)
    assert "0.5" in table("title", figures)
    assert rated(0, 0.0, 0.0) == {"per_s": 0.0, "cpu_s_per_1000": 0.0}

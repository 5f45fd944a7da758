"""What a benchmark found, for people and for programs."""

from __future__ import annotations

from typing import Any

Figures = dict[str, Any]

#: Shown first, with their meaning; everything else follows under its own name.
_WORDS = {
    "per_s": "per second",
    "cpu_s_per_1000": "CPU seconds for 1,000",
    "ceiling_per_s": "ceiling, per second",
    "ceiling_cpu_s_per_1000": "ceiling: CPU seconds for 1,000",
    "ratio_to_ceiling": "ratio to the ceiling",
    "cpu_ratio_to_ceiling": "ratio to the ceiling, by CPU time",
}


def rated(count: int, seconds: float, cpu_seconds: float) -> Figures:
    """Throughput and CPU cost."""
    return {
        "per_s": round(count / seconds, 1) if seconds > 0 else 0.0,
        "cpu_s_per_1000": round(cpu_seconds / count * 1000, 4) if count else 0.0,
    }


def against(figures: Figures, ceiling: Figures) -> Figures:
    """The same with what was measured beside it in the same run as the ceiling."""
    top = ceiling["per_s"]
    beside = {"ceiling_per_s": top, "ceiling_cpu_s_per_1000": ceiling["cpu_s_per_1000"]}
    ratio = round(figures["per_s"] / top, 3) if top else 0.0
    # On a machine that does other things too, CPU time is the steadier of the two.
    cpu = round(ceiling["cpu_s_per_1000"] / figures["cpu_s_per_1000"], 3) if figures["cpu_s_per_1000"] else 0.0
    return {**figures, **beside, "ratio_to_ceiling": ratio, "cpu_ratio_to_ceiling": cpu}


def table(title: str, figures: Figures) -> str:
    """A small table."""
    rows = [(words, figures[key]) for key, words in _WORDS.items() if key in figures]
    for key, value in figures.items():
        if key not in _WORDS and key != "bench":
            rows += [(f"{key} {name}", one) for name, one in value.items()] if isinstance(value, dict) else [(key, value)]
    width = max(len(str(words)) for words, _ in rows)
    return "\n".join([title, *(f"  {str(words).replace('_', ' '):<{width}}  {_number(value)}" for words, value in rows)])


def _number(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int | float) and not isinstance(value, bool) else str(value)

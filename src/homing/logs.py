"""Logs: structured, to standard error, never with secrets."""

from __future__ import annotations

import logging
import sys
from typing import Any

import structlog

from homing.config import Config


def configure_logs(config: Config) -> None:
    """Set up structlog and the libraries' logging alike."""
    level = getattr(logging, config.log_level.upper())
    renderer: Any = structlog.processors.JSONRenderer() if config.log_format == "json" else structlog.dev.ConsoleRenderer(colors=False)
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(level=max(level, logging.WARNING), stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s %(message)s")

"""The repository's own checks find what they are for."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]


def _tool(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / "tools" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    "source",
    [
        "if certificate.channel == 'xiaomi': ...",
        "from homing.channels.huawei import HuaweiChannel",
        "def send_fcm(): ...",
        "class OPPOQuota: ...",
        "headers['X-Vivo'] = ''",
    ],
)
def test_a_vendors_name_in_the_wrong_place_is_found(source: str, tmp_path: Path) -> None:
    path = tmp_path / "module.py"
    path.write_text(source, encoding="utf-8")
    assert list(_tool("check_vendor_names").misplaced(path))


@pytest.mark.parametrize(
    "source",
    [
        '"""Vendors differ: APNs refuses a second signed token."""',
        "honour = supports = opposite = 1  # as Xiaomi does",
        "parser.add_argument('channel', help='for example fcm or apns')",
        "is_tpns_token = 'IsTPNSToken'",
    ],
)
def test_prose_and_wire_names_may_name_a_vendor(source: str, tmp_path: Path) -> None:
    path = tmp_path / "module.py"
    path.write_text(source, encoding="utf-8")
    assert list(_tool("check_vendor_names").misplaced(path)) == []


def test_a_long_function_is_measured_with_its_name_and_place() -> None:
    source = "def short():\n    pass\n\n\nasync def long():\n" + "    x = 1\n" * 80
    assert _tool("check_sizes").long_functions(source) == [("long", 5, 81)]

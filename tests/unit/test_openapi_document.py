"""The OpenAPI description names all there is, points nowhere else, and is a page for people too."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from starlette.applications import Starlette
from starlette.routing import Route

from homing.server.device.routes import device_routes
from homing.server.openapi.document import description, document
from homing.server.openapi.page import SECTIONS_ZH, WORDS, page
from homing.server.openapi.routes import openapi_routes
from homing.server.rest_v4.commands import COMMANDS, ROUTES
from homing.server.rest_v4.elements import SHAPES

DOCUMENT = description()
SCHEMAS = DOCUMENT["components"]["schemas"]


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for item in value.values():
            yield from _references(item)
    elif isinstance(value, list):
        for item in value:
            yield from _references(item)


def test_every_command_under_each_of_its_names_is_described() -> None:
    assert {path for path in DOCUMENT["paths"] if path.startswith("/v4/")} == set(ROUTES)


def test_every_call_of_the_device_api_is_described() -> None:
    served = {(route.path, method.lower()) for route in device_routes(None) if isinstance(route, Route) for method in route.methods or ()}  # type: ignore[arg-type]
    described = {(path, method) for path, methods in DOCUMENT["paths"].items() for method in methods if path.startswith("/v1/device/")}
    assert described == {call for call in served if call[1] != "head"}


def test_every_pointer_leads_somewhere_and_every_schema_is_used() -> None:
    names = set(_references(DOCUMENT))
    known = {f"#/components/{kind}/{name}" for kind in ("schemas", "parameters") for name in DOCUMENT["components"][kind]}
    assert names == known


def test_operations_have_names_of_their_own_and_a_summary() -> None:
    operations = [operation for methods in DOCUMENT["paths"].values() for operation in methods.values()]
    assert len({operation["operationId"] for operation in operations}) == len(operations)
    assert all(operation["summary"] for operation in operations)


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.path)
def test_an_answer_has_the_fields_that_the_description_requires(command: Any) -> None:
    body = DOCUMENT["paths"][f"/v4/{command.path}"]["post"]["responses"]["200"]["content"]["application/json"]["schema"]
    schema = SCHEMAS[body["anyOf"][0]["$ref"].rpartition("/")[2]]
    assert {"ActionStatus", "ErrorInfo", "ErrorCode"} <= set(schema["required"])
    fields = {field.encode_name: field for field in msgspec.structs.fields(command.answer)}
    assert set(schema["properties"]) == set(fields)
    assert {name for name in fields if fields[name].default is not msgspec.UNSET} == set(schema["required"])


def test_each_kind_of_element_is_described_with_its_fields() -> None:
    kinds = {kind["title"]: kind["properties"]["MsgContent"] for kind in SCHEMAS["Element"]["anyOf"]}
    assert {kind: set(content["properties"]) for kind, content in kinds.items()} == {kind: set(SHAPES[kind].fields) for kind in SHAPES}


def test_names_of_schemas_carry_no_path_of_the_program() -> None:
    assert [name for name in SCHEMAS if not re.fullmatch(r"(\w+\.)?\w+", name)] == []
    assert "homing.server" not in document().decode()


@pytest.mark.parametrize("language", sorted(WORDS))
def test_the_page_shows_every_call_and_loads_nothing(language: str) -> None:
    html = page(DOCUMENT, language)
    assert [path for path in DOCUMENT["paths"] if f"<code>{path}</code>" not in html] == []
    assert WORDS[language]["intro"] in html
    assert re.findall(r"<script|<link|<img|https?://", html) == []
    anchors = set(re.findall(r'id="([^"]+)"', html))
    assert [target for target in re.findall(r'href="#([^"]+)"', html) if target not in anchors] == []


def test_every_section_has_a_title_in_chinese() -> None:
    assert {tag["name"] for tag in DOCUMENT["tags"]} == set(SECTIONS_ZH)
    assert {tag["name"] for tag in DOCUMENT["tags"] if tag["name"] == tag["description"]} == set()


@pytest.mark.parametrize(
    ("query", "header", "language"),
    [("", "zh-CN,en;q=0.5", "zh-CN"), ("", "de, zh", "en"), ("", "", "en"), ("lang=zh", "en", "zh-CN"), ("lang=en", "zh", "en")],
)
async def test_the_page_speaks_the_reader_s_language(query: str, header: str, language: str) -> None:
    status, headers, body = await _get("/docs/api", query, header)
    assert (status, headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert f'<html lang="{language}">' in body
    assert "default-src 'none'" in headers["content-security-policy"]


async def test_programs_get_the_document() -> None:
    status, headers, body = await _get("/openapi.json", "", "")
    assert (status, headers["content-type"]) == (200, "application/json")
    assert body.encode() == document()


async def _get(path: str, query: str, language: str) -> tuple[int, dict[str, str], str]:
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [(b"accept-language", language.encode())]
    scope = {"type": "http", "method": "GET", "path": path, "query_string": query.encode(), "headers": headers}
    await Starlette(routes=openapi_routes())(scope, receive, send)
    return sent[0]["status"], {name.decode(): value.decode() for name, value in sent[0]["headers"]}, sent[1]["body"].decode()

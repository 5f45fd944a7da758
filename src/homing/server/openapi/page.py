"""The document as one page for people: no script, nothing from another host, its frame in English or Chinese."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from typing import Any

WORDS = {
    "en": {
        "lang": "en",
        "title": "API",
        "intro": "Every call of the server REST API and of the device API, with its fields. The same for programs:",
        "other": '<a href="?lang=zh" lang="zh-CN">简体中文</a>',
        "body": "Body",
        "query": "Query parameters",
        "answer": "Answer",
        "types": "Types",
        "field": "field",
        "type": "type",
        "default": "default",
        "required": "required",
        "nothing": "nothing",
        "list": "list of",
        "or": "or",
    },
    "zh": {
        "lang": "zh-CN",
        "title": "接口",
        "intro": "服务端 REST API 与终端 API 的全部调用及其字段。供程序使用的同一份描述：",
        "other": '<a href="?lang=en" lang="en">English</a>',
        "body": "请求体",
        "query": "查询参数",
        "answer": "应答",
        "types": "类型",
        "field": "字段",
        "type": "类型",
        "default": "默认值",
        "required": "必填",
        "nothing": "无",
        "list": "列表：",
        "or": "或",
    },
}
#: The sections in Chinese, where the document's own words are English.
SECTIONS_ZH = {
    "im_open_login_svc": "账号",
    "openim": "单聊消息与在线状态",
    "group_open_http_svc": "群组",
    "all_member_push": "批量推送（旧推送服务的命令名）",
    "timpush": "批量推送",
    "profile": "资料",
    "sns": "好友与黑名单",
    "device": "终端调用的接口",
}
_STYLE = """
:root{color-scheme:light dark}
body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}
header{display:flex;justify-content:space-between;align-items:baseline}
details{border-top:1px solid #8884;padding:.4rem 0}
summary{cursor:pointer}
code{font:.9em ui-monospace,monospace;overflow-wrap:anywhere}
table{border-collapse:collapse;width:100%;font-size:.9em}
th,td{text-align:left;vertical-align:top;padding:.2rem .8rem .2rem 0;border-top:1px solid #8882}
summary b{display:inline-block;min-width:3.5em}
h2{margin-top:2.5rem}h3{margin:.8rem 0 .2rem;font-size:1em}
"""


def page(document: dict[str, Any], language: str) -> str:
    """The page in ``language``: ``en`` or ``zh``."""
    words = WORDS[language]
    types = document["components"]["schemas"]
    sections = "".join(_section(document, tag, words) for tag in document["tags"])
    listed = "".join(_type(name, schema, words) for name, schema in sorted(types.items()))
    title = f"{escape(document['info']['title'])} {escape(document['info']['version'])} · {words['title']}"
    return f"""<!doctype html>
<html lang="{words["lang"]}">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{title}</title><style>{_STYLE}</style></head>
<body><header><h1>{title}</h1><nav>{words["other"]}</nav></header>
<p>{words["intro"]} <a href="/openapi.json">openapi.json</a></p>
{sections}<h2>{words["types"]}</h2>{listed}</body></html>
"""


def _section(document: dict[str, Any], tag: dict[str, str], words: dict[str, str]) -> str:
    calls = [
        _call(path, method, operation, document["components"], words)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
        if tag["name"] in operation["tags"]
    ]
    title = SECTIONS_ZH.get(tag["name"], tag["description"]) if words is WORDS["zh"] else tag["description"]
    return f'<h2 id="{escape(tag["name"])}">{escape(title)} <code>{escape(tag["name"])}</code></h2>{"".join(calls)}'


def _call(path: str, method: str, operation: dict[str, Any], components: dict[str, Any], words: dict[str, str]) -> str:
    schemes = [components["securitySchemes"][name] for needed in operation["security"] for name in needed]
    parameters = [_parameter(item, components) for item in operation.get("parameters", ())]
    parameters += [(scheme["name"], {"type": "string"}, True) for scheme in schemes if scheme["type"] == "apiKey"]
    shown = f"<h3>{words['query']}</h3>{_table(parameters, words)}" if parameters else ""
    for title, holder in ((words["body"], operation.get("requestBody")), (words["answer"], operation["responses"]["200"])):
        if holder is not None:
            shown += f"<h3>{title}</h3>{_kind(_schema(holder), words)}"
    head = f"<b>{method.upper()}</b> <code>{escape(path)}</code> {escape(operation['summary'])}"
    return f'<details id="{operation["operationId"]}"><summary>{head}</summary>{shown}</details>'


def _schema(holder: dict[str, Any]) -> dict[str, Any]:
    (content,) = holder["content"].values()
    schema: dict[str, Any] = content["schema"]
    return schema


def _parameter(item: dict[str, Any], components: dict[str, Any]) -> tuple[str, dict[str, Any], bool]:
    item = components["parameters"][item["$ref"].rpartition("/")[2]] if "$ref" in item else item
    return item["name"], item["schema"], item.get("required", False)


def _type(name: str, schema: dict[str, Any], words: dict[str, str]) -> str:
    required = schema.get("required", ())
    fields = [(field, kind, field in required) for field, kind in schema.get("properties", {}).items()]
    body = _table(fields, words) if fields else f"<p>{_kind(schema, words)}</p>"
    about = escape(schema.get("description", ""))
    return f'<details id="type-{escape(name)}"><summary><code>{escape(name)}</code> {about}</summary>{body}</details>'


def _table(fields: Iterable[tuple[str, dict[str, Any], bool]], words: dict[str, str]) -> str:
    rows = [
        f"<tr><td><code>{escape(name)}</code></td><td>{_kind(schema, words)}</td>"
        f"<td>{words['required'] if required else _default(schema)}</td></tr>"
        for name, schema, required in fields
    ]
    head = f"<tr><th>{words['field']}</th><th>{words['type']}</th><th>{words['default']}</th></tr>"
    return f"<table>{head}{''.join(rows)}</table>" if rows else words["nothing"]


def _default(schema: dict[str, Any]) -> str:
    value = schema.get("default")
    return "" if value in (None, "", [], {}) else f"<code>{escape(str(value))}</code>"


def _kind(schema: dict[str, Any], words: dict[str, str]) -> str:
    """A schema in a few words."""
    if "$ref" in schema:
        name = escape(schema["$ref"].rpartition("/")[2])
        return f'<a href="#type-{name}"><code>{name}</code></a>'
    if "anyOf" in schema:
        return f" {words['or']} ".join(schema_name for item in schema["anyOf"] if (schema_name := _kind(item, words)) != "null")
    if "const" in schema:
        return f"<code>{escape(str(schema['const']))}</code>"
    if "enum" in schema:
        return f" {words['or']} ".join(f"<code>{escape(str(value))}</code>" for value in schema["enum"])
    if "items" in schema:
        return f"{words['list']} {_kind(schema['items'], words)}"
    kinds = schema.get("type", "")
    return escape(schema["title"] if "title" in schema else "/".join(kinds) if isinstance(kinds, list) else kinds)

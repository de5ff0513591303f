"""The page that shows an OpenAPI document (openapi.py) to people: plain HTML, without scripts."""

from __future__ import annotations

import json
from collections.abc import Iterable
from html import escape
from http import HTTPStatus

from ..faults import HEADER as FAULT_HEADER
from .openapi import REFERENCE
from .servers import SERVERS

SECURITY_POLICY = "default-src 'none'; style-src 'unsafe-inline'"
STYLE = """
:root { color-scheme: light dark }
body { font: 1rem/1.5 system-ui, sans-serif; margin: 0 auto; max-width: 60rem; padding: 1rem }
h2 { border-top: 1px solid; margin-top: 2.5rem; padding-top: 1rem }
code, pre { font-family: ui-monospace, monospace; font-size: .9em }
pre, .wide { overflow-x: auto }
pre { border: 1px solid; padding: .75rem }
table { border-collapse: collapse; width: 100% }
th, td { border: 1px solid; padding: .3rem .6rem; text-align: left; vertical-align: top }
td:last-child { overflow-wrap: anywhere }
:focus-visible { outline: 3px solid; outline-offset: 2px }
.skip:not(:focus) { position: absolute; left: -100vw }
"""
LIMITS = {
    "minimum": "at least {}",
    "exclusiveMinimum": "more than {}",
    "maximum": "at most {}",
    "exclusiveMaximum": "less than {}",
    "minItems": "at least {} of them",
    "maxItems": "at most {} of them",
    "maxProperties": "at most {} of them",
    "pattern": "like {}",
}
# The variables that ``python -m simulated_azure`` prints, and an option for its certificate.
CURL = """curl --cacert "$REQUESTS_CA_BUNDLE" "$AZURE_INFERENCE_ENDPOINT{path}" """.strip()
KEY_OPTION = '-H "api-key: $AZURE_INFERENCE_CREDENTIAL"'


def write_page(document: dict) -> str:
    """Return a page of HTML that shows an OpenAPI document."""
    info = document["info"]
    routes = [
        (method.upper(), path, operation)
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
    ]
    schemas = document["components"]["schemas"]
    faults = document[FAULT_HEADER]
    keys = document["components"]["securitySchemes"].items()
    return "\n".join(
        [
            '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{escape(info['title'])}</title><style>{STYLE}</style></head><body>",
            '<a class="skip" href="#routes">Skip to the routes</a>',
            f"<header><h1>{escape(info['title'])}</h1><p>{escape(info['description'])}</p>",
            _navigation(routes),
            '</header><main id="routes">',
            "<h2>Keys</h2>",
            "<p>Each request needs one of these, unless its route says that it needs no key.</p>",
            _table(
                "Keys",
                ["Name", "Meaning"],
                ([_code(name), escape(key["description"])] for name, key in keys),
            ),
            *(_route(method, path, operation) for method, path, operation in routes),
            '<h2 id="faults">Errors on request</h2>',
            f"<p>{escape(faults['description'])}</p>",
            f"<p>Names: {', '.join(map(_code, faults['names']))}.</p>",
            '<h2 id="schemas">Schemas</h2>',
            *(_schema(name, schema) for name, schema in schemas.items()),
            "</main></body></html>",
        ]
    )


def _navigation(routes: list[tuple[str, str, dict]]) -> str:
    """Return links to the routes and to other pages."""
    links = [
        f'<a href="#{operation["operationId"]}">{method} {escape(path)}</a>'
        for method, path, operation in routes
    ]
    links += ['<a href="#faults">Errors on request</a>', '<a href="#schemas">Schemas</a>']
    links += [f'<a href="docs?server={name}">The server {name}</a>' for name in SERVERS]
    links += [f'<a href="openapi.json?server={name}">{name} as JSON</a>' for name in SERVERS]
    items = "".join(f"<li>{link}</li>" for link in links)
    return f'<nav aria-label="Contents"><ul>{items}</ul></nav>'


def _route(method: str, path: str, operation: dict) -> str:
    """Return the section about a route."""
    is_public = operation.get("security") == []
    parts = [
        f'<section><h2 id="{operation["operationId"]}">{method} {escape(path)}</h2>',
        f"<p>{escape(operation['summary'])} {'It needs no key.' if is_public else ''}</p>",
    ]
    if "description" in operation:
        parts.append(f"<p>{escape(operation['description'])}</p>")
    body = operation.get("requestBody", {}).get("content", {}).get("application/json")
    if body and "$ref" in body["schema"]:
        parts.append(f"<p>The body is JSON: {_type(body['schema'])}.</p>")
    elif body:
        parts.append("<p>The body is not read.</p>")
    parameters = [
        [
            _code(one["name"]),
            escape(one["in"]),
            _type(one["schema"]),
            escape(one["description"]),
        ]
        for one in operation["parameters"]
    ]
    parts.append(_table("Parameters", ["Parameter", "In", "Type", "Meaning"], parameters))
    parts.append(f'<h3>Example</h3><pre tabindex="0">{escape(curl(method, path, operation))}</pre>')
    parts.append("<h3>Answers</h3>")
    parts.append(
        _table(
            "Answers",
            ["Status", "Content", "When", "Headers"],
            (
                [
                    f"{status} {HTTPStatus(int(status)).phrase}",
                    _content(one),
                    escape(one["description"]),
                ]
                + [", ".join(map(_code, one.get("headers", {})))]
                for status, one in operation["responses"].items()
            ),
        )
    )
    return "\n".join([*parts, "</section>"])


def curl(method: str, path: str, operation: dict) -> str:
    """Return a command that calls a route. It runs in sh with the variables of the simulator."""
    lines = [CURL.format(path=path)]
    if operation.get("security") != []:
        lines.append(KEY_OPTION)
    if method == "POST":
        body = operation["requestBody"]["content"]["application/json"].get("example", {})
        lines += ['-H "Content-Type: application/json"', f"-d '{json.dumps(body)}'"]
    return " \\\n  ".join(lines)


def _content(response: dict) -> str:
    """Return what a response has as its body, for each content type."""
    return "<br>".join(
        f"{_code(media_type)}: {_type(value['schema'])}"
        for media_type, value in response["content"].items()
    )


def _schema(name: str, schema: dict) -> str:
    """Return the section about a schema."""
    heading = f'<section><h3 id="schema-{name}">{name}</h3><p>{escape(schema["description"])}</p>'
    if "properties" not in schema:
        return f"{heading}<p>{_type(schema)}</p></section>"
    required = schema.get("required", [])
    rows = []
    for field, value in schema["properties"].items():
        notes = [escape(value.get("description", ""))]
        if value.get("x-extra-parameter"):
            notes.append("An extra parameter.")
        if value.get("default") is not None:
            notes.append(f"Default: {_code(json.dumps(value['default']))}.")
        needed = "yes" if field in required else "no"
        rows.append([_code(field), _type(value), needed, " ".join(notes).strip()])
    heads = ["Field", "Type", "Required", "Meaning"]
    return f"{heading}{_table(f'Fields of {name}', heads, rows)}</section>"


def _type(schema: dict) -> str:
    """Return the type that a schema describes, with its limits."""
    if "$ref" in schema:
        name = schema["$ref"].removeprefix(REFERENCE)
        return f'<a href="#schema-{name}">{name}</a>'
    if "anyOf" in schema:
        return " or ".join(map(_type, schema["anyOf"]))
    if "enum" in schema or "const" in schema:
        values = schema.get("enum", [schema.get("const")])
        return " or ".join(_code(json.dumps(value)) for value in values)
    kind = schema.get("type", "any value")
    if kind == "array":
        kind = f"array of {_type(schema.get('items', {}))}"
    elif isinstance(schema.get("additionalProperties"), dict):
        kind = f"object of {_type(schema['additionalProperties'])}"
    if "contentSchema" in schema:
        kind += f" (JSON of {_type(schema['contentSchema'])})"
    limits = [
        text.format(_code(str(schema[keyword])))
        for keyword, text in LIMITS.items()
        if keyword in schema
    ]
    return ", ".join([kind, *limits])


def _code(text: str) -> str:
    return f"<code>{escape(text)}</code>"


def _table(label: str, heads: list[str], rows: Iterable[list[str]]) -> str:
    """Return a table that can be scrolled by keyboard. label: its name. rows: cells of HTML."""
    head = "".join(f'<th scope="col">{text}</th>' for text in heads)
    lines = ["<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows]
    return (
        f'<div class="wide" tabindex="0" role="region" aria-label="{label}"><table>'
        f"<thead><tr>{head}</tr></thead><tbody>{''.join(lines)}</tbody></table></div>"
    )

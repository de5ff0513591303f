"""Reads C# snippets without running them: their syntax, the names they use, and the requests they describe.

Names and wire forms are those of Azure.AI.Inference 1.0.0-beta.5, from the package's published list of its API
(``api/Azure.AI.Inference.net8.0.cs``) and its serializer (``ChatCompletionsOptions.Serialization.cs``), both in the public
repository Azure/azure-sdk-for-net. That a file parses and names what exists does not prove that it compiles.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import tree_sitter_c_sharp
from tree_sitter import Language, Node, Parser

TYPES = set(
    "AzureKeyCredential DefaultAzureCredential Response RequestFailedException AzureAIInferenceClientOptions "
    "ChatCompletionsClient ChatCompletions ChatCompletionsOptions ChatCompletionsResponseFormat ModelInfo "
    "ChatRequestSystemMessage ChatRequestUserMessage ChatRequestAssistantMessage StreamingChatCompletionsUpdate "
    "BinaryData Console Environment Exception InvalidOperationException JsonDocument JsonException KeyNotFoundException "
    "Task Uri".split()
)
MEMBERS = set(
    "Complete CompleteAsync CompleteStreamingAsync GetModelInfo Value GetRawResponse Content Model Usage FinishReason "
    "PromptTokens CompletionTokens ModelName ModelType ModelProviderName ContentUpdate Messages Temperature MaxTokens "
    "NucleusSamplingFactor PresencePenalty FrequencyPenalty StopSequences ResponseFormat AdditionalProperties "
    "CreateTextFormat Retry MaxRetries Status Message FromString Add GetEnvironmentVariable Write WriteLine Parse RootElement "
    "GetProperty WhenAll".split()
)
ON_THE_WIRE = {
    "Temperature": "temperature",
    "MaxTokens": "max_tokens",
    "NucleusSamplingFactor": "top_p",
    "PresencePenalty": "presence_penalty",
    "FrequencyPenalty": "frequency_penalty",
    "StopSequences": "stop",
    "ResponseFormat": "response_format",
}
ROLES = {
    "ChatRequestSystemMessage": "system",
    "ChatRequestUserMessage": "user",
    "ChatRequestAssistantMessage": "assistant",
}
ASKS = ("Complete", "CompleteAsync", "CompleteStreamingAsync")


def parse(code: str) -> Node:
    """The syntax tree of a whole file."""
    return Parser(Language(tree_sitter_c_sharp.language())).parse(code.encode()).root_node


def nodes(node: Node) -> Iterator[Node]:
    """A node and all below it, in the order of the text."""
    yield node
    for child in node.children:
        yield from nodes(child)


def text(node: Node | None) -> str:
    return node.text.decode() if node else ""


def field(node: Node, name: str) -> Node:
    """A part that the grammar promises. Raises ValueError if it is not there."""
    found = node.child_by_field_name(name)
    if found is None:
        raise ValueError(f"{node.type} without {name}: {text(node)}")
    return found


def unknown_names(tree: Node) -> list[str]:
    """Types and members that the package, or the part of .NET used here, does not have."""
    found = []
    for node in nodes(tree):
        if node.type == "object_creation_expression":
            found += {text(field(node, "type"))} - TYPES
        elif node.type == "member_access_expression":
            found += {text(field(node, "name"))} - MEMBERS
            owner = text(field(node, "expression"))
            found += {owner} - TYPES if re.fullmatch(r"[A-Z]\w*", owner) else set()
        elif node.type == "generic_name":
            found += set(re.findall(r"\w+", text(node))) - TYPES - {"string"}
        elif node.type == "assignment_expression" and node.parent and node.parent.type == "initializer_expression":
            found += {text(field(node, "left"))} - MEMBERS
    return found


def value(node: Node) -> object:
    """What an expression becomes in JSON; a placeholder ``{expression}`` for text that is only known when it runs."""
    source = text(node)
    if node.type in ("integer_literal", "real_literal"):
        return float(source.rstrip("f"))
    if node.type == "string_literal":
        return json.loads(source)
    if node.type == "interpolated_string_expression":
        return source.removeprefix('$"').removesuffix('"')
    if node.type == "initializer_expression":
        return [value(child) for child in node.named_children]
    if node.type == "object_creation_expression" and text(field(node, "type")) in ROLES:
        (argument,) = field(node, "arguments").named_children
        return {"role": ROLES[text(field(node, "type"))], "content": value(argument.named_children[0])}
    if source.endswith(".CreateTextFormat()"):
        return {"type": "text"}
    if source.startswith("BinaryData.FromString("):
        return json.loads(value(next(part for part in nodes(node) if part.type == "string_literal")))
    return f"{{{source}}}"


def body_of(options: Node) -> dict:
    """The JSON that a ``new ChatCompletionsOptions { ... }`` is sent as."""
    body: dict = {}
    initializer = options.child_by_field_name("initializer")
    for item in initializer.named_children if initializer else []:
        name, content = text(field(item, "left")), value(field(item, "right"))
        if name == "Messages":
            body["messages"] = content
        elif name == "AdditionalProperties":
            body |= dict(content)
        else:
            body[ON_THE_WIRE[name]] = content
    return body


def requests_of(tree: Node) -> list[dict]:
    """The bodies that a file sends, if each of its lines is executed once, in order; a GET is an empty one.

    Raises KeyError or ValueError for what it cannot read.
    """
    known: dict[str, dict] = {}  # variable -> body
    sent: list[dict] = []
    for node in nodes(tree):
        if node.type == "variable_declarator" and "new ChatCompletionsOptions" in text(node):
            made = next((part for part in node.named_children if part.type == "object_creation_expression"), None)
            if made is not None:
                known[text(field(node, "name"))] = body_of(made)
        elif node.type == "assignment_expression" and text(field(node, "left")).split(".")[0] in known:
            name, member = text(field(node, "left")).split(".")
            known[name] = known[name] | {ON_THE_WIRE[member]: value(field(node, "right"))}
        elif node.type == "invocation_expression":
            called, arguments = text(field(node, "function")), field(node, "arguments").named_children
            name, _, method = called.partition(".")
            if name in known and method == "Messages.Add":
                known[name] = known[name] | {"messages": [*known[name]["messages"], value(arguments[0].named_children[0])]}
            elif called == "client.GetModelInfo":
                sent.append({})
            elif name == "client" and method in ASKS:
                asked = arguments[0].named_children[0]
                body = known[text(asked)] if asked.type == "identifier" else body_of(asked)
                sent.append(body | ({"stream": True} if method == "CompleteStreamingAsync" else {}))
    return sent

"""Reads C# snippets without running them: their syntax, the types of what they name, and the requests they describe.

Types and members are those of Azure.AI.Inference 1.0.0-beta.5, from the package's published list of its API
(``api/Azure.AI.Inference.net8.0.cs``); how calls become requests is read in its source (``ChatCompletionsClient.cs`` in
``Customized`` and in ``Generated``, ``ChatCompletionsOptions.Serialization.cs``), both in the public repository
Azure/azure-sdk-for-net. This knows as much of C# as these snippets use. What it accepts need not compile.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

import tree_sitter_c_sharp
from tree_sitter import Language, Node, Parser

# namespace, its types, and the type of each member, of a method that of its result. "implicit" is what `dotnet new console`
# opens by itself.
API = """
Azure
  AzureKeyCredential:
  Response: Content BinaryData
  Response<T>: Value T, GetRawResponse Response
  RequestFailedException: Status int, Message string, GetRawResponse Response
Azure.Identity
  DefaultAzureCredential:
Azure.AI.Inference
  AzureAIInferenceClientOptions: Retry RetryOptions
  ChatCompletions: Content string, Model string, FinishReason CompletionsFinishReason, Usage CompletionsUsage
  ChatCompletionsClient: Complete Response<ChatCompletions>, CompleteAsync Task<Response<ChatCompletions>>, \
CompleteStreamingAsync Task<StreamingResponse<StreamingChatCompletionsUpdate>>, GetModelInfo Response<ModelInfo>
  ChatCompletionsOptions: Messages Messages, Temperature float, MaxTokens int, NucleusSamplingFactor float, \
PresencePenalty float, FrequencyPenalty float, StopSequences strings, ResponseFormat ChatCompletionsResponseFormat, \
AdditionalProperties properties
  ChatCompletionsResponseFormat: CreateTextFormat ChatCompletionsResponseFormat
  ChatRequestAssistantMessage:
  ChatRequestSystemMessage:
  ChatRequestUserMessage:
  ModelInfo: ModelName string, ModelType ModelType, ModelProviderName string
  StreamingChatCompletionsUpdate: ContentUpdate string, Usage CompletionsUsage
  StreamingResponse<T>:
System.Text.Json
  JsonDocument: Parse JsonDocument, RootElement JsonElement
  JsonException: Message string
System.Text.Json.Nodes
  JsonArray:
  JsonNode: Parse JsonNode, AsArray JsonArray, GetValue double
implicit
  AggregateException: InnerException Exception
  BinaryData: FromString BinaryData, ToString string
  Console: Write void, WriteLine void
  Environment: GetEnvironmentVariable string
  Exception: Message string
  InvalidOperationException: Message string
  KeyNotFoundException: Message string
  Task:
  Task<T>:
  TimeSpan: FromSeconds TimeSpan
  Uri:
not to be named
  CompletionsUsage: PromptTokens int, CompletionTokens int
  JsonElement: GetProperty JsonElement
  Messages: Add void
  RetryOptions: MaxRetries int, NetworkTimeout TimeSpan
"""
DISPOSABLE = ("JsonDocument", "StreamingResponse")
ELEMENTS = {"JsonArray": "JsonNode", "JsonNode": "JsonNode"}  # of what can be indexed or looped over
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
API_VERSION = "2024-05-01-preview"
SCOPE = "https://ml.azure.com/.default"
SIMPLE = {
    "string_literal": "string",
    "interpolated_string_expression": "string",
    "integer_literal": "int",
    "real_literal": "float",
}


def _read_api() -> tuple[dict[str, str], dict[str, dict[str, str]]]:
    namespaces, members, namespace = {}, {}, ""
    for line in API.strip().splitlines():
        if not line.startswith(" "):
            namespace = line
            continue
        name, _, listed = line.strip().partition(":")
        namespaces[name] = namespace
        members[name] = dict(item.split() for item in listed.split(",") if item)
    return namespaces, members


NAMESPACES, MEMBERS = _read_api()


def parse(code: str) -> Node:
    """The syntax tree of a whole file."""
    return Parser(Language(tree_sitter_c_sharp.language())).parse(code.encode()).root_node


def nodes(node: Node, kind: str = "") -> Iterator[Node]:
    """A node and all below it, in the order of the text; those of one kind if one is given."""
    if kind in ("", node.type):
        yield node
    for child in node.children:
        yield from nodes(child, kind)


def text(node: Node | None) -> str:
    return node.text.decode() if node else ""


def field(node: Node, name: str) -> Node:
    """A part that the grammar promises. Raises ValueError if it is not there."""
    found = node.child_by_field_name(name)
    if found is None:
        raise ValueError(f"{node.type} without {name}: {text(node)}")
    return found


def generic(name: str) -> tuple[str, str]:
    """The name of a type as the table has it, and what stands for T.

    >>> generic("Response<ChatCompletions>"), generic("Uri")
    (('Response<T>', 'ChatCompletions'), ('Uri', ''))
    """
    found = re.fullmatch(r"(\w+)<(.*)>", name)
    return (f"{found[1]}<T>", found[2]) if found else (name, "")


# What is wrong with a file


class Checker:
    """Goes through a file in the order of its text, keeps the types of its names, and collects what is wrong."""

    def __init__(self, tree: Node):
        self.problems: list[str] = []
        self._types: dict[str, str] = {}  # of variables and of the file's own functions
        self._functions: list[str] = []  # their declared types, while inside
        self._used = {"implicit"}
        self._seen: dict[int, str] = {}
        self._visit(tree)
        opened = {text(part.named_children[0]) for part in nodes(tree, "using_directive")}
        self.problems += [f"using {name};" for name in sorted(opened ^ (self._used - {"implicit"}))]
        read = {text(node) for node in nodes(tree, "identifier") if not self._is_set_here(node)}
        self.problems += [f"{name} is not used" for name in self._types if name not in read]

    def _is_set_here(self, node: Node) -> bool:
        """Whether an identifier is declared or assigned to, in itself or in its members."""
        outer = node
        while outer.parent is not None and outer.parent.type == "member_access_expression":
            outer = outer.parent
        parent = outer.parent
        assigned = parent is not None and parent.type == "assignment_expression" and parent.child_by_field_name("left") == outer
        declared = node.parent is not None and node in (
            node.parent.child_by_field_name("name") if node.parent.type != "member_access_expression" else None,
            node.parent.child_by_field_name("left") if node.parent.type == "foreach_statement" else None,
        )
        return assigned or declared

    def _complain(self, problem: str) -> None:
        if problem not in self.problems:
            self.problems.append(problem)

    def _expect(self, name: str, declared: str, found: str) -> None:
        if found and declared != found:
            self._complain(f"{name} is no {declared} but {found}")

    def _declared(self, node: Node) -> str:
        """A type as written, without its question mark; its parts are looked up."""
        if node.type != "predefined_type":
            for part in re.findall(r"\w+", text(node)):
                self._look_up_type(part)
        return text(node).removesuffix("?")

    def _look_up_type(self, name: str) -> str:
        namespace = NAMESPACES.get(name) or NAMESPACES.get(f"{name}<T>")
        if namespace in (None, "not to be named") and name != "string":
            self._complain(name)
        elif namespace:
            self._used.add(namespace)
        return name

    def _visit(self, node: Node) -> None:
        if node.type == "using_directive":
            return
        if node.type == "variable_declaration":
            self._declare(node)
        elif node.type == "foreach_statement":
            self._loop(node)
        elif node.type in ("catch_declaration", "parameter"):
            self._types[text(field(node, "name"))] = self._declared(field(node, "type"))
        elif node.type == "local_function_statement":
            self._types[text(field(node, "name"))] = self._declared(field(node, "type"))
            self._functions.append(text(field(node, "type")))
        elif node.type == "return_statement" and self._functions and node.named_children:
            self._expect("the result", generic(self._functions[-1])[1], self.type_of(node.named_children[0]))
        elif node.type == "constant_pattern" and node.named_children[0].type == "identifier":
            self._look_up_type(text(node))
        elif node.type.endswith("_expression") and node.type != "initializer_expression":
            found = self.type_of(node)
            if node.type == "invocation_expression" and found.startswith("Task<"):
                around = node.parent.parent.parent if node.parent.type == "argument" else node.parent
                if node.parent.type != "await_expression" and "Task.WhenAll(" not in text(around):
                    self._complain(f"no await: {text(field(node, 'function'))}")
        for child in node.named_children:
            self._visit(child)
        if node.type == "local_function_statement":
            self._functions.pop()

    def _declare(self, node: Node) -> None:
        kind = field(node, "type")
        for declarator in nodes(node, "variable_declarator"):
            value = declarator.named_children[-1]
            found = self.type_of(value)
            name = text(field(declarator, "name"))
            declared = found if kind.type == "implicit_type" else self._declared(kind)
            self._expect(name, declared, found)
            if generic(declared)[0].removesuffix("<T>") in DISPOSABLE and not text(node.parent).startswith("using "):
                self._complain(f"{name} is not disposed")
            self._types[name] = declared

    def _loop(self, node: Node) -> None:
        found, name = self.type_of(field(node, "right")), text(field(node, "left"))
        outer, inner = generic(found)
        element = inner if outer == "StreamingResponse<T>" else ELEMENTS.get(found, found.removesuffix("[]"))
        self._expect(name, declared := self._declared(field(node, "type")), element)
        if (outer == "StreamingResponse<T>") != text(node).startswith("await"):
            self._complain(f"await foreach: {name}")
        if outer == "Task<T>" or found == element and found not in ELEMENTS:
            self._complain(f"{found} cannot be looped over")
        self._types[name] = declared

    def type_of(self, node: Node) -> str:
        """The type of an expression, or nothing if that is beyond this reader. Complains of what does not exist."""
        if node.id not in self._seen:
            self._seen[node.id] = self._find_type(node)
        return self._seen[node.id]

    def _find_type(self, node: Node) -> str:
        if node.type in SIMPLE:
            return SIMPLE[node.type]
        if node.type == "identifier":
            return self._types.get(text(node)) or self._look_up_type(text(node))
        if node.type == "object_creation_expression":
            return self._made(node)
        if node.type == "member_access_expression":
            return self._member(self.type_of(field(node, "expression")), field(node, "name"))
        if node.type == "conditional_access_expression":
            owner, binding = self.type_of(field(node, "condition")), node.named_children[-1]
            return self._member(owner, field(binding, "name")) if binding.type == "member_binding_expression" else ELEMENTS[owner]
        if node.type == "element_access_expression":
            return ELEMENTS[self.type_of(field(node, "expression"))]
        if node.type == "postfix_unary_expression":
            return self.type_of(node.named_children[0])
        if node.type == "binary_expression":
            return self.type_of(field(node, "left"))
        if node.type == "await_expression":
            outer, inner = generic(self.type_of(node.named_children[0]))
            if outer != "Task<T>":
                self._complain(f"nothing to await: {text(node)}")
            return inner
        if node.type == "invocation_expression":
            if text(field(node, "function")) == "Task.WhenAll":
                first = field(node, "arguments").named_children[0].named_children[0]
                return f"Task<{generic(self.type_of(first))[1]}[]>"
            return self.type_of(field(node, "function"))
        return ""

    def _member(self, owner: str, name: Node) -> str:
        outer, inner = generic(owner)
        member = text(name).partition("<")[0]
        if (owner, member) == ("Task", "WhenAll"):
            return ""
        found = MEMBERS.get(outer, {}).get(member)
        if found is None:
            self._complain(f"{owner}.{member}")
            return ""
        return inner if found == "T" else found

    def _made(self, node: Node) -> str:
        made = self._look_up_type(text(field(node, "type")))

        def check(owner: str, initializer: Node | None) -> None:
            for item in initializer.named_children if initializer else []:
                if item.type == "assignment_expression":
                    found, right = self._member(owner, field(item, "left")), field(item, "right")
                    if right.type == "initializer_expression":
                        check(found, right)

        check(made, node.child_by_field_name("initializer"))
        return made


def problems(tree: Node) -> list[str]:
    """What is wrong with the types of a file: what does not exist, is of another type, is not awaited, disposed of or used;
    namespaces that are opened and not needed, or the other way about."""
    return Checker(tree).problems


# What a file does


@dataclass
class Asked:
    """A request. ``{NAME}`` stands for a variable of the environment, ``{expression}`` for what is only known when it runs."""

    method: str
    url: str
    headers: dict[str, str]
    body: dict | None = None


def value(node: Node) -> object:
    """What an expression becomes in JSON."""
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
        return json.loads(value(next(nodes(node, "string_literal"))))
    return f"{{{source}}}"


def body_of(options: Node) -> tuple[dict, bool]:
    """The JSON that a ``new ChatCompletionsOptions { ... }`` is sent as, and whether it has AdditionalProperties."""
    body: dict = {}
    extra = False
    initializer = options.child_by_field_name("initializer")
    for item in initializer.named_children if initializer else []:
        name, content = text(field(item, "left")), value(field(item, "right"))
        if name == "Messages":
            body["messages"] = content
        elif name == "AdditionalProperties":
            body |= dict(content)
            extra = bool(content)
        else:
            body[ON_THE_WIRE[name]] = content
    return body, extra


def from_environment(node: Node) -> str:
    """``{NAME}`` for the only variable of the environment that an expression reads."""
    (name,) = re.findall(r'Environment\.GetEnvironmentVariable\("(\w+)"\)', text(node))
    return f"{{{name}}}"


def connection(client: Node) -> tuple[str, dict[str, str]]:
    """Where a ``new ChatCompletionsClient(...)`` sends its requests, and the headers that say who asks.

    A key goes into two headers, which its constructor adds. A token credential gives a token for one scope, which is constant.
    """
    endpoint, credential, *_ = (argument.named_children[0] for argument in field(client, "arguments").named_children)
    if (kind := text(field(credential, "type"))) == "AzureKeyCredential":
        key = from_environment(credential)
        return from_environment(endpoint), {"api-key": key, "authorization": f"Bearer {key}"}
    if kind != "DefaultAzureCredential":
        raise ValueError(f"unknown credential {kind}")
    return from_environment(endpoint), {"authorization": f"Bearer {{token for {SCOPE}}}"}


def requests_of(tree: Node) -> list[Asked]:
    """The requests that a file sends, if each of its lines is executed once, in order.

    Raises KeyError or ValueError for what it cannot read.
    """
    known: dict[str, tuple[dict, bool]] = {}  # variable -> body, and whether something is extra in it
    endpoint, headers = "", {}
    sent: list[Asked] = []
    for node in nodes(tree):
        if node.type == "object_creation_expression" and text(field(node, "type")) == "ChatCompletionsClient":
            endpoint, headers = connection(node)
        elif node.type == "variable_declarator" and node.named_children[-1].type == "object_creation_expression":
            made = node.named_children[-1]
            if text(field(made, "type")) == "ChatCompletionsOptions":
                known[text(field(node, "name"))] = body_of(made)
        elif node.type == "assignment_expression" and text(field(node, "left")).split(".")[0] in known:
            name, member = text(field(node, "left")).split(".")
            known[name][0][ON_THE_WIRE[member]] = value(field(node, "right"))
        elif node.type == "invocation_expression":
            called, arguments = text(field(node, "function")), field(node, "arguments").named_children
            name, _, method = called.partition(".")
            if name in known and method == "Messages.Add":
                known[name][0]["messages"].append(value(arguments[0].named_children[0]))
            elif called == "client.GetModelInfo":
                sent.append(Asked("GET", f"{endpoint}/info?api-version={API_VERSION}", headers))
            elif name == "client" and method in ASKS:
                asked = arguments[0].named_children[0]
                body, extra = known[text(asked)] if asked.type == "identifier" else body_of(asked)
                body = json.loads(json.dumps(body))  # it may change later
                more = {}
                if method == "CompleteStreamingAsync":
                    body["stream"] = True
                elif extra:  # which a stream does not announce
                    more = {"extra-parameters": "pass-through"}
                sent.append(Asked("POST", f"{endpoint}/chat/completions?api-version={API_VERSION}", headers | more, body))
    return sent


def printed(tree: Node) -> list[str]:
    """What a file prints, in the order of its text, as it is written there."""
    called = [node for node in nodes(tree, "invocation_expression") if text(field(node, "function")).startswith("Console.Write")]
    return [text(field(node, "arguments"))[1:-1] for node in called]

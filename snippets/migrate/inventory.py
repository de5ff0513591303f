"""List each use of the retired package azure-ai-inference in a folder, and what to do about it.

    python inventory.py path/to/project
    python inventory.py path/to/project --json

Needs Python 3.9 or newer and nothing else, so this one file can be copied. It reads files and runs
none of them. It sends nothing. Text that may be a key is printed as ***.

Exit status: 0 if nothing is left to do, 1 if something is left or a file could not be read, 2 if the
arguments are wrong. A mention in a comment or a text file, and a place that only may be a use, are
listed but do not count.

Limits: a client that is passed to another file under another method than complete or embed, and
names that are built at run time, are not seen. Test your program as well.
"""

from __future__ import annotations

import argparse
import ast
import json
import os
import re
import sys
import tokenize
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from textwrap import fill

PACKAGE = "azure.ai.inference"
LARGEST_FILE = 20_000_000  # bytes
PAGE_WIDTH = 100  # characters
SKIPPED_FOLDERS = {
    ".git", ".hg", ".ipynb_checkpoints", ".mypy_cache", ".nox", ".ruff_cache", ".tox", ".venv",
    "__pycache__", "node_modules", "site-packages", "venv",
}  # fmt: skip
DEPENDENCY_FILES = re.compile(
    r"requirements.*\.(txt|in)|constraints.*\.txt|pyproject\.toml|setup\.cfg|Pipfile|.*\.lock|"
    r"poetry\.lock|environment.*\.ya?ml|.*\.ya?ml|Dockerfile.*|.*\.dockerfile|.*\.sh|Makefile|"
    r"tox\.ini|package\.json|.*\.csproj|pom\.xml|build\.gradle.*|\.env.*",
    re.IGNORECASE,
)
TEXT_FILES = re.compile(r".*\.(md|rst|txt|mdx)", re.IGNORECASE)

# What to do, by the kind of a use. "Lesson" sections are those of lesson 10 of the kit.

ADVICE = {
    "import": "Import openai. Message classes may stay until the end: they are dictionaries.",
    "client": "OpenAI(base_url=..., api_key=...). Append /v1 to the endpoint of managed compute; "
    "for Foundry replace /models by /openai/v1. Async: openai.AsyncOpenAI.",
    "key": "Pass the key itself as api_key=, a str. (Leave it if another Azure client uses it.)",
    "call": "client.chat.completions.create(model=..., messages=...). Name temperature and "
    "max_tokens: the defaults of the two routes may differ.",
    "stream": 'Add stream_options={"include_usage": True} if you read usage.',
    "stream loop": "A chunk may have no choices, such as the last one, which holds the usage. "
    "Begin the loop with: if not chunk.choices: continue",
    "extras": "logprobs, top_logprobs, logit_bias and n are arguments of create(); others go into "
    'extra_body={...}. Keep the header: extra_headers={"extra-parameters": "pass-through"}.',
    "response format": '"text" and "json_object" become {"type": ...}; JsonSchemaFormat becomes '
    '{"type": "json_schema", "json_schema": {"name": ..., "schema": ..., "strict": ...}}.',
    "tools": "May stay for now: they are dictionaries. Phi-4 refuses tools on some servers.",
    "images": 'Write content parts as dictionaries: {"type": "image_url", "image_url": {"url": '
    "...}}. ImageUrl.load has no counterpart: encode the file as a data: URL yourself.",
    "embeddings": "client.embeddings.create(model=..., input=[...]).",
    "image embeddings": "No counterpart in openai: send the request with httpx, or another model.",
    "load_client": "No counterpart. You know what you deployed: make the client for it.",
    "get_model_info": "No counterpart. A reply names its model; some servers list it: client.models.list().",
    "message": "May stay for now. In the end: {'role': 'user', 'content': ...}.",
    "reply": "Type names change: ChatCompletion, ChatCompletionChunk (openai.types.chat). "
    'Enums become strings: finish_reason == "stop".',
    "reading": "Attributes replace brackets, to_dict() replaces as_dict(), created is an int.",
    "exception": "See the line: openai has its own exceptions.",
    "tracing": "AIInferenceInstrumentor has no counterpart. For OpenTelemetry use an "
    "instrumentation of openai, such as opentelemetry-instrumentation-openai-v2.",
    "prompt template": "PromptTemplate has no counterpart. Use str.format or a template library.",
    "api_version": "Delete it: /v1 and /openai/v1 take no api-version.",
    "logging_enable": 'Delete it: at DEBUG it prints the Authorization header. logging.getLogger("openai") hides it.',
    "credential_scopes": "get_bearer_token_provider(credential, scope), passed as api_key=.",
    "option": "See the line: the option has another name.",
    "logger": 'logging.getLogger("openai").',
    "other package": "This package uses azure-ai-inference inside. Look for its successor class.",
    "address": "The address changes: see the line.",
    "name in a string": "A mock, a logger or a late import: change it with the code it names. "
    "To mock openai: http_client=openai.DefaultHttpxClient(transport=httpx2.MockTransport(...)).",
    "dependency": "Add openai. Delete azure-ai-inference when no other line of this list is left.",
    "other language": "Not Python: this program reads no code in other languages.",
    "mention": "Text only. Update it in the end.",
}
UNCOUNTED = {"mention", "other language"}  # kinds that do not change the exit status

# Names of the package -> the kind of a use

KINDS_OF_NAMES = {
    name: kind
    for kind, names in {
        "client": "ChatCompletionsClient",
        "embeddings": "EmbeddingsClient EmbeddingEncodingFormat EmbeddingInputType EmbeddingItem "
        "EmbeddingsResult EmbeddingsUsage",
        "image embeddings": "ImageEmbeddingsClient ImageEmbeddingInput",
        "load_client": "load_client ModelType",
        "get_model_info": "ModelInfo",
        "message": "SystemMessage UserMessage AssistantMessage DeveloperMessage "
        "ChatRequestMessage ChatRole TextContentItem ContentItem",
        "tools": "ToolMessage ChatCompletionsToolDefinition FunctionDefinition FunctionCall "
        "ChatCompletionsToolCall ChatCompletionsNamedToolChoice "
        "ChatCompletionsNamedToolChoiceFunction ChatCompletionsToolChoicePreset "
        "StreamingChatResponseToolCallUpdate",
        "images": "ImageContentItem ImageUrl ImageDetailLevel AudioContentItem InputAudio "
        "AudioContentFormat AudioUrlContentItem AudioUrl",
        "response format": "JsonSchemaFormat ChatCompletionsResponseFormatJSON ChatCompletionsResponseFormatText",
        "reply": "ChatChoice ChatCompletions ChatResponseMessage CompletionsUsage "
        "CompletionsFinishReason StreamingChatChoiceUpdate StreamingChatCompletionsUpdate "
        "StreamingChatResponseMessageUpdate StreamingChatCompletions "
        "AsyncStreamingChatCompletions",
        "tracing": "AIInferenceInstrumentor",
        "prompt template": "PromptTemplate",
    }.items()
    for name in names.split()
}
CLIENTS = {"ChatCompletionsClient", "EmbeddingsClient", "ImageEmbeddingsClient"}

EXCEPTIONS = {
    "AzureError": "openai.OpenAIError",
    "HttpResponseError": "openai.APIStatusError, and openai.APIConnectionError for a cut stream",
    "ClientAuthenticationError": "openai.AuthenticationError (a token that cannot be had still "
    "raises azure.core's ClientAuthenticationError)",
    "ResourceNotFoundError": "openai.NotFoundError",
    "ServiceRequestError": "openai.APIConnectionError",
    "ServiceRequestTimeoutError": "openai.APITimeoutError",
    "ServiceResponseError": "openai.APIConnectionError",
    "ServiceResponseTimeoutError": "openai.APITimeoutError",
    "IncompleteReadError": "openai.APIConnectionError",
    "StreamConsumedError": "none",
    "StreamClosedError": "none",
}
OPTIONS = {  # arguments of clients and calls -> what they become
    "connection_timeout": "timeout=openai.Timeout(60, connect=...)",
    "read_timeout": "timeout=openai.Timeout(..., connect=5)",
    "retry_total": "max_retries=",
    "retry_status": "max_retries=",
    "retry_connect": "max_retries=",
    "retry_read": "max_retries=",
    "retry_on_methods": "max_retries=: openai repeats POST by itself",
    "retry_backoff_factor": "nothing: openai chooses its waits",
    "connection_verify": "http_client=openai.DefaultHttpxClient(verify=...)",
    "proxies": "http_client=openai.DefaultHttpxClient(proxy=...)",
    "transport": "http_client=",
    "headers": "default_headers= of the client, extra_headers= of a call",
    "user_agent": 'default_headers={"User-Agent": ...}',
    "request_id": 'extra_headers={"x-ms-client-request-id": ...}',
    "per_call_policies": "http_client= with event_hooks",
    "raw_request_hook": "http_client= with event_hooks",
    "raw_response_hook": "http_client= with event_hooks",
}
DEFAULTS = "temperature top_p max_tokens stop seed frequency_penalty presence_penalty".split()
KINDS_OF_KEYWORDS = {
    "model_extras": "extras",
    "response_format": "response format",
    "tools": "tools",
    "tool_choice": "tools",
    "api_version": "api_version",
    "logging_enable": "logging_enable",
    "credential_scopes": "credential_scopes",
}
METHODS = {"complete": "call", "embed": "embeddings", "get_model_info": "get_model_info"}
AZURE_HELPERS = (PACKAGE, "azure.core.", "azure.identity", "azure.ai.projects")
OTHER_PACKAGES = (  # modules and names that hold a client of azure-ai-inference
    ("langchain_azure_ai", "AzureAIChatCompletionsModel"),
    ("langchain_azure_ai", "AzureAIEmbeddingsModel"),
    ("llama_index.llms.azure_inference", ""),
    ("llama_index.embeddings.azure_inference", ""),
    ("semantic_kernel.connectors.ai.azure_ai_inference", ""),
    ("autogen_ext.models.azure", "AzureAIChatCompletionClient"),
    ("agent_framework.azure", "AzureAIInferenceEmbeddingClient"),
    ("haystack_integrations.components.generators.azure_ai", ""),
)
ADDRESSES = (
    (r"models\.inference\.ai\.azure\.com|models\.github\.ai", "GitHub Models was retired on 30 "
     "July 2026 (410). Choose another host: Foundry, managed compute, or a server of your own"),
    (r"\.services\.ai\.azure\.com/models\b", "https://<resource>.services.ai.azure.com/openai/v1/"),
    (r"\.openai\.azure\.com/openai/deployments", "https://<resource>.openai.azure.com/openai/v1/, "
     "with the deployment's name as model"),
)  # fmt: skip
ANY_ADDRESS = re.compile("|".join(pattern for pattern, _ in ADDRESSES))
DISTRIBUTION = re.compile(r"azure[-_.]+ai[-_.]+inference(?!\w)", re.IGNORECASE)
NAME_IN_TEXT = re.compile(r"azure[-.]ai[-.]inference(?!\w)", re.IGNORECASE)
NAME_OF_PACKAGE = re.compile(  # what unittest.mock.patch and importlib get
    rf"^azure\.ai\.inference(\.\w+)*$|^[\w.]+\.(?:{'|'.join(sorted(CLIENTS))})(?:Async)?(\.\w+)*$"
)
IN_LOCK = re.compile(r"\s*(?:- )?name\s*[=:]|\s*\"azure-ai-inference\"\s*:|azure-ai-inference==", re.IGNORECASE)
OTHER_LANGUAGE = re.compile(r"@azure-rest/ai-inference|\bAzure\.AI\.Inference\b")
MARKER = re.compile(
    rb"ai[-_.]{1,3}inference|ai import inference|get_chat_completions_client|azure_inference|"
    rb"langchain_azure_ai|autogen_ext\.models\.azure|haystack_integrations|models\.github\.ai|"
    rb"AZURE_TRACING_GEN_AI|services\.ai\.azure\.com/models|models\.inference\.ai|"
    rb"openai\.azure\.com/openai/deployments",
    re.IGNORECASE,
)
CALL_MARKER = re.compile(rb"\.complete\(|\.embed\(|model_extras")


@dataclass
class Use:
    """One use: where it is, its kind, the first line of its code, and what to do.

    certain is False for a place that only may be a use.
    """

    path: str
    line: int
    kind: str
    code: str
    advice: str
    certain: bool = True
    cell: int | None = None  # of a notebook, counted from 1; line counts in this cell

    def place(self) -> str:
        return f"cell {self.cell} line {self.line}" if self.cell else f"{self.line}"


@dataclass
class Inventory:
    uses: list[Use] = field(default_factory=list)
    unread: dict[str, str] = field(default_factory=dict)  # path -> reason
    files: int = 0  # that were looked at

    def left(self) -> list[Use]:
        """Return the uses that count: something has to be done about them."""
        return [use for use in self.uses if use.certain and use.kind not in UNCOUNTED]


# Nothing that may be a key is printed


SECRET_PLACE = re.compile(
    r"((?:AzureKeyCredential|SecretStr)\(\s*(?:key\s*=\s*)?|"
    r"(?:api[-_]?key|credential|token|secret|password|key)[\"']?\s*[:=]\s*)"
    r"([rbf]?)([\"'])(?!\3)(?:\\.|(?!\3).)*\3?",
    re.IGNORECASE,
)
WORD = re.compile(r"[A-Za-z0-9+/=_.~-]{12,}")
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


def masked(code: str) -> str:
    """Return code with *** for each text that may be a key or a password.

    >>> masked('AzureKeyCredential("abc")')
    'AzureKeyCredential("***")'
    >>> masked("pip install azure-ai-inference --index-url https://ada:secret@host/simple")
    'pip install azure-ai-inference --index-url https://***@host/simple'
    """
    code = re.sub(r"//[^/@\s\"']+@", "//***@", code)
    code = UUID.sub("***", code)
    code = re.sub(r"\b(api-key|apikey|key|token|sig|code)=[^&\s\"'(]{6,}", r"\1=***", code, flags=re.I)
    code = re.sub(r"(bearer\s+)[^\s\"'{]{4,}", r"\1***", code, flags=re.I)
    code = SECRET_PLACE.sub(_mask_literal, code)
    return WORD.sub(lambda match: "***" if _may_be_secret(match[0]) else match[0], code)


def _mask_literal(match: re.Match[str]) -> str:
    return f"{match[1]}{match[2]}{match[3]}***{match[3]}"


def _may_be_secret(word: str) -> bool:
    pieces = re.split(r"[^A-Za-z0-9]+", word)
    return any(
        (len(piece) >= 40 and (piece.islower() or piece.isupper()))
        or (len(piece) >= 12 and re.search(r"\d", piece) and re.search("[A-Za-z]", piece))
        for piece in pieces
    )


def shown(line: str) -> str:
    """Return a line of code, masked and shortened."""
    text = masked(" ".join(line.split()))
    return text if len(text) <= 96 else f"{text[:93]}..."


# Python


@dataclass
class Unit:
    """A piece of Python that is parsed at once: a file, or a cell of a notebook."""

    tree: ast.Module
    lines: list[str]
    cell: int | None = None


class Names:
    """What the names of a file stand for, by its imports and assignments."""

    def __init__(self, units: list[Unit]) -> None:
        self.origins: dict[str, str] = {}  # name in this file -> dotted name
        self.clients: set[str] = set()  # expressions that hold a client
        for unit in units:
            for node in ast.walk(unit.tree):
                if isinstance(node, ast.Import):
                    for alias in node.names:
                        first = alias.name.partition(".")[0]
                        self.origins[alias.asname or first] = alias.asname and alias.name or first
                elif isinstance(node, ast.ImportFrom) and not node.level:
                    for alias in node.names:
                        name = f"{node.module}.{alias.name}"
                        self.origins[alias.asname or alias.name] = name
        for unit in units:
            for node in ast.walk(unit.tree):
                self._note_clients(node)

    def _note_clients(self, node: ast.AST) -> None:
        pairs: list[tuple[ast.expr, ast.expr | None]] = []
        if isinstance(node, ast.Assign):
            pairs = [(target, node.value) for target in node.targets]
        elif isinstance(node, (ast.AnnAssign, ast.NamedExpr)):
            pairs = [(node.target, node.value)]
            annotation = getattr(node, "annotation", None)
            if annotation is not None and self._names_client(annotation):
                self.clients.add(ast.unparse(node.target))
        elif isinstance(node, ast.withitem) and node.optional_vars is not None:
            pairs = [(node.optional_vars, node.context_expr)]
        elif isinstance(node, ast.arg) and node.annotation and self._names_client(node.annotation):
            self.clients.add(node.arg)
        for target, value in pairs:
            value = value.value if isinstance(value, ast.Await) else value
            if isinstance(value, ast.Call) and self.is_client(value):
                self.clients.add(ast.unparse(target))

    def _names_client(self, annotation: ast.expr) -> bool:
        text = annotation.value if isinstance(annotation, ast.Constant) else ast.unparse(annotation)
        return any(client in str(text) for client in CLIENTS)

    def dotted(self, node: ast.expr) -> str:
        """Return the dotted name of a name or an attribute, by the imports; "" if it has none."""
        parts: list[str] = []
        while isinstance(node, ast.Attribute):
            parts.insert(0, node.attr)
            node = node.value
        if isinstance(node, ast.Name) and node.id in self.origins:
            return ".".join([self.origins[node.id], *parts])
        return ""

    def own_name(self, node: ast.expr) -> str:
        """Return which name of azure.ai.inference this is, without modules; "" for others."""
        name = self.dotted(node)
        return name.rpartition(".")[2] if name.startswith(f"{PACKAGE}.") else ""

    def has_other_azure_clients(self) -> bool:
        """Return True if the file imports another client that may take the same key."""
        others = [name for name in self.origins.values() if name.startswith("azure.")]
        return any(not name.startswith(AZURE_HELPERS) for name in others)

    def is_client(self, node: ast.Call) -> bool:
        """Return True if a call makes a client of the package."""
        if self.own_name(node.func) in {*CLIENTS, "load_client"}:
            return True
        called = node.func.attr if isinstance(node.func, ast.Attribute) else ""
        return called in ("get_chat_completions_client", "get_embeddings_client")


class Finder(ast.NodeVisitor):
    """Collect the uses in one unit."""

    def __init__(self, path: str, unit: Unit, names: Names, uses_package: bool) -> None:
        self.path, self.unit, self.names, self.uses_package = path, unit, names, uses_package
        self.uses: list[Use] = []
        self._tries: list[bool] = []  # for each try around: does it hold a call of the package?

    def add(self, node: ast.AST, kind: str, becomes: str = "", certain: bool = True, line: int = 0) -> None:
        line = line or getattr(node, "lineno", 1)
        code = self.unit.lines[line - 1] if line <= len(self.unit.lines) else ""
        if becomes and kind in ("exception", "option", "address", "other package"):
            advice = f"becomes {becomes}" if kind != "address" else becomes
        else:
            advice = ADVICE[kind]
        use = Use(self.path, line, kind, shown(code), advice, certain, self.unit.cell)
        on_line = [old for old in self.uses if old.line == line]
        if kind == "mention" and on_line:
            return
        if not any((old.kind, old.advice) == (kind, advice) for old in on_line):
            self.uses.append(use)

    # imports

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            self._visit_module(node, alias.name, alias.name)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        for alias in node.names:
            self._visit_module(node, node.module or "", f"{node.module or ''}.{alias.name}")

    def _visit_module(self, node: ast.Import | ast.ImportFrom, module: str, name: str) -> None:
        if name == PACKAGE or f"{name}.".startswith(f"{PACKAGE}."):
            tracing = "tracing" in name.split(".") or name.endswith("AIInferenceInstrumentor")
            prompts = "prompts" in name.split(".")
            self.add(node, "tracing" if tracing else "prompt template" if prompts else "import")
        elif name.startswith("azure.core.tracing") or name == "azure.core.settings.settings":
            self.add(node, "tracing", certain=self.uses_package)
        for package, inside in OTHER_PACKAGES:
            its_own_code = package.replace(".", "/") + "/" in self.path
            is_named = f"{module}.".startswith(f"{package}.") and name.endswith(inside)
            if is_named and not its_own_code:
                self.add(node, "other package")

    # names and calls

    def visit_Name(self, node: ast.Name) -> None:
        self._visit_reference(node)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        self._visit_reference(node)
        if node.attr == "as_dict" and self.uses_package:
            self.add(node, "reading", certain=False, line=node.end_lineno or node.lineno)
        self.generic_visit(node)

    def _visit_reference(self, node: ast.Name | ast.Attribute) -> None:
        if kind := KINDS_OF_NAMES.get(self.names.own_name(node), ""):
            self.add(node, kind)

    def visit_Subscript(self, node: ast.Subscript) -> None:
        text = ast.unparse(node.value)
        is_key = isinstance(node.slice, ast.Constant) and isinstance(node.slice.value, str)
        if is_key and self.uses_package and re.search(r"\.choices\[\d\]$|(^|\.)choices?$|\.usage$", text):
            self.add(node, "reading")
        self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        names, func = self.names, node.func
        method = func.attr if isinstance(func, ast.Attribute) else ""
        arguments = {keyword.arg: keyword for keyword in node.keywords if keyword.arg}
        makes_client = names.is_client(node)
        asks = False
        if makes_client and method.startswith("get_"):
            self.add(node, "client" if "chat" in method else "embeddings")
        elif method in METHODS:
            owner = ast.unparse(func.value)
            known = owner in names.clients or (isinstance(func.value, ast.Call) and names.is_client(func.value))
            likely = self.uses_package or "messages" in arguments or "model_extras" in arguments
            asks = known or likely
            if asks:
                certain = known or (self.uses_package and method != "embed")
                line = func.end_lineno or node.lineno
                self.add(node, METHODS[method], certain=certain, line=line)
        if makes_client or asks:
            self._visit_arguments(node, makes_client)
        elif self.uses_package and "model_extras" in arguments:
            self.add(arguments["model_extras"].value, "extras")
        name = names.dotted(func)
        if name == "azure.core.credentials.AzureKeyCredential" and self.uses_package:
            self.add(node, "key", certain=not names.has_other_azure_clients())
        if name == "logging.getLogger" and self.uses_package and node.args:
            logger = getattr(node.args[0], "value", None)
            if isinstance(logger, str) and re.match(r"azure(\.(?!ai\.inference)|$)", logger):
                self.add(node, "logger")
        self.generic_visit(node)

    def _visit_arguments(self, node: ast.Call, makes_client: bool) -> None:
        for keyword in node.keywords:
            name, value = keyword.arg, keyword.value
            if name in KINDS_OF_KEYWORDS:
                self.add(value, KINDS_OF_KEYWORDS[name], line=keyword.lineno)
            elif name in OPTIONS:
                self.add(value, "option", OPTIONS[name], line=keyword.lineno)
            elif name == "stream" and not (isinstance(value, ast.Constant) and not value.value):
                self.add(value, "stream", line=keyword.lineno)
            elif makes_client and name in DEFAULTS:
                become = "an argument of each call, or functools.partial(create, ...)"
                self.add(value, "option", become, line=keyword.lineno)

    # streams

    def visit_For(self, node: ast.For | ast.AsyncFor) -> None:
        self._visit_loop(node, node.target, node.body)
        self.generic_visit(node)

    visit_AsyncFor = visit_For

    def visit_ListComp(self, node: ast.ListComp | ast.GeneratorExp) -> None:
        for generator in node.generators:
            self._visit_loop(node, generator.target, [node.elt, *generator.ifs])
        self.generic_visit(node)

    visit_GeneratorExp = visit_ListComp

    def _visit_loop(self, node: ast.AST, target: ast.expr, body: list[ast.AST]) -> None:
        """Add a loop over chunks that takes .choices[0] of each without looking for choices."""
        if not self.uses_package or not isinstance(target, ast.Name):
            return
        choices = f"{target.id}.choices"
        takes = guards = None
        for child in (child for part in body for child in ast.walk(part)):
            if isinstance(child, ast.Subscript) and ast.unparse(child.value) == choices:
                takes = takes or child
            tests = [child.test] if isinstance(child, (ast.If, ast.IfExp, ast.While)) else []
            tests += child.values if isinstance(child, ast.BoolOp) else []
            if any(_tests_choices(test, choices) for test in tests):
                guards = child
        if takes is not None and guards is None:
            tested = [part for part in body if _tests_choices(part, choices)]
            if not (isinstance(node, (ast.ListComp, ast.GeneratorExp)) and tested):
                self.add(takes, "stream loop")

    # errors

    def visit_Try(self, node: ast.Try) -> None:
        around_call = any(self._is_call(child) for part in node.body for child in ast.walk(part))
        for handler in node.handlers:
            kinds = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
            for kind in kinds:
                self._visit_handler(handler, kind, around_call)
        self.generic_visit(node)

    visit_TryStar = visit_Try

    def _visit_handler(self, node: ast.AST, kind: ast.expr | None, around_call: bool) -> None:
        name = self.names.dotted(kind) if kind is not None else ""
        if name.startswith("azure.core.exceptions.") and (self.uses_package or around_call):
            becomes = EXCEPTIONS.get(name.rpartition(".")[2], "openai.APIError")
            certain = around_call or not self.names.has_other_azure_clients()
            self.add(kind, "exception", becomes, certain=certain)

    def _is_call(self, node: ast.AST) -> bool:
        if isinstance(node, ast.Call):
            method = node.func.attr if isinstance(node.func, ast.Attribute) else ""
            return method in METHODS or self.names.is_client(node)
        if isinstance(node, (ast.For, ast.AsyncFor)):
            text = "\n".join(ast.unparse(part) for part in node.body)
            return isinstance(node.target, ast.Name) and f"{node.target.id}.choices" in text
        return False

    # texts

    def visit_Constant(self, node: ast.Constant) -> None:
        if isinstance(node.value, str):
            self._visit_text(node, node.value)

    def visit_Expr(self, node: ast.Expr) -> None:
        if isinstance(node.value, ast.Constant):  # a docstring
            if isinstance(node.value.value, str) and NAME_IN_TEXT.search(node.value.value):
                self.add(node, "mention")
        else:
            self.generic_visit(node)

    def visit_JoinedStr(self, node: ast.JoinedStr) -> None:
        self.generic_visit(node)

    def _visit_text(self, node: ast.Constant, text: str) -> None:
        if found := ANY_ADDRESS.search(text):
            certain = self.uses_package or _is_gone(found[0])
            self.add(node, "address", _new_address(found[0]), certain=certain)
        if NAME_OF_PACKAGE.search(text):
            self.add(node, "name in a string")
        elif NAME_IN_TEXT.search(text):
            is_setup = Path(self.path).name in ("setup.py", "noxfile.py")
            self.add(node, "dependency" if is_setup else "mention")
        elif text.startswith("AZURE_TRACING_GEN_AI") and self.uses_package:
            self.add(node, "tracing")
        elif text in KINDS_OF_KEYWORDS and KINDS_OF_KEYWORDS[text] != "tools":
            others = any(use.kind == "other package" for use in self.uses)
            if self.uses_package or others:
                self.add(node, KINDS_OF_KEYWORDS[text], certain=False)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        if ast.unparse(node.target) == "model_extras" and self.uses_package:
            self.add(node, "extras", certain=False)
        self.generic_visit(node)


def _tests_choices(test: ast.AST, choices: str) -> bool:
    """Return True if a condition looks whether there are choices."""
    text = ast.unparse(test)
    without_index = re.sub(re.escape(choices) + r"\[", "", text)
    return re.search(re.escape(choices) + r"\b", without_index) is not None


def _is_gone(address: str) -> bool:
    """Return True for GitHub Models. Other clients may use the other addresses, too."""
    return re.search(ADDRESSES[0][0], address) is not None


def _new_address(text: str) -> str:
    return next(becomes for pattern, becomes in ADDRESSES if re.search(pattern, text))


# Files


def units_of_notebook(text: str) -> tuple[list[Unit], list[tuple[int, int, str]], list[str]]:
    """Return the cells of a notebook: (those parsed, lines of commands, cells not parsed)."""
    units, commands, failed = [], [], []
    cells = json.loads(text)["cells"]
    for number, cell in enumerate(cells, 1):
        if cell.get("cell_type") != "code":
            continue
        source = cell.get("source", "")
        lines = ("".join(source) if isinstance(source, list) else str(source)).splitlines()
        if lines and lines[0].startswith("%%"):
            commands += [(number, place, line) for place, line in enumerate(lines, 1)]
            continue
        code = []
        for place, line in enumerate(lines, 1):
            if re.match(r"\s*(?:[!%?]|\w+\s*=\s*[!%]|(?:pip|conda|mamba) \w)", line):
                commands.append((number, place, line))
                indent = line[: len(line) - len(line.lstrip())]
                line = f"{indent}pass"
            code.append(line)
        flags = ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
        try:
            units.append(Unit(compile("\n".join(code), "cell", "exec", flags), lines, number))
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            if MARKER.search("\n".join(lines).encode()):
                failed.append(f"cell {number}: {_reason(error)}")
            commands += [(number, place, line) for place, line in enumerate(lines, 1)]
    return units, commands, failed


def _reason(error: BaseException) -> str:
    if isinstance(error, SyntaxError):
        return f"no valid Python for Python {sys.version_info[0]}.{sys.version_info[1]}, line {error.lineno}"
    return f"{type(error).__name__}"


def uses_in_lines(path: str, lines: list[tuple[int | None, int, str]], kind: str) -> list[Use]:
    """Return the uses in lines of text: (cell or None, line, text)."""
    uses = []
    is_lock = path.endswith(".lock")
    name = NAME_IN_TEXT if kind == "mention" else DISTRIBUTION
    for cell, number, line in lines:
        if found := ANY_ADDRESS.search(line):
            advice = _new_address(found[0])
            certain = kind != "mention" and _is_gone(found[0])
            uses.append(Use(path, number, "address", shown(line), advice, certain, cell))
        elif kind != "mention" and "@azure-rest/" in line or OTHER_LANGUAGE.search(line):
            if OTHER_LANGUAGE.search(line):
                this = kind if kind == "mention" else "other language"
                uses.append(Use(path, number, this, shown(line), ADVICE[this], True, cell))
        elif name.search(line) and (not is_lock or IN_LOCK.match(line)):
            this = "mention" if line.lstrip().startswith("#") else kind
            uses.append(Use(path, number, this, shown(line), ADVICE[this], True, cell))
    return uses


def uses_in_python(path: str, units: list[Unit], everywhere: bool) -> list[Use]:
    """Return the uses in units of one file.

    everywhere: True to look at a file that does not name the package, because others do.
    """
    names = Names(units)
    uses_package = bool(names.clients) or any(
        origin == PACKAGE or origin.startswith(f"{PACKAGE}.") for origin in names.origins.values()
    )
    uses_package = uses_package or any(
        isinstance(node, (ast.Import, ast.ImportFrom)) and PACKAGE in ast.unparse(node)
        for unit in units
        for node in ast.walk(unit.tree)
    )
    uses: list[Use] = []
    for unit in units:
        finder = Finder(path, unit, names, uses_package)
        finder.visit(unit.tree)
        uses += finder.uses
    if not uses_package and not everywhere:
        return uses
    return sorted(uses, key=lambda use: (use.cell or 0, use.line))


def look_at(path: Path, name: str, inventory: Inventory, everywhere: bool) -> None:
    """Add the uses in one file, or the reason why it could not be read."""
    suffix = path.suffix.lower()
    is_python, is_notebook = suffix in (".py", ".pyi", ".pyw"), suffix == ".ipynb"
    is_dependency = DEPENDENCY_FILES.fullmatch(path.name) is not None
    if not (is_python or is_notebook or is_dependency or TEXT_FILES.fullmatch(path.name)):
        return
    try:
        if path.stat().st_size > LARGEST_FILE:
            inventory.unread[name] = f"larger than {LARGEST_FILE:,} bytes"
            return
        content = path.read_bytes()
        inventory.files += 1
        if not MARKER.search(content) and not (everywhere and CALL_MARKER.search(content)):
            return
        if is_python:
            with tokenize.open(path) as file:
                text = file.read()
        else:
            text = content.decode("utf-8-sig", errors="replace")
    except (OSError, SyntaxError, ValueError) as error:
        inventory.unread[name] = _reason(error)
        return
    lines = [(None, number, line) for number, line in enumerate(text.splitlines(), 1)]
    try:
        if is_notebook:
            units, commands, failed = units_of_notebook(text)
            inventory.uses += uses_in_lines(name, commands, "dependency")
            inventory.uses += uses_in_python(name, units, everywhere)
            if failed:
                inventory.unread[name] = "; ".join(failed)
        elif is_python:
            unit = Unit(ast.parse(text), text.splitlines())
            inventory.uses += uses_in_python(name, [unit], everywhere)
        else:
            kind = "dependency" if is_dependency else "mention"
            inventory.uses += uses_in_lines(name, lines, kind)
    except (SyntaxError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        inventory.unread[name] = _reason(error)
        inventory.uses += uses_in_lines(name, lines, "import" if is_python else "mention")


def files_in(root: Path) -> Iterator[Path]:
    """Yield the files below a folder in the order of their names, without environments."""
    if root.is_file():
        yield root
        return
    for folder, folders, files in os.walk(root):
        folders[:] = sorted(
            name for name in folders if name not in SKIPPED_FOLDERS and not (Path(folder) / name / "pyvenv.cfg").exists()
        )
        for name in sorted(files):
            path = Path(folder) / name
            if path.is_file():
                yield path


def take_inventory(root: Path) -> Inventory:
    """Return all uses below a folder, or in one file.

    A second pass looks for calls in files that do not name the package, if others do.
    """
    inventory = Inventory()
    paths = [(path, os.path.relpath(path, root if root.is_dir() else root.parent)) for path in files_in(root)]
    for path, name in paths:
        look_at(path, name.replace(os.sep, "/"), inventory, everywhere=False)
    if inventory.left():
        names = {use.path for use in inventory.uses} | set(inventory.unread)
        more = Inventory()
        for path, name in paths:
            name = name.replace(os.sep, "/")
            if name not in names and path.suffix.lower() in (".py", ".ipynb"):
                look_at(path, name, more, everywhere=True)
        inventory.uses += more.uses
    inventory.uses.sort(key=lambda use: (use.path, use.cell or 0, use.line))
    return inventory


# What is printed


def report(inventory: Inventory) -> str:
    """Return the list and its summary as text."""
    lines: list[str] = []
    path = ""
    for use in inventory.uses:
        if use.path != path:
            path = use.path
            lines += ["", path]
        perhaps = "" if use.certain else "  (perhaps)"
        lines.append(_row(use.place(), use.kind, use.code + perhaps))
        if use.advice != ADVICE[use.kind]:
            lines.append(_row("", "", f"-> {use.advice}"))
    kinds = Counter(use.kind for use in inventory.uses)
    if kinds:
        lines += ["", "What to do"]
        for kind in ADVICE:
            if kinds[kind]:
                lines.append(_row(kinds[kind], kind, ADVICE[kind]))
    for name, reason in inventory.unread.items():
        lines += ["", f"Could not be read: {name} ({reason}). Look at it yourself."]
    left = inventory.left()
    perhaps = sum(not use.certain for use in inventory.uses)
    paths = {use.path for use in left}
    summary = f"{_count(left, 'use')} in {_count(paths, 'file')} left to change"
    summary += f"; {_count(range(perhaps), 'more place')} may be a use" if perhaps else ""
    unread = inventory.unread
    summary += f"; {_count(unread, 'file')} could not be read" if unread else ""
    return "\n".join([*lines, "", f"{summary}. Files looked at: {inventory.files}."]).lstrip("\n")


def _row(first: object, kind: str, text: str) -> str:
    """Return a row. Long text goes on below, and breaks between words."""
    return fill(
        f"{first:>6}  {kind:17}  {text}",
        PAGE_WIDTH,
        subsequent_indent=" " * 27,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _count(things: Collection, noun: str) -> str:
    return f"{len(things)} {noun}" if len(things) == 1 else f"{len(things)} {noun}s"


def as_json(inventory: Inventory) -> str:
    """Return the same as JSON: uses, files that could not be read, and counts."""
    return json.dumps(
        {
            "uses": [asdict(use) for use in inventory.uses],
            "unread": inventory.unread,
            "counts": dict(Counter(use.kind for use in inventory.uses)),
            "left": len(inventory.left()),
        },
        indent=2,
    )


def main() -> int:
    """Run the command. Return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("path", type=Path, help="a folder, or one file")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a list")
    options = parser.parse_args()
    if not options.path.exists():
        parser.error(f"there is no {options.path}. Name a folder or a file.")
    inventory = take_inventory(options.path)
    sys.stdout.reconfigure(errors="replace")  # a console that lacks a letter prints "?"
    print(as_json(inventory) if options.json else report(inventory))
    return 1 if inventory.left() or inventory.unread else 0


if __name__ == "__main__":
    sys.exit(main())

"""The OpenRPC document, made from the methods' own records."""

from collections.abc import Iterable

from net.rpc.encoding import Json
from net.rpc.registry import REQUIRED, Method, Param, Schema

OPENRPC_VERSION = "1.3.2"


def describe(methods: Iterable[Method], version: str) -> Json:
    """Return the OpenRPC document of these methods; `version` is the node's."""
    kinds: dict[str, Schema] = {}
    described: list[Json] = []
    for method in sorted(methods, key=lambda found: found.name):
        for param in method.params:
            known = kinds.setdefault(param.kind.name, param.kind.schema)
            assert known == param.kind.schema, f"two kinds of parameter are called {param.kind.name}"
        described.append(_method(method))
    schemas: dict[str, Json] = dict(sorted(kinds.items()))
    return {
        "openrpc": OPENRPC_VERSION,
        "info": {
            "title": "Mappemonde JSON-RPC",
            "version": version,
            "license": {"name": "MIT"},
        },
        "methods": described,
        "components": {"schemas": schemas},
    }


def _method(method: Method) -> Json:
    result: dict[str, Json] = {
        "name": method.name,
        "summary": method.summary,
        "paramStructure": "either",
        "params": [_param(param) for param in method.params],
        "result": {"name": "result", "schema": method.result},
    }
    if method.admin:
        result["x-admin"] = True
    return result


def _param(param: Param) -> Json:
    return {
        "name": param.name,
        "required": param.default is REQUIRED,
        "schema": {"$ref": f"#/components/schemas/{param.kind.name}"},
    }

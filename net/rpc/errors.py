"""Errors as JSON-RPC clients read them: they sort by code, then by text (shared/WALLET_RPC.md)."""

from chain.primitives.errors import NodeError
from net.rpc.encoding import Json

PARSE_ERROR = -32700
INVALID_REQUEST = -32600
METHOD_NOT_FOUND = -32601
INVALID_PARAMS = -32602
SERVER_ERROR = -32000
"""Everything about transactions, filters and state; never -32603, on which viem sends three more times."""
TIMED_OUT = -32002
TOO_LARGE = -32003
LIMIT_EXCEEDED = -32005
"""A rate or a table is at its limit: asking again later can help, and clients do."""
REVERTED = 3
"""A call was reverted; `data` holds the ABI-encoded reason."""
FORBIDDEN = -32004
"""The method needs the operator's token."""


class RpcError(NodeError):
    """An answer that says why there is no result."""

    def __init__(self, code: int, message: str, data: Json = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.data = data

    def as_json(self) -> dict[str, Json]:
        """Return the `error` member of the answer."""
        error: dict[str, Json] = {"code": self.code, "message": self.message}
        if self.data is not None:
            error["data"] = self.data
        return error


def invalid_params(message: str) -> RpcError:
    """Return the error for parameters that do not fit the method."""
    return RpcError(INVALID_PARAMS, message)


def failed(message: str) -> RpcError:
    """Return the error of a request that is well formed and cannot be met."""
    return RpcError(SERVER_ERROR, message)


def limited(message: str) -> RpcError:
    """Return the error of a client that asks too much at once."""
    return RpcError(LIMIT_EXCEEDED, message)


def unknown_method(name: str) -> RpcError:
    """Return the error that makes clients fall back to another method; ethers reads its text."""
    return RpcError(METHOD_NOT_FOUND, f"the method {name[:64]} does not exist/is not available")

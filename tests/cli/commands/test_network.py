"""The commands that read the map, against a node that has enough of them."""

from http import HTTPStatus

import pytest

from cli.commands.network import PATIENCE_SECONDS, TRIES, fetch_map
from cli.rpc_client import RpcClient, RpcRefused


class Busy(RpcClient):
    """A node with three pages that refuses the first questions for each."""

    def __init__(self, refusals: int, code: int = HTTPStatus.TOO_MANY_REQUESTS) -> None:
        super().__init__("http://127.0.0.1:1")
        self.refusals = refusals
        self.code = code
        self._left = refusals

    def call(self, method: str, *parameters: object) -> object:
        if self._left:
            self._left -= 1
            raise RpcRefused(self.code, "not now")
        self._left = self.refusals
        after = parameters[0]
        following = {None: "a", "a": "b", "b": None}[after if isinstance(after, str) else None]
        return {"nodes": [{"id": following}], "links": [], "next": following}


def test_a_map_is_read_on_when_the_rate_limit_lets_it(monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    monkeypatch.setattr("time.sleep", pauses.append)
    nodes, _ = fetch_map(Busy(TRIES - 1))
    assert [node["id"] for node in nodes] == ["a", "b", None]
    assert pauses == [PATIENCE_SECONDS] * 3 * (TRIES - 1)
    with pytest.raises(RpcRefused):
        fetch_map(Busy(TRIES))
    pauses.clear()
    with pytest.raises(RpcRefused):
        fetch_map(Busy(1, code=-32000))
    assert not pauses

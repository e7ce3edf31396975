"""The miner's line to its node, when what answers is no node of ours."""

import gzip
import json

import pytest

from cli.mining_client.link import NodeLink
from cli.rpc_client import RpcRefused, RpcUnreachable
from tests.cli.test_rpc_client import answering, sending, served


@pytest.mark.parametrize("entry", [{"id": []}, {"id": {}}, {"id": "0"}, {"id": 0, "error": {"code": []}}, 7])
async def test_a_batch_whose_answers_are_none_is_an_error_of_each_call(entry: object) -> None:
    with served(answering([entry])) as url:
        async with NodeLink(url) as link:
            (answer,) = await link.batch([("a", ())])
    assert isinstance(answer, RpcRefused)


@pytest.mark.parametrize("body", [b"[" * 100_000, b"<html>", b"\xff", b'{"id": 0, "result": NaN}'])
async def test_what_is_no_json_is_refused(body: bytes) -> None:
    with served(sending(body)) as url:
        async with NodeLink(url) as link:
            with pytest.raises(RpcRefused):
                await link.call("a")


async def test_nothing_is_unpacked_and_no_other_place_is_asked() -> None:
    packed = gzip.compress(json.dumps({"jsonrpc": "2.0", "id": 0, "result": "x" * 500_000}).encode())
    with served(sending(packed, b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n")) as url:
        async with NodeLink(url) as link:
            with pytest.raises(RpcRefused, match="JSON-RPC"):
                await link.call("a")
    with served(answering({"jsonrpc": "2.0", "id": 0, "result": 1})) as other:
        moved = sending(b"", b"HTTP/1.1 307 Temporary Redirect\r\nLocation: %s\r\n" % other.encode())
        with served(moved) as url:
            async with NodeLink(url) as link:
                with pytest.raises(RpcRefused, match="307"):
                    await link.call("a")


async def test_what_a_node_says_cannot_write_on_the_terminal() -> None:
    error = {"jsonrpc": "2.0", "id": 0, "error": {"code": 1, "message": "\x1b[2J\u202e"}}
    with served(answering(error)) as url:
        async with NodeLink(url) as link:
            with pytest.raises((RpcRefused, RpcUnreachable)) as refused:
                await link.call("a")
    assert str(refused.value) == r"\x1b[2J\u202e"

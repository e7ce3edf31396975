"""The audit over a node's RPC: blocks from 1 to the head, then the balance of everybody they name."""

from collections.abc import Callable, Iterator, Mapping

from chain.block import HEADER_VERSION, Header, Ticket, ticket_commitment
from chain.genesis import Genesis
from chain.primitives.units import Address, Gas, Hash32, Millis, Wei
from chain.staking_registry import SYSTEM_ADDRESS
from cli.audit.findings import Findings
from cli.audit.supply import AuditedBlock, ChainMoved, SupplyAudit, expect
from cli.rpc_client import RpcClient, RpcRefused, as_list, as_object, integer, quantity, raw_bytes

PAGE = 64
"""Blocks asked for at once; halved for blocks so full that the answer would be too long."""

BALANCES_PAGE = 500
"""Balances asked for at once; a node takes 1000 calls in a batch."""

TRIES = 5
"""Walks begun anew because the chain was reorganised under them."""

TOO_LARGE = -32003
"""JSON-RPC error code of an answer over the node's limit."""

Progress = Callable[[int, int], None]
"""Told the height reached and the height of the end."""


def audit_over_rpc(client: RpcClient, genesis: Genesis, progress: Progress) -> Findings:
    """Return the audit of the node's chain up to its present head. Raises `AuditFailed`, or the client's errors."""
    zero = client.record("eth_getBlockByNumber", "0x0", False)
    expect("hash of block 0", "0x" + genesis.chained.id.hex(), zero.get("hash"))
    for last in range(TRIES - 1, -1, -1):
        audit = SupplyAudit(genesis)
        try:
            height = client.number("eth_blockNumber")
            for block in _blocks(client, genesis, height):
                audit.add(block)
                progress(block.header.height, height)
            break
        except ChainMoved:
            if not last:
                raise
    return _compare(client, audit)


def _compare(client: RpcClient, audit: SupplyAudit) -> Findings:
    result = audit.result()
    at = {"blockHash": "0x" + result.block_id.hex()}  # by hash: a reorganisation meanwhile changes nothing
    accounts = sorted(audit.accounts)
    balances = 0
    for start in range(0, len(accounts), BALANCES_PAGE):
        part = accounts[start : start + BALANCES_PAGE]
        answers = client.batch([("eth_getBalance", ("0x" + address.hex(), at)) for address in part])
        balances += sum(quantity(answer) for answer in answers)
    issued = client.number("eth_getStorageAt", "0x" + SYSTEM_ADDRESS.hex(), "0x0", at)
    record = client.record("mappemonde_supply", at)
    findings = Findings(result, Wei(balances), len(accounts), Wei(issued), Wei(quantity(record["total"])))
    findings.check()
    return findings


def _blocks(client: RpcClient, genesis: Genesis, height: int) -> Iterator[AuditedBlock]:
    """Yield the blocks from 1 to a height."""
    error_before = genesis.chained.err
    first, page = 1, PAGE
    while first <= height:
        last = min(first + page - 1, height)
        try:
            read = _page(client, first, last)
        except RpcRefused as refusal:
            if refusal.code != TOO_LARGE or page == 1:
                raise
            page //= 2
            continue
        for head, block, receipts in read:
            yield _audited(head, block, receipts, error_before)
            error_before = integer(head["scheduleError"])
        first = last + 1


_Object = dict[str, object]


def _page(client: RpcClient, first: int, last: int) -> list[tuple[_Object, _Object, list[object]]]:
    """Return consensus facts, block and receipts of a few heights."""
    heights = range(first, last + 1)
    calls = [("mappemonde_head", (hex(height),)) for height in heights]
    heads = [as_object(answer) for answer in client.batch(calls)]
    full = [as_object(answer) for answer in client.batch([("eth_getBlockByNumber", (hex(n), True)) for n in heights])]
    busy = [height for height, block in zip(heights, full, strict=True) if block["transactions"]]
    answers = client.batch([("eth_getBlockReceipts", (hex(height),)) for height in busy])
    receipts = {height: as_list(answer) for height, answer in zip(busy, answers, strict=True)}
    return [(head, block, receipts.get(n, [])) for n, head, block in zip(heights, heads, full, strict=True)]


def _audited(head: _Object, block: _Object, receipts: list[object], parent_err: int) -> AuditedBlock:
    if head["hash"] != block["hash"] or any(as_object(entry)["blockHash"] != head["hash"] for entry in receipts):
        raise ChainMoved(f"block {block['number']} changed while it was read")
    ticket = _ticket(head.get("ticket"))
    header = Header(
        version=HEADER_VERSION,
        height=quantity(head["number"]),
        parent_id=_hash(head["parentHash"]),
        parent_time=Millis(integer(head["parentTime"])),
        parent_err=parent_err,
        mined_at=Millis(integer(head["minedAt"] or 0)),
        miner=Address(raw_bytes(head["miner"], 20)),
        state_root=_hash(block["stateRoot"]),
        transactions_root=_hash(block["transactionsRoot"]),
        receipts_root=_hash(block["receiptsRoot"]),
        gas_used=Gas(quantity(block["gasUsed"])),
        base_fee=Wei(quantity(block["baseFeePerGas"])),
        extra=raw_bytes(head["extra"]),
        ticket_commitment=ticket_commitment(ticket),
        handicap=Millis(integer(head["handicap"])),
        mix=_hash(head["mix"]),
        stakes=_hash(head["stakes"]),
        nonce=raw_bytes(block["nonce"]),
    )
    transactions = [as_object(entry) for entry in as_list(block["transactions"])]
    return AuditedBlock(
        id=_hash(head["hash"]),
        header=header,
        ticket=ticket,
        receipts_gas=Gas(sum(quantity(as_object(entry)["gasUsed"]) for entry in receipts)),
        parties=[Address(raw_bytes(tx[name], 20)) for tx in transactions for name in ("from", "to")],
    )


def _ticket(found: object) -> Ticket | None:
    if not isinstance(found, Mapping):
        return None
    return Ticket(
        validator_key=raw_bytes(found["validatorKey"]),
        vrf_proof=raw_bytes(found["vrfProof"]),
        reward_address=Address(raw_bytes(found["rewardAddress"], 20)),
        signature=raw_bytes(found["signature"]),
    )


def _hash(value: object) -> Hash32:
    return Hash32(raw_bytes(value, 32))

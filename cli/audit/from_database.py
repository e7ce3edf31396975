"""The audit of a stopped database: blocks, roots of bodies and receipts, and every account of the state."""

from collections.abc import Callable, Iterator

from chain.block import decode_body
from chain.execution import root_of_transactions
from chain.genesis import Genesis
from chain.ports import ChainStore, NodeReader
from chain.primitives.errors import StorageError
from chain.primitives.units import Gas, Hash32, Wei
from chain.receipt import decode_receipts, receipt_envelope
from chain.staking_registry import Registry
from chain.state import State, decode_account
from chain.transaction import recover_sender
from chain.trie import MissingNode, ordered_root
from chain.trie_nodes import EMPTY_ROOT, Branch, Leaf, Link, decode_node
from cli.audit.findings import Findings
from cli.audit.supply import AuditedBlock, SupplyAudit, expect


def audit_database(store: ChainStore, genesis: Genesis, progress: Callable[[int, int], None]) -> Findings:
    """Return the audit of the canonical chain in a database. Raises `AuditFailed` or `StorageError`.

    Independent of the walk, the balances are summed over every account of the state trie: one that no block names
    would be found.
    """
    head_id = store.head_id()
    head = None if head_id is None else store.chained(head_id)
    if head is None:
        raise StorageError("the database holds no chain: run the node first")
    audit = SupplyAudit(genesis)
    for height in range(1, head.height + 1):
        audit.add(_audited(store, genesis, height))
        progress(height, head.height)
    result = audit.result()
    expect("hash of the head", result.block_id.hex(), head.id.hex())
    root = head.header.state_root
    balances = list(state_balances(store, root))
    recorded = store.supply(head.id)
    if recorded is None:
        raise StorageError("the supply record of the head is missing: run `mappemonde db repair`")
    findings = Findings(
        audit=result,
        balances=Wei(sum(balances)),
        accounts=len(balances),
        registry_issued=Registry(State(store, root)).issued,
        recorded_total=Wei(recorded.issued - recorded.burnt),
    )
    findings.check()
    return findings


def _audited(store: ChainStore, genesis: Genesis, height: int) -> AuditedBlock:
    block_id = store.canonical_id(height)
    block = None if block_id is None else store.chained(block_id)
    body = None if block is None else store.body(block.id)
    raw = None if block is None else store.receipts(block.id)
    if block is None or body is None or raw is None:
        raise StorageError(f"block {height} is missing or has no body: run `mappemonde db repair`")
    transactions, receipts = decode_body(body, genesis.params), decode_receipts(raw)
    header = block.header
    expect(f"body of block {height}", header.transactions_root.hex(), root_of_transactions(transactions).hex())
    root = ordered_root([receipt_envelope(receipt) for receipt in receipts])
    expect(f"receipts of block {height}", header.receipts_root.hex(), root.hex())
    senders = [recover_sender(tx).sender for tx in transactions]
    return AuditedBlock(
        id=block.id,
        header=header,
        ticket=block.sealed.ticket,
        receipts_gas=receipts[-1].cumulative_gas_used if receipts else Gas(0),
        parties=[*senders, *(tx.to for tx in transactions)],
    )


def state_balances(reader: NodeReader, root: Hash32) -> Iterator[Wei]:
    """Yield the balance of every account under a state root. Raises `MissingNode`."""
    waiting: list[Link] = [] if root == EMPTY_ROOT else [root]
    while waiting:
        link = waiting.pop()
        if isinstance(link, bytes):
            raw = reader.trie_node(Hash32(link))
            if raw is None:
                raise MissingNode(link)
            link = decode_node(raw)
        if isinstance(link, Leaf):
            yield decode_account(link.value).balance
        elif isinstance(link, Branch):
            waiting += [child for child in link.children if child is not None]
        elif link is not None:
            waiting.append(link.child)

"""Blocks, their receipts and their transactions by place."""

from chain.block import ChainedHeader
from chain.fees import next_base_fee
from chain.primitives.units import Hash32, Millis
from chain.transaction import SignedTransaction
from net.rpc.blocks import LoadedBlock
from net.rpc.encoding import Json, quantity
from net.rpc.kinds import BLOCK, FLAG, HASH, INDEX, QUANTITY_SCHEMA, ByHash, Selector, Tag
from net.rpc.methods.results import BLOCK as BLOCK_RESULT
from net.rpc.methods.results import RECEIPT, TRANSACTION, array_of, nullable
from net.rpc.objects import block_json, pending_block_json, pending_json, receipts_json, transaction_json
from net.rpc.registry import Method, Param, Where
from net.rpc.services import Services

PENDING_FOR = Millis(1_000)
"""How long what the next block would take is remembered: choosing it from a full pool takes the event loop 60 ms, and
any client may ask for it 500 times a second."""

FEW_PENDING = 64
"""Waiting transactions up to which it is chosen anew at each question: in well under a millisecond."""


class BlockMethods:
    """Answers about blocks. The pool is read on the event loop, blocks are loaded in workers."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._chosen: tuple[SignedTransaction, ...] = ()
        self._chosen_for: Hash32 | None = None
        """The head for which they were chosen."""
        self._chosen_until = Millis(0)

    async def _load(self, selector: Selector) -> LoadedBlock | None:
        found = self._services.blocks.find(selector)
        return None if found is None else await self._services.workers.run(self._services.blocks.load, found)

    def _pending(self) -> tuple[SignedTransaction, ...]:
        """Return what the next block would take, as of PENDING_FOR ago at most unless little waits."""
        head, now = self._services.blocks.chain.head(), self._services.clock()
        few = self._services.parts.pool.statistics().pending <= FEW_PENDING
        if few or head.id != self._chosen_for or now >= self._chosen_until:
            self._chosen, self._chosen_for = self._choose(head), head.id
            self._chosen_until = Millis(now + PENDING_FOR)
        return self._chosen

    def _choose(self, head: ChainedHeader) -> tuple[SignedTransaction, ...]:
        services = self._services
        base_fee = next_base_fee(head.header, services.params)
        chosen = []
        gas: int = services.params.gas_limit
        for signed in services.parts.pool.pending(base_fee):
            if signed.tx.gas_limit > gas:
                break
            gas -= signed.tx.gas_limit
            chosen.append(signed)
        return tuple(chosen)

    async def get(self, selector: Selector, full: bool) -> Json:  # noqa: FBT001  # as clients pass it
        """Return a block, null if there is none."""
        services = self._services
        if selector is Tag.PENDING:
            head = services.blocks.chain.head()
            base_fee = next_base_fee(head.header, services.params)
            return await services.workers.run(
                pending_block_json, head, services.params, base_fee, self._pending(), full=full
            )
        found = services.blocks.find(selector)
        if found is None:
            return None
        return await services.workers.run(lambda: block_json(services.blocks.load(found), services.params, full=full))

    async def receipts(self, selector: Selector) -> Json:
        """Return the receipts of a block, null if there is none."""
        found = self._services.blocks.find(selector)
        if found is None or selector is Tag.PENDING:
            return None
        return await self._services.workers.run(lambda: receipts_json(self._services.blocks.load(found)))

    async def transaction_count(self, selector: Selector) -> Json:
        """Return the number of transactions of a block, null if there is none."""
        if selector is Tag.PENDING:
            return quantity(len(self._pending()))
        loaded = await self._load(selector)
        return None if loaded is None else quantity(len(loaded.transactions))

    async def transaction(self, selector: Selector, index: int) -> Json:
        """Return the transaction at a place of a block, null if there is none."""
        if selector is Tag.PENDING:
            waiting = self._pending()
            return pending_json(waiting[index]) if index < len(waiting) else None
        loaded = await self._load(selector)
        if loaded is None or index >= len(loaded.transactions):
            return None
        return transaction_json(loaded.transactions[index], loaded.chained, index)

    def uncles(self, selector: Selector) -> Json:
        """Return 0 for a block that exists: this chain has no uncles."""
        return None if self._services.blocks.find(selector) is None else "0x0"


def block_methods(services: Services) -> list[Method]:
    """Return the methods that read blocks."""
    it = BlockMethods(services)
    by_number = Param("block", BLOCK)
    by_hash = Param("blockHash", HASH)
    full, index = Param("full", FLAG, default=False), Param("index", INDEX)
    count = nullable(QUANTITY_SCHEMA)
    block, transaction = nullable(BLOCK_RESULT), nullable(TRANSACTION)
    return [
        Method("eth_getBlockByNumber", "A block by number or tag", (by_number, full), block, it.get, Where.WAIT),
        Method(
            "eth_getBlockByHash",
            "A block by its hash",
            (by_hash, full),
            block,
            lambda block_id, full: it.get(ByHash(block_id), full),
            Where.WAIT,
        ),
        Method(
            "eth_getBlockReceipts",
            "All receipts of a block",
            (by_number,),
            nullable(array_of(RECEIPT)),
            it.receipts,
            Where.WAIT,
        ),
        Method(
            "eth_getBlockTransactionCountByNumber",
            "Number of transactions of a block",
            (by_number,),
            count,
            it.transaction_count,
            Where.WAIT,
        ),
        Method(
            "eth_getBlockTransactionCountByHash",
            "Number of transactions of a block",
            (by_hash,),
            count,
            lambda block_id: it.transaction_count(ByHash(block_id)),
            Where.WAIT,
        ),
        Method(
            "eth_getTransactionByBlockNumberAndIndex",
            "A transaction by its place",
            (by_number, index),
            transaction,
            it.transaction,
            Where.WAIT,
        ),
        Method(
            "eth_getTransactionByBlockHashAndIndex",
            "A transaction by its place",
            (by_hash, index),
            transaction,
            lambda block_id, index: it.transaction(ByHash(block_id), index),
            Where.WAIT,
        ),
        Method("eth_getUncleCountByBlockNumber", "Always 0: no uncles", (by_number,), count, it.uncles),
        Method(
            "eth_getUncleCountByBlockHash",
            "Always 0: no uncles",
            (by_hash,),
            count,
            lambda block_id: it.uncles(ByHash(block_id)),
        ),
    ]

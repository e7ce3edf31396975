"""Sending transactions and finding them again."""

from chain.block import ChainedHeader
from chain.ports import TransactionPlace
from chain.primitives.units import Hash32
from chain.transaction import SignedTransaction
from net.rpc.encoding import Json, data, quantity
from net.rpc.kinds import DATA_SCHEMA, HASH, HASH_SCHEMA, QUANTITY_SCHEMA, data_kind
from net.rpc.methods.results import RECEIPT, TRANSACTION, nullable, record
from net.rpc.objects import Object, pending_json, receipt_json, transaction_json
from net.rpc.registry import Method, Param, Where
from net.rpc.services import Services


class TransactionMethods:
    """Answers about transactions."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def send(self, raw: bytes) -> Json:
        """Hand a raw transaction to the pool and the network."""
        return data(await self._services.parts.submitter.submit(raw))

    def _find(self, tx_hash: Hash32) -> TransactionPlace | SignedTransaction | None:
        """Return a transaction's place, or itself while it waits.

        Looked for on the chain, in the pool and on the chain again, so that one that is mined between the looks is
        never missing: wallets take a missing one for failed.
        """
        chain = self._services.parts.chain
        return chain.place(tx_hash) or self._services.parts.pool.get(tx_hash) or chain.place(tx_hash)

    def _block(self, place: TransactionPlace) -> ChainedHeader:
        block = self._services.parts.chain.header(place.block_id)
        assert block is not None, "the index names a block that is not stored"
        return block

    async def by_hash(self, tx_hash: Hash32) -> Json:
        """Return a transaction, null if nobody knows it."""
        found = self._find(tx_hash)
        if not isinstance(found, TransactionPlace):
            return None if found is None else pending_json(found)
        return await self._services.workers.run(self._mined, found)

    def _mined(self, place: TransactionPlace) -> Object:
        block = self._block(place)
        chain = self._services.parts.chain
        tx = chain.transactions(block)[place.index]
        return transaction_json(SignedTransaction(tx, chain.sender(tx)), block, place.index)

    async def raw(self, tx_hash: Hash32) -> Json:
        """Return a transaction's encoding, null if nobody knows it."""
        found = self._find(tx_hash)
        if not isinstance(found, TransactionPlace):
            return None if found is None else data(found.tx.raw)
        transactions = await self._services.workers.run(self._services.parts.chain.transactions, self._block(found))
        return data(transactions[found.index].raw)

    async def receipt(self, tx_hash: Hash32) -> Json:
        """Return a mined transaction's receipt, else null."""
        place = self._services.parts.chain.place(tx_hash)
        return None if place is None else await self._services.workers.run(self._receipt, place)

    def _receipt(self, place: TransactionPlace) -> Object:
        loaded = self._services.blocks.load(self._block(place))
        first_log = sum(len(receipt.logs) for receipt in loaded.receipts[: place.index])
        return receipt_json(loaded, place.index, first_log)

    def pool_status(self) -> Json:
        """Return the sizes of the pool."""
        counts = self._services.parts.pool.statistics()
        return {"pending": quantity(counts.pending), "queued": quantity(counts.queued)}


def transaction_methods(services: Services) -> list[Method]:
    """Return the methods about transactions."""
    it = TransactionMethods(services)
    tx_hash = Param("transactionHash", HASH)
    raw = Param("transaction", data_kind("RawTransaction", services.limits.call_data_bytes))
    return [
        Method("eth_sendRawTransaction", "Send a signed transaction", (raw,), HASH_SCHEMA, it.send, Where.WAIT),
        Method(
            "eth_getTransactionByHash",
            "A transaction, waiting or mined",
            (tx_hash,),
            nullable(TRANSACTION),
            it.by_hash,
            Where.WAIT,
        ),
        Method(
            "eth_getRawTransactionByHash",
            "A transaction's encoding",
            (tx_hash,),
            nullable(DATA_SCHEMA),
            it.raw,
            Where.WAIT,
        ),
        Method(
            "eth_getTransactionReceipt",
            "What a mined transaction did",
            (tx_hash,),
            nullable(RECEIPT),
            it.receipt,
            Where.WAIT,
        ),
        Method(
            "txpool_status",
            "Sizes of the pool",
            (),
            record("pool sizes", pending=QUANTITY_SCHEMA, queued=QUANTITY_SCHEMA),
            it.pool_status,
        ),
    ]

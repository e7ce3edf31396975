"""Accounts and calls at any block."""

from dataclasses import replace

from chain.call import CallRequest, call, estimate_gas
from chain.primitives.units import Address, Hash32
from chain.staking import code_of
from net.rpc.calls import call_kind
from net.rpc.encoding import Json, data, quantity
from net.rpc.errors import REVERTED, RpcError
from net.rpc.kinds import (
    ADDRESS,
    BLOCK,
    DATA_SCHEMA,
    HASH_SCHEMA,
    QUANTITY_SCHEMA,
    SLOT,
    Selector,
    Tag,
    list_kind,
)
from net.rpc.methods.results import PROOF
from net.rpc.objects import proof_json
from net.rpc.registry import Method, Param, Where
from net.rpc.services import Services


def state_methods(services: Services) -> list[Method]:
    """Return the methods that read the state."""
    blocks, pool, params = services.blocks, services.parts.pool, services.params

    def get_balance(address: Address, selector: Selector) -> Json:
        return quantity(blocks.state(selector).account(address).balance)

    def get_transaction_count(address: Address, selector: Selector) -> Json:
        nonce = blocks.state(selector).account(address).nonce
        return quantity(max(nonce, pool.next_nonce(address)) if selector is Tag.PENDING else nonce)

    def get_code(address: Address, selector: Selector) -> Json:
        return data(code_of(blocks.state(selector).account(address)))

    def get_storage_at(address: Address, slot: Hash32, selector: Selector) -> Json:
        return data(blocks.state(selector).storage(address, slot).to_bytes(32, "big"))

    def get_proof(address: Address, slots: tuple[Hash32, ...], selector: Selector) -> Json:
        asked = tuple(dict.fromkeys(slots))
        return proof_json(blocks.state(selector).prove(address, asked), slots)

    def run_call(request: CallRequest, selector: Selector) -> Json:
        block = blocks.require(selector)
        result = call(services.parts.chain.state(block), params, replace(request, height=block.height + 1))
        if not result.succeeded:
            text = f"execution reverted: {result.reason}" if result.reason else "execution reverted"
            raise RpcError(REVERTED, text, data(result.output))
        return data(result.output)

    def estimate(request: CallRequest, selector: Selector) -> Json:
        block = blocks.require(selector)
        wanted = replace(request, height=block.height + 1)
        return quantity(estimate_gas(services.parts.chain.state(block), params, wanted))

    address, block = Param("address", ADDRESS), Param("block", BLOCK, Tag.LATEST)
    slots = Param("storageKeys", list_kind("StorageSlots", SLOT, services.limits.proof_slots), ())
    transaction = Param("transaction", call_kind(services.limits))
    return [
        Method("eth_getBalance", "Balance in wei", (address, block), QUANTITY_SCHEMA, get_balance),
        Method(
            "eth_getTransactionCount",
            "Number of transactions sent; at `pending` with those that wait",
            (address, block),
            QUANTITY_SCHEMA,
            get_transaction_count,
        ),
        Method("eth_getCode", "The staking account's marker, else 0x", (address, block), DATA_SCHEMA, get_code),
        Method(
            "eth_getStorageAt",
            "Value of a storage slot",
            (address, Param("slot", SLOT), block),
            HASH_SCHEMA,
            get_storage_at,
        ),
        Method(
            "eth_getProof",
            "Merkle proofs of an account and of slots of its storage",
            (address, slots, block),
            PROOF,
            get_proof,
            Where.WORKER,
        ),
        Method(
            "eth_call",
            "What a call would return: only the staking account answers",
            (transaction, block),
            DATA_SCHEMA,
            run_call,
            Where.WORKER,
        ),
        Method(
            "eth_estimateGas",
            "Gas that a transaction needs; exact",
            (transaction, block),
            QUANTITY_SCHEMA,
            estimate,
            Where.WORKER,
        ),
    ]

"""The description of a call: what `eth_call` and `eth_estimateGas` take."""

from chain.call import CallRequest
from chain.primitives.units import ZERO_ADDRESS, Gas, Wei
from chain.transaction import AccessEntry
from net.rpc.encoding import Json
from net.rpc.errors import failed, invalid_params
from net.rpc.kinds import (
    ADDRESS_SCHEMA,
    DATA_SCHEMA,
    HASH_SCHEMA,
    QUANTITY_SCHEMA,
    UINT64_MAX,
    decode_address,
    decode_data,
    decode_hash,
    decode_quantity,
)
from net.rpc.policy import RpcLimits
from net.rpc.registry import Kind

CALL_SCHEMA: dict[str, Json] = {
    "type": "object",
    "title": "transaction to try; members not named here are ignored",
    "properties": {
        "from": ADDRESS_SCHEMA,
        "to": ADDRESS_SCHEMA,
        "gas": QUANTITY_SCHEMA,
        "gasPrice": QUANTITY_SCHEMA,
        "maxFeePerGas": QUANTITY_SCHEMA,
        "maxPriorityFeePerGas": QUANTITY_SCHEMA,
        "value": QUANTITY_SCHEMA,
        "input": DATA_SCHEMA,
        "data": DATA_SCHEMA,
        "nonce": QUANTITY_SCHEMA,
        "accessList": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"address": ADDRESS_SCHEMA, "storageKeys": {"type": "array", "items": HASH_SCHEMA}},
            },
        },
    },
}


def call_kind(limits: RpcLimits) -> Kind:
    """Return the kind of calls whose data keeps to the limits; the method fills in the height."""

    def decode(value: object) -> CallRequest:
        if not isinstance(value, dict):
            raise invalid_params("invalid argument: a transaction object expected")
        return _decode(value, limits)

    return Kind("Call", CALL_SCHEMA, decode)


def _decode(value: dict[str, object], limits: RpcLimits) -> CallRequest:
    price = _number(value, "gasPrice")
    cap = _number(value, "maxFeePerGas")
    tip = _number(value, "maxPriorityFeePerGas")
    if price is not None and (cap is not None or tip is not None):
        raise failed("both gasPrice and (maxFeePerGas or maxPriorityFeePerGas) specified")
    if cap is not None and tip is not None and tip > cap:
        raise failed("max priority fee per gas higher than max fee per gas")
    gas = _number(value, "gas", maximum=UINT64_MAX)
    sender, to = value.get("from"), value.get("to")
    return CallRequest(
        sender=ZERO_ADDRESS if sender is None else decode_address(sender),
        to=None if to is None else decode_address(to),
        value=Wei(_number(value, "value") or 0),
        data=_data(value, limits),
        gas=None if gas is None else Gas(gas),
        access_list=_access_list(value.get("accessList"), limits),
        height=0,
    )


def _number(value: dict[str, object], member: str, *, maximum: int = 2**256 - 1) -> int | None:
    given = value.get(member)
    return None if given is None else decode_quantity(given, maximum=maximum, lenient=True)


def _data(value: dict[str, object], limits: RpcLimits) -> bytes:
    """`input` is the name of today, `data` the one of old; cast sends both."""
    given = [
        decode_data(value[member], max_bytes=limits.call_data_bytes)
        for member in ("input", "data")
        if value.get(member) is not None
    ]
    if len(given) == 2 and given[0] != given[1]:
        raise failed('both "data" and "input" are set and not equal. Please use "input" to pass transaction call data')
    return given[0] if given else b""


def _access_list(value: object, limits: RpcLimits) -> tuple[AccessEntry, ...]:
    if value is None:
        return ()
    if not isinstance(value, list):
        raise invalid_params("invalid argument: accessList must be an array")
    entries = []
    parts = 0
    for entry in value:
        if not isinstance(entry, dict):
            raise invalid_params("invalid argument: accessList has objects of address and storageKeys")
        keys = entry.get("storageKeys")
        if keys is not None and not isinstance(keys, list):
            raise invalid_params("invalid argument: storageKeys must be an array")
        parts += 1 + len(keys or ())
        if parts > limits.access_list_parts:
            raise invalid_params(f"invalid argument: accessList has over {limits.access_list_parts} parts")
        slots = tuple(decode_hash(key) for key in keys or ())
        entries.append(AccessEntry(decode_address(entry.get("address")), slots))
    return tuple(entries)

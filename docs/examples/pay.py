"""Pay one coin on a running devnet with web3.py, and show the receipt: `python docs/examples/pay.py [RPC URL]`."""

import sys

from web3 import Web3

MNEMONIC = "test test test test test test test test test test test junk"
RECEIVER = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"


def main(url: str) -> None:
    """Send a type 2 payment from the first developer account and wait until it is mined."""
    w3 = Web3(Web3.HTTPProvider(url))
    w3.eth.account.enable_unaudited_hdwallet_features()
    me = w3.eth.account.from_mnemonic(MNEMONIC)
    signed = me.sign_transaction(
        {
            "type": 2,
            "chainId": w3.eth.chain_id,
            "nonce": w3.eth.get_transaction_count(me.address, "pending"),
            "to": RECEIVER,
            "value": 10**18,
            "gas": 21_000,
            "maxPriorityFeePerGas": w3.eth.max_priority_fee,
            "maxFeePerGas": 2 * w3.eth.gas_price,
        }
    )
    tx_hash = w3.eth.send_raw_transaction(signed.raw_transaction)
    print(f"sent {tx_hash.to_0x_hex()}, waiting for a block ...")
    receipt = w3.eth.wait_for_transaction_receipt(tx_hash, timeout=180)
    print(f"block {receipt['blockNumber']}, status {receipt['status']}, gas {receipt['gasUsed']}")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8545")

"""What a wallet library is given to play against a real node: accounts, the staking account, a validator's proof."""

from dataclasses import dataclass

from coincurve import PrivateKey
from eth_account import Account
from eth_account.signers.local import LocalAccount

from chain.primitives.units import Address
from cli.staking.keys import prove_possession
from tests.helpers.processes import NodeProcess

DEVNET_CHAIN_ID = 156_900
MNEMONIC = "test test test test test test test test test test test junk"
STAKE = 10**18
"""The least that devnet takes."""

VALUE = 10**15
"""Wei of each transfer; the scripts know it too."""


def prefunded(number: int) -> LocalAccount:
    """Return one of the ten accounts that have money from the start."""
    Account.enable_unaudited_hdwallet_features()
    account: LocalAccount = Account.from_mnemonic(MNEMONIC, account_path=f"m/44'/60'/0'/0/{number}")
    return account


@dataclass(frozen=True, slots=True)
class Task:
    """One client's run."""

    node: NodeProcess
    private_key: str
    address: str
    poor_key: str
    """Key of an account without money."""
    receiver: str
    """Account that only this client pays to."""
    staking: object
    """Address and ABI, as the node tells them."""
    validator_key: str
    proof: str

    def as_json(self) -> dict[str, object]:
        """Return the task as the scripts read it."""
        return {
            "url": self.node.rpc.url,
            "ws": f"ws://127.0.0.1:{self.node.rpc_port}/ws",
            "chainId": DEVNET_CHAIN_ID,
            "privateKey": self.private_key,
            "address": self.address,
            "poorKey": self.poor_key,
            "receiver": self.receiver,
            "staking": self.staking,
            "minStake": str(STAKE),
            "validatorKey": self.validator_key,
            "proof": self.proof,
        }


def make_task(node: NodeProcess, number: int) -> Task:
    """Return the task of a prefunded account; all else about it follows from its number."""
    account = prefunded(number)
    validator = PrivateKey((5_000 + number).to_bytes(32, "big"))
    depositor = Address(bytes.fromhex(account.address[2:]))
    poor, receiver = (Account.from_key((base + number).to_bytes(32, "big")) for base in (6_000, 7_000))
    return Task(
        node=node,
        private_key="0x" + bytes(account.key).hex(),
        address=account.address,
        poor_key="0x" + bytes(poor.key).hex(),
        receiver=receiver.address,
        staking=node.rpc.call("mappemonde_staking"),
        validator_key="0x" + validator.public_key.format().hex(),
        proof="0x" + prove_possession(validator, DEVNET_CHAIN_ID, depositor).hex(),
    )

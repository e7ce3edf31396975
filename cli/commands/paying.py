"""What paying commands share: options, the wallet and node behind them, the question, the signature, the wait."""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import wraps
from pathlib import Path

import click

from chain.primitives.hashing import keccak256
from chain.primitives.units import Address, Hash32, Wei
from cli.commands.options import json_option, rpc_option
from cli.commands.progress_line import clear_line, show_line
from cli.datadir import user_path
from cli.rpc_client import RpcClient, quantity
from cli.wallet.addresses import format_address, parse_address
from cli.wallet.amounts import format_coins, format_gwei, parse_gwei
from cli.wallet.errors import BadAmount, NoPassword, TransactionRefused
from cli.wallet.keystore import Keystore, StoredAccount, default_wallet
from cli.wallet.secrets_in import at_terminal, password
from cli.wallet.transactions import (
    CHAIN_IDS,
    Draft,
    Waiting,
    check_chain,
    draft_transaction,
    network_of,
    next_nonce,
    send_transaction,
    sign_transaction,
    wait_for_receipt,
)

WAIT_SECONDS = 900
"""Default of `--timeout`: seven mean blocks of mainnet."""

wallet_option = click.option(
    "--wallet",
    "wallet",
    type=click.Path(path_type=Path),
    envvar="MAPPEMONDE_WALLET",
    help="Directory of the key files (default: mappemonde/wallet under the user's data).",
)
password_option = click.option(
    "--password-file",
    type=click.Path(path_type=Path),
    help="File whose first line is the account's password (default: ask).",
)
_PAYING = (
    click.option("--from", "sender", help="Account that pays (default: the only one in the wallet)."),
    wallet_option,
    password_option,
    click.option("--tip", help="Highest tip per gas, gwei (default: what the node advises)."),
    click.option("--max-fee", help="Highest fee per gas, gwei (default: twice the base fee, and the tip)."),
    click.option(
        "--nonce",
        type=click.IntRange(0, (1 << 63) - 1),
        help="Replace the waiting transaction of this nonce, by fees at least 10 % higher (default: the next nonce).",
    ),
    click.option(
        "--network",
        type=click.Choice(tuple(CHAIN_IDS)),
        help="Refuse to sign unless the node is on this network (default: any of the three).",
    ),
    rpc_option,
    click.option("--yes", is_flag=True, help="Do not ask: for scripts."),
    click.option("--no-wait", is_flag=True, help="Do not wait for the receipt."),
    click.option(
        "--timeout", type=click.IntRange(1), default=WAIT_SECONDS, show_default=True, help="Longest wait, seconds."
    ),
    json_option,
)
"""Options of every paying command, as its help lists them."""


@dataclass(frozen=True, slots=True)
class Manner:
    """How a transaction is confirmed, waited for and told of."""

    yes: bool
    no_wait: bool
    timeout: int
    as_json: bool


@dataclass(frozen=True, slots=True)
class Fees:
    """What the options say of fees, in gwei as they were written, and of the nonce; None leaves it to the node."""

    tip: str | None
    max_fee: str | None
    nonce: int | None

    @property
    def tip_wei(self) -> Wei | None:
        """Highest tip per gas. Raises `BadAmount`."""
        return None if self.tip is None else parse_gwei(self.tip)

    @property
    def max_fee_wei(self) -> Wei | None:
        """Highest fee per gas. Raises `BadAmount`."""
        return None if self.max_fee is None else parse_gwei(self.max_fee)

    def check(self) -> None:
        """Raise `BadAmount` for what is no fee, or a tip over the highest fee."""
        tip, most = self.tip_wei, self.max_fee_wei
        if tip is not None and most is not None and tip > most:
            raise BadAmount(f"the tip of {self.tip} gwei is over the highest fee of {self.max_fee} gwei")


@dataclass(frozen=True, slots=True)
class Terms:
    """What the options of a paying command said; nothing is read or asked for before `open`."""

    sender: str | None
    wallet: Path | None
    password_file: Path | None
    fees: "Fees"
    network: str | None
    rpc: str
    manner: Manner

    def open(self) -> "Payer":
        """Find the account that pays and ask the node for its chain.

        Raises `NoSuchAccount`, `BadAddress`, `BadAmount`, `WrongChain`, or what `RpcClient` raises.
        """
        self.fees.check()
        store = keystore_of(self.wallet)
        account = store.find(None if self.sender is None else parse_address(self.sender))
        client = RpcClient(self.rpc)
        return Payer(
            store, account, client, check_chain(client, self.network), self.password_file, self.fees, self.manner
        )


@dataclass(frozen=True, slots=True)
class Payer:
    """An account of a wallet, the node it pays through, and how it is asked and told."""

    store: Keystore
    account: StoredAccount
    client: RpcClient
    chain_id: int
    password_file: Path | None
    fees: Fees
    manner: Manner

    def unasked(self) -> "Payer":
        """Return the same payer for a payment that was confirmed before, the next after one with a nonce of its own."""
        return replace(self, fees=replace(self.fees, nonce=None), manner=replace(self.manner, yes=True))

    def pay(
        self,
        purpose: str,
        *,
        to: Address,
        value: Wei,
        data: bytes = b"",
    ) -> dict[str, object] | None:
        """Draft, confirm, sign, send and wait; return the facts of the receipt, None if it was not waited for.

        Raises the errors of `cli.wallet` that name what was wrong.
        """
        draft = draft_transaction(
            self.client,
            self.chain_id,
            sender=self.account.address,
            to=to,
            value=value,
            data=data,
            tip=self.fees.tip_wei,
            max_fee=self.fees.max_fee_wei,
            nonce=self.fees.nonce,
        )
        return _send(self, draft, purpose)

    def tell(self, facts: Mapping[str, object], text: str) -> None:
        """Print the outcome: JSON or a line."""
        if self.manner.as_json:
            click.echo(json.dumps(facts))
        elif text:
            click.echo(text)


def paying_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of paying; it takes them together as `terms`."""

    @wraps(command)
    def taken(
        *,
        sender: str | None,
        wallet: Path | None,
        password_file: Path | None,
        tip: str | None,
        max_fee: str | None,
        nonce: int | None,
        network: str | None,
        rpc: str,
        yes: bool,
        no_wait: bool,
        timeout: int,
        as_json: bool,
        **own: object,
    ) -> None:
        manner = Manner(yes, no_wait, timeout, as_json)
        command(terms=Terms(sender, wallet, password_file, Fees(tip, max_fee, nonce), network, rpc, manner), **own)

    for option in reversed(_PAYING):
        taken = option(taken)
    return taken


def keystore_of(wallet: Path | None) -> Keystore:
    """Return the wallet at a directory, or the user's."""
    return Keystore(user_path(wallet) if wallet is not None else default_wallet())


def confirm(question: str, *, yes: bool) -> None:
    """Ask whether to go on; raises `click.Abort` on a no, `NoPassword` where nobody can be asked."""
    if yes:
        return
    if not at_terminal():
        raise NoPassword("standard input is no terminal to confirm at: give --yes")
    click.confirm(question, abort=True, err=True)


def _send(payer: Payer, draft: Draft, purpose: str) -> dict[str, object] | None:
    account, manner = payer.account, payer.manner
    _show(draft, purpose)
    confirm("Sign and send?", yes=manner.yes)
    secret = password(payer.password_file, f"Password of {format_address(account.address)}")
    key = payer.store.unlock(account, secret)
    with payer.store.turn(account):
        draft = _renumbered(payer, draft)
        raw = sign_transaction(draft, key)
        # Told before it goes: whoever interrupts the command here can look whether it went.
        click.echo(f"signed 0x{keccak256(raw).hex()}", err=True)
        tx_hash = send_transaction(payer.client, raw)
    click.echo("sent", err=True)
    if manner.no_wait:
        payer.tell({"transactionHash": "0x" + tx_hash.hex(), "mined": False}, "")
        return None
    waiting = Waiting(float(manner.timeout), time.sleep, time.monotonic, _progress)
    try:
        return _receipt_facts(wait_for_receipt(payer.client, tx_hash, draft, waiting), tx_hash, draft)
    finally:
        clear_line()


def _renumbered(payer: Payer, draft: Draft) -> Draft:
    """Return the draft with the nonce that is the next by now: with the old one it would replace another payment, which
    was sent while the question or the password waited. Raises `TransactionRefused` if a nonce was shown and agreed to.
    """
    nonce = draft.nonce if payer.fees.nonce is not None else next_nonce(payer.client, draft.sender)
    if nonce != draft.nonce and not payer.manner.yes:
        raise TransactionRefused(
            f"another transaction of {format_address(draft.sender)} was sent meanwhile (the next nonce is {nonce} now, "
            f"not {draft.nonce}); nothing was sent by this command"
        )
    if nonce != draft.nonce:
        click.echo(f"  nonce    {nonce}: another transaction was sent meanwhile", err=True)
    return replace(draft, nonce=nonce)


def _receipt_facts(receipt: Mapping[str, object], tx_hash: Hash32, draft: Draft) -> dict[str, object]:
    # numbers of wei as decimal texts: exact in any reader
    fee = quantity(receipt["gasUsed"]) * quantity(receipt["effectiveGasPrice"])
    return {
        "transactionHash": "0x" + tx_hash.hex(),
        "mined": True,
        "blockNumber": quantity(receipt["blockNumber"]),
        "from": format_address(draft.sender),
        "to": format_address(draft.to),
        "valueWei": str(draft.value),
        "feeWei": str(fee),
    }


def mined_line(facts: Mapping[str, object]) -> str:
    """Return the line of a mined transaction."""
    return f"mined in block {facts['blockNumber']}, fee {format_coins(int(str(facts['feeWei'])))}"


def balance_of(client: RpcClient, address: Address) -> Wei:
    """Return an account's balance at the head."""
    return Wei(client.number("eth_getBalance", format_address(address), "latest"))


def _show(draft: Draft, purpose: str) -> None:
    lines = [
        purpose,
        f"  from     {format_address(draft.sender)}",
        f"  to       {format_address(draft.to)}",
        f"  amount   {format_coins(draft.value)}",
        f"  fee      about {format_coins(draft.likely_fee)}, at most {format_coins(draft.most_fee)}",
        f"           gas {draft.gas}, base fee {format_gwei(draft.base_fee)}, tip {format_gwei(draft.tip)}",
        f"  network  {network_of(draft.chain_id)} (chain id {draft.chain_id}), nonce {draft.nonce}",
    ]
    if draft.max_fee < draft.base_fee:
        lines.append(
            "  note     the highest fee is under the base fee: it waits till that has fallen, if it is taken at all"
        )
    for line in lines:
        click.echo(line, err=True)


def _progress(height: int, waited: float) -> None:
    show_line(f"waiting for block {height + 1} ({waited:.0f} s)")

"""What can be wrong with a wallet, a password, an amount or a transaction: one name for each."""

from chain.primitives.errors import NodeError
from cli.exit_codes import ExitCode


class WalletError(NodeError):
    """Something about keys or transactions that the user can mend; exit code 6 unless the class says otherwise."""

    exit_code = ExitCode.REFUSED


class WrongPassword(WalletError):
    """The password does not open the key file."""


class NoPassword(WalletError):
    """No password was given, and nobody can be asked: standard input is no terminal."""

    exit_code = ExitCode.USAGE


class BadMnemonic(WalletError):
    """The words are no BIP-39 mnemonic: one is misspelt, missing, or in the wrong place."""


class BadKey(WalletError):
    """A private key is not 64 hex digits, or not in the range of the curve."""


class BadKeyFile(WalletError):
    """A file is no keystore (version 3), is damaged, or is for another use."""


class BadAddress(WalletError):
    """An address is not 0x and 40 hex digits, or its checksum (EIP-55) does not fit."""

    exit_code = ExitCode.USAGE


class BadAmount(WalletError):
    """An amount is no number, has more decimals than its unit, or is out of range."""

    exit_code = ExitCode.USAGE


class NoSuchAccount(WalletError):
    """The wallet has no account of this address, or several and none was named."""


class AccountExists(WalletError):
    """The wallet has this account already; nothing is overwritten."""


class WrongChain(WalletError):
    """The node follows another chain than the one that was meant."""


class InsufficientFunds(WalletError):
    """The account cannot pay amount and fee."""


class CallRefused(WalletError):
    """The staking account would revert the call; the text quotes its reason."""


class TransactionRefused(WalletError):
    """The node did not take the transaction; the text quotes the rule."""


class TransactionFailed(WalletError):
    """The transaction was mined and reverted; the fee is spent."""


class TransactionLost(WalletError):
    """Another transaction took the nonce, or the node forgot the transaction."""


class FeeTooHigh(WalletError):
    """The fee that the node advises is beyond all reason, and nobody has asked for it."""


class Unanswered(WalletError):
    """The node had the transaction in its hands and gave no usable answer: it may be mined, or never."""

    exit_code = ExitCode.RPC


class NotMined(WalletError):
    """The transaction still waits when the time is over; it may be mined later."""

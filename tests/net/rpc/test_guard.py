import pytest
from hypothesis import given
from hypothesis import strategies as st

from chain.primitives.units import Millis
from net.rpc.guard import BYTES_A_CALL, Connections, Doorman, RateLimiter, client_of, host_of, is_loopback
from net.rpc.policy import RpcPolicy


@pytest.mark.parametrize(
    ("header", "host"),
    [
        ("localhost", "localhost"),
        ("Localhost:8545", "localhost"),
        ("[::1]:8545", "::1"),
        ("[fe80::1]", "fe80::1"),
        ("::1", "::1"),
        ("a:b:c", "a:b:c"),
        ("", ""),
    ],
)
def test_host_of(header: str, host: str) -> None:
    assert host_of(header) == host


@given(st.text(max_size=50))
def test_any_host_header_is_judged(header: str) -> None:
    door = Doorman(RpcPolicy())
    assert door.host_allowed(header) in (True, False)
    assert door.origin_allowed(header, header) in (True, False)
    assert not door.is_admin(header)


def test_a_token_must_be_a_secret() -> None:
    with pytest.raises(ValueError, match="under 32 characters"):
        Doorman(RpcPolicy(admin_token="short"))


def test_addresses_are_counted_by_customer() -> None:
    assert client_of("2001:db8:1:2:3:4:5:6") == client_of("2001:db8:1:2:ffff::1") != client_of("2001:db8:1:3::1")
    assert client_of("::ffff:10.0.0.1") == client_of("10.0.0.1") == "10.0.0.1"
    assert client_of("fe80::1%eth0") == client_of("fe80::2")
    assert client_of("") == ""
    assert is_loopback("127.9.9.9")
    assert is_loopback("::1")
    assert is_loopback("::ffff:127.0.0.1")
    assert not is_loopback("10.0.0.1")
    assert not is_loopback("")


def test_tokens_come_back_with_time() -> None:
    rates = RateLimiter(10, 20, addresses=2)
    now = Millis(0)
    assert rates.take("a", 20, now)
    assert not rates.take("a", 1, now)
    assert rates.take("b", 1, now)
    assert not rates.take("a", 2, Millis(100))
    assert rates.take("a", 1, Millis(100))
    assert rates.take("a", 20, Millis(10_000))
    assert not rates.take("a", 1, Millis(5_000)), "a clock that goes back gives no tokens"
    assert rates.refused == 4


def test_long_answers_count_as_calls_and_may_lead_into_debt() -> None:
    rates = RateLimiter(10, 20, addresses=2)
    now = Millis(0)
    rates.charge("a", BYTES_A_CALL - 1, now)
    assert rates.take("a", 19, now)
    rates.charge("a", 5 * BYTES_A_CALL, now)
    assert not rates.take("a", 1, Millis(400)), "one left, five charged, four come back"
    assert rates.take("a", 1, Millis(500))
    rates.charge("a", 10**9, Millis(500))
    assert not rates.take("a", 1, Millis(2_500))
    assert rates.take("a", 1, Millis(2_600)), "a debt is a burst at most"


def test_the_table_of_rates_is_bounded() -> None:
    rates = RateLimiter(1, 1, addresses=3)
    for number in range(100):
        rates.take(str(number), 1, Millis(0))
    assert len(rates._buckets) == 3


def test_connections_by_address() -> None:
    counted = Connections(5, 2)
    assert [counted.enter("10.0.0.1") for _ in range(3)] == [True, True, False]
    assert [counted.enter("127.0.0.1") for _ in range(3)] == [True, True, True]
    assert not counted.enter("10.0.0.2")
    counted.leave("10.0.0.1")
    assert counted.enter("10.0.0.1")
    assert (counted.open, counted.refused) == (5, 2)

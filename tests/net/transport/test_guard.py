"""A real aiortc peer that breaks the rules costs itself its link, and the loop stays responsive."""

import asyncio
import gc
import socket

import pytest
from aioice import stun
from aiortc import rtcsctptransport as aiortc_sctp

from net.core.effects import Priority, Role
from net.transport.guard import CHUNKS_WAITING_MAX, CLOSED, UNFINISHED_MAX, WINDOW_CHUNKS
from net.transport.ice import DATAGRAM_MAX
from net.transport.webrtc import Link
from tests.helpers.transport import LOOPBACK, Foreign, Owner, Pair, Sender, Stopwatch, until

BLOCKED_MAX = 0.25
"""Longest stall of the loop that these tests allow, in seconds; an unguarded 4 MiB message blocks it for 1.2 s."""


async def endless_message(foreign: Foreign) -> None:
    """One message of 4 MiB: aiortc's own sender checks only what we advertised."""
    foreign.sctp._remote_max_message_size = 0
    foreign.channel.send(bytes(4 * 1024 * 1024))


async def endless_small_fragments(foreign: Foreign) -> None:
    for number in range(4 * CHUNKS_WAITING_MAX):
        await send_data(foreign, number, b"x", flags=aiortc_sctp.SCTP_DATA_FIRST_FRAG if number == 0 else 0)


async def a_gap_that_never_closes(foreign: Foreign) -> None:
    for number in range(1, 400):
        await send_data(foreign, number, bytes(1100), flags=3, sequence=number)


async def a_second_channel(foreign: Foreign) -> None:
    foreign.peer.createDataChannel("second")


async def a_thousand_channels(foreign: Foreign) -> None:
    for number in range(1000):
        foreign.peer.createDataChannel(f"channel {number}")


async def a_text_message(foreign: Foreign) -> None:
    foreign.channel.send("text")


async def unordered(foreign: Foreign) -> None:
    await send_data(foreign, 0, b"x", flags=3 | aiortc_sctp.SCTP_DATA_UNORDERED)


async def wide_gaps(foreign: Foreign) -> None:
    """Twenty million TSNs in one packet."""
    sack = aiortc_sctp.SackChunk()
    sack.cumulative_tsn = foreign.sctp._last_received_tsn
    sack.gaps = [(1, 65535)] * 250
    await foreign.sctp._send_chunk(sack)


async def forward_tsn(foreign: Foreign) -> None:
    chunk = aiortc_sctp.ForwardTsnChunk()
    chunk.cumulative_tsn = foreign.sctp._local_tsn + 10
    chunk.streams = [(number, 1) for number in range(250)]
    await foreign.sctp._send_chunk(chunk)


async def a_truncated_chunk(foreign: Foreign) -> None:
    """A DATA chunk of two bytes: the parser of aiortc 1.16 raises struct.error."""
    await foreign.sctp._send_chunk(_Raw(body=b"\x00\x03\x00\x06xx\x00\x00"))


async def a_parameter_without_length(foreign: Foreign) -> None:
    """A HEARTBEAT of eight bytes: the parser of aiortc 1.16 takes its parameter again and again, for ever."""
    await foreign.sctp._send_chunk(_Raw(body=b"\x04\x00\x00\x08\x00\x01\x00\x00"))


async def an_init_with_a_parameter_without_length(foreign: Foreign) -> None:
    await foreign.sctp._send_chunk(_Raw(body=b"\x01\x00\x00\x18" + bytes(16) + b"\x00\x01\x00\x00"))


class _Raw(aiortc_sctp.Chunk):
    def __bytes__(self) -> bytes:
        return self.body

    def __repr__(self) -> str:
        return "raw"


async def send_data(foreign: Foreign, number: int, data: bytes, *, flags: int, sequence: int = 0) -> None:
    chunk = aiortc_sctp.DataChunk(flags=flags)
    chunk.tsn = (foreign.sctp._local_tsn + number) % 2**32
    chunk.stream_id, chunk.stream_seq, chunk.protocol = 0, sequence, aiortc_sctp.WEBRTC_BINARY
    chunk.user_data = data
    await foreign.sctp._send_chunk(chunk)
    if number % 16 == 0:
        await asyncio.sleep(0)


@pytest.mark.parametrize(
    ("misbehave", "reason"),
    [
        (endless_message, "endless message"),
        (endless_small_fragments, "too much waits"),
        (a_gap_that_never_closes, "too much waits"),
        (a_second_channel, "second channel"),
        (a_thousand_channels, "second channel"),
        (a_text_message, "not binary"),
        (unordered, "unordered"),
        (wide_gaps, "never sent"),
        (forward_tsn, "skipped"),
        (a_truncated_chunk, "in SCTP"),
        (a_parameter_without_length, "without length"),
        (an_init_with_a_parameter_without_length, "without length"),
    ],
)
async def test_a_peer_that_breaks_a_rule_loses_its_link(
    misbehave: Sender, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with Foreign(Role.ANSWERER) as foreign, Stopwatch() as watch:
        await misbehave(foreign)
        await until(lambda: foreign.owner.reason is not None)
        assert foreign.owner.reason is not None
        assert foreign.owner.reason.startswith("fault: ")
        assert reason in foreign.owner.reason
        assert foreign.owner.frames == []
        sctp = foreign.link._sctp
        assert sum(len(c.user_data) for s in sctp._inbound_streams.values() for c in s.reassembly) <= 300_000
        assert len(sctp._data_channels) <= 1
    assert watch.longest < BLOCKED_MAX
    gc.collect()  # a task that failed unseen would be logged here
    assert [record.getMessage() for record in caplog.records] == [], "a peer must not be able to fill the log"


async def whole_messages_behind_a_gap(foreign: Foreign) -> None:
    """Old sequence numbers: nothing waits to be put in order, but every TSN behind the gap is remembered and sorted."""
    for number in range(1, 2000):
        await send_data(foreign, number, b"x", flags=3)


async def many_wide_gaps(foreign: Foreign) -> None:
    """A thousand TSNs in each of many acknowledgements: none of them was sent."""
    sack = aiortc_sctp.SackChunk()
    sack.cumulative_tsn = foreign.sctp._last_received_tsn
    sack.gaps = [(1, 1000)]
    await foreign.sctp._send_chunk(sack)


@pytest.mark.parametrize(
    ("misbehave", "reason"), [(whole_messages_behind_a_gap, "too much waits"), (many_wide_gaps, "never sent")]
)
async def test_what_costs_more_with_every_packet_ends_the_link(misbehave: Sender, reason: str) -> None:
    async with Foreign(Role.ANSWERER) as foreign:
        await misbehave(foreign)
        await until(lambda: foreign.owner.reason is not None, seconds=3)
        assert foreign.owner.reason is not None
        assert reason in foreign.owner.reason
        assert len(foreign.link._sctp._sack_misordered) <= CHUNKS_WAITING_MAX + 1


async def closes_its_channel(foreign: Foreign) -> None:
    foreign.channel.close()


async def aborts(foreign: Foreign) -> None:
    await foreign.sctp._abort()


@pytest.mark.parametrize("leave", [closes_its_channel, aborts])
async def test_a_peer_that_leaves_closes_the_link(leave: Sender) -> None:
    async with Foreign(Role.OFFERER) as foreign:
        await leave(foreign)
        await until(lambda: foreign.owner.reason is not None)
        assert foreign.owner.reason == CLOSED


async def test_the_largest_message_that_is_allowed_arrives() -> None:
    async with Foreign(Role.OFFERER) as foreign:
        foreign.channel.send(bytes(UNFINISHED_MAX))
        await until(lambda: bool(foreign.owner.frames))
        assert len(foreign.owner.frames[0]) == UNFINISHED_MAX
        assert foreign.owner.reason is None


async def test_lost_packets_do_not_make_an_honest_peer_guilty() -> None:
    """Every 50th datagram vanishes; with no window the receiver would hold more than its limit."""
    async with Pair() as pair:
        protocol = pair.answerer._ice._connection._protocols[0]
        received, count = protocol.datagram_received, 0

        def lossy(data: bytes | str, addr: tuple[object, ...]) -> None:
            nonlocal count
            count += 1
            if count % 50:
                received(data, addr)

        protocol.datagram_received = lossy  # type: ignore[method-assign]  # a bad line
        sctp = pair.offerer._sctp
        for _ in range(60):
            pair.offerer.send(bytes(16 * 1024), Priority.BULK)
            assert sctp.unacknowledged() < WINDOW_CHUNKS + 15
        await until(lambda: len(pair.owners[1].frames) == 60, seconds=30)
        assert pair.owners[1].reason is None


async def test_a_timer_that_rings_while_a_link_is_closed_is_not_wound_again() -> None:
    """What is unacknowledged would be sent to nobody each second, for ever, and keep the link in memory."""
    async with Pair() as pair:
        sctp = pair.offerer._sctp
        pair.answerer._sctp.silence()  # as if its packets were lost
        pair.offerer.send(b"never acknowledged", Priority.CONTROL)
        await until(lambda: sctp._t3_handle is not None)
        stopping = asyncio.ensure_future(sctp.stop())
        sctp._t3_cancel()
        sctp._t3_expired()  # its sending is a task, behind the one that stops
        await stopping
        await asyncio.sleep(0)
        assert sctp._t3_handle is None


async def test_strangers_cannot_fill_the_queue_of_a_link_that_waits_for_its_answer() -> None:
    link = Link(Role.OFFERER, LOOPBACK, Owner())
    await link.offer()
    connection = link._ice._connection
    host, port = connection._protocols[0].transport.get_extra_info("sockname")[:2]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        for _ in range(20):
            stranger.sendto(b"\x00" * 100, (host, port))  # begins like STUN, and is none
        ask = stun.Message(stun.Method.BINDING, stun.Class.REQUEST)
        stranger.sendto(bytes(ask), (host, port))
        answer = await asyncio.get_running_loop().run_in_executor(None, stranger.recv, 1500)  # so all came in
        assert stun.parse_message(answer).transaction_id == ask.transaction_id
    assert connection._queue.qsize() == 0
    await link.close()


async def test_many_small_frames_do_not_make_an_honest_peer_guilty() -> None:
    """A thousand frames in one turn of the loop: were one lost, all behind it would wait at the receiver."""
    async with Pair() as pair:
        sctp = pair.offerer._sctp
        sctp._cwnd = 1 << 20  # as after a while of large blocks
        most, transmit = 0, sctp._transmit

        async def watched() -> None:
            nonlocal most
            await transmit()
            most = max(most, (sctp._local_tsn - 1 - sctp._last_sacked_tsn) % 2**32)

        sctp._transmit = watched  # type: ignore[method-assign]  # to see the most
        for _ in range(1000):
            pair.offerer.send(b"an announcement", Priority.TRANSACTION)
        await until(lambda: len(pair.owners[1].frames) == 1000)
        assert most < WINDOW_CHUNKS + 15


async def test_datagrams_from_strangers_and_of_odd_sizes_are_dropped() -> None:
    async with Pair() as pair:
        connection = pair.answerer._ice._connection
        host, port = connection._protocols[0].transport.get_extra_info("sockname")[:2]
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
            # an empty one, DTLS-like garbage, too long, STUN with an attribute too short for its type (struct.error)
            bad = bytes.fromhex("000100082112a442") + b"t" * 12 + bytes.fromhex("0024000200000000")
            for datagram in (b"", b"\x16" * 100, b"\x16" * (DATAGRAM_MAX + 1), bad, b"\x00"):
                for _ in range(20):
                    stranger.sendto(datagram, (host, port))
        pair.offerer.send(b"still here", Priority.CONTROL)
        await until(lambda: bool(pair.owners[1].frames))
        assert pair.owners[1].reason is None
        assert len(connection._remote_candidates) == 1


async def test_an_error_of_ours_is_not_taken_for_the_peers() -> None:
    class Broken(RuntimeError):
        pass

    async with Pair() as pair:
        sctp = pair.answerer._sctp
        sctp._inbox.append(b"x")

        def broken(frame: bytes) -> None:
            raise Broken

        sctp._received = broken
        with pytest.raises(Broken):
            await sctp._handle_data(b"")

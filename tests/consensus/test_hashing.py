import threading

from chain.primitives.units import ZERO_HASH, Hash32
from consensus.hashing import HashThread, Solution, WorkDesk
from consensus.miner import SetWork
from consensus.seal import seal_hash
from tests.consensus.networks import DEVNET

EVERY = (1 << 256) - 1


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def work(prefix: bytes = b"header", *, limit: int = EVERY, job: Hash32 = ZERO_HASH, count: int = 1 << 20) -> SetWork:
    return SetWork(job, prefix, 0, count, limit)


def test_reports_are_true_falling_and_stop_with_the_desk() -> None:
    desk, found = WorkDesk(), list[Solution]()

    def report(solution: Solution) -> None:
        found.append(solution)
        if len(found) == 4:
            desk.close()

    thread = HashThread(DEVNET, desk, report, index=0, threads=1, monotonic=Clock())
    desk.set(work())
    thread.run()
    assert all(seal_hash(DEVNET, b"header" + solution.nonce) == solution.pow for solution in found)
    assert [solution.pow for solution in found] == sorted((solution.pow for solution in found), reverse=True)


def test_a_new_head_costs_no_further_hash() -> None:
    desk, seen = WorkDesk(), list[Solution]()

    def report(solution: Solution) -> None:
        seen.append(solution)
        if len(seen) == 1:
            desk.set(work(b"second", job=Hash32(b"\x01" * 32)))
        else:
            desk.close()

    thread = HashThread(DEVNET, desk, report, index=0, threads=1, monotonic=Clock())
    desk.set(work())
    thread.run()
    assert [solution.job_id[0] for solution in seen] == [0, 1]
    assert thread.hashes == 2


def test_the_same_job_with_a_lower_limit_goes_on_where_it_was() -> None:
    desk, seen = WorkDesk(), list[Solution]()

    def report(solution: Solution) -> None:
        seen.append(solution)
        if len(seen) == 3:
            desk.close()
        else:
            desk.set(work())

    thread = HashThread(DEVNET, desk, report, index=1, threads=2, monotonic=Clock())
    desk.set(work())
    thread.run()
    start = (1 << 20) // 2
    assert [int.from_bytes(solution.nonce, "big") for solution in seen] == [start, start + 1, start + 2]


def test_the_rate_limit_waits_between_hashes() -> None:
    desk, clock, seen = WorkDesk(), Clock(), list[float]()

    class Waiting(WorkDesk):
        def wait_while(self, work: SetWork | None, seconds: float) -> None:
            clock.now += seconds

    desk = Waiting()

    def report(_solution: Solution) -> None:
        seen.append(clock.now)
        if len(seen) == 5:
            desk.close()
        else:
            desk.set(work())

    thread = HashThread(DEVNET, desk, report, index=0, threads=1, monotonic=clock, hashes_per_second=10.0)
    desk.set(work(limit=EVERY))
    thread.run()
    assert thread.hashes == 5


def test_used_up_nonces_rest_and_a_closed_desk_ends_a_resting_thread() -> None:
    desk, seen = WorkDesk(), list[Solution]()
    thread = HashThread(DEVNET, desk, seen.append, index=0, threads=1, monotonic=Clock())
    desk.set(work(count=3, limit=0))
    runner = threading.Thread(target=thread.run)
    runner.start()
    desk.set(None)
    desk.close()
    runner.join(timeout=10)
    assert not runner.is_alive()
    assert thread.hashes <= 3


def test_shares_are_reported_whatever_was_found_before() -> None:
    desk, found = WorkDesk(), list[int]()

    def report(solution: Solution) -> None:
        found.append(solution.pow)
        if len(found) == 6:
            desk.close()

    thread = HashThread(DEVNET, desk, report, index=0, threads=1, monotonic=Clock())
    desk.set(SetWork(ZERO_HASH, b"header", 0, 1 << 20, limit=0, share_limit=EVERY))
    thread.run()
    assert len(found) == thread.hashes == 6
    assert found != sorted(found, reverse=True)

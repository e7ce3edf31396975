"""Owned tasks: the first failure is raised, and the end waits, then cancels."""

import asyncio

import pytest

from net.transport.tasks import OwnedTasks


async def fails() -> None:
    raise ZeroDivisionError


async def test_the_first_failure_is_raised() -> None:
    tasks = OwnedTasks()
    tasks.spawn(asyncio.sleep(0), "fine")
    tasks.spawn(fails(), "broken")
    with pytest.raises(ZeroDivisionError):
        await asyncio.wait_for(tasks.failure(), 1)
    tasks.fail(KeyError("later"))
    with pytest.raises(ZeroDivisionError):
        await tasks.failure()
    await tasks.close(0.1)
    assert len(tasks) == 0


async def test_the_end_waits_and_then_cancels() -> None:
    tasks = OwnedTasks()
    ended: list[str] = []

    async def patient() -> None:
        await asyncio.sleep(0.001)
        ended.append("by itself")

    async def stuck() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("cancelled")

    tasks.spawn(patient(), "patient")
    tasks.spawn(stuck(), "stuck")
    await tasks.close(0.05)
    assert ended == ["by itself", "cancelled"]
    assert len(tasks) == 0


async def test_a_cancelled_task_is_no_failure() -> None:
    tasks = OwnedTasks()
    task = tasks.spawn(asyncio.sleep(1), "cancelled")
    task.cancel()
    await asyncio.wait([task])
    assert tasks.error is None
    await tasks.close(0.1)

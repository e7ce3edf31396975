"""Tasks that have an owner: none is fired and forgotten, and the first failure is everybody's."""

import asyncio
from collections.abc import Coroutine


class OwnedTasks:
    """A set of running tasks. The first failure is kept; its owner waits for it and stops."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()
        self._failed = asyncio.Event()
        self._error: BaseException | None = None

    def __len__(self) -> int:
        return len(self._tasks)

    def spawn(self, work: Coroutine[object, object, None], name: str) -> "asyncio.Task[None]":
        """Run `work` as a task called `name`, kept until it ends."""
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def fail(self, error: BaseException) -> None:
        """Record a failure that happened outside of a task, in a callback. Only the first one counts."""
        if self._error is None:
            self._error = error
            self._failed.set()

    @property
    def error(self) -> BaseException | None:
        """What failed first, None if nothing did."""
        return self._error

    async def failure(self) -> None:
        """Wait for the first failure and raise it; never returns otherwise."""
        await self._failed.wait()
        assert self._error is not None
        raise self._error

    async def close(self, seconds: float) -> None:
        """Wait up to `seconds` for the tasks to end by themselves, then cancel them and wait as long again."""
        for cancel in (False, True):
            tasks = {task for task in self._tasks if task is not asyncio.current_task()}
            if cancel:
                for task in tasks:
                    task.cancel()
            if tasks:
                await asyncio.wait(tasks, timeout=seconds)

    def _done(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.fail(error)

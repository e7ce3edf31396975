"""Tasks that have an owner: none is fired and forgotten, and the first failure is everybody's."""

import asyncio
from collections.abc import Coroutine


class OwnedTasks:
    """A set of running tasks. A task that fails sets `failure`; its owner waits for that and stops."""

    def __init__(self) -> None:
        """Needs a running event loop."""
        self._tasks: set[asyncio.Task[None]] = set()
        self._failure: asyncio.Future[None] = asyncio.get_running_loop().create_future()

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
        if not self._failure.done():
            self._failure.set_exception(error)

    @property
    def failed(self) -> bool:
        """Whether anything failed."""
        return self._failure.done()

    async def failure(self) -> None:
        """Wait for the first failure and raise it; never returns otherwise."""
        await asyncio.shield(self._failure)

    async def close(self, seconds: float) -> None:
        """Wait up to `seconds` for the tasks to end by themselves, then cancel them and wait as long again."""
        for cancel in (False, True):
            tasks = {task for task in self._tasks if task is not asyncio.current_task()}
            if cancel:
                for task in tasks:
                    task.cancel()
            if tasks:
                await asyncio.wait(tasks, timeout=seconds)
        if self._failure.done():
            self._failure.exception()  # looked at: the owner has raised it or is about to
        else:
            self._failure.cancel()

    def _done(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.fail(error)

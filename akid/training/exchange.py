"""Exchange: what the workers of a group and the process that waits for them say to each other."""

import asyncio
from dataclasses import dataclass
from typing import Any, Final, final

ROW_EVENTS: Final = ("on_train_log_step", "on_val_log_step")
"""The events with which a row comes."""


@dataclass(frozen=True, kw_only=True)
class Event:
    """What rank 0 tells: that hooks are due, with what the kid looks like then."""

    name: str
    likeness: dict[str, Any]
    is_question: bool


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What the hooks have decided."""

    stops: bool
    lr_value: float | None


@dataclass(frozen=True, kw_only=True)
class Failure:
    """That a worker raised; `pickled` is the exception, or None if it can't be pickled."""

    rank: int
    text: str
    pickled: bytes | None


_STOP: Final = Answer(stops=True, lr_value=None)
END: Final = "the worker group has ended"


@final
class Exchange:
    """The actor through which the workers and the calling process speak."""

    def __init__(self) -> None:
        self._said: asyncio.Queue[Any] = asyncio.Queue()
        self._answers: asyncio.Queue[Answer] = asyncio.Queue()
        self._aborted = asyncio.Event()

    async def tell(self, what: Any) -> None:
        """Say something that needs no answer."""
        await self._said.put(what)

    async def ask(self, event: Event) -> Answer:
        """Say what is due, and wait for what the hooks decide; to stop, once nobody waits."""
        if self._aborted.is_set():
            return _STOP
        await self._said.put(event)
        return await self._answers.get()

    async def next(self) -> Any:
        """Wait for what is said next."""
        return await self._said.get()

    async def answer(self, answer: Answer) -> None:
        """Answer the question that was heard last."""
        await self._answers.put(answer)

    async def abort(self) -> None:
        """Say that nobody waits any more."""
        self._aborted.set()
        await self._answers.put(_STOP)

    async def aborted(self) -> None:
        """Wait for `abort`."""
        await self._aborted.wait()

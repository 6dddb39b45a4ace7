"""Exchange: what rank 0 of a worker group and the process that waits for it say to each other."""

import queue
from dataclasses import dataclass
from typing import Any, Final, final

ROW_EVENTS: Final = ("on_train_log_step", "on_val_log_step")
"""The events with which a row comes."""


@dataclass(frozen=True, kw_only=True)
class Event:
    """What rank 0 tells: that hooks are due, with what the kid looks like then, as bytes."""

    name: str
    likeness: bytes
    is_question: bool


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What the hooks have decided."""

    stops: bool
    lr_value: float | None


@dataclass(frozen=True, kw_only=True)
class Failure:
    """That a worker raised; `error` is the exception as bytes, or None where it can't be so."""

    rank: int
    text: str
    error: bytes | None


END: Final = "rank 0 has nothing more to say"


@final
class Exchange:
    """Lies in rank 0's process: its kid speaks in one thread, calls from outside come in others."""

    def __init__(self) -> None:
        self._said: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._answers: queue.SimpleQueue[Answer] = queue.SimpleQueue()

    def tell(self, what: Any) -> None:
        """Say something that needs no answer."""
        self._said.put(what)

    def ask(self, event: Event) -> Answer:
        """Say what is due, and wait for what the hooks decide."""
        self._said.put(event)
        return self._answers.get()

    def next(self) -> Any:
        """Wait for what is said next."""
        return self._said.get()

    def answer(self, answer: Answer) -> None:
        """Answer the question that was heard last."""
        self._answers.put(answer)

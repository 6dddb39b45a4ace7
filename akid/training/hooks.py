"""Hooks: what a user adds to a kid's loop (callbacks)."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar, final

Practiser = TypeVar("Practiser")


class EarlyStopping(Exception):  # noqa: N818  (it asks for an end, it is no error)
    """Raised by a hook to end practice; `practice` then finishes as usual and returns its report.

    The other hooks of the same event still run. The kid validates the weights it ends with, unless
    that was just done, writes its checkpoint, makes the test pass and calls `on_train_end`.
    """


@final
@dataclass(frozen=True)
class Onlooker(Generic[Practiser]):
    """A hook that only looks at what was counted and recorded; it may raise, it changes nothing.

    Workers of a data-parallel practice go on without waiting for it, and send no weights for it.

    Attributes:
        look: Called with the kid.
    """

    look: Callable[[Practiser], None]

    def __call__(self, kid: Practiser) -> None:
        self.look(kid)


@dataclass(kw_only=True)
class Hooks(Generic[Practiser]):
    """Lists of functions, each called `f(kid)`; append your own.

    Attributes:
        on_train_begin: Before anything else of a practice.
        on_batch_begin: Before each step; `kid.step` counts the steps already made.
        on_train_log_step: When a training row was recorded: read `kid.last_row`.
        on_val_log_step: When a validation row was recorded: read `kid.last_row`. The checkpoint
            of this step is written afterwards, so what a hook changes is in it.
        on_checkpoint: When a checkpoint was written, at `kid.checkpoint_path`.
        on_checkpoint_refused: When the disk was too full for a checkpoint, and practice goes on:
            read `kid.unsaved_steps` and `kid.unsaved_reason`.
        on_epoch_end: When an epoch was counted.
        on_batch_monitoring: When the first batch was propagated again, with `do_batch_monitoring`:
            what each block makes of it is in `kid.brain.get_layer_by_name(...).data`.
        on_train_end: When all else is done and `kid.report` is made.

    >>> hooks = Hooks()
    >>> hooks.on_val_log_step.append(lambda kid: None)
    """

    on_train_begin: list[Callable[[Practiser], None]] = field(default_factory=list)
    on_batch_begin: list[Callable[[Practiser], None]] = field(default_factory=list)
    on_train_log_step: list[Callable[[Practiser], None]] = field(default_factory=list)
    on_val_log_step: list[Callable[[Practiser], None]] = field(default_factory=list)
    on_checkpoint: list[Callable[[Practiser], None]] = field(default_factory=list)
    on_checkpoint_refused: list[Callable[[Practiser], None]] = field(default_factory=list)
    on_epoch_end: list[Callable[[Practiser], None]] = field(default_factory=list)
    on_batch_monitoring: list[Callable[[Practiser], None]] = field(default_factory=list)
    on_train_end: list[Callable[[Practiser], None]] = field(default_factory=list)

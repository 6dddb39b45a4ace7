"""The ledger: every order of events, and the ways of single trials."""

from collections import Counter

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from akid.errors import ExperimentError
from akid.tuning.failure import Failure, RetryPolicy
from akid.tuning.ledger import OPEN, Ledger, State
from akid.tuning.messages import (
    Abort,
    Close,
    Event,
    Failed,
    FellBehind,
    Finished,
    Instruction,
    Interrupted,
    Pointless,
    Reported,
    Start,
    Started,
    StoodStill,
    Stop,
    Stopped,
    Tick,
)

N_TRIALS = 5
SKIPPED = (5, 6)
POLICY = RetryPolicy(
    bug=1,
    memory=1,
    lost=2,
    stalled=1,
    max_seconds=100,
    stall_s=30,
    start_s=15,
    stop_limit_s=10,
    abort_after=3,
)
ENDED = {State.FINISHED, State.FAILED, State.DIVERGED, State.KILLED, State.STOPPED, State.SKIPPED}
MOST_ATTEMPTS = 1 + 1 + 1 + 2 + 1  # the first, and a retry for each that the policy allows


class Executor(RuleBasedStateMachine):
    """An executor that does its worst: late, double and swapped messages, deaths, interrupts."""

    def __init__(self) -> None:
        super().__init__()
        self.ledger = Ledger(range(N_TRIALS), skipped=SKIPPED, policy=POLICY, max_concurrent=2)
        self.now_s = self.latest_s = 0.0
        self.listened_s = 0.0
        self.heard_s: dict[tuple[int, int], float] = {}  # of the time that was listened
        self.alive: set[tuple[int, int]] = set()
        self.told_to_stop: set[tuple[int, int]] = set()
        self.under_way: list[Event] = []
        self.delivered: list[Event] = []
        self.closed: dict[int, str] = {}
        self.attempts: Counter[int] = Counter()
        self.interrupts = 0
        self.is_aborted = False
        self.doom_: Failure | None = None
        self.n_steps = 0
        self.tell(Tick())

    def tell(self, event: Event) -> None:
        expected = self.expected_status(event)
        is_late = self.is_late(event)
        if isinstance(event, Started | Reported):
            self.heard_s[event.index, event.attempt] = self.listened_s
        instructions = self.ledger.handle(event, self.now_s)
        assert not (is_late and instructions), "a late message changes nothing"
        for instruction in instructions:
            self.obey(instruction)
        if expected is not None:
            assert self.closed[event.index] == expected  # type: ignore[union-attr]

    def expected_status(self, event: Event) -> str | None:
        """A result or a divergence that is heard of in time is never lost."""
        if not isinstance(event, Finished | Failed) or self.is_late(event):
            return None
        if isinstance(event, Finished):
            return "FINISHED"
        return "DIVERGED" if event.failure is Failure.DIVERGED else None

    def is_late(self, event: Event) -> bool:
        """Whether the attempt of which an event speaks is over."""
        if isinstance(event, Tick | StoodStill | Interrupted | Pointless):
            return False
        if self.ledger.state(event.index) not in OPEN:
            return True
        return self.attempts[event.index] != event.attempt

    def obey(self, instruction: Instruction) -> None:
        match instruction:
            case Start(index=index, attempt=attempt):
                assert index not in self.closed, "a closed trial never starts again"
                assert index not in SKIPPED
                assert attempt == self.attempts[index] + 1
                assert not self.interrupts, "nothing starts after an interrupt"
                assert not self.is_aborted, "nothing starts after the sweep was given up"
                self.attempts[index] = attempt
                self.alive.add((index, attempt))
            case Stop(index=index, attempt=attempt, why=why):
                if why == "stalled":
                    silent_s = self.listened_s - self.heard_s[index, attempt]
                    assert silent_s >= POLICY.stall_s, "nobody listened"
                assert attempt == self.attempts[index]
                self.told_to_stop.add((index, attempt))
            case Close(index=index, status=status):
                assert index not in self.closed, "no trial ends twice"
                self.closed[index] = status
            case Abort():
                assert not self.is_aborted
                self.is_aborted = True

    def some_alive(self, data: st.DataObject) -> tuple[int, int]:
        return data.draw(st.sampled_from(sorted(self.alive)))

    @precondition(lambda self: self.alive)
    @rule(data=st.data())
    def live(self, data: st.DataObject) -> None:
        index, attempt = self.some_alive(data)
        self.under_way.append(Started(index=index, attempt=attempt))
        self.under_way.append(Reported(index=index, attempt=attempt))

    @precondition(lambda self: self.alive)
    @rule(data=st.data())
    def fall_behind(self, data: st.DataObject) -> None:
        index, attempt = self.some_alive(data)
        self.under_way.append(FellBehind(index=index, attempt=attempt))

    @precondition(lambda self: self.alive)
    @rule(data=st.data())
    def finish(self, data: st.DataObject) -> None:
        index, attempt = self.end(self.some_alive(data))
        self.under_way.append(Finished(index=index, attempt=attempt))

    @precondition(lambda self: self.alive)
    @rule(data=st.data(), failure=st.sampled_from(Failure))
    def fail(self, data: st.DataObject, failure: Failure) -> None:
        index, attempt = self.end(self.some_alive(data))
        self.under_way.append(
            Failed(index=index, attempt=attempt, failure=failure, error=f"{failure} 0x1")
        )

    @precondition(lambda self: self.alive)
    @rule()
    def lose_the_node(self) -> None:
        for index, attempt in sorted(self.alive):
            self.under_way.append(Failed(index=index, attempt=attempt, failure=Failure.LOST))
        self.alive.clear()

    @precondition(lambda self: self.alive)
    @rule(data=st.data(), failure=st.sampled_from([Failure.LOST, Failure.MEMORY, Failure.BUG]))
    def fail_and_come_back(self, data: st.DataObject, failure: Failure) -> None:
        index, attempt = self.end(self.some_alive(data))
        event = Failed(index=index, attempt=attempt, failure=failure)
        self.delivered.append(event)
        self.tell(event)
        self.wait(12.0)

    @precondition(lambda self: self.alive & self.told_to_stop)
    @rule(data=st.data())
    def do_stop(self, data: st.DataObject) -> None:
        chosen = data.draw(st.sampled_from(sorted(self.alive & self.told_to_stop)))
        index, attempt = self.end(chosen)
        ends = [
            Stopped(index=index, attempt=attempt),
            Finished(index=index, attempt=attempt),
            Failed(index=index, attempt=attempt, failure=Failure.DIVERGED),
            Failed(index=index, attempt=attempt, failure=Failure.BUG),
        ]
        self.under_way.append(data.draw(st.sampled_from(ends)))

    @precondition(lambda self: self.alive)
    @rule(data=st.data())
    def stop_unasked(self, data: st.DataObject) -> None:
        index, attempt = self.end(self.some_alive(data))
        self.under_way.append(Stopped(index=index, attempt=attempt))

    @precondition(lambda self: self.under_way)
    @rule(data=st.data())
    def deliver(self, data: st.DataObject) -> None:
        place = data.draw(st.integers(0, len(self.under_way) - 1))
        event = self.under_way.pop(place)
        self.delivered.append(event)
        self.tell(event)

    @precondition(lambda self: self.delivered)
    @rule(data=st.data())
    def deliver_again(self, data: st.DataObject) -> None:
        self.tell(data.draw(st.sampled_from(self.delivered)))

    @rule(passed_s=st.sampled_from([-5.0, 0.5, 3.0, 12.0, 40.0]))
    def wait(self, passed_s: float) -> None:
        self.listened_s += self.advance(passed_s)
        self.tell(Tick())

    @rule(passed_s=st.sampled_from([3.0, 40.0, 90.0]))
    def stand_still(self, passed_s: float) -> None:
        self.tell(StoodStill(duration_s=self.advance(passed_s)))

    def advance(self, passed_s: float) -> float:
        """Wind the clock, which may go back; return how much later it is than ever before."""
        before_s = self.latest_s
        self.now_s += passed_s
        self.latest_s = max(self.latest_s, self.now_s)
        return self.latest_s - before_s

    @rule(failure=st.sampled_from(Failure))
    def doom(self, failure: Failure) -> None:
        """From the end of this test on, every attempt fails in this way."""
        self.doom_ = failure

    @precondition(lambda self: self.n_steps > 20)
    @rule()
    def interrupt(self) -> None:
        self.interrupts += 1
        self.tell(Interrupted())
        if self.interrupts > 1:
            assert self.ledger.is_done, "the second interrupt ends all at once"

    @precondition(lambda self: self.n_steps > 20)
    @rule()
    def see_no_point(self) -> None:
        self.tell(Pointless(reason="no trial has the metric"))
        assert self.is_aborted or self.interrupts or self.ledger.is_done

    def last_event(self, index: int, attempt: int) -> Event:
        if self.doom_ is None:
            return Finished(index=index, attempt=attempt)
        return Failed(index=index, attempt=attempt, failure=self.doom_)

    def end(self, attempt: tuple[int, int]) -> tuple[int, int]:
        self.alive.discard(attempt)
        return attempt

    @invariant()
    def count(self) -> None:
        self.n_steps += 1

    @invariant()
    def no_trial_is_lost(self) -> None:
        """Every trial is in one state, and closed exactly when that is an end."""
        states = {index: self.ledger.state(index) for index in range(N_TRIALS + len(SKIPPED))}
        assert sum(self.ledger.counts().values()) == len(states)
        for index in range(N_TRIALS):
            assert (states[index] in ENDED) == (index in self.closed)
            if index in self.closed:
                assert states[index] == self.closed[index].lower()
        assert all(states[index] is State.SKIPPED for index in SKIPPED)
        assert self.ledger.is_done == (len(self.closed) == N_TRIALS)

    @invariant()
    def what_has_not_begun_is_known(self) -> None:
        """What may be given up for a lack of room is what was started and not heard of."""
        starting = {(start.index, start.attempt) for start in self.ledger.starting()}
        expected = {i for i in range(N_TRIALS) if self.ledger.state(i) is State.STARTING}
        assert {index for index, _ in starting} == expected
        assert starting <= set(self.attempts.items())

    @invariant()
    def limits_are_kept(self) -> None:
        """At most two at once; no trial is tried more often than its kinds of failure allow."""
        n_open = sum(self.ledger.state(index) in OPEN for index in range(N_TRIALS))
        assert n_open <= 2
        assert all(count <= MOST_ATTEMPTS for count in self.attempts.values())

    @invariant()
    def what_has_a_limit_has_a_wake_up(self) -> None:
        """The ledger never waits for ever on what only time can bring."""
        timed = (State.RUNNING, State.STOPPING, State.RETRYING)
        if any(self.ledger.state(index) in timed for index in range(N_TRIALS)):
            assert self.ledger.wake_s is not None

    def teardown(self) -> None:
        """Once the executor is reliable again, every sweep comes to its end."""
        for _ in range(50 * N_TRIALS):
            while self.under_way:
                self.tell(self.under_way.pop(0))
            if self.ledger.is_done:
                break
            for index, attempt in sorted(self.alive):
                self.under_way.append(self.last_event(index, attempt))
            self.alive.clear()
            self.wait(max(0.0, (self.ledger.wake_s or 0.0) - self.now_s))
        assert self.ledger.is_done
        assert sorted(self.closed) == [*range(N_TRIALS)]
        assert all(count <= MOST_ATTEMPTS for count in self.attempts.values())
        assert self.ledger.handle(Tick(), self.now_s + 1e6) == []


Executor.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestEveryOrderOfEvents = Executor.TestCase


class Clerk:
    """Feeds a ledger and remembers how trials were closed."""

    def __init__(
        self, n_trials: int = 1, *, max_concurrent: int | None = None, **settings_: object
    ) -> None:
        fields: dict[str, object] = {"abort_after": 0, **settings_}
        self.ledger = Ledger(
            range(n_trials),
            policy=RetryPolicy(**fields),  # type: ignore[arg-type]
            max_concurrent=max_concurrent,
        )
        self.now_s = 0.0
        self.first = self.tell(Tick())

    def tell(self, event: Event, after_s: float = 0.0) -> list[Instruction]:
        self.now_s += after_s
        return self.ledger.handle(event, self.now_s)

    def fail(self, failure: Failure, index: int = 0, attempt: int = 1) -> list[Instruction]:
        event = Failed(index=index, attempt=attempt, failure=failure, error=f"E: {failure}")
        return self.tell(event)


def test_all_trials_start_in_order_and_finish() -> None:
    """Without trouble each trial is started once and closed once."""
    clerk = Clerk(3)

    assert clerk.first == [Start(index=index, attempt=1) for index in range(3)]
    for index in range(3):
        (closed,) = clerk.tell(Finished(index=index, attempt=1))
        assert closed == Close(index=index, status="FINISHED", reason="")
    assert clerk.ledger.is_done


def test_a_bug_is_told_with_its_error_and_not_tried_again() -> None:
    """Deficiency of the first akid (9): a failure was invisible."""
    (closed,) = Clerk(2).fail(Failure.BUG)

    assert closed == Close(
        index=0, status="FAILED", reason="bug", error="E: bug", failure=Failure.BUG
    )


def test_divergence_is_a_status_of_its_own() -> None:
    """A loss that became NaN is not tried again."""
    (closed,) = Clerk().fail(Failure.DIVERGED)

    assert isinstance(closed, Close)
    assert (closed.status, closed.error) == ("DIVERGED", "E: diverged")


def test_a_sweep_without_a_point_ends_and_keeps_what_is_finished() -> None:
    """What runs is told to end, what waits never begins, and a late result still counts."""
    clerk = Clerk(2, max_concurrent=1)
    clerk.tell(Started(index=0, attempt=1))

    assert clerk.tell(Pointless(reason="no such metric")) == [
        Abort(reason="no such metric"),
        Stop(index=0, attempt=1, why="abort"),
        Close(index=1, status="SKIPPED", reason="the sweep ended early"),
    ]
    assert clerk.tell(Pointless(reason="no such metric")) == []
    (closed,) = clerk.tell(Finished(index=0, attempt=1))
    assert closed == Close(index=0, status="FINISHED", reason="")
    assert clerk.ledger.is_done


def test_a_lost_worker_is_started_again_from_its_checkpoint() -> None:
    """After a pause the trial goes on where it was."""
    clerk = Clerk()
    clerk.tell(Started(index=0, attempt=1))
    clerk.tell(Reported(index=0, attempt=1))

    assert clerk.fail(Failure.LOST) == []
    assert clerk.ledger.state(0) is State.RETRYING
    assert clerk.tell(Tick(), after_s=0.9) == []
    assert clerk.tell(Tick(), after_s=0.2) == [Start(index=0, attempt=2, resume=True)]


def test_a_worker_that_is_always_lost_is_given_up() -> None:
    """Pauses double, and the limit of that kind counts."""
    clerk = Clerk(lost=3)
    pauses_s = []
    for attempt in (1, 2, 3):
        clerk.fail(Failure.LOST, attempt=attempt)
        assert clerk.ledger.wake_s is not None
        pauses_s.append(clerk.ledger.wake_s - clerk.now_s)
        clerk.tell(Tick(), after_s=pauses_s[-1])

    (closed,) = clerk.fail(Failure.LOST, attempt=4)

    assert pauses_s == [1, 2, 4]
    assert isinstance(closed, Close)
    assert closed.reason == "lost after 3 retries"


def test_a_lack_of_memory_is_tried_again_alone() -> None:
    """The retry has a GPU or a machine for itself; the second time it is a failure."""
    clerk = Clerk()
    clerk.fail(Failure.MEMORY)

    assert clerk.tell(Tick(), after_s=2) == [Start(index=0, attempt=2, resume=True, alone=True)]
    assert isinstance(clerk.fail(Failure.MEMORY, attempt=2)[0], Close)


def test_once_alone_always_alone() -> None:
    """Another kind of failure does not give a trial back to those that share a machine."""
    clerk = Clerk()
    clerk.fail(Failure.MEMORY)
    clerk.tell(Tick(), after_s=2)
    clerk.fail(Failure.LOST, attempt=2)

    assert clerk.tell(Tick(), after_s=4) == [Start(index=0, attempt=3, resume=True, alone=True)]


def test_each_kind_of_failure_has_its_own_retries() -> None:
    """What one kind has used up is not taken from another."""
    clerk = Clerk(memory=1, lost=1)
    clerk.fail(Failure.MEMORY)
    clerk.tell(Tick(), after_s=2)

    assert clerk.fail(Failure.LOST, attempt=2) == []
    assert clerk.ledger.state(0) is State.RETRYING


def test_an_attempt_that_was_stopped_says_nothing_of_the_next() -> None:
    """What ends the second one is its own failure."""
    clerk = Clerk(stall_s=10)
    clerk.tell(Reported(index=0, attempt=1))
    clerk.tell(Tick(), after_s=10)
    clerk.tell(Stopped(index=0, attempt=1))
    clerk.tell(Tick(), after_s=2)

    assert clerk.fail(Failure.BUG, attempt=2) == [
        Close(index=0, status="FAILED", reason="bug", error="E: bug", failure=Failure.BUG)
    ]


def test_time_that_is_waited_for_room_is_not_the_trials() -> None:
    """Also where the attempt ends before it has begun."""
    clerk = Clerk(max_seconds=100)
    clerk.tell(Tick(), after_s=90)
    clerk.fail(Failure.LOST)
    clerk.tell(Tick(), after_s=2)
    clerk.tell(Started(index=0, attempt=2))

    assert clerk.tell(Tick(), after_s=50) == []


def test_an_attempt_that_ends_unasked_is_lost() -> None:
    """It is tried again."""
    clerk = Clerk(lost=1)
    clerk.tell(Started(index=0, attempt=1))

    assert clerk.tell(Stopped(index=0, attempt=1)) == []
    assert clerk.ledger.state(0) is State.RETRYING


def test_time_never_goes_back() -> None:
    """A clock that does takes no trial for stalled."""
    clerk = Clerk(stall_s=10)
    clerk.tell(Reported(index=0, attempt=1), after_s=8)
    clerk.tell(Reported(index=0, attempt=1), after_s=4)
    clerk.tell(Reported(index=0, attempt=1), after_s=-10)

    assert clerk.tell(Tick(), after_s=17) == []


def test_a_failure_without_words_keeps_those_of_an_earlier_one() -> None:
    """They are the best that is known."""
    clerk = Clerk(bug=1, lost=0)
    clerk.fail(Failure.BUG)
    clerk.tell(Tick(), after_s=2)

    (closed,) = clerk.tell(Failed(index=0, attempt=2, failure=Failure.LOST))

    assert isinstance(closed, Close)
    assert (closed.reason, closed.error) == ("lost", "E: bug")


def test_a_bug_is_tried_again_from_the_begin() -> None:
    """What led to it may be in the checkpoint."""
    clerk = Clerk(bug=1)
    clerk.fail(Failure.BUG)

    assert clerk.tell(Tick(), after_s=2) == [Start(index=0, attempt=2, resume=False)]


def test_a_stalled_trial_is_stopped_by_force_and_started_again() -> None:
    """Silence beyond the limit; a report puts it off."""
    clerk = Clerk(stall_s=10)
    clerk.tell(Started(index=0, attempt=1))
    clerk.tell(Reported(index=0, attempt=1), after_s=8)
    assert clerk.tell(Tick(), after_s=8) == []

    stop = Stop(index=0, attempt=1, why="stalled", at_once=True)
    assert clerk.tell(Tick(), after_s=3) == [stop]
    assert clerk.tell(Stopped(index=0, attempt=1)) == []
    assert clerk.tell(Tick(), after_s=2) == [Start(index=0, attempt=2, resume=True)]


def test_before_its_first_report_a_trial_has_more_time() -> None:
    """Each attempt's process loads torch and data first; then the limit is as it was set."""
    clerk = Clerk(stall_s=10, start_s=60, first_pause_s=1)
    stop = Stop(index=0, attempt=1, why="stalled", at_once=True)
    clerk.tell(Started(index=0, attempt=1))
    clerk.tell(Reported(index=0, attempt=1), after_s=5)
    assert clerk.ledger.wake_s == 15
    assert clerk.tell(Tick(), after_s=11) == [stop]
    clerk.tell(Stopped(index=0, attempt=1))
    clerk.tell(Tick(), after_s=2)
    clerk.tell(Started(index=0, attempt=2))

    assert clerk.tell(Tick(), after_s=69) == []
    assert len(clerk.tell(Tick(), after_s=2)) == 1


def test_a_time_in_which_nobody_listened_is_no_stall() -> None:
    """The limit counts what is left of it; whoever says nothing even then is stalled."""
    clerk = Clerk(2, stall_s=10)
    for index in range(2):
        clerk.tell(Reported(index=index, attempt=1))
    clerk.tell(Tick(), after_s=4)

    assert clerk.tell(StoodStill(duration_s=100), after_s=100) == []
    assert clerk.tell(Reported(index=0, attempt=1), after_s=1) == []
    assert clerk.tell(Tick(), after_s=5) == [Stop(index=1, attempt=1, why="stalled", at_once=True)]


def test_a_time_in_which_nobody_listened_is_the_trials_own() -> None:
    """It has run on; but what it says when it is told to end has its time to be heard."""
    clerk = Clerk(max_seconds=100, stop_limit_s=10)
    clerk.tell(Started(index=0, attempt=1))

    asked = clerk.tell(StoodStill(duration_s=100), after_s=100)
    again = clerk.tell(StoodStill(duration_s=50), after_s=50)

    assert asked == [Stop(index=0, attempt=1, why="timeout")]
    assert again == []
    assert clerk.tell(Tick(), after_s=10) == [Stop(index=0, attempt=1, why="timeout", at_once=True)]


def test_what_no_machine_has_room_for_is_a_failure_that_says_nothing_of_the_trial() -> None:
    """It is not tried again, and any number of such failures does not end the sweep."""
    clerk = Clerk(5, abort_after=3)
    assert [start.index for start in clerk.ledger.starting()] == [*range(5)]

    answers = [clerk.fail(Failure.UNPLACED, index) for index in range(4)]

    assert [len(answer) for answer in answers] == [1] * 4
    assert isinstance(answers[0][0], Close)
    assert (answers[0][0].status, answers[0][0].reason) == ("FAILED", "unplaced")
    assert clerk.ledger.starting() == [Start(index=4, attempt=1)]


def test_a_trial_that_takes_too_long_is_a_failure() -> None:
    """First asked, then forced, then given up; never waited for without end."""
    clerk = Clerk(max_seconds=100, stop_limit_s=5)
    clerk.tell(Started(index=0, attempt=1))

    asked = clerk.tell(Tick(), after_s=100)
    forced = clerk.tell(Tick(), after_s=5)
    (closed,) = clerk.tell(Tick(), after_s=5)

    assert asked == [Stop(index=0, attempt=1, why="timeout")]
    assert forced == [Stop(index=0, attempt=1, why="timeout", at_once=True)]
    assert isinstance(closed, Close)
    assert closed.status == "FAILED"
    assert closed.error.startswith("took longer than max_seconds")


def test_the_time_of_all_attempts_counts() -> None:
    """A trial that is lost again and again doesn't get its time anew."""
    clerk = Clerk(max_seconds=100)
    clerk.tell(Started(index=0, attempt=1))
    clerk.tell(Tick(), after_s=70)
    clerk.fail(Failure.LOST)
    clerk.tell(Tick(), after_s=1)
    clerk.tell(Started(index=0, attempt=2))

    assert clerk.tell(Tick(), after_s=29) == []
    assert clerk.tell(Tick(), after_s=2) == [Stop(index=0, attempt=2, why="timeout")]


def test_waiting_for_resources_is_no_stall() -> None:
    """A trial that has not begun may wait for hours."""
    clerk = Clerk(stall_s=10, max_seconds=10)

    assert clerk.tell(Tick(), after_s=1e5) == []
    assert clerk.ledger.state(0) is State.STARTING


def test_an_interrupt_ends_gracefully() -> None:
    """Running trials are asked to stop, waiting ones are skipped, a result that comes in counts."""
    ledger = Ledger(range(3), max_concurrent=2)
    ledger.handle(Tick(), 0)
    ledger.handle(Started(index=0, attempt=1), 0)

    told = ledger.handle(Interrupted(), 1)
    first = ledger.handle(Stopped(index=0, attempt=1), 2)
    second = ledger.handle(Finished(index=1, attempt=1), 3)

    assert told == [
        Stop(index=0, attempt=1, why="interrupt"),
        Stop(index=1, attempt=1, why="interrupt"),
        Close(index=2, status="SKIPPED", reason="interrupted"),
    ]
    assert first == [Close(index=0, status="KILLED", reason="interrupted")]
    assert second == [Close(index=1, status="FINISHED", reason="")]
    assert ledger.is_done


def test_a_trial_that_has_not_begun_is_not_killed() -> None:
    """Though it is on its way to a process: nothing of it is broken off."""
    clerk = Clerk()
    clerk.tell(Interrupted())

    assert clerk.tell(Stopped(index=0, attempt=1)) == [
        Close(index=0, status="SKIPPED", reason="interrupted")
    ]


def test_a_stalled_trial_that_is_interrupted_is_killed() -> None:
    """It would have been tried again, but the sweep ends."""
    clerk = Clerk(stall_s=10)
    clerk.tell(Reported(index=0, attempt=1))
    clerk.tell(Tick(), after_s=10)
    assert clerk.ledger.state(0) is State.STOPPING
    clerk.tell(Interrupted())

    assert clerk.tell(Stopped(index=0, attempt=1)) == [
        Close(index=0, status="KILLED", reason="interrupted")
    ]


def test_a_divergence_is_told_even_while_the_trial_is_stopped() -> None:
    """What is true of a trial is not hidden by the end of the sweep."""
    clerk = Clerk()
    clerk.tell(Interrupted())

    (closed,) = clerk.fail(Failure.DIVERGED)

    assert isinstance(closed, Close)
    assert closed.status == "DIVERGED"


def test_the_second_interrupt_waits_for_nothing() -> None:
    """What still runs is killed and closed."""
    ledger = Ledger([0, 1])
    ledger.handle(Tick(), 0)
    ledger.handle(Started(index=0, attempt=1), 0)
    ledger.handle(Interrupted(), 1)

    assert ledger.handle(Interrupted(), 1) == [
        Stop(index=0, attempt=1, why="interrupt", at_once=True),
        Close(index=0, status="KILLED", reason="interrupted at once"),
        Stop(index=1, attempt=1, why="interrupt", at_once=True),
        Close(index=1, status="SKIPPED", reason="interrupted at once"),
    ]
    assert ledger.is_done


def test_the_sweep_ends_when_the_first_trials_fail_alike() -> None:
    """Three equal faults and no success: the rest would fail, too."""
    clerk = Clerk(5, abort_after=3)
    for index in range(2):
        assert len(clerk.fail(Failure.BUG, index)) == 1

    closed, abort, *stops = clerk.fail(Failure.BUG, 2)

    assert isinstance(closed, Close)
    assert isinstance(abort, Abort)
    assert "the first 3 trials failed alike (bug: E: bug)" in abort.reason
    assert stops == [Stop(index=i, attempt=1, why="abort") for i in (3, 4)]


@pytest.mark.parametrize("other", ["finish", "another error"])
def test_the_sweep_goes_on_when_trials_fail_differently(other: str) -> None:
    """One success or another fault shows that it depends on the trial."""
    clerk = Clerk(5, abort_after=3)
    if other == "finish":
        clerk.tell(Finished(index=4, attempt=1))
    else:
        clerk.tell(Failed(index=4, attempt=1, failure=Failure.BUG, error="KeyError: 'x'"))

    answers = [clerk.fail(Failure.BUG, index) for index in range(3)]

    assert all(len(answer) == 1 for answer in answers)


def test_messages_of_an_earlier_attempt_change_nothing() -> None:
    """Late and double messages are ignored."""
    clerk = Clerk()
    clerk.fail(Failure.LOST)
    clerk.tell(Tick(), after_s=1)

    assert clerk.tell(Finished(index=0, attempt=1)) == []
    assert clerk.fail(Failure.BUG, attempt=1) == []
    assert clerk.tell(Finished(index=99, attempt=1)) == []
    assert clerk.ledger.state(0) is State.STARTING


def test_no_room_at_all_is_refused() -> None:
    """A sweep that could start nothing would wait for ever."""
    with pytest.raises(ExperimentError, match="got 0"):
        Ledger([0], max_concurrent=0)


def test_a_trial_that_falls_behind_is_stopped_for_good() -> None:
    """It is told to stop, by force if need be, and is not tried again."""
    clerk = Clerk(2, stop_limit_s=10)
    clerk.tell(Started(index=0, attempt=1))

    assert clerk.tell(FellBehind(index=0, attempt=1)) == [Stop(index=0, attempt=1, why="behind")]
    assert clerk.tell(FellBehind(index=0, attempt=1)) == []
    (forced,) = clerk.tell(Tick(), after_s=11)
    (closed,) = clerk.tell(Stopped(index=0, attempt=1))

    assert forced == Stop(index=0, attempt=1, why="behind", at_once=True)
    assert closed == Close(index=0, status="STOPPED", reason="fell behind the others")


def test_a_trial_that_ends_before_it_is_stopped_has_finished() -> None:
    """The order to stop came too late."""
    clerk = Clerk()
    clerk.tell(FellBehind(index=0, attempt=1))

    (closed,) = clerk.tell(Finished(index=0, attempt=1))

    assert isinstance(closed, Close)
    assert closed.status == "FINISHED"

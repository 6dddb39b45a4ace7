"""What the exchange of a worker group passes on."""

import threading

from akid.training.exchange import END, Answer, Event, Exchange

EVENT = Event(name="on_epoch_end", likeness=b"", is_question=True)


def test_a_question_gets_its_answer() -> None:
    """The listener hears the event; what it answers comes back to who asked."""
    exchange, answer = Exchange(), Answer(stops=False, lr_value=0.1)
    got = []
    asking = threading.Thread(target=lambda: got.append(exchange.ask(EVENT)))

    asking.start()
    assert exchange.next() is EVENT
    exchange.answer(answer)
    asking.join(timeout=5)

    assert got == [answer]


def test_what_is_told_is_heard_in_order() -> None:
    """Nobody waits for an answer."""
    exchange = Exchange()

    exchange.tell(EVENT)
    exchange.tell(END)

    assert [exchange.next(), exchange.next()] == [EVENT, END]

"""What the exchange of a worker group answers."""

import asyncio

from akid.training.exchange import Answer, Event, Exchange

EVENT = Event(name="on_epoch_end", likeness={}, is_question=True)


def test_a_question_gets_its_answer() -> None:
    """The listener hears the event; what it answers comes back."""

    async def talk() -> None:
        exchange, answer = Exchange(), Answer(stops=False, lr_value=0.1)
        asking = asyncio.create_task(exchange.ask(EVENT))
        assert await exchange.next() is EVENT
        await exchange.answer(answer)
        assert await asking is answer

    asyncio.run(talk())


def test_whoever_asks_is_told_to_stop_once_nobody_waits() -> None:
    """Neither the question that was open nor a later one is left without an answer."""

    async def talk() -> None:
        exchange = Exchange()
        asking = asyncio.create_task(exchange.ask(EVENT))
        await exchange.next()
        await exchange.abort()
        assert (await asking).stops
        assert (await exchange.ask(EVENT)).stops

    asyncio.run(asyncio.wait_for(talk(), timeout=5))

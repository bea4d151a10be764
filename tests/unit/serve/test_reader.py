"""What a request reads of its generations."""

import asyncio

from serving import SlowEngine

from endonym.generate.sample import SamplerState, Sampling
from endonym.serve.reader import Reader
from endonym.serve.scheduler import Generation, News, Scheduler, Update, take_each


def run_with_reader(count: int, read: str) -> tuple[list[str | None], int]:
    """Reasons of the generations, and how many were cancelled."""

    async def go() -> tuple[list[str | None], int]:
        loop = asyncio.get_running_loop()

        def hand_out(news: News) -> None:
            loop.call_soon_threadsafe(take_each, news)

        engine = SlowEngine(slots=4, seconds=0.005)
        scheduler = Scheduler(engine, report=lambda text: None, hand_out=hand_out)
        reader = Reader(
            scheduler,
            [Generation([0, 5], 30, SamplerState(Sampling(), min_tokens=30)) for _ in range(count)],
        )
        reader.begin()
        reasons: list[str | None] = []
        if read == "gone":
            assert await reader.all(_gone) is None
        elif read == "all":
            found = await reader.all(_stays)
            reasons = [update.reason for _, update in found or () if update.reason]
        else:
            async for news in reader.updates():
                reasons += [update.reason for _, update in news if update.reason]
                if read == "some":
                    break
        for _ in range(200):
            if not scheduler.active and (scheduler.counts.cancelled or read in ("all", "each")):
                break
            await asyncio.sleep(0.01)
        scheduler.close()
        return reasons, scheduler.counts.cancelled

    return asyncio.run(go())


async def _gone() -> dict[str, str]:
    return {"type": "http.disconnect"}


async def _stays() -> dict[str, str]:
    await asyncio.sleep(60)
    return {"type": "http.disconnect"}


def test_all_ends_are_read_at_once_or_as_they_come() -> None:
    for read in ("all", "each"):
        assert run_with_reader(3, read) == (["length"] * 3, 0)


def test_a_client_that_goes_cancels_what_is_not_finished() -> None:
    assert run_with_reader(3, "gone") == ([], 3)


def test_a_stream_that_is_left_cancels_what_is_not_finished() -> None:
    reasons, cancelled = run_with_reader(2, "some")
    assert (len(reasons), cancelled) == (0, 2)


def test_a_stream_tells_what_came_before_anybody_read() -> None:
    """Of short texts even the end."""

    async def go() -> list[tuple[int, str | None]]:
        scheduler = Scheduler(SlowEngine(), report=lambda text: None)
        texts = [Generation([0, 5], 3, SamplerState(Sampling())) for _ in range(2)]
        reader = Reader(scheduler, texts)
        for number, each in enumerate(texts):
            each.take(Update(reason=("stop", "failed")[number]))
        found = [
            (number, update.reason) async for news in reader.updates() for number, update in news
        ]
        scheduler.close()
        assert scheduler.counts.cancelled == 0
        return found

    assert asyncio.run(asyncio.wait_for(go(), 20)) == [(0, "stop"), (1, "failed")]

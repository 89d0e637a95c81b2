"""FastStream over redis-py's asyncio client: channels, patterns, lists, and streams with consumer groups."""

import asyncio
import sys

import redis.asyncio
from faststream.redis import ListSub, PubSub, RedisBroker, StreamSub
from program import HOST, PORT, equal, main, scenario

loop = asyncio.new_event_loop()
broker = RedisBroker(f"redis://{HOST}:{PORT}", logger=None)
inboxes = {}


def inbox(name):
    return inboxes.setdefault(name, asyncio.Queue())


@broker.subscriber("news")
async def on_news(text: str):
    await inbox("news").put(text)


@broker.subscriber(PubSub("weather.*", pattern=True))
async def on_weather(text: str):
    await inbox("weather").put(text)


@broker.subscriber("questions")
async def on_question(text: str):
    return text.upper()


@broker.subscriber(list=ListSub("jobs"))
async def on_job(number: int):
    await inbox("jobs").put(number)


@broker.subscriber(stream="log")
async def on_log(text: str):
    await inbox("log").put(text)


@broker.subscriber(stream=StreamSub("orders", group="shop", consumer="one"))
async def on_order(number: int):
    await inbox("orders").put(("one", number))


@broker.subscriber(stream=StreamSub("orders", group="shop", consumer="other"))
async def on_other_order(number: int):
    await inbox("orders").put(("other", number))


async def take(name, count):
    return [await inbox(name).get() for _ in range(count)]


def playing(name):
    """A scenario of the one event loop."""

    def register(function):
        scenario(name)(lambda _: loop.run_until_complete(asyncio.wait_for(function(), timeout=20)))
        return function

    return register


@playing("start")
async def start():
    await broker.start()


@playing("a channel")
async def channel():
    # Subscriptions are made in the background.
    while inbox("news").empty():
        await broker.publish("hello", channel="news")
        await asyncio.sleep(0.02)
    await broker.publish("over", channel="news")
    while (await take("news", 1)) != ["over"]:
        pass
    for n in range(50):
        await broker.publish(f"{n}", channel="news")
    equal(await take("news", 50), [f"{n}" for n in range(50)])


@playing("a pattern")
async def pattern():
    while inbox("weather").empty():
        await broker.publish("rain", channel="weather.north")
        await asyncio.sleep(0.02)
    equal(await take("weather", 1), ["rain"])


@playing("a request and its answer")
async def request():
    for word in ["one", "two", "three"]:
        answer = await broker.request(word, channel="questions", timeout=10)
        equal(await answer.decode(), word.upper())


@playing("a list")
async def a_list():
    for n in range(50):
        await broker.publish(n, list="jobs")
    equal(await take("jobs", 50), list(range(50)))


@playing("a stream")
async def stream():
    # Read from when the subscriber began to wait.
    while inbox("log").empty():
        await broker.publish("hello", stream="log")
        await asyncio.sleep(0.02)
    await broker.publish("over", stream="log")
    while (await take("log", 1)) != ["over"]:
        pass
    for n in range(50):
        await broker.publish(f"{n}", stream="log")
    equal(await take("log", 50), [f"{n}" for n in range(50)])


@playing("a consumer group of two")
async def group():
    client = redis.asyncio.Redis(host=HOST, port=PORT)
    for n in range(100):
        await broker.publish(n, stream="orders")
    orders = await take("orders", 100)
    equal(sorted(number for _, number in orders), list(range(100)))
    while (await client.xpending("orders", "shop"))["pending"]:
        await asyncio.sleep(0.02)
    equal(len(await client.xinfo_consumers("orders", "shop")), 2)
    await client.aclose()


@playing("close")
async def close():
    await broker.stop()


sys.exit(main(seconds=25))

"""Faust as its documentation shows it: an agent that takes one event and awaits the sending of its decision."""

import sys

import faust
from work import TASK, judge, source

app = faust.App(
    TASK["group"],
    broker=f"kafka://{TASK['bootstrap']}",
    store="memory://",
    topic_allow_declare=False,
    topic_disable_leader=True,
    web_enabled=False,
    consumer_auto_offset_reset="earliest",
    broker_max_poll_records=2000,
    stream_wait_empty=False,
    stream_buffer_maxsize=16_384,
    producer_linger=0,
    producer_acks=-1,
    datadir=TASK["folder"],
)
calls = app.topic(TASK["input"], key_serializer="raw", value_serializer="raw")
decisions = app.topic(TASK["output"], key_serializer="raw", value_serializer="raw")


@app.agent(calls)
async def score(stream: faust.Stream) -> None:
    """Judge one call after the other."""
    async for event in stream.events():
        call_id, answer = judge(event.value)
        headers = dict(source(event.message.partition, event.message.offset))
        await decisions.send(key=call_id.encode(), value=answer, headers=headers)


if __name__ == "__main__":
    sys.argv = [sys.argv[0], "worker", "-l", "info", "--without-web"]
    app.main()

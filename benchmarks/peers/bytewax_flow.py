"""Bytewax: its own Kafka source and sink around one map."""

import bytewax.operators as op
from bytewax.connectors.kafka import KafkaSink, KafkaSinkMessage, KafkaSource, KafkaSourceMessage
from bytewax.dataflow import Dataflow
from bytewax.run import cli_main
from work import TASK, judge, source


def decide(message: KafkaSourceMessage) -> KafkaSinkMessage:
    """One record in, one decision out."""
    call_id, answer = judge(message.value)
    headers = source(message.partition or 0, message.offset or 0)
    return KafkaSinkMessage(key=call_id.encode(), value=answer, headers=headers)


def main() -> None:
    """Run until a signal ends it."""
    brokers = [TASK["bootstrap"]]
    flow = Dataflow("scoring")
    calls = op.input("calls", flow, KafkaSource(brokers, [TASK["input"]], add_config=TASK["consumer"], batch_size=1000))
    op.output(
        "decisions", op.map("decide", calls, decide), KafkaSink(brokers, TASK["output"], add_config=TASK["producer"])
    )
    cli_main(flow)


if __name__ == "__main__":
    main()

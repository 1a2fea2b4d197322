"""The work in Bytewax: Kafka source, `stateful_map` by key, Kafka sink. State in memory, no recovery store."""

from __future__ import annotations

import bytewax.operators as op
import work
from bytewax.connectors.kafka import KafkaSink, KafkaSinkMessage, KafkaSource, KafkaSourceMessage
from bytewax.dataflow import Dataflow
from bytewax.testing import cluster_main

Message = KafkaSourceMessage[bytes, bytes]
server, topic_name, meter = work.arguments()


def fold(state: work.State | None, message: Message) -> tuple[work.State, bytes | None]:
    """Fold one reading into its twin's state."""
    new, said = work.fold(state, message.value, message.headers)
    meter.count()
    return new, said


def to_message(pair: tuple[str, bytes | None]) -> KafkaSinkMessage[bytes, bytes] | None:
    """Make a message of what was said, if anything was."""
    key, said = pair
    return None if said is None else KafkaSinkMessage(key.encode(), said)


flow = Dataflow("peer")
source = op.input("source", flow, KafkaSource([server], [topic_name], tail=True))
keyed = op.key_on("key", source, lambda message: message.key.decode())
folded = op.stateful_map("fold", keyed, fold)
op.output("sink", op.filter_map("message", folded, to_message), KafkaSink([server], "twin.estimates"))

if __name__ == "__main__":
    cluster_main(flow, [], 0, worker_count_per_proc=1)

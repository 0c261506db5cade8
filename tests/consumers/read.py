"""A consumer of the events: reads a topic to its end, checks each event against the schema, prints counts as JSON.

    read.py BROKERS TOPIC SCHEMA

Ends with 1 when an event is not what the schema says. Takes both modes of CloudEvents' Kafka binding.
"""

import json
import sys
from collections import Counter

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, TopicPartition
from jsonschema import Draft202012Validator, FormatChecker


def event_of(message) -> dict:
    """The whole event, from either mode."""
    headers = {name: (value or b"").decode() for name, value in message.headers() or []}
    value = json.loads(message.value())
    if headers.get("content-type", "").startswith("application/cloudevents"):
        return value
    event = {name.removeprefix("ce_"): text for name, text in headers.items() if name.startswith("ce_")}
    return event | {"datacontenttype": headers.get("content-type"), "data": value}


def main(brokers: str, topic: str, schema: str) -> int:
    with open(schema, encoding="utf-8") as file:
        validator = Draft202012Validator(json.load(file), format_checker=FormatChecker())
    consumer = Consumer(
        {
            "bootstrap.servers": brokers,
            "group.id": "a-consumer-in-python",
            "enable.auto.commit": False,
            # What a transaction that was given up has left is not for us.
            "isolation.level": "read_committed",
            "enable.partition.eof": True,
        }
    )
    partitions = consumer.list_topics(topic, timeout=30).topics[topic].partitions
    consumer.assign([TopicPartition(topic, partition, OFFSET_BEGINNING) for partition in partitions])
    kinds: Counter[str] = Counter()
    seen: set[str] = set()
    invalid = duplicates = records = 0
    unfinished = set(partitions)
    while unfinished:
        message = consumer.poll(30)
        if message is None:
            print("error: the broker gives nothing more, and no end either", file=sys.stderr)
            return 1
        if message.error():
            if message.error().code() != KafkaError._PARTITION_EOF:
                raise SystemExit(f"error: {message.error()}")
            unfinished.discard(message.partition())
            continue
        records += 1
        event = event_of(message)
        problem = next(validator.iter_errors(event), None)
        if problem:
            print(f"error: offset {message.offset()}: {problem.json_path}: {problem.validator}", file=sys.stderr)
            invalid += 1
        elif event["id"] in seen:
            duplicates += 1
        else:
            seen.add(event["id"])
            kinds[event["data"]["kind"]] += 1
    consumer.close()
    print(json.dumps({"records": records, "invalid": invalid, "duplicates": duplicates, "kinds": kinds}))
    return 1 if invalid else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

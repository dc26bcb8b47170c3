"""The contract in writing: JSON Schema 2020-12, one document a message, and one AsyncAPI 3.0 document over all topics.

Everything is made from the message types (`streamer.calls`), the topics (`streamer.kafka.topics`) and what these carry
(`streamer.channels`), so that what is
published cannot differ from what is decoded. The files lie in `schemas/`; the tests compare them with this module.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import msgspec
import phonenumbers

from streamer.calls import cases, decisions, events, signals, vectors
from streamer.calls.codec import MAX_BYTES
from streamer.calls.emergency import emergency_numbers
from streamer.calls.numbers import home_plan
from streamer.channels import CHANNELS, DEAD_LETTER, Channel
from streamer.kafka.topics import Topics
from streamer.settings import Settings
from streamer.versions import VOCABULARY

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"

MESSAGES: Final[dict[str, type[msgspec.Struct]]] = {
    "setup": events.Setup,
    "answer": events.Answer,
    "end": events.End,
    "subscriber-fact": events.SubscriberFact,
    "operator": events.OperatorInfo,
    "trunk": events.TrunkInfo,
    "list-entry": events.ListEntry,
    "feedback": events.Feedback,
    "decision": decisions.Decision,
    "evidence": decisions.Evidence,
    "case": cases.Case,
    "policy": decisions.Policy,
    "policy-pointer": decisions.PolicyPointer,
    "demotion": decisions.Demotion,
    "model-snapshot": decisions.ModelSnapshot,
    "model-pointer": decisions.ModelPointer,
    "partial-sums": signals.PartialSums,
    "busy-line": signals.BusyLine,
    "swapped-sim": signals.SwappedSim,
    "lure": signals.Lure,
    "newcomer": signals.Newcomer,
    "signal": signals.Signal,
}
"""Every message of the contract by its name in file names."""


def message_schema(name: str) -> dict[str, Any]:
    """JSON Schema 2020-12 of one message, complete in itself.

    >>> message_schema("policy-pointer")["required"]
    ['version']
    """
    kind = MESSAGES[name]
    (reference,), parts = msgspec.json.schema_components([kind], ref_template="#/$defs/{name}")
    own = parts.pop(kind.__name__)
    if reference != {"$ref": f"#/$defs/{kind.__name__}"}:
        raise AssertionError(f"{name}: unexpected reference {reference}")
    document = {"$schema": DIALECT, "$id": f"{name}.v1.json", **own}
    return document | {"$defs": dict(sorted(parts.items()))} if parts else document


def asyncapi() -> dict[str, Any]:
    """The AsyncAPI 3.0 document: every topic as a channel, every message once, who sends and who receives."""
    topics = Topics(Settings(prefix="", partitions=24))
    specs = {spec.name: spec for spec in topics.specs}
    _, schemas = msgspec.json.schema_components(MESSAGES.values(), ref_template="#/components/schemas/{name}")
    channels: dict[str, Any] = {}
    operations: dict[str, Any] = {}
    messages: dict[str, Any] = {}
    read: dict[str, Channel] = {}
    for channel in CHANNELS:
        topic = getattr(topics, channel.topic)
        read[topic] = channel
        channels[channel.topic] = _channel(topic, specs[topic], channel.note, [name for name, _ in channel.messages])
        for name, key in channel.messages:
            messages.setdefault(name, _message(name, key, channel.headers))
        if channel.receives:
            operations[f"receive_{channel.topic}"] = _operation("receive", channel.topic, f"Read `{topic}`.")
        if channel.sends:
            operations[f"send_{channel.topic}"] = _operation("send", channel.topic, f"Write `{topic}`.")
    for name in sorted(specs.keys() - read.keys()):
        source = name.rsplit(".", 1)[0]
        address = f"{read[source].topic}_dead_letters"
        channels[address] = _channel(
            name, specs[name], f"Records of `{source}` that broke the contract.", ["dead-letter"]
        )
        operations[f"send_{address}"] = _operation("send", address, f"Write `{name}`.")
    messages["dead-letter"] = {
        "name": "dead-letter",
        "title": "Dead letter",
        "summary": "A record that could not be taken in, value and key unchanged.",
        "headers": _headers(DEAD_LETTER),
        "payload": {"description": "whatever was received"},
    }
    return {
        "asyncapi": "3.0.0",
        "id": "urn:streamer:calls",
        "info": {
            "title": "Streamer: call events in, verdicts out",
            "version": VOCABULARY,
            "description": "All messages are JSON in UTF-8, one object a record, at most "
            f"{MAX_BYTES} bytes. Times are integers, milliseconds since 1970-01-01 UTC. Unknown fields are ignored. "
            "Partitioner: Kafka's murmur2 (librdkafka: partitioner=murmur2_random).",
            "license": {"name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"},
        },
        "defaultContentType": "application/json",
        "channels": channels,
        "operations": operations,
        "components": {"messages": messages, "schemas": dict(sorted(schemas.items()))},
    }


def _channel(topic: str, spec: Any, note: str, messages: list[str]) -> dict[str, Any]:
    kept = {key: spec.config[key] for key in ("cleanup.policy", "retention.ms") if key in spec.config}
    settings: dict[str, Any] = {
        key: value.split(",") if key == "cleanup.policy" else int(value) for key, value in kept.items()
    }
    return {
        "address": topic,
        "description": note,
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in messages},
        "bindings": {
            "kafka": {
                "topic": topic,
                "partitions": spec.partitions,
                "topicConfiguration": settings,
                "bindingVersion": "0.5.0",
            }
        },
    }


def _message(name: str, key: str, headers: tuple[tuple[str, str], ...]) -> dict[str, Any]:
    kind = MESSAGES[name]
    message: dict[str, Any] = {
        "name": name,
        "title": kind.__name__,
        "summary": (kind.__doc__ or "").strip().splitlines()[0],
        "contentType": "application/json",
        "payload": {"$ref": f"#/components/schemas/{kind.__name__}"},
        "bindings": {"kafka": {"key": {"type": "string", "description": key}, "bindingVersion": "0.5.0"}},
    }
    return message | {"headers": _headers(headers)} if headers else message


def _headers(named: tuple[tuple[str, str], ...]) -> dict[str, Any]:
    return {"type": "object", "properties": {name: {"type": "string", "description": text} for name, text in named}}


def _operation(action: str, channel: str, summary: str) -> dict[str, Any]:
    return {"action": action, "channel": {"$ref": f"#/channels/{channel}"}, "summary": summary}


def plan(home: str) -> dict[str, Any]:
    """How numbers are dialled in a country, with its emergency numbers, as whoever keys or obeys calls needs it.

    >>> plan("KZ")["trunk"], plan("GB")["emergency"]
    ('8', ['112', '18000', '999'])
    """
    found = home_plan(home)._asdict()
    del found["region"]
    return found | {"emergency": sorted(emergency_numbers(home))}


def caller_key_vectors() -> str:
    """The vectors of the caller key with every country's plan, one a line."""
    plans = ",\n".join(f'  "{home}": {json.dumps(plan(home))}' for home in sorted(phonenumbers.SUPPORTED_REGIONS))
    text = json.dumps(vectors.document() | {"plans": None}, indent=1, ensure_ascii=False)
    return text.replace('"plans": null', f'"plans": {{\n{plans}\n }}', 1) + "\n"


def documents() -> dict[str, str]:
    """Every file of `schemas/` by its name, as text."""
    found: dict[str, Any] = {f"{name}.v1.json": message_schema(name) for name in MESSAGES}
    found["asyncapi.json"] = asyncapi()
    texts = {name: json.dumps(content, indent=1, ensure_ascii=False) + "\n" for name, content in found.items()}
    return texts | {"caller-key-vectors.json": caller_key_vectors()}


def differences(folder: Path) -> list[str]:
    """What would change if the files in `folder` were written now, one line a file; empty when they are right."""
    wanted = documents()
    there = {path.name: path.read_text(encoding="utf-8") for path in folder.glob("*.json")}
    return [
        *(f"{name} is missing" for name in sorted(wanted.keys() - there.keys())),
        *(f"{name} is not made from any message" for name in sorted(there.keys() - wanted.keys())),
        *(f"{name} differs" for name in sorted(wanted.keys() & there.keys()) if wanted[name] != there[name]),
    ]


def write(folder: Path) -> list[str]:
    """Write every file into `folder`; gives the names of those that changed."""
    folder.mkdir(parents=True, exist_ok=True)
    changed = []
    for name, text in documents().items():
        path = folder / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
            changed.append(name)
    return changed

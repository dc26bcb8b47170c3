"""What is kept of a call id that somebody repeats without end."""

import orjson
import pytest

from streamer import commands
from streamer.calls.codec import encode
from streamer.calls.decisions import Decision, Evidence
from streamer.calls.numbers import caller_key, home_plan, utf8
from streamer.calls.partitioner import partition_of
from streamer.desk import recalling
from streamer.desk.recalling import MOST_RECORDS
from streamer.kafka.logs import LogRecord
from streamer.kafka.sending import Outgoing, send
from streamer.kafka.topics import Topics
from streamer.settings import Settings

SETTINGS = Settings()
AT = 1_763_953_200_000


def proof(offset, partition=0):
    decision = Decision(call_id="c", at=AT, decided_at=AT, operator="op-a", caller="1", callee="2", action="block")
    return Evidence(decision=decision, caller_key="1", origin="own_line", trunk=None, partition=partition, offset=offset, features={})  # fmt: skip


def lie(topic, found):
    headers = (("source.partition", b"%d" % found.partition), ("source.offset", b"%d" % found.offset))
    message = found if topic == Topics(SETTINGS).evidence else found.decision
    return LogRecord(topic, found.partition, found.offset, AT, b"c", encode(message), headers)


@pytest.fixture
def logs(monkeypatch):
    """Decisions and evidence that the topics hold."""
    held = {Topics(SETTINGS).decisions: [], Topics(SETTINGS).evidence: []}

    def read(settings, topic, partitions=None, **_):
        return (lie(topic, one) for one in held[topic] if partitions is None or one.partition in partitions)

    monkeypatch.setattr(recalling, "read", read)
    return held.values()


def test_the_first_of_each_partition_are_kept_with_their_evidence(logs):
    decisions, evidence = logs
    decisions += [proof(offset) for offset in range(10_000)] + [proof(3, partition=1)]
    evidence += [proof(offset) for offset in reversed(range(10_000))] + [proof(3, partition=1)]
    found = recalling.recall(SETTINGS, "c", None, None, None, AT)
    assert [len(call) for call in found.calls] == [MOST_RECORDS, 1]
    assert [one.evidence.offset for call in found.calls for one in call] == [*range(MOST_RECORDS), 3]
    assert found.cut


def test_of_evidence_alone_no_more_is_kept(logs):
    _, evidence = logs
    evidence += [proof(offset) for offset in range(10_000)]
    found = recalling.recall(SETTINGS, "c", None, None, None, AT)
    assert (len(found.alone), found.cut) == (MOST_RECORDS, True)


@pytest.mark.parametrize("options", [("--json",), ()])
@pytest.mark.parametrize(("many", "cut"), [(MOST_RECORDS, False), (MOST_RECORDS + 1, True)])
def test_what_was_cut_is_told(logs, capsys, options, many, cut):
    decisions, _ = logs
    decisions += [proof(offset) for offset in range(many)]
    with pytest.raises(SystemExit) as ended:
        commands.main(["why", "c", *options])
    said = capsys.readouterr()
    assert not ended.value.code
    assert ("the first 50 records of c are shown, and there are more" in said.err) == cut
    assert not options or orjson.loads(said.out)["cut"] == cut


@pytest.mark.broker
def test_calls_of_a_withheld_number_are_looked_for_where_they_lie(kafka_settings):
    key = caller_key("anonymous", None, "+77272345678", home_plan("KZ"))
    lies_in = partition_of(utf8(key), kafka_settings.partitions)
    decision = lie(Topics(SETTINGS).decisions, proof(7, partition=lies_in))
    topic = Topics(kafka_settings).decisions
    send(kafka_settings, [Outgoing(topic, decision.key, decision.value, decision.headers, lies_in)])
    for caller in ("anonymous", "", key, "withheld:8 727 234 56 78"):
        found = recalling.recall(kafka_settings, "c", caller, None, None, AT)
        assert len(found.calls) == 1, caller

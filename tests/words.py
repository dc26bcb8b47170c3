"""All words of the messages: ``python -m tests.words`` writes them beside their number into `samples/words.json`.

A word that is added raises the minor number (`streamer.versions.VOCABULARY`), once between two releases: while the number is one that was not
released yet, ``--unreleased`` writes the words anew under it. Without that nothing is written under a number that has others.
"""

import argparse
import json
import sys
from pathlib import Path

from streamer import schemas
from streamer.channels import CHANNELS, DEAD_LETTER
from streamer.counting import LIMITS
from streamer.detectors import DETECTORS
from streamer.features import NAMES
from streamer.grounds import RULES
from streamer.registers.signals import VALUES
from streamer.versions import VOCABULARY

SAMPLE = Path(__file__).parent / "samples/words.json"


def words():
    """The words of the code by kind, and the number that it gives them."""
    return {
        "messages": VOCABULARY,
        "fields": {name: sorted(schemas.message_schema(name)["properties"]) for name in sorted(schemas.MESSAGES)},
        "headers": {
            **{channel.topic: sorted(name for name, _ in channel.headers) for channel in CHANNELS},
            "<topic>.dlq": sorted(name for name, _ in DEAD_LETTER),
        },
        "detectors": {
            one.id: {"causes": [cause.name for cause in one.causes], "thresholds": list(one.thresholds)}
            for one in DETECTORS
        },
        "features": list(NAMES),
        "signals": {kind: list(names) for kind, names in VALUES.items()},
        "limits of counting": sorted(LIMITS),
        "rules of cases": {rule.name: sorted(rule.thresholds) for rule in RULES},
    }


def differences(written, found):
    """Kinds of words that are not as they were written down."""
    return [kind for kind in found if kind != "messages" and found[kind] != written.get(kind)]


def main(arguments=None, sample=SAMPLE):
    asked = argparse.ArgumentParser(prog="python -m tests.words", description=__doc__)
    asked.add_argument("--unreleased", action="store_true", help="this number of the messages was not released yet")
    given, found = asked.parse_args(arguments), words()
    written = json.loads(sample.read_text("utf-8")) if sample.exists() else {"messages": None}
    changed = differences(written, found)
    if changed and written["messages"] == VOCABULARY and not given.unreleased:
        sys.exit(
            f"{', '.join(changed)} changed: raise VOCABULARY, or say --unreleased if {VOCABULARY} was not released"
        )
    sample.write_text(json.dumps(found, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()

"""The inputs that are kept, a file a target: what once was a finding, and inputs that each came to something else."""

import base64
import re
from pathlib import Path

FOLDER = Path(__file__).parent / "corpus"
LONGEST = 1_000
"""Bytes of an input that is kept and was no finding."""
MOST = 16
_LENGTH = re.compile(rb"(\d+)\n")


def read(name):
    """The inputs of a target."""
    path = FOLDER / name
    return [base64.b64decode(line) for line in path.read_text("ascii").splitlines()] if path.exists() else []


def keep(name, findings, others):
    """Add inputs to a target's file: all that are findings, and of the others, long and short, as many as there is room for."""
    held = read(name)
    held += [data for data in findings if data not in held and len(data) <= 16 * LONGEST]
    new = sorted({data for data in others if len(data) <= LONGEST} - set(held), key=lambda data: (len(data), data))
    room = max(0, MOST - len(held))
    if room < len(new):
        new = [new[place * len(new) // room] for place in range(room)]
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / name).write_text("".join(f"{base64.b64encode(data).decode()}\n" for data in (*held, *new)), "ascii")


def write_down(path, inputs):
    """Inputs of one run, for `written_down`."""
    with path.open("wb") as file:
        file.writelines(b"%d\n%s" % (len(data), data) for data in inputs)


def written_down(path):
    """The inputs of a run; none when it left nothing."""
    data = path.read_bytes() if path.exists() else b""
    found, at = [], 0
    while length := _LENGTH.match(data, at):
        at = length.end() + int(length[1])
        found.append(data[length.end() : at])
    return found

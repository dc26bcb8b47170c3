"""The command tree: `streamer <command>`. A command's module is imported only when that command is run or asked for help.

A command module offers either `app` (a `typer.Typer`, of one command or of several) or a function that has the
command's name. Anything that is a `StreamerError`, or a file that the system refuses, leaves as one line on standard error and exit code 1.
"""

from __future__ import annotations

import errno
import importlib
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated, Any, Final

import typer
from typer.core import TyperGroup

from streamer import versions
from streamer.commands.printing import say
from streamer.errors import SettingsError, StreamerError

COMMANDS: Final[dict[str, tuple[str, str]]] = {
    "worker": ("streamer.commands.worker", "Judge calls: read call events, write decisions and evidence."),
    "trainer": ("streamer.commands.trainer", "Learn from feedback and publish models."),
    "signals": ("streamer.commands.signals", "Merge what workers count, and tell them what stands out."),
    "broker": ("streamer.commands.broker", "A real Apache Kafka on this machine: install, start, status, stop."),
    "topics": ("streamer.commands.topics", "Create or alter the topics, or say what that would change."),
    "doctor": (
        "streamer.commands.doctor",
        "Find what is wrong with an installation, a sample, or what an operator publishes.",
    ),
    "replay": ("streamer.commands.replay", "Send files of call records into Kafka, or straight through the engine."),
    "simulate": ("streamer.commands.simulate", "Make mixed honest and fraudulent traffic."),
    "evaluate": (
        "streamer.commands.evaluate",
        "What the detectors catch and whom they hit wrongly, or would; a policy tried beside another.",
    ),
    "dlq": ("streamer.commands.dlq", "Dead letters: show them, send them to their topics again."),
    "lists": ("streamer.commands.lists", "Block, allow and other lists: show, add, remove, history."),
    "policy": ("streamer.commands.policy", "The rules in force: show, set, a detector's mode, history."),
    "feedback": ("streamer.commands.feedback", "Reports of fraud and of wrong blocks: add, show."),
    "why": ("streamer.commands.why", "A past decision with every finding and feature."),
    "cases": (
        "streamer.commands.cases",
        "What the police and operators act on: list, show, close, reopen, export, verify.",
    ),
    "identity": (
        "streamer.commands.identity",
        "Identity headers (STIR/SHAKEN): look at one by hand, fetch certificates.",
    ),
    "kill-switch": ("streamer.commands.kill_switch", "Turn every action into allow, or back."),
    "config": ("streamer.commands.config", "What settings are in force and where they come from; the page of all."),
    "detectors": ("streamer.commands.detectors", "Write or check the page that explains every detector."),
    "schemas": ("streamer.commands.schemas", "Write or check JSON Schemas, the AsyncAPI document and test vectors."),
    "dashboards": ("streamer.commands.dashboards", "Write or check the Grafana dashboards."),
    "compile": ("streamer.commands.compile", "Compile the hot loops ahead of the first call."),
    "demo": ("streamer.commands.demo", "Broker, worker, trainer, merger and traffic on one screen for a minute."),
}
"""Command name to (module, one line of help)."""

_DISK: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO})
"""What a disk says that is full or damaged, or whoever sets limits to it."""

_AGAIN_S: Final = 0.05
"""After which an interrupt that a callback dropped is raised again."""


class LazyGroup(TyperGroup):
    """The root group: knows every command's name and help, and imports its module on demand."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Names in the order of the table above."""
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command itself, or None when there is no such one."""
        return load(cmd_name) if cmd_name in COMMANDS else None

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Names and help from the table above, without importing a single command."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


def load(name: str) -> Any:
    """Import the module of command `name` and turn what it offers into a command of the tree."""
    path, help_text = COMMANDS[name]
    module = importlib.import_module(path)
    offered = getattr(module, "app", None)
    if offered is None:
        offered = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False)
        offered.command(name=name, help=None)(getattr(module, name))
    offered._add_completion = False  # noqa: SLF001 - only the root could offer it, and it does not
    command = typer.main.get_command(offered)
    command.name = name
    if not command.help:
        command.help = help_text
    return command


app = typer.Typer(
    cls=LazyGroup,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="Judges telephone calls for fraud while they are being set up.",
    epilog="Example: streamer broker start && streamer worker",
)


def _tell_version(asked: bool) -> None:
    if asked:
        typer.echo(versions.line())
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_tell_version, is_eager=True, help="Versions, and exit.")
    ] = False,
) -> None:
    """Judges telephone calls for fraud while they are being set up."""


@contextmanager
def ended_like_ctrl_c() -> Iterator[None]:
    """Let SIGTERM raise `KeyboardInterrupt`, so that a command ends in order whoever asks it to.

    One that came within a callback from C, as compiled loops are read, is dropped there; it is raised again a moment later.
    """
    kept = {number: signal.signal(number, signal.default_int_handler) for number in (signal.SIGTERM, signal.SIGALRM)}
    dropped = sys.unraisablehook

    def again(unraisable: sys.UnraisableHookArgs, /) -> None:
        if issubclass(unraisable.exc_type, KeyboardInterrupt):
            signal.setitimer(signal.ITIMER_REAL, _AGAIN_S)
        else:
            dropped(unraisable)

    sys.unraisablehook = again
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        sys.unraisablehook = dropped
        for number, handler in kept.items():
            signal.signal(number, handler)


def _look_at(words: Sequence[str]) -> None:
    """Raises `SettingsError` for a word that no message can hold; names of files that are there may be of any bytes."""
    for word in words:
        try:
            word.encode()
        except UnicodeEncodeError:
            if not os.path.lexists(word):
                raise SettingsError(f"the argument {word!r} is not UTF-8: see what the terminal sends") from None


def _give_up_output() -> None:
    """Let what standard output still holds go, where that cannot be written: Python would try again at its end, and say so."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command and exit: 0 when it did its work, 1 after a `StreamerError` or a file refused, 2 on wrong usage, 130 after Ctrl-C.

    SIGTERM is taken like Ctrl-C, but for commands that listen to it themselves.
    """
    try:
        _look_at(sys.argv[1:] if arguments is None else arguments)
        with ended_like_ctrl_c():
            app(args=list(arguments) if arguments is not None else None, prog_name="streamer")
    except StreamerError as error:
        for line in f"streamer: {error}".split("\n"):
            say(line, err=True)
        sys.exit(1)
    except OSError as error:
        if error.filename is None and error.errno not in _DISK:
            raise
        if error.filename is None:
            say(
                f"streamer: what was to be written was not, or not whole: {error.strerror}; see the disk behind it",
                err=True,
            )
            _give_up_output()
            sys.exit(1)
        files = " to ".join(str(name) for name in (error.filename, error.filename2) if name is not None)
        say(f"streamer: {files}: {error.strerror}; see who may read and write there, and whether it is full", err=True)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)

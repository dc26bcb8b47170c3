"""`streamer identity`: SIP Identity headers (STIR/SHAKEN) looked at by hand, and the certificates that they are verified by."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from streamer.commands.desk_options import group, moment, now_ms
from streamer.commands.printing import print_table, say
from streamer.errors import IdentityError
from streamer.settings import Settings, load

if TYPE_CHECKING:
    from streamer.identity.certificates import Signer
    from streamer.identity.folder import Folder
    from streamer.identity.passport import Passport

app = group(
    "Identity headers (STIR/SHAKEN): look at one by hand, fetch certificates.",
    "streamer identity fetch https://cert.example.org/passport.pem",
)


@app.command(epilog="Example: streamer identity check header.txt --caller +77011234567 --callee +77272345678 --at 10m")
def check(
    header: Annotated[
        str, typer.Argument(help="The header as received, a file that holds it, or - for standard input.")
    ],
    caller: Annotated[str | None, typer.Option(help="The calling number; that of the header if not given.")] = None,
    callee: Annotated[str | None, typer.Option(help="The called number; that of the header if not given.")] = None,
    at: Annotated[
        str | None,
        typer.Option(help="When the call was: ISO 8601, or how long ago (90s, 2h); when it was signed if not given."),
    ] = None,
) -> None:
    """Say what an Identity header claims, by which certificate, and whether it holds.

    It is verified as a worker would, by the folders `identity_anchors` and `identity_certificates`. The exit code is 1 when
    the header does not hold.
    """
    from streamer.calls.events import Setup
    from streamer.calls.numbers import home_plan
    from streamer.identity import passport, results
    from streamer.identity.certificates import file_name
    from streamer.identity.verification import Verifier

    settings = load()
    text = _text(header)
    passports = passport.read(text)
    if not passports.shaken:
        raise IdentityError("the header has PASSporTs of other kinds than SHAKEN's alone")
    token = passports.shaken[0]
    at_ms = moment(at, now_ms())
    signers = _folder(settings).signers
    setup = Setup(
        call_id="-",
        at=0,
        operator="-",
        caller=caller or token.orig or "",
        callee=callee or next(iter(token.dest), ""),
        ingress="international",
        identity=text,
    )
    found = Verifier(signers, home_plan(settings.home)).verify(setup, 1000 * token.iat_s if at_ms is None else at_ms)
    for each in (*passports.shaken, *passports.diversions):
        print_table(("what", "value"), [*_claims(each), *_certificate(signers.get(file_name(each.x5u)))])
    name = results.name_of(found.result)
    if found.result > results.NOTHING:
        say(f"it holds: attestation {name}")
        return
    nothing = "the certificate of a diversion is not at hand" if found.missing else "the calling number is withheld"
    say(f"it does not hold: {name}: {results.FAILURES.get(name, nothing)}")
    raise typer.Exit(1)


@app.command(
    epilog="Example: STREAMER_IDENTITY_HOSTS=cert.example.org streamer identity fetch https://cert.example.org/a.pem"
)
def fetch(
    urls: Annotated[list[str], typer.Argument(help="What the x5u of PASSporTs names, as the worker's log has it.")],
) -> None:
    """Fetch certificates into the folder `identity_certificates`, where workers find them within seconds.

    Over https alone, from the hosts of the setting `identity_hosts`, from public addresses; redirects are not followed. What is
    no certificate of a P-256 key is not kept. The exit code is 1 when any of them is not to be had.
    """
    from streamer.identity import certificates, fetching
    from streamer.identity.folder import keep

    settings = load()
    anchors = _folder(settings).anchors
    failed = False
    for url in urls:
        try:
            content = fetching.fetch(url, settings.identity_hosts)
            signer = certificates.signer(certificates.read(content), anchors)
            path = keep(settings.identity_certificates, certificates.file_name(url), content)
        except (IdentityError, OSError) as error:
            say(f"{url}: {error}", err=True)
            failed = True
            continue
        told = ", ".join(f"{what} {value}" for what, value in _certificate(signer))
        say(f"{path}: {told}")
    if failed:
        raise typer.Exit(1)


def _text(header: str) -> str:
    """The header itself, whichever way it was given."""
    if header == "-":
        return sys.stdin.read().strip()
    path = Path(header)
    try:
        return path.read_text("utf-8").strip() if path.is_file() else header.strip()
    except (OSError, ValueError):  # too long for a name, or no text
        return header.strip()


def _folder(settings: Settings) -> Folder:
    from streamer.identity.folder import Folder

    folder = Folder(settings.identity_anchors, settings.identity_certificates, lambda line: say(line, err=True))
    folder.look()
    return folder


def _claims(token: Passport) -> list[tuple[str, str]]:
    from streamer.identity.passport import DIVERTED

    what, value = ("diverted by", token.div) if token.ppt == DIVERTED else ("attestation", token.attest)
    return [
        (what, value or "-"),
        ("calling number", token.orig or "-"),
        ("called numbers", " ".join(token.dest) or "-"),
        ("issued", _time(token.iat_s)),
        ("origination", token.origid or "-"),
        ("certificate", token.x5u),
    ]


def _certificate(signer: Signer | None) -> list[tuple[str, str]]:
    """What is told of a certificate."""
    if signer is None:
        return [("chain", "not at hand")]
    return [
        ("chain", "leads to an anchor" if signer.trusted else "leads to no anchor"),
        ("holds", f"{_time(signer.from_s)} to {_time(signer.until_s)}"),
        ("authority", "; ".join(map(str, signer.authorities)) or "none: it has no TNAuthList"),
    ]


def _time(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

"""The command line: arguments in, one command, one clear message when something is wrong."""

from __future__ import annotations

import argparse
import atexit
import errno
import json
import os
import platform
import signal
import sys
import traceback
from collections.abc import Sequence
from contextlib import suppress
from datetime import date
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn

from data.errors import BadInput, RegsiError
from models.engine.memory import collect_rarely, keep_freed
from pipelines.session import Session, checked_home, checked_source, default_home

COMMANDS = {
    "run": "the whole flow: ingest, panel, fit, multiverse, publish (no study: the bundled ones)",
    "ingest": "load one or more datasets as a new vintage",
    "panel": "build a panel; --out exports parquet, csv, dta or xlsx by suffix",
    "fit": "fit a study's models and print the table",
    "curve": "the specification curve of a study and its joint inference",
    "publish": "tables, figures, briefs and site of a study",
    "verify": "recompute every number that a run published",
    "diff": "what changed between two vintages, and why",
    "list": "what there is: studies, panels, sources, vintages, quarantine, runs",
    "doctor": "versions, warehouse integrity, sources, and what to do about each finding",
}
_STUDY = "an id as in regsi list studies, or the path of a study file"

# One thread for linear algebra, set before NumPy is loaded: the same digits whatever the machine's
# number of cores, and small matrices are faster without a second thread. A user's setting wins.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

# Nor what NumPy has for AVX-512: its sorts take three to five times as long with it on the AMD
# processors that clouds run, and its logarithms have other last digits than on machines without.
if platform.machine().lower() in ("x86_64", "amd64"):
    os.environ.setdefault("NPY_DISABLE_CPU_FEATURES", "X86_V4 AVX512_ICL AVX512_SPR")


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        command = self.prog.removeprefix("regsi").strip()
        raise BadInput(
            f"arguments of {self.prog}", message, f"see regsi {command} --help".replace("  ", " ")
        )


def _shared_options() -> _Parser:
    shared = _Parser(add_help=False)
    shared.add_argument("--home", type=Path, metavar="DIR", help="state (default var/, REGSI_HOME)")
    shared.add_argument(
        "--from",
        dest="from_dir",
        type=Path,
        metavar="DIR",
        help="read publishers' files from this folder instead of the network",
    )
    shared.add_argument("--as-of", type=_day, metavar="DATE", help="the data as known on that day")
    shared.add_argument("--json", action="store_true", help="one JSON document on stdout")
    shared.add_argument("--quiet", action="store_true", help="no progress lines")
    shared.add_argument("--debug", action="store_true", help="traceback of an error")
    return shared


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a date like 2026-01-31") from None


def parser() -> argparse.ArgumentParser:
    """The argument parser of `regsi`, one subparser a command."""
    top = _Parser(prog="regsi", description="Regional social investment, from files to briefs.")
    top.add_argument("--version", action="version", version=_version())
    commands = top.add_subparsers(dest="command", metavar="COMMAND", required=True)
    shared = [_shared_options()]
    sub = {
        name: commands.add_parser(name, help=text, description=text, parents=shared)
        for name, text in COMMANDS.items()
    }
    sub["run"].add_argument("study", nargs="*", metavar="STUDY", help=_STUDY)
    sub["run"].add_argument("--dask", metavar="ADDRESS", help="a Dask scheduler, tcp://host:port")
    sub["ingest"].add_argument(
        "source", nargs="+", metavar="SOURCE[/DATASET]", help="as in regsi list sources"
    )
    sub["panel"].add_argument("name", metavar="NAME", help="as in regsi list panels")
    sub["panel"].add_argument("--out", type=Path, metavar="FILE", help="write the panel there")
    for name in ("fit", "curve", "publish", "diff"):
        sub[name].add_argument("study", metavar="STUDY", help=_STUDY)
    sub["fit"].add_argument("--model", metavar="ID", help="only this model")
    sub["verify"].add_argument("run", metavar="RUN", help="as in regsi list runs")
    days = "the two days whose knowledge is compared"
    sub["diff"].add_argument(
        "--between", nargs=2, type=_day, required=True, metavar="DATE", help=days
    )
    lists = ["studies", "panels", "sources", "vintages", "quarantine", "runs"]
    sub["list"].add_argument("what", choices=lists, metavar="WHAT", help=", ".join(lists))
    return top


def _version() -> str:
    from importlib.metadata import version

    return f"regsi {version('regsi')}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code (contract: 0, 2, 3, 4, 5; 1 anything else)."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    home = default_home()
    try:
        args = parser().parse_args(arguments)
        home = args.home or home
        source = checked_source(args.from_dir)
        session = Session(checked_home(home), source, args.as_of, args.quiet or args.json)
        # each command lives in its own module, imported only when it is called: `fit` starts fast
        command = import_module(f"pipelines.commands.{args.command}")
        document, text = command.run(args, session)
        _print(document, text, args.json)
    except (Exception, KeyboardInterrupt) as error:
        message, code = _told(error, home)
        _say_error(message, "--debug" in arguments)
        return code
    return 0


def _told(error: BaseException, home: Path) -> tuple[str, int]:
    """What is said of an error, and the exit code; no traceback unless asked for."""
    # DuckDB answers Ctrl-C with a RuntimeError of its own
    if isinstance(error, KeyboardInterrupt) or str(error) == "Query interrupted":
        return "regsi: interrupted; what was finished is kept", 1
    if isinstance(error, RegsiError):
        return str(error), error.exit_code
    if any(os.strerror(number) in str(error) for number in (errno.ENOSPC, errno.EDQUOT)):
        where = getattr(error, "filename", None) or home
        return f"{where}: the disk is full; free some space, then do it again", 1
    if isinstance(error, OSError):  # a missing right, a folder where a file belongs
        return _system_fault(error)
    what = f"{type(error).__name__}: {error}".replace("\n", " ")
    return f"regsi: {what}; run again with --debug and report it", 1


def _system_fault(error: OSError) -> tuple[str, int]:
    """What the system refused, and whether the user named a place that cannot be used (2)."""
    where = str(error.filename2 or error.filename or "regsi")
    what = f"the system says: {error.strerror or error}"
    if error.filename is None:
        return f"{where}: {what}; run again with --debug and report it", 1
    return f"{where}: {what}; name another place, or ask for the right to use this one", 2


def _print(document: Any, text: str, as_json: bool) -> None:
    if sys.stdout is None:  # closed by the caller, who wants none
        return
    try:
        if as_json:
            json.dump(document, sys.stdout, ensure_ascii=False, allow_nan=False)
            sys.stdout.write("\n")
        elif text:
            print(text)
        sys.stdout.flush()
    except BrokenPipeError:  # `regsi ... | head` is no fault
        return
    except OSError as error:
        todo = "send it elsewhere: the work itself is done"
        raise RegsiError("standard output", f"the system says: {error.strerror}", todo) from None


def _say_error(message: str, debug: bool) -> None:
    if sys.stderr is None:  # closed by the caller
        return
    with suppress(OSError, ValueError):  # whoever read it has gone, or it was closed since
        if debug:
            traceback.print_exc()
        print(f"error: {message}", file=sys.stderr, flush=True)


def entry() -> NoReturn:
    """The console script: `main`, then out by the short way.

    Everything is closed and printed by then. Taking the interpreter down object by object would
    add a quarter of a second; and with Prefect's server threads around, DuckDB's binding finds its
    types still referenced and prints a page about it.
    """
    keep_freed()
    collect_rarely()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # an end like that of Ctrl-C
    code = main()
    for number in (signal.SIGINT, signal.SIGTERM):  # a second one must not disturb the end
        signal.signal(number, signal.SIG_IGN)
    atexit._run_exitfuncs()  # stops Prefect's server, among others
    for stream in (sys.stdout, sys.stderr):
        # whoever read it has gone, or it was closed: for that, or from the start (None)
        with suppress(OSError, ValueError, AttributeError):
            stream.flush()
    os._exit(code)


if __name__ == "__main__":
    entry()

"""The command line: list, run, status, evaluate, picture, claims.

Everything a user can mend is one line on stderr and exit status 2, never a traceback.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from robust_activations.cli.campaigns import run
from robust_activations.cli.networks import evaluate, picture
from robust_activations.cli.reports import claims, list_all, status
from robust_activations.errors import UserError


class Parser(argparse.ArgumentParser):
    """Reports a wrong word as every other mistake: in one line."""

    def error(self, message: str) -> NoReturn:
        raise UserError(f"{message}; see {self.prog} --help")


def main(words: Sequence[str] | None = None) -> None:
    """Entry point of `robust-activations`."""
    try:
        arguments = parser().parse_args(words)
        status = arguments.command(arguments)
        sys.stdout.flush()
    except UserError as error:
        print(f"robust-activations: {error}", file=sys.stderr)
        status = 2
    except KeyboardInterrupt:
        print(
            "\nrobust-activations: stopped; the same command goes on from the last epoch or attack",
            file=sys.stderr,
        )
        status = 130
    except BrokenPipeError:  # the reader, `head` say, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = 0
    except OSError as error:  # no space or no permission, where nothing else says so
        print(f"robust-activations: {error}; check the path and the space left", file=sys.stderr)
        status = 2
    sys.exit(status or 0)


def parser() -> Parser:
    top = Parser(prog="robust-activations", description="Activation functions and adversarial robustness.")
    commands = top.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, function: Any, about: str) -> argparse.ArgumentParser:
        one = commands.add_parser(name, help=about, description=about)
        one.set_defaults(command=function)
        return one

    def records(one: argparse.ArgumentParser, scale: str) -> None:
        one.add_argument("--scale", help=f"digits, cpu, gpu or paper (default: {scale})")
        one.add_argument("--ledger", type=Path, metavar="DIR", help="records (default: data/ledger; digits: data/live)")

    def networks(one: argparse.ArgumentParser) -> None:
        one.add_argument("checkpoint", nargs="+", type=Path)
        one.add_argument("--data", type=Path, metavar="DIR", help="downloads and caches (default: data)")
        one.add_argument("--device", help="cpu, cuda, ... (default: the GPU if there is one)")

    one = command("list", list_all, "Activations, models, datasets and studies.")
    one.add_argument("--json", action="store_true")
    one = command("run", run, "Makes the records that the ledger lacks. Safe to kill and to start again.")
    one.add_argument("study", help="a study, or all")
    records(one, "digits")
    one.add_argument("--data", type=Path, metavar="DIR", help="downloads, checkpoints (default: data)")
    one.add_argument("--only", metavar="GLOB", help="only runs whose label or id matches")
    one.add_argument("--budget", type=duration, metavar="TIME", help="stop after 90s, 9m or 2h")
    one.add_argument("--jobs", type=positive, default=1, help="processes that share the work (default: 1)")
    one.add_argument("--sync-bn", action="store_true", help="under torchrun: BatchNorm over the batch of all processes")
    one.add_argument(
        "--ray",
        metavar="ADDRESS",
        help="spread the runs over a Ray cluster: auto, HOST:PORT, or local, which starts one here; all machines need "
        "this library and --data in a folder that they share",
    )
    one.add_argument(
        "--gpus-per-run", type=processors, metavar="N", help="with --ray; 0.5: two runs a GPU (default: 1 or 0)"
    )
    one.add_argument("--cpus-per-run", type=processors, metavar="N", help="with --ray (default: 1)")
    one.add_argument("--device", help="cpu, cuda, ... (default: the GPU if there is one)")
    one.add_argument("--quiet", action="store_true", help="no progress bars")
    one.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    one = command(
        "status", status, "What is recorded, what is missing, and how long it may take on two cores or one GPU."
    )
    one.add_argument("study", nargs="?", default="all", help="a study (default: all)")
    records(one, "all")
    one.add_argument("--json", action="store_true")
    one = command("evaluate", evaluate, "Attacks saved checkpoints.")
    networks(one)
    one.add_argument("--attack", action="append", metavar="NAME", help="fgsm, pgd (which is pgd50), autoattack, ...")
    one.add_argument("--eps", metavar="K/255", help="another radius than that of the training")
    one.add_argument(
        "--radii", nargs="+", metavar="K/255", help="instead: accuracy at each, growing, under one attack (pgd20)"
    )
    one.add_argument("--samples", type=positive, metavar="N", help="the first N test images (default: all)")
    one.add_argument("--json", action="store_true")
    one = command("picture", picture, "Images attacked, landscapes around them and gates, of saved checkpoints.")
    networks(one)
    one.add_argument("--save", type=Path, metavar="FILE", required=True, help="a .safetensors that pages read")
    one.add_argument("--radii", nargs="+", metavar="K/255", default=["8/255", "32/255"], help="growing")
    one.add_argument("--images", type=positive, metavar="N", default=5, help="each of another class (default: 5)")
    one = command("claims", claims, "What the papers report, what our records measure, and the verdict.")
    one.add_argument("--json", action="store_true")
    return top


def duration(text: str) -> float:
    """Seconds in `90s`, `9m`, `2h` or plain `540`."""
    units = {"s": 1, "m": 60, "h": 3600}
    number, unit = (text[:-1], units[text[-1]]) if text[-1:] in units else (text, 1)
    try:
        seconds = float(number) * unit
    except ValueError:
        seconds = -1
    if not 0 < seconds < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is no time; write 90s, 9m or 2h")
    return seconds


def positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from 1 on")
    return int(text)


def processors(text: str) -> float:
    """Of a GPU or CPU: a whole number, or a part below 1; which is how Ray counts them."""
    number = float(text) if text.replace(".", "", 1).isdecimal() else -1
    if number < 0 or (number > 1 and number % 1):
        raise argparse.ArgumentTypeError(f"{text!r} is no number of processors; write 0, 0.5, 1, 2 ...")
    return number

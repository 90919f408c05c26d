"""The command line `walletlab`: the composition root; only this package may start the engine."""

from __future__ import annotations

import gc
import importlib
import os
import signal
import sys
import traceback
from typing import Any

import click

from runlog.errors import LabError

# command -> module under analysis.cli that holds it; loaded when asked for, so that --help is quick
COMMANDS = {
    "run": "run",
    "report": "report",
    "diagnose": "diagnose",
    "import": "imports",
    "watch": "watch",
    "summary": "summary",
    "validate": "summary",
    "reconcile": "reconcile",
    "sweep": "sweep",
    "incidents": "incidents",
    "licenses": "licenses",
}


class LazyGroup(click.Group):
    """A click group that imports a command's module only when that command is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(COMMANDS)

    def get_command(
        self,
        ctx: click.Context,  # noqa: ARG002
        cmd_name: str,
    ) -> click.Command | None:
        module = COMMANDS.get(cmd_name)
        if module is None:
            return None
        loaded = importlib.import_module(f"analysis.cli.{module}")
        return getattr(loaded, f"{cmd_name}_command")

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            from runlog.errors import UsageFault, did_you_mean

            raise UsageFault("no such command", args[0], did_you_mean(args[0], list(COMMANDS)))
        return super().resolve_command(ctx, args)


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.option("--verbose", is_flag=True, help="Show the traceback of an error.")
@click.version_option(package_name="wallet-outage-lab", prog_name="walletlab")
def cli(verbose: bool) -> None:
    """Wallet Outage Lab: what happened, what the license required, why it can happen, and where
    the bottleneck is.

    Exit codes: 0 done, 1 bad data, 2 usage, 3 environment (no server, no space).
    """
    os.environ["WALLETLAB_VERBOSE"] = "1" if verbose else os.environ.get("WALLETLAB_VERBOSE", "")


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and end the process with the documented exit code."""
    gc.set_threshold(100_000)  # imports make many objects and next to no garbage
    signal.signal(signal.SIGTERM, _terminate)
    # a shell starts background jobs with SIGINT ignored; an orderly end must work there, too
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.exit(run_cli(arguments))


def run_cli(arguments: list[str] | None = None) -> int:
    """Run one command; return its exit code. Errors are one line on standard error."""
    try:
        result: Any = cli.main(args=arguments, prog_name="walletlab", standalone_mode=False)
        sys.stdout.flush()
    except LabError as error:
        return _told(str(error), error.exit_code)
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except click.ClickException as error:
        context = getattr(error, "ctx", None)
        hint = f" · see: {context.command_path} --help" if context else ""
        return _told(" ".join(error.format_message().split()) + hint, 2)
    except (click.Abort, KeyboardInterrupt):
        return _told("interrupted · nothing half-written was kept", 130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return result if isinstance(result, int) else 0


def _told(message: str, code: int) -> int:
    if os.environ.get("WALLETLAB_VERBOSE"):
        traceback.print_exc()
    click.echo(f"walletlab: {message}", err=True)
    return code


def _terminate(*_: object) -> None:
    """Turn SIGTERM into the same orderly end as Ctrl-C."""
    raise KeyboardInterrupt

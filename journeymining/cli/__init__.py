"""The command line: one thin file per command, loaded only when it is called."""

from __future__ import annotations

import importlib
import logging
import os
import sys
from typing import Any

import click

from journeymining import __version__
from journeymining.exceptions import JourneyMiningError, did_you_mean

# Name -> what it does. The module is journeymining.cli.<name>, its command is called `command`.
COMMANDS = {
    "demo": "Simulate a company's raw logs, run the whole job on them, say where the report is.",
    "simulate": "Write the raw logs of a made-up company, with the truth beside them.",
    "init": "Ask five questions, write a job file, a designed journey and the folders.",
    "run": "Run the whole job: pull, stitch, cut, discover, conform, outcomes, experience, report.",
    "pull": "Read the sources of a job into event_logs/.",
    "check": "Say what is wrong with an event log.",
    "discover": "Show the journeys that customers actually take.",
    "conform": "Compare the actual journeys with the designed one.",
    "design": "Draw, draft or convert a designed journey.",
    "outcomes": "Say which paths go with an outcome, and how sure that is.",
    "experience": "Summarise survey answers: NPS, satisfaction, effort.",
    "report": "Write the audit report of a run again, from its tables.",
    "convert": "Convert an event log between CSV, Parquet, XES and OCEL 2.0.",
    "connectors": "List, show or test the connectors.",
    "propose": "Propose which accounts may be one person.",
    "erase": "Forget a customer, and prove it.",
    "rotate": "Replace the key of the pseudonyms of a job.",
}


class LazyGroup(click.Group):
    """A group whose commands are imported when they run, so that ``--help`` stays fast."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the commands in the order in which a job uses them."""
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the module of one command."""
        del ctx
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"journeymining.cli.{cmd_name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing any of them."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Guess what was meant by a command that does not exist."""
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            ctx.fail(f"No such command '{args[0]}'.{did_you_mean(args[0], COMMANDS)} See 'journeymining --help'.")
        return super().resolve_command(ctx, args)


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="journeymining")
@click.option("-v", "--verbose", count=True, help="Say more on stderr; twice for debugging.")
def cli(verbose: int) -> None:
    """Show the journeys customers actually take, against the designed ones.

    Results go to stdout, everything else to stderr. Exit code 0: fine, 1: an error in one line, 2: wrong usage,
    3: a gate failed.

    Example: journeymining demo
    """
    level = (logging.WARNING, logging.INFO, logging.DEBUG)[min(verbose, 2)]
    logging.basicConfig(level=level, stream=sys.stderr, format="%(levelname)s %(name)s: %(message)s")


def main(arguments: list[str] | None = None) -> None:
    """Run the command line; errors made on purpose end in one line, a bug keeps its traceback."""
    try:
        code: Any = cli.main(args=arguments, prog_name="journeymining", standalone_mode=False)
    except click.exceptions.Abort:
        click.echo("Stopped.", err=True)
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except JourneyMiningError as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(error.exit_code)
    except BrokenPipeError:
        # The reader of our output left (`| head`): what we could say, we said.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except PermissionError as error:
        place = f"'{error.filename}'" if error.filename else "a file"
        click.echo(f"Error: {place} may not be read or written by whoever runs this ({error.strerror}).", err=True)
        sys.exit(1)
    except Exception as error:
        # Every library has its own class for it.
        if "No space left on device" not in str(error):
            raise
        click.echo(
            "Error: no space is left on the disk. What was there before is as it was; make room, run again.", err=True
        )
        sys.exit(1)
    sys.exit(code if isinstance(code, int) else 0)

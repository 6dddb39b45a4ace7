"""`python -m akid.sweep FILE` trains an experiment's grid, `python -m akid.sweep COMMAND` the rest.

A file that is called like a command is named by its path: `./compare`.
"""

import argparse
import difflib
import importlib
import io
import os
import shutil
import signal
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from akid.commands import exit_codes
from akid.errors import AkidError, ResourceError, StorageError

COMMANDS: Final[dict[str, str]] = {
    "best": "name the best run, or export its trained brain",
    "compare": "compare an experiment's combinations",
    "deploy": "write the files that bring a cluster up",
    "diff": "say in what two runs differ",
    "gpus": "list the GPUs and who uses them",
    "plan": "say which trials would run, and why; the same as --dry-run",
    "replay": "train a run again and see whether it gives the same",
    "show": "show a run",
    "submit": "sweep on a cluster as a Ray job",
    "sync": "send what the tracking store did not take",
}
"""The commands besides training: name, one line of help. Each is a module of `akid.commands`."""


_PACKAGES: Final = ("jinja2", "matplotlib", "mlflow", "numpy", "optuna", "ray", "rich", "torch")
"""What akid loads, besides what a trial loads by itself."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    _print_anything()
    name = given[0] if given and given[0] in COMMANDS else None
    if fault := _hidden_packages() or (None if name else _misspelt(given)):
        print(f"akid.sweep: {fault}", file=sys.stderr)
        return exit_codes.USAGE
    command = importlib.import_module(f"akid.commands.{name or 'train'}")
    width = min(100, shutil.get_terminal_size().columns - 2)
    parser = argparse.ArgumentParser(
        prog=f"akid.sweep {name}" if name else "akid.sweep",
        usage=None if name else "akid.sweep [OPTIONS] FILE\n       akid.sweep COMMAND ...",
        description=textwrap.fill(command.DESCRIPTION, width),
        epilog=_epilog(name, width),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_arguments(parser)
    options, unknown = parser.parse_known_intermixed_args(given[1:] if name else given)
    if unknown:
        parser.error(_unrecognised(parser, unknown, name))
    try:
        code = int(command.run(options))
        sys.stdout.flush()
    except BrokenPipeError:  # whoever read it has read enough, such as `head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Python flushes at its end
        return exit_codes.FAILED
    except (ResourceError, StorageError) as error:
        return _refuse(error, exit_codes.RESOURCES)
    except AkidError as error:
        return _refuse(error, exit_codes.USAGE)
    except KeyboardInterrupt as interrupt:
        print("interrupted", file=sys.stderr)
        return exit_codes.of_signal(getattr(interrupt, "signum", signal.SIGINT))
    return code


def _print_anything() -> None:
    """Let escapes stand for what a terminal has no letters for, rather than end with an error."""
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.errors == "strict":
        sys.stdout.reconfigure(errors="backslashreplace")


def _hidden_packages() -> str | None:
    """Return what is wrong with files of this folder that Python would take for akid's packages."""
    found = [f"{name}.py" for name in _PACKAGES if Path(f"{name}.py").is_file()]
    if not found or sys.path[0] not in ("", str(Path.cwd())):
        return None
    return (
        f"expected a folder without files that are called like packages, got {', '.join(found)}"
        " here, which Python would load in their place. Call them otherwise."
    )


def _misspelt(given: Sequence[str]) -> str | None:
    """Return the message about a first argument that is no file and resembles a command."""
    if not given or given[0].startswith("-") or Path(given[0]).exists():
        return None
    close = difflib.get_close_matches(given[0], COMMANDS, n=1)
    if not close:
        return None
    known = ", ".join(COMMANDS)
    message = f"expected an experiment file or a command ({known}), got {given[0]!r}"
    return f"{message}. Did you mean {close[0]}?"


def _unrecognised(parser: argparse.ArgumentParser, unknown: Sequence[str], name: str | None) -> str:
    """Return the message about arguments that a command does not have."""
    known = parser._option_string_actions  # noqa: SLF001 (argparse tells it nowhere else)
    close = difflib.get_close_matches(unknown[0].partition("=")[0], known, n=1, cutoff=0.7)
    message = f"unrecognized arguments: {' '.join(unknown)}."
    if close:
        return f"{message} Did you mean {close[0]}?"
    if name == "submit":
        return f"{message} Options of akid.sweep follow after --, for example: -- --repeat 3"
    return message


def _epilog(name: str | None, width: int) -> str | None:
    """Return what stands below a command's help: exit codes where they are a sweep's."""
    if name not in (None, "submit"):
        return None
    explained = textwrap.fill(exit_codes.EXPLAINED, width)
    return explained if name else f"{_commands_explained()}\n\n{explained}"


def _commands_explained() -> str:
    lines = [f"  {name:<10}{summary}" for name, summary in COMMANDS.items()]
    return "\n".join(["commands (akid.sweep COMMAND --help says more):", *lines])


def _refuse(error: AkidError, code: int) -> int:
    print(f"akid.sweep: {error}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())

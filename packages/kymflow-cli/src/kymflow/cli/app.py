"""The command tree, and what every verb has in common: its options, its errors, its exit code.

A verb's module imports nothing heavy before it is called, so ``kymflow --help`` starts fast.
"""

from __future__ import annotations

import inspect
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, CycloptsError, Group, Parameter

from kymflow.cli.completion import ASKED, completions
from kymflow.cli.errors import ExitCode, Failure, UnusedOptionError, expected_errors, explain
from kymflow.cli.messages import shown_messages
from kymflow.cli.results import Result
from kymflow.cli.row_formats import Format
from kymflow.cli.terminal import Terminal

if TYPE_CHECKING:
    from rich.console import Console

_HELP = "Turn a folder of kymograph TIFFs into one dataset, and look at what is in it."
_EPILOGUE = "To see it at work: kymflow demo. With your own images: kymflow ingest FOLDER DATASET"

_FILL = Group("Fill a dataset", sort_key=1)
_LOOK = Group("Look at it", sort_key=2)
_DECIDE = Group("Decide", sort_key=3)
_KEEP = Group("Maintain it", sort_key=4)
_OTHER = Group("Other", sort_key=5)
_COMMON = Group("Everywhere", sort_key=9)

_VERBS: Mapping[str, Group] = {
    "ingest": _FILL,
    "refresh": _FILL,
    "relocate": _FILL,
    "analyze": _FILL,
    "index": _FILL,
    "update": _FILL,
    "status": _LOOK,
    "ls": _LOOK,
    "info": _LOOK,
    "table": _LOOK,
    "query": _LOOK,
    "report": _LOOK,
    "figure": _LOOK,
    "view": _LOOK,
    "metadata": _DECIDE,
    "calibrate": _DECIDE,
    "roi": _DECIDE,
    "mark": _DECIDE,
    "note": _DECIDE,
    "accept": _DECIDE,
    "reject": _DECIDE,
    "exclude": _DECIDE,
    "include": _DECIDE,
    "undo": _DECIDE,
    "log": _DECIDE,
    "check": _KEEP,
    "repair": _KEEP,
    "export": _KEEP,
    "upgrade": _KEEP,
    "plugins": _OTHER,
    "demo": _OTHER,
    "completion": _OTHER,
}
"""Where the help shows each verb, in this order."""

_MODULES: Mapping[str, str] = dict.fromkeys(
    ("exclude", "include", "accept", "reject", "note"), "verdicts"
)
"""The modules of `kymflow.cli.verbs` that have several; each other verb has its own."""


def build_app(words: Sequence[str] = ()) -> App:
    """The command tree. Its ``meta`` has the options that every verb takes.

    Args:
        words: The command line, as far as it decides which options there are.
    """
    app = App(
        name="kymflow",
        help=_HELP,
        help_epilogue=_EPILOGUE,
        help_format="markdown",
        version=_versions,
        default_parameter=Parameter(negative=(), show_default=_default_in_help),
    )
    for flag in (*app.help_flags, *app.version_flags):
        app[flag].group = _OTHER
    for number, (name, group) in enumerate(_VERBS.items()):
        verb = _function(name, words)
        app.command(verb, group=group, sort_key=number, help_epilogue="", usage=_usage(verb))
    _add_common_options(app)
    return app


def _function(name: str, words: Sequence[str]) -> Callable[..., Result]:
    module = vars(import_module(f"kymflow.cli.verbs.{_MODULES.get(name, name)}"))
    if name in words and "with_options" in module:  # it depends on the arguments
        specialize: Callable[[Sequence[str]], Callable[..., Result]] = module["with_options"]
        return specialize(words)
    function: Callable[..., Result] = module[name]
    return function


def _usage(verb: Callable[..., Result]) -> str:
    """The line that the help of a verb begins with."""
    words = []
    for parameter in inspect.signature(verb).parameters.values():
        name = parameter.name.upper()
        if parameter.kind is inspect.Parameter.VAR_POSITIONAL:
            words.append(f"[{name}...]")
        elif parameter.kind is inspect.Parameter.POSITIONAL_ONLY:
            words.append(name if parameter.default is inspect.Parameter.empty else f"[{name}]")
    return f"Usage: kymflow {' '.join([verb.__name__, '[OPTIONS]', *words])}"


def _add_common_options(app: App) -> None:
    @app.meta.default
    def launch(
        *tokens: Annotated[str, Parameter(show=False, allow_leading_hyphen=True)],
        output: Annotated[
            Format | None,
            Parameter(name="--format", group=_COMMON, show_default=lambda _: "text"),
        ] = None,
        as_json: Annotated[bool, Parameter(name="--json", group=_COMMON, negative=())] = False,
        as_csv: Annotated[bool, Parameter(name="--csv", group=_COMMON, negative=())] = False,
        quiet: Annotated[
            bool, Parameter(name=["--quiet", "-q"], group=_COMMON, negative=())
        ] = False,
        verbose: Annotated[
            bool, Parameter(name=["--verbose", "-v"], group=_COMMON, negative=())
        ] = False,
        debug: Annotated[bool, Parameter(group=_COMMON, negative=())] = False,
    ) -> int:
        """Run a verb.

        Args:
            tokens: The verb and its arguments.
            output: How to write what was asked for: as text (on a terminal a table that fits, on a
                pipe with tabs), as JSON Lines (a record per item, and a summary as the last one),
                or as one table with a row per item.
            as_json: The same as --format json.
            as_csv: The same as --format csv.
            quiet: No progress bar and no remarks.
            verbose: Say more about what is going on.
            debug: Show tracebacks.
        """
        asked: dict[str, Format] = {"--json": "json"} if as_json else {}
        if as_csv:
            asked["--csv"] = "csv"
        if output is not None:
            asked["--format"] = output
        first: Format = next(iter(asked.values()), "text")
        terminal = Terminal(output=first, quiet=quiet)
        others = [option for option, chosen in asked.items() if chosen != first]
        if others:
            refused = UnusedOptionError(others, next(iter(asked)))
            return _report(refused, terminal, debug=debug)
        return _launch(app, tokens, terminal, verbose=verbose, debug=debug)


def _default_in_help(value: object) -> str | None:
    """No default is shown for a flag, nor where it is nothing."""
    return None if value is False or value is None or value in ((), "") else str(value)


def run(arguments: Sequence[str]) -> int:
    """Run one command line.

    Args:
        arguments: What comes after ``kymflow``.

    Returns:
        The exit code, an `ExitCode`.
    """
    app = build_app(arguments)
    if arguments and arguments[0].startswith(ASKED):
        said, *before = arguments
        for word in completions(app, before, said.removeprefix(ASKED)):
            sys.stdout.write(f"{word}\n")
        return ExitCode.DONE
    try:
        code = app.meta(
            list(arguments),
            console=_help_console(app, arguments),
            exit_on_error=False,
            print_error=False,
            result_action="return_value",
        )
    except CycloptsError as error:  # about one of the options above, or about --help
        terminal = Terminal(output="json" if "--json" in arguments else "text", quiet=False)
        return _report(error, terminal, debug=False)
    # Cyclopts itself serves --help and --version, and returns nothing then.
    return code if isinstance(code, int) else ExitCode.DONE


def _help_console(app: App, arguments: Sequence[str]) -> Console | None:
    """Where help and versions go, if they are asked for: making it takes a while."""
    if not {*app.help_flags, *app.version_flags} & set(arguments):
        return None
    from kymflow.cli.console import PipeConsole

    return PipeConsole()


def _launch(
    app: App, tokens: tuple[str, ...], terminal: Terminal, *, verbose: bool, debug: bool
) -> int:
    if not tokens:
        app.help_print([], console=terminal.error_console())
        return ExitCode.USAGE
    with shown_messages(terminal, verbose=verbose, debug=debug):
        try:
            code = _call(app, tokens, terminal)
            terminal.flush()
            return code
        except KeyboardInterrupt:
            terminal.end()
            return _interrupted(terminal)
        except expected_errors() as error:
            terminal.end()
            return _report(error, terminal, debug=debug)
        finally:
            terminal.end()
            terminal.flush()


def _call(app: App, tokens: tuple[str, ...], terminal: Terminal) -> int:
    words = [_from_home(token) for token in tokens]
    verb, bound, not_parsed = app.parse_args(words, exit_on_error=False, print_error=False)
    result = verb(*bound.args, **bound.kwargs, **dict.fromkeys(not_parsed, terminal))
    terminal.end()
    if result is None:
        return ExitCode.DONE
    from kymflow.cli.render import finish

    return finish(result, terminal)


def _from_home(word: str) -> str:
    """A path in the home folder where the shell left the ``~``: in quotes, and on Windows."""
    return str(Path(word).expanduser()) if word[:2] in {"~", "~/", "~\\"} else word


def _report(error: Exception, terminal: Terminal, *, debug: bool) -> int:
    if debug:
        traceback.print_exception(error)
    failure = explain(error)
    return _tell(failure, terminal, "error", style="bold red", message=failure.message)


def _interrupted(terminal: Terminal) -> int:
    failure = Failure(
        exit_code=ExitCode.INTERRUPTED,
        kind="KeyboardInterrupt",
        message="what was done before stays",
        hint="run the same command again to continue",
    )
    message = f"interrupted: {failure.message}"
    return _tell(failure, terminal, "interrupted", style="bold yellow", message=message)


def _tell(failure: Failure, terminal: Terminal, label: str, *, style: str, message: str) -> int:
    """Say why the work was not done; `message` is what a program is told."""
    terminal.labelled(label, failure.message, style=style)
    if failure.hint:
        terminal.labelled("hint", failure.hint, style="bold cyan")
    if terminal.output == "json":
        terminal.write_json(
            {
                "type": "error",
                "error": failure.kind,
                "message": message,
                "hint": failure.hint,
                "exit_code": int(failure.exit_code),
            }
        )
    return failure.exit_code


def _versions() -> str:
    from importlib.metadata import PackageNotFoundError, version

    def of(distribution: str) -> str:
        try:
            return version(distribution)
        except PackageNotFoundError:  # run from a source tree that is not installed
            return "(not installed)"

    python = ".".join(str(part) for part in sys.version_info[:3])
    return (
        f"kymflow {of('kymflow-cli')} (kymflow-core {of('kymflow-core')}, "
        f"kymflow-zarr {of('kymflow-zarr')}, Python {python})"
    )

"""What a shell offers for the next word: verbs, options, and the names that a dataset has.

Cyclopts makes scripts that know verbs and options; only the command itself knows what is in a
dataset, so that our scripts ask it: ``kymflow --complete=WORD WORDS_BEFORE…``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from cyclopts import App

from kymflow.cli.opening import open_reader, source_of
from kymflow.cli.source_names import file_order, short_names

if TYPE_CHECKING:
    from cyclopts import Argument

    from kymflow_zarr import ZarrDataset

ASKED: Final = "--complete="
"""How a script begins to ask."""

SCRIPTS: Final[Mapping[str, str]] = {
    "bash": """\
_kymflow() {
    local word
    COMPREPLY=()
    while IFS= read -r word; do
        COMPREPLY+=("$(printf %q "$word")")
    done < <(kymflow "--complete=${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[@]:1:COMP_CWORD-1}" \
        2>/dev/null)
}
complete -o bashdefault -o default -F _kymflow kymflow""",
    "zsh": """\
#compdef kymflow
_kymflow() {
    local -a found
    found=(${(f)"$(kymflow "--complete=${(Q)words[CURRENT]}" "${(@Q)words[2,CURRENT-1]}" \
        2>/dev/null)"})
    if (( $#found )); then compadd -- $found; else _files; fi
}
if [ "$funcstack[1]" = _kymflow ]; then _kymflow "$@"; else compdef _kymflow kymflow; fi""",
    "fish": """\
function __kymflow
    kymflow --complete=(commandline -ct) (commandline -opc)[2..] 2>/dev/null
end
complete -c kymflow -a '(__kymflow)'""",
    "powershell": """\
Register-ArgumentCompleter -Native -CommandName kymflow -ScriptBlock {
    param($word, $line, $cursor)
    $before = @($line.CommandElements | Select-Object -Skip 1 | ForEach-Object { "$_" })
    if ($word) { $before = @($before | Select-Object -SkipLast 1) }
    kymflow "--complete=$word" @before 2>$null | ForEach-Object {
        $text = if ($_ -match '\\s') { "'$_'" } else { $_ }
        [System.Management.Automation.CompletionResult]::new($text, $_, 'ParameterValue', $_)
    }
}""",
}
"""For each shell what to put where it looks."""


def completions(app: App, before: Sequence[str], word: str) -> list[str]:
    """What may stand for a word that was begun.

    Args:
        app: The command.
        before: The words before it, without ``kymflow``.
        word: Its beginning.

    Returns:
        The words that begin so; none where the shell should offer files.
    """
    if not before:
        return _beginning(word, [name for name in app if not name.startswith("-")])
    verb, *given = before
    if verb not in app:
        return []
    own = app[verb].assemble_argument_collection(default_parameter=app.default_parameter)
    common = app.meta.assemble_argument_collection()
    arguments = [each for each in (*own, *common) if each.parse]
    options = {name: each for each in arguments for name in each.names if name.startswith("-")}
    places = [each for each in own if not each.names[0].startswith("-")]
    positional = _positional(given, options)
    asked = options.get(given[-1]) if given else None
    if asked is None or not asked.token_count()[0]:
        if word.startswith("-"):
            return _beginning(word, options)
        if not places:
            return []
        asked = places[min(len(positional), len(places) - 1)]
    named = dict(zip((each.field_info.name for each in places), positional, strict=False))
    return _beginning(word, _values(asked, named.get("dataset")))


def _beginning(word: str, names: Iterable[str]) -> list[str]:
    return [name for name in names if name.startswith(word)]


def _positional(given: Sequence[str], options: Mapping[str, Argument]) -> list[str]:
    """The words that are neither options nor their values."""
    found: list[str] = []
    values = 0
    for word in given:
        if values:
            values -= 1
        elif word in options:
            values = options[word].token_count()[0]
        elif not word.startswith("-"):
            found.append(word)
    return found


def _values(argument: Argument, dataset: str | None) -> Iterable[str]:
    """What an argument may be; nothing if it is anything, or a file."""
    from kymflow_zarr import KymflowZarrError

    if (choices := argument.get_choices()) is not None:
        return choices
    if (installed := _INSTALLED.get(argument.field_info.name)) is not None:
        return installed()
    source = _IN_A_DATASET.get((argument.field_info.name, argument.names[0].startswith("-")))
    if source is None or dataset is None:
        return ()
    try:
        return source(open_reader(dataset))
    except (KymflowZarrError, OSError):  # a shell that completes shows no errors
        return ()


def _analyses() -> Iterable[str]:
    from kymflow.core.plugins import find_analyses

    return find_analyses()


def _indexers() -> Iterable[str]:
    from kymflow.core.plugins import find_indexers

    return find_indexers()


def _images(dataset: ZarrDataset) -> list[str]:
    names = short_names(map(source_of, dataset.load_manifest().entries.values()))
    return [names[path] for path in sorted(names, key=file_order)]


def _tables(dataset: ZarrDataset) -> list[str]:
    return dataset.list_table_names()


def _labels(dataset: ZarrDataset) -> list[str]:
    from kymflow.core import KymDataset

    return sorted(set(KymDataset(dataset).log()["label"]) - {""})


_INSTALLED: Final[Mapping[str, Callable[[], Iterable[str]]]] = {
    "analysis": _analyses,
    "indexers": _indexers,
}
_IN_A_DATASET: Final[Mapping[tuple[str, bool], Callable[[ZarrDataset], list[str]]]] = {
    ("image", False): _images,
    ("image", True): _images,
    ("images", False): _images,
    ("name", False): _tables,
    ("label", True): _labels,
}
"""By the name of the parameter, and whether it is an option."""

"""An option either has an effect, or is refused by name: it is never passed over in silence."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from kymflow.cli.verbs.ingest import ingest

Kymflow = Callable[..., tuple[int, str, str]]

UNUSED = [
    ("figure DATA a.tif -o OUT.svg --baseline wt", "--baseline", "an image"),
    ("figure DATA a.tif -o OUT.svg --column median_mm_s", "--column", "an image"),
    ("figure DATA -o OUT.svg --group-by file --roi 1", "--roi", "--group-by"),
    ("figure DATA -o OUT.svg --group-by file --channel 1", "--channel", "--group-by"),
    ("export DATA OUT --baseline wt", "--baseline", "a folder"),
    ("export DATA OUT --group-by file", "--group-by", "a folder"),
    ("export DATA OUT --no-tables --table-format csv", "--table-format", "--no-tables"),
    ("export DATA OUT --xlsx OUT.xlsx", "a folder", "--xlsx"),
    ("export DATA --xlsx OUT.xlsx --combined OUT.csv", "--combined", "--xlsx"),
    ("export DATA --xlsx OUT.xlsx --image a.tif", "--image", "--xlsx"),
    ("export DATA --xlsx OUT.xlsx --no-pixels", "--no-pixels", "--xlsx"),
    ("export DATA --xlsx OUT.xlsx --no-tables", "--no-tables", "--xlsx"),
    ("export DATA --xlsx OUT.xlsx --table-format csv", "--table-format", "--xlsx"),
    ("export DATA --xlsx OUT.xlsx --baseline wt", "--baseline", "without --group-by"),
    ("export DATA OUT --combined OUT.csv", "a folder", "--combined"),
    ("export DATA OUT --over-time", "--over-time", "a folder"),
    ("export DATA --xlsx OUT.xlsx --over-time", "--over-time", "--xlsx"),
    ("export DATA --combined OUT.csv --group-by file", "--group-by", "--combined"),
    ("export DATA --combined OUT.csv --baseline wt", "--baseline", "--combined"),
    ("export DATA --combined OUT.csv --image a.tif", "--image", "--combined"),
    ("index DATA images --list", "an indexer", "--list"),
    ("table DATA --rows 2", "--rows", "all tables"),
    ("table DATA --columns file", "--columns", "all tables"),
    ("table DATA --image a.tif", "--image", "all tables"),
    ("table DATA --raw", "--raw", "all tables"),
    ("metadata DATA a.tif --set age=3 --on animal", "--on", "no CSV file"),
    ("metadata DATA --folders {animal} --on animal", "--on", "no CSV file"),
    ("metadata DATA --folders {animal} --set age=3", "--set", "--folders"),
    ("roi DATA a.tif --remove 1 --pixels 2 9", "--pixels", "--remove"),
    ("roi DATA a.tif --remove 1 --change 1", "--change", "--remove"),
    ("roi DATA a.tif --remove 1 --name vein", "--name", "--remove"),
    ("roi DATA a.tif --change 1 --channel 2", "--channel", "--change"),
    ("roi DATA a.tif --change 1 --name vein --z 1", "--z", "--change"),
    ("mark DATA a.tif --remove m1 --kind leak", "--kind", "--remove"),
    ("mark DATA a.tif 0.01 0.02 --remove m1", "an interval", "--remove"),
    ("mark DATA a.tif --remove m1 --move m2", "--move", "--remove"),
    ("mark DATA a.tif 0.01 0.02 --move m1 --roi 2", "--roi", "--move"),
    ("report DATA OUT.html --images a.tif --limit 1", "--limit", "--images"),
    ("report DATA OUT.html --pages --limit 1", "--limit", "--pages"),
    ("ls DATA --json --csv", "--csv", "--json"),
    ("ls DATA --format tsv --csv", "--format", "--csv"),
]


@pytest.fixture(scope="module")
def untouched(tmp_path_factory: pytest.TempPathFactory, write_tiff: Callable[..., Path]) -> str:
    """A dataset of ``a.tif``, which no test changes."""
    place = tmp_path_factory.mktemp("options")
    (place / "in").mkdir()
    write_tiff(place / "in" / "a.tif")
    assert ingest(place / "in", str(place / "k.zarr")).ok
    return str(place / "k.zarr")


@pytest.mark.parametrize(("line", "option", "beside"), UNUSED, ids=[line for line, _, _ in UNUSED])
def test_an_option_without_effect_is_refused_and_nothing_is_done(
    line: str, option: str, beside: str, untouched: str, kymflow: Kymflow, tmp_path: Path
) -> None:
    words = [
        word.replace("DATA", untouched).replace("OUT", str(tmp_path / "out"))
        for word in line.split()
    ]
    code, out, err = kymflow(*words)
    assert code == 2
    assert option in err
    assert beside in err
    assert "hint:" in err
    assert not list(tmp_path.glob("out*"))
    if "--json" not in words:
        assert out == ""


def test_the_same_format_in_two_ways_is_no_contradiction(untouched: str, kymflow: Kymflow) -> None:
    code, out, _ = kymflow("ls", untouched, "--format", "json", "--json")
    assert code == 0
    assert json.loads(out.splitlines()[-1])["images"] == 1

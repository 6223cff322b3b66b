"""Check the boundaries between the packages: `hatch run lint:bounds`.

One verdict per rule; the exit code is 1 when any rule is broken. Three engines find violations:

- import-linter follows every import of the sources, also those inside functions and under
  ``TYPE_CHECKING``. Its contracts are in ``.importlinter``.
- deptry compares what is imported with what each ``pyproject.toml`` declares.
- `imports` reads the syntax of all code, for what those two do not see: private names, imports by
  string, tests and scripts, what the packages require of each other.

What no reading of code can see is an import by a computed name: ``tests/test_isolation.py`` imports
`kymflow_zarr` where no `kymflow` exists.
"""

from __future__ import annotations

import configparser
import json
import os
import re
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from imports import Use, module_name, uses_in, uses_in_workspace
from verdicts import Rule, report
from workspace import PACKAGES, ROOT, Package, is_within, owner


def rules() -> list[Rule]:
    """All rules, in the order of the report."""
    return [
        *contract_rules(),
        Rule(says="imports by string, tests and scripts obey the same", check=hidden_imports),
        Rule(says="no package uses private modules or names of another", check=private_uses),
        *(
            Rule(
                says=f"{package.name} declares what it imports, and imports what it declares",
                check=partial(requirement_issues, package),
            )
            for package in PACKAGES
        ),
        Rule(says="kymflow is a namespace: it has no __init__.py", check=namespace_inits),
        Rule(says="tests are no packages: they have no __init__.py", check=inits_in_tests),
    ]


# --- import-linter: the direction of imports


def contracts() -> Iterator[tuple[str, configparser.SectionProxy]]:
    """Identifier and content of each contract in ``.importlinter``."""
    config = configparser.ConfigParser()
    config.read_string((ROOT / ".importlinter").read_text(encoding="utf-8"))
    for section in config.sections():
        _, found, identifier = section.partition("importlinter:contract:")
        if found:
            yield identifier, config[section]


def contract_rules() -> Iterator[Rule]:
    """One rule per contract."""
    for identifier, contract in contracts():
        yield Rule(says=contract["name"], check=partial(broken_contract, identifier))


def broken_contract(identifier: str) -> list[str]:
    """The imports that break one contract.

    import-linter runs without `site`, so that it reads the packages of this tree, whatever else is
    installed.
    """
    installed = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    path = [*(str(package.sources) for package in PACKAGES), *sorted(installed)]
    start = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    options = ["--no-logo", "--no-cache", "--contract", identifier]
    done = subprocess.run(
        [sys.executable, "-S", "-c", start, *options],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path), "COLUMNS": "1000"},
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )
    if done.returncode == 0:
        return []
    steps = re.findall(r"(\S+) -> (\S+) \(l\.(.+)\)", done.stdout)
    if not steps:
        return [f"import-linter failed: {done.stdout}{done.stderr}"]
    return [f"{importer} imports {imported} (line {line})" for importer, imported, line in steps]


# --- the syntax of all code: what import-linter does not look at


def hidden_imports() -> list[str]:
    """Imports that no package may have, by string, or outside the sources."""
    forbidden = {package.name: upward(package) for package in PACKAGES}
    by_string = {package.name: upward(package) for package in PACKAGES}
    for _, contract in contracts():
        if contract["type"] == "forbidden" and (source := owner(contract["source_modules"])):
            by_string[source.name] += contract["forbidden_modules"].split()

    def breaks(use: Use) -> bool:
        if use.package is None or (use.in_sources and not use.by_string):
            return False
        never = (by_string if use.in_sources else forbidden)[use.package.name]
        return any(is_within(use.target, module) for module in never)

    return one_line_each(filter(breaks, uses_in_workspace()))


def upward(package: Package) -> list[str]:
    """The packages that one may not import."""
    allowed = {package.name, *package.lower}
    return [other.module for other in PACKAGES if other.name not in allowed]


def private_uses() -> list[str]:
    """Private modules and names of another package."""
    return one_line_each(
        use
        for use in uses_in_workspace()
        if owner(use.target) not in {None, use.package} and is_private(use.target)
    )


def is_private(target: str) -> bool:
    """Whether any part of a dotted name is private."""
    return any(part.startswith("_") and not part.endswith("__") for part in target.split("."))


def one_line_each(uses: Iterable[Use]) -> list[str]:
    """A line per place, none twice."""
    return list(dict.fromkeys(str(use) for use in uses))


# --- deptry: what is declared


def requirement_issues(package: Package) -> list[str]:
    """What a package imports and does not declare, and the other way round."""
    return third_party_issues(package) + sibling_issues(package)


def third_party_issues(package: Package) -> list[str]:
    """What deptry finds in one package."""
    config = package.folder / "pyproject.toml"
    ours = ["--known-first-party", "kymflow", "--known-first-party", "kymflow_zarr"]
    with tempfile.TemporaryDirectory() as scratch:
        found = Path(scratch) / "found.json"
        options = ["--config", str(config), *ours, "--json-output", str(found)]
        done = subprocess.run(
            [sys.executable, "-m", "deptry", str(package.sources), *options],
            cwd=ROOT,
            capture_output=True,
            text=True,
            encoding="utf-8",
            check=False,
        )
        if not found.exists():
            return [f"deptry failed: {done.stdout}{done.stderr}"]
        issues = json.loads(found.read_text(encoding="utf-8"))
    siblings = {other.name for other in PACKAGES}
    return [_told(package, issue) for issue in issues if issue["module"] not in siblings]


def _told(package: Package, issue: dict[str, Any]) -> str:
    module, line = issue["module"], issue["location"]["line"]
    if issue["error"]["code"] == "DEP002":
        return f"{package.name} declares {module}, and no module of it imports that"
    importer = module_name(package, Path(issue["location"]["file"]))
    return f"{importer} imports {module} (line {line}), which {package.name} does not declare"


def sibling_issues(package: Package) -> list[str]:
    """The same among the packages of this workspace: to deptry `kymflow` is one thing."""
    names = {re.split(r"[^a-z0-9-]", text.lower())[0] for text in package.requirements()}
    declared = {other.name for other in PACKAGES if other.name in names}
    used: dict[str, Use] = {}
    for use in uses_in(package, package.sources):
        other = owner(use.target)
        if other not in {None, package}:
            used.setdefault(other.name, use)
    return [
        *(
            f"{use}, which {package.name} does not declare: it is in {name}"
            for name, use in used.items()
            if name not in declared
        ),
        *(
            f"{package.name} declares {name}, and no module of it imports that"
            for name in sorted(declared - used.keys())
        ),
    ]


# --- files that must not be


def namespace_inits() -> list[str]:
    """Files that make `kymflow` a regular package, which hides the other portion of it."""
    return [
        f"{file.relative_to(ROOT).as_posix()} hides the rest of kymflow: delete it"
        for file in (ROOT / "packages").glob("*/src/kymflow/__init__.py")
    ]


def inits_in_tests() -> list[str]:
    """Files that make pytest lose tests, as there would be several packages of one name."""
    folders = [ROOT / "tests", *(package.folder / "tests" for package in PACKAGES)]
    return [
        f"{file.relative_to(ROOT).as_posix()} makes pytest lose tests: delete it"
        for folder in folders
        for file in sorted(folder.rglob("__init__.py"))
    ]


if __name__ == "__main__":
    sys.exit(report(rules()))

"""The shim (`shim.c`) from Python: compiled when needed, loaded by restarting this process."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

KILL = 0
"""The fault that ends the process."""
SHORT_WRITE = -1
"""The fault that writes half of what was asked for, as a system may."""

_SOURCE = Path(__file__).with_name("shim.c")
_LIBRARY = "FAULTS_SHIM"
# Threads in the parent would not survive a fork.
_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


class UnavailableError(Exception):
    """This machine lacks what a part of the harness needs; the part is skipped, loudly."""


def compile_shim(folder: Path) -> Path:
    """Compile the shim.

    Raises:
        UnavailableError: This is not Linux, or there is no C compiler.
    """
    if sys.platform != "linux":
        raise UnavailableError(f"faults are injected through LD_PRELOAD; {sys.platform} has none")
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        raise UnavailableError("there is no C compiler; install gcc")
    library = folder / "shim.so"
    flags = ["-shared", "-fPIC", "-O2", "-Wall", "-Werror"]
    subprocess.run(
        [compiler, *flags, "-o", str(library), str(_SOURCE), "-ldl", "-pthread"], check=True
    )
    return library


def restart_with_shim() -> None:
    """Restart this process with the shim loaded, unless it is.

    Its library is removed once it is loaded.

    Raises:
        UnavailableError: It cannot be compiled here.
    """
    if _LIBRARY in os.environ:
        _library()
        shutil.rmtree(Path(os.environ[_LIBRARY]).parent, ignore_errors=True)
        return
    library = compile_shim(Path(tempfile.mkdtemp(prefix="kymflow-shim-")))
    env = os.environ | _ONE_THREAD | {"LD_PRELOAD": str(library), _LIBRARY: str(library)}
    sys.stdout.flush()
    os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], env)  # noqa: S606


@cache
def _library() -> ctypes.CDLL:
    if _LIBRARY not in os.environ:
        raise UnavailableError("the shim is not loaded; call restart_with_shim() first")
    library = ctypes.CDLL(os.environ[_LIBRARY])
    library.flt_set.argtypes = [ctypes.c_char_p, ctypes.c_long, ctypes.c_int, ctypes.c_int]
    library.flt_count.restype = ctypes.c_long
    library.flt_log.argtypes = [ctypes.c_int]
    library.flt_mark.argtypes = [ctypes.c_char_p]
    return library


def arm(folder: Path, *, at: int, fault: int = KILL, sticky: bool = False) -> None:
    """Count changes below a folder from now on, and fail at one of them, from 1; 0 for none.

    The fault is `KILL`, `SHORT_WRITE` or an ``errno``. If it is sticky, all later calls fail, too.
    """
    _library().flt_set(f"{folder}/".encode(), at, fault, int(sticky))


def disarm() -> None:
    """Stop counting and failing calls."""
    _library().flt_set(b"", 0, KILL, 0)


def count() -> int:
    """How many changes there were since `arm`."""
    return int(_library().flt_count())


def log_to(fd: int) -> None:
    """Log every change with its data to a file descriptor; -1 ends it."""
    _library().flt_log(fd)


def allow_syncfs(allowed: bool) -> None:
    """Whether the system can flush a whole filesystem with one call."""
    _library().flt_allow_syncfs(int(allowed))


def mark(text: str) -> None:
    """Put a remark into the log."""
    _library().flt_mark(text.encode())

#!/usr/bin/env python3
"""Everything a developer runs, with nothing but Python >= 3.11 on the machine.

    python3 dev.py demo            review a simulated shop (more: python3 dev.py demo --help)
    python3 dev.py test            all tests and doctests
    python3 dev.py check [--slow]  lint, types, docs, wheel, lowest versions
    python3 dev.py docs            build the documentation
    python3 dev.py bench           benchmarks against the peers

The first run makes `.venv` and installs what the task needs; later runs start at once.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent
BIN = "Scripts" if os.name == "nt" else "bin"
GROUPS = {
    "demo": ["demo"],
    "test": ["test"],
    "check": ["test", "check", "docs", "services"],
    "docs": ["docs", "demo"],
    "bench": ["bench"],
    "bench-pandas2": ["bench-pandas2"],
}


def run(*command: str | Path, where: Path = ROOT, **environment: str) -> None:
    """Run one command, in the repository unless another folder is named, and stop at the first failure."""
    shown = " ".join(Path(part).name if Path(part).is_absolute() else str(part) for part in command)
    print(f"$ {shown}", flush=True)
    done = subprocess.run([str(part) for part in command], cwd=where, env={**os.environ, **environment}, check=False)
    if done.returncode:
        sys.exit(f"dev.py: failed ({done.returncode}): {shown}")


def python_of(venv: str) -> Path:
    """Return the interpreter of a virtual environment."""
    return ROOT / venv / BIN / ("python.exe" if os.name == "nt" else "python")


def make_venv(venv: str) -> None:
    """Make a virtual environment by the first way that this machine knows."""
    target = ROOT / venv
    if shutil.which("uv") and _works("uv", "venv", "--seed", "--python", sys.executable, str(target)):
        return
    if _works(sys.executable, "-m", "venv", str(target)):
        return
    shutil.rmtree(target, ignore_errors=True)
    if _works(sys.executable, "-m", "venv", "--without-pip", str(target)) and _works(
        sys.executable, "-m", "pip", "--python", str(python_of(venv)), "install", "pip"
    ):
        return
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    sys.exit(
        f"dev.py: python has no venv here; install it first, on Debian and Ubuntu: apt install python{version}-venv"
    )


def _works(*command: str) -> bool:
    return (
        subprocess.run(command, cwd=ROOT, check=False, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL).returncode
        == 0
    )


def install(venv: str, stamp: str, *steps: list[str]) -> Path:
    """Install once into a virtual environment; the stamp remembers what was asked for."""
    python = python_of(venv)
    wanted = hashlib.sha256(((ROOT / "pyproject.toml").read_bytes()) + repr((steps, sys.version)).encode()).hexdigest()
    mark = ROOT / venv / f"{stamp}.stamp"
    if python.exists() and mark.exists() and mark.read_text(encoding="utf-8") == wanted:
        return python
    started = time.monotonic()
    if not python.exists():
        make_venv(venv)
    # `pip install --group` came with pip 25.1; the pip of a fresh venv may be older.
    run(python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--upgrade", "pip>=25.1")
    for step in steps:
        run(python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *step)
    mark.write_text(wanted, encoding="utf-8")
    print(f"dev.py: {venv} is ready ({time.monotonic() - started:.0f} s)", flush=True)
    return python


def environment(task: str) -> Path:
    """Return the interpreter for a task, installing what it needs."""
    groups = [part for group in GROUPS[task] for part in ("--group", group)]
    if task == "bench-pandas2":
        return install(".venv-bench-pandas2", task, ["--editable", ".", *groups])
    if task == "bench":
        return install(".venv-bench", "bench", ["--editable", ".", *groups], ["--no-deps", "--group", "bench-nodeps"])
    return install(".venv", task, ["--editable", ".", *groups])


def demo(arguments: list[str]) -> None:
    """Review a simulated shop, or the orders of ``--orders FILE``."""
    # Files that the reader names, and the page, are where the reader is.
    run(environment("demo"), ROOT / "examples" / "store_review.py", *arguments, where=Path.cwd())


def test(arguments: list[str]) -> None:
    """Run the tests and doctests on two cores."""
    workers = [] if any(part.startswith("-n") for part in arguments) else ["-n", "2"]
    run(environment("test"), "-m", "pytest", *workers, *arguments, HYPOTHESIS_PROFILE="ci")


def docs(arguments: list[str], task: str = "docs") -> None:
    """Build the documentation; a warning is an error."""
    python = environment(task)
    source = os.pathsep.join([str(ROOT / "src"), os.environ.get("PYTHONPATH", "")])
    run(
        python,
        "-m",
        "sphinx",
        "-W",
        "--keep-going",
        "-q",
        "-b",
        "html",
        "docs",
        "docs/_build/html",
        *arguments,
        PYTHONPATH=source,
    )
    print("dev.py: open docs/_build/html/index.html", flush=True)


def check(arguments: list[str]) -> None:
    """Lint, check types, build docs and wheel, and test the wheel on the lowest versions."""
    python = environment("check")
    run(python, "-m", "ruff", "check", ".")
    run(python, "-m", "ruff", "format", "--check", ".")
    run(python, "-m", "mypy")
    run(python, "-m", "mypy", "tests/typing")
    run(python, "-m", "basedpyright", "--pythonpath", python, "--level", "error")
    docs([], "check")
    shutil.rmtree(ROOT / "dist", ignore_errors=True)
    run(python, "-m", "build", "--no-isolation", "--outdir", "dist", ".")
    run(python, "-m", "twine", "check", "--strict", *sorted((ROOT / "dist").iterdir()))
    wheel = next((ROOT / "dist").glob("*.whl"))
    run(python, "-m", "check_wheel_contents", wheel)
    run(python, "-m", "pytest", "-n", "2", "--cov", "--cov-report=term", HYPOTHESIS_PROFILE="ci")
    test_wheel(wheel)
    if "--slow" in arguments:
        run(python, "-m", "pytest", "-m", "slow", HYPOTHESIS_PROFILE="ci")


def test_wheel(wheel: Path) -> None:
    """Run the tests against the built wheel, on the lowest versions it says it works with."""
    if sys.version_info >= (3, 13):
        print("dev.py: the lowest versions have no wheels for this Python; skipped", flush=True)
        return
    shutil.rmtree(ROOT / ".venv-lowest" / "lowest.stamp", ignore_errors=True)
    python = install(
        ".venv-lowest",
        "lowest",
        [
            "--group",
            "test",
            "--constraint",
            "constraints-lowest.txt",
            "numpy",
            "scipy",
            "pandas",
            "pydantic",
            "narwhals",
        ],
    )
    run(python, "-m", "pip", "install", "--quiet", "--no-deps", "--force-reinstall", wheel)
    run(python, "-m", "pytest", "-n", "2", "-W", "default", "tests", HYPOTHESIS_PROFILE="dev")


def bench(arguments: list[str]) -> None:
    """Compare with the peers in one process; with ``--pandas2`` the one that fails on pandas 3, in an environment of its own."""
    task = "bench"
    if "--pandas2" in arguments:
        task, arguments = "bench-pandas2", ["--only", "spotify", *(part for part in arguments if part != "--pandas2")]
    run(environment(task), "benchmarks/run.py", *arguments, OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")


TASKS = {"demo": demo, "test": test, "check": check, "docs": docs, "bench": bench}


def main() -> None:
    """Run the task that the first argument names."""
    if sys.version_info < (3, 11):
        sys.exit(f"dev.py: Python >= 3.11 is needed, this is {sys.version.split()[0]}")
    if len(sys.argv) < 2 or sys.argv[1] not in TASKS:
        print(__doc__)
        sys.exit(0 if sys.argv[1:] in (["-h"], ["--help"]) else 2)
    TASKS[sys.argv[1]](sys.argv[2:])


if __name__ == "__main__":
    main()

"""The rules of the house, read from the syntax tree of every module; each shown to see what it forbids."""

from __future__ import annotations

import ast
import graphlib
from collections.abc import Iterator
from pathlib import Path

import pytest

import ecomops

HOME = Path(ecomops.__file__).parent
MODULES = {
    ".".join(("ecomops", *path.relative_to(HOME).with_suffix("").parts)).removesuffix(".__init__"): path
    for path in sorted(HOME.rglob("*.py"))
}
PACKAGES = {"inventory", "pricing", "segmentation", "attribution", "experiments"}
FLOORS = {"core": 0, "stats": 1, **dict.fromkeys(PACKAGES, 2), "plot": 3}

BANNED_MODULES = {
    "logging", "random", "time", "os", "sys", "io", "socket", "subprocess", "tempfile", "requests", "urllib", "http",
    "scipy.stats", "warnings", "polars", "pyarrow", "duckdb", "pathlib", "shutil", "secrets", "uuid",
}  # fmt: skip
BANNED_CALLS = {"print", "open", "input", "exec", "breakpoint"}
CLOCKS = {"now", "utcnow", "today"}
RANDOM = {"default_rng", "Generator"}
LATE = {"scipy.optimize", "scipy.signal", "pandas", "matplotlib", "narwhals"}
ELEMENTARY = {"sum", "min", "max", "mean", "count", "std", "var"}
MAX_MODULE, MAX_FUNCTION = 400, 60


def imported(node: ast.AST) -> list[str]:
    """Return the modules that an import statement names, ``from a import b`` as a and a.b."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        return [str(node.module), *(f"{node.module}.{alias.name}" for alias in node.names)]
    return []


def under(name: str, roots: set[str]) -> bool:
    return any(name == root or name.startswith(f"{root}.") for root in roots)


def dotted(node: ast.AST) -> str:
    """Return ``np.random.seed`` for its syntax tree."""
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def at_import(tree: ast.AST) -> Iterator[ast.AST]:
    """Yield what runs when a module is imported: all but function bodies and what is for type checkers."""
    for node in ast.iter_child_nodes(tree):
        typing_only = isinstance(node, ast.If) and dotted(node.test) == "TYPE_CHECKING"
        if not (typing_only or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)):
            yield node
            yield from at_import(node)


def impure(source: str) -> list[str]:
    """Return every sign of I/O, clocks, the environment, global state or randomness without a generator."""
    found = []
    for node in ast.walk(ast.parse(source)):
        names = imported(node)
        found += [name for name in names if under(name, BANNED_MODULES)]
        if isinstance(node, ast.Global):
            found.append("global")
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in BANNED_CALLS:
            found.append(node.func.id)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in CLOCKS:
            found.append(dotted(node.func))
        if isinstance(node, ast.Attribute) and dotted(node.value) in {"np.random", "numpy.random"}:
            found += [dotted(node)] if node.attr not in RANDOM else []
        clock = isinstance(node, ast.Constant) and node.value in {"now", "today"}
        found += [f"datetime64({node.value!r})"] if clock and isinstance(node, ast.Constant) else []
    return found


def early(source: str) -> list[str]:
    """Return what is slow to import and is imported before it is needed."""
    return [name for node in at_import(ast.parse(source)) for name in imported(node) if under(name, LATE)]


def misplaced(module: str, source: str) -> list[str]:
    """Return imports that go up a floor, or across to another package."""
    parts = module.split(".")
    room = parts[1] if len(parts) > 1 else ""
    found = []
    for node in ast.walk(ast.parse(source)):
        for name in imported(node):
            target = ([*name.split("."), ""])[1] if name.startswith("ecomops.") else ""
            across = target in PACKAGES and room in PACKAGES and target != room
            if room in FLOORS and target in FLOORS and (FLOORS[target] > FLOORS[room] or across):
                found.append(name)
            if under(name, {"narwhals"}) and not under(module, {"ecomops.core.frames"}):
                found.append(name)
    return found


def needs(module: str, source: str) -> set[str]:
    """Return the modules of the library that a module imports when it is imported."""
    return {
        name for node in at_import(ast.parse(source)) for name in imported(node) if name in MODULES and name != module
    }


def circle(graph: dict[str, set[str]]) -> list[str]:
    """Return modules that import each other in a circle; a package's own names stand for its rooms."""
    try:
        list(graphlib.TopologicalSorter(graph).static_order())
    except graphlib.CycleError as error:
        return list(error.args[1])
    return []


def oversized(source: str) -> list[str]:
    """Return a module of more than 400 lines and functions whose body without docstring has more than 60."""
    found = [f"{source.count(chr(10))} lines"] if source.count("\n") > MAX_MODULE else []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            body = node.body[1:] if ast.get_docstring(node) is not None else node.body
            length = (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0
            found += [f"{node.name}: {length} lines"] if length > MAX_FUNCTION else []
    return found


def elementary(node: ast.AST) -> bool:
    """Tell whether an argument of ``.agg`` is ``nw.len()`` or ``nw.col(name).<elementary>()``, with an alias or without."""
    if isinstance(node, ast.Starred):
        return elementary(node.value)
    if isinstance(node, ast.GeneratorExp | ast.ListComp):
        return elementary(node.elt)
    if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
        return False
    if node.func.attr == "alias":
        return elementary(node.func.value)
    if dotted(node.func) == "nw.len":
        return True
    inner = node.func.value
    return node.func.attr in ELEMENTARY and isinstance(inner, ast.Call) and dotted(inner.func) == "nw.col"


def rich(source: str) -> list[str]:
    """Return aggregations in ``.agg()`` that narwhals gets wrong on some engine."""
    return [
        ast.unparse(argument)
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "agg"
        for argument in [*node.args, *(keyword.value for keyword in node.keywords)]
        if not elementary(argument)
    ]


@pytest.mark.parametrize("module", list(MODULES))
def test_a_module_keeps_the_rules(module: str) -> None:
    source = MODULES[module].read_text(encoding="utf-8")
    assert impure(source) == [], "pure functions over typed models, no I/O"
    assert early(source) == [] or module.startswith("ecomops.plot"), "imported where it is used"
    assert misplaced(module, source) == [], "core, then stats, then packages side by side, then plot"
    assert oversized(source) == [], "a room that outgrows 400 lines is two topics"


def test_no_module_imports_itself_in_a_circle() -> None:
    graph = {module: needs(module, path.read_text(encoding="utf-8")) for module, path in MODULES.items()}
    assert sum(map(len, graph.values())) > 100, "the imports are seen"
    assert circle(graph) == []


def test_engines_are_asked_for_elementary_aggregations_only() -> None:
    source = "".join(
        MODULES[name].read_text(encoding="utf-8") for name in MODULES if under(name, {"ecomops.core.frames"})
    )
    assert source.count(".agg(") >= 3, "the aggregations are seen"
    assert rich(source) == []


@pytest.mark.parametrize(
    "source",
    [
        "print(1)", "open('x')", "input()", "exec('1')", "import logging", "from logging import getLogger",
        "import os", "from os import environ", "import time", "import random", "from scipy import stats",
        "import scipy.stats", "from scipy.stats import norm", "def f():\n    import scipy.stats as s", "import warnings",
        "np.random.seed(1)", "x = np.random.rand(3)", "datetime.datetime.now()", "date.today()", "pd.Timestamp.now()",
        "np.datetime64('now')", "def f():\n    global x\n    x = 1", "import polars", "import urllib.request", "import sys",
    ],
)  # fmt: skip
def test_what_is_impure_is_seen(source: str) -> None:
    assert impure(source)


def test_what_is_pure_is_left_alone() -> None:
    assert not impure(
        "rng = np.random.default_rng(1)\nx: np.random.Generator\nfrom scipy import special\nopen_count = 3"
    )


def test_early_imports_are_seen() -> None:
    for source in (
        "import pandas as pd",
        "from scipy import optimize",
        "class A:\n    import narwhals",
        "if x:\n    import pandas",
    ):
        assert early(source)
    for source in ("def f():\n    import pandas", "if TYPE_CHECKING:\n    import pandas", "from scipy import special"):
        assert not early(source)


def test_wrong_floors_are_seen() -> None:
    for module, source in (
        ("ecomops.core.model", "from ecomops.stats import moments"),
        ("ecomops.stats.moments", "import ecomops.inventory"),
        ("ecomops.inventory.demand", "from ecomops.pricing.curves import LinearDemand"),
        ("ecomops.inventory.demand", "def f():\n    from ecomops import pricing"),
        ("ecomops.pricing.curves", "from ecomops.plot import canvas"),
        ("ecomops.stats.moments", "import narwhals.stable.v2 as nw"),
    ):
        assert misplaced(module, source), (module, source)
    for module, source in (
        ("ecomops.inventory.demand", "from ecomops.stats import special\nfrom ecomops.inventory.service import x"),
        ("ecomops.plot.canvas", "from ecomops.pricing import LinearDemand"),
        ("ecomops.core.frames.rows", "import narwhals.stable.v2 as nw"),
    ):
        assert not misplaced(module, source), (module, source)


def test_circles_are_seen() -> None:
    assert needs("ecomops.core.checks", "from ecomops.core import model\ndef f():\n    import ecomops.core.units") == {
        "ecomops.core",
        "ecomops.core.model",
    }
    assert circle({"a": {"b"}, "b": {"c"}, "c": {"a"}})
    assert not circle({"a": {"b", "c"}, "b": {"c"}})


def test_sizes_are_seen() -> None:
    assert oversized("x = 1\n" * 401) == ["401 lines"]
    assert not oversized("x = 1\n" * 400)
    body = "    x = 1\n"
    assert oversized("def f():\n" + body * 61) == ["f: 61 lines"]
    assert not oversized('def f():\n    """Doc.\n' + "\n" * 100 + '    """\n' + body * 60)
    assert oversized("class A:\n    async def g(self):\n" + f"    {body}" * 61)


@pytest.mark.parametrize(
    "source",
    [
        "g.agg(s=nw.when(nw.col('x') > 40).then(nw.col('x')).sum())", "g.agg(nw.col('x').n_unique())",
        "g.agg((nw.col('x') * nw.col('y')).sum())", "g.agg(nw.col('x').median())", "g.agg(nw.col('x').first())",
        "g.agg(*(nw.col(name).quantile(0.5) for name in names))", "g.agg(nw.cov('x', 'y'))", "g.agg(expressions)",
        "g.agg(nw.col('x').abs().sum())",
    ],
)  # fmt: skip
def test_rich_aggregations_are_seen(source: str) -> None:
    assert rich(source)


def test_elementary_aggregations_are_left_alone() -> None:
    assert not rich("g.agg(nw.len().alias('n'), nw.col('x').sum(), *(nw.col(n).max().alias(n) for n in names))")
    assert not rich("g.agg(*[nw.col(n).min() for n in names], n=nw.len())")

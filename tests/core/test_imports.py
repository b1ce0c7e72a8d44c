"""An import brings what it needs and nothing else; measured in a fresh interpreter."""

from __future__ import annotations

import subprocess
import sys

import pytest

PACKAGES = ("core", "stats", "inventory", "pricing", "segmentation", "attribution", "experiments")
HEAVY = ("pandas", "scipy.stats", "scipy.optimize", "scipy.signal", "matplotlib", "narwhals", "polars", "pyarrow")


def loaded(code: str) -> set[str]:
    """Return the modules that are there after running code."""
    script = f"{code}\nimport sys\nprint('\\n'.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)  # noqa: S603
    return set(done.stdout.split())


def test_the_map_loads_nothing() -> None:
    modules = loaded("import ecomops")
    assert "ecomops" in modules
    assert not modules & {"numpy", "scipy", "pandas", "pydantic", "narwhals"}
    assert not {name for name in modules if name.startswith("ecomops.")}


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_brings_no_frames_no_statistics_and_no_figures(package: str) -> None:
    modules = loaded(f"import ecomops.{package}")
    assert f"ecomops.{package}" in modules
    assert not modules & set(HEAVY)
    others = {f"ecomops.{other}" for other in PACKAGES if other not in {package, "core", "stats"}}
    assert not modules & others, "packages do not bring each other"


def test_a_call_on_numbers_brings_no_frames() -> None:
    modules = loaded(
        "from ecomops.inventory import Normal, newsvendor\n"
        "newsvendor(Normal(mean=[50, 60], sd=8), overage=0.18, underage=0.70)"
    )
    assert not modules & set(HEAVY)


def test_the_look_can_fail() -> None:
    assert {"numpy", "scipy.optimize"} <= loaded("import scipy.optimize")
    with pytest.raises(subprocess.CalledProcessError):
        loaded("import ecomops.nowhere")


def test_names_come_at_their_first_use() -> None:
    modules = loaded("import ecomops\necomops.Duration(value=1, unit='day')\nassert 'inventory' in dir(ecomops)")
    assert "ecomops.core" in modules
    assert "ecomops.inventory" not in modules
    import ecomops

    assert set(dir(ecomops)) == set(ecomops.__all__)
    assert all(getattr(ecomops, name) is not None for name in ecomops.__all__ if name != "plot")
    with pytest.raises(AttributeError, match="module 'ecomops' has no attribute 'nothing'"):
        _ = ecomops.nothing


def test_sixteen_cold_threads_agree() -> None:
    """In a fresh interpreter every validator is built by whoever comes first."""
    code = """
import threading
from ecomops.core import Duration, InputError
from ecomops.inventory import Normal, newsvendor, safety_stock
from ecomops.pricing import arc_elasticity
from ecomops.stats.moments import Moments

demand = Normal(mean=50, sd=8)
gate, seen = threading.Barrier(16), []

def work():
    gate.wait()
    try:
        newsvendor(demand, overage=-1, underage=0.7)
    except InputError as error:
        text = str(error)
    seen.append((
        newsvendor(demand, overage=0.18, underage=0.70).quantity,
        Duration(value=2, unit="week").to("day"),
        Moments.from_arrays([1.0, 3.0], columns=("x",)).variance("x"),
        text,
    ))

threads = [threading.Thread(target=work) for _ in range(16)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
assert len(seen) == 16 and len(set(seen)) == 1, set(seen)
assert seen[0][1:3] == (14.0, 2.0) and seen[0][3] == "newsvendor: overage must be > 0, got -1.0", seen[0]
"""
    loaded(code)

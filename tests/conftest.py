"""What every test may use: the shared data (skipping visibly where absent) and hypothesis profiles."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from collections.abc import Callable

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"

settings.register_profile("dev", max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile(
    "ci",
    max_examples=100,
    deadline=None,
    derandomize=True,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "dev"))


def find_shared(name: str) -> Path:
    """Return the path of a shared data file, or skip the test that needs it."""
    path = SHARED / name
    if not path.exists():
        pytest.skip(f"the data file {name} is not here")
    return path


@pytest.fixture(scope="session")
def shared_data() -> Callable[[str], Path]:
    """Return a function from a name such as ``cdnow/cdnow_sample.csv.gz`` to its path."""
    return find_shared

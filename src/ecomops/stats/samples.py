"""`Sample`: an argument that is one value a unit, or the counts of the values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from ecomops.core import Array, Floats, InputError
from ecomops.core.markers import Plain
from ecomops.core.reading import refuse
from ecomops.stats.value_counts import ValueCounts


@dataclass(frozen=True, slots=True, eq=False)
class Distinct:
    """The units of one arm as distinct values in ascending order and their counts, which are not a batch."""

    value: Array
    count: Array


def distinct(value: Any) -> Distinct:
    """Read a sample (one value a unit) or its counts."""
    if isinstance(value, Distinct):
        return value
    try:
        if isinstance(value, dict):
            value = ValueCounts(**value)
        counts = value if isinstance(value, ValueCounts) else ValueCounts.from_arrays(_COLUMN.check(value))
    except (InputError, TypeError) as error:
        raise refuse(f"must be one value a unit, or value counts: {str(error).splitlines()[0]}") from error
    if not counts.count.sum() > 0:
        raise refuse("must have at least one unit")
    return Distinct(counts.value[counts.count > 0], counts.count[counts.count > 0])


def listed(sample: Distinct) -> dict[str, list[float]]:
    """Write a sample as its counts."""
    return {"value": sample.value.tolist(), "count": sample.count.tolist()}


_COLUMN = Floats(column=True)
SAMPLE_SCHEMA: dict[str, Any] = {
    "anyOf": [{"type": "array", "items": {"type": "number"}}, ValueCounts.model_json_schema()]
}
Sample = Annotated[ValueCounts | Array | Any, Plain(distinct, SAMPLE_SCHEMA, listed)]

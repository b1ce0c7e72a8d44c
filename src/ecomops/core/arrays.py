"""Numbers as they come in: scalar-or-array markers with their bounds, shapes and JSON.

Every numeric field and argument of the library is annotated with one of the names here. A value that has passed is a
Python ``float`` or a **read-only float64 view**: stored arrays are views, not copies, so a caller who later writes into
the original array writes into the model too.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from pydantic import Strict
from pydantic_core import core_schema

from ecomops.core.markers import WHOLE_LIMIT, Plain, flag, flags, generator, listed, names, seed, texts, whole
from ecomops.core.messages import clipped, position
from ecomops.core.reading import as_float_array, float_of, refuse

if TYPE_CHECKING:
    from collections.abc import Callable

    from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
    from pydantic.json_schema import JsonSchemaValue

MAX_BATCH_DIMENSIONS = 2
FEW = 16
"""Numbers that are checked one by one."""


@dataclass(frozen=True, slots=True)
class Floats:
    """What a number, or an array of numbers, may be.

    Parameters
    ----------
    gt, ge, lt, le : float, optional
        Bounds on every element.
    core : int
        How many of the last axes belong to one item (a sample, a pmf); the axes before them are the batch.
    scalar : bool
        Only a single number is allowed.
    column : bool
        Only one dimension is allowed: one value a row; there may be no rows.
    whole : bool
        Only whole numbers up to 2**53 (they stay float64).
    inf, nan : bool
        Whether an element may be infinite (JSON ``"Infinity"``) or undefined (JSON ``null``).
    """

    gt: float | None = None
    ge: float | None = None
    lt: float | None = None
    le: float | None = None
    core: int = 0
    scalar: bool = False
    column: bool = False
    whole: bool = False
    inf: bool = False
    nan: bool = False

    def check(self, value: Any) -> Any:
        """Return ``value`` as a float or a read-only float64 array, or refuse it."""
        if isinstance(value, float) or type(value) is int:
            number = float_of(value)
        elif self.scalar and isinstance(value, list | tuple):
            raise refuse(f"must be one number, got {clipped(value)}")
        else:
            flat = self.column or self.scalar
            array = as_float_array(value, nan=self.nan, inf=self.inf, dimensions=1 if flat else None)
            if array.ndim:
                return self._check_array(array)
            number = float(array)
        if self.column:
            raise refuse(f"must be a list with one value a row, got {number}")
        if self.core:
            raise refuse(f"must be an array of at least {self.core} dimension(s), got {number}")
        self._check_number(number)
        return number

    def _quick(self) -> Callable[[Any], Any]:
        """Return a check that lets a float within the bounds through by two comparisons: most arguments are one."""
        if self.column or self.core or self.whole:
            return self.check
        edge = math.inf if self.inf else float(np.finfo(np.float64).max)
        low = max(
            -edge if self.ge is None else self.ge, -edge if self.gt is None else math.nextafter(self.gt, math.inf)
        )
        high = min(
            edge if self.le is None else self.le, edge if self.lt is None else math.nextafter(self.lt, -math.inf)
        )
        check = self.check

        def quick(value: Any) -> Any:
            return value if type(value) is float and low <= value <= high else check(value)

        return quick

    def dump(self, value: Any) -> Any:
        """Turn a checked value into what JSON can hold."""
        if isinstance(value, float):
            return value if math.isfinite(value) else _json_special(value)
        if self.whole and not self.nan and not self.inf:
            return value.astype(np.int64).tolist()
        if (self.nan or self.inf) and not np.isfinite(value).all():
            items = value.astype(object)
            for index in zip(*np.nonzero(~np.isfinite(value)), strict=True):
                items[index] = _json_special(value[index])
            return items.tolist()
        return value.tolist()

    def _check_number(self, number: float) -> None:
        if not math.isfinite(number):
            if (self.nan and math.isnan(number)) or (self.inf and math.isinf(number)):
                if math.isnan(number):
                    return
            else:
                raise refuse(f"must be finite, got {number}")
        for rule, bad in self._violations(number, number):
            if bad:
                raise refuse(f"{rule}, got {number}")
        if self.whole and not (number == math.floor(number) and abs(number) <= WHOLE_LIMIT):
            raise refuse(f"must be a whole number of at most 2**53, got {number}")

    def _check_array(self, array: NDArray[np.float64]) -> NDArray[np.float64]:
        if self.scalar:
            raise refuse(f"must be one number, got an array of shape {array.shape}")
        if self.column and array.ndim != 1:
            raise refuse(f"must have one dimension, got shape {array.shape}")
        if array.ndim < self.core:
            raise refuse(f"must have at least {self.core} dimension(s), got shape {array.shape}")
        if array.ndim - self.core > MAX_BATCH_DIMENSIONS:
            raise refuse(f"must have at most {MAX_BATCH_DIMENSIONS + self.core} dimensions, got shape {array.shape}")
        if self.core and 0 in array.shape[array.ndim - self.core :]:
            raise refuse(f"must not be an empty sample, got shape {array.shape}")
        if array.size:
            self._check_elements(array)
        view = array.view()
        view.flags.writeable = False
        return view

    def _check_elements(self, array: NDArray[np.float64]) -> None:
        if array.size <= FEW and self._pass(array.ravel().tolist()):
            return
        # min and max see NaN, infinities and bounds in two passes and without a temporary.
        low, high = float(array.min()), float(array.max())
        if not (math.isfinite(low) and math.isfinite(high)):
            bad = np.isnan(array) & (not self.nan) | np.isinf(array) & (not self.inf)
            if bad.any():
                raise refuse(f"must be finite, got {_first(array, bad)}")
            known = array[~np.isnan(array)]
            if not known.size:
                return
            low, high = float(known.min()), float(known.max())
        for rule, broken in self._violations(low, high):
            if broken:
                raise refuse(f"{rule}, got {_first(array, self._outside(array, rule))}")
        if self.whole:
            finite = array if math.isfinite(low) and math.isfinite(high) else np.where(np.isfinite(array), array, 0.0)
            bad = (np.floor(finite) != finite) | (np.abs(finite) > WHOLE_LIMIT)
            if bad.any():
                raise refuse(f"must be whole numbers of at most 2**53, got {_first(array, bad)}")

    def _pass(self, values: list[float]) -> bool:
        """Tell whether a few numbers are beyond doubt; Python's own comparisons are faster than numpy's calls."""
        if not all(map(math.isfinite, values)):
            return False
        low, high = min(values), max(values)
        return (
            (self.gt is None or low > self.gt)
            and (self.ge is None or low >= self.ge)
            and (self.lt is None or high < self.lt)
            and (self.le is None or high <= self.le)
            and not (self.whole and (max(high, -low) > WHOLE_LIMIT or not all(map(float.is_integer, values))))
        )

    def _violations(self, low: float, high: float) -> list[tuple[str, bool]]:
        found = []
        if self.gt is not None:
            found.append((f"must be > {self.gt:g}", not low > self.gt))
        if self.ge is not None:
            found.append((f"must be >= {self.ge:g}", not low >= self.ge))
        if self.lt is not None:
            found.append((f"must be < {self.lt:g}", not high < self.lt))
        if self.le is not None:
            found.append((f"must be <= {self.le:g}", not high <= self.le))
        return found

    def _outside(self, array: NDArray[np.float64], rule: str) -> NDArray[np.bool_]:
        sign, bound = rule.removeprefix("must be ").split()
        limit = {">": self.gt, ">=": self.ge, "<": self.lt, "<=": self.le}[sign]
        compare = {">": np.less_equal, ">=": np.less, "<": np.greater_equal, "<=": np.greater}[sign]
        return np.asarray(compare(array, float(bound) if limit is None else limit))

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        """Check with numpy, write JSON lists."""
        return core_schema.no_info_plain_validator_function(
            self._quick(),
            serialization=core_schema.plain_serializer_function_ser_schema(self.dump, when_used="json"),
        )

    def __get_pydantic_json_schema__(
        self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Describe the number and its arrays in draft 2020-12."""
        number: dict[str, Any] = {"type": "integer" if self.whole else "number"}
        bounds = {
            "exclusiveMinimum": self.gt,
            "minimum": self.ge,
            "exclusiveMaximum": self.lt,
            "maximum": self.le,
        }
        number.update({key: bound for key, bound in bounds.items() if bound is not None})
        choices: list[dict[str, Any]] = [number]
        if self.inf:
            choices.append({"enum": ["Infinity", "-Infinity"]})
        if self.nan:
            choices.append({"type": "null"})
        item = number if len(choices) == 1 else {"anyOf": choices}
        if self.scalar:
            return item
        if self.column:
            return {"type": "array", "items": item}
        shapes: list[dict[str, Any]] = []
        for depth in range(MAX_BATCH_DIMENSIONS + self.core + 1):
            if depth >= self.core:
                shapes.append(item)
            item = {"type": "array", "items": item}
        return shapes[0] if len(shapes) == 1 else {"anyOf": shapes}


def _first(array: NDArray[np.float64], bad: NDArray[np.bool_]) -> str:
    index = np.unravel_index(int(np.argmax(bad)), array.shape)
    return f"{float(array[index])} at index {position(index)}"


def _json_special(value: float) -> str | None:
    if math.isnan(value):
        return None
    return "Infinity" if value > 0 else "-Infinity"


Array: TypeAlias = NDArray[np.float64]
_Num: TypeAlias = float | Array | Any

Num: TypeAlias = Annotated[_Num, Floats()]
NumOrNan: TypeAlias = Annotated[_Num, Floats(nan=True)]
Unbounded: TypeAlias = Annotated[_Num, Floats(inf=True)]
UnboundedOrNan: TypeAlias = Annotated[_Num, Floats(inf=True, nan=True)]
Positive: TypeAlias = Annotated[_Num, Floats(gt=0)]
NonNegative: TypeAlias = Annotated[_Num, Floats(ge=0)]
Probability: TypeAlias = Annotated[_Num, Floats(gt=0, lt=1)]
Fraction: TypeAlias = Annotated[_Num, Floats(ge=0, le=1)]
Count: TypeAlias = Annotated[_Num, Floats(ge=0, whole=True)]
Column: TypeAlias = Annotated[Array | Any, Floats(column=True)]
ColumnOrNan: TypeAlias = Annotated[Array | Any, Floats(column=True, nan=True)]
NonNegativeColumn: TypeAlias = Annotated[Array | Any, Floats(column=True, ge=0)]
FractionColumn: TypeAlias = Annotated[Array | Any, Floats(column=True, ge=0, le=1)]
FractionColumnOrNan: TypeAlias = Annotated[Array | Any, Floats(column=True, ge=0, le=1, nan=True)]
CountColumn: TypeAlias = Annotated[Array | Any, Floats(column=True, ge=0, whole=True)]
Vector: TypeAlias = Annotated[Array | Any, Floats(core=1)]
Matrix: TypeAlias = Annotated[Array | Any, Floats(core=2)]

Real: TypeAlias = Annotated[float, Floats(scalar=True)]
PositiveReal: TypeAlias = Annotated[float, Floats(scalar=True, gt=0)]
NonNegativeReal: TypeAlias = Annotated[float, Floats(scalar=True, ge=0)]
ProbabilityReal: TypeAlias = Annotated[float, Floats(scalar=True, gt=0, lt=1)]
FractionReal: TypeAlias = Annotated[float, Floats(scalar=True, ge=0, le=1)]
Whole: TypeAlias = Annotated[int, Plain(whole(None), {"type": "integer"})]
PositiveWhole: TypeAlias = Annotated[int, Plain(whole(1), {"type": "integer", "minimum": 1})]
Flag: TypeAlias = Annotated[bool, Plain(flag, {"type": "boolean"})]
Text: TypeAlias = Annotated[str, Strict()]
Rng: TypeAlias = Annotated[Any, Plain(generator, {"anyOf": [{"type": "integer", "minimum": 0}, {"type": "null"}]})]
Seed: TypeAlias = Annotated[Any, Plain(seed, {"anyOf": [{"type": "integer", "minimum": 0}, {"type": "null"}]})]
Labels: TypeAlias = Annotated[
    NDArray[Any] | Any,
    Plain(names, {"type": "array", "items": {"anyOf": [{"type": "string"}, {"type": "integer"}]}}, listed),
]
Flags: TypeAlias = Annotated[
    bool | NDArray[np.bool_] | Any,
    Plain(
        flags, {"anyOf": [{"type": "boolean"}, {"type": "array", "items": {"type": "boolean"}}]}, listed, batched=True
    ),
]
Texts: TypeAlias = Annotated[
    str | NDArray[Any] | Any,
    Plain(texts, {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}, listed, batched=True),
]

"""`Model`: the one kind of class, for what goes in (specs) and what comes out (results)."""

from __future__ import annotations

import html
import inspect
import math
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from ecomops.core.errors import named_error
from ecomops.core.labels import PLAIN, axes_of, common_labels, core_of, markers_of, shared_index
from ecomops.core.messages import explain
from ecomops.core.reading import refuse

if TYPE_CHECKING:
    from typing import Self

    import pandas as pd
    from pydantic import GetJsonSchemaHandler
    from pydantic.json_schema import JsonSchemaValue
    from pydantic_core import CoreSchema

    from ecomops.core.errors import InputError

M = TypeVar("M", bound="Model")

MAX_BATCH = 10**8
SHOWN_ITEMS = 6


class Model(BaseModel):
    """Frozen, validated, comparable, JSON-able: the base of every spec and result.

    Fields are given by keyword. Arrays are stored as read-only float64 **views** of what was passed. The index of a pandas
    Series that holds one number a row is kept and comes back in `to_frame`; two Series with different indexes are
    refused. The default index 0, 1, 2, ... goes with any names, but not with itself in another order.

    Raises
    ------
    InputError
        From the constructor, ``model_validate`` and ``model_validate_json`` alike: one line a problem.

    Examples
    --------
    >>> from ecomops.inventory import Normal
    >>> Normal(mean=[10, 20], sd=3)
    Normal(mean=[10, 20], sd=3)
    >>> Normal.model_validate_json('{"kind": "Normal", "mean": 10, "sd": 3}').mean
    10.0
    """

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        use_attribute_docstrings=True,
        validate_default=True,
        protected_namespaces=(),
    )
    __slots__ = ("_labels",)
    __cores__: ClassVar[dict[str, int]] = {}
    __axes__: ClassVar[dict[str, int | None]] = {}
    __labelled__: ClassVar[bool] = True
    """Whether rows are those of the input; False where they are sorted or counted, so that no index can be theirs."""
    __shown__: ClassVar[str] = "Model"

    if TYPE_CHECKING:
        _labels: ClassVar[Any]

    if not TYPE_CHECKING:  # pragma: no branch - what type checkers see instead is pydantic's own

        def __init__(self, /, *args: Any, **data: Any) -> None:
            cls = type(self)
            if args:
                fields = ", ".join(f"{name}=..." for name in cls.model_fields if name != "kind")
                message = f"{cls.__name__}() takes its fields by name, such as {cls.__name__}({fields})"
                raise TypeError(message)
            try:
                super().__init__(**data)
            except ValidationError as error:
                raise _refusal(cls, error) from None
            labels = common_labels(data.items(), cls.__axes__, cls.__shown__)
            if labels is not None:
                label_rows(self, labels)

        # Without this mark pydantic takes the constructor for a custom one, calls it for nested models too, and the
        # path of a nested error is lost.
        __init__.__pydantic_base_init__ = True

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        """Note which fields broadcast, and show annotations in the signature as they were written."""
        cls.__shown__ = cls.__name__
        cls.__cores__ = {
            name: core for name, field in cls.model_fields.items() if (core := core_of(field.metadata)) is not None
        }
        cls.__axes__ = axes_of(
            {name: [*field.metadata, *markers_of(field.annotation)] for name, field in cls.model_fields.items()}
        )
        written: dict[str, Any] = {}
        for base in reversed(cls.__mro__):
            written.update(inspect.get_annotations(base))
        cls.__signature__ = inspect.Signature(
            [
                inspect.Parameter(
                    name,
                    inspect.Parameter.KEYWORD_ONLY,
                    annotation=written.get(name, Any),
                    default=inspect.Parameter.empty if field.is_required() else field.get_default(),
                )
                for name, field in cls.model_fields.items()
            ]
        )

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Require ``kind`` in JSON: a discriminated union cannot do without it."""
        answer = handler(schema)
        target = handler.resolve_ref_schema(answer)
        if "kind" in target.get("properties", {}) and "kind" not in target.setdefault("required", []):
            target["required"].insert(0, "kind")
        return answer

    @classmethod
    def model_validate(cls, obj: Any, **options: Any) -> Self:
        """Check a dict or a model and return the model, or raise `InputError`."""
        try:
            return super().model_validate(obj, **options)
        except ValidationError as error:
            raise _refusal(cls, error) from None

    @classmethod
    def model_validate_json(cls, json_data: str | bytes | bytearray, **options: Any) -> Self:
        """Check JSON and return the model, or raise `InputError`."""
        try:
            return super().model_validate_json(json_data, **options)
        except ValidationError as error:
            raise _refusal(cls, error) from None

    def model_post_init(self, context: Any, /) -> None:  # noqa: ARG002 - pydantic's signature
        """Let the batches of all fields broadcast, or refuse them."""
        set_labels(self, None)
        shapes = self._batches()
        if len(shapes) > 1:
            try:
                broadcast(shapes)
            except ValueError as error:
                raise refuse(str(error)) from None
        self._check_fields()

    def _check_fields(self) -> None:
        """Check rules between fields, once, when a model is made; a validator of pydantic's would run at every call too."""

    @property
    def batch_shape(self) -> tuple[int, ...]:
        """The shape that the fields broadcast to; ``()`` where all are single numbers."""
        shapes = [shape for _, shape in self._batches()]
        return np.broadcast_shapes(*shapes) if shapes else ()

    def _batches(self) -> list[tuple[str, tuple[int, ...]]]:
        """Return the names and batch axes of the fields that have some."""
        found = []
        for name, value in self.__dict__.items():
            if type(value) in PLAIN:
                continue
            if isinstance(value, np.ndarray):
                if (core := self.__cores__.get(name)) is not None and (shape := batch_of(value, core)):
                    found.append((name, shape))
            elif isinstance(value, Model) and (shape := value.batch_shape):
                found.append((name, shape))
        return found

    def to_frame(self) -> pd.DataFrame:
        """Return the fields as a pandas frame, one row an element of the batch.

        Returns
        -------
        pandas.DataFrame
            Fields of nested models come as ``field_name.nested_name``. The index is that of the Series the model was
            made from, where there was one.
        """
        import pandas as pd  # noqa: PLC0415 - imported only by those who ask for a frame

        columns = _columns(self)
        shape = self.batch_shape
        curves = False
        if not shape:
            # One item of curves: where they are equally long, a row is a point.
            lengths = {len(value) for value, _ in columns.values() if isinstance(value, np.ndarray) and value.ndim == 1}
            curves = len(lengths) == 1
            shape = (lengths.pop(),) if curves else ()
        rows = math.prod(shape)
        table = {
            name: _column(value, value.ndim - 1 if curves and isinstance(value, np.ndarray) else core, shape)
            for name, (value, core) in columns.items()
        }
        labels = self._labels
        index = labels if labels is not None and len(labels) == rows else None
        return pd.DataFrame(table, index=index if index is not None else range(rows))

    def __eq__(self, other: object) -> bool:
        """Compare class and values; NaN equals NaN."""
        if type(self) is not type(other):
            return NotImplemented
        return all(_same(value, other.__dict__[name]) for name, value in self.__dict__.items())

    def __hash__(self) -> int:
        """Hash a model without arrays; a model with arrays is not hashable."""
        known = (None if isinstance(value, float) and math.isnan(value) else value for value in self.__dict__.values())
        return hash((type(self), tuple(known)))

    def __repr__(self) -> str:
        """Show the fields shortly: long arrays by size, least, median and largest."""
        shown = ", ".join(f"{name}={_shown(value)}" for name, value in self.__dict__.items() if name != "kind")
        return f"{type(self).__name__}({shown})"

    __str__ = __repr__

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><th>{html.escape(name)}</th><td>{html.escape(_shown(value))}</td></tr>"
            for name, value in self.__dict__.items()
            if name != "kind"
        )
        return f"<table><caption>{type(self).__name__}</caption>{rows}</table>"

    def __copy__(self) -> Self:
        """Return the model itself: it cannot change."""
        return self

    def __deepcopy__(self, memo: Any = None) -> Self:
        """Return the model itself: it cannot change."""
        return self

    def __getstate__(self) -> dict[Any, Any]:
        """Keep the labels of the rows in a pickle."""
        return {**super().__getstate__(), "labels": self._labels}

    def __setstate__(self, state: dict[Any, Any]) -> None:
        """Make arrays read-only again: pickle forgets the flag."""
        labels = state.pop("labels", None)
        super().__setstate__(state)
        set_labels(self, labels)
        for value in self.__dict__.values():
            if isinstance(value, np.ndarray):
                value.flags.writeable = False


def replace(model: M, **changes: Any) -> M:
    """Return a copy of a model with some fields changed, checked like a new one.

    Parameters
    ----------
    model : Model
        The model to start from.
    **changes
        New values by field name.

    Returns
    -------
    Model
        A model of the same class.

    Raises
    ------
    InputError
        When a changed field does not exist or breaks a rule.

    Examples
    --------
    >>> from ecomops.core import replace
    >>> from ecomops.inventory import Normal
    >>> replace(Normal(mean=10, sd=3), sd=4)
    Normal(mean=10, sd=4)
    """
    answer = type(model)(**{**model.__dict__, **changes})
    before, after = model._labels, answer._labels  # noqa: SLF001
    if before is not None and answer.batch_shape == model.batch_shape:
        rows = (
            value.batch_shape if isinstance(value, Model) else batch_of(value, model.__cores__.get(name, 0))
            for name, value in model.__dict__.items()
            if name not in changes
        )
        if after is None:
            set_labels(answer, before)
        elif any(rows):
            set_labels(answer, shared_index([before, after], type(model).__name__))
    return answer


def batch_of(value: Any, core: int) -> tuple[int, ...]:
    """Return the batch axes of a checked value."""
    return value.shape[: value.ndim - core] if isinstance(value, np.ndarray) else ()


def broadcast(shapes: list[tuple[str, tuple[int, ...]]]) -> tuple[int, ...]:
    """Return the common shape of named batches, or say which do not fit."""
    shown = ", ".join(f"{name} {shape}" for name, shape in shapes)
    try:
        common = np.broadcast_shapes(*(shape for _, shape in shapes))
    except ValueError:
        message = f"shapes must broadcast, got {shown}"
        raise ValueError(message) from None
    size = math.prod(common)
    if size > MAX_BATCH and all(size > math.prod(shape) for _, shape in shapes):
        message = f"shapes broadcast to more than {MAX_BATCH} elements, got {shown}; pass equal lengths"
        raise ValueError(message)
    return common


def set_labels(model: Model, labels: Any) -> None:
    """Attach the index of the rows, past the freeze."""
    object.__setattr__(model, "_labels", labels)


def _refusal(cls: type[Model], error: ValidationError) -> InputError:
    """Return what pydantic found as the one error of the library."""
    annotations = {name: field.annotation for name, field in cls.model_fields.items()}
    return named_error(cls.__shown__, explain(error, cls.__shown__, annotations))


def label_rows(model: Model, labels: Any) -> None:
    """Attach the index of the input where it can be that of the rows and they have no better one."""
    if model.__labelled__ and model._labels is None and model.batch_shape[-1:] == (len(labels),):  # noqa: SLF001
        set_labels(model, labels)


def _columns(model: Model, prefix: str = "") -> dict[str, tuple[Any, int]]:
    """Return the fields with the number of axes that belong to one item."""
    found: dict[str, tuple[Any, int]] = {}
    for name, value in model.__dict__.items():
        if isinstance(value, Model):
            found.update(_columns(value, f"{prefix}{name}."))
        elif not (name == "kind" and not prefix):
            found[prefix + name] = value, model.__cores__.get(name, 0)
    return found


def _column(value: Any, core: int, shape: tuple[int, ...]) -> Any:
    """Return one entry a row: numbers, or the array of one item, or the same thing in every row."""
    rows = math.prod(shape)
    if not isinstance(value, np.ndarray):
        return [value] * rows
    item = value.shape[value.ndim - core :]
    try:
        whole = np.broadcast_to(value, shape + item)
    except ValueError:
        return [value] * rows  # names of another length, or a curve of another length
    return list(whole.reshape(rows, *item)) if item else whole.reshape(rows)


def _same(left: Any, right: Any) -> bool:
    if isinstance(left, np.ndarray) or isinstance(right, np.ndarray):
        one, two = np.asarray(left), np.asarray(right)
        if one.dtype.kind == "O" or two.dtype.kind == "O":
            return bool(np.array_equal(one, two))
        return bool(np.array_equal(one, two, equal_nan=one.dtype.kind == "f" == two.dtype.kind))
    if isinstance(left, float) and isinstance(right, float):
        return left == right or (math.isnan(left) and math.isnan(right))
    return bool(left == right)


def _shown(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    if not isinstance(value, np.ndarray):
        if isinstance(value, tuple) and len(value) > SHOWN_ITEMS:
            return f"({_shown(value[0])}, ... {len(value)} in all)"
        return repr(value)
    if value.size <= SHOWN_ITEMS and value.ndim == 1:
        return f"[{', '.join(_shown(item) for item in value.tolist())}]"
    if value.dtype.kind != "f" or not value.size:
        return f"array(shape={value.shape})"
    known = value[~np.isnan(value)]
    if not known.size:
        return f"array(shape={value.shape}, all NaN)"
    middle = np.median(known) if np.isfinite(known).all() else np.sort(known)[known.size // 2]
    size = value.size if value.ndim == 1 else value.shape
    return f"array(n={size}, min={known.min():.6g}, median={middle:.6g}, max={known.max():.6g})"

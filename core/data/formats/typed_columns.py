"""The Arrow types with which rows are written to Parquet and Arrow files. Fields are text; other columns keep the type
that they have in the source where its values can be kept, else they are text.

pyarrow is imported inside functions: it takes a tenth of a second, which would delay the first paint.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from core.base.errors import DataError
from core.data.formats.written_rows import WrittenColumn, WrittenRows, cell_texts

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa


def holds_bytes(data_type: Any) -> bool:
    """Whether values of an Arrow type hold bytes somewhere, as pictures and sounds do."""
    import pyarrow as pa

    types = pa.types
    if types.is_binary(data_type) or types.is_large_binary(data_type) or types.is_fixed_size_binary(data_type):
        return True
    return any(holds_bytes(data_type.field(index).type) for index in range(data_type.num_fields))


def type_to_bytes(data_type: Any) -> bytes:
    """An Arrow type as bytes for the facts about a source."""
    import pyarrow as pa

    return pa.schema([pa.field("column", data_type)]).serialize().to_pybytes()  # type: ignore[no-any-return]


def type_from_bytes(content: bytes) -> Any:
    """The Arrow type of `type_to_bytes`."""
    import pyarrow as pa

    return pa.ipc.read_schema(pa.py_buffer(content)).field(0).type


def written_schema(columns: Sequence[WrittenColumn]) -> pa.Schema:
    """The schema of a file with these columns."""
    import pyarrow as pa

    return pa.schema([pa.field(column.name, _written_type(column), nullable=not column.field) for column in columns])


def typed_batch(rows: WrittenRows, schema: pa.Schema) -> pa.RecordBatch:
    """The rows as a batch. Raises DataError where a value does not fit the type of its column in the source."""
    import pyarrow as pa

    texts = cell_texts(rows)
    arrays = []
    for index, (column, values) in enumerate(zip(rows.columns, rows.values, strict=True)):
        data_type = schema.field(index).type
        try:
            if column.field:
                arrays.append(pa.array(values, pa.string()))
            elif pa.types.is_string(data_type):
                missing = [value is None or bytes(value) == b"null" for value in values]
                arrays.append(
                    pa.array([None if gone else text for gone, text in zip(missing, texts[index], strict=True)])
                )
            else:
                arrays.append(_typed_array(values, data_type))
        except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError) as error:
            what = f"a value of the column {column.name} is not of its type in the source, {data_type} ({error})"
            raise DataError(what, column.name, "Save as .jsonl, which keeps any value") from error
    return pa.record_batch([array.cast(field.type) for array, field in zip(arrays, schema, strict=True)], schema=schema)


def _written_type(column: WrittenColumn) -> Any:
    import pyarrow as pa

    if column.field or not column.type:
        return pa.string()
    data_type = type_from_bytes(column.type)
    while pa.types.is_dictionary(data_type):
        data_type = data_type.value_type
    return data_type if _is_kept(data_type) else pa.string()


def _is_kept(data_type: Any) -> bool:
    """Whether values of the type come back from JSON."""
    import pyarrow as pa

    types = pa.types
    if types.is_struct(data_type) or types.is_list(data_type) or types.is_large_list(data_type):
        return all(_is_nested_value(data_type.field(index).type) for index in range(data_type.num_fields))
    return _is_nested_value(data_type) or types.is_temporal(data_type) or types.is_decimal(data_type)


def _is_nested_value(data_type: Any) -> bool:
    import pyarrow as pa

    types = pa.types
    if types.is_struct(data_type) or types.is_list(data_type) or types.is_large_list(data_type):
        return _is_kept(data_type)
    return bool(
        types.is_integer(data_type)
        or types.is_floating(data_type)
        or types.is_boolean(data_type)
        or types.is_string(data_type)
        or types.is_large_string(data_type)
        or types.is_null(data_type)
    )


def _typed_array(values: list[Any], data_type: Any) -> pa.Array:
    import pyarrow as pa

    decoded = [None if value is None else msgspec.json.decode(bytes(value)) for value in values]
    if pa.types.is_temporal(data_type) or pa.types.is_decimal(data_type):
        return pa.array([None if value is None else str(value) for value in decoded], pa.string()).cast(data_type)
    if pa.types.is_floating(data_type):
        decoded = [float(value) if isinstance(value, str) else value for value in decoded]  # infinity
    return pa.array(decoded, data_type)

"""Readers of tables: TSV, CSV, Parquet."""

import csv
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from attention_zoo.errors import UserError, suggest
from attention_zoo.text.examples import Example, Field, FilePath, Holds, location, make_example
from attention_zoo.text.json_values import as_text
from attention_zoo.text.lines import BYTES_PER_LINE, LONGEST_LINE, Allowance, open_data

# A field of RFC 4180, with tabs for commas.
_FIELD = r'(?:"[^"]*(?:""[^"]*)*"|[^"\t\r]*)'
_RECORD = re.compile(rf"{_FIELD}(?:\t{_FIELD})*")
_QUOTE = '"'
_QUOTED = "quotes are ordinary characters in .tsv; if they enclose fields, name the file .csv"


def read_tsv(
    path: FilePath, lines: Iterable[str], fields: Sequence[Field], holds: Holds
) -> Iterator[Example]:
    """Reads a table with tabs between columns.

    Quotes are ordinary characters, unless the whole file is quoted as spreadsheets and pandas do
    it; see `is_quoted`.

    Args:
        path: the file, for errors.
        lines: the lines of the file, which can be iterated over several times.
        fields: names or numbers of columns.
        holds: see `attention_zoo.text.readers.read_examples`.

    Raises:
        UserError: naming file and line.
    """
    if is_quoted(lines, has_header=isinstance(fields[0], str)):
        yield from _read_records(path, _records(path, lines, "\t"), fields, holds)
        return
    rows = ((number, line.split("\t")) for number, line in enumerate(lines, start=1))

    def hint():
        return f"; {_QUOTED}" if any(_QUOTE in line for line in lines) else ""

    yield from _read_records(path, rows, fields, holds, hint)


def read_csv(
    path: FilePath, lines: Iterable[str], fields: Sequence[Field], holds: Holds
) -> Iterator[Example]:
    """Reads a table in the format of RFC 4180: columns separated by commas, quoted if necessary.

    The separator may also be a tab or a semicolon: the first of the three that yields the columns.
    Arguments and result are those of `read_tsv`.
    """
    return _read_records(path, _records(path, lines, _delimiter(lines, fields)), fields, holds)


def _delimiter(lines: Iterable[str], fields: Sequence[Field]) -> str:
    for delimiter in ",\t;":
        try:
            first = next(_parsed(lines, delimiter), [])
        except csv.Error:
            continue
        if all(f in first if isinstance(f, str) else f <= len(first) for f in fields):
            return delimiter
    return ","


def is_quoted(lines: Iterable[str], has_header: bool) -> bool:
    r"""Whether the fields of a table with tabs are certainly quoted.

    They are if all quotes conform to RFC 4180, and quotes enclose a field that requires them (one
    with a tab, a line end or doubled quotes) at least once, or every name in the header.

    Args:
        lines: the lines of the file.
        has_header: whether the first line contains the names of the columns.

    Example:
        >>> is_quoted(["text\tlabel", '"A ""good"" one"\tx'], has_header=True)
        True
        >>> is_quoted(["text\tlabel", '"Hi", he said\tx'], has_header=True)
        False
    """
    is_needed, record, inside = False, [], False
    for number, line in enumerate(lines):
        record.append(line)
        inside ^= line.count(_QUOTE) % 2 == 1
        if inside:
            continue
        text, record = "\n".join(record), []
        if _QUOTE not in text:
            continue
        if not _RECORD.fullmatch(text):
            return False
        quoted = [field for field in re.findall(_FIELD, text) if field.startswith(_QUOTE)]
        is_needed |= any(set('"\t\n') & set(field[1:-1]) for field in quoted)
        is_needed |= has_header and number == 0 and len(quoted) == text.count("\t") + 1
    return is_needed and not inside


def _records(
    path: FilePath, lines: Iterable[str], delimiter: str
) -> Iterator[tuple[int, list[str]]]:
    """The rows of a quoted table, each with the number of its first line."""
    reader = _parsed(lines, delimiter)
    number, limit = 1, csv.field_size_limit(LONGEST_LINE)
    try:
        for row in reader:
            yield number, row or [""]
            number = reader.line_num + 1
    except csv.Error as error:
        raise UserError(f"{path}, line {number}: not CSV: {str(error).split(' - ')[0]}") from error
    finally:
        csv.field_size_limit(limit)


def _parsed(lines: Iterable[str], delimiter: str) -> Any:
    return csv.reader((f"{line}\n" for line in lines), delimiter=delimiter, strict=True)


def _read_records(
    path: FilePath,
    rows: Iterable[tuple[int, list[str]]],
    fields: Sequence[Field],
    holds: Holds,
    hint: Callable[[], str] = str,
) -> Iterator[Example]:
    first: list[str] | None = None
    columns: list[int] = []
    for number, row in rows:
        if first is None:
            first, columns = row, [_column(field, row, path) for field in fields]
            if isinstance(fields[0], str):
                continue
        if row == [""]:
            continue
        if len(row) != len(first):
            raise UserError(
                f"{location(path, number)}: {len(row)} columns, but line 1 has {len(first)}{hint()}"
            )
        yield from make_example([row[c] for c in columns], fields, holds, path, number)
    if first is None:
        raise UserError(f"{path}: the file is empty")


def _column(field: Field, first_row: list[str], path: FilePath) -> int:
    if isinstance(field, int):
        if not 1 <= field <= len(first_row):
            raise UserError(f"{path}, line 1: no column {field}, there are {len(first_row)}")
        return field - 1
    count = first_row.count(field)
    if count > 1:
        raise UserError(f'{path}, line 1: {count} columns are named "{field}"')
    if not count:
        raise UserError(
            f'{path}, line 1: no column "{field}" in the header; {suggest(field, first_row)}. '
            f"For a file without a header give column numbers, from 1"
        )
    return first_row.index(field)


def read_parquet(path: Path, fields: Sequence[Field], holds: Holds) -> Iterator[Example]:
    """Reads a Parquet file.

    Args:
        path: the file.
        fields: names or numbers of columns.
        holds: see `attention_zoo.text.readers.read_examples`.

    Raises:
        UserError: if pyarrow or a column is missing, the file is damaged, or a value is not
            accepted, naming the row.
    """
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise UserError(
            f"{path}: Parquet needs pyarrow: pip install 'attention-zoo[parquet]'"
        ) from error
    try:
        with open_data(path) as (file, _, _):
            yield from _read_rows(path, parquet.ParquetFile(file), fields, holds)
    except UserError:
        raise
    except (pyarrow.ArrowException, OSError, ValueError, ArithmeticError) as error:
        raise UserError(f"{path} is damaged or not a Parquet file: {error}") from error


def _read_rows(path: Path, table: Any, fields: Sequence[Field], holds: Holds) -> Iterator[Example]:
    names = table.schema_arrow.names
    columns = [names[_column(field, names, path)] for field in fields]
    allowance = Allowance(path, path.stat().st_size)
    number = 0
    for batch in table.iter_batches(1024, columns=columns):
        for row in batch.to_pylist():
            number += 1
            values = []
            for field, column in zip(fields, columns, strict=True):
                try:
                    values.append(as_text(row[column], holds.get(field)))
                except UserError as error:
                    raise UserError(f'{path}, row {number}: "{column}" {error}') from error
            allowance.take(sum(map(len, values)) + BYTES_PER_LINE)
            yield from make_example(values, fields, holds, path, f"row {number}")

"""Reading examples from files, in the format that their suffix names.

Examples are tuples of strings, one per field. Errors name the file and the line.
`docs/reference/data.md` describes the formats.
"""

import glob
import itertools
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from attention_zoo.errors import UserError, suggest
from attention_zoo.text.corpus_readers import read_conll, read_documents
from attention_zoo.text.examples import (
    ANSWERS,
    WORDS,
    Example,
    Field,
    FilePath,
    Files,
    Holds,
    location,
    make_example,
)
from attention_zoo.text.json_values import as_text, is_answers, load_json
from attention_zoo.text.lines import STANDARD_INPUT, iter_lines, open_lines, read_lines
from attention_zoo.text.squad import read_squad
from attention_zoo.text.tables import read_csv, read_parquet, read_tsv
from attention_zoo.text.tfds import is_tfds, read_tfds


def read_examples(
    files: Files,
    fields: Sequence[Field],
    base: FilePath = ".",
    holds: Holds | None = None,
) -> list[Example]:
    r"""Reads examples from files.

    Args:
        files: a path or glob, a list of them, or a mapping from field to path or glob
            (parallel files: line i of each forms example i). The suffix names the format:
            `.tsv`, `.csv`, `.jsonl`, `.parquet`, any for parallel plain text files, and for one
            task each `.conll` (words and tags; also `.conllu`, `.iob`, `.bio`), `.json`
            (SQuAD) and `.txt` (documents, separated by empty lines); all but `.parquet` also
            with `.gz`. `"-"` is standard input: JSONL if it begins with a brace, otherwise TSV.
            `"tfds:NAME@SPLIT"` is a dataset of TensorFlow Datasets on this machine.
        fields: the fields to read. In a table, a name is a column in the header line, and an
            integer is a column number (from 1) in a file without a header; in JSONL, a name is
            a key; in a mapping, a key of the mapping.
        base: folder of relative paths.
        holds: what fields contain, if not plain text; a task's is `task.holds`. `"label"`: one
            label, not a list. `"labels"`: any number, separated by commas or a list. `"words"`:
            one for each word of another field, separated by spaces or a list; files with unknown
            suffixes are then read as CoNLL. `"answers"`: a list of objects.

    Returns:
        Tuples of strings, whose attribute `location` says where they were read. Lines whose fields
        are all empty are skipped. White space around fields is stripped, except in examples with
        answers, which say at which character of another field they begin.

    Raises:
        UserError: naming file and line, if a file is missing or not UTF-8, a column is missing,
            rows differ in length, or a field is empty but other fields are not.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "pairs.tsv"
        >>> _ = path.write_text("zh\ten\n你好\thello\n", encoding="utf-8")
        >>> read_examples(str(path), ["zh", "en"])
        [('你好', 'hello')]
    """
    return list(iter_examples(files, fields, base, holds))


def iter_examples(
    files: Files,
    fields: Sequence[Field],
    base: FilePath = ".",
    holds: Holds | None = None,
) -> Iterator[Example]:
    """Like `read_examples`, one example at a time.

    Memory does not grow with the size of `.tsv`, `.csv`, `.jsonl`, `.parquet`, `.txt` and
    parallel files; other formats, pipes and standard input are read as a whole.
    """
    holds = holds or {}
    if isinstance(files, Mapping):
        names = ", ".join(map(str, files.values()))
        examples = _read_parallel(files, fields, base, holds)
    else:
        patterns = [files] if isinstance(files, str | os.PathLike) else files
        names = ", ".join(map(str, patterns))
        examples = (
            example for path in _expand(patterns, base) for example in _read(path, fields, holds)
        )
    is_empty = True
    for example in examples:
        yield example
        is_empty = False
    if is_empty:
        raise UserError(f"{names}: contains no examples")


def named_files(
    values: list[str], fields: Iterable[Field]
) -> str | list[str] | dict[Field, FilePath]:
    """The files of `--data`: one or several paths, or a mapping if each is FIELD=FILE.

    Args:
        values: at least one string.
        fields: names of fields.

    Returns:
        The argument `files` of `read_examples`.

    Raises:
        UserError: if only some are FIELD=FILE.

    Example:
        >>> named_files(["zh=a.zh", "en=a.en"], ["zh", "en"])
        {'zh': 'a.zh', 'en': 'a.en'}
    """
    by_name = {str(field): field for field in fields}
    pairs = [value.partition("=") for value in values]
    is_named = [
        bool(name in by_name and separator and not os.path.lexists(value))
        for value, (name, separator, _) in zip(values, pairs, strict=True)
    ]
    if not any(is_named):
        return values if len(values) > 1 else values[0]
    if not all(is_named):
        raise UserError(
            f"{values[is_named.index(False)]!r} names no field but other files do: give "
            f"{' '.join(f'{name}=FILE' for name in by_name)}, or files with all fields"
        )
    return {by_name[name]: file for name, _, file in pairs}


def _read_jsonl(
    path: FilePath, lines: Iterable[str], fields: Sequence[Field], holds: Holds
) -> Iterator[Example]:
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            record = load_json(line)
            if not isinstance(record, dict):
                raise UserError(f"expected a JSON object, received {type(record).__name__}")
            values = [_value(record, field, holds.get(field)) for field in fields]
        except UserError as error:
            raise UserError(f"{location(path, number)}: {error}") from error
        answers = {field: ANSWERS for field in fields if is_answers(record[field])}
        yield from make_example(values, fields, {**answers, **holds}, path, number)


def _value(record: dict[Any, Any], field: Field, holds: str | None) -> str:
    if field not in record:
        raise UserError(f'the key "{field}" is missing; {suggest(str(field), record)}')
    try:
        return as_text(record[field], holds)
    except UserError as error:
        raise UserError(f'"{field}" {error}') from error


# Functions of path, lines, fields and holds, and of path, fields and holds.
_LINE_READERS: dict[str, Callable[..., Iterable[Example]]] = {
    ".tsv": read_tsv,
    ".csv": read_csv,
    ".jsonl": _read_jsonl,
    ".conll": read_conll,
    ".conllu": read_conll,
    ".iob": read_conll,
    ".bio": read_conll,
    ".txt": read_documents,
}
_FILE_READERS: dict[str, Callable[..., Iterable[Example]]] = {
    ".json": read_squad,
    ".parquet": read_parquet,
}


def _read(path: Any, fields: Sequence[Field], holds: Holds) -> Iterable[Example]:
    if str(path) == STANDARD_INPUT:
        return _read_standard_input(fields, holds)
    if is_tfds(path):
        return read_tfds(str(path), fields, holds)
    suffix = Path(path.name.removesuffix(".gz")).suffix.lower()
    if suffix in _FILE_READERS and not (suffix == ".parquet" and path.suffix == ".gz"):
        return _FILE_READERS[suffix](path, fields, holds)
    reader = _LINE_READERS.get(suffix)
    is_tagging = bool(fields) and all(holds.get(field) == WORDS for field in fields)
    if is_tagging and reader in (None, read_documents) and suffix not in _FILE_READERS:
        reader = read_conll
    if reader is None:
        columns = ", ".join(f"{field}: FILE" for field in fields)
        options = " ".join(f"--data {field}=FILE" for field in fields)
        raise UserError(
            f"{path}: unknown suffix; accepted are "
            f"{', '.join((*_LINE_READERS, *_FILE_READERS))} (all but .parquet also with .gz), "
            f"and for parallel text files a mapping: {{{columns}}} in a recipe, "
            f"{options} on the command line"
        )
    return reader(path, open_lines(path), fields, holds)


def _read_standard_input(fields: Sequence[Field], holds: Holds) -> Iterable[Example]:
    lines = read_lines(STANDARD_INPUT)
    start = next((line for line in lines if line.strip()), "")
    reader = _read_jsonl if start.lstrip().startswith("{") else read_tsv
    return reader("standard input", lines, fields, holds)


def _expand(patterns: Iterable[FilePath], base: FilePath) -> list[Any]:
    """The paths that match patterns; names of `tfds:` datasets as they are."""
    paths: list[Any] = []
    for pattern in patterns:
        full = os.path.join(base, pattern)
        if str(pattern) == STANDARD_INPUT:
            full = STANDARD_INPUT
        if is_tfds(pattern):
            paths.append(pattern)
            continue
        matches = [full]
        # A file of that very name takes precedence: brackets are common in names of folders.
        if glob.has_magic(str(pattern)) and not os.path.lexists(full):
            matches = [os.path.join(base, n) for n in glob.glob(str(pattern), root_dir=base)]
        if not matches:
            raise UserError(f"{full}: no files match")
        paths += map(Path, sorted(matches))
    return paths


def _read_parallel(
    files: Mapping[Field, FilePath], fields: Sequence[Field], base: FilePath, holds: Holds
) -> Iterator[Example]:
    missing = [field for field in fields if field not in files]
    if missing:
        raise UserError(f'no file for "{missing[0]}"; {suggest(str(missing[0]), map(str, files))}')
    paths = [_expand([files[field]], base) for field in fields]
    columns = [_numbered_lines(group) for group in paths]
    for count, row in enumerate(itertools.zip_longest(*columns)):
        if None in row:
            lengths = [
                count + (cell is not None) + sum(1 for _ in column)
                for cell, column in zip(row, columns, strict=True)
            ]
            counts = ", ".join(
                f"{', '.join(map(str, group))}: {n}"
                for group, n in zip(paths, lengths, strict=True)
            )
            raise UserError(f"parallel files must have the same number of lines; {counts}")
        values = [line for line, _, _ in row]
        _, path, number = row[0]
        yield from make_example(values, fields, holds, path, number)


def _numbered_lines(paths: Iterable[Path]) -> Iterator[tuple[str, Path, int]]:
    """The lines of files, each with its file and number."""
    for path in paths:
        for number, line in enumerate(iter_lines(path), start=1):
            yield line, path, number

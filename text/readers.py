"""Readers of example files: TSV, JSONL, parallel text; gzipped or not.

Each gives examples as tuples of strings, one string a field, and every complaint
names the file and the line.
"""

import glob
import gzip
import json
import zlib
from pathlib import Path

from attention_zoo.errors import UserError, suggest
from attention_zoo.text.corpus_readers import read_conll, read_documents, read_squad

_CORPORA = {".conll": read_conll, ".json": read_squad, ".txt": read_documents}


def read_examples(files, fields, base="."):
    r"""Reads examples from files.

    Args:
        files: a path or glob, a list of them, or a mapping from field to path or glob
            (parallel files, line i of each makes example i). Suffixes say the format:
            `.tsv`, `.jsonl`, or plain text for parallel files, and of one kind of task
            each `.conll` (words and tags), `.json` (SQuAD) and `.txt` (documents, an empty
            line after each); all of them also with `.gz`.
        fields: names of the fields to read. In TSV a name is a column of the header
            line, and an integer is the number of a column (from 1) in a file without
            a header; in JSONL a name is a key; in a mapping it is a key of the mapping.
        base: folder that relative paths start from.

    Returns:
        A list of tuples of strings. Lines with nothing in any field are left out, and so
        is white space around a field, but where a field of JSONL is a list of objects: answers,
        which say where in another field they begin.

    Raises:
        UserError: naming file and line, if a file is missing or not UTF-8, a column
            is missing, columns are uneven, or one field is empty where another is not.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "pairs.tsv"
        >>> _ = path.write_text("zh\ten\n你好\thello\n", encoding="utf-8")
        >>> read_examples(str(path), ["zh", "en"])
        [('你好', 'hello')]
    """
    if isinstance(files, dict):
        return _read_parallel(files, fields, base)
    examples = []
    for path in _expand([files] if isinstance(files, str | Path) else files, base):
        suffix = Path(path.name.removesuffix(".gz")).suffix
        if suffix in _CORPORA:
            examples += _CORPORA[suffix](path, fields, read_lines(path))
            continue
        reader = {".tsv": _read_tsv, ".jsonl": _read_jsonl}.get(suffix)
        if reader is None:
            raise UserError(
                f"{path}: the format is not known by its suffix; accepted are .tsv, .jsonl, "
                f".conll, .json and .txt (with .gz or without), and for parallel text files a "
                f"mapping: "
                f"{{{fields[0]}: FILE, {fields[-1]}: FILE}}"
            )
        examples += reader(path, fields)
    if not examples:
        raise UserError(f"{files}: there is no example in it")
    return examples


def read_lines(path):
    """Reads the lines of a text file, gzipped or not, without their line ends.

    Raises:
        UserError: naming file and line, if it is missing or not UTF-8.
    """
    path = Path(path)
    lines = []
    try:
        with gzip.open(path) if path.suffix == ".gz" else open(path, "rb") as file:
            for number, line in enumerate(file, start=1):
                lines.append(_decode(line, path, number))
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise UserError(f"{path}, after line {len(lines)}: damaged gzip file: {error}") from error
    except OSError as error:
        raise UserError(f"{path}: {error.strerror or error}") from error
    return lines


def _decode(line, path, number):
    try:
        return line.decode().removeprefix("\ufeff" if number == 1 else "").rstrip("\r\n")
    except UnicodeDecodeError as error:
        raise UserError(
            f"{path}, line {number}: not UTF-8: byte 0x{line[error.start]:02x} at position "
            f"{error.start + 1} of the line; convert the file first, for example with iconv"
        ) from error


def _expand(patterns, base):
    paths = []
    for pattern in patterns:
        full = str(Path(base) / pattern)
        found = [full]
        if glob.has_magic(str(pattern)):
            found = sorted(str(Path(base, n)) for n in glob.glob(str(pattern), root_dir=base))
        if not found:
            raise UserError(f"{full}: no file has such a name")
        paths += map(Path, found)
    return paths


def _read_tsv(path, fields):
    rows = [line.split("\t") for line in read_lines(path)]
    if not rows:
        raise UserError(f"{path}: the file is empty")
    has_header = isinstance(fields[0], str)
    columns = [_column(field, rows[0], path) for field in fields]
    examples = []
    for number, row in enumerate(rows, start=1):
        if row == [""] or (has_header and number == 1):
            continue
        if len(row) != len(rows[0]):
            raise UserError(
                f"{path}, line {number}: {len(row)} columns where line 1 has {len(rows[0])}"
            )
        values = tuple(row[column].strip() for column in columns)
        examples += _checked(values, fields, f"{path}, line {number}")
    return examples


def _column(field, first_row, path):
    if isinstance(field, int):
        if not 1 <= field <= len(first_row):
            raise UserError(f"{path}, line 1: no column {field}, there are {len(first_row)}")
        return field - 1
    if field not in first_row:
        raise UserError(
            f'{path}, line 1: no column "{field}" in the header; {suggest(field, first_row)}. '
            f"For a file without a header give column numbers, from 1"
        )
    return first_row.index(field)


def _read_jsonl(path, fields):
    examples = []
    for number, line in enumerate(read_lines(path), start=1):
        if not line.strip():
            continue
        place = f"{path}, line {number}"
        try:
            record = json.loads(line)
        except ValueError as error:
            raise UserError(f"{place}: not JSON: {error}") from error
        if not isinstance(record, dict):
            raise UserError(f"{place}: a JSON object is needed, received {type(record).__name__}")
        texts = []
        for field in fields:
            text = _as_text(record.get(field))
            if text is None:
                raise UserError(
                    f'{place}: no text under the key "{field}"; {suggest(str(field), record)}'
                )
            texts.append(text)
        # Answers say where in a text they begin, so it stays as it is.
        keeps_spaces = any(_is_objects(record[field]) for field in fields)
        values = tuple(text if keeps_spaces else text.strip() for text in texts)
        try:
            "".join(values).encode()
        except UnicodeEncodeError as error:
            raise UserError(f"{place}: half a surrogate pair, which no text can hold") from error
        examples += _checked(values, fields, place)
    return examples


def _as_text(value):
    """What of JSON is text: numbers too, lists of words, and lists of objects, as JSON again."""
    if isinstance(value, list) and value and all(isinstance(word, str) for word in value):
        return " ".join(value)
    if _is_objects(value):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    return value if isinstance(value, str) else None


def _is_objects(value):
    return isinstance(value, list) and all(isinstance(item, dict) for item in value)


def _read_parallel(files, fields, base):
    missing = [field for field in fields if field not in files]
    if missing:
        raise UserError(f'no file for "{missing[0]}"; {suggest(str(missing[0]), files)}')
    paths = [_expand([files[field]], base) for field in fields]
    columns = [
        [
            (line, f"{path}, line {i}")
            for path in group
            for i, line in enumerate(read_lines(path), 1)
        ]
        for group in paths
    ]
    lengths = [len(column) for column in columns]
    if len(set(lengths)) > 1:
        counts = ", ".join(f"{group[0]}: {n}" for group, n in zip(paths, lengths, strict=True))
        raise UserError(f"parallel files must have equally many lines; {counts}")
    examples = []
    for row in zip(*columns, strict=True):
        values = tuple(line.strip() for line, _ in row)
        examples += _checked(values, fields, row[0][1])
    if not examples:
        raise UserError(f"{files}: there is no example in it")
    return examples


def _numbered(path):
    return enumerate(read_lines(path), start=1)


def _checked(values, fields, place):
    """One example, or none where all fields are empty."""
    if not any(value.strip() for value in values):
        return []
    for field, value in zip(fields, values, strict=True):
        if not value.strip():
            raise UserError(f'{place}: "{field}" is empty while another field is not')
    return [values]

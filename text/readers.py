"""Reading examples from files, whose suffix says the format.

Each gives examples as tuples of strings, one string a field, and every complaint
names the file and the line. `docs/reference/data.md` describes the formats.
"""

import glob
import os
from pathlib import Path

from attention_zoo.errors import UserError, suggest
from attention_zoo.text.corpus_readers import read_conll, read_documents
from attention_zoo.text.examples import ANSWERS, WORDS, make_example, place
from attention_zoo.text.json_values import as_text, is_answers, load_json
from attention_zoo.text.lines import STANDARD_INPUT, read_lines
from attention_zoo.text.squad import read_squad
from attention_zoo.text.tables import read_csv, read_parquet, read_tsv


def read_examples(files, fields, base=".", holds=None):
    r"""Reads examples from files.

    Args:
        files: a path or glob, a list of them, or a mapping from field to path or glob
            (parallel files, line i of each makes example i). Suffixes say the format:
            `.tsv`, `.csv`, `.jsonl`, `.parquet`, plain text for parallel files, and of one
            kind of task each `.conll` (words and tags; also `.conllu`, `.iob`, `.bio`), `.json`
            (SQuAD) and `.txt` (documents, an empty line after each); all but `.parquet` also
            with `.gz`. `"-"` is standard input: JSONL if it begins with a brace, TSV otherwise.
        fields: names of the fields to read. In a table a name is a column of the header
            line, and an integer is the number of a column (from 1) in a file without
            a header; in JSONL a name is a key; in a mapping it is a key of the mapping.
        base: folder that relative paths start from.
        holds: what fields hold where it is not text, by field; a task says so in `task.holds`.
            `"label"`: one, which cannot be a list. `"labels"`: any number of them, with commas
            between or a list. `"words"`: one for each of another field, with spaces between or a
            list; files whose format is not known are then read as CoNLL. `"answers"`: a list of
            objects.

    Returns:
        A list of tuples of strings, each of which has the attribute `place`, where it was read.
        Lines with nothing in any field are left out, and so is white space around a field, but
        not beside answers, which say where in another field they begin.

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
    holds = holds or {}
    if isinstance(files, dict):
        return _read_parallel(files, fields, base, holds)
    examples = []
    for path in _expand([files] if isinstance(files, str | Path) else files, base):
        if str(path) == STANDARD_INPUT:
            examples += _read_standard_input(fields, holds)
        else:
            examples += _read_file(path, fields, holds)
    if not examples:
        names = files if isinstance(files, str | Path) else ", ".join(map(str, files))
        raise UserError(f"{names}: there is no example in it")
    return examples


def named_files(values, fields):
    """The files of `--data`: a path or several, or a mapping if each is FIELD=FILE.

    Args:
        values: list of strings, at least one.
        fields: names of fields.

    Returns:
        What `read_examples` takes as files.

    Raises:
        UserError: if only some are FIELD=FILE.

    Example:
        >>> named_files(["zh=a.zh", "en=a.en"], ["zh", "en"])
        {'zh': 'a.zh', 'en': 'a.en'}
    """
    by_name = {str(field): field for field in fields}
    pairs = [value.partition("=") for value in values]
    named = [
        name in by_name and separator and not os.path.lexists(value)
        for value, (name, separator, _) in zip(values, pairs, strict=True)
    ]
    if not any(named):
        return values if len(values) > 1 else values[0]
    if not all(named):
        raise UserError(
            f"{values[named.index(False)]!r} is for no field, others are: give "
            f"{' '.join(f'{name}=FILE' for name in by_name)}, or files with all fields"
        )
    return {by_name[name]: file for name, _, file in pairs}


def _read_jsonl(path, lines, fields, holds):
    examples = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            record = load_json(line)
            if not isinstance(record, dict):
                raise UserError(f"a JSON object is needed, received {type(record).__name__}")
            values = [_value(record, field, holds.get(field)) for field in fields]
        except UserError as error:
            raise UserError(f"{place(path, number)}: {error}") from error
        found = {field: ANSWERS for field in fields if is_answers(record[field])}
        examples += make_example(values, fields, {**found, **holds}, path, number)
    return examples


def _value(record, field, holds):
    if field not in record:
        raise UserError(f'no text under the key "{field}"; {suggest(str(field), record)}')
    try:
        return as_text(record[field], holds)
    except UserError as error:
        raise UserError(f'"{field}" {error}') from error


# Of lines, and of files as a whole.
_LINE_READERS = {
    ".tsv": read_tsv,
    ".csv": read_csv,
    ".jsonl": _read_jsonl,
    ".conll": read_conll,
    ".conllu": read_conll,
    ".iob": read_conll,
    ".bio": read_conll,
    ".txt": read_documents,
}
_FILE_READERS = {".json": read_squad, ".parquet": read_parquet}


def _read_file(path, fields, holds):
    suffix = Path(path.name.removesuffix(".gz")).suffix.lower()
    if suffix in _FILE_READERS and not (suffix == ".parquet" and path.suffix == ".gz"):
        return _FILE_READERS[suffix](path, fields, holds)
    reader = _LINE_READERS.get(suffix)
    is_tagging = fields and all(holds.get(field) == WORDS for field in fields)
    if is_tagging and reader in (None, read_documents) and suffix not in _FILE_READERS:
        reader = read_conll
    if reader is None:
        columns = ", ".join(f"{field}: FILE" for field in fields)
        options = " ".join(f"--data {field}=FILE" for field in fields)
        raise UserError(
            f"{path}: the format is not known by its suffix; accepted are "
            f"{', '.join((*_LINE_READERS, *_FILE_READERS))} (with .gz or without, but for "
            f".parquet), and for parallel text files a mapping: {{{columns}}} in a recipe, "
            f"{options} on the command line"
        )
    return reader(path, read_lines(path), fields, holds)


def _read_standard_input(fields, holds):
    lines = read_lines(STANDARD_INPUT)
    start = next((line for line in lines if line.strip()), "")
    reader = _read_jsonl if start.lstrip().startswith("{") else read_tsv
    return reader("standard input", lines, fields, holds)


def _expand(patterns, base):
    paths = []
    for pattern in patterns:
        full = os.path.join(base, pattern)
        if str(pattern) == STANDARD_INPUT:
            full = STANDARD_INPUT
        found = [full]
        # A file of that name goes first: brackets are common in names of folders.
        if glob.has_magic(str(pattern)) and not os.path.lexists(full):
            found = [os.path.join(base, n) for n in glob.glob(str(pattern), root_dir=base)]
        if not found:
            raise UserError(f"{full}: no file has such a name")
        paths += map(Path, sorted(found))
    return paths


def _read_parallel(files, fields, base, holds):
    missing = [field for field in fields if field not in files]
    if missing:
        raise UserError(f'no file for "{missing[0]}"; {suggest(str(missing[0]), map(str, files))}')
    paths = [_expand([files[field]], base) for field in fields]
    columns = [
        [(line, path, i) for path in group for i, line in enumerate(read_lines(path), 1)]
        for group in paths
    ]
    lengths = [len(column) for column in columns]
    if len(set(lengths)) > 1:
        counts = ", ".join(
            f"{', '.join(map(str, group))}: {n}" for group, n in zip(paths, lengths, strict=True)
        )
        raise UserError(f"parallel files must have equally many lines; {counts}")
    examples = []
    for row in zip(*columns, strict=True):
        values = [line for line, _, _ in row]
        examples += make_example(values, fields, holds, *row[0][1:])
    if not examples:
        names = ", ".join(map(str, files.values()))
        raise UserError(f"{names}: there is no example in it")
    return examples

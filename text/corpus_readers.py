"""Readers of formats whose examples span several lines: CoNLL, plain documents."""

import itertools
import re
from collections.abc import Iterable, Iterator, Sequence

from attention_zoo.errors import UserError
from attention_zoo.text.examples import Example, Field, FilePath, Holds, as_word, location
from attention_zoo.text.squad import require_fields

_TAG_OF_A_SCHEME = re.compile(r"O|[BIESLUMW]-.+")
_RANGE_OR_EMPTY_NODE = re.compile(r"\d+[-.]\d+")
_CONLL_U_COLUMNS = 10

# The number of a line, and its columns.
_Row = tuple[int, list[str]]
_Sentence = list[_Row]


def read_conll(
    path: FilePath, lines: Iterable[str], fields: Sequence[Field], holds: Holds | None = None
) -> list[Example]:
    """Reads tagged sentences: one word and its tag per line, an empty line after each sentence.

    Columns are separated by tabs, or by spaces in lines without a tab. The word is the first column
    and the tag the last (Tjong Kim Sang and De Meulder 2003). If the first column numbers the words
    of each sentence, the word is the second column; with ten columns (CoNLL-U) the tag is then the
    fourth, the part of speech. Ranges such as 1-2 and empty nodes such as 1.1 are skipped.

    Lines that begin with `-DOCSTART-` are skipped, and so are comments: lines before the first word
    of a sentence that begin with `#` and have another number of columns than words, or no tag in
    the last column.

    Args:
        path: the file, for errors.
        lines: the lines of the file.
        fields: two. Names are not looked up, since columns have none; numbers select other columns.
        holds: not used.

    Returns:
        Examples of words and tags, separated by spaces. White space in a word becomes an
        underscore.

    Raises:
        UserError: naming file and line, if a word has no tag, or rows differ in length.
    """
    require_fields(path, fields, 2, "words and tags")
    sentences, is_numbered = _without_comments(_sentences(lines))
    given = [field - 1 for field in fields if isinstance(field, int)]
    if len(given) != 2:
        _require_equal_lengths(path, sentences)
    examples: list[Example] = []
    for sentence in sentences:
        pairs = []
        for number, row in sentence:
            columns = given if len(given) == 2 else _word_and_tag(row, is_numbered)
            if not (is_numbered and _RANGE_OR_EMPTY_NODE.fullmatch(row[0])):
                pairs.append(_checked(path, number, row, columns))
        if pairs:
            values = map(" ".join, zip(*pairs, strict=True))
            examples.append(Example(values, path, sentence[0][0]))
    return examples


def _sentences(lines: Iterable[str]) -> list[_Sentence]:
    """Splits lines into sentences, and each line into columns."""
    sentences: list[_Sentence] = [[]]
    for number, line in enumerate(lines, start=1):
        if not line.strip() or line.startswith("-DOCSTART-"):
            sentences.append([])
        else:
            sentences[-1].append((number, _columns(line)))
    return sentences


def _columns(line: str) -> list[str]:
    """The columns of a line; white space other than ASCII spaces and tabs is part of a word."""
    if "\t" not in line:
        return re.split(" +", line.strip(" "))
    # A column may consist of a space.
    return [column.strip(" ") or column for column in line.rstrip(" \t").split("\t")]


def _without_comments(sentences: list[_Sentence]) -> tuple[list[_Sentence], bool]:
    """Sentences without the comments before their words, and whether words are numbered."""
    starts = [_first_word(sentence) for sentence in sentences]
    certain = [s[start:] for s, start in zip(sentences, starts, strict=True) if s[start:]]
    is_numbered = _is_numbered(certain)
    rows = [row for sentence in certain for _, row in sentence]
    widths, tags = {len(row) for row in rows}, {row[-1] for row in rows}

    def is_word(row: list[str]) -> bool:
        if is_numbered or (rows and len(row) not in widths) or len(row) == 1:
            return False
        return row[-1] in tags or _TAG_OF_A_SCHEME.fullmatch(row[-1]) is not None

    kept = [
        [pair for pair in sentence[:start] if is_word(pair[1])] + sentence[start:]
        for sentence, start in zip(sentences, starts, strict=True)
    ]
    return [sentence for sentence in kept if sentence], is_numbered


def _first_word(sentence: _Sentence) -> int:
    """The index of the first row that is not a comment, whatever its columns are."""
    words = (i for i, (_, row) in enumerate(sentence) if not row[0].startswith("#"))
    return next(words, len(sentence))


def _is_numbered(sentences: list[_Sentence]) -> bool:
    """Whether the first column numbers the words, and there are at least two others."""
    if not sentences or any(len(row) < 3 for s in sentences for _, row in s):
        return False
    numbering = [
        [row[0] for _, row in s if not _RANGE_OR_EMPTY_NODE.fullmatch(row[0])] for s in sentences
    ]
    # A single word may be the number 1.
    is_certain = any(len(numbers) > 1 for numbers in numbering)
    is_certain = is_certain or all(len(row) == _CONLL_U_COLUMNS for s in sentences for _, row in s)
    return is_certain and all(
        numbers == [str(i) for i in range(1, len(numbers) + 1)] for numbers in numbering
    )


def _word_and_tag(row: list[str], is_numbered: bool) -> tuple[int, int]:
    """The columns of word and tag."""
    tag = 3 if is_numbered and len(row) == _CONLL_U_COLUMNS else len(row) - 1
    return int(is_numbered), tag


def _require_equal_lengths(path: FilePath, sentences: list[_Sentence]) -> None:
    rows = [pair for sentence in sentences for pair in sentence]
    for number, row in rows:
        if len(row) == 1:
            raise UserError(f"{location(path, number)}: the word {row[0]!r} has no tag")
        if len(row) != len(rows[0][1]):
            raise UserError(
                f"{location(path, number)}: {len(row)} columns, but line {rows[0][0]} has "
                f"{len(rows[0][1])}; if that is intended, give the column numbers of words and "
                f"tags, from 1"
            )


def _checked(
    path: FilePath, number: int, row: list[str], columns: Sequence[int]
) -> tuple[str, str]:
    """The word and the tag of a row."""
    if not all(0 <= column < len(row) for column in columns):
        wanted = " and ".join(str(column + 1) for column in columns)
        raise UserError(
            f"{location(path, number)}: columns {wanted} requested, there are {len(row)}"
        )
    word, tag = (row[column] for column in columns)
    if not word or not tag or tag.split() != [tag]:
        raise UserError(
            f"{location(path, number)}: expected a word and a tag without spaces, received "
            f"{word!r} and {tag!r}"
        )
    return as_word(word), tag


def read_documents(
    path: FilePath, lines: Iterable[str], fields: Sequence[Field], holds: Holds | None = None
) -> Iterator[Example]:
    """Reads documents: one sentence or paragraph per line, an empty line after each document.

    Args:
        path: the file, for errors.
        lines: the lines of the file.
        fields: one name; it is not looked up.
        holds: not used.

    Returns:
        Examples of one string: the lines of a document, joined by newlines.
    """
    require_fields(path, fields, 1, "documents")
    document: list[str] = []
    for number, line in enumerate(itertools.chain(lines, [""]), start=1):
        if line.strip():
            document.append(line.strip())
        elif document:
            yield Example(["\n".join(document)], path, number - len(document))
            document = []

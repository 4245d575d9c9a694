"""Readers of formats whose lines are no examples yet: CoNLL, plain documents."""

import re

from attention_zoo.errors import UserError
from attention_zoo.text.examples import Example, as_word, place
from attention_zoo.text.squad import require_fields

_TAG_OF_A_SCHEME = re.compile(r"O|[BIESLUMW]-.+")
_RANGE_OR_EMPTY_NODE = re.compile(r"\d+[-.]\d+")
_CONLL_U_COLUMNS = 10


def read_conll(path, lines, fields, holds=None):
    """Reads tagged sentences: a word and its tag a line, an empty line after a sentence.

    Between columns stand tabs, or spaces where a line has no tab. The word is the first column
    and the tag the last (Tjong Kim Sang and De Meulder 2003). Where the first column numbers the
    words of each sentence, the word is the second, and of ten columns (CoNLL-U) the tag is the
    fourth, the part of speech; ranges such as 1-2 and empty nodes such as 1.1 are passed over.

    Lines that begin with `-DOCSTART-` are passed over, and so are comments: before the first
    word of a sentence, a line that begins with `#` and has not as many columns as words have,
    or no tag in the last of them.

    Args:
        path: named in errors.
        lines: the lines of the file.
        fields: two; names are not looked up, the columns have none, but numbers are those of
            the columns to take instead.
        holds: not used.

    Returns:
        A list of `Example`: words and tags, with spaces between. White space in a word becomes
        an underscore.

    Raises:
        UserError: naming file and line, if a word has no tag, or columns are uneven.
    """
    require_fields(path, fields, 2, "words and tags")
    sentences, is_numbered = _without_comments(_sentences(lines))
    given = [field - 1 for field in fields if isinstance(field, int)]
    if len(given) != 2:
        _require_even(path, sentences)
    examples = []
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


def _sentences(lines):
    """Sentences as lists of pairs: the number of a line, and its columns."""
    sentences = [[]]
    for number, line in enumerate(lines, start=1):
        if not line.strip() or line.startswith("-DOCSTART-"):
            sentences.append([])
        else:
            sentences[-1].append((number, _columns(line)))
    return sentences


def _columns(line):
    """The columns of a line; other spaces than that of ASCII are part of a word."""
    if "\t" not in line:
        return re.split(" +", line.strip(" "))
    # A word may be a space.
    return [column.strip(" ") or column for column in line.rstrip(" \t").split("\t")]


def _without_comments(sentences):
    """Sentences without the comments before their words, and whether words are numbered."""
    starts = [_first_word(sentence) for sentence in sentences]
    certain = [s[start:] for s, start in zip(sentences, starts, strict=True) if s[start:]]
    is_numbered = _is_numbered(certain)
    rows = [row for sentence in certain for _, row in sentence]
    widths, tags = {len(row) for row in rows}, {row[-1] for row in rows}

    def is_word(row):
        if is_numbered or (rows and len(row) not in widths) or len(row) == 1:
            return False
        return row[-1] in tags or _TAG_OF_A_SCHEME.fullmatch(row[-1])

    kept = [
        [pair for pair in sentence[:start] if is_word(pair[1])] + sentence[start:]
        for sentence, start in zip(sentences, starts, strict=True)
    ]
    return [sentence for sentence in kept if sentence], is_numbered


def _first_word(sentence):
    """The number of rows that may be comments."""
    hashes = (i for i, (_, row) in enumerate(sentence) if not row[0].startswith("#"))
    return next(hashes, len(sentence))


def _is_numbered(sentences):
    """Whether the first column counts the words, and there are two others."""
    if not sentences or any(len(row) < 3 for s in sentences for _, row in s):
        return False
    counted = [
        [row[0] for _, row in s if not _RANGE_OR_EMPTY_NODE.fullmatch(row[0])] for s in sentences
    ]
    # A single word may be the number 1.
    is_sure = any(len(numbers) > 1 for numbers in counted)
    is_sure = is_sure or all(len(row) == _CONLL_U_COLUMNS for s in sentences for _, row in s)
    return is_sure and all(
        numbers == [str(i) for i in range(1, len(numbers) + 1)] for numbers in counted
    )


def _word_and_tag(row, is_numbered):
    tag = 3 if is_numbered and len(row) == _CONLL_U_COLUMNS else len(row) - 1
    return int(is_numbered), tag


def _require_even(path, sentences):
    rows = [pair for sentence in sentences for pair in sentence]
    for number, row in rows:
        if len(row) == 1:
            raise UserError(f"{place(path, number)}: the word {row[0]!r} has no tag")
        if len(row) != len(rows[0][1]):
            raise UserError(
                f"{place(path, number)}: {len(row)} columns where line {rows[0][0]} has "
                f"{len(rows[0][1])}; if that is right, give the numbers of the columns of words "
                f"and tags, from 1"
            )


def _checked(path, number, row, columns):
    """The word and the tag of a row."""
    if not all(0 <= column < len(row) for column in columns):
        wanted = " and ".join(str(column + 1) for column in columns)
        raise UserError(
            f"{place(path, number)}: columns {wanted} are asked for, there are {len(row)}"
        )
    word, tag = (row[column] for column in columns)
    if not word or not tag or tag.split() != [tag]:
        raise UserError(
            f"{place(path, number)}: a word and a tag without spaces are needed, received "
            f"{word!r} and {tag!r}"
        )
    return as_word(word), tag


def read_documents(path, lines, fields, holds=None):
    """Reads documents: a sentence or paragraph a line, an empty line after a document.

    Args:
        path: named in errors.
        lines: the lines of the file.
        fields: one name; it is not looked up.
        holds: not used.

    Returns:
        A list of `Example` with one string: the lines of a document with line ends between.
    """
    require_fields(path, fields, 1, "documents")
    examples, document = [], []
    for number, line in enumerate([*lines, ""], start=1):
        if line.strip():
            document.append(line.strip())
        elif document:
            examples.append(Example(["\n".join(document)], path, number - len(document)))
            document = []
    return examples

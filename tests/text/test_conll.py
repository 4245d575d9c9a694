"""Tagged words, as the many files that are called CoNLL have them."""

import re

import pytest

from attention_zoo.errors import UserError
from attention_zoo.text.readers import read_examples

FIELDS = ["words", "tags"]
TAGGING = {"words": "words", "tags": "words"}


def error(message):
    return pytest.raises(UserError, match=re.escape(message))


@pytest.fixture
def read(tmp_path):
    def read_content(content, name="a.conll", fields=FIELDS, **options):
        (tmp_path / name).write_bytes(content.encode())
        return read_examples(name, fields, base=tmp_path, **options)

    return read_content


# As MultiCoNER has it: the comment has as many columns as the words.
MULTI_CONER = """\
# id f423-88f domain=en
it _ _ O
# _ _ O
wiki _ _ B-GRP

# id 19a2-88f domain=en
# _ _ B-PER
one _ _ I-PER
"""
# As Universal Dependencies has it.
CONLL_U = """\
# sent_id = 1
# text = I'm New York
1-2\tI'm\t_\t_\t_\t_\t_\t_\t_\t_
1\tI\tI\tPRON\tPRP\t_\t2\tnsubj\t_\t_
2\t'm\tbe\tAUX\tVBP\t_\t0\troot\t_\t_
3\tNew York\t_\tPROPN\tNNP\t_\t2\tobj\t_\t_
3.1\tx\t_\tVERB\t_\t_\t_\t_\t_\t_

# text = #1
1\t#1\t_\tNUM\tCD\t_\t0\troot\t_\t_

"""
GERM_EVAL = (
    "#\thttp://de.wikipedia.org [2009]\n1\tAufgrund\tO\tO\n2\tBonns\tB-LOC\tO\n\n1\tX\tO\tO\n"
)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (MULTI_CONER, [("it # wiki", "O O B-GRP"), ("# one", "B-PER I-PER")]),
        (CONLL_U, [("I 'm New_York", "PRON AUX PROPN"), ("#1", "NUM")]),
        (GERM_EVAL, [("Aufgrund Bonns", "O O"), ("X", "O")]),
        # Hashtags and hashes of CoNLL 2003, WNUT and part-of-speech corpora.
        ("# O\n\n#hash B-X\nis O\n", [("#", "O"), ("#hash is", "B-X O")]),
        ("5 CD\n# #\n\n# #\n9 CD\n", [("5 #", "CD #"), ("# 9", "# CD")]),
        ("###MEDLINE:95369245\n\nIL-2 B-DNA\n", [("IL-2", "B-DNA")]),
        ("#begin document (a); part 000\na - O\n\n#end document\n", [("a", "O")]),
        ("-DOCSTART- -X- O O\n\nEU NNP I-NP B-ORG\n", [("EU", "B-ORG")]),
        ("1 CD O\n\n1 CD O\n", [("1", "O"), ("1", "O")]),
    ],
    ids=["MultiCoNER", "CoNLL-U", "GermEval", "hashes", "tags", "JNLPBA", "2012", "2003", "ones"],
)
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_comments_numbers_and_words(content, expected, end, read):
    assert read(content.replace("\n", end)) == expected


def test_words_and_tags(read):
    text = "-DOCSTART- -X- O\n\nAda NNP B-PER\nLovelace\tNNP\tI-PER\n\n\ncodes VBZ O\n"
    assert read(text) == [("Ada Lovelace", "B-PER I-PER"), ("codes", "O")]
    with error("contains words and tags, 2 columns; 3 requested"):
        read(text, fields=["a", "b", "c"])


@pytest.mark.parametrize("separator", [" ", "\t", "   "])
@pytest.mark.parametrize("space", ["\u00a0", "\u3000", "\u2009", "\x85", "\u2028", "\x1c"])
def test_other_spaces_are_part_of_a_word(space, separator, read):
    content = f"1{space}000{separator}B-X\n{space}{separator}O\nb{separator}O\n"
    assert read(content) == [("1_000 _ b", "B-X O O")]


def test_words_stay_with_their_tags(read):
    """However the tokenizer cuts what was read, each word has its tag."""
    from attention_zoo.tasks.tag.task import Tag
    from attention_zoo.text.wordpiece_tokenizer import SPECIAL_PIECES, WordPieceTokenizer
    from attention_zoo.zoo import BertTokenClassifier

    encoder = {"vocab_size": 7, "width": 8, "num_blocks": 1, "num_heads": 2, "max_length": 16}
    tokenizer = WordPieceTokenizer([*SPECIAL_PIECES, "a", "b"])
    task = Tag(BertTokenClassifier(2, encoder), tokenizer, ["B-X", "O"])
    spaces = ["\u00a0", "\u3000", "\u2028", "\u2029", "\x85", "\x0b", "\u200b", "\ufeff", "\xad"]
    for space in spaces:
        examples = read(f"a{space}b B-X\n{space} O\nb O\n")
        ((_, _, targets),) = task.to_ids(examples)
        assert [t for t in targets if t][:1] == [1]
        assert targets[-2] == 2


def test_a_word_that_is_a_space_between_tabs(read):
    assert read(" \tO\na b\tB-X\n") == [("_ a_b", "O B-X")]


@pytest.mark.parametrize(
    "name", ["eng.train", "train.txt", "a.iob", "a.bio", "a.conllu", "train", "A.CONLL", "a.txt.gz"]
)
def test_where_the_task_is_tagging_other_suffixes_are_conll(name, tmp_path):
    import gzip

    content = b"Ada B-PER\nLovelace I-PER\n"
    (tmp_path / name).write_bytes(gzip.compress(content) if name.endswith("gz") else content)
    examples = read_examples(name, FIELDS, base=tmp_path, holds=TAGGING)
    assert examples == [("Ada Lovelace", "B-PER I-PER")]


def test_other_files_of_tagging_are_what_their_suffix_says(read):
    assert read("words\ttags\na b\tO O\n", "a.tsv", holds=TAGGING) == [("a b", "O O")]
    with error("a.txt, line 2: expected a word and a tag without spaces, received 'a b' and"):
        read("words\ttags\na b\tO O\n", "a.txt", holds=TAGGING)
    with error("train: unknown suffix"):
        read("a O\n", "train")


def test_columns_by_number(read):
    assert read("a X B\nb O\n", fields=[1, 2]) == [("a b", "X O")]
    assert read(CONLL_U, fields=[3, 5])[0] == ("I be _", "PRP VBP NNP")
    with error("a.conll, line 2: columns 1 and 3 requested, there are 2"):
        read("a X B\nb O\n", fields=[1, 3])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a O\nb\n", "line 2: the word 'b' has no tag"),
        ("a N O\n\nb O\n", "line 3: 2 columns, but line 1 has 3; if that is intended, give the"),
        ("a O\n# x y\n", "line 2: 3 columns, but line 1 has 2"),
        ("\tO\n", "line 1: expected a word and a tag without spaces, received '' and 'O'"),
        ("a\tB O\n", "line 1: expected a word and a tag without spaces, received 'a' and 'B O'"),
        ("# id x\n\n-DOCSTART- O\n", "contains no examples"),
    ],
)
def test_mistakes(content, message, read):
    with error(message):
        read(content)


def test_the_place_is_the_line_of_the_first_word(read):
    assert [e.location[-6:] for e in read(MULTI_CONER)] == ["line 2", "line 7"]

"""Word pieces against Hugging Face's `tokenizers`, and what only ours does."""

import random

import pytest
import tensorflow as tf
from reference.hard_lines import hard_lines
from tokenizers import BertWordPieceTokenizer

from attention_zoo.errors import UserError
from attention_zoo.text.encoder_tokenizer import truncate_pair
from attention_zoo.text.registry import load_tokenizer
from attention_zoo.text.wordpiece_tokenizer import (
    SPECIAL_PIECES,
    WordPieceTokenizer,
    read_vocabulary,
)


@pytest.fixture(scope="module")
def lines():
    return hard_lines()


@pytest.fixture(scope="module")
def vocabulary(minilm):
    return minilm / "vocab.txt"


@pytest.mark.parametrize("lower_case", [True, False], ids=["uncased", "cased"])
def test_ids_and_places_are_those_of_the_reference(lower_case, lines, vocabulary):
    ours = WordPieceTokenizer(read_vocabulary(vocabulary), lower_case)
    reference = BertWordPieceTokenizer(str(vocabulary), lowercase=lower_case)
    pieces = ours.tokenize_with_offsets(tf.constant(lines))
    places = zip(pieces.starts.to_list(), pieces.ends.to_list(), strict=True)
    expected = reference.encode_batch(lines, add_special_tokens=False)
    for line, ids, place, encoding in zip(
        lines, pieces.ids.to_list(), places, expected, strict=True
    ):
        assert ids == encoding.ids, line
        assert list(zip(*place, strict=True)) == encoding.offsets, line


def test_pairs_segments_and_truncation(lines, vocabulary):
    ours = WordPieceTokenizer(read_vocabulary(vocabulary))
    draw = random.Random(4)
    pairs = [(draw.choice(lines), draw.choice(lines)) for _ in range(500)]
    first, second = (tf.constant(column) for column in zip(*pairs, strict=True))
    ids, segments = ours.encode_with_segments(first, 24, second)
    rows = zip(ours.tokenize(first).to_list(), ours.tokenize(second).to_list(), strict=True)
    for row, (a, b) in enumerate(rows):
        while len(a) + len(b) > 21:  # google-research/bert, _truncate_seq_pair
            (a if len(a) > len(b) else b).pop()
        expected = [ours.cls_id, *a, ours.sep_id, *b, ours.sep_id]
        length = len(expected)
        assert ids[row].numpy().tolist() == expected + [0] * (ids.shape[1] - length)
        of_segments = [0] * (len(a) + 2) + [1] * (len(b) + 1) + [0] * (ids.shape[1] - length)
        assert segments[row].numpy().tolist() == of_segments


def test_words_are_what_stands_between_white_space():
    tokenizer = WordPieceTokenizer([*SPECIAL_PIECES, "a", "b", "##b", "."])
    pieces = tokenizer.tokenize_with_offsets(tf.constant([" ab\t\x00 a.b", "", "\x00"]))
    assert pieces.ids.to_list() == [[5, 7, 5, 8, 6], [], []]
    assert pieces.words.to_list() == [[0, 0, 2, 2, 2], [], []]
    assert pieces.starts.to_list() == [[1, 2, 6, 7, 8], [], []]
    assert pieces.word_counts.numpy().tolist() == [3, 0, 1]


def test_bytes_that_are_not_utf8_are_dropped():
    tokenizer = WordPieceTokenizer([*SPECIAL_PIECES, "ab", "b"])
    assert tokenizer.tokenize(tf.constant([b"a\xffb b"])).to_list() == [[5, 6]]


def test_decode_passes_special_ids_over_and_joins_pieces():
    tokenizer = WordPieceTokenizer([*SPECIAL_PIECES, "play", "##ing"])
    ids = tf.constant([[2, 5, 6, 4, 1, 3, 0, 99], [0, 0, 0, 0, 0, 0, 0, 0]])
    assert tokenizer.decode(ids).numpy().tolist() == [b"playing [MASK] [UNK]", b""]


def test_save_and_load(tmp_path):
    # U+0085 and U+2028 end lines for Python, not in a vocabulary.
    tokenizer = WordPieceTokenizer([*SPECIAL_PIECES, "É", "\x85", "\u2028", "z"], False, True)
    tokenizer.save(tmp_path)
    loaded = load_tokenizer(tmp_path)
    assert loaded.vocabulary == tokenizer.vocabulary
    assert (loaded.lower_case, loaded.strip_accents) == (False, True)


def test_training_covers_its_words():
    texts = ["low lower lowest", "new newer newest", "你好 new"] * 20
    tokenizer = WordPieceTokenizer.train(texts, 60)
    assert tuple(tokenizer.vocabulary[:5]) == SPECIAL_PIECES
    assert tokenizer.vocab_size <= 60
    ids = tokenizer.tokenize(tf.constant(["LOWER newest 好"]))
    assert tokenizer.decode(ids.to_tensor()).numpy()[0].decode() == "lower newest 好"
    assert len(ids.to_list()[0]) <= 5


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: WordPieceTokenizer(["[PAD]", "a"]), r"lacks \[UNK\], \[CLS\]"),
        (lambda: WordPieceTokenizer(["a", *SPECIAL_PIECES]), "it begins with a"),
        (lambda: WordPieceTokenizer.train(["", " "]), "contain no words"),
        (lambda: WordPieceTokenizer.train(["a"], 5), "above 5 .*received 5"),
        (lambda: read_vocabulary("nowhere.txt"), "nowhere.txt: No such file"),
    ],
)
def test_mistakes(make, message):
    with pytest.raises(UserError, match=message):
        make()


def test_equally_long_texts_lose_the_end_of_the_second():
    first, second = tf.ragged.constant([[1, 2, 3]]), tf.ragged.constant([[4, 5, 6]])
    cut = [part.to_list() for part in truncate_pair(first, second, 5)]
    assert cut == [[[1, 2, 3]], [[4, 5]]]

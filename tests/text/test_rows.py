import numpy as np
import pytest
import tensorflow as tf
from numpy.testing import assert_array_equal

from attention_zoo.text.rows import cut_rows, to_dense
from attention_zoo.text.wordpiece_tokenizer import SPECIAL_PIECES, WordPieceTokenizer


def test_rows_are_filled_up():
    assert_array_equal(
        to_dense(tf.ragged.constant([[5], [], [6, 7]]), -1), [[5, -1], [-1, -1], [6, 7]]
    )


@pytest.mark.parametrize("rows", [0, 2])
def test_there_is_always_a_column(rows):
    empty = tf.ragged.constant([[]] * rows, dtype=tf.int32, ragged_rank=1)
    assert_array_equal(to_dense(empty, 9), np.full((rows, 1), 9))
    assert_array_equal(cut_rows(tf.zeros([rows, 0], tf.int32), 4, 3), np.zeros((rows, 1)))


@pytest.mark.parametrize("dynamic", [False, True])
def test_only_rows_that_are_cut_get_another_end(dynamic):
    rows = np.array([[5, 6, 7, 8, 3], [5, 6, 7, 3, 0], [5, 3, 0, 0, 0]], "int32")
    cut = cut_rows
    if dynamic:
        spec = tf.TensorSpec([None, None], tf.int32)
        cut = tf.function(lambda ids, *rest: cut_rows(ids, *rest), input_signature=None)
        cut = cut.get_concrete_function(spec, 4, 3)
        assert_array_equal(cut(tf.constant(rows)), [[5, 6, 7, 3], [5, 6, 7, 3], [5, 3, 0, 0]])
        return
    assert_array_equal(cut(rows, 4, 3), [[5, 6, 7, 3], [5, 6, 7, 3], [5, 3, 0, 0]])
    assert_array_equal(cut(rows, 4), rows[:, :4])
    assert_array_equal(cut(rows, 5, 9), rows)


def test_ids_are_cut_as_strings_are():
    tokenizer = WordPieceTokenizer([*SPECIAL_PIECES, *"abcdefgh"])
    whole = tokenizer.encode(tf.constant(["a b c d e f g h"]), 99)
    cut = tokenizer.encode(tf.constant(["a b c d e f g h"]), 6)
    assert_array_equal(cut_rows(whole, 6, tokenizer.sep_id), cut)

"""What holds for every decoder."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from numpy.testing import assert_allclose, assert_array_equal

from attention_zoo.decoding.beam_search import beam_search
from attention_zoo.decoding.greedy import greedy_search
from attention_zoo.decoding.loop import log_probability
from attention_zoo.decoding.sampling import sample


def greedy(model, source, max_length, **options):
    return greedy_search(model, source, max_length, **options)


def beam(model, source, max_length, beam_size=3, **options):
    return beam_search(
        model, source, max_length, beam_size=beam_size, length_penalty=0.7, **options
    )


def sampled(model, source, max_length, num_samples=2, **options):
    return sample(model, source, max_length, 4, temperature=0.9, num_samples=num_samples, **options)


@pytest.fixture(params=[greedy, beam, sampled], ids=lambda search: search.__name__)
def search(request):
    return request.param


def assert_same(found, expected):
    for name in ("ids", "lengths", "finished"):
        assert_array_equal(getattr(found, name), getattr(expected, name))
    assert_allclose(found.scores, expected.scores, atol=1e-5)
    assert (found.attention == ()) == (expected.attention == ())
    if found.attention != ():
        assert_allclose(found.attention, expected.attention, atol=1e-5)


def test_log_probability():
    logits = tf.constant([[[1.0, 3.0, 2.0], [0.0, 0.0, 500.0]]])
    expected = keras.ops.log_softmax(logits).numpy()
    assert_allclose(log_probability(logits, logits), expected, rtol=1e-5, atol=1e-6)
    assert_allclose(log_probability(logits, logits[:, :, 1]), expected[:, :, 1], rtol=1e-5)


def test_padding_the_source_changes_nothing(search, model, source):
    longer = np.pad(source, [(0, 0), (0, 3)])
    expected = search(model, source, 6, return_attention=True)
    found = search(model, longer, 6, return_attention=True)
    assert_array_equal(found.attention[..., 5:], 0)
    assert_same(found._replace(attention=found.attention[..., :5]), expected)


@pytest.mark.parametrize("search", [greedy, beam])
def test_the_rest_of_the_batch_changes_nothing(search, model, source):
    together = search(model, source, 6)
    for row in range(0, len(source), 2):
        alone = search(model, source[row : row + 1, : np.count_nonzero(source[row])], 6)
        assert_same(
            alone,
            together._replace(
                **{
                    name: getattr(together, name)[row : row + 1]
                    for name in ("ids", "scores", "lengths", "finished")
                }
            ),
        )


def test_more_room_does_not_change_answers_that_ended(search, make_table):
    table = make_table(np.random.default_rng(1).normal([0.3, 0, 0], 1.0, (9, 127, 3)))
    source = np.arange(9, dtype="int32")[:, np.newaxis]
    short, long = search(table, source, 5), search(table, source, 7)
    # A beam may find better answers as long as one of its hypotheses has not ended.
    ended = short.finished.numpy()
    ended &= (search is not beam) | ended.all(axis=1, keepdims=True)
    assert ended.any()
    assert_array_equal(long.ids.numpy()[ended][:, :5], short.ids.numpy()[ended])
    assert_allclose(long.scores.numpy()[ended], short.scores.numpy()[ended], atol=1e-5)


def test_fixed_shapes_in_a_graph(search, model, source):
    def decode(source):
        return search(model, source, 6, return_attention=True)

    expected = decode(source)
    assert_same(tf.function(decode)(tf.constant(source)), expected)
    assert_same(tf.function(decode, jit_compile=True)(tf.constant(source)), expected)


def test_dynamic_shapes_in_a_graph(search, model, source):
    signature = [tf.TensorSpec([None, None], tf.int32), tf.TensorSpec([], tf.int32)]
    function = tf.function(
        lambda source, length: search(model, source, length, return_attention=True),
        input_signature=signature,
    )
    for batch, length in [(source, 6), (source[:2, :4], 3), (np.pad(source, [(0, 3), (0, 1)]), 1)]:
        assert_same(function(batch, length), search(model, batch, length, return_attention=True))
    assert function.experimental_get_tracing_count() == 1


def test_number_of_hypotheses_at_run_time(model, source):
    scalar = tf.TensorSpec([], tf.int32)
    signature = [tf.TensorSpec([None, None], tf.int32), scalar, scalar]
    beams = tf.function(lambda *inputs: beam(model, *inputs), input_signature=signature)
    samples = tf.function(lambda *inputs: sampled(model, *inputs), input_signature=signature)
    for length, number in [(6, 3), (4, 9)]:
        assert_same(beams(source, length, number), beam(model, source, length, number))
        assert_same(samples(source, length, number), sampled(model, source, length, number))


@pytest.mark.parametrize("dtype", ["int64", "int32"])
def test_lists_and_other_integers(dtype, search, table):
    expected = search(table, tf.constant([[0, 9], [1, 9]]), 4)
    assert_same(search(table, np.array([[0, 9], [1, 9]], dtype), 4), expected)


def test_attention(search, model, source, teacher_forced_attention):
    found = search(model, source, 6, return_attention=True)
    attention = found.attention.numpy()
    number = found.ids.shape[1]
    assert attention.shape == (6, number, 6, 5)
    emitted = np.arange(6) < found.lengths.numpy()[..., np.newaxis]
    assert 0 < np.mean(emitted) < 1
    assert_allclose(attention.sum(axis=3), emitted, atol=1e-5)
    padding = np.broadcast_to((source == 0)[:, np.newaxis, np.newaxis], attention.shape)
    assert_array_equal(attention[padding], 0)
    expected = teacher_forced_attention(model, source, found)
    assert_allclose(attention, expected, atol=1e-5)


def test_mixed_precision(search, half_model, source):
    found = search(half_model, source, 4)
    assert found.scores.dtype == tf.float32
    assert np.isfinite(found.scores).all()


def test_attention_in_mixed_precision(search, half_model, source):
    found = search(half_model, source, 4, return_attention=True)
    assert found.attention.dtype == tf.float32
    emitted = np.arange(4) < found.lengths.numpy()[..., np.newaxis]
    assert_allclose(found.attention.numpy().sum(axis=3), emitted, atol=0.02)


def ends_after(make_table, *lengths):
    """A table of sentences that surely end after so many tokens, whatever these are."""
    depth = np.floor(np.log2(np.arange(1, 256)))  # of each place in the tree of prefixes
    logits = np.zeros([len(lengths), 255, 3])
    for sentence, length in enumerate(lengths):
        logits[sentence, :, 0] = np.where(depth < length - 1, -999, 999)
    return make_table(logits)


def test_stops_when_every_hypothesis_is_finished(search, make_table):
    table = ends_after(make_table, 2, 4, 3)
    found = search(table, np.array([[0, 9], [1, 9], [2, 9]]), max_length=7)
    assert table.steps == 4
    assert found.ids.shape[2] == 7
    assert found.finished.numpy().all()
    assert found.lengths[:, 0].numpy().tolist() == [2, 4, 3]


@pytest.mark.parametrize("max_length", [1, 3, 6])
def test_never_goes_beyond_max_length(max_length, search, make_table):
    table = ends_after(make_table, 7)
    found = search(table, np.array([[0, 9]]), max_length)
    assert table.steps == max_length
    assert not found.finished.numpy().any()
    assert_array_equal(found.lengths, max_length)


def test_goes_to_the_end_for_the_last_sentence(search, make_table):
    table = ends_after(make_table, 1, 8)
    found = search(table, np.array([[0, 9], [1, 9]]), max_length=5)
    assert table.steps == 5
    assert found.lengths[:, 0].numpy().tolist() == [1, 5]


def test_a_batch_of_known_size(model, source, search):
    """Its size is known to the graph, that of the model's outputs is not."""
    spec = tf.TensorSpec([1, None], tf.int32)
    compiled = tf.function(lambda ids: search(model, ids, 4), input_signature=[spec])
    assert_same(compiled(tf.constant(source[1:2])), search(model, source[1:2], 4))

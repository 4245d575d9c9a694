"""What answers must and must not contain, in every strategy."""

import functools
import itertools

import numpy as np
import pytest
import tensorflow as tf
from numpy.testing import assert_allclose, assert_array_equal

from attention_zoo.decoding.beam_search import beam_search, coverage
from attention_zoo.decoding.constraints import Constraints, constrain
from attention_zoo.decoding.forced import deal_out, progress
from attention_zoo.decoding.greedy import greedy_search
from attention_zoo.decoding.loop import IMPOSSIBLE
from attention_zoo.decoding.sampling import sample
from attention_zoo.text.vocabulary import END_ID

LENGTH = 9


def greedy(model, source, **options):
    return greedy_search(model, source, LENGTH, **options)


def beam(model, source, **options):
    return beam_search(model, source, LENGTH, beam_size=4, **options)


def sampled(model, source, **options):
    return sample(model, source, LENGTH, 3, num_samples=4, temperature=2.0, **options)


@pytest.fixture(params=[greedy, beam, sampled], ids=lambda search: search.__name__)
def search(request):
    return request.param


def answers(found):
    """All answers, as tuples without padding."""
    rows = found.ids.numpy().reshape(-1, LENGTH)
    lengths = found.lengths.numpy().reshape(-1)
    return [tuple(row[:length].tolist()) for row, length in zip(rows, lengths, strict=True)]


def excluded_by_hand(ids, constraints, size):
    """The ids that must not come next, by plain loops."""
    excluded = set(constraints.suppressed)
    if len(ids) + 1 < constraints.min_length:
        excluded.add(END_ID)
    for sequence in map(tuple, constraints.forbidden):
        excluded |= {i for i in range(size) if (*ids, i)[-len(sequence) :] == sequence}
    n = constraints.no_repeat_ngram
    if n:
        seen = {ids[i : i + n] for i in range(len(ids) - n + 1)}
        excluded |= {i for i in range(size) if (*ids, i)[-n:] in seen}
    return excluded


@pytest.mark.parametrize(
    "constraints",
    [
        Constraints(suppressed=(1, 5)),
        Constraints(min_length=4),
        Constraints(no_repeat_ngram=1),
        Constraints(no_repeat_ngram=2),
        Constraints(no_repeat_ngram=3),
        Constraints(forbidden=[[4], [5, 4], [4, 5, 5], [5, 5, 5, 5, 4]]),
        Constraints((4,), 3, 2, [[5, 6]]),
    ],
    ids=str,
)
def test_what_is_excluded(constraints):
    size, rng = 7, np.random.default_rng(2)
    for position in range(LENGTH):
        ids = rng.integers(4, 6, (3, 2, LENGTH)).astype("int32")
        ids[:, :, position:] = 0
        found = constrain(
            tf.zeros((3, 2, size)), tf.constant(ids), tf.constant(position), constraints
        )
        for row, logits in zip(ids.reshape(6, -1), found.numpy().reshape(6, -1), strict=True):
            expected = excluded_by_hand(tuple(row[:position].tolist()), constraints, size)
            assert set(np.flatnonzero(logits < 0)) == expected


def test_nothing_to_constrain_is_the_tensor_itself():
    logits = tf.zeros((1, 1, 5))
    assert constrain(logits, tf.zeros((1, 1, 3), tf.int32), 0, Constraints()) is logits


def test_the_end_is_the_last_resort(search, model, source):
    size = model.target_vocab_size
    only = [i for i in range(size) if i not in (4, END_ID)]
    found = search(model, source, suppressed=only, no_repeat_ngram=1, min_length=6)
    assert set(answers(found)[:1]) <= {(4, END_ID), (END_ID,)}


def test_no_ngram_occurs_twice(search, model, source):
    assert any(len(set(a)) < len(a) for a in answers(search(model, source, min_length=LENGTH)))
    found = search(model, source, no_repeat_ngram=1, min_length=LENGTH)
    assert all(len(set(a)) == len(a) for a in answers(found))


def test_minimum_length(search, model, source):
    assert {len(a) for a in answers(search(model, source, min_length=LENGTH))} == {LENGTH}


def test_a_prefix_of_each_source(search, model, source):
    prefix = np.array([[5, 4, 5], [4, 0, 0], [0, 0, 0]] * 2, "int32")
    found = search(model, source, prefix_ids=tf.constant(prefix), no_repeat_ngram=1)
    for ids, given in zip(found.ids.numpy(), prefix, strict=True):
        given = given[given != 0]
        assert_array_equal(ids[:, : len(given)], np.broadcast_to(given, (len(ids), len(given))))
        assert all(len(set(row[row != 0])) >= np.sum(row != 0) - 1 for row in ids)


def test_a_prefix_of_nothing_changes_nothing(search, model, source):
    none = tf.zeros((len(source), 0), tf.int32)
    plain, found = search(model, source), search(model, source, prefix_ids=none)
    assert_array_equal(found.ids, plain.ids)
    assert_allclose(found.scores, plain.scores, atol=1e-6)


def test_the_prefix_that_is_found_anyway_changes_nothing(model, source):
    for find in (greedy, beam):
        plain = find(model, source)
        found = find(model, source, prefix_ids=plain.ids[:, 0, :1])
        assert_array_equal(found.ids[:, 0], plain.ids[:, 0])
        assert_allclose(found.scores[:, 0], plain.scores[:, 0], atol=1e-5)


def test_scores_are_those_of_the_model(model, source, teacher_forced):
    options = {"no_repeat_ngram": 1, "min_length": 5, "forbidden": [[4]]}
    for find in (greedy, functools.partial(beam, length_penalty=0.0)):
        found = find(model, source, **options)
        expected = teacher_forced(model, source, found)
        assert_allclose(found.scores[:, 0], expected[:, 0], atol=1e-4)


@pytest.mark.parametrize(
    ("beam_size", "style", "forced"),
    [
        (1, "gnmt", [[6, 4], [5]]),
        (1, "marian", [[4]]),
        (4, "gnmt", [[4], [4, 5], [5, 4, 4]]),
        (4, "marian", [[6, 4], [5]]),
        (8, "gnmt", [[4, 6]]),
    ],
)
def test_forced_sequences_occur(beam_size, style, forced, model, source):
    found = beam_search(model, source, LENGTH, beam_size=beam_size, forced=forced, style=style)
    for ids in found.ids.numpy()[:, 0].tolist():
        for sequence in forced:
            size = len(sequence)
            assert any(ids[i : i + size] == sequence for i in range(LENGTH - size + 1))


def test_a_wide_beam_finds_the_best_that_has_the_forced_token(table):
    """Of all answers with it."""
    sources = np.array([[0, 9], [1, 9]], "int32")
    found = beam_search(table, sources, 4, beam_size=31, length_penalty=0.0, forced=[[5]])
    for sentence in (0, 1):
        scores = {}
        for ids in itertools.product(table.likely, repeat=4):
            ids = ids[: ids.index(END_ID) + 1] if END_ID in ids else ids
            if 5 in ids:
                steps = (table.log_p(sentence, ids[:i])[token] for i, token in enumerate(ids))
                scores[ids] = sum(steps)
        best = max(scores, key=scores.__getitem__)
        ids = found.ids.numpy()[sentence, 0]
        assert tuple(ids[ids != 0]) == best
        assert float(found.scores[sentence, 0]) == pytest.approx(scores[best], rel=1e-4)


def test_progress_by_hand():
    ids = tf.constant([[[7, 4, 5, 0, 0], [5, 4, 0, 0, 0], [0, 0, 0, 0, 0]]])
    met, following = progress(ids, 3, [[7], [5, 6]])
    assert met.numpy().tolist() == [[2, 0, 0]]
    assert following.numpy().tolist() == [[[-1, 6], [7, 5], [7, 5]]]
    # A sequence that begins with itself.
    met, following = progress(tf.constant([[[4, 4, 4]]]), 3, [[4, 4, 4, 4]])
    assert (met.numpy().tolist(), following.numpy().tolist()) == ([[3]], [[[4]]])


def test_places_are_dealt_out():
    ranks = tf.constant([[9.0, 8.0, 7.0, 6.0, 5.0, IMPOSSIBLE]])
    met = tf.constant([[0, 0, 0, 1, 1, 2]])
    assert deal_out(ranks, met, 4).numpy().tolist() == [[3, 0, 4, 1]]
    assert deal_out(ranks, met, 6).numpy().tolist() == [[3, 0, 4, 1, 2, 5]]


def test_coverage_by_hand():
    attention = np.array([[[[0.25, 0.75, 0.0], [0.25, 0.5, 0.0]]]], "float32")
    found = coverage(tf.constant(attention), tf.constant([[5, 3, 0]]))
    assert_allclose(found, [[np.log(0.5)]], rtol=1e-6)


def test_the_coverage_penalty_is_added_in_the_end(model, source):
    plain = beam(model, source, return_attention=True)
    expected = plain.scores + 0.7 * coverage(plain.attention, source)
    order = np.argsort(-expected.numpy(), axis=1, kind="stable")
    found = beam(model, source, coverage_penalty=0.7)
    assert_allclose(found.scores, np.take_along_axis(expected.numpy(), order, 1), rtol=1e-5)
    assert_array_equal(found.ids, np.take_along_axis(plain.ids.numpy(), order[..., None], 1))
    assert found.attention == ()


@pytest.mark.parametrize("model", [("transformer", 5)], indirect=True)
def test_in_a_graph_with_a_beam_of_any_size(model, source):
    options = {"no_repeat_ngram": 2, "min_length": 3, "forbidden": [[5, 5]]}
    options |= {"forced": [[4, 6]], "coverage_penalty": 0.2}
    specs = [tf.TensorSpec([None, None], tf.int32), tf.TensorSpec([], tf.int32)]

    def search(source_ids, beam_size):
        return beam_search(model, source_ids, LENGTH, beam_size=beam_size, **options)

    in_graph = tf.function(search, input_signature=specs)
    for beam_size in (1, 3):
        assert_array_equal(in_graph(source, beam_size).ids, search(source, beam_size).ids)

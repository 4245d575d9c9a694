"""Metrics by hand and against sacreBLEU."""

import functools

import pytest
import sacrebleu
from hypothesis import given, settings
from hypothesis import strategies as st

from attention_zoo.errors import UserError
from attention_zoo.train.metrics import (
    METRICS,
    compute_metrics,
    edit_distance,
    phoneme_error_rate,
)


def test_values():
    answers = ["the cat sat on the mat", "a dog"]
    references = ["the cat sat on the mat", "the dog"]
    scores = compute_metrics(["exact_match", "bleu", "chrf"], ["a", "b"], answers, references)
    assert scores["exact_match"] == 50.0
    assert scores["bleu"] == sacrebleu.corpus_bleu(answers, [references]).score
    assert 0 < scores["bleu"] < 100
    assert scores["chrf"] == sacrebleu.corpus_chrf(answers, [references]).score


def test_unknown_metric():
    with pytest.raises(UserError, match=r'no metric \'blue\'; did you mean "bleu"'):
        compute_metrics(["blue"], ["a"], ["a"], ["a"])


def test_words_with_several_pronunciations_are_one_word():
    sources = ["read", "cat", "read"]
    references = ["R IY D", "K AE T", "R EH D"]
    names = ["word_error_rate", "phoneme_error_rate", "exact_match"]
    scores = compute_metrics(names, sources, ["R EH D", "K AH", "R EH D"], references)
    # One of two words is wrong, by two of the six phonemes of "R EH D" and "K AE T".
    assert scores == {
        "word_error_rate": 50.0,
        "phoneme_error_rate": pytest.approx(100 * 2 / 6),
        "exact_match": pytest.approx(100 / 3),
    }


def test_the_distance_is_to_the_nearest_reference_over_its_length():
    references = [["A B C D E", "A B"], ["X Y", "X Y Z Z"]]
    assert phoneme_error_rate(["A B C", "X Y Z"], references) == pytest.approx(100 * 2 / (2 + 4))
    assert phoneme_error_rate(["", "X"], [["A B"], ["X"]]) == pytest.approx(100 * 2 / 3)


@given(st.text("ab", max_size=6), st.text("abc", max_size=6))
@settings(deadline=None, derandomize=True)
def test_edit_distance_against_its_definition(first, second):
    @functools.cache
    def by_recursion(i, j):
        if i == 0 or j == 0:
            return i + j
        return min(
            by_recursion(i - 1, j) + 1,
            by_recursion(i, j - 1) + 1,
            by_recursion(i - 1, j - 1) + (first[i - 1] != second[j - 1]),
        )

    assert edit_distance(first, second) == by_recursion(len(first), len(second))


# Metrics whose answers are no plain text: the references, right answers, wrong answers.
CASES = {
    "pearson": (["1", "2", "4"], ["1", "2", "4"], ["4", "2", "1"]),
    "spearman": (["1", "2", "4"], ["1", "2", "9"], ["4", "2", "1"]),
    "squad_exact_match": (['[{"text": "a cat"}]'] * 2, ["the cat"] * 2, ["dogs"] * 2),
    "squad_f1": (['[{"text": "a cat"}]'] * 2, ["the cat"] * 2, ["dogs"] * 2),
}
TEXTS = (["a cat sat on the mat"] * 2,) * 2 + (["no dogs were seen here at all"] * 2,)


@pytest.mark.parametrize("name", METRICS)
def test_the_right_answer_is_best(name):
    references, *both = CASES.get(name, TEXTS)
    sources = ["x y"] * len(references)
    right, wrong = (compute_metrics([name], sources, answers, references)[name] for answers in both)
    assert METRICS[name].gain(right, wrong) > 50
    assert METRICS[name].gain(wrong, right) == -METRICS[name].gain(right, wrong)

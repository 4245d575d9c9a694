"""`evaluate --against`: whether a difference is significant."""

import numpy as np
import pytest
from sacrebleu.metrics.bleu import BLEU
from sacrebleu.significance import PairedTest

from attention_zoo.errors import UserError
from attention_zoo.train.evaluation import evaluate
from attention_zoo.train.significance import SAMPLES, compare


def systems(rates, count=200, seed=1):
    """Answers that are right at these rates, and the references."""
    rng = np.random.default_rng(seed)
    references = [" ".join(rng.choice(list("abcdefgh"), 6)) for _ in range(count)]
    answers = [
        [r if rng.random() < rate else " ".join(reversed(r.split())) for r in references]
        for rate in rates
    ]
    return answers, references


def test_means_are_resampled():
    answers, references = systems([0.9, 0.6])
    sources = list(map(str, range(len(references))))
    found = compare(["exact_match"], sources, answers, references)["exact_match"]
    right = np.array([[a == r for a, r in zip(s, references, strict=True)] for s in answers])
    assert found["other"] == pytest.approx(100 * right[1].mean())
    assert found["difference"] == pytest.approx(100 * (right[0].mean() - right[1].mean()))
    # The interval of a mean, by its standard error.
    error = 100 * (right[0].astype(float) - right[1]).std() / np.sqrt(len(references))
    low, high = found["interval"]
    assert low == pytest.approx(found["difference"] - 1.96 * error, abs=error / 2)
    assert high == pytest.approx(found["difference"] + 1.96 * error, abs=error / 2)
    assert found["p"] < 0.005


def test_equally_good_ones_do_not_differ():
    answers, references = systems([0.7, 0.7], seed=3)
    sources = list(map(str, range(len(references))))
    found = compare(["exact_match", "bleu"], sources, answers, references)
    assert found["exact_match"]["p"] > 0.05
    assert found["bleu"]["p"] > 0.05
    same = compare(["exact_match", "bleu"], sources, [answers[0]] * 2, references)
    assert same["exact_match"] == {
        "other": pytest.approx(70.0, abs=10), "difference": 0.0, "interval": [0.0, 0.0], "p": 1.0
    }  # fmt: skip
    assert same["bleu"]["p"] == 1.0


def test_bleu_is_sacrebleus_own_test():
    answers, references = systems([0.75, 0.65], count=60)
    found = compare(["bleu"], list(map(str, range(60))), answers, references)["bleu"]
    names = [("other", answers[1]), ("ours", answers[0])]
    test = PairedTest(names, {"bleu": BLEU()}, [references], "bs", SAMPLES)
    assert found["p"] == test()[1]["BLEU"][1].p_value


def test_sources_with_several_references_are_one_case():
    sources, references = ["a", "a", "b"], ["1", "2", "3"]
    found = compare(["word_error_rate"], sources, (["2", "2", "3"], ["4", "4", "3"]), references)
    assert found["word_error_rate"]["other"] == 50.0
    assert found["word_error_rate"]["difference"] == -50.0


def test_a_metric_that_is_no_mean_is_compared_only():
    found = compare(["phoneme_error_rate"], ["a"], (["1 2"], ["1 3"]), ["1 2"])
    assert found == {"phoneme_error_rate": {"other": 50.0, "difference": -50.0}}


class Fixed:
    """A task with fixed answers."""

    metrics, metric_options, kind_of_answers = ("exact_match",), {}, "text"
    kind, text_inputs, fields = "seq2seq", ("source",), ("source", "target")

    def __init__(self, answers):
        self.given = answers

    def answers_for(self, examples, **options):
        sources, references = zip(*examples, strict=True)
        return sources, self.given, references

    def sides(self, examples):
        return []


def test_evaluate_against_another():
    examples = [("a", "1"), ("b", "2")]
    result = evaluate(Fixed(["1", "2"]), examples, against=Fixed(["1", "1"]))
    assert result["metrics"] == {"exact_match": 100.0}
    # Two examples show no more than that.
    assert result["compared"]["exact_match"] == {"other": 50.0, "difference": 50.0}
    pairs = Fixed(["1", "1"])
    pairs.text_inputs = ("a", "b")
    with pytest.raises(UserError, match=r"against: .* answers other questions than"):
        evaluate(Fixed(["1", "2"]), examples, against=pairs)
    with pytest.raises(UserError, match="no examples to evaluate"):
        evaluate(Fixed([]), [], against=Fixed([]))

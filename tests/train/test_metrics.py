"""Metrics by hand and against sacreBLEU."""

import pytest
import sacrebleu

from attention_zoo.errors import UserError
from attention_zoo.train.metrics import compute_metrics


def test_values():
    answers = ["the cat sat on the mat", "a dog"]
    references = ["the cat sat on the mat", "the dog"]
    scores = compute_metrics(["exact_match", "bleu", "chrf"], answers, references)
    assert scores["exact_match"] == 50.0
    assert scores["bleu"] == sacrebleu.corpus_bleu(answers, [references]).score
    assert 0 < scores["bleu"] < 100
    assert scores["chrf"] == sacrebleu.corpus_chrf(answers, [references]).score


def test_unknown_metric():
    with pytest.raises(UserError, match=r'no metric \'blue\'; did you mean "bleu"'):
        compute_metrics(["blue"], ["a"], ["a"])

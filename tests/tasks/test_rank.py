"""Ranking: metrics by hand and against scikit-learn, order of passages, CrossEncoder folders."""

import json

import numpy as np
import pytest
from sklearn.metrics import ndcg_score

from attention_zoo.errors import UserError
from attention_zoo.export.hugging_face import write_hugging_face
from attention_zoo.tasks.classify.task import Classify
from attention_zoo.tasks.importing import import_task
from attention_zoo.tasks.rank.metrics import mrr, ndcg
from attention_zoo.tasks.rank.task import Rank
from attention_zoo.zoo import BertClassifier


@pytest.fixture
def task(encoder, tokenizer, randomize):
    made = Rank(BertClassifier(1, encoder), tokenizer)
    randomize(made.model)
    return made


def test_mrr_by_hand():
    sources = [("a", "1"), ("b", "1"), ("a", "2"), ("b", "2"), ("a", "3"), ("c", "1")]
    answers = ["0.9", "0.1", "0.5", "0.2", "0.7", "1"]
    references = ["0", "0", "1", "1", "0", "0"]
    # The relevant one is the third of a, the first of b; c has none.
    assert mrr(answers, references, sources) == pytest.approx(100 * (1 / 3 + 1 + 0) / 3)


def test_ndcg_is_that_of_scikit_learn(rng):
    scores, relevances = rng.normal(size=(7, 5)), rng.integers(0, 4, (7, 5)) / 3
    relevances[:, 0] = 1
    sources = [(str(query), str(i)) for query in range(7) for i in range(5)]
    answers, references = ([str(x) for x in values.ravel()] for values in (scores, relevances))
    expected = 100 * ndcg_score(relevances, scores)
    assert ndcg(answers, references, sources) == pytest.approx(expected)


@pytest.mark.parametrize("score", ["0.5", "nan"])
def test_equal_scores_win_nothing(score):
    sources = [("q", str(i)) for i in range(4)]
    assert mrr([score] * 4, ["1", "0", "0", "0"], sources) == 25.0


def test_scores_are_the_sigmoids_of_the_logits(task):
    pairs = [("alpha", "beta ."), ("who ?", "gamma")]
    logits = task.model(task.encode(*([a for a, _ in pairs], [b for _, b in pairs])))
    expected = 1 / (1 + np.exp(-np.asarray(logits)[:, 0]))
    scores = [prediction.record["score"] for prediction in task.predict(pairs)]
    np.testing.assert_allclose(scores, expected, atol=1e-6)
    passages = ["beta .", "gamma", "delta"]
    ranking = task.rank("alpha", passages)
    assert [score for _, score in ranking] == sorted((s for _, s in ranking), reverse=True)
    (best,) = task.predict([("alpha", passages[ranking[0][0]])])
    assert best.record["score"] == pytest.approx(ranking[0][1], abs=1e-6)


@pytest.mark.parametrize(
    ("more", "activation"),
    [
        ({"sentence_transformers": {"version": "5.0.0"}}, "sigmoid"),
        (
            {"sentence_transformers": {"activation_fn": "torch.nn.modules.linear.Identity"}},
            "identity",
        ),
        ({"sbert_ce_default_activation_function": "torch.nn.modules.linear.Identity"}, "identity"),
    ],
)
def test_a_cross_encoder_is_imported(more, activation, task, tmp_path):
    write_hugging_face(task, tmp_path)
    config = tmp_path / "config.json"
    content = json.loads(config.read_text())
    config.write_text(json.dumps({**content, "id2label": {"0": "LABEL_0"}, **more}))
    loaded = import_task(tmp_path)
    assert isinstance(loaded, Rank)
    assert loaded.activation == activation
    pair = [("alpha", "beta .")]
    ours, theirs = (t.predict(pair)[0].record["score"] for t in (task, loaded))
    wanted = ours if activation == "sigmoid" else np.log(ours / (1 - ours))
    assert theirs == pytest.approx(wanted, abs=1e-5)


def test_what_is_not_a_cross_encoder_stays_a_classifier(task, tmp_path):
    write_hugging_face(task, tmp_path)
    assert isinstance(import_task(tmp_path), Classify)


def test_an_activation_that_is_unknown(task, tmp_path):
    write_hugging_face(task, tmp_path)
    config = tmp_path / "config.json"
    more = {"id2label": {"0": "x"}, "sentence_transformers": {"activation_fn": "a.b.Tanh"}}
    config.write_text(json.dumps({**json.loads(config.read_text()), **more}))
    with pytest.raises(UserError, match=r"config\.json: .* Sigmoid and Identity, received tanh"):
        import_task(tmp_path)


def test_a_relevance_out_of_range(task):
    with pytest.raises(UserError, match=r"label must be from 0 to 1, received 2"):
        task.to_ids([("alpha", "beta", "2")])

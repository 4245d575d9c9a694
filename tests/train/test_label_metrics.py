"""Metrics of labels, tags and extracted answers, against other implementations and by hand."""

import json
import random

import numpy as np
import pytest
from seqeval.metrics import f1_score as seqeval_f1
from sklearn.metrics import f1_score

from attention_zoo.errors import UserError
from attention_zoo.train.classification_metrics import macro_f1, micro_f1, pearson, spearman
from attention_zoo.train.squad_metrics import normalize_answer, squad_exact_match, squad_f1
from attention_zoo.train.tagging_metrics import entity_f1, tag_accuracy


@pytest.mark.parametrize("seed", range(5))
def test_macro_f1_is_that_of_scikit_learn(seed):
    draw = random.Random(seed)
    answers, references = (draw.choices("abcd", [4, 2, 1, seed], k=50) for _ in range(2))
    expected = 100 * f1_score(references, answers, average="macro")
    assert macro_f1(answers, references) == pytest.approx(expected)


@pytest.mark.parametrize("seed", range(5))
def test_micro_f1_is_that_of_scikit_learn(seed):
    rng = np.random.default_rng(seed)
    answers, references = rng.random((2, 30, 4)) < 0.3
    rows = [
        [",".join("abcd"[i] for i in np.flatnonzero(r)) for r in s] for s in (answers, references)
    ]
    expected = 100 * f1_score(references, answers, average="micro")
    assert micro_f1(*rows) == pytest.approx(expected)


@pytest.mark.parametrize("seed", range(30))
@pytest.mark.parametrize("places", ["BIO", "BIOES", "IO", "BEO"])
def test_entity_f1_is_that_of_seqeval(places, seed):
    draw = random.Random(seed)
    tags = ["O", *(f"{p}-{kind}" for p in places if p != "O" for kind in ("PER", "LOC"))]
    lengths = [draw.randint(1, 9) for _ in range(20)]
    answers, references = ([draw.choices(tags, k=n) for n in lengths] for _ in range(2))
    # Some of it right.
    answers = [r if draw.random() < 0.4 else a for a, r in zip(answers, references, strict=True)]
    expected = 100 * seqeval_f1(references, answers)
    found = entity_f1(*([" ".join(row) for row in side] for side in (answers, references)))
    assert found == pytest.approx(expected)


def test_where_there_are_no_entities_seqeval_says_nothing_is_right():
    assert entity_f1(["O O"], ["O O"]) == 0.0
    assert seqeval_f1([["O", "O"]], [["O", "O"]], zero_division=0) == 0.0


def test_tag_accuracy_counts_missing_tags_as_wrong():
    assert tag_accuracy(["O", "B-X O"], ["O O", "B-X O"]) == 75.0


def test_correlations():
    first, second = ["1", "2", "3", "4", "4"], ["1", "4", "9", "16", "20"]
    matrix = np.corrcoef([float(v) for v in first], [float(v) for v in second])
    assert pearson(first, second) == pytest.approx(100 * matrix[0, 1])
    # Ranks 1 2 3 4.5 4.5 and 1 2 3 4 5.
    ranks = np.corrcoef([1, 2, 3, 4.5, 4.5], [1, 2, 3, 4, 5])[0, 1]
    assert spearman(first, second) == pytest.approx(100 * ranks)
    assert pearson(["0.1"] * 3, ["1", "2", "3"]) == 0.0
    with pytest.raises(UserError, match=r"needs numbers: .*'x'"):
        pearson(["x"], ["1"])


# By the definitions of the official scripts (Rajpurkar et al. 2016 and 2018).
@pytest.mark.parametrize(
    ("answer", "references", "exact", "f1"),
    [
        ("The Denver Broncos!", ["Denver Broncos"], 100, 100),
        ("Denver", ["Denver Broncos", "The Broncos"], 0, 200 / 3),
        ("in 1066 A.D.", ["1066"], 0, 50),
        ("a a b", ["a b b"], 100 * 0, 2 / 3 * 100),
        ("", [], 100, 100),
        ("something", [], 0, 0),
        ("", ["something"], 0, 0),
        ("the", ["a"], 100, 100),
        ("x", ["the", "x"], 100, 100),
    ],
)
def test_extracted_answers(answer, references, exact, f1):
    text = json.dumps([{"text": reference} for reference in references])
    assert squad_exact_match([answer], [text]) == pytest.approx(exact)
    assert squad_f1([answer], [text]) == pytest.approx(f1)


def test_normalisation():
    assert normalize_answer(" An  apple-pie, the (best) theatre ") == "applepie best theatre"

"""Metrics of labels, tags and extracted answers, against other implementations and by hand."""

import json
import random

import numpy as np
import pytest
from seqeval.metrics import f1_score as seqeval_f1
from seqeval.scheme import BILOU, IOB1, IOB2, IOBES, IOE2
from sklearn.metrics import f1_score

from attention_zoo.errors import UserError
from attention_zoo.tasks.answer.metrics import normalize_answer, squad_exact_match, squad_f1
from attention_zoo.tasks.classify.metrics import macro_f1, micro_f1
from attention_zoo.tasks.tag.metrics import entities, entity_f1, tag_accuracy
from attention_zoo.train.correlations import pearson, spearman


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


def joined(*sides):
    return [[" ".join(row) for row in side] for side in sides]


def some_right(draw, answers, references):
    return [r if draw.random() < 0.4 else a for a, r in zip(answers, references, strict=True)]


# seqeval reads the letters of IOBES alone where it is not told the scheme.
AS_IOBES = str.maketrans("LUMW", "ESIS")


@pytest.mark.parametrize("seed", range(30))
@pytest.mark.parametrize("places", ["BIO", "BIOES", "IO", "IEO", "BEO", "BILOU", "BMESO", "BMEWO"])
def test_entity_f1_is_that_of_seqeval(places, seed):
    draw = random.Random(seed)
    tags = ["O", *(f"{p}-{kind}" for p in places if p != "O" for kind in ("per", "loc"))]
    lengths = [draw.randint(1, 9) for _ in range(20)]
    answers, references = ([draw.choices(tags, k=n) for n in lengths] for _ in range(2))
    answers = some_right(draw, answers, references)
    theirs = [
        [[tag.translate(AS_IOBES) for tag in row] for row in side] for side in (references, answers)
    ]
    assert entity_f1(*joined(answers, references)) == pytest.approx(100 * seqeval_f1(*theirs))


def written(spans, length, scheme):
    """The tags of some spans of words in a scheme: triples of first, last and type."""
    tags = ["O"] * length
    for first, last, kind in spans:
        inner, begin, end, single = {
            "IOB2": "IBIB",
            "IOE2": "IIEE",
            "IOBES": "IBES",
            "BILOU": "IBLU",
        }.get(scheme, "IIII")
        places = [single] if first == last else [begin, *inner * (last - first - 1), end]
        # Only between two of a type that touch do IOB1 and IOE1 say more.
        if scheme == "IOB1" and any(s[1] == first - 1 and s[2] == kind for s in spans):
            places[0] = "B"
        if scheme == "IOE1" and any(s[0] == last + 1 and s[2] == kind for s in spans):
            places[-1] = "E"
        tags[first : last + 1] = [f"{place}-{kind}" for place in places]
    return tags


def spans_of(draw, length):
    found, first = [], 0
    while first < length:
        last = min(first + draw.randint(0, 3), length - 1)
        if draw.random() < 0.7:
            found.append((first, last, draw.choice(["PER", "LOC"])))
        first = last + 1
    return found


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("scheme", ["IOB1", "IOB2", "IOE1", "IOE2", "IOBES", "BILOU"])
def test_entities_written_in_a_scheme_are_read(scheme, seed):
    draw = random.Random(seed)
    spans = spans_of(draw, 30)
    assert entities(written(spans, 30, scheme)) == {(kind, *place) for *place, kind in spans}


# But for IOE1, in which seqeval 1.2.2 loses an entity that is a single E.
@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("scheme", [IOB1, IOB2, IOE2, IOBES, BILOU], ids=lambda s: s.__name__)
def test_entity_f1_of_correct_tags_is_that_of_seqeval_which_knows_the_scheme(scheme, seed):
    draw = random.Random(seed)
    lengths = [draw.randint(1, 12) for _ in range(20)]
    references, answers = (
        [written(spans_of(draw, n), n, scheme.__name__) for n in lengths] for _ in range(2)
    )
    answers = some_right(draw, answers, references)
    expected = 100 * seqeval_f1(references, answers, mode="strict", scheme=scheme)
    assert entity_f1(*joined(answers, references)) == pytest.approx(expected)


def test_tags_of_no_scheme_are_types_of_runs_of_words():
    assert entities(["art-film", "art-film", "O", "NOUN", "VERB"]) == {
        ("art-film", 0, 1),
        ("NOUN", 3, 3),
        ("VERB", 4, 4),
    }
    assert entity_f1(["NOUN NOUN VERB"], ["NOUN ADJ VERB"]) == pytest.approx(100 * 2 / 5)


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

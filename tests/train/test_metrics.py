"""Metrics by hand and against sacreBLEU."""

import functools
import importlib.util
import re
import types

import pytest
import sacrebleu
from hypothesis import given, settings
from hypothesis import strategies as st

from attention_zoo.errors import UserError
from attention_zoo.tasks.seq2seq.error_rates import edit_distance, phoneme_error_rate
from attention_zoo.tasks.settings import TASKS
from attention_zoo.train.metrics import (
    METRICS,
    check_metrics,
    compute_metrics,
    metric_signatures,
)

list(TASKS.values())  # registers the metrics of every task


def kind_of_answers(task, problem=None, columns=2):
    return TASKS[task].kind_of_answers(types.SimpleNamespace(problem=problem or "one"), columns)


def test_values():
    answers = ["the cat sat on the mat", "a dog"]
    references = ["the cat sat on the mat", "the dog"]
    scores = compute_metrics(["exact_match", "bleu", "chrf"], ["a", "b"], answers, references)
    assert scores["exact_match"] == 50.0
    assert scores["bleu"] == sacrebleu.corpus_bleu(answers, [references]).score
    assert 0 < scores["bleu"] < 100
    assert scores["chrf"] == sacrebleu.corpus_chrf(answers, [references]).score


CHINESE = ["今天天气真好，我们去公园吧。", "请安装 TensorFlow 2.21 并运行它。"]
ANSWERS = ["今天天气很好，我们去公园吧。", "请安装 TensorFlow 2.21 再运行它。"]


@pytest.mark.parametrize(
    ("references", "answers", "tokenize"),
    [
        (CHINESE, ANSWERS, "zh"),
        (["今日はいい天気ですね"], ["今日はよい天気ですね"], "char"),
        (["วันนี้อากาศดีมาก"], ["วันนี้อากาศดี"], "char"),
        (["오늘은 날씨가 정말 좋네요"], ["오늘은 날씨가 아주 좋네요"], "13a"),
        (["the word 你好 means hello in Chinese"], ["the word 你好 is hello in Chinese"], "13a"),
        (["2021-11-13", "1999"], ["2021-11-13", "1999"], "13a"),
    ],
)
def test_bleu_cuts_by_the_script_of_the_references(references, answers, tokenize):
    sources = [str(i) for i in range(len(answers))]
    found = compute_metrics(["bleu"], sources, answers, references)["bleu"]
    score = sacrebleu.BLEU(tokenize=tokenize)
    assert found == score.corpus_score(answers, [references]).score
    signature = metric_signatures(["exact_match", "bleu"], references)
    score.corpus_score(answers, [references])
    assert signature == {"bleu": score.get_signature().format()}
    assert f"tok:{tokenize}|" in signature["bleu"]


def test_english_rules_make_nothing_of_chinese():
    plain = sacrebleu.corpus_bleu(ANSWERS, [CHINESE]).score
    assert compute_metrics(["bleu"], ["a", "b"], ANSWERS, CHINESE)["bleu"] > plain + 15


def test_another_way_to_cut_is_an_option():
    options = {"bleu_tokenize": "char"}
    found = compute_metrics(["bleu", "chrf"], ["a", "b"], ANSWERS, CHINESE, options)
    expected = sacrebleu.corpus_bleu(ANSWERS, [CHINESE], tokenize="char").score
    assert found["bleu"] == expected
    signatures = metric_signatures(["bleu", "chrf"], CHINESE, options)
    assert "tok:char|" in signatures["bleu"]
    assert signatures["chrf"].startswith("nrefs:1|case:mixed|eff:yes|nc:6|nw:0|space:no|")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("zhh", r"no tokenization 'zhh'; did you mean \"zh\""),
        ("ja-mecab", r"ja-mecab cannot be used here: .*pip install sacrebleu\[ja\]"),
        (5, "no tokenization 5"),
    ],
)
def test_a_way_to_cut_that_there_is_not(name, message):
    if name == "ja-mecab" and importlib.util.find_spec("MeCab"):
        pytest.skip("it is installed")
    with pytest.raises(UserError, match=message):
        compute_metrics(["bleu"], ["a"], ["a"], ["a"], {"bleu_tokenize": name})


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
CASES["mrr"] = CASES["ndcg"] = (["1", "0", "0"], ["0.9", "0.2", "0.1"], ["0.1", "0.5", "0.9"])
TEXTS = (["a cat sat on the mat"] * 2,) * 2 + (["no dogs were seen here at all"] * 2,)


@pytest.mark.parametrize("name", sorted(METRICS))
def test_the_right_answer_is_best(name):
    references, *both = CASES.get(name, TEXTS)
    sources = ["x y"] * len(references)
    if METRICS[name].needs_sources:
        sources = [("query", "passage")] * len(references)
    right, wrong = (compute_metrics([name], sources, answers, references)[name] for answers in both)
    assert METRICS[name].gain(right, wrong) >= 50
    assert METRICS[name].gain(wrong, right) == -METRICS[name].gain(right, wrong)


@pytest.mark.parametrize(
    ("kind", "accepted"),
    [
        (
            kind_of_answers("seq2seq"),
            "exact_match accuracy bleu chrf chrf++ ter rouge_1 rouge_2 rouge_l word_error_rate "
            "phoneme_error_rate",
        ),
        (kind_of_answers("classify"), "exact_match accuracy macro_f1"),
        (kind_of_answers("classify", "several"), "exact_match accuracy micro_f1"),
        (kind_of_answers("classify", "number"), "pearson spearman"),
        (kind_of_answers("tag"), "exact_match entity_f1 tag_accuracy"),
        (kind_of_answers("answer"), "squad_exact_match squad_f1"),
        (kind_of_answers("embed", columns=1), ""),
        (kind_of_answers("embed", columns=2), "exact_match accuracy"),
        (kind_of_answers("embed", columns=3), "pearson spearman"),
        (kind_of_answers("fill_mask"), "exact_match accuracy"),
    ],
)
def test_which_metrics_are_for_which_answers(kind, accepted):
    check_metrics(accepted.split(), kind)
    for name in METRICS.keys() - accepted.split():
        with pytest.raises(
            UserError, match=rf"metric {re.escape(name)} does not apply .* answers with {kind}"
        ):
            check_metrics([name], kind)


@pytest.mark.parametrize("name", sorted(METRICS))
def test_of_nothing_there_is_no_metric(name):
    with pytest.raises(UserError, match=f"no answers to compute {re.escape(name)} from"):
        compute_metrics([name], [], [], [])
    if METRICS[name].signature is None:
        more = {"sources": []} if METRICS[name].needs_sources else {}
        assert METRICS[name].function([], [], **more) in (0.0, 100.0)


@pytest.mark.parametrize("name", ["pearson", "spearman"])
def test_correlations_of_what_is_no_number(name):
    def correlation(answers, references):
        return compute_metrics([name], answers, answers, references)[name]

    assert correlation(["1", "nan", "3"], ["1", "2", "3"]) == 0.0
    assert correlation(["1", "inf", "3"], ["1", "2", "3"]) == 0.0
    assert correlation(["0", "0"], ["1", "2"]) == 0.0
    assert correlation(["-1e308", "1e308"], ["-1e308", "1e308"]) == pytest.approx(100.0)
    with pytest.raises(UserError, match="needs finite numbers, received 'nan'"):
        correlation(["1", "2"], ["1", "nan"])
    with pytest.raises(UserError, match=r"needs numbers: .*'two'"):
        correlation(["1", "2"], ["1", "two"])


@pytest.mark.parametrize("reference", ["no", "5", "[5]", '[{"answer": "a"}]', "null", '{"a": 1}'])
def test_references_that_are_no_answers(reference):
    with pytest.raises(UserError, match=r"must be a JSON list of \{\"text\": ...\}, received"):
        compute_metrics(["squad_f1"], ["a"], ["a"], [reference])


def test_rouge_against_the_package_and_by_hand():
    from rouge_score.rouge_scorer import RougeScorer

    answers, references = ["the cats sat on mats", "a dog"], ["the cat sat on the mat", "dogs"]
    found = compute_metrics(["rouge_1", "rouge_2", "rouge_l"], ["a", "b"], answers, references)
    for name, kind in (("rouge_1", "rouge1"), ("rouge_2", "rouge2"), ("rouge_l", "rougeL")):
        scorer = RougeScorer([kind], use_stemmer=True)
        pairs = zip(references, answers, strict=True)
        expected = [scorer.score(*pair)[kind].fmeasure for pair in pairs]
        assert found[name] == pytest.approx(100 * sum(expected) / 2)
    # Three of three and of four characters: precision 1, recall 3/4.
    assert compute_metrics(["rouge_1"], ["a"], ["一只猫"], ["一只大猫"])["rouge_1"] == (
        pytest.approx(100 * 2 * 0.75 / 1.75)
    )
    assert metric_signatures(["rouge_1"], ["一只大猫"], {})["rouge_1"].endswith("|tok:characters")


def test_edit_rate_and_chrf_with_words_are_those_of_sacrebleu():
    answers, references = ["the cat sat", "A dog."], ["the cat sat down", "a dog."]
    found = compute_metrics(["ter", "chrf++"], ["a", "b"], answers, references)
    assert found["ter"] == sacrebleu.corpus_ter(answers, [references]).score
    assert found["chrf++"] == sacrebleu.corpus_chrf(answers, [references], word_order=2).score
    # One of four characters is another one.
    assert compute_metrics(["ter"], ["a"], ["我有小猫"], ["我有小狗"])["ter"] == pytest.approx(25)

"""The scripts of xquad and cmrc: folds, places of answers, and the lexical matcher."""

import json
import runpy
from pathlib import Path

import pytest

from attention_zoo.errors import UserError
from attention_zoo.recipes.recipe import load_recipe
from attention_zoo.tasks.answer.metrics import normalize_answer, squad_f1

RECIPES = Path(__file__).parents[2] / "recipes"


def script(name):
    return runpy.run_path(str(RECIPES / name))


def question(text, answer, start):
    return {"id": text, "question": text, "answers": [{"text": answer, "answer_start": start}]}


@pytest.fixture
def squad(tmp_path):
    """A function that writes a SQuAD file, a paragraph for each context."""

    def write(*contexts):
        paragraphs = [
            {
                "context": c,
                "qas": [question(f"What is {i}.{j}?", c[:1], 0) for j in range(i % 3 + 1)],
            }
            for i, c in enumerate(contexts)
        ]
        path = tmp_path / "questions.json"
        path.write_text(json.dumps({"data": [{"paragraphs": paragraphs}]}), encoding="utf-8")
        return path

    return write


def test_folds(squad, tmp_path, monkeypatch, capsys):
    path = squad(*(f"{letter} is a letter." for letter in "abcdefg"))
    monkeypatch.setattr(
        "sys.argv", ["make_folds.py", str(path), "--out", str(tmp_path), "--folds=3"]
    )
    script("xquad/make_folds.py")["main"]()
    assert len(capsys.readouterr().out.splitlines()) == 3
    everything = set()
    for fold in range(3):
        parts = [
            {
                paragraph["context"]
                for article in json.loads((tmp_path / f"fold_{fold}_{name}.json").read_text())[
                    "data"
                ]
                for paragraph in article["paragraphs"]
            }
            for name in ("train", "test")
        ]
        assert not parts[0] & parts[1]
        assert len(parts[0] | parts[1]) == 7
        assert not everything & parts[1]
        everything |= parts[1]
    assert len(everything) == 7


def test_answers_are_placed():
    placed = script("cmrc/make_data.py")["placed"]
    answers = [
        {"text": "ab", "answer_start": 4},
        {"text": "ab", "answer_start": 5},
        {"text": "ab", "answer_start": 1},
        {"text": "x", "answer_start": 0},
        {"text": "", "answer_start": 0},
    ]
    assert placed("ab c ab", answers) == [
        {"text": "ab", "answer_start": 5},
        {"text": "ab", "answer_start": 0},
    ]
    questions = [question("何？", "龙尖", 1), question("谁？", "虎", 0), question(" ", "龙尖", 2)]
    content = {"data": [{"paragraphs": [{"context": "俗名龙尖", "qas": questions}]}]}
    assert script("cmrc/make_data.py")["repair"](content) == (1, 2)
    assert content["data"][0]["paragraphs"][0]["qas"] == [question("何？", "龙尖", 2)]


def test_the_matcher():
    functions = script("xquad/baseline.py")
    context = "The cat sleeps. Rome was founded in 753 BC by Romulus. Dogs bark."
    weights = functions["inverse_frequencies"]({context, "The dog", "The end was near in 1900."})
    assert functions["answer"]("When was Rome founded?", context, weights) == "in 753 BC by Romulus"
    text = "猫睡觉。罗马城由罗慕路斯建立。"
    weights = functions["inverse_frequencies"]({text, "猫"})
    assert functions["answer"]("谁建立了罗马城？", text, weights) == "慕路斯"
    assert functions["answer"]("猫？", "猫。", {}) == ""


def test_a_file_that_is_no_squad(tmp_path, monkeypatch):
    path = tmp_path / "a.json"
    path.write_text("[]", encoding="utf-8")
    monkeypatch.setattr("sys.argv", ["baseline.py", str(path)])
    with pytest.raises(UserError, match=r"a\.json"):
        script("xquad/baseline.py")["main"]()


@pytest.mark.parametrize("name", ["xquad/make_folds.py", "cmrc/make_data.py"])
def test_a_list_is_no_squad(name, tmp_path, monkeypatch):
    path = tmp_path / "a.json"
    path.write_text('[{"context_id": "1"}]', encoding="utf-8")
    monkeypatch.setattr("sys.argv", ["script", str(path), "--out", str(tmp_path)])
    with pytest.raises(UserError, match=r"a\.json: no SQuAD file"):
        script(name)["main"]()
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("folds", [0, 1, 99])
def test_folds_that_cannot_be(folds, squad, tmp_path, monkeypatch):
    path = squad("A cat.", "A dog.", "A cow.")
    monkeypatch.setattr("sys.argv", ["x", str(path), f"--folds={folds}", f"--out={tmp_path}"])
    with pytest.raises(UserError, match=f"--folds must be from 2 to 3, received {folds}"):
        script("xquad/make_folds.py")["main"]()


def test_an_occurrence_that_overlaps_with_another():
    placed = script("cmrc/make_data.py")["placed"]
    answer = {"text": "哈哈", "answer_start": 1}
    assert placed("哈哈哈", [answer]) == [answer]


def test_punctuation_between_digits_goes():
    assert normalize_answer("2,000人") == normalize_answer("2000人") == "2000 人"
    assert normalize_answer("约$5`人") == "约 5 人"


def test_chinese_characters_are_words():
    assert normalize_answer("《红楼梦》，1791年 The") == "红 楼 梦 1791 年 the"
    assert normalize_answer("The cat’s, hat") == "cat’s hat"
    # 2 of 3 characters, 2 of 2: 2 * 2 / 5.
    assert squad_f1(["红楼梦"], ['[{"text": "红楼"}]']) == pytest.approx(80.0)


@pytest.mark.parametrize("name", ["xquad", "cmrc"])
def test_the_recipe_is_read(name):
    assert load_recipe(RECIPES / name / "recipe.yaml").kind == "answer"

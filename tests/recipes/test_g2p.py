"""The scripts of the recipe: its data, wider models, and students of several teachers."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from numpy.testing import assert_allclose

from attention_zoo.decoding.greedy import greedy_search
from attention_zoo.errors import UserError
from attention_zoo.recipes.recipe import load_recipe
from attention_zoo.tasks.seq2seq.task import Seq2Seq
from attention_zoo.text.batching import TokenBatches
from attention_zoo.text.character_tokenizer import CharacterTokenizer
from attention_zoo.text.readers import read_examples
from attention_zoo.zoo import RNNAttention, Transformer

FOLDER = Path(__file__).parents[2] / "recipes/g2p"


def script(name):
    spec = importlib.util.spec_from_file_location(f"g2p_{name}", FOLDER / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def make_data():
    return script("make_data")


@pytest.fixture(scope="module")
def data(make_data, tmp_path_factory):
    """The three files as the script writes them, in lists of pairs."""
    out = tmp_path_factory.mktemp("data")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.argv", ["make_data.py", "--out", str(out)])
        make_data.main()
    fields = ["word", "phonemes"]
    return {
        name: read_examples(str(out / f"{name}.tsv"), fields) for name in ("train", "valid", "test")
    }


def test_pronunciations(make_data):
    dictionary = {
        "read": [["R", "EH1", "D"], ["R", "IY1", "D"]],
        "record": [["R", "AH0", "K", "AO1", "R", "D"], ["R", "AH1", "K", "AO0", "R", "D"]],
        "a.m.": [["EY2", "EH1", "M"]],
        "'em": [["AH0", "M"]],
        "x-ray": [["EH1", "K", "S", "R", "EY2"]],
    }
    assert make_data.pronunciations(dictionary) == {
        "read": ["R EH D", "R IY D"],
        "record": ["R AH K AO R D"],
        "'em": ["AH M"],
    }


def test_sizes_are_those_of_the_readme(data):
    readme = (FOLDER / "README.md").read_text(encoding="utf-8")
    for name, examples in data.items():
        words = len({word for word, _ in examples})
        assert f"| `{name}.tsv` | {words:,} | {len(examples):,} |" in readme


def test_no_word_is_in_two_splits(data):
    words = [{word for word, _ in examples} for examples in data.values()]
    assert len(set.union(*words)) == sum(map(len, words))


def test_thirty_nine_phonemes_without_stress(data):
    phonemes = {
        phone for examples in data.values() for _, text in examples for phone in text.split()
    }
    assert len(phonemes) == 39
    assert not any(phone[-1].isdigit() for phone in phonemes)


def test_the_recipe_is_read():
    assert load_recipe(FOLDER / "recipe.yaml").tokenizer.target.kind == "words"


def small_task(model_class=Transformer, letters="abcd", **options):
    tokenizer = CharacterTokenizer(letters)
    return Seq2Seq(model_class(tokenizer.vocab_size, width=8, max_length=10, **options), tokenizer)


TRANSFORMER = {"num_heads": 2, "num_encoder_blocks": 1, "num_decoder_blocks": 1, "dropout": 0.0}


def test_a_wider_model_says_the_same():
    model = small_task(feed_forward_width=12, **TRANSFORMER).model
    for variable in model.trainable_variables:
        variable.assign_add(np.random.default_rng(0).normal(size=variable.shape))
    wider = script("widen").widened(model, 20)
    pair = [np.array([[5, 6, 3]]), np.array([[2, 7, 4]])]
    assert_allclose(wider(pair), model(pair), atol=1e-5)
    assert wider.count_params() - model.count_params() == 2 * 8 * (2 * 8 + 1)
    with pytest.raises(UserError, match="must be at least 12, which it is now; received 8"):
        script("widen").widened(model, 8)
    with pytest.raises(UserError, match="a Transformer is needed, received RNNAttention"):
        script("widen").widened(small_task(RNNAttention).model, 20)


@pytest.fixture
def teachers():
    return small_task(feed_forward_width=16, **TRANSFORMER), small_task(RNNAttention)


def mean_of_probabilities(teachers, pair):
    return np.mean([tf.nn.softmax(teacher.model(pair)) for teacher in teachers], axis=0)


def test_teachers_together_expect_the_mean(teachers, randomize):
    distil = script("distil")
    for teacher in teachers:
        randomize(teacher.model)
    ensemble = distil.together(teachers[0], teachers)
    pair = [np.array([[5, 6, 3], [7, 3, 0]]), np.array([[2, 7, 4], [2, 5, 0]])]
    expected = mean_of_probabilities(teachers, pair)
    assert_allclose(tf.nn.softmax(ensemble.model(pair)), expected, atol=1e-6)
    # A step at a time they say the same; the mean of one model twice is that model.
    words = ["abc", "d", "bb"]
    for options in ({"beam_size": 1}, {"beam_size": 3}):
        twice = distil.together(teachers[0], [teachers[0]] * 2).predict(words, **options)
        once = teachers[0].predict(words, **options)
        assert [answer.text for answer in twice] == [answer.text for answer in once]
        assert_allclose([a.score for a in twice], [a.score for a in once], atol=1e-5)
    found = greedy_search(ensemble.model, tf.constant(pair[0][:1]), 5)
    inputs = np.array([[2, *found.ids[0, 0, :-1]]])
    logs = np.log(mean_of_probabilities(teachers, [pair[0][:1], inputs])[0])
    lived = int(found.lengths[0, 0])
    assert float(found.scores[0, 0]) == pytest.approx(logs.max(axis=1)[:lived].sum(), abs=1e-4)
    with pytest.raises(UserError, match="must have the same tokens"):
        distil.together(teachers[0], [small_task(RNNAttention, "abce")])


def test_words_without_answers_get_those_of_the_teachers():
    task = lambda words: [{"cab": ""}.get(word, word.upper()) for word in words]  # noqa: E731
    words = ["cab", *(f"w{i}" for i in range(300))]
    assert script("distil").answered(task, words) == [(w, w.upper()) for w in words[1:]]


def test_a_student_goes_on_with_its_own_teachers_alone(tmp_path):
    require_same = script("distil")._require_same_origin
    path, origin = tmp_path / "teachers.json", {"teachers": "a,b", "share": 0.7}
    path.write_text('{"teachers": "a,b", "share": 0.7}', encoding="utf-8")
    require_same(path, origin)
    for wrong in (path, tmp_path / "other.json"):
        with pytest.raises(UserError, match="is no run of these teachers"):
            require_same(wrong, {**origin, "share": 0.5})


def test_words_of_lists():
    lines = ["SMITH    1.006  1.006   1", "it's", "can't", "a", "Ångström", "Zoo", "", "zoo"]
    assert script("make_words").selected(lines) == ["can't", "smith", "zoo"]


def test_a_student_learns_the_mean_of_its_teachers(teachers):
    distil = script("distil")
    examples = [("ab", "dcb"), ("c", "a"), ("dda", "bb")]
    student = small_task(feed_forward_width=12, **TRANSFORMER)
    teacher = distil.together(student, teachers).model
    rows = {}
    for share in (0.0, 0.25, 1.0):
        task = distil.Student(student, teacher, examples, share)
        _, batch = next(TokenBatches(task.to_ids(examples), 20, num_buckets=1).steps_from(0))
        rows[share] = [float(v) for v in task.loss(tuple(map(tf.constant, batch)))]
    source_ids, target_ids, _ = batch
    inputs = np.concatenate([np.full((len(target_ids), 1), 2), target_ids[:, :-1]], axis=1)
    expected = mean_of_probabilities(teachers, [source_ids, inputs])
    logs = tf.nn.log_softmax(student.model([source_ids, inputs])).numpy()
    by_hand = -np.sum((expected * logs)[target_ids != 0])
    assert rows[1.0] == pytest.approx([by_hand, np.sum(target_ids != 0)], rel=1e-3)
    plain = [float(v) for v in student.loss((source_ids, target_ids))]
    assert rows[0.0] == pytest.approx(plain, rel=1e-6)
    assert rows[0.25][0] == pytest.approx(0.75 * plain[0] + 0.25 * by_hand, rel=1e-3)
    # On validation words it is the usual loss.
    assert float(task.loss(tuple(map(tf.constant, batch)), training=False)[0]) == pytest.approx(plain[0], rel=1e-6)

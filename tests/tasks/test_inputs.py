"""In which forms a task takes texts: lists, tuples, arrays, tensors; strings and bytes."""

import numpy as np
import pytest
import tensorflow as tf
from reference.encoder_tasks import make

from attention_zoo.errors import UserError
from attention_zoo.tasks.inputs import rows_of, strings_of
from attention_zoo.tasks.seq2seq.task import Seq2Seq
from attention_zoo.text.character_tokenizer import CharacterTokenizer
from attention_zoo.zoo import RNNAttention

TEXTS = ["ab c", "", "你 d", "a b b a d . ? e e e e e e e e e e e e e e e e e e e e"]
PAIRS = [("ab", "c 你"), ("d", "")]
FORMS = {
    "tuple": tuple,
    "iterator": iter,
    "bytes": lambda texts: [text.encode() for text in texts],
    "tensor": tf.constant,
    "list of tensors": lambda texts: [tf.constant(text) for text in texts],
    "array of objects": lambda texts: np.array(texts, dtype=object),
    "array of strings": np.array,
    "array of bytes": lambda texts: np.array([text.encode() for text in texts]),
    "list of NumPy's strings": lambda texts: list(np.array(texts)),
}
PAIR_FORMS = {
    "lists": lambda pairs: [list(pair) for pair in pairs],
    "tuples in a tuple": tuple,
    "iterator": iter,
    "tensor": tf.constant,
    "array of objects": lambda pairs: np.array(pairs, dtype=object),
    "array of strings": np.array,
    "bytes": lambda pairs: [[text.encode() for text in pair] for pair in pairs],
    "tensors": lambda pairs: [[tf.constant(text) for text in pair] for pair in pairs],
}
forms = pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)


@pytest.fixture(scope="module")
def tasks():
    tokenizer = CharacterTokenizer("abcde.? 你")
    model = RNNAttention(tokenizer.vocab_size, width=8, max_length=20)
    return {
        "seq2seq": Seq2Seq(model, tokenizer, max_target_length=6),
        **{kind: make(kind)[0] for kind in ("classify", "classify pairs", "embed")},
    }


@forms
@pytest.mark.parametrize("kind", ["seq2seq", "classify"])
def test_every_form_of_texts(kind, form, tasks):
    task = tasks[kind]
    assert task(form(TEXTS)) == task(TEXTS)
    assert task.predict(form(TEXTS)) == task.predict(TEXTS)
    assert task.truncated(form(TEXTS)) == task.truncated(TEXTS) == [3]
    assert task(form([])) == []


@forms
def test_every_form_of_texts_to_embed(form, tasks):
    task = tasks["embed"]
    np.testing.assert_array_equal(task.embed(form(TEXTS)), task.embed(TEXTS))
    found = task.similarity(form(TEXTS), form(TEXTS[:2]))
    np.testing.assert_array_equal(found, task.similarity(TEXTS, TEXTS[:2]))


@pytest.mark.parametrize("form", PAIR_FORMS.values(), ids=PAIR_FORMS)
def test_every_form_of_pairs(form, tasks):
    task = tasks["classify pairs"]
    assert task.predict(form(PAIRS)) == task.predict(PAIRS)


ONE = ["ab", b"ab", tf.constant("ab"), np.array("ab"), np.str_("ab"), np.bytes_(b"ab")]


@pytest.mark.parametrize("text", ONE, ids=lambda text: type(text).__name__)
@pytest.mark.parametrize("kind", ["seq2seq", "classify", "classify pairs"])
def test_one_text_is_no_list(kind, text, tasks):
    for ask in (tasks[kind], tasks[kind].predict, tasks[kind].truncated):
        with pytest.raises(TypeError, match=r"received a string; write task\(\[text\]\)"):
            ask(text)


@pytest.mark.parametrize("kind", ["seq2seq", "classify"])
def test_what_is_no_text(kind, tasks):
    task = tasks[kind]
    for wrong in ({"text": "a"}, None, 3):
        with pytest.raises(TypeError, match=r"takes a list of strings, received a (dict|None|int)"):
            task(wrong)
    for wrong, said in ((["a", 3.5], "3.5, a float"), (["a", None], "None, a NoneType")):
        with pytest.raises(UserError, match=f"number 2 is {said}"):
            task(wrong)
    with pytest.raises(UserError, match="number 2 is 7, a int"):
        task(np.array(["a", 7], dtype=object))
    with pytest.raises(UserError, match="text number 2 is not valid Unicode"):
        task(["a", "\ud800"])


def test_bytes_that_are_no_utf_8():
    assert strings_of([b"a\xff"]) == ["a\ufffd"]
    assert rows_of([b"a\xff"]) == [(b"a\xff",)]  # the tokenizers replace it, as they do in graphs

"""Vocabularies without the tokens that a corpus never uses."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attention_zoo.errors import UserError
from attention_zoo.tasks.importing import import_task
from attention_zoo.tasks.loading import load_task
from attention_zoo.tasks.pruning import prune_vocabulary
from attention_zoo.text.hugging_face import read_hugging_face_tokenizer

DATA = Path(__file__).parents[1] / "data"
FOLDERS = {
    "wordpiece": DATA / "relatives" / "electra_classifier",
    "byte_pair": DATA / "roberta" / "roberta_classifier",
    "unigram": DATA / "roberta" / "xlm_roberta_classifier",
}
CORPUS = ["the cat is here", "it's a bad cab", "an e d ? c", "numbers 12 are here <s> [SEP]"]


@pytest.mark.parametrize("kind", FOLDERS)
def test_answers_to_texts_of_kept_tokens_are_equal(kind, tmp_path):
    task = import_task(FOLDERS[kind])
    pruned, report = prune_vocabulary(task, CORPUS)
    assert pruned.tokenizer.kind == kind
    assert report.tokens_kept == pruned.model.vocab_size < report.tokens_before
    width = task.model.width
    assert report.bytes_saved == 4 * width * (report.tokens_before - report.tokens_kept)
    assert report.texts_compared == len(CORPUS)
    assert report.largest_difference == 0.0
    pruned.save(tmp_path / "task")
    for made in (pruned, load_task(tmp_path / "task")):
        for ours, theirs in zip(made.predict(CORPUS), task.predict(CORPUS), strict=True):
            assert ours.record == theirs.record


@pytest.mark.parametrize("kind", FOLDERS)
@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_any_text_of_kept_tokens_has_the_same_tokens(kind, data):
    tokenizer, _ = read_hugging_face_tokenizer(FOLDERS[kind])
    words = data.draw(st.lists(st.text("abcde theinr.?'", max_size=9), min_size=1, max_size=6))
    kept_words = " ".join(words)
    small, kept = tokenizer.keep(tokenizer.rows([kept_words])[0].tolist())
    other = data.draw(st.permutations(words))
    for text in (kept_words, " ".join(other), "".join(words)):
        (before,), (after,) = tokenizer.rows([text]), small.rows([text])
        if set(before.tolist()) <= set(kept.tolist()):
            assert kept[after].tolist() == before.tolist()


def test_every_task_of_an_encoder():
    for name in ("roberta_masked", "roberta_tags", "roberta_answers", "roberta_states"):
        task = import_task(DATA / "roberta" / name)
        pruned, report = prune_vocabulary(task, ["The cat's here", "the naïve cat", "who?"])
        assert report.largest_difference < 1e-6
        assert pruned.kind == task.kind
        assert pruned.tokenizer.pieces(pruned.tokenizer.rows(["The cat"])[0]) == (
            task.tokenizer.pieces(task.tokenizer.rows(["The cat"])[0])
        )


def test_what_cannot_be_pruned():
    task = import_task(FOLDERS["byte_pair"])
    with pytest.raises(UserError, match="there are no texts"):
        prune_vocabulary(task, ["", ""])
    translator = import_task(DATA / "marian" / "transformers")
    with pytest.raises(UserError, match="of an encoder can be pruned, not that of seq2seq"):
        prune_vocabulary(translator, CORPUS)

"""Which weights a fit changes, and that it leaves model and task free for the next one."""

import numpy as np
import pytest
from reference.encoder_tasks import ENCODER, KINDS, TEXTS, TOKENIZER, make

from attention_zoo.tasks.classify.task import Classify
from attention_zoo.tasks.embed.task import Embed
from attention_zoo.tasks.fill_mask.task import FillMask
from attention_zoo.train.optimizer import make_optimizer
from attention_zoo.train.schedules import make_schedule
from attention_zoo.zoo import Bert, BertClassifier, BertPretrainer
from attention_zoo.zoo.weights import saved_weights

STEPS = {"steps": 2, "batch_tokens": 64, "buckets": 1, "learning_rate": {"peak": 0.01}}
LABELLED = [(text, "xyz"[i % 3]) for i, text in enumerate(TEXTS)]


def flags(model):
    """What is trainable, weight by weight."""
    return {name: v.trainable for name, v in saved_weights(model).items()}


def changed(model, action):
    """The names of the weights that an action changes."""
    before = {name: v.numpy() for name, v in saved_weights(model).items()}
    action()
    return {
        name
        for name, v in saved_weights(model).items()
        if not np.array_equal(v.numpy(), before[name])
    }


@pytest.fixture
def task():
    return make("classify")[0]


@pytest.fixture
def everything(task):
    return {*saved_weights(task.model)}


def test_a_freeze_is_of_one_fit(task, everything):
    before = flags(task.model)
    head = changed(task.model, lambda: task.fit(LABELLED, freeze="encoder", **STEPS))
    assert head == {"head/kernel", "head/bias"}
    assert flags(task.model) == before
    assert changed(task.model, lambda: task.fit(LABELLED, **STEPS)) == everything


def test_a_fit_that_fails_leaves_nothing_frozen(task, everything, monkeypatch):
    before = flags(task.model)

    def fail(*arguments, **options):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(task, "loss", fail)
        with pytest.raises(KeyboardInterrupt):
            task.fit(LABELLED, freeze=1, **STEPS)
    assert flags(task.model) == before
    assert changed(task.model, lambda: task.fit(LABELLED, **STEPS)) == everything


def test_what_the_user_has_frozen_stays_so(task):
    task.model.bert.trainable = False
    before = flags(task.model)
    for freeze in (None, 1):
        found = changed(task.model, lambda f=freeze: task.fit(LABELLED, freeze=f, **STEPS))
        assert found == {"head/kernel", "head/bias"}
        assert flags(task.model) == before


@pytest.mark.parametrize("kind", KINDS)
def test_a_task_changes_nothing_of_the_model_it_is_given(kind):
    task, _ = make(kind)
    twin = type(task.model).from_config(task.model.get_config())
    assert flags(task.model) == flags(twin)


def test_a_pooler_that_nothing_looks_at_is_neither_trained_nor_decayed():
    model = Bert(**ENCODER)
    task = Embed(model, TOKENIZER, fields=("text", "pair"))
    pairs = [(text, text[::-1]) for text in TEXTS]
    found = changed(model, lambda: task.fit(pairs, weight_decay=0.1, **STEPS))
    names = {*saved_weights(model)}
    assert names - found == {"pooler/kernel", "pooler/bias"}
    # As in the checkpoints of earlier versions: moments of what is trained.
    settings = task.recipe.train_settings(weight_decay=0.0)
    variables = task.trained_variables(settings)
    schedule = make_schedule(settings.learning_rate, model.width, settings.steps)
    optimizer = make_optimizer(settings, schedule, variables)
    assert len(optimizer.variables) == 1 + 2 * len(found)


def test_a_head_for_next_sentences_that_is_not_asked_is_not_trained():
    model = BertPretrainer(ENCODER)
    task = FillMask(model, TOKENIZER, next_sentence=False)
    found = changed(model, lambda: task.fit([(text,) for text in TEXTS], **STEPS))
    names = {*saved_weights(model)}
    assert {name.split("/")[0] for name in names - found} <= {
        "pooler",
        "sentence_head",
        "segment_embedding",  # of the second segment there is no token
    }


def test_a_task_keeps_no_list_that_its_maker_may_change():
    labels, weights, fields = ["x", "y", "z"], [1.0, 2.0, 3.0], ["text", "label"]
    model = BertClassifier(3, ENCODER)
    task = Classify(model, TOKENIZER, labels, fields=fields, class_weights=weights)
    for given in (labels, weights, fields):
        given.clear()
    assert task.labels == ["x", "y", "z"]
    assert task.class_weights == [1.0, 2.0, 3.0]
    assert task.fields == ("text", "label")

"""The checks that all layers, models and tasks of this package pass, for your own ones.

    from attention_zoo import testing

    testing.check_layer(MyLayer, {"inputs": np.ones((2, 3, 8))})
    testing.check_model(MyModel(source_vocab_size=20))
    testing.check_task(my_task, examples)

Each raises an `AssertionError` that says which property does not hold, what was observed, and where
to look. The checks are also available one by one, so that tests can report them separately:

    @pytest.mark.parametrize("check", testing.LAYER_CHECKS)
    def test_my_layer(check):
        case = testing.LayerCase(MyLayer, {"inputs": np.ones((2, 3, 8))})
        if check.applies(case):
            check(case)
"""

from attention_zoo.testing.check import Check
from attention_zoo.testing.encoders import ENCODER_CHECKS
from attention_zoo.testing.layers import LAYER_CHECKS, LayerCase, check_layer
from attention_zoo.testing.model_case import ModelCase
from attention_zoo.testing.models import check_model
from attention_zoo.testing.seq2seq_models import SEQ2SEQ_CHECKS
from attention_zoo.testing.tasks import TASK_CHECKS, TaskCase, check_task

__all__ = [
    "ENCODER_CHECKS",
    "LAYER_CHECKS",
    "SEQ2SEQ_CHECKS",
    "TASK_CHECKS",
    "Check",
    "LayerCase",
    "ModelCase",
    "TaskCase",
    "check_layer",
    "check_model",
    "check_task",
]

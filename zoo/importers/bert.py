"""Builds the BERT model that a set of weights belongs to."""

from attention_zoo.zoo.bert import Bert
from attention_zoo.zoo.bert_classifier import BertClassifier
from attention_zoo.zoo.bert_pretrainer import BertPretrainer
from attention_zoo.zoo.bert_token_classifier import BertTokenClassifier
from attention_zoo.zoo.limits import check_arguments
from attention_zoo.zoo.weights import assign_weights


def make_bert(arguments, weights, head, origin):
    """Builds a model and assigns its weights.

    Args:
        arguments: constructor arguments of `Bert`, without `pooler`.
        weights: a dict from our names to arrays, with exactly the weights of the model.
        head: `"pretrainer"`, `"classifier"`, `"token_classifier"`, or None for a bare `Bert`.
        origin: where the weights come from, for error messages.

    Returns:
        The model.

    Raises:
        UserError: listing the weights that are missing, unexpected or of another shape.
    """
    config = {"encoder": {**arguments, "pooler": "pooler/kernel" in weights}}
    kernel = weights.get("head/kernel")
    if head is None:
        model_class, config = Bert, config["encoder"]
    elif head == "pretrainer":
        model_class, config["next_sentence"] = BertPretrainer, "sentence_head/kernel" in weights
    else:
        model_class = BertClassifier if head == "classifier" else BertTokenClassifier
        config["encoder"]["pooler"] |= head == "classifier"
        config["num_outputs"] = kernel.shape[-1] if kernel is not None and kernel.size else 1
    check_arguments(model_class, config, weights, origin)
    model = model_class(**config)
    assign_weights(model, weights, origin)
    return model


def head_of(weights):
    """The head that the weights imply; a classifier's needs the pooler."""
    if "transform/kernel" in weights:
        return "pretrainer"
    if "head/kernel" in weights:
        return "classifier" if "pooler/kernel" in weights else "token_classifier"
    return None

"""From the weights of a BERT, by our names, to the model that has just these weights."""

from attention_zoo.zoo.bert import Bert
from attention_zoo.zoo.bert_classifier import BertClassifier
from attention_zoo.zoo.bert_pretrainer import BertPretrainer
from attention_zoo.zoo.bert_token_classifier import BertTokenClassifier
from attention_zoo.zoo.weights import assign_weights


def make_bert(arguments, weights, head, origin):
    """Builds a model and fills it.

    Args:
        arguments: of `Bert`, without `pooler`.
        weights: a dict from our names to arrays; every weight of the model, and no other.
        head: `"pretrainer"`, `"classifier"`, `"token_classifier"`, or None for a bare `Bert`.
        origin: named in errors.

    Raises:
        UserError: listing the weights that are missing or left over, or differ in shape.
    """
    encoder = {**arguments, "pooler": "pooler/kernel" in weights}
    if head == "pretrainer":
        model = BertPretrainer(encoder, next_sentence="sentence_head/kernel" in weights)
    elif head is None:
        model = Bert(**encoder)
    else:
        classes = {"classifier": BertClassifier, "token_classifier": BertTokenClassifier}
        outputs = weights["head/kernel"].shape[-1] if "head/kernel" in weights else 1
        if head == "classifier":
            encoder["pooler"] = True
        model = classes[head](outputs, encoder)
    assign_weights(model, weights, origin)
    return model


def head_of(weights):
    """Which head the weights alone speak of; that of a classifier needs the pooler."""
    if "transform/kernel" in weights:
        return "pretrainer"
    if "head/kernel" in weights:
        return "classifier" if "pooler/kernel" in weights else "token_classifier"
    return None

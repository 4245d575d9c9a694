"""Metrics of tags: answers and references are strings of tags separated by spaces."""

from attention_zoo.text.tags import split_tag
from attention_zoo.train.metrics import TAGS, register_metric


@register_metric("tag_accuracy", (TAGS,))
def tag_accuracy(answers, references):
    """Percentage of words with the correct tag.

    Example:
        >>> tag_accuracy(["O B-PER"], ["O O"])
        50.0
    """
    right = total = 0
    for answer, reference in zip(answers, references, strict=True):
        tags = reference.split()
        right += sum(a == b for a, b in zip(answer.split(), tags, strict=False))
        total += len(tags)
    return 100.0 * right / max(total, 1)


@register_metric("entity_f1", (TAGS,))
def entity_f1(answers, references):
    """F1 over entities, in percent; correct if first word, last word and type are.

    0 if there are no entities on either side, like `seqeval`.

    Entities are read like the script `conlleval` of the CoNLL-2000 task reads them, in any of
    the schemes IOB1, IOB2, IOE and IOBES (Tjong Kim Sang and De Meulder 2003, section 3), or
    BILOU, where L stands for E and U for S, or BMES and BMEWO, where M stands for I and W for S.
    Other tags are types by themselves: adjacent words with the same tag are one entity.

    Example:
        >>> entity_f1(["B-PER I-PER O"], ["B-PER O O"])
        0.0
        >>> entity_f1(["B-PER I-PER O B-LOC"], ["B-PER I-PER O O"])
        66.66666666666667
    """
    right = total = 0
    for answer, reference in zip(answers, references, strict=True):
        given, wanted = entities(answer.split()), entities(reference.split())
        right += len(given & wanted)
        total += len(given) + len(wanted)
    return 200.0 * right / max(total, 1)


def entities(tags):
    """The entities in a list of tags: a set of triples (type, first word, last word).

    Example:
        >>> sorted(entities(["B-PER", "I-PER", "O", "B-LOC"]))
        [('LOC', 3, 3), ('PER', 0, 1)]
    """
    spans = set()
    before, kind_before, begin = "O", "", None
    for index, tag in enumerate([*tags, "O"]):
        prefix, kind = split_tag(tag) or ("I", tag)
        if begin is not None and (prefix in "BSO" or before in "ES" or kind != kind_before):
            spans.add((kind_before, begin, index - 1))
            begin = None
        if prefix != "O" and begin is None:
            begin = index
        before, kind_before = prefix, kind
    return spans

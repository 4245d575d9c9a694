"""Memory and time of a recipe on machines that one does not have: estimates, not measurements.

    python benchmarks/arithmetic.py RECIPE [RECIPE ...] [--utilization 0.35] [--json FILE]

For each machine, the memory of a device and the time of all steps:

- Weights, gradients and the two moments of Adam take 4 bytes each; with mixed precision, the copy
  of the weights that the step computes with takes 2 more.
- Activations that the backward pass needs are counted per token and block: the inputs of each
  matrix product, of each norm and of the softmax, and dropout's results; logits in float32 and
  their gradient. They are divided by `train.accumulate`.
- A step takes 6 floating-point operations per weight of a matrix product and token (2 forwards, 4
  backwards), and 12 T D per token, block and attention for its scores and sums (Kaplan et al. 2020,
  section 2.1; Vaswani et al. 2017, table 1).
- The rate is the published peak of the device times `--utilization`, which depends on the model,
  the batch and the program; nothing here measures it.

As a check, a line for each Transformer shows what utilization the paper's own step time means.
"""

import argparse
import dataclasses
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from measure import console, write_json
from rich.table import Table


@dataclasses.dataclass(frozen=True)
class Machine:
    """Devices that train together, by their data sheets.

    Attributes:
        name: for the table.
        devices: how many there are.
        peak: operations per second of a device in bfloat16, or float32 on a P100.
        memory: of a device, in GiB.
        source: where the figures are from.
    """

    name: str
    devices: int
    peak: float
    memory: float
    source: str


MACHINES = [
    Machine("8 x V100", 8, 125e12, 16, "NVIDIA V100 data sheet, tensor cores, float16"),
    Machine("8 x A100", 8, 312e12, 40, "NVIDIA A100 data sheet, tensor cores"),
    Machine("8 x H100", 8, 989e12, 80, "NVIDIA H100 SXM data sheet, tensor cores, dense"),
    Machine("TPU v3-8", 8, 61.5e12, 16, "Google Cloud: 123 TFLOPS and 32 GiB a chip of two cores"),
]

# Section 5.1 and 5.2 of "Attention Is All You Need": 8 P100, at 9.5 TFLOPS (its footnote 5).
PAPER_DEVICES, PAPER_PEAK = 8, 9.5e12
PAPER_SECONDS = {"transformer_base": 0.4, "transformer_big": 1.0}

GIB = 2**30


@dataclasses.dataclass(frozen=True)
class Cost:
    """What a recipe's step costs.

    Attributes:
        weights: numbers in the model.
        tokens: of a batch, of each field.
        operations: of a step, on all devices together.
        activations: bytes of all devices together.
    """

    weights: int
    tokens: int
    operations: float
    activations: float


def cost_of(recipe):
    """The cost of a step of a recipe."""
    from attention_zoo import zoo

    preset, options = recipe.model.preset, recipe.model.options
    vocab_size = recipe.tokenizer.vocab_size
    size = 2 if recipe.train.precision.startswith("mixed") else 4
    tokens = recipe.train.batch_tokens
    if recipe.kind == "seq2seq":
        model = zoo.Transformer.from_preset(preset, source_vocab_size=vocab_size, **options)
        length = recipe.train.packing or recipe.data.max_target_length or model.max_length
        return transformer_cost(model, vocab_size, tokens, length, size)
    model = zoo.BertPretrainer.from_preset(preset, vocab_size=vocab_size, **options)
    length = recipe.data.max_length or model.bert.max_length
    return encoder_cost(model, vocab_size, tokens, length, size)


def block_cost(width, inner, heads, length, attentions):
    """Operations and saved numbers per token of a block.

    Args:
        width: D.
        inner: F, of the feed-forward network.
        heads: H.
        length: T, keys of each query.
        attentions: 1 for an encoder's block, 2 for a decoder's.
    """
    weights = 4 * width * width * attentions + 2 * width * inner
    operations = 6 * weights + 12 * length * width * attentions
    # Of an attention: its input, query, key, value, weights before and after the softmax, sums,
    # output after dropout, and the input of the norm. Of the feed-forward network: its input, the
    # inner layer before and after the activation, the output after dropout, and the norm's input.
    saved = attentions * (7 * width + 2 * heads * length) + 3 * width + 2 * inner
    return operations, saved


def transformer_cost(model, vocab_size, tokens, length, size):
    """The cost of a step of a `Transformer`, with `tokens` of source and of target each."""
    shape = (model.width, model.feed_forward_width, model.num_heads, length)
    encoder, decoder = block_cost(*shape, attentions=1), block_cost(*shape, attentions=2)
    blocks = model.num_encoder_blocks, model.num_decoder_blocks
    totals = [blocks[0] * e + blocks[1] * d for e, d in zip(encoder, decoder, strict=True)]
    return step_cost(model, totals, vocab_size, tokens, tokens, size)


def encoder_cost(model, vocab_size, tokens, length, size):
    """The cost of a step of BERT's pre-training: 15 % of the tokens are predicted."""
    bert = model.bert
    inner = bert.feed_forward_width or 4 * bert.width
    one = block_cost(bert.width, inner, bert.num_heads, length, attentions=1)
    totals = [bert.num_blocks * part for part in one]
    return step_cost(model, totals, vocab_size, tokens, 0.15 * tokens, size)


def step_cost(model, totals, vocab_size, tokens, predicted, size):
    """The cost of the blocks, and of the output projection for the predicted tokens."""
    operations, saved = totals
    return Cost(
        weights=model.count_params(),
        tokens=tokens,
        operations=tokens * operations + 6 * model.width * vocab_size * predicted,
        activations=size * tokens * saved + 2 * 4 * predicted * vocab_size,
    )


def estimate(recipe, cost, machine, utilization):
    """Memory of a device in GiB, seconds of a step, and hours of all steps."""
    mixed = 2 if recipe.train.precision.startswith("mixed") else 0
    state = cost.weights * (16 + mixed)
    activations = cost.activations / machine.devices / recipe.train.accumulate
    seconds = cost.operations / (machine.devices * machine.peak * utilization)
    return (state + activations) / GIB, seconds, seconds * recipe.train.steps / 3600


def main():
    """Prints a table for each recipe."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("recipes", nargs="+", metavar="RECIPE")
    parser.add_argument("--utilization", type=float, default=0.35)
    parser.add_argument("--json", metavar="FILE")
    arguments = parser.parse_args()
    from attention_zoo.recipes.recipe import load_recipe

    results = {}
    for path in arguments.recipes:
        recipe = load_recipe(path)
        cost = cost_of(recipe)
        console.print(
            f"\n{path}: {cost.weights / 1e6:.0f} million weights, {cost.tokens:,} tokens a batch, "
            f"{cost.operations / 1e12:.0f} TFLOP a step, {recipe.train.steps:,} steps"
        )
        if seconds := PAPER_SECONDS.get(recipe.model.preset):
            used = cost.operations / (PAPER_DEVICES * PAPER_PEAK * seconds)
            console.print(
                f"the paper's {seconds} s a step on 8 P100 at 9.5 TFLOPS: {used:.0%} utilization"
            )
        table = Table("machine", "GiB a device", "of", "s a step", "hours")
        results[path] = {}
        for machine in MACHINES:
            memory, seconds, hours = estimate(recipe, cost, machine, arguments.utilization)
            table.add_row(
                machine.name,
                f"{memory:.1f}",
                f"{machine.memory:g}",
                f"{seconds:.3f}",
                f"{hours:.1f}",
            )
            results[path][machine.name] = {"gib": memory, "seconds": seconds, "hours": hours}
        console.print(table)
    console.print(f"at {arguments.utilization:.0%} of the peak; figures of the machines:")
    for machine in MACHINES:
        console.print(f"  {machine.name}: {machine.source}")
    if arguments.json:
        write_json(arguments.json, results=results)


if __name__ == "__main__":
    main()

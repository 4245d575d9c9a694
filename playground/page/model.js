// Runs the LiteRT files of an export, and reads their outputs as the task does in Python.

import {loadAndCompile, loadLiteRt, Tensor} from "./litert/index.js";
import {END, makeTokenizer, PAD, START} from "./tokenizers.js";

/** Loads config.json and the files that it names. */
export async function loadModel(folder = ".") {
  const config = await (await fetch(`${folder}/config.json`)).json();
  await loadLiteRt(`${folder}/litert/${config.runtime}`);
  const load = file => file && loadAndCompile(`${folder}/${file}`, {accelerator: "wasm"});
  const [whole, stream] = [await load(config.file), await load(config.stream)];
  return config.kind === "seq2seq" ? new Seq2Seq(config, whole, stream) : new Classify(config, whole);
}

const isBlank = text => /^[\s\x0b\x1c-\x1f\x85\p{Z}]*$/u.test(text);

/** Runs a signature: names to arrays of integers, padded to the file's shapes; names to arrays. */
async function run(model, signature, inputs) {
  const details = model.signatures[signature].getInputDetails();
  const tensors = {};
  for (const {name, shape} of details) {
    const array = new Int32Array(shape.reduce((a, b) => a * b, 1)).fill(PAD);
    array.set([].concat(inputs[name]));
    tensors[name] = new Tensor(array, [...shape]);
  }
  const outputs = await model.run(signature, tensors);
  const arrays = {};
  for (const [name, tensor] of Object.entries(outputs)) {
    arrays[name] = tensor.toTypedArray().slice();
    tensor.delete();
  }
  Object.values(tensors).forEach(tensor => tensor.delete());
  return arrays;
}

class Seq2Seq {
  constructor(config, whole, stream) {
    Object.assign(this, {config, whole, stream});
    this.source = makeTokenizer(config.source);
    this.target = makeTokenizer(config.target);
    this.inputs = 1;
  }

  /** The answer to a text: by the search of the recipe, in one call. */
  async answer(text) {
    if (isBlank(text)) return {text: ""};
    const {ids, tokens} = this.source.encode(text, this.config.max_source_length);
    const outputs = await run(this.whole, "serving_default", {source_ids: ids});
    const unknown = outputs.positions ? [...outputs.positions].map(i => tokens[i]) : [];
    return {text: this.target.decode([...outputs.target_ids], unknown), score: outputs.score[0]};
  }

  /** Greedy search, a token at a time: yields each id, token and row of attention. */
  async *tokens(text) {
    const {ids, tokens} = this.source.encode(text, this.config.max_source_length);
    const {max_length, ...rules} = await run(this.stream, "encode", {source_ids: ids});
    const written = [];
    let id = START;
    for (let position = 0; position < max_length[0] && id !== END; position++) {
      const step = await run(this.stream, "decode_step", {token_id: id, position});
      id = best(step.logits, excluded(written, rules));
      if (id < 0) id = END;
      written.push(id);
      const attention = step.attention && [...step.attention.slice(0, ids.length)];
      const attended = attention && tokens[best(attention)];
      const piece = id === END ? "</s>" : this.target.piece(id, unknownOf(this.config, attended));
      yield {id, piece, attention, tokens};
    }
  }
}

/** The ids that must not come next: suppressed, the end too early, the end of a repetition. */
function excluded(ids, {suppressed = [], min_length: [least] = [0], no_repeat_ngram: [size] = [0]}) {
  const found = new Set(suppressed);
  if (ids.length + 1 < least) found.add(END);
  if (size) {
    const last = ids.slice(ids.length - size + 1).join();
    for (let i = 0; i + size <= ids.length; i++) {
      if (ids.slice(i, i + size - 1).join() === last) found.add(ids[i + size - 1]);
    }
  }
  return found;
}

const unknownOf = (config, token) => (config.replace_unknown ? token : undefined);

/** The index of the largest number, the first if there are several. */
function best(numbers, forbidden = new Set()) {
  let found = -1;
  numbers.forEach((number, i) => {
    if (!forbidden.has(i) && (found < 0 || number > numbers[found])) found = i;
  });
  return found;
}

class Classify {
  constructor(config, whole) {
    Object.assign(this, {config, whole});
    this.tokenizer = makeTokenizer(config.source);
    this.inputs = config.inputs;
  }

  /** The label of a text or a pair, and the probability of each label; or a number. */
  async answer(text, pair) {
    const row = this.tokenizer.encode(text, this.config.max_length, pair);
    const {logits} = await run(this.whole, "serving_default",
      {token_ids: row.ids, mask: row.mask, segment_ids: row.segments});
    const {problem, labels, threshold} = this.config;
    if (problem === "number") return {text: logits[0].toFixed(4), value: logits[0]};
    const scores = problem === "one" ? softmax(logits) : [...logits].map(x => 1 / (1 + Math.exp(-x)));
    const named = Object.fromEntries(labels.map((label, i) => [label, scores[i]]));
    const given = problem === "one" ? [labels[best(scores)]]
                                    : labels.filter((_, i) => scores[i] >= threshold);
    return {text: given.join(this.config.separator), scores: named};
  }
}

function softmax(logits) {
  const most = Math.max(...logits);
  const powers = [...logits].map(x => Math.exp(x - most));
  const sum = powers.reduce((a, b) => a + b, 0);
  return powers.map(x => x / sum);
}


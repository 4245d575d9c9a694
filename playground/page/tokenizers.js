// Tokenizers as the model was trained with: strings to ids, and ids to strings. They give the ids
// that Python's give (`attention_zoo/text`), which a test compares on ten thousand lines.

const PAD = 0, UNKNOWN = 1, START = 2, END = 3, SPECIAL_IDS = 4;
const REPLACEMENT = "\ufffd";

/** A tokenizer from its description in config.json. */
export function makeTokenizer(description) {
  const classes = {
    characters: Characters, words: Words, wordpiece: WordPiece, sentencepiece: SentencePiece,
  };
  return new classes[description.kind](description);
}

/** A vocabulary in which the four special ids come first. */
class Vocabulary {
  constructor({tokens}) {
    this.tokens = tokens;
    this.ids = new Map(tokens.map((token, i) => [token, i + SPECIAL_IDS]));
  }

  /** The ids of a text, without the end id. */
  tokenize(text) {
    return this.split(text).map(token => this.ids.get(token) ?? UNKNOWN);
  }

  /** The ids of a text with the end id, at most `maxLength`, and the tokens as strings. */
  encode(text, maxLength) {
    const ids = this.tokenize(text).slice(0, maxLength - 1);
    return {ids: [...ids, END], tokens: [...this.split(text).slice(0, maxLength - 1), "</s>"]};
  }

  /** The string of an id. `unknown` replaces the unknown id. */
  piece(id, unknown = REPLACEMENT) {
    return id === UNKNOWN ? unknown : this.tokens[id - SPECIAL_IDS] ?? "";  // padding, start
  }

  /** The string of ids up to the first end id; `unknown[i]` replaces an unknown id. */
  decode(ids, unknown = []) {
    const end = ids.indexOf(END);
    const kept = [...ids.slice(0, end < 0 ? ids.length : end)].map((id, i) => [id, unknown[i]]);
    return this.join(kept
      .filter(([id]) => id === UNKNOWN || (id >= SPECIAL_IDS && id - SPECIAL_IDS < this.tokens.length))
      .map(([id, other]) => this.piece(id, other)));
  }

  /** Pieces as a string. */
  join(pieces) {
    return pieces.join(this.separator);
  }
}

class Characters extends Vocabulary {
  separator = "";

  /** Code points; half of a surrogate pair is no character. */
  split(text) {
    return [...text.toWellFormed()];
  }
}

class Words extends Vocabulary {
  separator = " ";

  /** At ASCII white space, as TensorFlow splits. */
  split(text) {
    return text.toWellFormed().split(/[ \t\n\v\f\r]+/).filter(word => word);
  }
}

// What becomes of a character, see `tokenizers.py`.
const KEPT = 0, WORD = 1, SPACE = 2, DROPPED = 3, REPLACED = 4;

/** BERT's tokenizer: words and punctuation, then the longest pieces that the vocabulary has. */
class WordPiece {
  constructor(description) {
    Object.assign(this, description);
    this.ids = new Map(description.tokens.map((token, i) => [token, i]));
    this.fates = new Uint16Array(0x110000);
    let code = 0;
    for (let i = 0; i < description.runs.length; i += 2) {
      const [count, fate] = description.runs.slice(i, i + 2);
      this.fates.fill(fate, code, code += count);
    }
    // Of tokens that begin at the same place, the longest counts.
    const added = [...description.added].sort((a, b) => length(b.content) - length(a.content));
    this.addedIds = new Map(added.map(token => [token.content.trim(), token.id]));
    const space = "[\\t\\n\\x0b\\x0c\\r \\x85\\p{Z}]*";
    const pattern = added.map(token =>
      (token.lstrip ? space : "") + escape(token.content) + (token.rstrip ? space : "")).join("|");
    this.added = pattern ? new RegExp(`(${pattern})`, "u") : null;
  }

  /** The ids of a text, without those of [CLS] and [SEP] around it. */
  tokenize(text) {
    text = text.toWellFormed();
    if (!this.added) return this.tokenizePart(text);
    return text.split(this.added).flatMap((part, i) =>
      i % 2 ? [this.addedIds.get(part.trim())] : this.tokenizePart(part));
  }

  tokenizePart(text) {
    return this.words(text).flatMap(word => this.pieces(word));
  }

  words(text) {
    let spaced = "";
    for (const character of text) {
      const fate = this.fates[character.codePointAt(0)];
      if (fate === KEPT) spaced += character;
      else if (fate === WORD) spaced += ` ${character} `;
      else if (fate === SPACE) spaced += " ";
      else if (fate !== DROPPED) spaced += this.replacements[fate - REPLACED];
    }
    return spaced.split(" ").filter(word => word);
  }

  /** The longest pieces from the left; one unknown id if they do not cover the word. */
  pieces(word) {
    const characters = [...word], found = [];
    if (characters.length > this.longest) return [this.unknown];
    for (let start = 0; start < characters.length;) {
      let end = characters.length, id;
      for (; end > start; end--) {
        id = this.ids.get((start ? "##" : "") + characters.slice(start, end).join(""));
        if (id !== undefined) break;
      }
      if (id === undefined) return [this.unknown];
      found.push(id);
      start = end;
    }
    return found;
  }

  /** A row for one text, or a pair: ids, mask and segment ids, and the tokens as strings. */
  encode(text, maxLength, pair) {
    let first = this.tokenize(text), second = pair === undefined ? null : this.tokenize(pair);
    if (second) {
      const room = maxLength - 3;
      // The longer of the two loses an id at a time; the second if they are equally long.
      while (first.length + second.length > room)
        (first.length > second.length ? first : second).pop();
    } else {
      first = first.slice(0, maxLength - 2);
    }
    const head = [this.cls, ...first, this.sep];
    const tail = second ? [...second, this.sep] : [];
    const ids = [...head, ...tail];
    return {
      ids,
      mask: ids.map(() => 1),
      segments: [...head.map(() => 0), ...tail.map(() => 1)],
      tokens: ids.map(id => this.tokens[id]),
    };
  }
}

const SPACE_MARK = "\u2581";
const UNKNOWN_PENALTY = 10;

/** SentencePiece with a unigram model (Kudo 2018): the pieces of the most probable split. */
class SentencePiece {
  constructor(description) {
    Object.assign(this, description);
    this.rules = new Replacements(description.rules);
    const known = [...this.tokens.keys()].filter(id => this.scores[id] !== null);
    this.ids = new Map(known.map(id => [this.tokens[id], id]));
    this.longest = known.reduce((most, id) => Math.max(most, length(this.tokens[id])), 0);
    // SentencePiece adds scores as floats of 32 bits, which decides between splits as good.
    this.scores = Float32Array.from(this.scores);
    const lowest = known.reduce((least, id) => Math.min(least, this.scores[id]), Infinity);
    this.unknownScore = Math.fround(lowest - UNKNOWN_PENALTY);
  }

  /** The ids of a text, without the end id. */
  tokenize(text) {
    const characters = [...this.normalize(text)];
    // The best split of the first n characters: its score, and where its last piece begins.
    const ends = Array.from({length: characters.length + 1}, () => ({score: 0, start: -1, id: -1}));
    const offer = (start, end, id, added) => {
      const score = Math.fround(added + ends[start].score);
      if (ends[end].start < 0 || score > ends[end].score) ends[end] = {score, start, id};
    };
    for (let start = 0; start < characters.length; start++) {
      let piece = "", alone = false;
      for (let end = start + 1; end <= characters.length && end - start <= this.longest; end++) {
        piece += characters[end - 1];
        const id = this.ids.get(piece);
        if (id === undefined) continue;
        offer(start, end, id, this.scores[id]);
        alone ||= end === start + 1;
      }
      if (!alone) offer(start, start + 1, UNKNOWN, this.unknownScore);
    }
    const ids = [];
    for (let end = characters.length; end > 0; end = ends[end].start) {
      // Unknown characters in a row are one token.
      if (ends[end].id !== UNKNOWN || ids.at(-1) !== UNKNOWN) ids.push(ends[end].id);
    }
    return ids.reverse();
  }

  /** The text with its characters replaced, and spaces as marks. */
  normalize(text) {
    const bytes = new TextEncoder().encode(text);
    let found = "", afterSpace = this.remove_extra_whitespaces, begun = false;
    for (let position = 0; position < bytes.length;) {
      let [part, size] = this.rules.at(bytes, position);
      position += size;
      if (!begun && this.remove_extra_whitespaces && part === " ") continue;
      if (!begun && this.add_dummy_prefix) found += " ";
      begun = true;
      if (afterSpace) part = part.replace(/^ +/, "");
      found += part;
      if (part) afterSpace = this.remove_extra_whitespaces && part.endsWith(" ");
    }
    if (this.remove_extra_whitespaces) found = found.replace(/ +$/, "");
    return found.replaceAll(" ", SPACE_MARK);
  }

  /** See `Vocabulary`. */
  encode(text, maxLength) {
    const ids = [...this.tokenize(text).slice(0, maxLength - 1), END];
    return {ids, tokens: ids.map(id => this.tokens[id])};
  }

  /** See `Vocabulary`. */
  piece(id) {
    return id === UNKNOWN ? UNKNOWN_TEXT : id >= SPECIAL_IDS ? this.tokens[id] ?? "" : "";
  }

  /** See `Vocabulary`. */
  decode(ids) {
    const end = ids.indexOf(END);
    return this.join([...ids.slice(0, end < 0 ? ids.length : end)].map(id => this.piece(id)));
  }

  join(pieces) {
    const text = pieces.join("").replaceAll(SPACE_MARK, " ");
    return this.add_dummy_prefix ? text.replace(/^ /, "") : text;
  }
}

const UNKNOWN_TEXT = " \u2047 ";  // as SentencePiece writes it

/** What becomes of each sequence of bytes: a double array as darts-clone makes it, and strings. */
class Replacements {
  constructor(encoded) {
    const bytes = Uint8Array.from(atob(encoded), character => character.charCodeAt(0));
    const size = bytes.length && new DataView(bytes.buffer).getUint32(0, true);
    this.units = new Uint32Array(bytes.slice(4, 4 + size).buffer);
    this.strings = bytes.slice(4 + size);
  }

  /** What the longest sequence at a position becomes, and its number of bytes. */
  at(bytes, position) {
    const offset = unit => (unit >>> 10) << ((unit & 0x200) >>> 6);
    let found, node = this.units.length ? offset(this.units[0]) : 0;
    for (let i = position; i < bytes.length && this.units.length; i++) {
      const unit = this.units[node ^= bytes[i]];
      if (((unit & 0x800000ff) >>> 0) !== bytes[i]) break;
      node ^= offset(unit);
      if (unit & 0x100) found = [this.units[node] & 0x7fffffff, i + 1 - position];
    }
    if (found) {
      const [start, size] = found;
      return [decodeUtf8(this.strings.slice(start, this.strings.indexOf(0, start))), size];
    }
    const lead = bytes[position], size = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    return [decodeUtf8(bytes.slice(position, position + size)), size];
  }
}

const decodeUtf8 = bytes => new TextDecoder("utf-8", {ignoreBOM: true}).decode(bytes);

const length = text => [...text].length;
const escape = text => text.replace(/[\\^$.*+?()[\]{}|/-]/g, "\\$&");

export {PAD, START, END};

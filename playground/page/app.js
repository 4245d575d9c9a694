// Answers as one types, and draws where the model looked for each token.

import {loadModel} from "./model.js";

const element = id => document.getElementById(id);
const WAIT = 120;  // milliseconds after the last key

let model, latest = 0;

function svg(name, attributes, parent, text) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== undefined) made.textContent = text;
  parent.append(made);
  return made;
}

const CELL = 26, LEFT = 70, TOP = 40;

/** A row of the alignment for each token written so far. */
function drawAlignment(steps) {
  const drawing = element("alignment");
  drawing.replaceChildren();
  if (!steps.length || !steps[0].attention) return;
  const {tokens} = steps[0];
  drawing.setAttribute("width", LEFT + tokens.length * CELL + 4);
  drawing.setAttribute("height", TOP + steps.length * CELL + 4);
  tokens.forEach((token, s) => svg("text", {
    x: LEFT + (s + .5) * CELL, y: TOP - 10, "text-anchor": "middle"}, drawing, visible(token)));
  steps.forEach(({piece, attention}, t) => {
    svg("text", {x: LEFT - 8, y: TOP + (t + .65) * CELL, "text-anchor": "end"},
        drawing, visible(piece));
    attention.forEach((weight, s) => {
      const cell = svg("rect", {x: LEFT + s * CELL, y: TOP + t * CELL, width: CELL - 1,
                                height: CELL - 1, "fill-opacity": weight}, drawing);
      svg("title", {}, cell, `${piece} \u2192 ${tokens[s]}: ${weight.toFixed(3)}`);
    });
  });
}

const visible = token => ({" ": "\u2423", "</s>": "end"})[token] ?? token;

/** Shows the answer to what is typed, unless more is typed meanwhile. */
async function answer() {
  const mine = ++latest;
  const texts = [element("text").value, element("pair").value].slice(0, model.inputs);
  const started = performance.now();
  if (model.stream && texts[0].trim()) {
    const steps = [];
    for await (const step of model.tokens(texts[0])) {
      if (mine !== latest) return;
      steps.push(step);
      const written = steps.filter(({piece}) => piece && piece !== "</s>").map(({piece}) => piece);
      element("answer").textContent = model.target.join(written);
      drawAlignment(steps);
      await new Promise(requestAnimationFrame);
    }
  } else {
    drawAlignment([]);
  }
  const found = await model.answer(...texts);
  if (mine !== latest) return;
  element("answer").textContent = found.text;
  element("scores").replaceChildren(...Object.entries(found.scores ?? {}).map(bar));
  element("time").textContent = `${Math.round(performance.now() - started)} ms`;
}

function bar([label, score]) {
  const row = document.createElement("li");
  row.textContent = `${label} ${score.toFixed(3)}`;
  row.style.setProperty("--share", `${100 * score}%`);
  return row;
}

let timer;
function typed() {
  clearTimeout(timer);
  timer = setTimeout(() => answer().catch(report), WAIT);
}

function report(error) {
  element("state").textContent = `Something went wrong: ${error.message ?? error}`;
  throw error;
}

async function start() {
  model = await loadModel();
  const {config} = model;
  document.title = element("title").textContent = config.title;
  element("text").value = config.example[0] ?? "";
  element("pair").value = config.example[1] ?? "";
  element("pair").hidden = model.inputs < 2;
  element("state").textContent =
    `${config.file}, ${(config.bytes / 1e6).toFixed(1)} MB, runs in this browser: nothing is sent.`;
  for (const id of ["text", "pair"]) element(id).addEventListener("input", typed);
  await answer();
  window.playground = model;  // for the console, and for tests
}

start().catch(report);

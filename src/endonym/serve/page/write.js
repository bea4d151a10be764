"use strict";

const MOST_PROOFREAD = 4000; // characters that are proofread at once
const LONGEST_LINE = 20000; // characters that the server takes
const MOST_CHECKED = 500; // lines of which the mistakes are remembered
const FRENCH = "fr"; // writes a blank before some signs
const SIGNS = /^[.,;:!?…)\]}»”’،؛؟।॥។៕՝։]$/u;
const FRENCH_SIGNS = /^[.,…)\]}’]$/u;
const WORD_PART = /^[\p{L}\p{M}\p{N}\u200c\u200d]/u; // unseen signs stand inside Persian words
const writing = get("writing");
const kept = JSON.parse(stored("write") ?? "{}"); // from before a reload

let models = [];
let before = ""; // the text as it was when it was last looked at
let presses = new KeyPresses(kept.presses);
let colours = []; // marks with the bits of a token
let findings = []; // marks with the corrections of a word that is probably wrong
let left = new Set(kept.left); // words that the writer leaves as they are
/* The mistakes of each line that was proofread; lines that were sent with one in another language. */
const [checked, unchecked] = [new Map(), new Set()];
let made = null; // what the model wrote last: {begin, text}
let running = null; // aborts what the model writes
let bar = { items: [] }; // what stands above the text: words or corrections
let marked = 0; // which of them Tab takes
let hidden = null; // the text at which Esc has hidden them
let wanted = null; // which of them is taken as soon as it is there
let blankAt = -1; // behind a blank that came with a word
let isTaking = false; // the change is a suggestion or a correction
let colourFrom = 0; // where the part of the text begins that the context holds
const asked = {}; // what was asked last of each kind, to be aborted
const timers = {};

const model = () => models.find((each) => each.id === get("model").value);

async function loadModels() {
  const response = await fetch("v1/models", { headers: headers() });
  if (!response.ok) return say((await refusal(response)).message, true);
  models = (await response.json()).data;
  get("key-row").hidden = true;
  get("model").replaceChildren(...models.map((each) => new Option(each.id, each.id)));
  if (models.some((each) => each.id === kept.model)) get("model").value = kept.model;
  showModel();
  say("");
}

function showModel() {
  for (const each of [writing, get("under"), get("bar")]) each.lang = model().language;
  get("check").disabled = !model().proofreading;
  const reason = model().proofreading ? "a line in another language is not checked" : "the server has no words for this model";
  get("no-check").textContent = `(${reason})`;
  get("no-check").hidden = model().proofreading;
  checked.clear();
  unchecked.clear();
  [colours, findings, colourFrom] = [[], [], 0];
  look();
  later("colour", colour, 0);
  later("check", proofread, 0);
}

/* Run a function after a pause; again asked for, the pause begins anew. */
function later(name, run, milliseconds) {
  clearTimeout(timers[name]);
  timers[name] = setTimeout(run, milliseconds);
}

/* The answer to a request, of which only the last of its kind counts; null for an older one. */
async function answerTo(kind, path, body) {
  asked[kind]?.abort();
  const mine = new AbortController();
  asked[kind] = mine;
  try {
    const response = await fetch(path, {
      method: "POST",
      headers: headers(),
      body: JSON.stringify({ model: get("model").value, ...body }),
      signal: mine.signal,
    });
    if (!response.ok) throw await refusal(response);
    const found = await response.json();
    return asked[kind] === mine ? found : null;
  } catch (error) {
    if (error.name === "AbortError") return null;
    if (error instanceof TypeError) error.message = "the server does not answer";
    if (error.code !== "context_length_exceeded") say(error.message, true);
    return { error };
  }
}

/* What the bar shows at the caret: corrections in an underlined word, words behind another. */
function look() {
  const [caret, text] = [writing.selectionStart, writing.value];
  if (running) return showBar({ items: [], note: "the model writes …" });
  if (!model() || caret !== writing.selectionEnd) return showBar({ items: [] });
  if (hidden === text) return showBar({ items: [], note: "hidden until you write on" });
  hidden = null;
  const finding = findings.find((each) => each.begin <= caret && caret <= each.end);
  if (finding) {
    asked.words?.abort();
    const items = [...finding.corrections.slice(0, 3), { leaves: true }];
    return showBar({ finding, items, text });
  }
  if (!model().suggestions) {
    return showBar({ items: [], note: "a GGUF file, or a large model, suggests no words: serve a run" });
  }
  if (WORD_PART.test(text.slice(caret))) return showBar({ items: [] });
  return suggest(text.slice(0, caret));
}

async function suggest(text) {
  if (bar.words === text) return;
  showBar({ ...bar, finding: null, items: bar.finding ? [] : bar.items, isOld: true, words: text });
  const found = await answerTo("words", "v1/suggestions", { text, n: 3 });
  if (!found || bar.words !== text) return;
  showBar({ items: found.data ?? [], words: text });
  if (wanted !== null) take(Math.min(wanted, bar.items.length - 1));
}

function showBar(next) {
  bar = next;
  if (!bar.isOld) marked = 0;
  const buttons = bar.items.map((each, number) => {
    const button = document.createElement("button");
    const key = document.createElement("kbd");
    button.type = "button";
    button.dir = "auto";
    button.textContent = each.leaves ? "leave" : each.word;
    key.textContent = ` ${number + 1}`;
    if (!each.leaves) button.append(key);
    button.setAttribute("aria-label", each.leaves ? "leave as it is" : each.word);
    button.classList.toggle("marked", number === marked && !bar.isOld);
    button.classList.toggle("old", Boolean(bar.isOld));
    button.addEventListener("mousedown", (event) => event.preventDefault()); // the text keeps the caret
    button.addEventListener("click", () => take(number));
    return button;
  });
  if (bar.finding) buttons.unshift(line(`“${bar.finding.word}”:`));
  if (bar.note) buttons.push(line(bar.note));
  get("bar").dir = getComputedStyle(writing).direction; // the first word stands where the text begins
  get("bar").replaceChildren(...buttons);
  get("bar").setAttribute("aria-label", bar.finding ? "Corrections" : "Suggestions");
  if (bar.isOld) return;
  later("tell", () => {
    const words = bar.items.filter((each) => !each.leaves).map((each) => each.word).join(", ");
    get("told").textContent = words && `${get("bar").getAttribute("aria-label")}: ${words}`;
  }, 700);
}

function line(text) {
  const found = document.createElement("p");
  found.textContent = text;
  return found;
}

/* Take a suggestion or a correction; one that is still asked for is taken when it comes. */
function take(number) {
  wanted = null;
  if (bar.isOld) {
    wanted = number;
    return;
  }
  const item = bar.items[number];
  if (!item) return;
  if (bar.finding) {
    if (item.leaves) leave(bar.finding);
    else write(item.word, bar.finding.begin, bar.finding.end);
    return;
  }
  const caret = writing.selectionStart;
  const hasBlank = item.blank && !/^[\s]/u.test(writing.value.slice(caret));
  const start = writing.value;
  write(item.rest + (hasBlank ? " " : ""), caret, caret);
  presses.took(start, writing.value);
  blankAt = hasBlank ? writing.selectionStart : -1;
  showCount();
}

function leave(finding) {
  left.add(finding.word);
  findings = findings.filter((each) => each.word !== finding.word);
  show();
  look();
}

/* Put a text in place of a part of what is written, so that the browser's own undo knows it. */
function write(text, begin, end) {
  isTaking = true;
  writing.focus();
  writing.setSelectionRange(begin, end);
  if (!document.execCommand("insertText", false, text)) {
    writing.setRangeText(text, begin, end, "end");
    textChanged();
  }
  isTaking = false;
}

/* The text is another one: marks move, and what is not known any more is asked for. */
function textChanged() {
  const text = writing.value;
  const change = changed(before, text);
  [colours, findings] = [moved(colours, change), moved(findings, change)];
  if (made && change.endBefore <= made.begin) made.begin += change.endAfter - change.endBefore;
  else if (made && change.begin < made.begin) made = null;
  if (text.length < colourFrom) colourFrom = 0;
  before = text;
  show();
  look();
  later("colour", colour, 400);
  later("check", proofread, 700);
}

function showCount() {
  get("saved").textContent = String(presses);
}

/* The text below the one that is written, with its marks. */
function show() {
  const text = writing.value;
  const ranges = [...colours, ...findings];
  if (made) ranges.push({ begin: made.begin, end: Math.min(text.length, made.begin + made.text.length) });
  const edges = new Set([0, text.length, ...ranges.flatMap((each) => [each.begin, each.end])]);
  const ordered = [...edges].sort((one, other) => one - other);
  const marks = [...ranges].sort((one, other) => one.begin - other.begin);
  let active = [];
  let next = 0;
  const parts = ordered.slice(0, -1).map((begin, number) => {
    active = active.filter((each) => each.end > begin);
    while (next < marks.length && marks[next].begin <= begin) active.push(marks[next++]);
    const span = document.createElement("span");
    span.textContent = text.slice(begin, ordered[number + 1]);
    for (const each of active.filter((one) => one.end > begin)) {
      if (each.corrections) span.classList.add("wrong");
      else if (each.bits === undefined) span.classList.add("made");
      else if (get("colours").checked) span.classList.add(`s${level(each.bits)}`);
    }
    return span;
  });
  get("under").replaceChildren(...parts, "\u200b"); // a last empty line has its height
  showCount();
  showMade();
}

/* What may be done with what the model wrote last. */
function showMade() {
  const now = made && writing.value.slice(made.begin);
  const isWhole = Boolean(made) && now === made.text;
  const isCorrected = Boolean(made) && !now.startsWith(made.text) && now.trim() !== "";
  get("back").disabled = Boolean(running) || !isWhole;
  get("correct").hidden = Boolean(running) || !isCorrected || now === made.kept;
  get("go").disabled = Boolean(running) || !model();
  get("stop").hidden = !running;
  get("copy").disabled = !writing.value;
}

async function colour() {
  const text = writing.value;
  if (!get("colours").checked || !text.trim() || running || !model()) return;
  const body = { echo: true, logprobs: 0, max_tokens: 0 };
  const found = await answerTo("colour", "v1/completions", { ...body, prompt: text.slice(colourFrom) });
  if (!found || writing.value !== text) return;
  if (found.error) {
    if (found.error.code !== "context_length_exceeded") return;
    colourFrom = middle(text, colourFrom);
    if (colourFrom < text.length) await colour();
    return;
  }
  const { text_offset: offsets, token_logprobs: nats } = found.choices[0].logprobs;
  const known = colours.filter((each) => each.end <= colourFrom);
  colours = [...known, ...coloured(text.slice(colourFrom), offsets, nats, colourFrom)];
  show();
}

/* Proofread the lines that were not yet. */
async function proofread() {
  const text = writing.value;
  if (!model()?.proofreading || !get("check").checked || running) return;
  const isNew = (line) => line.trim() && line.length <= LONGEST_LINE && !checked.has(line);
  const lines = [...new Set(text.split("\n").filter(isNew))];
  let size = 0;
  const some = lines.filter((each) => (size += each.length) <= MOST_PROOFREAD || size === each.length);
  if (some.length) {
    const found = await answerTo("check", "v1/proofread", { text: some.join("\n") });
    if (!found?.data) return;
    for (const line of found.unchecked_lines ? some : []) unchecked.add(line);
    if (checked.size > MOST_CHECKED) checked.clear();
    for (const [line, each] of byLine(some, found.data)) checked.set(line, each);
    if (writing.value !== text || some.length < lines.length) return proofread();
  }
  const isTyped = (each) => each.end === text.length; // its last letters may be still to come
  get("no-check").hidden = !text.split("\n").some((line) => unchecked.has(line));
  let begin = 0;
  findings = text.split("\n").flatMap((line) => {
    const from = begin;
    begin += line.length + 1;
    return shifted(checked.get(line) ?? [], from);
  }).filter((each) => !isTyped(each) && !left.has(each.word));
  show();
  look();
}

/* Let the model continue the text. What is left out where the context is full is its beginning. */
async function goOn() {
  const text = writing.value;
  if (running || !model()) return;
  running = new AbortController();
  asked.words?.abort();
  writing.readOnly = true;
  const begin = text.length;
  const isCut = Boolean(made) && made.text !== "" && text.slice(made.begin) === made.text;
  const tokens = Number(get("length").value);
  const body = { temperature: 0.8, top_p: 0.95, max_tokens: tokens, min_tokens: tokens, stream: true };
  body.inside_word = isCut && !/\s$/u.test(text);
  look();
  say("");
  try {
    for (let from = 0; ; from = middle(text, from)) {
      const given = text.slice(from);
      const response = await fetch("v1/completions", {
        method: "POST",
        headers: headers(),
        body: JSON.stringify({ ...body, model: get("model").value, prompt: given }),
        signal: running.signal,
      });
      const error = response.ok ? null : await refusal(response);
      if (error?.code === "context_length_exceeded" && given) continue;
      if (error) throw error;
      made = { begin, text: "" };
      await addPieces(response);
      break;
    }
  } catch (error) {
    if (error.name !== "AbortError") say(error.message, true);
  }
  running = null;
  writing.readOnly = false;
  writing.focus();
  writing.setSelectionRange(writing.value.length, writing.value.length);
  textChanged();
}

/* Add what the model writes to the text, as it comes. */
async function addPieces(response) {
  for await (const event of events(response)) {
    if (event.error) throw event.error;
    let piece = event.choices[0]?.text ?? "";
    /* A blank at the end of a text is the first character of its continuation. */
    if (!made.text && writing.value.endsWith(" ")) piece = piece.replace(/^ /, "");
    made.text += piece;
    writing.setRangeText(piece, writing.value.length, writing.value.length, "end");
    before = writing.value;
    show();
  }
}

async function keepCorrection() {
  const [prompt, chosen] = [writing.value.slice(0, made.begin), writing.value.slice(made.begin)];
  const response = await fetch("v1/preferences", {
    method: "POST",
    headers: headers(),
    body: JSON.stringify({ model: get("model").value, prompt, chosen, rejected: made.text }),
  });
  if (!response.ok) return say((await refusal(response)).message, true);
  const { file, kept: count } = await response.json();
  made.kept = chosen;
  showMade();
  say(`kept: ${count} ${count === 1 ? "correction" : "corrections"} in ${file}`);
}

/* Go to the next underlined word, from the caret on or from the start. */
function nextFinding() {
  const ordered = [...findings].sort((one, other) => one.begin - other.begin);
  const next = ordered.find((each) => each.begin > writing.selectionStart) ?? ordered[0];
  if (!next) return say("no underlined word");
  writing.focus();
  writing.setSelectionRange(next.begin, next.begin);
  look();
}

/* Whether a key was used for the bar or for the model. */
function used(event) {
  if (event.isComposing) return false;
  const count = bar.items.length;
  const isPlain = !event.ctrlKey && !event.metaKey && !event.altKey && !event.shiftKey;
  const digit = event.altKey && !event.ctrlKey && event.code.match(/^(?:Digit|Numpad)([1-3])$/);
  const isAtEnd = writing.selectionStart === writing.value.length || Boolean(bar.finding);
  if (digit && count) take(Number(digit[1]) - 1);
  else if (event.key === "F8") nextFinding();
  else if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) goOn();
  else if (isPlain && event.key === "Tab" && bar.isOld) take(0);
  else if (!isPlain || !count) return false;
  else if (event.key === "Tab") take(marked);
  else if (event.key === "Escape") hidden = writing.value;
  else if (event.key === "ArrowDown" && isAtEnd) mark(1);
  else if (event.key === "ArrowUp" && isAtEnd && marked) mark(-1);
  else return false;
  if (event.key === "Escape") look();
  return true;
}

function mark(by) {
  const next = (marked + by + bar.items.length) % bar.items.length;
  if (!bar.finding) presses.pressed();
  showCount();
  [...get("bar").querySelectorAll("button")].forEach((each, number) => {
    each.classList.toggle("marked", number === next);
    if (number === next) get("told").textContent = each.getAttribute("aria-label");
  });
  marked = next;
}

/* Behind a word that came with its blank, a sign or a new line takes the place of the blank. */
function beforeInput(event) {
  const caret = writing.selectionStart;
  const key = event.inputType === "insertLineBreak" ? "\n" : event.inputType === "insertText" && event.data;
  if (!key || caret !== blankAt || caret !== writing.selectionEnd) return;
  const signs = model()?.language.split("-")[0] === FRENCH ? FRENCH_SIGNS : SIGNS;
  if (!/^[ \n]$/.test(key) && !signs.test(key)) return;
  event.preventDefault();
  presses.pressed();
  blankAt = -1;
  if (key !== " ") write(key, caret - 1, caret);
  showCount();
}

/* A person who typed: what is pasted, taken or undone is no key press. */
function typed(event) {
  const isTyped = /^insert(?!FromPaste|FromDrop|CompositionText)/.test(event.inputType ?? "");
  if (isTyped && !isTaking) presses.typed(before, writing.value);
  if (!isTaking) blankAt = -1;
  wanted = null;
  textChanged();
}

function save() {
  const { without, made: count } = presses;
  const found = { text: writing.value, presses: { without, made: count }, left: [...left] };
  Object.assign(found, { model: get("model").value, colours: get("colours").checked, check: get("check").checked });
  store("write", JSON.stringify(found));
}

function copy() {
  const [begin, end] = [writing.selectionStart, writing.selectionEnd];
  writing.select();
  say(document.execCommand("copy") ? "copied" : "this browser does not copy");
  writing.setSelectionRange(begin, end);
}

function begin(text) {
  [writing.value, before, made, colours, findings, colourFrom] = [text, text, null, [], [], 0];
  show();
}

let composed = null; // the text before the letters that an input method is making
writing.addEventListener("compositionstart", () => { composed = writing.value; });
writing.addEventListener("compositionend", () => {
  if (composed !== null) presses.typed(composed, writing.value);
  composed = null;
  showCount();
});
writing.addEventListener("beforeinput", beforeInput);
writing.addEventListener("input", typed);
writing.addEventListener("keydown", (event) => {
  if (used(event)) event.preventDefault();
});
document.addEventListener("selectionchange", () => {
  if (document.activeElement === writing && !isTaking) look();
});
get("go").addEventListener("click", goOn);
get("stop").addEventListener("click", () => running?.abort());
get("back").addEventListener("click", () => {
  begin(writing.value.slice(0, made.begin));
  writing.focus();
  textChanged();
});
get("correct").addEventListener("click", keepCorrection);
get("copy").addEventListener("click", copy);
get("new").addEventListener("click", () => {
  presses = new KeyPresses();
  begin("");
  say("");
  writing.focus();
  look();
});
get("colours").addEventListener("change", () => {
  show();
  colour();
});
get("check").addEventListener("change", () => {
  findings = [];
  show();
  proofread();
});
get("model").addEventListener("change", showModel);
get("key").addEventListener("change", () => {
  store("key", get("key").value);
  loadModels();
});
get("key-form").addEventListener("submit", (event) => event.preventDefault());
for (const event of ["pagehide", "visibilitychange"]) addEventListener(event, save);
get("colours").checked = kept.colours ?? true;
get("check").checked = kept.check ?? true;
begin(kept.text ?? "");
loadModels();

"use strict";

const SLIDERS = ["temperature", "top_p", "top_k", "repetition_penalty", "max_tokens"];
const FIELDS = ["prompt", "mode", "model", "seed", ...SLIDERS];
const WORDS = {
  text: {
    title: "Continue a text", "prompt-label": "The beginning of a text", keep: "Keep and go on",
    new: "New text",
  },
  chat: {
    title: "Chat", "prompt-label": "Your message", keep: "Another answer", new: "New conversation",
  },
};
const MOST_STATES = 50;
const MOST_STORED = 2e6; // characters; browsers keep 5 million bytes or more
const kept = JSON.parse(stored("page") ?? "{}"); // from before a reload
let otherPrompt = kept.otherPrompt ?? ""; // what stands in the box in the other mode
let models = [];
let running = null;
let isBroken = kept.isBroken ?? false; // by a reload or the network, while the model wrote
/* What was typed and written, one after the other, for Undo; `at` is the one that is shown.
   begun: what its text continues. goesOn, from: how it does. isFull: it ends at the context. */
let states = kept.states ?? [{}];
let at = kept.at ?? 0;
let settled = ""; // what stood in the box when the page last wrote: then Ctrl+Z is Undo
let tokensEach = 0; // tokens of a character in a conversation, by the last answer

async function loadModels() {
  const response = await fetch("v1/models", { headers: headers() });
  if (!response.ok) return say((await refusal(response)).message, true);
  models = (await response.json()).data;
  get("model").replaceChildren(...models.map((each) => new Option(each.id, each.id)));
  if (models.some((each) => each.id === kept.model)) get("model").value = kept.model;
  showMode();
  say(isBroken ? brokenOff() : "");
}

const model = () => models.find((each) => each.id === get("model").value);
const isChat = () => Boolean(model()?.chat) && get("mode").value === "chat";

const brokenOff = () => (
  isChat() ? "broken off" : `broken off; “${WORDS.text.keep}” goes on from here`
);

/* A conversation stands above the box of the next message, a text below that of its beginning. */
function showMode() {
  get("engine").textContent = `${model().engine} · context of ${model().context} tokens`;
  get("mode-row").hidden = !model().chat;
  get("chat").hidden = get("system-row").hidden = !isChat();
  for (const id of ["text", "undo", "redo"]) get(id).hidden = isChat();
  const words = WORDS[isChat() ? "chat" : "text"];
  for (const [id, text] of Object.entries(words)) get(id).textContent = text;
  const page = document.documentElement;
  if (page.className === (isChat() ? "text" : "chat")) {
    [get("prompt").value, otherPrompt] = [otherPrompt, get("prompt").value];
  }
  page.className = isChat() ? "chat" : "text";
  get("prompt").enterKeyHint = isChat() ? "send" : "enter";
  if (isChat()) get("form").prepend(get("written"));
  else get("form").append(get("written"));
  setRunning(false);
}

class Shown {
  constructor(place) {
    this.place = place;
    this.last = null;
    place.replaceChildren();
  }

  add(text, bits, isGiven) {
    const { top, bottom } = get("status").getBoundingClientRect();
    const isRead = top >= 0 && bottom <= innerHeight; // else the reader has scrolled elsewhere
    this.append(text, bits, isGiven);
    if (isRead) get("status").scrollIntoView({ block: "nearest" });
  }

  /* bits: null for a message, and for what the model has not read. */
  append(text, bits, isGiven) {
    const [, before, word, after] = text.match(/^([\s\u200b]*)([^]*?)([\s\u200b]*)$/u);
    for (const part of bits === null ? [text] : [before, word, after]) {
      this.part(part, bits, isGiven, part === word);
    }
  }

  /* Blanks are not coloured: at the end of a line nobody sees what they are. */
  part(text, bits, isGiven, isColoured) {
    if (!text) return;
    if (this.last && joins(this.last.textContent, text)) {
      this.last.textContent += text;
      bits += Number(this.last.dataset.bits ?? 0);
    } else {
      this.last = document.createElement("span");
      this.last.textContent = text;
      this.place.append(this.last);
    }
    if (bits === null) return;
    this.last.className = `s${isColoured ? level(bits) : 0}${isGiven ? " given" : ""}`;
    this.last.dataset.bits = bits;
    this.last.title = `${bits.toFixed(1)} bits`;
  }
}

function settings() {
  const found = { model: get("model").value, stream: true };
  for (const name of SLIDERS) found[name] = Number(get(name).value);
  if (get("seed").value !== "") found.seed = Number(get("seed").value);
  return found;
}

/* Ask, and give each choice of the stream to `take`, which returns how many tokens it has. */
async function ask(path, body, take) {
  const started = performance.now();
  const end = { tokens: 0, total: 0, reason: null, code: null };
  running = new AbortController();
  isBroken = true;
  setRunning(true);
  say("…");
  get("status").scrollIntoView({ block: "nearest" });
  try {
    const response = await fetch(path, {
      method: "POST",
      headers: headers(),
      body: JSON.stringify(body),
      signal: running.signal,
    }).catch((error) => {
      if (error.name === "AbortError") throw error;
      throw new Error("the server does not answer: start it again with endonym serve");
    });
    if (!response.ok) throw await refusal(response);
    for await (const event of events(response)) {
      if (event.error) throw event.error;
      end.total = event.usage?.total_tokens ?? 0;
      end.read ??= event.prompt?.[0];
      for (const choice of event.choices) {
        end.tokens += take(choice, end);
        end.reason = choice.finish_reason ?? end.reason;
      }
      const seconds = (performance.now() - started) / 1000;
      if (end.tokens) say(`${end.tokens} tokens · ${(end.tokens / seconds).toFixed(0)} a second`);
    }
    isBroken = false;
  } catch (error) {
    end.code = error.code;
    isBroken = error instanceof TypeError;
    if (isBroken) say(brokenOff(), true);
    else if (error.name !== "AbortError") say(error.message, true);
    else say(end.tokens ? `${end.tokens} tokens · stopped` : "stopped before the first token");
  } finally {
    setRunning(false);
  }
  return end;
}

function note(text) {
  say(`${get("status").textContent} · ${text}`);
}

/* Keep what is typed and shown in its state. */
function keepState() {
  const prompt = isChat() ? otherPrompt : get("prompt").value;
  states[at] = { ...states[at], prompt, text: spans(get("text")) };
}

/* A new state behind the one that is shown, which must have been kept; those behind it go. */
function addState(state) {
  states = [...states.slice(0, at + 1), state].slice(-MOST_STATES);
  at = states.length - 1;
  settled = get("prompt").value;
}

function showState() {
  const shown = new Shown(get("text"));
  for (const each of states[at].text ?? []) shown.append(...each);
}

function step(by) {
  if (running || isChat() || !states[at + by]) return false;
  keepState();
  at += by;
  settled = get("prompt").value = states[at].prompt ?? "";
  showState();
  setRunning(false);
  say("");
  return true;
}

/* The text was written from what stands in the box. */
const isAgain = () => states[at].begun === get("prompt").value;

/* Continue a text. goesOn: it is the whole text, which may have been cut inside a word, and whose
   end is enough where the context has no room for all of it. start: where that end begins. The
   text before stays until the first token is there. */
async function continueText(given, goesOn, start) {
  const typed = get("prompt").value;
  let prompt = given;
  keepState();
  const body = { ...settings(), echo: true, logprobs: 0, inside_word: goesOn };
  body.spelled = !goesOn;
  body.min_tokens = Math.min(40, body.max_tokens); // as in endonym generate: small models end early
  for (let from = start ?? middle(prompt, 0); ; from = middle(prompt, from)) {
    let shown = null;
    let length = 0;
    body.prompt = prompt.slice(from);
    const end = await ask("v1/completions", body, (choice, { read }) => {
      if (!shown) {
        if (read !== undefined) body.prompt = prompt = read;
        shown = new Shown(get("text"));
        if (get("prompt").value === typed) get("prompt").value = prompt;
        addState({ begun: prompt, goesOn, from });
        shown.append(prompt.slice(0, from), null);
      }
      const isGiven = length < body.prompt.replace(/ $/, "").length; // a last blank begins a word
      shown.add(choice.text, bits(choice.logprobs.token_logprobs), isGiven);
      length += choice.text.length;
      return isGiven ? 0 : choice.logprobs.tokens.length;
    });
    if (goesOn && end.code === "context_length_exceeded" && body.prompt) continue;
    if (!shown) return;
    if (end.reason === "stop") note("the model ended the text");
    states[at].isFull = end.reason === "length" && end.tokens < body.max_tokens;
    if (states[at].isFull) {
      const { keep } = WORDS.text;
      note(`the context is full: the model reads at most ${model().context} tokens at once. `
        + `“${keep}” goes on from the last half of the text`);
    }
    if (prompt !== given) note("your beginning is spelled as the training text now");
    if (from) note(`the model has read the last ${body.prompt.length} characters`);
    return;
  }
}

function turn(role) {
  const place = document.createElement("div");
  place.className = place.dataset.role = role;
  place.dir = "auto";
  get("chat").append(place);
  return new Shown(place);
}

/* Answer a question; without one, answer the last question again. As in endonym chat, the oldest
   messages are left out if they do not fit, and a message without an answer is taken back. */
async function answer(question) {
  const turns = get("chat");
  const before = [...turns.children];
  if (question) turn("user").append(question, null);
  else turns.lastElementChild.remove();
  const messages = [...turns.children].map((each) => (
    { role: each.dataset.role, content: each.textContent }
  ));
  const shown = turn("assistant");
  if (question) get("prompt").value = "";
  const { context, turns: learnt } = model(); // of longer conversations than it has learnt, only the end
  const read = learnt ? messages.slice(1 - 2 * learnt) : messages;
  const system = get("system").value.trim();
  const head = system ? [{ role: "system", content: system }] : [];
  const body = { ...settings(), messages: read, logprobs: true, stream_options: { include_usage: true } };
  const letters = () => body.messages.reduce((sum, each) => sum + each.content.length, 0);
  const leaveOut = () => { body.messages = body.messages.slice(2); }; // a question and its answer
  const room = context - Math.min(body.max_tokens, context / 4);
  while (body.messages.length > 1 && letters() * tokensEach > room) leaveOut();
  let end;
  for (;;) {
    end = await ask("v1/chat/completions", { ...body, messages: [...head, ...body.messages] }, (choice) => {
      const tokens = choice.logprobs?.content ?? [];
      shown.add(choice.delta.content ?? "", bits(tokens.map((each) => each.logprob)));
      return tokens.length;
    });
    if (end.code !== "context_length_exceeded" || body.messages.length === 1) break;
    leaveOut();
  }
  if (end.reason === "length") {
    note(end.tokens === body.max_tokens ? "cut at this many tokens" : "the context is full");
  }
  if (shown.last && read.length < messages.length) {
    note(`it has learnt short conversations: it reads the last ${read.length} of ${messages.length} messages`);
  } else if (shown.last && body.messages.length < messages.length) {
    note(`the context holds the last ${body.messages.length} of ${messages.length} messages`);
  }
  if (end.total) tokensEach = end.total / (letters() + shown.place.textContent.length);
  if (!shown.last) {
    turns.replaceChildren(...before);
    get("prompt").value ||= question ?? "";
    if (end.reason === "stop") say("the model answered nothing");
  }
  setRunning(false);
}

function setRunning(isRunning) {
  if (!isRunning) running = null;
  for (const id of ["go", "model", "mode", "new"]) get(id).disabled = isRunning;
  get("stop").disabled = !isRunning;
  get("copy").disabled = !get(isChat() ? "chat" : "text").textContent;
  get("keep").disabled = isRunning || get("copy").disabled;
  get("undo").disabled = isRunning || !at;
  get("redo").disabled = isRunning || at === states.length - 1;
  nameGo();
}

function nameGo() {
  get("go").textContent = isChat() ? "Send" : isAgain() ? "Try again" : "Write";
}

const spans = (place) => [...place.children].map((each) => (
  [each.textContent, each.dataset.bits ? Number(each.dataset.bits) : null, each.matches(".given")]
));

/* As plain text: a selection would bring its colours. Clipboards of newer kind need https. */
function copy() {
  const box = document.createElement("textarea");
  const parts = isChat() ? [...get("chat").children] : [get("text")];
  box.value = parts.map((each) => each.textContent).join("\n\n");
  document.body.append(box);
  box.select();
  say(document.execCommand("copy") ? "copied" : "this browser does not copy");
  box.remove();
}

/* What is typed and written outlives a reload, but not the tab. */
function save() {
  const found = Object.fromEntries(FIELDS.map((id) => [id, get(id).value]));
  if (model()) keepState();
  found.otherPrompt = otherPrompt;
  Object.assign(found, { states, at, isBroken, colours: get("colours").checked });
  found.chat = [...get("chat").children].map((each) => [each.dataset.role, spans(each)]);
  if (JSON.stringify(states).length > MOST_STORED) {
    Object.assign(found, { states: [states[at]], at: 0 });
  }
  store("page", JSON.stringify(found));
}

function restore() {
  for (const id of FIELDS) if (kept[id] && id !== "model") get(id).value = kept[id];
  get("colours").checked = kept.colours ?? true;
  showState();
  settled = get("prompt").value;
  for (const [role, spans] of kept.chat ?? []) {
    const shownTurn = turn(role);
    for (const each of spans) shownTurn.append(...each);
  }
  if (!get("chat").lastChild?.textContent) get("chat").lastChild?.remove(); // not begun
  if (get("chat").lastChild?.dataset.role !== "user") return;
  get("prompt").value ||= get("chat").lastChild.textContent;
  get("chat").lastChild.remove();
}

restore();
for (const name of SLIDERS) {
  const show = () => {
    get(name).parentElement.querySelector("output").textContent = get(name).value;
  };
  get(name).addEventListener("input", show);
  show();
}
get("form").addEventListener("submit", (event) => {
  event.preventDefault();
  if (running) return;
  const { goesOn, from } = isAgain() ? states[at] : {};
  if (!isChat()) continueText(get("prompt").value, goesOn ?? false, from ?? 0);
  else if (get("prompt").value.trim()) answer(get("prompt").value);
});
get("prompt").addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.isComposing) return;
  if (isChat() ? event.shiftKey : !event.ctrlKey && !event.metaKey) return;
  event.preventDefault();
  get("form").requestSubmit();
});
get("stop").addEventListener("click", () => running?.abort());
get("keep").addEventListener("click", () => {
  if (isChat()) answer();
  else continueText(get("text").textContent, true, states[at].isFull ? undefined : 0);
});
get("new").addEventListener("click", () => {
  if (isChat()) get("chat").replaceChildren();
  else {
    keepState();
    get("text").replaceChildren();
    get("prompt").value = "";
    addState({});
  }
  showMode();
  say("");
  get("prompt").focus();
});
get("undo").addEventListener("click", () => step(-1));
get("redo").addEventListener("click", () => step(1));
get("copy").addEventListener("click", copy);
get("prompt").addEventListener("input", nameGo);
document.addEventListener("keydown", (event) => {
  const key = event.key.toLowerCase();
  if (!(event.ctrlKey || event.metaKey) || !["z", "y"].includes(key)) return;
  if (event.target.matches("input, select") || get("prompt").value !== settled) return;
  if (step(key === "y" || event.shiftKey ? 1 : -1)) event.preventDefault();
});
get("mode").addEventListener("change", showMode);
get("model").addEventListener("change", () => {
  tokensEach = 0;
  showMode();
});
get("written").addEventListener("click", (event) => {
  if (event.target.dataset.bits) say(`“${event.target.textContent}”: ${event.target.title}`);
});
for (const event of ["pagehide", "visibilitychange"]) addEventListener(event, save);
get("key").addEventListener("change", () => {
  store("key", get("key").value);
  loadModels();
});
if (innerWidth < 600) get("sampling").open = false; // so that the text is in sight
loadModels();

"use strict";

const get = (id) => document.getElementById(id);
const SLIDERS = ["temperature", "top_p", "top_k", "repetition_penalty", "max_tokens"];
const LIMITS = [1, 2, 4, 6, 9, 12]; // bits at which the next colour begins
let running = null;

function headers() {
  const key = sessionStorage.getItem("key");
  const found = { "Content-Type": "application/json" };
  if (key) found.Authorization = `Bearer ${key}`;
  return found;
}

function say(text, isError = false) {
  get("status").textContent = text;
  get("status").classList.toggle("error", isError);
}

async function refusal(response) {
  if (response.status === 401) get("key-row").hidden = false;
  try {
    return (await response.json()).error.message;
  } catch {
    return `the server answered ${response.status}`;
  }
}

async function loadModels() {
  const response = await fetch("v1/models", { headers: headers() });
  if (!response.ok) return say(await refusal(response), true);
  const models = (await response.json()).data;
  get("model").replaceChildren(...models.map((each) => new Option(each.id, each.id)));
  const describe = () => {
    const each = models.find((one) => one.id === get("model").value);
    get("engine").textContent = `${each.engine} · context of ${each.context} tokens`;
  };
  get("model").onchange = describe;
  describe();
  say("");
}

/* The server-sent events of a response, each as an object. */
async function* events(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let waiting = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const parts = (waiting + value).split("\n\n");
    waiting = parts.pop();
    for (const part of parts) {
      const data = part.replace(/^data: /, "");
      if (data === "[DONE]") return;
      yield JSON.parse(data);
    }
  }
}

/* Marks and what follows a Khmer coeng belong to the letter before them: one letter, one span. */
function joins(before, text) {
  return /^[\p{M}\u200d]/u.test(text) || /[\u17d2\u200d]$/u.test(before);
}

class Shown {
  constructor(place) {
    this.place = place;
    this.last = null;
    place.replaceChildren();
  }

  add(text, bits, isGiven) {
    if (!text) return;
    if (this.last && joins(this.last.textContent, text)) {
      this.last.textContent += text;
      bits += Number(this.last.dataset.bits);
    } else {
      this.last = document.createElement("span");
      this.last.textContent = text;
      this.place.append(this.last);
    }
    const level = LIMITS.filter((each) => bits >= each).length;
    this.last.className = `s${level}${isGiven ? " given" : ""}`;
    this.last.dataset.bits = bits;
    this.last.title = `${bits.toFixed(1)} bits`;
  }
}

function asked(prompt) {
  const found = { model: get("model").value, prompt, stream: true, echo: true, logprobs: 0 };
  found.inside_word = false; // as in endonym generate: the prompt's last word stays as it is
  for (const name of SLIDERS) found[name] = Number(get(name).value);
  found.min_tokens = Math.min(40, found.max_tokens); // as in endonym generate: small models end early
  if (get("seed").value !== "") found.seed = Number(get("seed").value);
  return found;
}

async function continueText() {
  const prompt = get("prompt").value;
  const shown = new Shown(get("text"));
  const started = performance.now();
  let tokens = 0;
  let length = 0;
  let reason = null;
  const body = asked(prompt);
  running = new AbortController();
  setRunning(true);
  say("…");
  try {
    const response = await fetch("v1/completions", {
      method: "POST",
      headers: headers(),
      body: JSON.stringify(body),
      signal: running.signal,
    });
    if (!response.ok) throw new Error(await refusal(response));
    for await (const event of events(response)) {
      if (event.error) throw new Error(event.error.message);
      for (const choice of event.choices) {
        const isGiven = length < prompt.replace(/ $/, "").length; // a last blank begins a word
        const nats = choice.logprobs.token_logprobs.reduce((sum, each) => sum - (each ?? 0), 0);
        shown.add(choice.text, nats / Math.LN2, isGiven);
        length += choice.text.length;
        if (!isGiven) tokens += choice.logprobs.tokens.length;
        reason = choice.finish_reason ?? reason;
      }
      const seconds = (performance.now() - started) / 1000;
      say(`${tokens} tokens · ${(tokens / seconds).toFixed(0)} a second`);
    }
    const isFull = reason === "length" && tokens < body.max_tokens;
    const end = reason === "stop" ? "the model ended the text" : isFull ? "the context is full" : "";
    if (end) say(`${get("status").textContent} · ${end}`);
  } catch (error) {
    if (error.name === "AbortError") say(`${tokens} tokens · stopped`);
    else say(error.message, true);
  } finally {
    setRunning(false);
  }
}

function setRunning(isRunning) {
  if (!isRunning) running = null;
  get("go").disabled = isRunning;
  get("stop").disabled = !isRunning;
  get("keep").disabled = isRunning || !get("text").textContent;
}

for (const name of SLIDERS) {
  const show = () => {
    get(name).parentElement.querySelector("output").textContent = get(name).value;
  };
  get(name).addEventListener("input", show);
  show();
}
get("form").addEventListener("submit", (event) => {
  event.preventDefault();
  if (!running) continueText();
});
get("prompt").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) get("form").requestSubmit();
});
get("stop").addEventListener("click", () => running?.abort());
get("keep").addEventListener("click", () => {
  get("prompt").value = get("text").textContent;
  get("prompt").focus();
});
get("text").addEventListener("click", (event) => {
  if (event.target.dataset.bits) say(`“${event.target.textContent}”: ${event.target.title}`);
});
get("key").addEventListener("change", () => {
  sessionStorage.setItem("key", get("key").value);
  loadModels();
});
if (innerWidth < 600) get("sampling").open = false; // so that the text is in sight
loadModels();

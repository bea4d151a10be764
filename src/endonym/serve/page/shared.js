"use strict";

/* What the pages share: the server, what a browser keeps, letters, and colours of surprise. */

const get = (id) => document.getElementById(id);
const LIMITS = [1, 2, 4, 6, 9, 12]; // bits at which the next colour begins

/* Browsers may forbid to keep anything, or have no room: then a reload begins anew. */
function stored(name) {
  try {
    return sessionStorage.getItem(name);
  } catch {
    return null;
  }
}

function store(name, text) {
  try {
    sessionStorage.setItem(name, text);
  } catch (error) {
    console.warn(error.message);
  }
}

function headers() {
  const key = get("key").value || stored("key");
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
    return (await response.json()).error;
  } catch {
    return { message: `the server answered ${response.status}` };
  }
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

function bits(logprobs) {
  return logprobs.reduce((sum, nats) => sum - (nats ?? 0), 0) / Math.LN2;
}

const level = (bits) => LIMITS.filter((each) => bits >= each).length;

/* Where the second half of a text from a place on begins: at a blank, if there is one. */
function middle(text, from) {
  const half = Math.ceil((from + text.length) / 2);
  const found = [/\s/, /\p{L}/u].map((each) => text.slice(half).search(each));
  return half + (found.find((each) => each >= 0) ?? 0);
}

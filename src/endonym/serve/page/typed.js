"use strict";

/* What is written: its letters, key presses, and marks that move while a text changes. */

const GRAPHEMES = new Intl.Segmenter(undefined, { granularity: "grapheme" });

/* How many letters with their signs a text has, as in endonym/script/letters.py: a subscript of
   Khmer or Burmese belongs to the letter before it. */
function letters(text) {
  let count = 0;
  let isJoined = false;
  for (const { segment } of GRAPHEMES.segment(text)) {
    if (!isJoined) count += 1;
    isJoined = /[\u1039\u17d2]$/u.test(segment);
  }
  return count;
}

/* Where two texts differ: from `begin` on, up to an end in each. */
function changed(before, after) {
  const shorter = Math.min(before.length, after.length);
  let begin = 0;
  while (begin < shorter && before[begin] === after[begin]) begin += 1;
  let same = 0;
  while (same < shorter - begin && before.at(-1 - same) === after.at(-1 - same)) same += 1;
  return { begin, endBefore: before.length - same, endAfter: after.length - same };
}

/* How many letters a change adds; none if it takes some away. */
function added(before, after) {
  const { begin, endBefore, endAfter } = changed(before, after);
  const from = Math.max(0, begin - 40); // signs may join the letter before them
  return Math.max(0, letters(after.slice(from, endAfter)) - letters(before.slice(from, endBefore)));
}

const shifted = (marks, by) => (
  marks.map((each) => ({ ...each, begin: each.begin + by, end: each.end + by }))
);

/* Marks ({begin, end}) after a change; those that it touches are gone. */
function moved(marks, { begin, endBefore, endAfter }) {
  const after = marks.filter((each) => each.end > begin && each.begin >= endBefore);
  return [...marks.filter((each) => each.end <= begin), ...shifted(after, endAfter - endBefore)];
}

/* The key presses of a text, counted as in endonym/evaluate/key_presses.py: a letter with its
   signs is one, and so is a suggestion with its blank. without: what the text takes if each letter
   is typed. made: what it has taken. */
class KeyPresses {
  constructor({ without = 0, made = 0 } = {}) {
    this.without = without;
    this.made = made;
  }

  typed(before, after) {
    const count = added(before, after);
    this.without += count;
    this.made += count;
  }

  took(before, after) {
    this.without += added(before, after);
    this.made += 1;
  }

  /* A key that writes no letter. */
  pressed() {
    this.made += 1;
  }

  get saved() {
    return this.without - this.made;
  }

  toString() {
    if (!this.without) return "no key pressed yet";
    const share = Math.round((100 * this.saved) / this.without);
    return `${this.saved} of ${this.without} key presses saved (${share} %)`;
  }
}

/* Tokens with their bits as marks; a token that is a part of a letter belongs to the one before.
   offsets: where each begins, in characters of `text`. Blanks have no colour. */
function coloured(text, offsets, nats, from) {
  const units = [0];
  for (const each of text) units.push(units.at(-1) + each.length);
  const found = [];
  nats.forEach((each, number) => {
    const begin = units[offsets[number]];
    const end = units[offsets[number + 1]] ?? text.length;
    const last = found.at(-1);
    const part = text.slice(begin, end);
    const sum = -(each ?? 0) / Math.LN2;
    if (last && (begin === end || joins(text.slice(0, begin), part))) {
      last.bits += sum;
      last.end = end;
    } else if (last && last.begin === last.end) {
      Object.assign(last, { end, bits: last.bits + sum });
    } else {
      found.push({ begin, end, bits: sum });
    }
  });
  return found.map(({ begin, end, bits: sum }) => {
    const part = text.slice(begin, end);
    const blanks = part.match(/^[\s\u200b]*/u)[0].length;
    const word = part.trimEnd().length;
    return { begin: from + begin + Math.min(blanks, word), end: from + begin + word, bits: sum };
  }).filter((each) => each.end > each.begin);
}

/* Findings in lines that were joined by line ends, by line. The server counts characters, a script
   counts halves of the rare ones. */
function byLine(lines, found) {
  const rest = [...found];
  let before = 0; // characters
  return lines.map((line) => {
    const units = [0];
    for (const each of line) units.push(units.at(-1) + each.length);
    const mine = [];
    while (rest.length && rest[0].begin < before + units.length) {
      const { begin, end, ...more } = rest.shift();
      mine.push({ ...more, begin: units[begin - before], end: units[end - before] });
    }
    before += units.length;
    return [line, mine];
  });
}

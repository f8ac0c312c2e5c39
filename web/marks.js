// marks.js - by what an expert is known on the page: a letter and a hue.
//
// Experts get them in the order in which they first speak, and keep them, so that an expert
// looks the same in every answer and on the map. There are eight hues; the letters differ
// where hues repeat, and for readers who see no hues.

const HUES = 8;
const order = new Map();

// A ... Z, AA, AB ...
function letters(i) {
    const last = String.fromCharCode(65 + (i % 26));
    return i < 26 ? last : letters(Math.floor(i / 26) - 1) + last;
}

export function markOf(name) {
    if (!order.has(name))
        order.set(name, order.size);
    const i = order.get(name);
    return {letter: letters(i), hue: `h${i % HUES}`};
}

// contrast.js - texts of the page that are hard to read against what lies behind them: a
// list of sentences, empty if all keep WCAG's ratios (4.5; 3 where letters are large).
//
// It is the body of a function. Colours are computed ones; a canvas turns any notation into
// bytes, and what is transparent is laid over what lies behind it.

const pen = Object.assign(document.createElement("canvas"), {width: 1, height: 1})
    .getContext("2d", {willReadFrequently: true});

function bytes(colours) { // painted one over another
    pen.clearRect(0, 0, 1, 1);
    for (const colour of colours) {
        pen.fillStyle = colour;
        pen.fillRect(0, 0, 1, 1);
    }
    return [...pen.getImageData(0, 0, 1, 1).data];
}

function luminance([r, g, b]) {
    const line = (x) => (x /= 255) <= 0.04045 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4;
    return 0.2126 * line(r) + 0.7152 * line(g) + 0.0722 * line(b);
}

const complaints = [];
let n = 0;
for (const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
     walk.nextNode();) {
    const element = walk.currentNode.parentElement, style = getComputedStyle(element);
    const box = element.getBoundingClientRect();
    if (!walk.currentNode.data.trim() || box.width < 2 || style.visibility !== "visible" ||
        element.closest(":disabled, option, title, noscript, script"))
        continue;
    const behind = [];
    for (let e = element; e; e = e.parentElement)
        behind.unshift(getComputedStyle(e).backgroundColor);
    const drawn = element instanceof SVGElement;
    const back = bytes(["white", ...behind]);
    const front = bytes([`rgb(${back.slice(0, 3)})`, drawn ? style.fill : style.color]);
    const [dark, light] = [luminance(front), luminance(back)].sort((a, b) => a - b);
    const ratio = (light + 0.05) / (dark + 0.05), size = parseFloat(style.fontSize);
    const isLarge = size >= 24 || (size >= 18.6 && style.fontWeight >= 700);
    n++;
    if (ratio < (isLarge ? 3 : 4.5))
        complaints.push(`"${walk.currentNode.data.trim()}" has ${ratio.toFixed(2)}`);
}
return n > 10 ? complaints : ["there is hardly any text"];

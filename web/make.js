// make.js - elements in few words, and what sets of them share.
//
// Text from the server or a person enters the page as text nodes, here and nowhere else.

const SVG = "http://www.w3.org/2000/svg";

function fill(element, what, inside) {
    for (const [name, value] of Object.entries(what)) {
        if (name.startsWith("on"))
            element.addEventListener(name.slice(2), value);
        else if (name.startsWith("--"))
            element.style.setProperty(name, value);
        else if (value !== null && value !== undefined && value !== false)
            element.setAttribute(name, value === true ? "" : value);
    }
    element.append(...inside.filter((x) => x !== null && x !== undefined));
    return element;
}

// make("p", {class: "help", onclick: f, "--hue": "red"}, "text", element, ...)
export function make(tag, what = {}, ...inside) {
    return fill(document.createElement(tag), what, inside);
}

// The same in a drawing.
export function draw(tag, what = {}, ...inside) {
    return fill(document.createElementNS(SVG, tag), what, inside);
}

export const byId = (id) => document.getElementById(id);

// A sentence in its place, which is gone while there is none.
export function say(place, sentence) {
    place.textContent = sentence ?? "";
    place.hidden = !sentence;
}

export const plural = (n, one, many) => `${n} ${n === 1 ? one : many}`;

const STEPS = {ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1};

// One stop of the Tab key for many elements: arrows, Home and End move among them.
export function rove(container, selector) {
    const elements = () => [...container.querySelectorAll(selector)];
    container.addEventListener("keydown", (event) => {
        const all = elements();
        const at = all.indexOf(event.target.closest(selector));
        if (at < 0)
            return;
        let next = at;
        if (event.key in STEPS)
            next = Math.min(Math.max(at + STEPS[event.key], 0), all.length - 1);
        else if (event.key === "Home")
            next = 0;
        else if (event.key === "End")
            next = all.length - 1;
        else
            return;
        event.preventDefault();
        all[next].focus();
    });
    container.addEventListener("focusin", (event) => {
        const target = event.target.closest(selector);
        for (const element of target ? elements() : [])
            element.setAttribute("tabindex", element === target ? "0" : "-1");
    });
}

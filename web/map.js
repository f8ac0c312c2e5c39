// map.js - the library as a map: experts are dots, the path of an answer is arrows.
//
// An answer's path goes from the expert with the most weight in one token to that of the
// next; a way that was taken more often is drawn thicker. Names are placed one by one,
// those of the path first, each where it touches no dot and no earlier name; one that finds
// no place is told when its dot is pointed at or focused.

import {make, draw, rove} from "./make.js";
import {markOf} from "./marks.js";

const WIDTH = 380, HEIGHT = 300, EDGE = 30, SMALL = 4, LETTERS = 11, NAMED = 60;

let drawings = 0; // each has an arrow head with an id of its own

// Both axes share one scale. Where the server tells no positions, experts stand in a ring.
function placesOf(library) {
    const n = library.experts.length;
    const at = library.map ?? library.experts.map((_, i) =>
        [1.2 * Math.cos(2 * Math.PI * i / n), Math.sin(2 * Math.PI * i / n)]);
    const xs = at.map((p) => p[0]), ys = at.map((p) => p[1]);
    const middle = (all) => (Math.min(...all) + Math.max(...all)) / 2;
    const reach = (all) => Math.max(Math.max(...all) - Math.min(...all), 1e-9);
    const scale = Math.min((WIDTH - 2 * EDGE) / reach(xs), (HEIGHT - 2 * EDGE) / reach(ys));
    return at.map(([x, y]) => ({x: WIDTH / 2 + scale * (x - middle(xs)),
                                y: HEIGHT / 2 - scale * (y - middle(ys))}));
}

const SPOTS = [["start", 1, 4], ["end", -1, 4], ["middle", 0, -5], ["middle", 0, 13]];

const touch = (a, b) => a.x0 < b.x1 && b.x0 < a.x1 && a.y0 < b.y1 && b.y0 < a.y1;

// The first of a few spots around `dot` where a name is free, or null.
function spotFor(name, dot, taken) {
    const wide = 0.56 * LETTERS * name.length;
    for (const [anchor, side, down] of SPOTS) {
        const far = dot.r + (dot.r > SMALL ? 7 : 4); // outside of a ring
        const x = dot.x + side * far;
        const y = dot.y + down + (side ? 0 : Math.sign(down) * (far - 4));
        const x0 = x - (anchor === "middle" ? wide / 2 : anchor === "end" ? wide : 0);
        const box = {x0, x1: x0 + wide, y0: y - LETTERS + 1, y1: y + 3};
        if (box.x0 > 1 && box.x1 < WIDTH - 1 && box.y0 > 1 && box.y1 < HEIGHT - 1 &&
            !taken.some((other) => touch(box, other)))
            return {anchor, x, y, box};
    }
    return null;
}

// A curve that bends to one side, so that there and back are two; it ends before the dot.
// {element, boxes}: what it covers, bit by bit; or null where two dots touch.
function arrow(a, b, count, head) {
    const dx = b.x - a.x, dy = b.y - a.y, length = Math.hypot(dx, dy);
    if (length < a.r + b.r + 4)
        return null;
    const bend = 0.16, mx = (a.x + b.x) / 2 - bend * dy, my = (a.y + b.y) / 2 + bend * dx;
    const from = (p, r) => {
        const d = Math.hypot(mx - p.x, my - p.y);
        return `${(p.x + r * (mx - p.x) / d).toFixed(1)} ` +
               `${(p.y + r * (my - p.y) / d).toFixed(1)}`;
    };
    const boxes = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9].map((t) => {
        const at = (p, q, r) => (1 - t) ** 2 * p + 2 * t * (1 - t) * q + t ** 2 * r;
        const x = at(a.x, mx, b.x), y = at(a.y, my, b.y);
        return {x0: x - 3, x1: x + 3, y0: y - 3, y1: y + 3};
    });
    const element = draw("path", {
        class: "way",
        d: `M${from(a, a.r + 1)} Q${mx.toFixed(1)} ${my.toFixed(1)} ${from(b, b.r + 5)}`,
        "stroke-width": Math.min(1.2 + 0.7 * Math.log2(count), 4).toFixed(2),
        "marker-end": `url(#${head})`,
    });
    return {element, boxes};
}

// [from, to, how often] of each two that follow one another.
function countWays(steps) {
    const ways = new Map();
    for (let t = 1; t < steps.length; t++) {
        const [from, to] = [steps[t - 1], steps[t]], key = `${from} ${to}`;
        if (from !== to)
            ways.set(key, [from, to, (ways.get(key)?.[2] ?? 0) + 1]);
    }
    return [...ways.values()];
}

const CLOSE = "Experts that lie close are alike.";
const RING = "Where experts lie is not told: they stand in a ring.";

// library: {experts: [{name, tasks}], map: [[x, y]] or null}.
export function makeMap(library) {
    const places = placesOf(library);
    const indexOf = new Map(library.experts.map((expert, i) => [expert.name, i]));
    const head = `head-${++drawings}`;
    const ways = draw("g"), dots = draw("g"), names = draw("g", {"aria-hidden": "true"});
    const svg = draw("svg", {class: "map", viewBox: `0 0 ${WIDTH} ${HEIGHT}`,
                             role: "listbox", "aria-label": "Map of the library"},
        draw("defs", {}, draw("marker", {id: head, viewBox: "0 0 8 8", refX: 6, refY: 4,
                                         markerWidth: 7, markerHeight: 7, orient: "auto",
                                         markerUnits: "userSpaceOnUse"},
                              draw("path", {class: "head", d: "M0 0 8 4 0 8z"}))),
        ways, dots, names);
    const caption = make("figcaption", {class: "help"});
    let usual = library.map ? CLOSE : RING, isTelling = false; // of one expert

    function tell(i) {
        isTelling = true;
        const {name, tasks} = library.experts[i];
        const isPlain = !tasks?.length || String(tasks) === name;
        caption.textContent = isPlain ? name : `${name}, of ${tasks.join(", ")}`;
    }

    function tellUsual() {
        isTelling = false;
        caption.textContent = usual;
    }

    const dotOf = library.experts.map((expert, i) => draw("g", {
        class: "dot", role: "option", tabindex: i ? "-1" : "0", "aria-label": expert.name,
        "aria-selected": "false", transform: `translate(${places[i].x} ${places[i].y})`,
        onpointerenter: () => tell(i), onfocus: () => tell(i),
        onpointerleave: tellUsual, onblur: tellUsual,
    }, draw("circle", {class: "reach", r: 11}), draw("circle", {class: "halo", r: 0}),
       draw("circle", {class: "spot", r: SMALL}), draw("text", {class: "letter", y: 3.5})));
    dots.append(...dotOf);
    rove(svg, ".dot");

    // Those of `used` may lie on an arrow if need be; `ways`: what arrows cover.
    function writeNames(used, others, ways) {
        const taken = places.map(({x, y, r}) =>
            ({x0: x - r, x1: x + r, y0: y - r, y1: y + r}));
        names.replaceChildren();
        for (const i of [...used, ...others]) {
            const name = library.experts[i].name;
            const spot = spotFor(name, places[i], [...taken, ...ways]) ??
                (used.includes(i) ? spotFor(name, places[i], taken) : null);
            if (!spot)
                continue;
            taken.push(spot.box);
            names.append(draw("text", {class: "name", x: spot.x, y: spot.y,
                                       "text-anchor": spot.anchor}, name));
        }
    }

    // path: names, one a token; shares: [[name, share of all weight]], most first.
    function drawPath(path, shares) {
        const all = library.experts.map((_, i) => i);
        for (const i of all)
            places[i].r = SMALL;
        const used = [];
        for (const [name, share] of shares) {
            const i = indexOf.get(name);
            if (i === undefined || !path.includes(name))
                continue;
            const mark = markOf(name), [, , spot, letter] = dotOf[i].children;
            places[i].r = 8 + 5 * Math.sqrt(share);
            dotOf[i].setAttribute("class", `dot used ${mark.hue}`);
            spot.setAttribute("r", places[i].r);
            letter.textContent = mark.letter;
            used.push(i);
        }
        const steps = path.map((name) => indexOf.get(name)).filter((i) => i !== undefined);
        const boxes = [];
        ways.replaceChildren();
        for (const [from, to, count] of countWays(steps)) {
            const way = arrow(places[from], places[to], count, head);
            ways.append(...(way ? [way.element] : []));
            boxes.push(...(way?.boxes ?? []));
        }
        if (steps.length) {
            const {x, y, r} = places[steps[0]], {name} = library.experts[steps[0]];
            ways.append(draw("circle", {class: "start", cx: x, cy: y, r: r + 4}));
            usual = `The path begins at the ringed ${markOf(name).letter}, ${name}; ` +
                    "thicker arrows were taken more often." +
                    (library.map ? "" : ` ${RING}`);
        }
        const others = all.length > NAMED ? [] : all.filter((i) => !used.includes(i));
        writeNames(used, others, boxes);
        if (!isTelling)
            tellUsual();
    }

    // Halos by the weights of one token: [[name, share]]; none: no halos.
    function light(weights = []) {
        const shares = new Map(weights);
        library.experts.forEach((expert, i) => {
            const share = shares.get(expert.name), [, halo] = dotOf[i].children;
            halo.setAttribute("r", share ? places[i].r + 3 + 12 * Math.sqrt(share) : 0);
            halo.setAttribute("class", share ? `halo ${markOf(expert.name).hue}` : "halo");
        });
    }

    drawPath([], []);
    return {elements: [svg, caption], drawPath, light};
}

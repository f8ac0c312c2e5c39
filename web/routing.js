// routing.js - which experts spoke: an answer's tokens, and what lies below each.
//
// What the server tells, whole or in parts as a stream comes in:
//   experts: [NAME...]  sites: ["layers.0.self_attn.o_proj"...]
//   tokens: [{token: TEXT, sites: [[[expert, weight]...], one list a site]}...]
//   everywhere: [[expert, weight]...]  of a router that treats all tokens and sites alike
// A token has the letter and the hue of the expert with the most weight, added over sites.

import {make, plural, rove} from "./make.js";
import {makeMap} from "./map.js";
import {markOf} from "./marks.js";

const SHOWN = 8; // experts of one site, or of the whole; the rest are counted

// {layer: "3", map: "o"} of "model.layers.3.self_attn.o_proj".
function siteOf(path) {
    const [, layer] = path.match(/(?:^|\.)(?:layers|h|blocks?)\.(\d+)\./) ?? [];
    return {layer, map: path.split(".").pop().replace(/_proj$/, "")};
}

const bySize = (map) => [...map].sort((a, b) => b[1] - a[1]);

function addTo(sums, name, weight) {
    sums.set(name, (sums.get(name) ?? 0) + weight);
}

// [[name, share]] of all weight at these sites, most first.
function sharesOf(sites, experts) {
    const sums = new Map();
    let all = 0;
    for (const [expert, weight] of sites.flat()) {
        addTo(sums, experts[expert], weight);
        all += weight;
    }
    return bySize(sums).map(([name, sum]) => [name, sum / (all || 1)]);
}

const shownToken = (text) => text.replaceAll("\n", "↵").replaceAll("\t", "⇥");

const percent = (share) => `${(100 * share).toFixed(share < 0.0995 ? 1 : 0)}%`;

function chip(name) {
    const mark = markOf(name);
    return make("b", {class: `chip ${mark.hue}`}, mark.letter);
}

// Weights as one bar of parts, and in words.
function weights(list) {
    const shown = list.slice(0, SHOWN), rest = list.length - shown.length;
    return [
        make("span", {class: "bar", "aria-hidden": "true"}, ...list.map(([name, weight]) =>
            make("span", {class: markOf(name).hue, "--weight": Math.max(weight, 0)}))),
        make("span", {class: "words"}, ...shown.map(([name, weight]) =>
            make("span", {class: "word"}, chip(name), ` ${name} ${weight.toFixed(2)}`)),
            rest > 0 ? make("span", {class: "word soft"}, `and ${rest} more`) : null),
    ];
}

export function makeRouting(library) {
    let experts = [], sites = [], everywhere = null, due = false, isOver = false;
    const tokens = [], tops = []; // tops: the name that each token goes by
    const sums = new Map();       // of the shares of each expert, over tokens
    const map = makeMap(library);
    const list = make("div", {class: "tokens", role: "listbox",
                              "aria-label": "Tokens of the answer and their experts",
                              "aria-orientation": "horizontal"});
    const legend = make("ul", {class: "legend", "aria-label": "Experts of this answer"});
    const heading = make("h3", {"aria-live": "polite"});
    const whole = make("button", {type: "button", class: "quiet", hidden: true,
                                  onclick: () => choose(null)}, "Whole answer");
    const rows = make("tbody");
    const table = make("table", {class: "sites"},
        make("caption", {class: "unseen"}, "Experts and their weights"), rows);
    const scroll = make("div", {class: "scroll", tabindex: "0", role: "region",
                                "aria-label": "Experts and their weights"}, table);
    const element = make("div", {class: "routing"}, list, legend,
        make("div", {class: "closer"},
            make("div", {class: "detail"},
                make("div", {class: "detail-top"}, heading, whole), scroll),
            make("figure", {class: "map-place"}, ...map.elements)));

    function wholeShares() {
        return everywhere ? sharesOf([everywhere], experts)
            : bySize(sums).map(([name, sum]) => [name, sum / tokens.length]);
    }

    function showWhole(shares) {
        const n = new Set(sites.map((site) => siteOf(site).layer)).size;
        heading.textContent = everywhere ? "The same at every token, layer and site"
            : `The whole answer: ${plural(tokens.length, "token", "tokens")}, ` +
            `${plural(sites.length, "site", "sites")} in ${plural(n, "layer", "layers")}`;
        rows.replaceChildren(...shares.slice(0, SHOWN).map(([name, share]) =>
            make("tr", {}, make("th", {scope: "row"}, chip(name), ` ${name}`),
                 make("td", {}, make("div", {class: "one"},
                     make("span", {class: "bar", "aria-hidden": "true"},
                          make("span", {class: markOf(name).hue, "--weight": share}),
                          make("span", {class: "none", "--weight": 1 - share})),
                     make("span", {class: "words"}, percent(share)))))));
        if (shares.length > SHOWN)
            rows.append(make("tr", {}, make("td", {colspan: "2", class: "soft"},
                                            `and ${shares.length - SHOWN} more`)));
    }

    function showToken(i) {
        heading.textContent = `“${shownToken(tokens[i].token)}”, token ${i + 1} of ` +
                              `${tokens.length}: mostly ${tops[i]}`;
        rows.replaceChildren(...tokens[i].sites.map((site, s) => {
            const {layer, map: module} = siteOf(sites[s] ?? "");
            const named = site.map(([expert, weight]) => [experts[expert], weight]);
            return make("tr", {title: sites[s]},
                make("th", {scope: "row"}, layer ? `${layer} ${module}` : module),
                make("td", {}, ...weights(named.sort((a, b) => b[1] - a[1]))));
        }));
    }

    // Show one token's experts, or with null those of the whole answer.
    function choose(i) {
        list.querySelector("[aria-selected=true]")?.setAttribute("aria-selected", "false");
        whole.hidden = i === null;
        if (i === null) {
            showWhole(wholeShares());
            map.light();
            return;
        }
        list.querySelectorAll(".token")[i].setAttribute("aria-selected", "true");
        showToken(i);
        map.light(sharesOf(tokens[i].sites, experts));
    }

    function addToken(token) {
        const shares = sharesOf(token.sites, experts), i = tokens.length;
        const [name, share] = shares[0] ?? ["nobody", 0], mark = markOf(name);
        tokens.push(token);
        tops.push(name);
        for (const [one, part] of shares)
            addTo(sums, one, part);
        list.append(make("span", {
            class: `token ${mark.hue}`, role: "option", tabindex: i ? "-1" : "0",
            "aria-selected": "false", "--tint": `${Math.round(10 + 26 * share)}%`,
            "aria-label": `${shownToken(token.token)}: ${name} ${percent(share)}`,
            onpointerenter: () => choose(i), onfocus: () => choose(i),
        }, make("span", {class: "said"}, shownToken(token.token)),
           make("span", {class: "letter"}, mark.letter)));
        if (token.token.includes("\n"))
            list.append(make("br"));
    }

    function redraw() {
        const shares = wholeShares(), counts = new Map();
        due = false;
        list.hidden = legend.hidden = Boolean(everywhere);
        for (const name of tops)
            addTo(counts, name, 1);
        legend.replaceChildren(...bySize(counts).map(([name, count]) =>
            make("li", {}, chip(name), ` ${name} `,
                 make("span", {class: "soft"}, plural(count, "token", "tokens")))));
        map.drawPath(tops, shares);
        scroll.style.setProperty(
            "--rows", Math.max(sites.length, Math.min(shares.length, SHOWN)));
        if (whole.hidden && isOver) // so that letters and hues go to those who speak, first
            showWhole(shares);
    }

    rove(list, ".token");
    element.addEventListener("keydown", (event) => {
        if (event.key === "Escape" && !whole.hidden) {
            event.stopPropagation(); // and stops no answer
            choose(null);
        }
    });

    function redrawSoon() { // at most once a frame
        if (!due)
            requestAnimationFrame(redraw);
        due = true;
    }

    return {
        element,
        get isEmpty() { return tokens.length === 0 && !everywhere; },
        add(part) {
            experts = part.experts ?? experts;
            sites = part.sites ?? sites;
            everywhere = part.everywhere ?? everywhere;
            if (!everywhere)
                part.tokens?.forEach(addToken);
            redrawSoon();
        },
        end() { // nothing more comes
            isOver = true;
            redrawSoon();
        },
    };
}

// answer.js - one answer: who gives it, its text as it comes, and which experts spoke.

import {make, say, plural} from "./make.js";
import {speak} from "./api.js";
import {makeRouting} from "./routing.js";

// What an id of /v1/models is: {kind: "base" | "router" | "expert", name}.
export function whoIs(id) {
    const [, ...rest] = id.split("/");
    if (rest.length === 0)
        return {kind: "base", name: "the base"};
    if (rest[0] === "expert")
        return {kind: "expert", name: rest.slice(1).join("/")};
    return {kind: "router", name: rest.join("/")};
}

const ENDS = {
    stop: "It ended by itself.",
    length: "It came to the most tokens allowed.",
    stopped: "You stopped it.",
};

const SILENCE = {
    base: () => "The base answered alone: no expert spoke.",
    expert: (name) => `One expert spoke at every token: ${name}.`,
    router: () => "The server did not tell which experts spoke.",
};

function summary(reason, usage, seconds) {
    const n = usage?.completion_tokens;
    const speed = n > 1 ? ` (${(n / seconds).toFixed(0)} a second)` : "";
    const count = n === undefined ? ""
        : `${plural(n, "token", "tokens")} in ${seconds.toFixed(1)} s${speed}. `;
    return count + (ENDS[reason] ?? "");
}

// A card in `place`, filled while the answer comes. Resolves to the text, or to null if
// there is none because of a failure, which the card tells.
//   ask: {id, path, request, opening}   opening: text that the answer goes on from, or ""
export async function answer(place, ask, library, signal) {
    const who = whoIs(ask.id), isRouted = who.kind === "router", began = performance.now();
    const routing = makeRouting(library);
    const said = make("span", {class: "said"});
    const note = make("p", {class: "help", hidden: true});
    const foot = make("p", {class: "foot soft", hidden: true});
    const title = who.kind === "expert" ? `expert ${who.name}` : who.name;
    const card = make("article", {class: "card", "aria-busy": "true", "aria-label": title},
        make("h2", {}, title),
        make("p", {class: "text"}, ask.opening
            ? make("span", {class: "opening"}, ask.opening) : null, said), note, foot);
    place.append(card);
    let text = "", silence = "", reason = null, usage = null, failure = null;
    try {
        for await (const part of speak(ask.path, ask.request, isRouted, signal)) {
            text += part.text ?? "";
            said.append(part.text ?? "");
            silence = part.silence ?? silence;
            reason = part.reason ?? reason;
            usage = part.usage ?? usage;
            if (!part.routing)
                continue;
            routing.add(part.routing);
            if (!routing.isEmpty && !routing.element.isConnected)
                note.before(routing.element);
        }
    } catch (problem) {
        if (problem.name === "AbortError")
            reason = "stopped";
        else
            failure = problem;
    }
    card.removeAttribute("aria-busy");
    routing.end();
    if (failure) {
        const hint = /chat template/.test(failure.message)
            ? " Under “Complete” it goes on with a text, which needs none." : "";
        note.before(make("p", {class: "problem", role: "alert"}, failure.message + hint));
        return text || null;
    }
    if (!text)
        said.append(make("span", {class: "soft"}, "The answer is empty."));
    say(foot, summary(reason, usage, (performance.now() - began) / 1000));
    if (routing.isEmpty)
        say(note, `${SILENCE[who.kind](who.name)} ${silence}`);
    return text;
}

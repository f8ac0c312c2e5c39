// api.js - what the page asks of the server, over its public API alone.
//
// Addresses are relative, so that the page works behind a proxy's prefix. A failure is a
// Refusal, whose message is a sentence for the reader.

const KEY = "quiver.key", LIBRARY_KEY = "quiver.library-key";

export const keys = {
    get reading() { return sessionStorage.getItem(KEY) ?? ""; },
    set reading(value) { sessionStorage.setItem(KEY, value); },
    get library() { return sessionStorage.getItem(LIBRARY_KEY) ?? ""; },
    set library(value) { sessionStorage.setItem(LIBRARY_KEY, value); },
};

export class Refusal extends Error {
    constructor(sentence, status = 0, param = null) {
        super(sentence);
        this.status = status;
        this.param = param;
    }
}

const LOST = "The server cannot be reached.";
const BROKEN = "The answer broke off: the connection to the server was lost.";

// The server's words as a sentence of the page.
function sentence(words) {
    const text = words.charAt(0).toUpperCase() + words.slice(1);
    return /[.!?]$/.test(text) ? text : text + ".";
}

function refusal(status, text) {
    let error = {};
    try {
        error = JSON.parse(text).error ?? {};
    } catch {
        // not JSON: a proxy's words, which say less than the status
    }
    const words = error.message ?? `the server answered with status ${status}`;
    if (status === 401)
        return new Refusal(`The server wants a key, or another one. ${sentence(words)}`,
                           401);
    if (status === 429)
        return new Refusal("The server is busy: try again in a moment.", 429);
    return new Refusal(sentence(words), status, error.param);
}

const bearer = (key) => (key ? {Authorization: `Bearer ${key}`} : {});

async function ask(path, options = {}) {
    let response;
    try {
        response = await fetch(path, options);
    } catch (failure) {
        throw failure.name === "AbortError" ? failure : new Refusal(LOST);
    }
    if (!response.ok)
        throw refusal(response.status, await response.text());
    return response;
}

// {base: ID, routers: [NAME...], experts: [NAME...]}
export async function readModels() {
    const response = await ask("v1/models", {headers: bearer(keys.reading)});
    const ids = (await response.json()).data.map((model) => model.id);
    const after = (id) => id.slice(id.indexOf("/") + 1);
    const rest = ids.filter((id) => id.includes("/")).map(after);
    return {
        base: ids.find((id) => !id.includes("/")),
        routers: rest.filter((name) => !name.startsWith("expert/")),
        experts: rest.filter((name) => name.startsWith("expert/")).map(after),
    };
}

// The library as the server tells it, or null if it does not.
export async function readLibrary() {
    try {
        const response = await ask("v1/library", {headers: bearer(keys.reading)});
        return await response.json();
    } catch (failure) {
        if (failure.status === 404 || failure.status === 405)
            return null;
        throw failure;
    }
}

// The events of a stream, one JSON value each.
async function* eventsOf(response) {
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    for (let rest = ""; ;) {
        const {value, done} = await reader.read().catch((failure) => {
            throw failure.name === "AbortError" ? failure : new Refusal(BROKEN);
        });
        if (done)
            throw new Refusal(BROKEN);
        const parts = (rest + value).split("\n\n");
        rest = parts.pop();
        for (const part of parts) {
            if (part === "data: [DONE]")
                return;
            if (part.startsWith("data: "))
                yield JSON.parse(part.slice(6));
        }
    }
}

// What is streamed of an answer: {text, routing, reason, usage}, each where it is there;
// and {silence}, a sentence, where the server does not tell the routing that is wanted.
export async function* speak(path, request, wantsRouting, signal) {
    const post = (body) => ask(path, {
        method: "POST",
        headers: {"Content-Type": "application/json", ...bearer(keys.reading)},
        body: JSON.stringify({...body, stream: true,
                              stream_options: {include_usage: true}}),
        signal,
    });
    let response;
    try {
        response = await post(wantsRouting ? {...request, routing: true} : request);
    } catch (failure) {
        if (failure.param !== "routing")
            throw failure;
        yield {silence: failure.message};
        response = await post(request);
    }
    for await (const event of eventsOf(response)) {
        if (event.error)
            throw new Refusal(sentence(event.error.message));
        const choice = event.choices?.[0];
        yield {text: choice?.text ?? choice?.delta?.content, routing: choice?.routing,
               reason: choice?.finish_reason, usage: event.usage};
    }
}

const expertPath = (name) => "v1/library/experts/" + encodeURIComponent(name);

// fetch() does not tell how much of a body was sent; XMLHttpRequest does.
export function addExpert(name, parts, onSent) {
    const form = new FormData();
    for (const [part, file] of Object.entries(parts))
        form.append(part, file);
    return new Promise((resolve, reject) => {
        const request = new XMLHttpRequest();
        request.open("PUT", expertPath(name));
        if (keys.library)
            request.setRequestHeader("Authorization", `Bearer ${keys.library}`);
        request.upload.onprogress = (event) => onSent(event.loaded, event.total);
        request.onerror = () => reject(new Refusal(LOST));
        request.onload = () => request.status < 300
            ? resolve() : reject(refusal(request.status, request.responseText));
        request.send(form);
    });
}

export async function removeExpert(name) {
    await ask(expertPath(name), {method: "DELETE", headers: bearer(keys.library)});
}

// page.js - the page: its views, its settings, and the conversation.

import {make, byId, say} from "./make.js";
import {keys, readModels, readLibrary} from "./api.js";
import {answer, whoIs} from "./answer.js";
import {setUpLibrary} from "./library.js";

const VIEWS = {
    chat: {title: "Ask the library", prompt: "Your message", send: "Send",
           path: "v1/chat/completions",
           lead: "One frozen language model and many small experts: every token of an " +
                 "answer goes to those that fit it. Below each answer you see which."},
    complete: {title: "Continue a text", prompt: "The text's beginning", send: "Continue",
               path: "v1/completions",
               lead: "Write how a text begins. The library goes on, and you see which " +
                     "experts spoke at every token."},
    library: {title: "The library"},
};

let view = "chat", library = {experts: [], map: null, isTold: false}, running = null;
const turns = [];                                          // of the chat
const logs = {chat: make("div"), complete: make("div")};   // what each view has said
byId("log").append(logs.chat, logs.complete);

// ---- who answers ----

function group(label, ids, name) {
    return ids.length ? make("optgroup", {label}, ...ids.map((id) =>
        make("option", {value: id}, name(id)))) : null;
}

function fillSelect(select, models, first) {
    const chosen = select.value;
    const name = (id) => whoIs(id).name;
    select.replaceChildren(...[first,
        make("option", {value: models.base}, "the base alone"),
        group("Routers, over all experts",
              models.routers.map((router) => `${models.base}/${router}`), name),
        group("One expert",
              models.experts.map((expert) => `${models.base}/expert/${expert}`), name)]
        .filter(Boolean));
    const ids = [...select.options].map((option) => option.value);
    const arrow = `${models.base}/arrow`;
    select.value = ids.includes(chosen) ? chosen
        : first ? "" : ids.includes(arrow) && models.experts.length ? arrow : models.base;
}

function settingsChanged() {
    const chosen = [byId("who").value, byId("beside").value].filter(Boolean);
    byId("k").disabled = !chosen.some((id) => whoIs(id).kind === "router");
    byId("settings-gist").textContent = chosen.map((id) => whoIs(id).name).join(" and ");
}

// The models and the library, as they are now. A failure is told where one reads.
async function refresh() {
    try {
        const models = await readModels();
        const told = await readLibrary();
        library = told ? {...told, map: told.map ?? null, isTold: true}
            : {experts: models.experts.map((name) => ({name})), map: null, isTold: false};
        if (library.map?.length !== library.experts.length)
            library.map = null;
        fillSelect(byId("who"), models, null);
        fillSelect(byId("beside"), models, make("option", {value: ""}, "nobody"));
        settingsChanged();
        showLibrary(library);
        say(byId("server-note"), "");
    } catch (failure) {
        say(byId("server-note"), failure.message);
        byId("library-lead").textContent = failure.message;
    }
}

const showLibrary = setUpLibrary(refresh);

// ---- asking ----

const number = (id) => (byId(id).value === "" ? null : Number(byId(id).value));

// The request's JSON for one who answers; side 1 stands beside side 0.
function requestTo(id, prompt, side) {
    const request = {model: id, temperature: number("temperature") ?? 0,
                     max_tokens: number("max-tokens") ?? 96};
    if (whoIs(id).kind === "router" && number("k"))
        request.router_top_k = number("k");
    if (view === "complete")
        return {...request, prompt};
    const said = turns.flatMap(({prompt: before, answers}) => [
        {role: "user", content: before},
        {role: "assistant", content: answers[side] ?? answers[0]}]);
    return {...request, messages: [...said, {role: "user", content: prompt}]};
}

function setRunning(control) {
    running = control;
    byId("stop").hidden = !control;
    byId("send").hidden = Boolean(control);
    byId("clear").hidden = Boolean(control) || !logs[view].hasChildNodes();
}

async function send(event) {
    const prompt = byId("prompt").value, isChat = view === "chat", {path} = VIEWS[view];
    event.preventDefault();
    if (running || !prompt.trim())
        return;
    const ids = [byId("who").value, byId("beside").value].filter(Boolean);
    const place = make("div", {class: "answers"});
    const turn = make("section", {class: "turn", "aria-label": "Prompt and answers"},
        isChat ? make("p", {class: "mine"},
                      make("span", {class: "unseen"}, "You: "), prompt) : null, place);
    const requests = ids.map((id, side) => requestTo(id, prompt, side));
    logs[view].append(turn);
    setRunning(new AbortController());
    byId("prompt").value = "";
    byId("prompt").focus();
    const opening = isChat ? "" : prompt;
    const coming = ids.map((id, side) => answer(
        place, {id, path, request: requests[side], opening}, library, running.signal));
    turn.scrollIntoView({block: "start"});
    const answers = await Promise.all(coming);
    if (isChat && answers[0] !== null)
        turns.push({prompt, answers});
    else if (answers.every((text) => text === null) && !byId("prompt").value)
        byId("prompt").value = prompt; // to be sent again
    const hadFocus = document.activeElement === byId("stop");
    setRunning(null);
    if (hadFocus)
        byId("prompt").focus();
}

function stop() {
    running?.abort();
}

// ---- views ----

function showView() {
    stop();
    view = location.hash.slice(1) in VIEWS ? location.hash.slice(1) : "chat";
    const isLibrary = view === "library", {title, lead, prompt, send: word} = VIEWS[view];
    byId("ask").hidden = isLibrary;
    byId("library").hidden = !isLibrary;
    document.title = `${title} – quiver`;
    for (const link of document.querySelectorAll("nav a"))
        if (link.hash === `#${view}`)
            link.setAttribute("aria-current", "page");
        else
            link.removeAttribute("aria-current");
    if (isLibrary)
        return;
    byId("ask-title").textContent = title;
    byId("ask-lead").textContent = lead;
    byId("prompt-label").textContent = prompt;
    byId("send").textContent = word;
    for (const [name, log] of Object.entries(logs))
        log.hidden = name !== view;
    setRunning(running);
}

function setUp() {
    byId("composer").addEventListener("submit", send);
    byId("prompt").addEventListener("keydown", (event) => {
        if (event.key === "Enter" && !event.shiftKey && !event.isComposing)
            send(event);
    });
    byId("stop").addEventListener("click", stop);
    byId("clear").addEventListener("click", () => {
        logs[view].replaceChildren();
        if (view === "chat")
            turns.length = 0;
        setRunning(null);
        byId("prompt").focus();
    });
    document.addEventListener("keydown", (event) => {
        if (event.key === "Escape")
            stop();
    });
    byId("settings").addEventListener("submit", (event) => event.preventDefault());
    byId("settings").addEventListener("change", settingsChanged);
    byId("key").value = keys.reading;
    byId("key").addEventListener("change", () => {
        keys.reading = byId("key").value;
        refresh();
    });
    if (matchMedia("(max-width: 820px)").matches)
        document.querySelector(".settings").open = false;
    addEventListener("hashchange", showView);
    showView();
    refresh();
}

setUp();

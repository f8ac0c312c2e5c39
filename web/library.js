// library.js - the experts of the library: a table, a map, adding and removing.

import {make, byId, say, plural} from "./make.js";
import {addExpert, removeExpert, keys} from "./api.js";
import {makeMap} from "./map.js";

const MOST_ROWS = 200; // of a library of thousands; the search finds the others

function size(bytes) {
    if (bytes === undefined)
        return "–";
    const units = ["B", "KB", "MB", "GB"];
    let i = 0;
    for (; bytes >= 1000 && i + 1 < units.length; i++)
        bytes /= 1000;
    return `${bytes.toFixed(i && bytes < 10 ? 1 : 0)} ${units[i]}`;
}

function scores(expert) {
    const told = (expert.scores ?? []).filter((score) => Number.isFinite(score.value));
    const one = ({metric, task, value}) => `${metric.replaceAll("_", " ")} ` +
        `${value.toPrecision(3)}${expert.tasks?.length > 1 ? ` (${task})` : ""}`;
    const rest = told.length > 3 ? `, and ${told.length - 3} more` : "";
    return told.slice(0, 3).map(one).join(", ") + rest || "–";
}

function tasks(expert) {
    const all = expert.tasks ?? [];
    const rest = all.length > 6 ? `, and ${all.length - 6} more` : "";
    return all.slice(0, 6).join(", ") + rest || "–";
}

// Which files are the adapter's: {parts: {config, weights} or {gguf}, stem} or {problem}.
export function sortFiles(files) {
    const ending = (end) => files.filter((file) => file.name.toLowerCase().endsWith(end));
    const [gguf, weights] = [ending(".gguf"), ending(".safetensors")];
    const config = files.filter((file) => file.name === "adapter_config.json");
    if (files.length === 0)
        return {problem: "Nothing is chosen."};
    if (gguf.length === 1 && weights.length === 0)
        return {parts: {gguf: gguf[0]}, stem: gguf[0].name.replace(/\.gguf$/i, "")};
    if (gguf.length + weights.length > 1)
        return {problem: "One expert at a time: there are several files of weights."};
    if (weights.length === 0)
        return {problem: "There are no weights: adapter_model.safetensors or a GGUF file."};
    if (config.length !== 1)
        return {problem: "adapter_config.json is missing: it says what the weights are."};
    return {parts: {config: config[0], weights: weights[0]}, stem: ""};
}

const readEntries = (directory) => new Promise((resolve, reject) =>
    directory.createReader().readEntries(resolve, reject));
const fileOf = (entry) => new Promise((resolve, reject) => entry.file(resolve, reject));

// What was dropped: files, or one directory of them, whose name it is.
async function dropped(transfer) {
    const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.());
    if (entries.length !== 1 || !entries[0]?.isDirectory)
        return {files: [...transfer.files], name: ""};
    const inside = (await readEntries(entries[0])).filter((entry) => entry.isFile);
    return {files: await Promise.all(inside.map(fileOf)), name: entries[0].name};
}

// onChange: read the library again, and call show() with it.
export function setUpLibrary(onChange) {
    let library = {experts: [], map: null, isTold: false};
    let chosen = {problem: "Nothing is chosen."};
    const status = (sentence, isProblem = false) => {
        byId("library-status").classList.toggle("problem", isProblem);
        say(byId("library-status"), sentence);
    };

    function confirmed(question) {
        const dialog = byId("confirm");
        byId("confirm-text").textContent = question;
        dialog.returnValue = "";
        dialog.showModal();
        return new Promise((resolve) => dialog.addEventListener(
            "close", () => resolve(dialog.returnValue === "yes"), {once: true}));
    }

    async function remove(name) {
        if (!await confirmed(`Remove the expert ${name} from the library?`))
            return;
        try {
            await removeExpert(name);
            await onChange();
            status(`${name} was removed.`);
        } catch (failure) {
            status(`${name} was not removed. ${failure.message}`, true);
        }
        byId("library-status").scrollIntoView({block: "nearest"});
    }

    function row(expert) {
        const cell = (label, text, what = {}) =>
            make("td", {"data-label": label, ...what}, text);
        return make("tr", {},
            make("th", {scope: "row"}, expert.name),
            cell("Tasks", tasks(expert)), cell("Scores", scores(expert)),
            cell("Rank", expert.rank ?? "–", {class: "number"}),
            cell("Size", size(expert.bytes), {class: "number"}),
            make("td", {class: "number"}, library.isTold
                ? make("button", {type: "button", class: "quiet", onclick: () =>
                    remove(expert.name), "aria-label": `Remove ${expert.name}`}, "Remove")
                : null));
    }

    function fillTable() {
        const word = byId("find").value.trim().toLowerCase();
        const has = (text) => text.toLowerCase().includes(word);
        const found = library.experts.filter(({name, tasks: all}) =>
            has(name) || all?.some(has));
        byId("experts").replaceChildren(...found.slice(0, MOST_ROWS).map(row));
        const most = found.length > MOST_ROWS ? `, the first ${MOST_ROWS} shown` : "";
        byId("found").textContent = word || most
            ? `${found.length} of ${library.experts.length}${most}` : "";
    }

    function choose(files, name = "") {
        chosen = sortFiles(files);
        byId("chosen").textContent = chosen.problem ??
            `Chosen: ${Object.values(chosen.parts).map((file) =>
                `${file.name} (${size(file.size)})`).join(", ")}.`;
        if (chosen.parts && !byId("name").value)
            byId("name").value = name || chosen.stem;
        status("");
    }

    async function add(event) {
        const name = byId("name").value.trim();
        event.preventDefault();
        const problem = chosen.problem ?? (name ? null : "The expert needs a name.");
        if (problem) {
            status(problem, true);
            byId(chosen.problem ? "files" : "name").focus();
            return;
        }
        byId("sent").hidden = false;
        byId("add-button").disabled = true;
        try {
            await addExpert(name, chosen.parts, (sent, all) => {
                byId("sent").value = sent / (all || 1);
                status(sent < all ? `${size(sent)} of ${size(all)} are sent.`
                                  : "All is sent; the server reads it.");
            });
            await onChange();
            status(`${name} was added: the library has ` +
                   `${plural(library.experts.length, "expert", "experts")}.`);
            byId("name").value = byId("files").value = "";
            chosen = {problem: "Nothing is chosen."};
            byId("chosen").textContent = chosen.problem;
        } catch (failure) {
            status(failure.status === 404 || failure.status === 405
                ? "This server takes no experts while it runs."
                : `${name} was not added. ${failure.message}`, true);
        }
        byId("add-button").disabled = false;
        byId("sent").hidden = true;
    }

    const drop = byId("drop");
    for (const kind of ["dragenter", "dragover"])
        drop.addEventListener(kind, (event) => {
            event.preventDefault();
            drop.classList.add("over");
        });
    for (const kind of ["dragleave", "drop"])
        drop.addEventListener(kind, () => drop.classList.remove("over"));
    drop.addEventListener("drop", async (event) => {
        event.preventDefault();
        const {files, name} = await dropped(event.dataTransfer);
        choose(files, name);
    });
    byId("files").addEventListener("change", () => choose([...byId("files").files]));
    byId("library-key").value = keys.library;
    byId("library-key").addEventListener("input", () => {
        keys.library = byId("library-key").value;
    });
    byId("find").addEventListener("input", fillTable);
    byId("add").addEventListener("submit", add);
    byId("confirm-yes").addEventListener("click", () => byId("confirm").close("yes"));
    byId("confirm-no").addEventListener("click", () => byId("confirm").close(""));

    return function show(told) {
        library = told;
        byId("library-lead").textContent = told.isTold
            ? `${plural(told.experts.length, "expert", "experts")} over one frozen model.`
            : told.experts.length
                ? "This server tells its experts' names alone; it takes none while it runs."
                : "This server has no library: the base answers alone.";
        byId("add").hidden = !told.isTold;
        byId("experts").parentElement.classList.toggle("names", !told.isTold);
        byId("library-map").replaceChildren(...told.experts.length
            ? makeMap(told).elements : []);
        fillTable();
    };
}

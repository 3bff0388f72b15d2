import { navigate, operationPath } from "../app/router.js";
import { client, describe, may, request } from "../app/server.js";
import { typedJson } from "../parts/dialog.js";
import { html, nothing, render } from "../vendor/lit-html/lit-html.js";

/** Names that are suggested are those of so many of the newest operations. */
const LOOK_AT = 500;

/**
 * Starting an operation: the sample's, where it runs, or any orchestration by its name.
 * @param {import("../app/main.js").Stage} stage
 * @param {URLSearchParams} query `name` and `input` fill the form in
 */
export function showStart({ root, signal, onState }, query) {
  document.title = "Start · dts-push";
  onState(undefined);
  if (!may("operations:start")) {
    render(html`<p class="notice">You may not start operations here.</p>`, root);
    return;
  }
  let [sample, message] = [false, ""];
  const errors = { input: "", tags: "" };
  /** @type {string[]} */
  let names = [];

  /** @param {() => Promise<string>} start @returns {Promise<void>} */
  const go = async (start) => {
    message = "";
    try {
      navigate(operationPath(await start()));
    } catch (error) {
      message = describe(error);
      draw();
    }
  };

  const startSample = (/** @type {SubmitEvent} */ event) => {
    event.preventDefault();
    const form = new FormData(/** @type {HTMLFormElement} */ (event.currentTarget));
    const body = {
      processing_time: Number(form.get("processing_time")),
      steps: Number(form.get("steps")),
    };
    void go(async () => (await client.startSample(body)).operation_id);
  };

  const startAny = (/** @type {SubmitEvent} */ event) => {
    event.preventDefault();
    const form = new FormData(/** @type {HTMLFormElement} */ (event.currentTarget));
    const text = (/** @type {string} */ name) => String(form.get(name) ?? "").trim();
    void go(async () => {
      const input = typedJson(text("input"));
      const [id, version, startAt] = [text("operation_id"), text("version"), text("start_at")];
      const started = await client.start(text("name"), input, {
        ...(id && { operation_id: id }),
        ...(version && { version }),
        ...(startAt && { start_at: new Date(startAt) }),
        ...(text("tags") && { tags: typedTags(text("tags")) }),
      });
      return started.operation_id;
    });
  };

  /** @param {"input" | "tags"} name @param {(text: string) => unknown} read */
  const check =
    (name, read) =>
    (/** @type {Event} */ { currentTarget }) => {
      const field = /** @type {HTMLInputElement | HTMLTextAreaElement} */ (currentTarget);
      try {
        read(field.value);
        errors[name] = "";
      } catch (error) {
        errors[name] = describe(error);
      }
      field.setCustomValidity(errors[name]);
      draw();
    };
  const [checkInput, checkTags] = [check("input", typedJson), check("tags", typedTags)];

  /** @param {"input" | "tags"} name */
  const errorOf = (name) =>
    html`<p id=${`${name}-error`} class="bad-text" ?hidden=${errors[name] === ""}>${errors[name]}</p>`;

  /** The browser names what is wrong with a field only where it is seen. */
  const openDetails = (/** @type {Event} */ { currentTarget }) => {
    const details = /** @type {HTMLElement} */ (currentTarget).closest("details");
    if (details) details.open = true;
  };

  const draw = () => {
    if (signal.aborted) return;
    render(
      html`<h1>Start an operation</h1>
        ${message ? html`<p class="notice bad" role="alert">${message}</p>` : nothing}
        ${
          sample
            ? html`<form class="panel" aria-labelledby="sample-title" @submit=${startSample}>
                <h2 id="sample-title">The sample</h2>
                <div class="fields">
                  <label>Processing time (s)<input name="processing_time" type="number" min="0" max="86400" value="10" required /></label>
                  <label>Steps<input name="steps" type="number" min="1" max="1000" value="10" required /></label>
                </div>
                <button type="submit" class="primary">Start the sample</button>
              </form>`
            : nothing
        }
        <form class="panel" aria-labelledby="any-title" @submit=${startAny}>
          <h2 id="any-title">Any orchestration</h2>
          <label>Name<input name="name" list="names" required autocomplete="off" .value=${query.get("name") ?? ""} /></label>
          <datalist id="names">${names.map((name) => html`<option value=${name}></option>`)}</datalist>
          <label>Input (JSON)<textarea name="input" rows="6" spellcheck="false" placeholder='{"items": ["lamp", "chair"]}' aria-describedby="input-error" @input=${checkInput} .defaultValue=${query.get("input") ?? ""}></textarea></label>
          ${errorOf("input")}
          <details>
            <summary>Id, tags, version, time</summary>
            <div class="fields">
              <label>Id<input name="operation_id" maxlength="100" autocomplete="off" placeholder="a random one" /></label>
              <label>Version<input name="version" autocomplete="off" /></label>
              <label>Start at, by your clock<input name="start_at" type="datetime-local" /></label>
              <label>Tags<input name="tags" autocomplete="off" placeholder="team=shipping, priority=high" aria-describedby="tags-error" @input=${checkTags} @invalid=${openDetails} /></label>
            </div>
            ${errorOf("tags")}
          </details>
          <button type="submit" class="primary">Start</button>
        </form>`,
      root,
    );
  };
  const load = async () => {
    const [sampleAnswer, newest] = await Promise.allSettled([
      request("api/sample").then((response) => response.json()),
      client.list({ limit: LOOK_AT }),
    ]);
    if (sampleAnswer.status === "fulfilled") sample = sampleAnswer.value.enabled === true;
    if (newest.status === "fulfilled") {
      names = [...new Set(newest.value.operations.map(({ name }) => name))].sort();
    }
    draw();
  };
  draw();
  void load();
}

/** @param {string} text `key=value`, separated by commas */
function typedTags(text) {
  const pairs = text
    .split(",")
    .map((pair) => pair.trim())
    .filter(Boolean);
  /** @type {Map<string, string>} */
  const tags = new Map();
  for (const pair of pairs) {
    const at = pair.indexOf("=");
    if (at < 1) throw new Error(`A tag is written key=value, not "${pair}".`);
    const key = pair.slice(0, at).trim();
    if (tags.has(key)) throw new Error(`The tag "${key}" is there twice. A tag has one value.`);
    tags.set(key, pair.slice(at + 1).trim());
  }
  return Object.fromEntries(tags);
}

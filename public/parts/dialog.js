import { describe } from "../app/server.js";
import { html, nothing, render } from "../vendor/lit-html/lit-html.js";
import { parseJson } from "./json-text.js";

/**
 * A question before something is done, with what it takes: a form in a modal dialog. It stays open, with the reason,
 * where that fails. When it is closed, `signal` ends what it does.
 *
 * @param {{
 *   title: string,
 *   text?: string,
 *   fields?: unknown,
 *   confirm: string,
 *   danger?: boolean,
 *   act(form: FormData, progress: (text: string) => void, signal: AbortSignal): Promise<void>,
 * }} question
 */
export function ask({ title, text, fields, confirm, danger = false, act }) {
  const opener = document.activeElement;
  const host = /** @type {HTMLElement} */ (document.getElementById("dialogs"));
  const dialog = document.createElement("dialog");
  dialog.setAttribute("aria-labelledby", "dialog-title");
  host.append(dialog);
  const closed = new AbortController();
  let [message, isError, busy] = ["", false, false];
  const draw = () => {
    render(
      html`<form @submit=${submit}>
        <h2 id="dialog-title">${title}</h2>
        ${text ? html`<p>${text}</p>` : nothing} ${fields ?? nothing}
        <p class=${isError ? "notice bad" : "quiet"} role=${isError ? "alert" : "status"} ?hidden=${message === ""}>
          ${message}
        </p>
        <div class="buttons">
          <button type="button" @click=${() => dialog.close()}>Cancel</button>
          <button type="submit" class=${danger ? "danger" : "primary"} ?disabled=${busy}>${confirm}</button>
        </div>
      </form>`,
      dialog,
    );
  };
  const submit = async (/** @type {SubmitEvent} */ event) => {
    event.preventDefault();
    const form = new FormData(/** @type {HTMLFormElement} */ (event.currentTarget));
    [message, isError, busy] = ["", false, true];
    draw();
    try {
      await act(
        form,
        (progress) => {
          message = progress;
          draw();
        },
        closed.signal,
      );
      dialog.close();
    } catch (error) {
      [message, isError, busy] = [describe(error), true, false];
      draw();
    }
  };
  dialog.addEventListener("close", () => {
    closed.abort();
    dialog.remove();
    if (opener instanceof HTMLElement && opener.isConnected) opener.focus();
  });
  draw();
  dialog.showModal();
}

/**
 * JSON that a reader has typed. An empty text is `undefined`.
 * @param {unknown} text
 * @throws Error that says where it is wrong
 */
export function typedJson(text) {
  const json = String(text ?? "").trim();
  if (json === "") return undefined;
  try {
    return parseJson(json);
  } catch (error) {
    throw new Error(`This is not valid JSON: ${/** @type {Error} */ (error).message}`);
  }
}

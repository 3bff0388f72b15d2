import { html, nothing } from "../vendor/lit-html/lit-html.js";
import { formatJson } from "./json-text.js";

/** Longest text that is drawn. All of it can be copied. */
const MAX_DRAWN = 20_000;

/**
 * A JSON value, readable, with a button that copies it.
 * @param {string} title
 * @param {unknown} value
 * @param {string} [hint]
 */
export function jsonBlock(title, value, hint) {
  if (value === undefined) return nothing;
  const text = typeof value === "string" ? value : formatJson(value, 2);
  const isCut = text.length > MAX_DRAWN;
  return html`<section class="json">
    <header>
      <h3>${title}</h3>
      ${hint ? html`<span class="quiet">${hint}</span>` : nothing}
      ${copyButton(text, `Copy ${title.toLowerCase()}`)}
    </header>
    <pre tabindex="0" aria-label=${title}>${text.slice(0, MAX_DRAWN)}${isCut ? "…" : nothing}</pre>
    ${isCut ? html`<p class="quiet">${text.length.toLocaleString("en")} characters. Copy has all of them.</p>` : nothing}
  </section>`;
}

/**
 * @param {string} text
 * @param {string} label
 */
export function copyButton(text, label) {
  const copy = async (/** @type {Event} */ { currentTarget }) => {
    const button = /** @type {HTMLElement} */ (currentTarget);
    const copied = await navigator.clipboard?.writeText(text).then(
      () => true,
      () => false,
    );
    button.dataset.copied = copied ? "yes" : "no";
    setTimeout(() => delete button.dataset.copied, 1500);
  };
  return html`<button type="button" class="copy" aria-label=${label} title=${label} @click=${copy}></button>`;
}

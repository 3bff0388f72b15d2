import { Html, html } from "./html.ts";

/** The Markdown that descriptions use: paragraphs, lists, `code`, **bold** and links. */
export function markdown(text: string): Html[] {
  return text.split("\n\n").map((block) => {
    if (!block.startsWith("- ")) return html`<p>${inline(block)}</p>`;
    const items = block.slice(2).split("\n- ");
    return html`<ul>${items.map((item) => html`<li>${inline(item)}</li>`)}</ul>`;
  });
}

/** One line of it. */
export function inline(text: string): Html[] {
  return text.split(/(`[^`]+`|\*\*[^*]+\*\*|\[[^\]]+\]\([^)]+\))/).map((part) => {
    if (part.startsWith("`")) return html`<code>${part.slice(1, -1)}</code>`;
    if (part.startsWith("**")) return html`<strong>${part.slice(2, -2)}</strong>`;
    const [, label, href] = /^\[(.+)\]\((.+)\)$/.exec(part) ?? [];
    return label && href ? html`<a href="${href}">${label}</a>` : html`${part}`;
  });
}

/** JSON with line breaks, its tokens marked for colours. */
export function prettyJson(value: unknown): Html {
  const text = JSON.stringify(value, undefined, 2);
  // A string with a colon behind it, a string, a number or a word.
  const parts = text.split(/("(?:[^"\\]|\\.)*"(?:\s*:)?|-?\d[\d.eE+-]*|true|false|null)/);
  return html`<pre class="json"><code>${parts.map((part, at) => (at % 2 ? token(part) : part))}</code></pre>`;
}

function token(part: string): Html {
  if (part.endsWith(":")) return html`<span class="key">${part.slice(0, -1)}</span>:`;
  const kind = part.startsWith('"') ? "string" : "literal";
  return new Html(html`<span class="${kind}">${part}</span>`.text);
}

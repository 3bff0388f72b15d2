import { urlOf } from "../app/base.js";
import { may } from "../app/server.js";
import { copyButton } from "../parts/json.js";
import { html, nothing } from "../vendor/lit-html/lit-html.js";

const WORKER = `import { TaskHubGrpcWorker } from "@microsoft/durabletask-js";

const work = async (_context, item) => {
  await new Promise((resolve) => setTimeout(resolve, 1000));
  return \`\${item} is done\`;
};

const process = async function* (context, { items }) {
  for (const [index, item] of items.entries()) {
    const percent = Math.round((100 * index) / items.length);
    context.setCustomStatus({ percent, message: item });
    yield context.callActivity("work", item);
  }
  return "all done";
};

const worker = new TaskHubGrpcWorker({ hostAddress: "localhost:8080", workItemFilters: "auto" });
worker.addNamedOrchestrator("process", process);
worker.addNamedActivity("work", work);
await worker.start();`;

/** A task hub without operations: how to get the first one. */
export function emptyState() {
  const start = `curl -N ${urlOf("api/operations")} -H 'content-type: application/json' \\
  -H 'accept: text/event-stream' -d '{"name": "process", "input": {"items": ["a", "b", "c"]}}'`;
  return html`<section class="empty">
    <h2 class="wide">No operation yet</h2>
    <p class="wide">This page shows every orchestration of the task hub as soon as it starts, whichever program starts it.</p>
    <div>
      <h3>1. A worker, in JavaScript</h3>
      <div class="code">${copyButton(WORKER, "Copy the worker")}<pre tabindex="0" aria-label="A worker">${WORKER}</pre></div>
      <p class="quiet">The custom status is what draws the progress bar: <code>percent</code>, 0 to 100, and a <code>message</code> beside it.</p>
    </div>
    <div>
      <h3>2. Start it, and watch it here</h3>
      <div class="code">${copyButton(start, "Copy the command")}<pre tabindex="0" aria-label="A command">${start}</pre></div>
      ${may("operations:start") ? html`<p class="quiet">Or <a href=${urlOf("start").href}>start it from this page</a>. Until a worker takes it, it is shown as pending.</p>` : nothing}
    </div>
  </section>`;
}

import { caller, describe, signIn, signOut } from "../app/server.js";
import { html, nothing, render } from "../vendor/lit-html/lit-html.js";

/**
 * Asks for a key or a token until the server accepts one.
 * @param {HTMLElement} main
 * @returns {Promise<void>}
 */
export function askForCredential(main) {
  const root = document.createElement("div");
  main.replaceChildren(root);
  document.title = "Sign in · dts-push";
  /** @type {PromiseWithResolvers<void>} */
  const signedIn = Promise.withResolvers();
  let message = "";
  const submit = async (/** @type {SubmitEvent} */ event) => {
    event.preventDefault();
    const form = new FormData(/** @type {HTMLFormElement} */ (event.currentTarget));
    try {
      if (await signIn(String(form.get("credential")).trim())) return signedIn.resolve();
      message = "The server does not accept this credential.";
    } catch (error) {
      message = describe(error);
    }
    draw();
  };
  const draw = () =>
    render(
      html`<form class="panel sign-in" @submit=${submit}>
        <h1>Sign in</h1>
        <p>This server requires a credential. Enter an API key, or a token of your identity provider.</p>
        <label>Key or token<input name="credential" type="password" autocomplete="off" required autofocus /></label>
        ${message ? html`<p class="notice bad" role="alert">${message}</p>` : nothing}
        <button type="submit" class="primary">Sign in</button>
        <p class="quiet">It is kept in this tab, and ends with it.</p>
      </form>`,
      root,
    );
  draw();
  return signedIn.promise;
}

/** Who is signed in, and the way out. */
export function readerMenu() {
  if (!caller || caller.authentication === "none") return nothing;
  return html`<span class="quiet">${caller.caller}</span><button type="button" @click=${signOut}>Sign out</button>`;
}

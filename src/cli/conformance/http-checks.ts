import { isTerminal } from "../../../client/wire.ts";
import { type Check, check, must, mustBe, mustBeProblem, SkipError, UNKNOWN } from "./check.ts";

const CURSOR = /^[0-9a-z.]{1,64}$/;
const STATUSES = "PENDING RUNNING SUSPENDED Completed Failed TERMINATED CANCELED".split(" ");
const OTHER_ORIGIN = "https://conformance.invalid";

/** Documents, starts and problems: PROTOCOL.md, sections 1 to 3 and 7. */
export const HTTP_CHECKS: readonly Check[] = [
  check("start: 202 with the id, the URLs and Location", async (subject) => {
    const { response, body } = subject.recording().start;
    for (const key of ["operation_id", "status_url", "events_url"]) {
      must(typeof body[key] === "string", `${key} is missing`);
    }
    mustBe("Location", response.headers.get("location"), body.status_url);
  }),
  check("document: keys, times, status and cursor", async (subject) => {
    const { last, id } = subject.recording();
    mustBe("operation_id", last.operation_id, id);
    must(typeof last.name === "string" && last.name !== "", "there is no name");
    must(STATUSES.includes(last.status), `the status is ${last.status}`);
    must(isTerminal(last), `the last status is ${last.status}`);
    for (const time of [last.created_at, last.last_updated]) {
      must(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/.test(time), `a time is ${time}`);
    }
    must(CURSOR.test(last.cursor), `the cursor is ${last.cursor}`);
  }),
  check("the same state has the same document on every transport (C1)", async (subject) => {
    const { sse, webSocket, longPoll, last } = subject.recording();
    const { input: _, ...document } = last;
    const states = [sse.events.map(({ data }) => data), webSocket].map((messages) =>
      messages.findLast(({ operation }) => operation !== undefined),
    );
    for (const each of [...states.map((state) => state?.operation), longPoll.at(-1)]) {
      mustBe("a last document", each, document);
    }
  }),
  check("status: the ETag is the cursor, and If-None-Match is answered 304", async (subject) => {
    const { id, last } = subject.recording();
    const url = subject.server.urlOf("api/operations", { operation_id: id });
    const etag = (await subject.server.request(url)).headers.get("etag");
    mustBe("ETag", etag, `W/"${last.cursor}"`);
    const headers = { "if-none-match": String(etag), prefer: "wait=25" };
    mustBe("the status", (await subject.server.request(url, { headers })).status, 304);
  }),
  check("list: the operation is in it, without its result", async (subject) => {
    const { id, last } = subject.recording();
    const query = { prefix: id, name: last.name, status: last.status, limit: "1" };
    const { operations } = await subject.server.json(subject.server.urlOf("api/operations", query));
    must(Array.isArray(operations) && operations.length === 1, "it is not listed");
    mustBe("its id", operations[0].operation_id, id);
    mustBe("its result", operations[0].result, undefined);
  }),
  check(
    "start: an Idempotency-Key starts one operation, and refuses another body",
    async (subject) => {
      const { last } = subject.recording();
      const { server } = subject;
      const url = server.urlOf("api/operations");
      const headers = { "idempotency-key": crypto.randomUUID() };
      const body = { name: last.name, ...(last.input !== undefined && { input: last.input }) };
      const [first, second] = [
        await server.post(url, body, headers),
        await server.post(url, body, headers),
      ];
      mustBe("the first status", first.status, 202);
      mustBe("the second status", second.status, 202);
      const ids = [await first.json(), await second.json()].map(({ operation_id }) => operation_id);
      mustBe("the second id", ids[1], ids[0]);
      mustBe("Idempotency-Replayed", second.headers.get("idempotency-replayed"), "true");
      const other = await server.post(url, { ...body, tags: { of: "conformance" } }, headers);
      await mustBeProblem(other, 422, "idempotency-key-reused");
    },
  ),
  check("start: an operation_id in use is 409 operation-exists", async (subject) => {
    const { id, last } = subject.recording();
    const body = { name: last.name, operation_id: id };
    const response = await subject.server.post(subject.server.urlOf("api/operations"), body);
    await mustBeProblem(response, 409, "operation-exists");
  }),
  check("control: a verb that the state does not allow is 409 wrong-state", async (subject) => {
    const { id, last } = subject.recording();
    const url = subject.server.urlOf("api/suspend", { operation_id: id });
    const problem = await mustBeProblem(await subject.server.post(url, {}), 409, "wrong-state");
    mustBe("operation_status", problem.operation_status, last.status);
  }),
  check("problem: an unknown operation is 404 operation-not-found", async ({ server }) => {
    const response = await server.request(
      server.urlOf("api/operations", { operation_id: UNKNOWN }),
    );
    await mustBeProblem(response, 404, "operation-not-found");
  }),
  check("problem: an impossible id is 400 invalid-operation-id", async ({ server }) => {
    const response = await server.request(server.urlOf("api/operations", { operation_id: "@x" }));
    await mustBeProblem(response, 400, "invalid-operation-id");
  }),
  check("problem: an unknown parameter is 400 invalid-query", async ({ server }) => {
    const response = await server.request(server.urlOf("api/operations", { nonsense: "1" }));
    await mustBeProblem(response, 400, "invalid-query");
  }),
  check("problem: an unknown path is 404 not-found", async ({ server }) => {
    await mustBeProblem(await server.request(server.urlOf("api/nowhere")), 404, "not-found");
  }),
  check("problem: a method that is not possible is 405 with Allow", async ({ server }) => {
    const response = await server.request(server.urlOf("api/operations"), { method: "PUT" });
    must(response.headers.get("allow"), "there is no Allow");
    await mustBeProblem(response, 405, "method-not-allowed");
  }),
  check(
    "problem: a body that is not JSON is 400, and not application/json 415",
    async ({ server }) => {
      const url = server.urlOf("api/operations");
      const send = (type: string) =>
        server.request(url, { method: "POST", headers: { "content-type": type }, body: "{" });
      await mustBeProblem(await send("application/json"), 400, "invalid-body");
      await mustBeProblem(await send("text/plain"), 415, "unsupported-media-type");
    },
  ),
  check(
    "access: a page of another origin changes nothing: 403 origin-not-allowed",
    async ({ server }) => {
      const headers = { origin: OTHER_ORIGIN, "sec-fetch-site": "cross-site" };
      const response = await server.post(
        server.urlOf("api/operations"),
        { name: UNKNOWN },
        headers,
      );
      await mustBeProblem(response, 403, "origin-not-allowed");
    },
  ),
  check("access: the caller is named, with its scopes", async ({ server }) => {
    const { caller, scopes } = await server.json(server.urlOf("api/caller"));
    must(typeof caller === "string" && Array.isArray(scopes), "one of them is missing");
  }),
  check("access: without a credential it is 401 unauthenticated", async ({ server }) => {
    if (!server.token) throw new SkipError("no credential was given");
    const response = await fetch(server.urlOf("api/caller"));
    must(response.headers.get("www-authenticate"), "there is no WWW-Authenticate");
    await mustBeProblem(response, 401, "unauthenticated");
  }),
  check("documents: /openapi.json and /asyncapi.json", async ({ server }) => {
    const [openapi, asyncapi] = [
      await server.json(server.urlOf("openapi.json")),
      await server.json(server.urlOf("asyncapi.json")),
    ];
    must(String(openapi.openapi).startsWith("3."), "the first is no OpenAPI 3");
    must(String(asyncapi.asyncapi).startsWith("3."), "the second is no AsyncAPI 3");
  }),
];

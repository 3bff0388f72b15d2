/** better-sse as its documentation uses it: a session each, and one channel. */
import { createServer } from "node:http";
import { createChannel, createSession } from "better-sse";
import { CURSOR } from "./event.ts";
import { serve } from "./node-peer.ts";

const channel = createChannel();
const server = createServer(async (request, response) => {
  channel.register(await createSession(request, response));
});
serve(server, (event) => channel.broadcast(event, "update", { eventId: CURSOR }));

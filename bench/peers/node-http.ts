/** The yardstick: a bare `node:http` server that writes one buffer to all responses. */
import { plainServer, writeToAll } from "../support/plain-server.ts";
import { CURSOR } from "./event.ts";
import { serve } from "./node-peer.ts";

serve(plainServer(), (event) => {
  const text = `id: ${CURSOR}\nevent: update\ndata: ${JSON.stringify(event)}\n\n`;
  writeToAll(Buffer.from(text));
});

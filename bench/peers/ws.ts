/** ws as its documentation broadcasts: the same bytes sent to each client. */
import { createServer } from "node:http";
import { WebSocketServer } from "ws";
import { serve } from "./node-peer.ts";

const server = createServer();
const { clients } = new WebSocketServer({ server });
serve(server, (event) => {
  const bytes = Buffer.from(JSON.stringify(event));
  for (const client of clients) client.send(bytes, { binary: false });
});

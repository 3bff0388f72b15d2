/** Socket.IO over WebSockets alone: `emit` to all. */
import { createServer } from "node:http";
import { Server } from "socket.io";
import { serve } from "./node-peer.ts";

const server = createServer();
const io = new Server(server, { transports: ["websocket"], serveClient: false });
serve(server, (event) => {
  io.emit("update", event);
});

import { createServer, type IncomingMessage, request, type ServerResponse } from "node:http";
import { WebSocket, WebSocketServer } from "ws";
import { onEnd } from "../../helpers/lifetime.ts";
import { listenOn } from "./listen.ts";

/** What a relay changes of what passes through it. */
export interface Fault {
  /** Changes the headers of a request. */
  readonly request?: (headers: Headers) => void;
  /** Changes the headers of an answer. */
  readonly answer?: (headers: Headers) => void;
  /** Changes a JSON body. */
  readonly json?: (text: string) => string;
  /** Changes one event of a stream, which ends with an empty line. */
  readonly event?: (text: string) => string;
  /** Changes a frame of the server; `undefined` drops it. */
  readonly frame?: (text: string) => string | undefined;
  /** Instead of the server's close codes. */
  readonly closeCode?: number;
  /** A path whose answers do not arrive. */
  readonly mutes?: string;
  /** Called when a request to that path has come. */
  readonly muted?: () => void;
}

type Headers = IncomingMessage["headers"];

/** A server that passes everything on to another one, with one fault. It ends with the test. */
export async function startFaultyRelay(target: URL, fault: Fault): Promise<URL> {
  const server = createServer((incoming, outgoing) => pass(target, fault, incoming, outgoing));
  const sockets = new WebSocketServer({ server, handleProtocols: ([first]) => first ?? false });
  sockets.on("connection", (client, { url = "/", headers }) => {
    relay(client, new URL(url, target), headers, fault);
  });
  onEnd(() => {
    for (const client of sockets.clients) client.terminate();
  });
  return listenOn(server);
}

function pass(
  target: URL,
  { request: changeRequest, answer: changeAnswer, json, event, mutes, muted }: Fault,
  incoming: IncomingMessage,
  outgoing: ServerResponse,
): void {
  const url = new URL(incoming.url ?? "/", target);
  if (url.pathname === mutes) {
    muted?.();
    return;
  }
  const headers: Headers = { ...incoming.headers, host: target.host };
  changeRequest?.(headers);
  const upstream = request(url, { method: incoming.method, headers, agent: false }, (answer) => {
    const head: Headers = { ...answer.headers };
    changeAnswer?.(head);
    delete head["content-length"];
    outgoing.writeHead(answer.statusCode ?? 0, head);
    outgoing.flushHeaders();
    const isStream = head["content-type"]?.startsWith("text/event-stream");
    let rest = "";
    answer.setEncoding("utf8");
    answer.on("data", (text: string) => {
      rest += text;
      if (!isStream) return;
      const events = rest.split(/(?<=\n\n)/);
      rest = rest.endsWith("\n\n") ? "" : (events.pop() ?? "");
      for (const each of events) outgoing.write(event ? event(each) : each);
    });
    answer.on("end", () => outgoing.end(json ? json(rest) : rest));
  });
  upstream.on("error", () => outgoing.destroy());
  outgoing.on("close", () => upstream.destroy());
  incoming.pipe(upstream);
}

function relay(client: WebSocket, url: URL, headers: Headers, { frame, closeCode }: Fault): void {
  url.protocol = "ws:";
  const { authorization } = headers;
  const options = authorization ? { headers: { authorization } } : {};
  const upstream = new WebSocket(url, "dts-push.v1", options);
  const waiting: string[] = [];
  client.on("message", (data) => {
    if (upstream.readyState === WebSocket.OPEN) upstream.send(String(data));
    else waiting.push(String(data));
  });
  upstream.on("open", () => {
    for (const each of waiting) upstream.send(each);
  });
  upstream.on("message", (data) => {
    const text = frame ? frame(String(data)) : String(data);
    if (text !== undefined) client.send(text);
  });
  upstream.on("close", (code) => client.close(closeCode ?? code));
  upstream.on("error", () => client.terminate());
  client.on("close", () => upstream.terminate());
}

import { nginxWith } from "../../helpers/proxies/nginx.ts";

/** All the compression that nginx has. */
const GZIP = `
  gzip on;
  gzip_types *;
  gzip_proxied any;
  gzip_min_length 0;
  gzip_http_version 1.0;`;

/** What nginx needs for WebSockets, as docs/PROXIES.md has it. */
const UPGRADE = `
      proxy_set_header Host $http_host;
      proxy_http_version 1.1;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection "upgrade";`;

/** @param directives of the location that all paths but the WebSocket's have */
const server =
  (directives = "") =>
  ({ origin }: URL) =>
    `
    location / {
      proxy_pass ${origin};
      proxy_set_header Host $http_host;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      ${directives}
    }
    location = /api/ws {
      proxy_pass ${origin};${UPGRADE}
    }`;

/** Buffering is on, and HTTP/1.0 is spoken to the API. */
export const nginx = nginxWith("nginx", { server: server() });

export const gzippingNginx = nginxWith("nginx with gzip for everything", {
  http: GZIP,
  server: server(),
});

export const nginxWithHttp11 = nginxWith("nginx with gzip and HTTP/1.1", {
  http: GZIP,
  server: server("proxy_http_version 1.1;"),
});

/** The inner one of two. */
export const passingNginx = nginxWith("nginx that passes X-Accel-Buffering on", {
  server: server("proxy_pass_header X-Accel-Buffering;"),
});

export const nginxWithoutUpgrade = nginxWith("nginx without the upgrade headers", {
  server: ({ origin }) => `location / { proxy_pass ${origin}; }`,
});

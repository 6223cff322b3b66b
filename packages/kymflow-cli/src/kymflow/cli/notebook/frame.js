/** Runs in the frame before the page does: what the page asks goes to the notebook, not to a server. */

/**
 * @param {RequestInfo | URL} path
 * @param {RequestInit} [options]
 * @returns {Promise<Response>}
 */
globalThis.fetch = (path, { method = "GET", body = "" } = {}) =>
  new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = ({ data }) => {
      resolve(new Response(data.body, { status: data.status }));
      port1.close();
    };
    parent.postMessage({ method, path: String(path), body }, location.origin, [port2]);
  });

/**
 * The page of `kymflow view` in a notebook: in a frame of its own, whose requests go to the kernel.
 *
 * A widget is one module, and has no address that others could be loaded from. So each file of the
 * page gets an address in the browser's memory.
 */

const IMPORT = /^(import .*)"(\.[^"]+)"/gm;
const LINK = /(href|src)="([^":]+[.](?:css|js))"/g;
/** As the server's, but for where the files come from. */
const POLICY = "default-src 'none'; script-src blob:; style-src blob:; img-src data:; require-trusted-types-for 'script'; trusted-types 'none'";

/**
 * @param {Record<string, string>} files text by path
 * @returns {string} the address of the page
 */
function pageAddress(files) {
  /** @type {Map<string, string>} */
  const made = new Map();
  /** @param {string} path */
  const address = (path) => {
    const known = made.get(path);
    if (known) return known;
    const isModule = path.endsWith(".js");
    const text = files[path].replace(IMPORT, (_, start, other) => `${start}"${address(new URL(other, `file:///${path}`).pathname.slice(1))}"`);
    const url = inMemory(text, isModule ? "text/javascript" : "text/css");
    made.set(path, url);
    return url;
  };
  const html = files["index.html"]
    .replace(LINK, (_, name, path) => `${name}="${address(path)}"`)
    .replace("<head>", `<head><meta http-equiv="Content-Security-Policy" content="${POLICY}"><script src="${address("frame.js")}"></script>`);
  return inMemory(html, "text/html");
}

/**
 * @param {string} text
 * @param {string} type
 */
function inMemory(text, type) {
  return URL.createObjectURL(new Blob([text], { type: `${type}; charset=utf-8` }));
}

/** @param {{model: any, el: HTMLElement}} widget */
function render({ model, el }) {
  const frame = document.createElement("iframe");
  frame.title = "kymflow";
  frame.style.cssText = `width: 100%; min-width: 1200px; height: ${model.get("height")}px; border: 0`;
  frame.src = `${pageAddress(model.get("page"))}#notebook/${model.get("chosen")}`;

  /** @type {Map<string, MessagePort>} where the answers go that are still to come */
  const waiting = new Map();
  /** @param {MessageEvent} event */
  const ask = ({ source, data, ports }) => {
    if (source !== frame.contentWindow) return;
    const id = crypto.randomUUID();
    waiting.set(id, ports[0]);
    model.send({ ...data, id });
  };
  /**
   * @param {{id: string, status: number}} answer
   * @param {DataView[]} buffers
   */
  const answer = ({ id, status }, [body]) => {
    waiting.get(id)?.postMessage({ status, body });
    waiting.delete(id);
  };
  window.addEventListener("message", ask);
  model.on("msg:custom", answer);
  el.append(frame);
  return () => {
    window.removeEventListener("message", ask);
    model.off("msg:custom", answer);
  };
}

export default { render };

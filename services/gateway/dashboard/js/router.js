// Hash routes: `#/documents/{id}?span=1-2`. Each page is shown with a signal that ends when it is left.

/**
 * @typedef {{params: Object<string, string>, query: URLSearchParams, signal: AbortSignal}} Visit
 * @typedef {{path: string, nav: string, title: string, show: (root: HTMLElement, visit: Visit) => void}} Route
 */

/** Finds the route of a path; `{name}` in a route's path takes one segment. */
export function match(routes, path) {
  const given = path.split("/").filter(Boolean);
  for (const route of routes) {
    const wanted = route.path.split("/").filter(Boolean);
    if (wanted.length !== given.length) continue;
    const params = {};
    const fits = wanted.every((part, i) => {
      if (!part.startsWith("{")) return part === given[i];
      params[part.slice(1, -1)] = decodeURIComponent(given[i]);
      return true;
    });
    if (fits) return { route, params };
  }
  return null;
}

/** The path and query that the address names now. */
export function location() {
  const [, path, query] = /^#?([^?]*)\??(.*)$/s.exec(window.location.hash);
  return { path: path || "/", query: new URLSearchParams(query) };
}

/** Goes to a page. */
export function go(hash) {
  window.location.hash = hash;
}

/** Names the page that is shown more exactly, without showing it anew. */
export function rename(hash) {
  history.replaceState(null, "", hash);
}

/**
 * Shows pages as the address says, from now on.
 * @param {Route[]} routes
 * @param {HTMLElement} root
 * @param {(route: Route|undefined) => void} onShown
 */
export function start(routes, root, onShown) {
  let leaving = new AbortController();
  const show = () => {
    leaving.abort();
    leaving = new AbortController();
    const { path, query } = location();
    const found = match(routes, path);
    root.replaceChildren();
    window.scrollTo(0, 0);
    if (found) found.route.show(root, { params: found.params, query, signal: leaving.signal });
    onShown(found?.route);
  };
  window.addEventListener("hashchange", show);
  show();
}
